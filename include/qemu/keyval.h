/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "key=value,..." texts of the command line.
 *
 * Keys are names with dots between them, which make nested dictionaries; where all the names of one
 * level are numbers from 0 on, a list. A comma in a value is doubled. The first key can be left out
 * where the option has one that it implies. Every value is a string: what it means is decided by a
 * visitor made by qobject_input_visitor_new_keyval(). Later values replace earlier ones.
 */
#ifndef QEMU_KEYVAL_H
#define QEMU_KEYVAL_H

#include "qemu/typedefs.h"

/*
 * A new dictionary (the caller's) from @params, NULL with *@errp set when the text is not well
 * formed. @implied_key: the first key where it is left out, or NULL. @p_help: set to whether "help"
 * or "?" stands in place of a "key=value" of a well-formed text; NULL refuses that.
 */
QDict *keyval_parse(const char *params, const char *implied_key, bool *p_help, Error **errp);

#endif
