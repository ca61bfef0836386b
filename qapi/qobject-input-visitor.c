/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars from JSON: every value must have the type that the schema gives it. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/keyval.h"
#include "qobject-input.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

static bool input_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);

    if (!value) {
        return false;
    }
    return (qnum && qnum_get_try_int(qnum, obj)) || qiv_error_type(qiv, name, "integer", errp);
}

/* A negative number wraps around: clients that print unsigned numbers as signed ones rely on it. */
static bool input_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);
    int64_t negative;

    if (!value) {
        return false;
    }
    if (qnum && qnum_get_try_uint(qnum, obj)) {
        return true;
    }
    if (qnum && qnum_get_try_int(qnum, &negative)) {
        *obj = negative;
        return true;
    }
    return qiv_error_type(qiv, name, "integer", errp);
}

static bool input_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);
    QBool *qbool = qobject_to(QBool, value);

    if (!value) {
        return false;
    }
    if (!qbool) {
        return qiv_error_type(qiv, name, "boolean", errp);
    }
    *obj = qbool_get_bool(qbool);
    return true;
}

static bool input_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);
    QString *qstr = qobject_to(QString, value);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (!qstr) {
        return qiv_error_type(qiv, name, "string", errp);
    }
    *obj = g_strdup(qstring_get_str(qstr));
    return true;
}

static bool input_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);

    if (!value) {
        return false;
    }
    if (!qnum) {
        return qiv_error_type(qiv, name, "number", errp);
    }
    *obj = qnum_get_double(qnum);
    return true;
}

static bool input_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QNULL) {
        return qiv_error_type(qiv, name, "null", errp);
    }
    *obj = qnull();
    return true;
}

Visitor *qobject_input_visitor_new(QObject *obj)
{
    QObjectInputVisitor *qiv = qiv_new(obj);

    qiv->visitor.type_int64 = input_int64;
    qiv->visitor.type_uint64 = input_uint64;
    qiv->visitor.type_bool = input_bool;
    qiv->visitor.type_str = input_str;
    qiv->visitor.type_number = input_number;
    qiv->visitor.type_null = input_null;
    return &qiv->visitor;
}

Visitor *qobject_input_visitor_new_str(const char *str, const char *implied_key, Error **errp)
{
    bool json = str[0] == '{';
    g_autoptr(QObject) obj = NULL;

    if (json) {
        obj = qobject_from_json(str, errp);
    } else {
        obj = QOBJECT(keyval_parse(str, implied_key, NULL, errp));
    }
    if (!obj) {
        return NULL;
    }
    return json ? qobject_input_visitor_new(obj) : qobject_input_visitor_new_keyval(obj);
}
