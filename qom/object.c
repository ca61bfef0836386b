/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instances: making them, casting them, counting their references, ending them.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qom/object-internal.h"
#include "qom/object_interfaces.h"

static void instance_init(Object *obj, Type type)
{
    if (type->parent) {
        instance_init(obj, type->parent);
    }
    if (type->info->instance_init) {
        type->info->instance_init(obj);
    }
}

static void instance_post_init(Object *obj, Type type)
{
    if (type->parent) {
        instance_post_init(obj, type->parent);
    }
    if (type->info->instance_post_init) {
        type->info->instance_post_init(obj);
    }
}

static void instance_setup(void *data, Type type)
{
    Object *obj = data;

    assert(type->instance_size >= sizeof(Object));
    assert(!type->info->abstract);
    memset(obj, 0, type->instance_size);
    obj->class = type->class;
    obj->ref = 1;
    instance_init(obj, type);
    instance_post_init(obj, type);
}

static Type type_for_instance(const char *typename)
{
    Type type = type_by_name(typename);

    if (!type) {
        fprintf(stderr, "Type '%s' is not registered\n", typename);
        abort();
    }
    type_initialize(type);
    return type;
}

void object_initialize(void *obj, size_t size, const char *typename)
{
    Type type = type_for_instance(typename);

    assert(size >= type->instance_size);
    instance_setup(obj, type);
}

Object *object_new_with_class(ObjectClass *klass)
{
    Type type = klass->type;
    size_t align = MAX(type->instance_align, sizeof(void *));
    void *obj = NULL;

    if (align <= __alignof__(max_align_t)) {
        obj = g_malloc(type->instance_size);
    } else if (posix_memalign(&obj, align, type->instance_size)) {
        abort();
    }
    instance_setup(obj, type);
    OBJECT(obj)->free = align <= __alignof__(max_align_t) ? g_free : free;
    return obj;
}

Object *object_new(const char *typename)
{
    return object_new_with_class(type_for_instance(typename)->class);
}

static void object_finalize(Object *obj)
{
    ObjectFree *release = obj->free;

    object_properties_clear(obj);
    for (Type type = obj->class->type; type; type = type->parent) {
        if (type->info->instance_finalize) {
            type->info->instance_finalize(obj);
        }
    }
    /* An object in the tree is referenced by its parent. */
    assert(!obj->parent);
    assert(qatomic_read(&obj->ref) == 0);
    if (release) {
        release(obj);
    }
}

Object *object_ref(void *objptr)
{
    Object *obj = objptr;

    if (obj) {
        uint32_t before = qatomic_fetch_inc(&obj->ref);
        assert(before > 0 && before < INT_MAX);
    }
    return obj;
}

void object_unref(void *objptr)
{
    Object *obj = objptr;

    if (obj) {
        uint32_t before = qatomic_fetch_dec(&obj->ref);
        assert(before > 0);
        if (before == 1) {
            object_finalize(obj);
        }
    }
}

Object *object_dynamic_cast(Object *obj, const char *typename)
{
    return obj && object_class_dynamic_cast(obj->class, typename) ? obj : NULL;
}

Object *object_dynamic_cast_assert(Object *obj, const char *typename, const char *file, int line,
                                   const char *func)
{
    if (obj && !object_class_dynamic_cast(obj->class, typename)) {
        fprintf(stderr, "%s:%d:%s: object %p is a '%s', not a '%s'\n", file, line, func,
                (void *)obj, object_get_typename(obj), typename);
        abort();
    }
    return obj;
}

ObjectClass *object_get_class(Object *obj)
{
    return obj->class;
}

const char *object_get_typename(const Object *obj)
{
    return obj->class->type->info->name;
}

static char *object_get_type(Object *obj, Error **errp)
{
    return g_strdup(object_get_typename(obj));
}

static void object_class_init(ObjectClass *klass, const void *data)
{
    object_class_property_add_str(klass, "type", object_get_type, NULL);
}

/* All types that others name by a string only: this file is in every program that has objects. */
static const TypeInfo base_types[] = {
    {
        .name = TYPE_OBJECT,
        .instance_size = sizeof(Object),
        .class_size = sizeof(ObjectClass),
        .class_init = object_class_init,
        .abstract = true,
    },
    {
        .name = TYPE_INTERFACE,
        .class_size = sizeof(InterfaceClass),
        .abstract = true,
    },
    {
        .name = TYPE_USER_CREATABLE,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(UserCreatableClass),
        .abstract = true,
    },
};

DEFINE_TYPES(base_types)
