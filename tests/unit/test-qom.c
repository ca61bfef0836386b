/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Types, classes, interfaces, reference counts and the tree of objects.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "harness.h"

#define TYPE_SHAPE     "test-shape"
#define TYPE_SQUARE    "test-square"
#define TYPE_PAINTED   "test-painted"
#define TYPE_LACQUERED "test-lacquered"
#define TYPE_ALIGNED   "test-aligned"

typedef struct PaintedClass {
    InterfaceClass parent_class;
    const char *colour;
} PaintedClass;

OBJECT_DECLARE_TYPE(Shape, ShapeClass, SHAPE)
struct Shape {
    Object parent_obj;
    int corners;
};
struct ShapeClass {
    ObjectClass parent_class;
    int sides;
    int built_below;
};

OBJECT_DECLARE_SIMPLE_TYPE(Square, SQUARE)
struct Square {
    Shape parent_obj;
    int edge;
};

static GString *journal;

static void shape_init(Object *obj)
{
    SHAPE(obj)->corners = 1;
    g_string_append(journal, "shape+ ");
}

static void shape_post_init(Object *obj)
{
    g_string_append(journal, "ready ");
}

static void shape_finalize(Object *obj)
{
    g_string_append(journal, "shape- ");
}

static void shape_class_init(ObjectClass *oc, const void *data)
{
    ((ShapeClass *)oc)->sides = 7;
    ((PaintedClass *)object_class_dynamic_cast(oc, TYPE_PAINTED))->colour = "red";
}

static void shape_class_base_init(ObjectClass *oc, const void *data)
{
    ((ShapeClass *)oc)->built_below++;
}

static void square_init(Object *obj)
{
    SHAPE(obj)->corners = 4;
    g_string_append(journal, "square+ ");
}

static void square_finalize(Object *obj)
{
    g_string_append(journal, "square- ");
}

static void square_class_init(ObjectClass *oc, const void *data)
{
    /* A class may look itself up while it is built. */
    g_assert(object_class_by_name(TYPE_SQUARE) == oc);
    ((PaintedClass *)object_class_dynamic_cast(oc, TYPE_PAINTED))->colour = data;
}

static const TypeInfo test_types[] = {
    {
        .name = TYPE_SQUARE,
        .parent = TYPE_SHAPE,
        .instance_size = sizeof(Square),
        .instance_init = square_init,
        .instance_finalize = square_finalize,
        .class_init = square_class_init,
        .class_data = "green",
    },
    {
        .name = TYPE_SHAPE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Shape),
        .instance_init = shape_init,
        .instance_post_init = shape_post_init,
        .instance_finalize = shape_finalize,
        .class_size = sizeof(ShapeClass),
        .class_init = shape_class_init,
        .class_base_init = shape_class_base_init,
        .interfaces = (const InterfaceInfo[]){ { TYPE_PAINTED }, {} },
    },
    {
        .name = TYPE_PAINTED,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(PaintedClass),
    },
    {
        .name = TYPE_LACQUERED,
        .parent = TYPE_PAINTED,
    },
    {
        .name = TYPE_ALIGNED,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Object),
        .instance_align = 256,
    },
    {
        .name = "test-twice-painted",
        .parent = TYPE_SHAPE,
        .interfaces = (const InterfaceInfo[]){ { TYPE_LACQUERED }, {} },
    },
};

DEFINE_TYPES(test_types)

static const char *paint_of(ObjectClass *klass)
{
    return ((PaintedClass *)object_class_dynamic_cast(klass, TYPE_PAINTED))->colour;
}

static void test_life(void)
{
    Object *obj;

    g_string_truncate(journal, 0);
    obj = object_new(TYPE_SQUARE);
    g_assert_cmpint(SHAPE(obj)->corners, ==, 4);
    g_assert_cmpstr(object_get_typename(obj), ==, TYPE_SQUARE);
    g_assert_cmpstr(journal->str, ==, "shape+ square+ ready ");
    g_string_truncate(journal, 0);
    g_assert(object_ref(obj) == obj);
    object_unref(obj);
    g_assert_cmpstr(journal->str, ==, "");
    object_unref(obj);
    g_assert_cmpstr(journal->str, ==, "square- shape- ");
    object_unref(NULL);
}

static void test_autoptr(void)
{
    g_string_truncate(journal, 0);
    {
        g_autoptr(Square) square = SQUARE(object_new(TYPE_SQUARE));
        g_assert(square);
    }
    g_assert_nonnull(strstr(journal->str, "square- shape- "));
}

static void test_classes(void)
{
    ShapeClass *shape = SHAPE_CLASS(object_class_by_name(TYPE_SHAPE));
    ShapeClass *square = SHAPE_CLASS(object_class_by_name(TYPE_SQUARE));

    g_assert(shape != square);
    g_assert_cmpint(square->sides, ==, 7);
    g_assert_cmpint(shape->built_below, ==, 0);
    g_assert_cmpint(square->built_below, ==, 1);
    g_assert(object_class_get_parent(OBJECT_CLASS(square)) == OBJECT_CLASS(shape));
    g_assert(object_class_by_name("no-such-type") == NULL);
    g_assert(object_class_is_abstract(object_class_by_name(TYPE_OBJECT)));
}

