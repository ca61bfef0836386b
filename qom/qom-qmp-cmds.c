/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands on objects, their types and their properties.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-commands-qom.h"
#include "qom/object_interfaces.h"
#include "qom/qom-qobject.h"

static Object *resolve(const char *path, Error **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve_path(path, &ambiguous);

    if (!obj && ambiguous) {
        error_setg(errp, "Path '%s' is ambiguous", path);
    } else if (!obj) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    }
    return obj;
}

static gint compare_properties(gconstpointer a, gconstpointer b)
{
    const ObjectProperty *const *pa = a, *const *pb = b;

    return strcmp((*pa)->name, (*pb)->name);
}

static GPtrArray *collect_properties(ObjectPropertyIterator *iter)
{
    GPtrArray *props = g_ptr_array_new();
    ObjectProperty *prop;

    while ((prop = object_property_iter_next(iter))) {
        g_ptr_array_add(props, prop);
    }
    g_ptr_array_sort(props, compare_properties);
    return props;
}

static ObjectPropertyInfoList *list_properties(ObjectPropertyIterator *iter, bool describe)
{
    g_autoptr(GPtrArray) props = collect_properties(iter);
    ObjectPropertyInfoList *list = NULL, **tail = &list;

    for (guint i = 0; i < props->len; i++) {
        const ObjectProperty *prop = props->pdata[i];
        ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

        info->name = g_strdup(prop->name);
        info->type = g_strdup(prop->type);
        info->description = describe ? g_strdup(prop->description) : NULL;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

ObjectPropertyInfoList *qmp_qom_list(const char *path, Error **errp)
{
    Object *obj = resolve(path, errp);
    ObjectPropertyIterator iter;

    if (!obj) {
        return NULL;
    }
    object_property_iter_init(&iter, obj);
    return list_properties(&iter, false);
}

QObject *qmp_qom_get(const char *path, const char *property, Error **errp)
{
    Object *obj = resolve(path, errp);

    return obj ? object_property_get_qobject(obj, property, errp) : NULL;
}

void qmp_qom_set(const char *path, const char *property, QObject *value, Error **errp)
{
    Object *obj = resolve(path, errp);

    if (obj) {
        object_property_set_qobject(obj, property, value, errp);
    }
}

ObjectTypeInfoList *qmp_qom_list_types(const char *implements, bool has_abstract, bool abstract,
                                       Error **errp)
{
    GSList *classes = object_class_get_list_sorted(implements, has_abstract && abstract);
    ObjectTypeInfoList *list = NULL, **tail = &list;

    for (GSList *e = classes; e; e = e->next) {
        ObjectClass *klass = e->data, *parent = object_class_get_parent(klass);
        ObjectTypeInfo *info = g_new0(ObjectTypeInfo, 1);

        info->name = g_strdup(object_class_get_name(klass));
        info->has_abstract = info->abstract = object_class_is_abstract(klass);
        info->parent = parent ? g_strdup(object_class_get_name(parent)) : NULL;
        QAPI_LIST_APPEND(tail, info);
    }
    g_slist_free(classes);
    return list;
}

ObjectPropertyInfoList *qmp_qom_list_properties(const char *typename, Error **errp)
{
    ObjectClass *klass = object_class_by_name(typename);
    ObjectPropertyIterator iter;

    if (!klass) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Class '%s' not found", typename);
        return NULL;
    }
    if (!object_class_dynamic_cast(klass, TYPE_OBJECT)) {
        error_setg(errp, "Parameter '%s' expects %s", "typename", "a type of objects");
        return NULL;
    }
    object_class_property_iter_init(&iter, klass);
    return list_properties(&iter, true);
}

void qmp_object_add(ObjectOptions *options, Error **errp)
{
    user_creatable_add_qapi(options, errp);
}

void qmp_object_del(const char *id, Error **errp)
{
    user_creatable_del(id, errp);
}
