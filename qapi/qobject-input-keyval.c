/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars from the command line: every value is a text, and is read as the schema says. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/cutils.h"
#include "qobject-input.h"
#include "qobject/qnull.h"
#include "qobject/qstring.h"

/* The text of a scalar of the command line. */
static const char *get_keyval(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    QObject *value = qiv_get_value(qiv, name, errp);
    QString *qstr = qobject_to(QString, value);

    if (value && !qstr) {
        qiv_error_with_name(qiv, name, errp, "Parameters '", ".*' are unexpected");
    }
    return qstring_get_try_str(qstr);
}

static bool keyval_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtoi64(text, NULL, 0, obj) == 0 || qiv_error_value(qiv, name, "integer", errp);
}

static bool keyval_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtou64(text, NULL, 0, obj) == 0 || qiv_error_value(qiv, name, "integer", errp);
}

static bool keyval_size(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtosz(text, NULL, obj) == 0 || qiv_error_value(qiv, name, "size", errp);
}

static bool keyval_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);
    g_autofree char *full = NULL;

    if (!text) {
        return false;
    }
    full = qiv_full_name(qiv, name);
    return qapi_bool_parse(full, text, obj, errp);
}

static bool keyval_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    *obj = g_strdup(get_keyval(qiv_of(v), name, errp));
    return *obj != NULL;
}

static bool keyval_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtod_finite(text, NULL, obj) == 0 || qiv_error_value(qiv, name, "number", errp);
}

/* null is written as an empty text */
static bool keyval_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    const char *text = get_keyval(qiv, name, errp);

    *obj = NULL;
    if (!text) {
        return false;
    }
    if (*text) {
        return qiv_error_type(qiv, name, "null", errp);
    }
    *obj = qnull();
    return true;
}

Visitor *qobject_input_visitor_new_keyval(QObject *obj)
{
    QObjectInputVisitor *qiv = qiv_new(obj);

    qiv->keyval = true;
    qiv->visitor.type_int64 = keyval_int64;
    qiv->visitor.type_uint64 = keyval_uint64;
    qiv->visitor.type_size = keyval_size;
    qiv->visitor.type_bool = keyval_bool;
    qiv->visitor.type_str = keyval_str;
    qiv->visitor.type_number = keyval_number;
    qiv->visitor.type_null = keyval_null;
    return &qiv->visitor;
}
