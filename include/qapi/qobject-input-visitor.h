/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C values from QObjects. */
#ifndef QOBJECT_INPUT_VISITOR_H
#define QOBJECT_INPUT_VISITOR_H

#include "qapi/visitor.h"

/*
 * Strict: members that the schema does not have, values of another type and numbers out of range
 * are errors. The visitor holds a reference to @obj.
 */
Visitor *qobject_input_visitor_new(QObject *obj);

/*
 * For what keyval_parse() made: every scalar is a string, and is read as the schema says: "on" and
 * "off" for booleans, numbers, sizes with suffixes. Messages name members as the command line does.
 */
Visitor *qobject_input_visitor_new_keyval(QObject *obj);

/*
 * From a text of the command line: JSON if it begins with '{', else key=value,...; @implied_key as
 * for keyval_parse(). NULL with *@errp set when the text is not well formed. help is no special
 * key.
 */
Visitor *qobject_input_visitor_new_str(const char *str, const char *implied_key, Error **errp);

#endif
