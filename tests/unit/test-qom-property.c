/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties of objects and the tree that they make. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/util.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "qom/object.h"
#include "qom/qom-qobject.h"

#define TYPE_LAMP "test-lamp"

OBJECT_DECLARE_SIMPLE_TYPE(Lamp, LAMP)
struct Lamp {
    Object parent_obj;
    bool on;
    char *label;
    int colour;
    int64_t watts;
};

static const char *const colours[] = { "red", "green" };
static const QEnumLookup colour_lookup = { .array = colours, .size = 2 };
static unsigned unparented;

static bool lamp_get_on(Object *obj, Error **errp)
{
    return LAMP(obj)->on;
}

static void lamp_set_on(Object *obj, bool value, Error **errp)
{
    LAMP(obj)->on = value;
}

static char *lamp_get_label(Object *obj, Error **errp)
{
    return g_strdup(LAMP(obj)->label);
}

static void lamp_set_label(Object *obj, const char *value, Error **errp)
{
    if (!*value) {
        error_setg(errp, "a label is not empty");
        return;
    }
    g_free(LAMP(obj)->label);
    LAMP(obj)->label = g_strdup(value);
}

static int lamp_get_colour(Object *obj, Error **errp)
{
    return LAMP(obj)->colour;
}

static void lamp_set_colour(Object *obj, int value, Error **errp)
{
    LAMP(obj)->colour = value;
}

static void lamp_get_watts(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_int(v, name, &LAMP(obj)->watts, errp);
}

static void lamp_set_watts(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    int64_t value;

    if (visit_type_int(v, name, &value, errp)) {
        LAMP(obj)->watts = value;
    }
}

static void lamp_finalize(Object *obj)
{
    g_free(LAMP(obj)->label);
}

static void lamp_unparent(Object *obj)
{
    unparented++;
}

static void lamp_class_init(ObjectClass *oc, const void *data)
{
    oc->unparent = lamp_unparent;
    object_class_property_add_bool(oc, "on", lamp_get_on, lamp_set_on);
    object_class_property_add_bool(oc, "lit", lamp_get_on, NULL);
    object_class_property_add_str(oc, "label", lamp_get_label, lamp_set_label);
    object_class_property_add_enum(oc, "colour", "LampColour", &colour_lookup, lamp_get_colour,
                                   lamp_set_colour);
    object_class_property_add(oc, "watts", "int", lamp_get_watts, lamp_set_watts, NULL, NULL);
    object_class_property_set_description(oc, "watts", "what it takes");
}

static const TypeInfo lamp_types[] = {
    {
        .name = TYPE_LAMP,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Lamp),
        .instance_finalize = lamp_finalize,
        .class_init = lamp_class_init,
    },
};

DEFINE_TYPES(lamp_types)

static void expect_error(Error **err, const char *text)
{
    g_assert_nonnull(*err);
    g_assert_cmpstr(error_get_pretty(*err), ==, text);
    error_free(*err);
    *err = NULL;
}

static void test_values(void)
{
    g_autoptr(Object) obj = object_new(TYPE_LAMP);
    g_autofree char *label = NULL;

    g_assert(object_property_set_bool(obj, "on", true, &error_abort));
    g_assert(object_property_get_bool(obj, "lit", &error_abort));
    g_assert(object_property_set_str(obj, "label", "desk", &error_abort));
    label = object_property_get_str(obj, "label", &error_abort);
    g_assert_cmpstr(label, ==, "desk");
    g_assert(object_property_set_int(obj, "watts", -5, &error_abort));
    g_assert_cmpint(object_property_get_int(obj, "watts", &error_abort), ==, -5);
    g_assert(object_property_set_uint(obj, "watts", 7, &error_abort));
    g_assert_cmpint(object_property_get_uint(obj, "watts", &error_abort), ==, 7);
    g_assert(object_property_set_str(obj, "colour", "green", &error_abort));
    g_assert_cmpint(object_property_get_enum(obj, "colour", "LampColour", &error_abort), ==, 1);
    g_assert_cmpstr(object_property_get_type(obj, "colour", &error_abort), ==, "LampColour");
}

