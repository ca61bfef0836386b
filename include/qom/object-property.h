/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named properties of objects, and the tree that child properties make; use through
 * qom/object.h. Everything here belongs to the main loop, and nothing blocks.
 *
 * A property is read and written through a Visitor, so one pair of accessors serves option
 * strings, JSON and C. Class properties exist once for all instances; an instance may add its
 * own. A property whose type is "child<TYPE>" holds a reference to a child object and gives it
 * its place in the tree: /objects/io0 is the child "io0" of the child "objects" of the root.
 */
#ifndef QOM_OBJECT_PROPERTY_H
#define QOM_OBJECT_PROPERTY_H

#include "qemu/typedefs.h"

struct QEnumLookup;

typedef struct ObjectProperty ObjectProperty;

/* Read or write property @name of @obj through @v; errors go to @errp. */
typedef void(ObjectPropertyAccessor)(Object *obj, Visitor *v, const char *name, void *opaque,
                                     Error **errp);
/* The object that a path component stands for; NULL for a plain value. */
typedef Object *(ObjectPropertyResolve)(Object *obj, void *opaque, const char *part);
/* The property goes away; give back what @opaque holds. */
typedef void(ObjectPropertyRelease)(Object *obj, const char *name, void *opaque);

struct ObjectProperty {
    char *name;
    char *type;
    char *description;
    ObjectPropertyAccessor *get;
    ObjectPropertyAccessor *set;
    ObjectPropertyResolve *resolve;
    ObjectPropertyRelease *release;
    void *opaque;
};

/* Walks the properties of an object: its own, then those of its class and ancestors. */
typedef struct ObjectPropertyIterator {
    ObjectClass *nextclass;
    GHashTableIter iter;
} ObjectPropertyIterator;

/*
 * object_property_try_add: add a property to one object.
 * @type: the name of the value's type, for people ("int", "bool", "child<iothread>").
 * @get, @set: NULL for a property that cannot be read or written.
 * @release: called when the property or the object goes; may be NULL.
 * Returns NULL with "attempt to add duplicate property ..." if @name is taken.
 */
ObjectProperty *object_property_try_add(Object *obj, const char *name, const char *type,
                                        ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                        ObjectPropertyRelease *release, void *opaque, Error **errp);
/* object_property_add: the same where a duplicate is a bug of ours. */
ObjectProperty *object_property_add(Object *obj, const char *name, const char *type,
                                    ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                    ObjectPropertyRelease *release, void *opaque);
/* object_property_del: remove an instance's own property; it must exist. */
void object_property_del(Object *obj, const char *name);

/* object_class_property_add: a property of every instance; call it from class_init. */
ObjectProperty *object_class_property_add(ObjectClass *klass, const char *name, const char *type,
                                          ObjectPropertyAccessor *get, ObjectPropertyAccessor *set,
                                          ObjectPropertyRelease *release, void *opaque);

/* Typed shortcuts. A getter for strings returns what the caller frees with g_free(). */
ObjectProperty *object_property_add_bool(Object *obj, const char *name,
                                         bool (*get)(Object *, Error **),
                                         void (*set)(Object *, bool, Error **));
ObjectProperty *object_class_property_add_bool(ObjectClass *klass, const char *name,
                                               bool (*get)(Object *, Error **),
                                               void (*set)(Object *, bool, Error **));
ObjectProperty *object_property_add_str(Object *obj, const char *name,
                                        char *(*get)(Object *, Error **),
                                        void (*set)(Object *, const char *, Error **));
ObjectProperty *object_class_property_add_str(ObjectClass *klass, const char *name,
                                              char *(*get)(Object *, Error **),
                                              void (*set)(Object *, const char *, Error **));
ObjectProperty *object_property_add_enum(Object *obj, const char *name, const char *typename,
                                         const struct QEnumLookup *lookup,
                                         int (*get)(Object *, Error **),
                                         void (*set)(Object *, int, Error **));
ObjectProperty *object_class_property_add_enum(ObjectClass *klass, const char *name,
                                               const char *typename,
                                               const struct QEnumLookup *lookup,
                                               int (*get)(Object *, Error **),
                                               void (*set)(Object *, int, Error **));

/* The sentence that help and qom-list-properties show. */
void object_property_set_description(Object *obj, const char *name, const char *description);
void object_class_property_set_description(ObjectClass *klass, const char *name,
                                           const char *description);

