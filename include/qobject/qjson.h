/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text to values and back. Beyond RFC 8259, strings may stand in single quotes. Refused with a
 * message that begins with LINE:COLUMN: zero bytes, invalid UTF-8, two members of one name, more
 * than JSON_NESTING_MAX levels, numbers beyond the range of a double.
 */
#ifndef QJSON_H
#define QJSON_H

#include "qobject/qobject.h"

/* Levels of arrays and objects that a text may have. */
#define JSON_NESTING_MAX 1024

/* The one value that @string holds; NULL and *@errp set when it holds none, several, or no JSON. */
QObject *qobject_from_json(const char *string, Error **errp);

/*
 * A value from program text with conversions outside of its strings: %d %u (also with l, ll), %f,
 * %s (becomes a string), %p (a QObject *, whose reference is taken over), %i (a bool). The text is
 * ours: an error in it aborts.
 */
QObject *qobject_from_vjsonf_nofail(const char *string, va_list ap);
QObject *qobject_from_jsonf_nofail(const char *string, ...);
QDict *qdict_from_vjsonf_nofail(const char *string, va_list ap);
QDict *qdict_from_jsonf_nofail(const char *string, ...);

/* JSON text in ASCII, on one line; the pretty form on several, with an indentation of 4 columns. */
GString *qobject_to_json(const QObject *obj);
GString *qobject_to_json_pretty(const QObject *obj, bool pretty);

#endif
