/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of properties: those of a class and those that an instance adds.
 */
#include "qemu/osdep.h"
#include "qemu/str-hash.h"
#include "qom/object-internal.h"

static void property_free(gpointer data)
{
    ObjectProperty *prop = data;

    g_free(prop->name);
    g_free(prop->type);
    g_free(prop->description);
    g_free(prop);
}

GHashTable *property_table_new(void)
{
    return g_hash_table_new_full(str_hash_seeded, g_str_equal, NULL, property_free);
}

static ObjectProperty *property_insert(GHashTable *table, const char *name, const char *type)
{
    ObjectProperty *prop = g_new0(ObjectProperty, 1);

    prop->name = g_strdup(name);
    prop->type = g_strdup(type);
    g_hash_table_insert(table, prop->name, prop);
    return prop;
}

ObjectProperty *object_property_try_add(Object *obj, const char *name, const char *type,
                                        ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                        ObjectPropertyRelease *release, void *opaque, Error **errp)
{
    ObjectProperty *prop;

    if (object_property_find(obj, name)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object (type '%s')", name,
                   object_get_typename(obj));
        return NULL;
    }
    if (!obj->properties) {
        obj->properties = property_table_new();
    }
    prop = property_insert(obj->properties, name, type);
    prop->get = get;
    prop->set = set;
    prop->release = release;
    prop->opaque = opaque;
    return prop;
}

ObjectProperty *object_property_add(Object *obj, const char *name, const char *type,
                                    ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release, void *opaque)
{
    return object_property_try_add(obj, name, type, get, set, release, opaque, &error_abort);
}

ObjectProperty *object_class_property_add(ObjectClass *klass, const char *name, const char *type,
                                          ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                          ObjectPropertyRelease *release, void *opaque)
{
    ObjectProperty *prop;

    assert(!object_class_property_find(klass, name));
    prop = property_insert(klass->properties, name, type);
    prop->get = get;
    prop->set = set;
    prop->release = release;
    prop->opaque = opaque;
    return prop;
}

ObjectProperty *object_class_property_find(ObjectClass *klass, const char *name)
{
    for (; klass; klass = object_class_get_parent(klass)) {
        ObjectProperty *prop = g_hash_table_lookup(klass->properties, name);

        if (prop) {
            return prop;
        }
    }
    return NULL;
}

ObjectProperty *object_property_find(Object *obj, const char *name)
{
    ObjectProperty *prop = NULL;

    if (obj->properties) {
        prop = g_hash_table_lookup(obj->properties, name);
    }
    return prop ? prop : object_class_property_find(obj->class, name);
}

ObjectProperty *object_property_find_err(Object *obj, const char *name, Error **errp)
{
    ObjectProperty *prop = object_property_find(obj, name);

    if (!prop) {
        error_setg(errp, "Property '%s.%s' not found", object_get_typename(obj), name);
    }
    return prop;
}

void object_property_set_description(Object *obj, const char *name, const char *description)
{
    ObjectProperty *prop = object_property_find_err(obj, name, &error_abort);

    g_free(prop->description);
    prop->description = g_strdup(description);
}

void object_class_property_set_description(ObjectClass *klass, const char *name,
                                           const char *description)
{
    ObjectProperty *prop = g_hash_table_lookup(klass->properties, name);

    assert(prop);
    g_free(prop->description);
    prop->description = g_strdup(description);
}

const char *object_property_get_type(Object *obj, const char *name, Error **errp)
{
    ObjectProperty *prop = object_property_find_err(obj, name, errp);

    return prop ? prop->type : NULL;
}

void object_property_del(Object *obj, const char *name)
{
    ObjectProperty *prop = obj->properties ? g_hash_table_lookup(obj->properties, name) : NULL;

    assert(prop);
    /* Out of the table first: release may look at the object's properties. */
    g_hash_table_steal(obj->properties, name);
    if (prop->release) {
        prop->release(obj, prop->name, prop->opaque);
    }
    property_free(prop);
}

void object_properties_clear(Object *obj)
{
    GHashTableIter iter;
    gpointer name;

    while (obj->properties && g_hash_table_size(obj->properties)) {
        g_hash_table_iter_init(&iter, obj->properties);
        g_hash_table_iter_next(&iter, &name, NULL);
        object_property_del(obj, name);
    }
    g_clear_pointer(&obj->properties, g_hash_table_unref);
}

void object_class_property_iter_init(ObjectPropertyIterator *iter, ObjectClass *klass)
{
    g_hash_table_iter_init(&iter->iter, klass->properties);
    iter->nextclass = object_class_get_parent(klass);
}

void object_property_iter_init(ObjectPropertyIterator *iter, Object *obj)
{
    if (!obj->properties) {
        object_class_property_iter_init(iter, obj->class);
        return;
    }
    g_hash_table_iter_init(&iter->iter, obj->properties);
    iter->nextclass = obj->class;
}

ObjectProperty *object_property_iter_next(ObjectPropertyIterator *iter)
{
    gpointer prop;

    while (!g_hash_table_iter_next(&iter->iter, NULL, &prop)) {
        if (!iter->nextclass) {
            return NULL;
        }
        object_class_property_iter_init(iter, iter->nextclass);
    }
    return prop;
}
