/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed, reference-counted objects with single inheritance and interfaces.
 *
 * Theory of operation: a TypeInfo describes a type and is registered once, before main() does
 * anything else (type_init() runs at module_call_init(MODULE_INIT_QOM)). The class of a type is
 * built on first use, in whichever thread that is: the parent's class is copied, then every
 * class_base_init of the ancestors and the type's own class_init run over the copy. An instance
 * is made by object_new() (counted memory of ours) or object_initialize() (the caller's memory);
 * instance_init runs from the base to the derived type, instance_finalize the other way round
 * when the last reference goes.
 *
 * Types, classes and reference counts may be used from any thread. Properties and the tree of
 * objects (qom/object-property.h) belong to the main loop.
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include "qemu/module.h"
#include "qapi/error.h"

struct TypeImpl;
/* A registered type; compares by pointer. */
typedef struct TypeImpl *Type;

typedef struct TypeInfo TypeInfo;
typedef struct InterfaceClass InterfaceClass;
typedef struct InterfaceInfo InterfaceInfo;

#define TYPE_OBJECT    "object"
#define TYPE_CONTAINER "container"
#define TYPE_INTERFACE "interface"

/* Called when an object leaves its parent in the tree, before the parent's reference goes. */
typedef void(ObjectUnparent)(Object *obj);
/* Returns the memory of a finalized object. */
typedef void(ObjectFree)(void *obj);

/* First member of every class structure. */
struct ObjectClass {
    /* Constant after the class was built. */
    Type type;
    GSList *interfaces;
    ObjectUnparent *unparent;
    /* Name -> ObjectProperty; filled by class_init, read by everybody. */
    GHashTable *properties;
};

/* First member of every instance structure. */
struct Object {
    /* Constant after creation. */
    ObjectClass *class;
    ObjectFree *free;
    /* Main loop. */
    GHashTable *properties;
    Object *parent;
    const char *name; /* the parent's property that holds it; NULL without a parent */
    /* Atomic. */
    uint32_t ref;
};

/*
 * What a type is. It must live for ever: the registry keeps the pointer.
 *
 * Sizes are in bytes; 0 takes the parent's. Any function may be NULL.
 */
struct TypeInfo {
    const char *name;
    const char *parent;

    size_t instance_size;
    size_t instance_align;
    void (*instance_init)(Object *obj);
    /* After every instance_init, from the base to the derived type. */
    void (*instance_post_init)(Object *obj);
    void (*instance_finalize)(Object *obj);

    bool abstract;
    size_t class_size;
    void (*class_init)(ObjectClass *klass, const void *data);
    /* For each class built below this type, after the parent's class was copied. */
    void (*class_base_init)(ObjectClass *klass, const void *data);
    const void *class_data;

    /* Ends with an entry whose type is NULL. */
    const InterfaceInfo *interfaces;
};

/* One interface that a type offers. */
struct InterfaceInfo {
    const char *type;
};

/* First member of an interface's class structure: one per (class, interface) pair. */
struct InterfaceClass {
    ObjectClass parent_class;
    /* The class that offers the interface. */
    ObjectClass *concrete_class;
};

#define INTERFACE_CLASS(klass) OBJECT_CLASS_CHECK(InterfaceClass, klass, TYPE_INTERFACE)
/* An interface has no instance structure: the cast only tells whether @obj offers @name. */
#define INTERFACE_CHECK(interface, obj, name) \
    ((interface *)object_dynamic_cast_assert(OBJECT((obj)), (name), __FILE__, __LINE__, __func__))

#include "qom/object-macros.h"

/* object_ref: take a reference; returns @obj. NULL is accepted. Any thread. */
Object *object_ref(void *obj);
/* object_unref: drop a reference; the last one finalizes. NULL is accepted. Any thread. */
void object_unref(void *obj);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

/*
 * type_register_static: make a type known. Asserts that its name is new.
 * @info: kept by reference.
 * Context: at program start, before other threads exist.
 */
Type type_register_static(const TypeInfo *info);

/* type_register_static_array: register @nr_infos types of @infos. */
void type_register_static_array(const TypeInfo *infos, int nr_infos);

/*
 * object_new: a new instance of @typename with one reference, the caller's. The type must be
 * registered and not abstract.
 */
Object *object_new(const char *typename);

/* object_new_with_class: the same for a class that is at hand. */
Object *object_new_with_class(ObjectClass *klass);

/*
 * object_new_with_props: a new instance, its properties set from strings, made a child @id of
 * @parent, and completed if it is user-creatable.
 * @parent, @id: both NULL for an object outside the tree.
 * @...: pairs of property name and value (const char *), then NULL.
 * Returns the object: with a @parent, that one holds the only reference; without, the caller
 * does. NULL with @errp set when a value is refused.
 * Context: main loop.
 */
Object *object_new_with_props(const char *typename, Object *parent, const char *id, Error **errp,
                              ...) G_GNUC_NULL_TERMINATED;
Object *object_new_with_propv(const char *typename, Object *parent, const char *id, Error **errp,
                              va_list vargs);

/* object_set_props: set several properties from strings; the list ends with NULL. */
bool object_set_props(Object *obj, Error **errp, ...) G_GNUC_NULL_TERMINATED;
bool object_set_propv(Object *obj, Error **errp, va_list vargs);

/*
 * object_initialize: make an instance in the caller's memory, with one reference.
 * @size: bytes at @obj; asserted to hold an instance.
 * The memory must outlive the last object_unref().
 */
void object_initialize(void *obj, size_t size, const char *typename);

/*
 * object_initialize_child: an instance inside @parentobj's own memory as its child @propname;
 * the parent holds the only reference.
 */
#define object_initialize_child(parent, propname, child, type) \
    object_initialize_child_internal((parent), (propname), (child), sizeof(*(child)), (type))
void object_initialize_child_internal(Object *parent, const char *propname, void *child,
                                      size_t size, const char *type);

/* object_dynamic_cast: @obj if it is a @typename (type or interface), else NULL. */
Object *object_dynamic_cast(Object *obj, const char *typename);
/* object_dynamic_cast_assert: the same, but another type ends the program (a bug of ours). */
Object *object_dynamic_cast_assert(Object *obj, const char *typename, const char *file, int line,
                                   const char *func);

/*
 * object_class_dynamic_cast: @klass if it descends from @typename; the interface class if
 * @typename is an interface that it offers; NULL if neither, or if two of its interfaces
 * descend from @typename.
 */
ObjectClass *object_class_dynamic_cast(ObjectClass *klass, const char *typename);
ObjectClass *object_class_dynamic_cast_assert(ObjectClass *klass, const char *typename,
                                              const char *file, int line, const char *func);

ObjectClass *object_get_class(Object *obj);
const char *object_get_typename(const Object *obj);

const char *object_class_get_name(ObjectClass *klass);
/* object_class_get_parent: the parent's class; NULL for the root of a hierarchy. */
ObjectClass *object_class_get_parent(ObjectClass *klass);
bool object_class_is_abstract(ObjectClass *klass);

/* object_class_by_name: the class of @typename, NULL when nobody registered it. */
ObjectClass *object_class_by_name(const char *typename);

/*
 * object_class_foreach: call @fn for the class of every registered type.
 * @implements_type: only those that cast to it; NULL for all.
 * @include_abstract: also types that have no instances.
 */
void object_class_foreach(void (*fn)(ObjectClass *klass, void *opaque), const char *implements_type,
                          bool include_abstract, void *opaque);
/* object_class_get_list: the same as a list that the caller frees with g_slist_free(). */
GSList *object_class_get_list(const char *implements_type, bool include_abstract);
/* object_class_get_list_sorted: by name. */
GSList *object_class_get_list_sorted(const char *implements_type, bool include_abstract);

#include "qom/object-property.h"

#endif /* QOM_OBJECT_H */
