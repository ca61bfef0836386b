/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of qom/ share: the insides of a type and of a property table.
 */
#ifndef QOM_OBJECT_INTERNAL_H
#define QOM_OBJECT_INTERNAL_H

#include "qom/object.h"

struct TypeImpl {
    /* Constant after registration. */
    const TypeInfo *info;
    /* Constant after the class was built; written under the lock of type.c. */
    struct TypeImpl *parent;
    size_t class_size;
    size_t instance_size;
    size_t instance_align;
    ObjectClass *class;
    /* Atomic: the class may be used without the lock. */
    bool ready;
};

/* type_by_name: NULL when nobody registered @name. */
Type type_by_name(const char *name);
/* type_initialize: build the class of @type if nobody did; any thread. */
ObjectClass *type_initialize(Type type);
/* type_is_a: whether @type is @name or descends from it (interfaces do not count). */
bool type_is_a(const struct TypeImpl *type, const char *name);

/* property_table_new: an empty table, name -> ObjectProperty, that owns its properties. */
GHashTable *property_table_new(void);
/* object_properties_clear: release all properties that @obj has of its own. */
void object_properties_clear(Object *obj);

#endif /* QOM_OBJECT_INTERNAL_H */