static void test_refusals(void)
{
    g_autoptr(Object) obj = object_new(TYPE_LAMP);
    Error *err = NULL;

    g_assert(!object_property_set_bool(obj, "nosuch", true, &err));
    expect_error(&err, "Property 'test-lamp.nosuch' not found");
    g_assert(!object_property_set_bool(obj, "lit", true, &err));
    expect_error(&err, "Property 'test-lamp.lit' is not writable");
    g_assert(!object_property_set_str(obj, "label", "", &err));
    expect_error(&err, "a label is not empty");
    g_assert(!object_property_set_str(obj, "on", "x", &err));
    expect_error(&err, "Invalid parameter type for 'on', expected: boolean");
    g_assert(!object_property_set_str(obj, "colour", "blue", &err));
    expect_error(&err, "Parameter 'colour' does not accept value 'blue'");
    g_assert_cmpint(object_property_get_int(obj, "label", &err), ==, -1);
    expect_error(&err, "Property 'test-lamp.label' is not a int");
    g_assert_cmpint(object_property_get_enum(obj, "watts", "LampColour", &err), ==, -1);
    expect_error(&err, "Property watts on test-lamp is not 'LampColour' enum type");
}

static void test_text(void)
{
    g_autoptr(Object) obj = object_new(TYPE_LAMP);
    g_autofree char *plain = NULL, *quoted = NULL, *number = NULL;
    Error *err = NULL;

    g_assert(object_set_props(obj, &error_abort, "on", "yes", "watts", "40", "label", "a b", NULL));
    g_assert(LAMP(obj)->on);
    plain = object_property_print(obj, "label", false, &error_abort);
    g_assert_cmpstr(plain, ==, "a b");
    quoted = object_property_print(obj, "label", true, &error_abort);
    g_assert_cmpstr(quoted, ==, "\"a b\"");
    number = object_property_print(obj, "watts", false, &error_abort);
    g_assert_cmpstr(number, ==, "40");
    g_assert(!object_property_parse(obj, "watts", "4x", &err));
    error_free_or_abort(&err);
    g_assert_cmpint(LAMP(obj)->watts, ==, 40);
    g_assert(!object_set_props(obj, &err, "watts", "1", "nosuch", "1", NULL));
    error_free_or_abort(&err);
}

static void count_release(Object *obj, const char *name, void *opaque)
{
    ++*(int *)opaque;
}

