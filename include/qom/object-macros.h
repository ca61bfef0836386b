/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Casts, and the boilerplate of declaring and defining a type; use through qom/object.h.
 *
 * Name patterns: a type Foo has the upper-case cast FOO(), the class cast FOO_CLASS(), the
 * class getter FOO_GET_CLASS(), the name string TYPE_FOO and the functions foo_init(),
 * foo_finalize() and foo_class_init().
 */
#ifndef QOM_OBJECT_MACROS_H
#define QOM_OBJECT_MACROS_H

#define OBJECT(obj)         ((Object *)(obj))
#define OBJECT_CLASS(class) ((ObjectClass *)(class))

#define OBJECT_CHECK(type, obj, name) \
    ((type *)object_dynamic_cast_assert(OBJECT(obj), (name), __FILE__, __LINE__, __func__))
#define OBJECT_CLASS_CHECK(class_type, class, name)                                        \
    ((class_type *)object_class_dynamic_cast_assert(OBJECT_CLASS(class), (name), __FILE__, \
                                                    __LINE__, __func__))
#define OBJECT_GET_CLASS(class, obj, name) \
    OBJECT_CLASS_CHECK(class, object_get_class(OBJECT(obj)), name)

/* FOO(obj): the checked cast of an instance. */
#define DECLARE_INSTANCE_CHECKER(InstanceType, OBJ_NAME, TYPENAME)      \
    static inline G_GNUC_UNUSED InstanceType *OBJ_NAME(const void *obj) \
    {                                                                   \
        return OBJECT_CHECK(InstanceType, obj, TYPENAME);               \
    }

/* FOO_GET_CLASS(obj) and FOO_CLASS(klass). */
#define DECLARE_CLASS_CHECKERS(ClassType, OBJ_NAME, TYPENAME)                    \
    static inline G_GNUC_UNUSED ClassType *OBJ_NAME##_GET_CLASS(const void *obj) \
    {                                                                            \
        return OBJECT_GET_CLASS(ClassType, obj, TYPENAME);                       \
    }                                                                            \
    static inline G_GNUC_UNUSED ClassType *OBJ_NAME##_CLASS(const void *klass)   \
    {                                                                            \
        return OBJECT_CLASS_CHECK(ClassType, klass, TYPENAME);                   \
    }

#define DECLARE_OBJ_CHECKERS(InstanceType, ClassType, OBJ_NAME, TYPENAME) \
    DECLARE_INSTANCE_CHECKER(InstanceType, OBJ_NAME, TYPENAME)            \
    DECLARE_CLASS_CHECKERS(ClassType, OBJ_NAME, TYPENAME)

/* In a header: typedefs, g_autoptr() and casts of a type that has a class structure. */
#define OBJECT_DECLARE_TYPE(InstanceType, ClassType, MODULE_OBJ_NAME) \
    typedef struct InstanceType InstanceType;                         \
    typedef struct ClassType ClassType;                               \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceType, object_unref)         \
    DECLARE_OBJ_CHECKERS(InstanceType, ClassType, MODULE_OBJ_NAME, TYPE_##MODULE_OBJ_NAME)

/* The same for a type that has no class structure of its own. */
#define OBJECT_DECLARE_SIMPLE_TYPE(InstanceType, MODULE_OBJ_NAME) \
    typedef struct InstanceType InstanceType;                     \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceType, object_unref)     \
    DECLARE_INSTANCE_CHECKER(InstanceType, MODULE_OBJ_NAME, TYPE_##MODULE_OBJ_NAME)

/*
 * In a source file: the TypeInfo and its registration.
 * @CLASS_SIZE: sizeof() of the class structure, or 0 for the parent's.
 * @...: initialisers of InterfaceInfo, the last one { }.
 */
#define OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,   \
                                    PARENT_MODULE_OBJ_NAME, ABSTRACT, CLASS_SIZE, ...) \
    static void module_obj_name##_init(Object *obj);                                   \
    static void module_obj_name##_finalize(Object *obj);                               \
    static void module_obj_name##_class_init(ObjectClass *oc, const void *data);       \
                                                                                       \
    static const TypeInfo module_obj_name##_info = {                                   \
        .name = TYPE_##MODULE_OBJ_NAME,                                                \
        .parent = TYPE_##PARENT_MODULE_OBJ_NAME,                                       \
        .instance_size = sizeof(ModuleObjName),                                        \
        .instance_align = __alignof__(ModuleObjName),                                  \
        .instance_init = module_obj_name##_init,                                       \
        .instance_finalize = module_obj_name##_finalize,                               \
        .class_size = CLASS_SIZE,                                                      \
        .class_init = module_obj_name##_class_init,                                    \
        .abstract = ABSTRACT,                                                          \
        .interfaces = (const InterfaceInfo[]){ __VA_ARGS__ },                          \
    };                                                                                 \
                                                                                       \
    static void module_obj_name##_register_types(void)                                 \
    {                                                                                  \
        type_register_static(&module_obj_name##_info);                                 \
    }                                                                                  \
    type_init(module_obj_name##_register_types)

#define OBJECT_DEFINE_TYPE(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,      \
                           PARENT_MODULE_OBJ_NAME)                               \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name, MODULE_OBJ_NAME, \
                                PARENT_MODULE_OBJ_NAME, false, sizeof(ModuleObjName##Class), {})

#define OBJECT_DEFINE_TYPE_WITH_INTERFACES(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,  \
                                           PARENT_MODULE_OBJ_NAME, ...)                      \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,             \
                                PARENT_MODULE_OBJ_NAME, false, sizeof(ModuleObjName##Class), \
                                __VA_ARGS__)

#define OBJECT_DEFINE_ABSTRACT_TYPE(ModuleObjName, module_obj_name, MODULE_OBJ_NAME, \
                                    PARENT_MODULE_OBJ_NAME)                          \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,     \
                                PARENT_MODULE_OBJ_NAME, true, sizeof(ModuleObjName##Class), {})

#define OBJECT_DEFINE_SIMPLE_TYPE_WITH_INTERFACES(ModuleObjName, module_obj_name, MODULE_OBJ_NAME, \
                                                  PARENT_MODULE_OBJ_NAME, ...)                     \
    OBJECT_DEFINE_TYPE_EXTENDED(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,                   \
                                PARENT_MODULE_OBJ_NAME, false, 0, __VA_ARGS__)

#define OBJECT_DEFINE_SIMPLE_TYPE(ModuleObjName, module_obj_name, MODULE_OBJ_NAME,             \
                                  PARENT_MODULE_OBJ_NAME)                                      \
    OBJECT_DEFINE_SIMPLE_TYPE_WITH_INTERFACES(ModuleObjName, module_obj_name, MODULE_OBJ_NAME, \
                                              PARENT_MODULE_OBJ_NAME, {})

/* DEFINE_TYPES: register an array of TypeInfo at program start. */
#define DEFINE_TYPES(type_array)                                        \
    static void do_qemu_init_##type_array(void)                         \
    {                                                                   \
        type_register_static_array(type_array, ARRAY_SIZE(type_array)); \
    }                                                                   \
    type_init(do_qemu_init_##type_array)

#endif /* QOM_OBJECT_MACROS_H */