/* Find a property, the object's own first; NULL if there is none. */
ObjectProperty *object_property_find(Object *obj, const char *name);
ObjectProperty *object_class_property_find(ObjectClass *klass, const char *name);
/* object_property_find_err: with "Property 'TYPE.NAME' not found" in @errp. */
ObjectProperty *object_property_find_err(Object *obj, const char *name, Error **errp);

void object_property_iter_init(ObjectPropertyIterator *iter, Object *obj);
void object_class_property_iter_init(ObjectPropertyIterator *iter, ObjectClass *klass);
/* object_property_iter_next: NULL after the last; adding or removing meanwhile is a bug. */
ObjectProperty *object_property_iter_next(ObjectPropertyIterator *iter);

/* object_property_get/set: let @v take or give the value. False with @errp set on failure. */
bool object_property_get(Object *obj, const char *name, Visitor *v, Error **errp);
bool object_property_set(Object *obj, const char *name, Visitor *v, Error **errp);

/* object_property_parse: set from option text. */
bool object_property_parse(Object *obj, const char *name, const char *string, Error **errp);
/* object_property_print: the value as text; the caller frees it. NULL on failure. */
char *object_property_print(Object *obj, const char *name, bool human, Error **errp);

/* Set and get as C values. A getter that fails returns NULL, false or -1 with @errp set. */
bool object_property_set_str(Object *obj, const char *name, const char *value, Error **errp);
char *object_property_get_str(Object *obj, const char *name, Error **errp);
bool object_property_set_bool(Object *obj, const char *name, bool value, Error **errp);
bool object_property_get_bool(Object *obj, const char *name, Error **errp);
bool object_property_set_int(Object *obj, const char *name, int64_t value, Error **errp);
int64_t object_property_get_int(Object *obj, const char *name, Error **errp);
bool object_property_set_uint(Object *obj, const char *name, uint64_t value, Error **errp);
uint64_t object_property_get_uint(Object *obj, const char *name, Error **errp);
int object_property_get_enum(Object *obj, const char *name, const char *typename, Error **errp);
/* object_property_get_type: the type's name, owned by the property. */
const char *object_property_get_type(Object *obj, const char *name, Error **errp);

/*
 * object_property_try_add_child: give @child its place in the tree; the property takes a
 * reference of its own. @child must have no parent.
 */
ObjectProperty *object_property_try_add_child(Object *obj, const char *name, Object *child,
                                              Error **errp);
/* object_property_add_child: the same where a duplicate is a bug of ours. */
ObjectProperty *object_property_add_child(Object *obj, const char *name, Object *child);
/* object_unparent: take @obj out of the tree; its parent's reference goes. */
void object_unparent(Object *obj);

/* object_property_add_new_container: an empty container as child @name of @obj. */
Object *object_property_add_new_container(Object *obj, const char *name);

/*
 * object_child_foreach: call @fn for each child until it returns non-zero, which is returned.
 * @fn must not change the set of children.
 */
int object_child_foreach(Object *obj, int (*fn)(Object *child, void *opaque), void *opaque);

/* object_get_root: "/", made on first use. */
Object *object_get_root(void);
/* object_get_objects_root: "/objects", where user-created objects live. */
Object *object_get_objects_root(void);
/* object_get_internal_root: a root of its own, out of users' sight, for objects of ours. */
Object *object_get_internal_root(void);
/* object_get_container: the container /@name; NULL if there is none. */
Object *object_get_container(const char *name);

/* object_get_canonical_path_component: the name below its parent; NULL outside the tree. */
const char *object_get_canonical_path_component(const Object *obj);
/* object_get_canonical_path: "/objects/io0"; the caller frees it. NULL outside the tree. */
char *object_get_canonical_path(const Object *obj);

/*
 * object_resolve_path: find an object by its path.
 * @path: absolute, or the tail of a path, which is then looked for in the whole tree.
 * @ambiguous: if not NULL, set when a tail fits several objects (and NULL is returned).
 * Returns a borrowed pointer, or NULL.
 */
Object *object_resolve_path(const char *path, bool *ambiguous);
/* object_resolve_path_type: only objects that cast to @typename count. */
Object *object_resolve_path_type(const char *path, const char *typename, bool *ambiguous);
/* object_resolve_path_component: the child, or what a resolving property names, @part of @parent */
Object *object_resolve_path_component(Object *parent, const char *part);

#endif /* QOM_OBJECT_PROPERTY_H */
