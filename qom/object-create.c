/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects made by C code with their properties given as text.
 */
#include "qemu/osdep.h"
#include "qom/object_interfaces.h"

bool object_set_propv(Object *obj, Error **errp, va_list vargs)
{
    const char *name;

    while ((name = va_arg(vargs, const char *))) {
        const char *value = va_arg(vargs, const char *);

        if (!object_property_parse(obj, name, value, errp)) {
            return false;
        }
    }
    return true;
}

bool object_set_props(Object *obj, Error **errp, ...)
{
    va_list vargs;
    bool ok;

    va_start(vargs, errp);
    ok = object_set_propv(obj, errp, vargs);
    va_end(vargs);
    return ok;
}

Object *object_new_with_propv(const char *typename, Object *parent, const char *id, Error **errp,
                              va_list vargs)
{
    ObjectClass *klass = object_class_by_name(typename);
    g_autoptr(Object) obj = NULL;

    if (!klass) {
        error_setg(errp, "invalid object type: %s", typename);
        return NULL;
    }
    if (object_class_is_abstract(klass)) {
        error_setg(errp, "object type '%s' is abstract", typename);
        return NULL;
    }
    obj = object_new_with_class(klass);
    if (!object_set_propv(obj, errp, vargs)) {
        return NULL;
    }
    if (id && !object_property_try_add_child(parent, id, obj, errp)) {
        return NULL;
    }
    if (object_dynamic_cast(obj, TYPE_USER_CREATABLE) &&
        !user_creatable_complete(USER_CREATABLE(obj), errp)) {
        object_unparent(obj);
        return NULL;
    }
    /* Inside the tree the parent's reference is the one that counts. */
    return id ? obj : g_steal_pointer(&obj);
}

Object *object_new_with_props(const char *typename, Object *parent, const char *id, Error **errp,
                              ...)
{
    va_list vargs;
    Object *obj;

    va_start(vargs, errp);
    obj = object_new_with_propv(typename, parent, id, errp, vargs);
    va_end(vargs);
    return obj;
}