static void test_instance_properties(void)
{
    g_autoptr(Object) obj = object_new(TYPE_LAMP);
    Error *err = NULL;
    int released = 0;

    object_property_add(obj, "extra", "int", NULL, NULL, count_release, &released);
    g_assert_null(object_property_try_add(obj, "extra", "int", NULL, NULL, NULL, NULL, &err));
    expect_error(&err, "attempt to add duplicate property 'extra' to object (type 'test-lamp')");
    g_assert_null(object_property_try_add(obj, "on", "bool", NULL, NULL, NULL, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(object_property_get_qobject(obj, "extra", &err));
    expect_error(&err, "Property 'test-lamp.extra' is not readable");
    object_property_del(obj, "extra");
    g_assert_cmpint(released, ==, 1);
    object_property_add(obj, "extra", "int", NULL, NULL, count_release, &released);
    g_clear_pointer(&obj, object_unref);
    g_assert_cmpint(released, ==, 2);
}

static void test_iteration(void)
{
    g_autoptr(Object) obj = object_new(TYPE_LAMP);
    ObjectPropertyIterator iter;
    ObjectProperty *prop;
    unsigned seen = 0, type = 0, extra = 0;

    object_property_add_bool(obj, "extra", lamp_get_on, lamp_set_on);
    object_property_iter_init(&iter, obj);
    while ((prop = object_property_iter_next(&iter))) {
        seen++;
        type += !strcmp(prop->name, "type");
        extra += !strcmp(prop->name, "extra");
    }
    g_assert_cmpint(seen, ==, 7);
    g_assert_cmpint(type, ==, 1);
    g_assert_cmpint(extra, ==, 1);
    g_assert_cmpstr(object_property_find(obj, "watts")->description, ==, "what it takes");
}

static void test_tree(void)
{
    Object *room = object_property_add_new_container(object_get_root(), "room");
    Object *obj = object_new(TYPE_LAMP);
    g_autofree char *path = NULL, *seen = NULL;

    g_assert_null(object_get_canonical_path(obj));
    object_property_add_child(room, "lamp", obj);
    object_unref(obj);
    path = object_get_canonical_path(obj);
    g_assert_cmpstr(path, ==, "/room/lamp");
    seen = object_property_get_str(room, "lamp", &error_abort);
    g_assert_cmpstr(seen, ==, "/room/lamp");
    g_assert_cmpstr(object_get_canonical_path_component(obj), ==, "lamp");
    g_assert(object_resolve_path("/room/lamp", NULL) == obj);
    g_assert(object_resolve_path("//room//lamp", NULL) == obj);
    g_assert(object_resolve_path("room/lamp", NULL) == obj);
    g_assert(object_resolve_path_type("lamp", TYPE_LAMP, NULL) == obj);
    g_assert_null(object_resolve_path_type("lamp", TYPE_CONTAINER, NULL));
    g_assert_null(object_resolve_path("/lamp", NULL));
    g_assert_null(object_resolve_path("", NULL));
    g_assert(object_resolve_path("/", NULL) == object_get_root());
    g_assert(object_get_container("room") == room);

    unparented = 0;
    object_unparent(obj);
    g_assert_cmpint(unparented, ==, 1);
    g_assert_null(object_resolve_path("/room/lamp", NULL));
    object_unparent(room);
}

static void test_ambiguous_tail(void)
{
    Object *rooms[2] = { object_property_add_new_container(object_get_root(), "a"),
                         object_property_add_new_container(object_get_root(), "b") };
    bool ambiguous;

    for (int i = 0; i < 2; i++) {
        Object *obj = object_new(TYPE_LAMP);
        object_property_add_child(rooms[i], "lamp", obj);
        object_unref(obj);
    }
    g_assert_null(object_resolve_path("lamp", &ambiguous));
    g_assert(ambiguous);
    g_assert_nonnull(object_resolve_path("a/lamp", &ambiguous));
    g_assert(!ambiguous);
    /* Parents take their children along. */
    unparented = 0;
    object_unparent(rooms[0]);
    object_unparent(rooms[1]);
    g_assert_cmpint(unparented, ==, 2);
}

static void test_new_with_props(void)
{
    Error *err = NULL;
    Object *obj = object_new_with_props(TYPE_LAMP, object_get_objects_root(), "l", &error_abort,
                                        "watts", "3", NULL);

    g_assert_cmpint(LAMP(obj)->watts, ==, 3);
    g_assert(object_resolve_path("/objects/l", NULL) == obj);
    g_assert_null(object_new_with_props(TYPE_LAMP, object_get_objects_root(), "l", &err, NULL));
    expect_error(&err, "attempt to add duplicate property 'l' to object (type 'container')");
    g_assert_null(object_new_with_props(TYPE_LAMP, NULL, NULL, &err, "watts", "x", NULL));
    error_free_or_abort(&err);
    g_assert_null(object_new_with_props("nosuch", NULL, NULL, &err, NULL));
    expect_error(&err, "invalid object type: nosuch");
    object_unparent(obj);
    obj = object_new_with_props(TYPE_LAMP, NULL, NULL, &error_abort, NULL);
    object_unref(obj);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/qom-property/values_go_in_and_out_by_type", test_values);
    harness_add("/qom-property/refusals_name_type_and_property", test_refusals);
    harness_add("/qom-property/text_is_parsed_and_printed", test_text);
    harness_add("/qom-property/instance_property_is_released_once", test_instance_properties);
    harness_add("/qom-property/iteration_visits_instance_and_class", test_iteration);
    harness_add("/qom-property/paths_lead_to_children", test_tree);
    harness_add("/qom-property/ambiguous_tail_of_a_path_finds_nothing", test_ambiguous_tail);
    harness_add("/qom-property/object_is_made_with_its_properties", test_new_with_props);
    return harness_run();
}
