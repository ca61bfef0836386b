/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of types, and how a class is built from its parent's and its interfaces'.
 *
 * Theory of operation: types are registered while the program is single-threaded. A class is
 * built by the first thread that needs it, under one recursive lock (class_init may ask for
 * other classes, or for its own); "ready" is published last, so that later users take no lock.
 * Classes are never freed.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qom/object-internal.h"

static GHashTable *type_table;
static GRecMutex type_lock;

Type type_register_static(const TypeInfo *info)
{
    Type type = g_new0(struct TypeImpl, 1);

    assert(info->name);
    if (!type_table) {
        type_table = g_hash_table_new(g_str_hash, g_str_equal);
    }
    if (g_hash_table_contains(type_table, info->name)) {
        fprintf(stderr, "Type '%s' is registered twice\n", info->name);
        abort();
    }
    type->info = info;
    g_hash_table_insert(type_table, (gpointer)info->name, type);
    return type;
}

void type_register_static_array(const TypeInfo *infos, int nr_infos)
{
    for (int i = 0; i < nr_infos; i++) {
        type_register_static(&infos[i]);
    }
}

Type type_by_name(const char *name)
{
    return type_table && name ? g_hash_table_lookup(type_table, name) : NULL;
}

bool type_is_a(const struct TypeImpl *type, const char *name)
{
    for (; type; type = type->parent) {
        /* The linker merges most equal literals, so the pointer often tells. */
        if (type->info->name == name || !strcmp(type->info->name, name)) {
            return true;
        }
    }
    return false;
}

static Type type_require(const char *name, const TypeInfo *wanted_by)
{
    Type type = type_by_name(name);

    if (!type) {
        fprintf(stderr, "Type '%s' needs type '%s', which is not registered\n", wanted_by->name,
                name);
        abort();
    }
    type_initialize(type);
    return type;
}

static void type_inherit_layout(Type type)
{
    const TypeInfo *info = type->info;
    Type parent = info->parent ? type_require(info->parent, info) : NULL;

    type->parent = parent;
    type->class_size = parent ? parent->class_size : sizeof(ObjectClass);
    type->instance_size = parent ? parent->instance_size : 0;
    type->instance_align = info->instance_align;
    if (info->class_size) {
        type->class_size = info->class_size;
    }
    if (info->instance_size) {
        type->instance_size = info->instance_size;
    }
    if (parent) {
        type->instance_align = MAX(type->instance_align, parent->instance_align);
        assert(type->class_size >= parent->class_size);
        assert(type->instance_size >= parent->instance_size);
    }
}

/* Each class owns a copy of the interface's class, so that it can fill in its own methods. */
static void class_add_interface(ObjectClass *klass, Type iface, const ObjectClass *proto)
{
    InterfaceClass *ic = g_malloc(iface->class_size);

    memcpy(ic, proto, iface->class_size);
    ic->parent_class.type = iface;
    ic->parent_class.interfaces = NULL;
    ic->concrete_class = klass;
    klass->interfaces = g_slist_append(klass->interfaces, ic);
}

static bool class_has_interface(ObjectClass *klass, const char *name)
{
    for (GSList *e = klass->interfaces; e; e = e->next) {
        if (type_is_a(((ObjectClass *)e->data)->type, name)) {
            return true;
        }
    }
    return false;
}

static void class_collect_interfaces(ObjectClass *klass, Type type)
{
    GSList *inherited = type->parent ? type->parent->class->interfaces : NULL;

    klass->interfaces = NULL;
    for (GSList *e = inherited; e; e = e->next) {
        ObjectClass *proto = e->data;
        class_add_interface(klass, proto->type, proto);
    }
    for (const InterfaceInfo *i = type->info->interfaces; i && i->type; i++) {
        Type iface = type_require(i->type, type->info);

        assert(type_is_a(iface, TYPE_INTERFACE));
        if (!class_has_interface(klass, i->type)) {
            class_add_interface(klass, iface, iface->class);
        }
    }
}