static void test_casts(void)
{
    g_autoptr(Object) shape = object_new(TYPE_SHAPE);
    g_autoptr(Object) square = object_new(TYPE_SQUARE);

    g_assert(object_dynamic_cast(square, TYPE_SHAPE) == square);
    g_assert(object_dynamic_cast(square, TYPE_OBJECT) == square);
    g_assert_null(object_dynamic_cast(shape, TYPE_SQUARE));
    g_assert_null(object_dynamic_cast(shape, "no-such-type"));
    g_assert_null(object_dynamic_cast(NULL, TYPE_SHAPE));
    g_assert(SHAPE_GET_CLASS(square)->sides == 7);
}

static void test_wrong_cast(void)
{
    if (g_test_subprocess()) {
        SQUARE(object_new(TYPE_SHAPE));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*is a 'test-shape', not a 'test-square'*");
}

static void test_interfaces(void)
{
    g_autoptr(Object) square = object_new(TYPE_SQUARE);

    g_assert_cmpstr(paint_of(object_class_by_name(TYPE_SHAPE)), ==, "red");
    g_assert_cmpstr(paint_of(object_class_by_name(TYPE_SQUARE)), ==, "green");
    g_assert(object_dynamic_cast(square, TYPE_PAINTED) == square);
    g_assert_null(object_dynamic_cast(square, TYPE_LACQUERED));
    g_assert(
        INTERFACE_CLASS(object_class_dynamic_cast(square->class, TYPE_PAINTED))->concrete_class ==
        square->class);
}

static void test_ambiguous_interface(void)
{
    ObjectClass *klass = object_class_by_name("test-twice-painted");

    g_assert_nonnull(object_class_dynamic_cast(klass, TYPE_LACQUERED));
    g_assert_null(object_class_dynamic_cast(klass, TYPE_PAINTED));
}

static void test_caller_memory(void)
{
    Square square;

    memset(&square, 0xff, sizeof(square));
    object_initialize(&square, sizeof(square), TYPE_SQUARE);
    g_assert_cmpint(square.edge, ==, 0);
    g_assert_cmpint(SHAPE(&square)->corners, ==, 4);
    g_string_truncate(journal, 0);
    object_unref(&square);
    g_assert_cmpstr(journal->str, ==, "square- shape- ");
}

static void test_alignment(void)
{
    g_autoptr(Object) obj = object_new(TYPE_ALIGNED);

    g_assert_cmpuint((uintptr_t)obj % 256, ==, 0);
}

static void test_list(void)
{
    GSList *list = object_class_get_list_sorted(TYPE_SHAPE, true);

    g_assert_cmpint(g_slist_length(list), ==, 3);
    g_assert_cmpstr(object_class_get_name(list->data), ==, TYPE_SHAPE);
    g_assert_cmpstr(object_class_get_name(list->next->data), ==, TYPE_SQUARE);
    g_slist_free(list);
    list = object_class_get_list(TYPE_INTERFACE, true);
    g_assert_nonnull(list);
    g_slist_free(list);
}

#define THREADS 4
#define ROUNDS  20000

static gpointer ref_thread(gpointer opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        object_ref(opaque);
        object_unref(opaque);
    }
    return object_class_by_name("test-late");
}

static const TypeInfo late_type = {
    .name = "test-late",
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(Object),
};

static void register_late(void)
{
    type_register_static(&late_type);
}

type_init(register_late)

static void test_threads(void)
{
    g_autoptr(Object) obj = object_new(TYPE_ALIGNED);
    GThread *threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        threads[i] = g_thread_new("ref", ref_thread, obj);
    }
    for (int i = 0; i < THREADS; i++) {
        g_assert(g_thread_join(threads[i]) == object_class_by_name("test-late"));
    }
    g_assert_cmpint(qatomic_read(&obj->ref), ==, 1);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    journal = g_string_new(NULL);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/qom/derived_init_runs_last_and_finalize_first", test_life);
    harness_add("/qom/autoptr_drops_the_reference", test_autoptr);
    harness_add("/qom/class_inherits_from_its_parent", test_classes);
    harness_add("/qom/cast_follows_inheritance", test_casts);
    harness_add("/qom/wrong_cast_ends_the_program", test_wrong_cast);
    harness_add("/qom/each_class_has_its_own_interface_methods", test_interfaces);
    harness_add("/qom/ambiguous_interface_is_refused", test_ambiguous_interface);
    harness_add("/qom/object_may_live_in_callers_memory", test_caller_memory);
    harness_add("/qom/alignment_is_honoured", test_alignment);
    harness_add("/qom/classes_are_listed_by_name", test_list);
    harness_add("/qom/references_and_class_construction_are_thread_safe", test_threads);
    return harness_run();
}
