/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of objects: children, containers and paths.
 *
 * A child has one parent, which holds a reference to it through a "child<TYPE>" property. The
 * child knows the name of that property.
 */
#include "qemu/osdep.h"
#include "qom/object-internal.h"
#include "object-value.h"

static bool property_is_child(const ObjectProperty *prop)
{
    return g_str_has_prefix(prop->type, "child<");
}

static Object *child_resolve(Object *obj, void *opaque, const char *part)
{
    return opaque;
}

static void child_release(Object *obj, const char *name, void *opaque)
{
    Object *child = opaque;

    child->name = NULL;
    if (child->class->unparent) {
        child->class->unparent(child);
    }
    child->parent = NULL;
    object_unref(child);
}

ObjectProperty *object_property_try_add_child(Object *obj, const char *name, Object *child,
                                              Error **errp)
{
    g_autofree char *type = g_strdup_printf("child<%s>", object_get_typename(child));
    ObjectProperty *prop;

    assert(!child->parent);
    prop = object_property_try_add(obj, name, type, object_value_get_path, NULL, child_release,
                                   child, errp);
    if (prop) {
        prop->resolve = child_resolve;
        object_ref(child);
        child->parent = obj;
        child->name = prop->name;
    }
    return prop;
}

ObjectProperty *object_property_add_child(Object *obj, const char *name, Object *child)
{
    return object_property_try_add_child(obj, name, child, &error_abort);
}

void object_unparent(Object *obj)
{
    if (obj->parent && obj->name) {
        object_property_del(obj->parent, obj->name);
    }
}

void object_initialize_child_internal(Object *parent, const char *propname, void *child,
                                      size_t size, const char *type)
{
    object_initialize(child, size, type);
    object_property_add_child(parent, propname, child);
    object_unref(child);
}

Object *object_property_add_new_container(Object *obj, const char *name)
{
    Object *child = object_new(TYPE_CONTAINER);

    object_property_add_child(obj, name, child);
    object_unref(child);
    return child;
}

int object_child_foreach(Object *obj, int (*fn)(Object *child, void *opaque), void *opaque)
{
    GHashTableIter iter;
    gpointer value;
    int ret = 0;

    if (!obj->properties) {
        return 0;
    }
    g_hash_table_iter_init(&iter, obj->properties);
    while (!ret && g_hash_table_iter_next(&iter, NULL, &value)) {
        ObjectProperty *prop = value;

        if (property_is_child(prop)) {
            ret = fn(prop->opaque, opaque);
        }
    }
    return ret;
}

Object *object_get_root(void)
{
    static Object *root;

    if (!root) {
        root = object_new(TYPE_CONTAINER);
    }
    return root;
}

Object *object_get_internal_root(void)
{
    static Object *root;

    if (!root) {
        root = object_new(TYPE_CONTAINER);
    }
    return root;
}

Object *object_get_container(const char *name)
{
    Object *obj = object_resolve_path_component(object_get_root(), name);

    return object_dynamic_cast(obj, TYPE_CONTAINER);
}

Object *object_get_objects_root(void)
{
    Object *objects = object_get_container("objects");

    return objects ? objects : object_property_add_new_container(object_get_root(), "objects");
}

const char *object_get_canonical_path_component(const Object *obj)
{
    return obj->name;
}

char *object_get_canonical_path(const Object *obj)
{
    g_autofree char *path = NULL;

    for (; obj->parent; obj = obj->parent) {
        char *longer =
            g_strdup_printf("/%s%s", object_get_canonical_path_component(obj), path ? path : "");
        g_free(path);
        path = longer;
    }
    if (obj != object_get_root()) {
        return NULL;
    }
    return path ? g_steal_pointer(&path) : g_strdup("/");
}

Object *object_resolve_path_component(Object *parent, const char *part)
{
    ObjectProperty *prop = object_property_find(parent, part);

    return prop && prop->resolve ? prop->resolve(parent, prop->opaque, part) : NULL;
}

/* Follow @parts below @obj; empty parts ("//") do not count. */
static Object *resolve_parts(Object *obj, char **parts, const char *typename)
{
    for (; obj && *parts; parts++) {
        if (**parts) {
            obj = object_resolve_path_component(obj, *parts);
        }
    }
    return object_dynamic_cast(obj, typename);
}

typedef struct TailSearch {
    char **parts;
    const char *typename;
    Object *found;
    bool ambiguous;
} TailSearch;

/* Depth is bounded by the tree that we built, not by what the path says. */
static int search_tail(Object *obj, void *opaque)
{
    TailSearch *search = opaque;
    Object *match = resolve_parts(obj, search->parts, search->typename);

    if (match && search->found && match != search->found) {
        search->ambiguous = true;
        return 1;
    }
    if (match) {
        search->found = match;
    }
    return object_child_foreach(obj, search_tail, search);
}

Object *object_resolve_path_type(const char *path, const char *typename, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", 0);
    TailSearch search = { .parts = parts, .typename = typename };

    if (ambiguous) {
        *ambiguous = false;
    }
    if (path[0] == '/') {
        return resolve_parts(object_get_root(), parts, typename);
    }
    if (!path[0]) {
        return NULL;
    }
    search_tail(object_get_root(), &search);
    if (ambiguous) {
        *ambiguous = search.ambiguous;
    }
    return search.ambiguous ? NULL : search.found;
}

Object *object_resolve_path(const char *path, bool *ambiguous)
{
    return object_resolve_path_type(path, TYPE_OBJECT, ambiguous);
}

static const TypeInfo container_types[] = {
    {
        .name = TYPE_CONTAINER,
        .parent = TYPE_OBJECT,
    },
};

DEFINE_TYPES(container_types)