static void class_build(Type type)
{
    ObjectClass *klass;

    type_inherit_layout(type);
    klass = g_malloc0(type->class_size);
    if (type->parent) {
        memcpy(klass, type->parent->class, type->parent->class_size);
    }
    klass->type = type;
    klass->properties = property_table_new();
    class_collect_interfaces(klass, type);

    /* From here on class_init may look its own class up. */
    type->class = klass;
    for (Type p = type->parent; p; p = p->parent) {
        if (p->info->class_base_init) {
            p->info->class_base_init(klass, p->info->class_data);
        }
    }
    if (type->info->class_init) {
        type->info->class_init(klass, type->info->class_data);
    }
    qatomic_store_release(&type->ready, true);
}

ObjectClass *type_initialize(Type type)
{
    if (qatomic_load_acquire(&type->ready)) {
        return type->class;
    }
    g_rec_mutex_lock(&type_lock);
    if (!type->class) {
        class_build(type);
    }
    g_rec_mutex_unlock(&type_lock);
    return type->class;
}

ObjectClass *object_class_by_name(const char *typename)
{
    Type type = type_by_name(typename);

    return type ? type_initialize(type) : NULL;
}

const char *object_class_get_name(ObjectClass *klass)
{
    return klass->type->info->name;
}

ObjectClass *object_class_get_parent(ObjectClass *klass)
{
    Type parent = klass->type->parent;

    return parent ? parent->class : NULL;
}

bool object_class_is_abstract(ObjectClass *klass)
{
    return klass->type->info->abstract;
}

ObjectClass *object_class_dynamic_cast(ObjectClass *klass, const char *typename)
{
    ObjectClass *found = NULL;

    if (!klass || type_is_a(klass->type, typename)) {
        return klass;
    }
    for (GSList *e = klass->interfaces; e; e = e->next) {
        ObjectClass *iface = e->data;

        if (type_is_a(iface->type, typename)) {
            if (found) {
                return NULL;
            }
            found = iface;
        }
    }
    return found;
}

ObjectClass *object_class_dynamic_cast_assert(ObjectClass *klass, const char *typename,
                                              const char *file, int line, const char *func)
{
    ObjectClass *ret = object_class_dynamic_cast(klass, typename);

    if (klass && !ret) {
        fprintf(stderr, "%s:%d:%s: class '%s' is not a '%s'\n", file, line, func,
                object_class_get_name(klass), typename);
        abort();
    }
    return ret;
}

void object_class_foreach(void (*fn)(ObjectClass *klass, void *opaque), const char *implements_type,
                          bool include_abstract, void *opaque)
{
    /* class_init registers nothing, so the table stands still. */
    g_autoptr(GList) types = type_table ? g_hash_table_get_values(type_table) : NULL;

    for (GList *e = types; e; e = e->next) {
        ObjectClass *klass = type_initialize(e->data);

        if (!include_abstract && object_class_is_abstract(klass)) {
            continue;
        }
        if (!implements_type || object_class_dynamic_cast(klass, implements_type)) {
            fn(klass, opaque);
        }
    }
}

static void class_list_prepend(ObjectClass *klass, void *opaque)
{
    GSList **list = opaque;

    *list = g_slist_prepend(*list, klass);
}

static gint class_compare_name(gconstpointer a, gconstpointer b)
{
    return strcmp(object_class_get_name((ObjectClass *)a), object_class_get_name((ObjectClass *)b));
}

GSList *object_class_get_list(const char *implements_type, bool include_abstract)
{
    GSList *list = NULL;

    object_class_foreach(class_list_prepend, implements_type, include_abstract, &list);
    return list;
}

GSList *object_class_get_list_sorted(const char *implements_type, bool include_abstract)
{
    return g_slist_sort(object_class_get_list(implements_type, include_abstract),
                        class_compare_name);
}
