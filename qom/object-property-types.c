/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties with typed accessors: booleans, strings and enumerations.
 *
 * A property's opaque is one TypedProperty, which an instance's property frees and a class's
 * keeps for ever.
 */
#include "qemu/osdep.h"
#include "qapi/visitor.h"
#include "qom/object-internal.h"

typedef struct TypedProperty {
    union {
        bool (*get_bool)(Object *obj, Error **errp);
        char *(*get_str)(Object *obj, Error **errp);
        int (*get_enum)(Object *obj, Error **errp);
    };
    union {
        void (*set_bool)(Object *obj, bool value, Error **errp);
        void (*set_str)(Object *obj, const char *value, Error **errp);
        void (*set_enum)(Object *obj, int value, Error **errp);
    };
    const QEnumLookup *lookup;
} TypedProperty;

static void typed_release(Object *obj, const char *name, void *opaque)
{
    g_free(opaque);
}

static void typed_get_bool(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ERRP_GUARD();
    TypedProperty *prop = opaque;
    bool value = prop->get_bool(obj, errp);

    if (!*errp) {
        visit_type_bool(v, name, &value, errp);
    }
}

static void typed_set_bool(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    TypedProperty *prop = opaque;
    bool value;

    if (visit_type_bool(v, name, &value, errp)) {
        prop->set_bool(obj, value, errp);
    }
}

static void typed_get_str(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ERRP_GUARD();
    TypedProperty *prop = opaque;
    g_autofree char *value = prop->get_str(obj, errp);

    if (!*errp) {
        visit_type_str(v, name, &value, errp);
    }
}

static void typed_set_str(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    TypedProperty *prop = opaque;
    g_autofree char *value = NULL;

    if (visit_type_str(v, name, &value, errp)) {
        prop->set_str(obj, value, errp);
    }
}

static void typed_get_enum(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ERRP_GUARD();
    TypedProperty *prop = opaque;
    int value = prop->get_enum(obj, errp);

    if (!*errp) {
        visit_type_enum(v, name, &value, prop->lookup, errp);
    }
}

static void typed_set_enum(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    TypedProperty *prop = opaque;
    int value;

    if (visit_type_enum(v, name, &value, prop->lookup, errp)) {
        prop->set_enum(obj, value, errp);
    }
}

/* What @prop can do decides which accessors the property gets. */
static ObjectProperty *add_bool(Object *obj, ObjectClass *klass, const char *name,
                                TypedProperty prop)
{
    ObjectPropertyAccessor *get = prop.get_bool ? typed_get_bool : NULL;
    ObjectPropertyAccessor *set = prop.set_bool ? typed_set_bool : NULL;
    void *opaque = g_memdup2(&prop, sizeof(prop));

    if (klass) {
        return object_class_property_add(klass, name, "bool", get, set, NULL, opaque);
    }
    return object_property_add(obj, name, "bool", get, set, typed_release, opaque);
}

static ObjectProperty *add_str(Object *obj, ObjectClass *klass, const char *name,
                               TypedProperty prop)
{
    ObjectPropertyAccessor *get = prop.get_str ? typed_get_str : NULL;
    ObjectPropertyAccessor *set = prop.set_str ? typed_set_str : NULL;
    void *opaque = g_memdup2(&prop, sizeof(prop));

    if (klass) {
        return object_class_property_add(klass, name, "string", get, set, NULL, opaque);
    }
    return object_property_add(obj, name, "string", get, set, typed_release, opaque);
}

static ObjectProperty *add_enum(Object *obj, ObjectClass *klass, const char *name,
                                const char *typename, TypedProperty prop)
{
    ObjectPropertyAccessor *get = prop.get_enum ? typed_get_enum : NULL;
    ObjectPropertyAccessor *set = prop.set_enum ? typed_set_enum : NULL;
    void *opaque = g_memdup2(&prop, sizeof(prop));

    if (klass) {
        return object_class_property_add(klass, name, typename, get, set, NULL, opaque);
    }
    return object_property_add(obj, name, typename, get, set, typed_release, opaque);
}

ObjectProperty *object_property_add_bool(Object *obj, const char *name,
                                         bool (*get)(Object *, Error **),
                                         void (*set)(Object *, bool, Error **))
{
    return add_bool(obj, NULL, name, (TypedProperty){ .get_bool = get, .set_bool = set });
}

ObjectProperty *object_class_property_add_bool(ObjectClass *klass, const char *name,
                                               bool (*get)(Object *, Error **),
                                               void (*set)(Object *, bool, Error **))
{
    return add_bool(NULL, klass, name, (TypedProperty){ .get_bool = get, .set_bool = set });
}

ObjectProperty *object_property_add_str(Object *obj, const char *name,
                                        char *(*get)(Object *, Error **),
                                        void (*set)(Object *, const char *, Error **))
{
    return add_str(obj, NULL, name, (TypedProperty){ .get_str = get, .set_str = set });
}

ObjectProperty *object_class_property_add_str(ObjectClass *klass, const char *name,
                                              char *(*get)(Object *, Error **),
                                              void (*set)(Object *, const char *, Error **))
{
    return add_str(NULL, klass, name, (TypedProperty){ .get_str = get, .set_str = set });
}

ObjectProperty *object_property_add_enum(Object *obj, const char *name, const char *typename,
                                         const QEnumLookup *lookup, int (*get)(Object *, Error **),
                                         void (*set)(Object *, int, Error **))
{
    TypedProperty prop = { .get_enum = get, .set_enum = set, .lookup = lookup };

    return add_enum(obj, NULL, name, typename, prop);
}

ObjectProperty *object_class_property_add_enum(ObjectClass *klass, const char *name,
                                               const char *typename, const QEnumLookup *lookup,
                                               int (*get)(Object *, Error **),
                                               void (*set)(Object *, int, Error **))
{
    TypedProperty prop = { .get_enum = get, .set_enum = set, .lookup = lookup };

    return add_enum(NULL, klass, name, typename, prop);
}

int object_property_get_enum(Object *obj, const char *name, const char *typename, Error **errp)
{
    ERRP_GUARD();
    ObjectProperty *prop = object_property_find_err(obj, name, errp);
    int value;

    if (!prop) {
        return -1;
    }
    if (strcmp(prop->type, typename) || prop->get != typed_get_enum) {
        error_setg(errp, "Property %s on %s is not '%s' enum type", name, object_get_typename(obj),
                   typename);
        return -1;
    }
    value = ((TypedProperty *)prop->opaque)->get_enum(obj, errp);
    return *errp ? -1 : value;
}
