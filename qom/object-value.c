/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing properties: through visitors, as text and as C values.
 */
#include "qemu/osdep.h"
#include "object-value.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/visitor.h"
#include "qobject/qbool.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "qom/qom-qobject.h"

bool object_property_get(Object *obj, const char *name, Visitor *v, Error **errp)
{
    ERRP_GUARD();
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    if (!prop) {
        return false;
    }
    if (!prop->get) {
        error_setg(errp, "Property '%s.%s' is not readable", object_get_typename(obj), name);
        return false;
    }
    prop->get(obj, v, name, prop->opaque, errp);
    return !*errp;
}

bool object_property_set(Object *obj, const char *name, Visitor *v, Error **errp)
{
    ERRP_GUARD();
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    if (!prop) {
        return false;
    }
    if (!prop->set) {
        error_setg(errp, "Property '%s.%s' is not writable", object_get_typename(obj), name);
        return false;
    }
    prop->set(obj, v, name, prop->opaque, errp);
    return !*errp;
}

bool object_property_parse(Object *obj, const char *name, const char *string, Error **errp)
{
    QString *text = qstring_from_str(string);
    Visitor *v = qobject_input_visitor_new_keyval(QOBJECT(text));
    bool ok = object_property_set(obj, name, v, errp);

    visit_free(v);
    qobject_unref(text);
    return ok;
}

char *object_property_print(Object *obj, const char *name, bool human, Error **errp)
{
    QObject *value = object_property_get_qobject(obj, name, errp);
    GString *json;

    if (!value) {
        return NULL;
    }
    if (!human && qobject_to(QString, value)) {
        char *text = g_strdup(qstring_get_str(qobject_to(QString, value)));
        qobject_unref(value);
        return text;
    }
    json = qobject_to_json(value);
    qobject_unref(value);
    return g_string_free(json, false);
}

static bool set_qobject_and_drop(Object *obj, const char *name, QObject *value, Error **errp)
{
    bool ok = object_property_set_qobject(obj, name, value, errp);

    qobject_unref(value);
    return ok;
}

bool object_property_set_str(Object *obj, const char *name, const char *value, Error **errp)
{
    return set_qobject_and_drop(obj, name, QOBJECT(qstring_from_str(value)), errp);
}

bool object_property_set_bool(Object *obj, const char *name, bool value, Error **errp)
{
    return set_qobject_and_drop(obj, name, QOBJECT(qbool_from_bool(value)), errp);
}

bool object_property_set_int(Object *obj, const char *name, int64_t value, Error **errp)
{
    return set_qobject_and_drop(obj, name, QOBJECT(qnum_from_int(value)), errp);
}

bool object_property_set_uint(Object *obj, const char *name, uint64_t value, Error **errp)
{
    return set_qobject_and_drop(obj, name, QOBJECT(qnum_from_uint(value)), errp);
}

static void wrong_kind(Object *obj, const char *name, const char *kind, Error **errp)
{
    error_setg(errp, "Property '%s.%s' is not a %s", object_get_typename(obj), name, kind);
}

char *object_property_get_str(Object *obj, const char *name, Error **errp)
{
    QObject *value = object_property_get_qobject(obj, name, errp);
    QString *text = qobject_to(QString, value);
    char *ret = NULL;

    if (text) {
        ret = g_strdup(qstring_get_str(text));
    } else if (value) {
        wrong_kind(obj, name, "string", errp);
    }
    qobject_unref(value);
    return ret;
}

bool object_property_get_bool(Object *obj, const char *name, Error **errp)
{
    QObject *value = object_property_get_qobject(obj, name, errp);
    QBool *flag = qobject_to(QBool, value);
    bool ret = false;

    if (flag) {
        ret = qbool_get_bool(flag);
    } else if (value) {
        wrong_kind(obj, name, "boolean", errp);
    }
    qobject_unref(value);
    return ret;
}

int64_t object_property_get_int(Object *obj, const char *name, Error **errp)
{
    QObject *value = object_property_get_qobject(obj, name, errp);
    QNum *num = qobject_to(QNum, value);
    int64_t ret = -1;

    if (value && (!num || !qnum_get_try_int(num, &ret))) {
        wrong_kind(obj, name, "int", errp);
    }
    qobject_unref(value);
    return ret;
}

uint64_t object_property_get_uint(Object *obj, const char *name, Error **errp)
{
    QObject *value = object_property_get_qobject(obj, name, errp);
    QNum *num = qobject_to(QNum, value);
    uint64_t ret = 0;

    if (value && (!num || !qnum_get_try_uint(num, &ret))) {
        wrong_kind(obj, name, "uint", errp);
    }
    qobject_unref(value);
    return ret;
}

void object_value_get_path(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    g_autofree char *path = object_get_canonical_path(opaque);
    char *text = path ? path : (char *)"";

    visit_type_str(v, name, &text, errp);
}
