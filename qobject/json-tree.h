/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One complete JSON text to a value. */
#ifndef QOBJECT_JSON_TREE_H
#define QOBJECT_JSON_TREE_H

#include "qobject/qobject.h"

/*
 * The value that @text holds, which has @colons colons outside of strings. NULL if it is no JSON:
 * *@ret_at is then how many of its bytes are good, and *@ret_why, the caller's, says what is not.
 */
QObject *json_tree_parse(const GString *text, size_t colons, size_t *ret_at, char **ret_why);

#endif
