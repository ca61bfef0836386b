/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies and ends of generated types (leaks and double frees show under a sanitizer). */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-visit-test-qapi.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-types-sockets.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qjson.h"

static const char sample[] =
    "{'shapes': [{'colour': 'red', 'unix': true, 'radius': 1, 'centre': {'x': 1, 'name': 'n'}}, "
    "{'colour': 'dark-green', 'unix': true, 'x': 1}, {'colour': 'blue', 'unix': true}], "
    "'next': {'shapes': []}, 'refs': ['a', ['b'], null, {'x': 1, 'name': 'n'}], 'numbers': [1], "
    "'colours': []}";

static Deep *make_sample(void)
{
    Visitor *v = qobject_input_visitor_new_str(sample, NULL, &error_abort);
    Deep *deep = NULL;

    visit_type_Deep(v, NULL, &deep, &error_abort);
    visit_free(v);
    return deep;
}

static QObject *to_qobject(Deep *deep)
{
    QObject *result = NULL;
    Visitor *v = qobject_output_visitor_new(&result);

    visit_type_Deep(v, NULL, &deep, &error_abort);
    visit_complete(v, &result);
    visit_free(v);
    return result;
}

static void test_clone_is_equal_and_apart(void)
{
    Deep *deep = make_sample();
    Deep *clone = QAPI_CLONE(Deep, deep);
    g_autoptr(QObject) before = to_qobject(deep);
    g_autoptr(QObject) after = NULL;

    g_assert_true(deep->shapes->value->u.red.centre != clone->shapes->value->u.red.centre);
    g_assert_true(deep->refs->value->u.name != clone->refs->value->u.name);
    qapi_free_Deep(deep);
    after = to_qobject(clone);
    g_assert_true(qobject_is_equal(before, after));
    g_assert_true(clone->has_colours && !clone->colours);
    qapi_free_Deep(clone);
}

static void test_null(void)
{
    g_assert_null(QAPI_CLONE(Deep, NULL));
    qapi_free_Deep(NULL);
    qapi_free_strList(NULL);
}

static void test_members(void)
{
    g_autoptr(SocketAddress) addr = g_new0(SocketAddress, 1);
    UnixSocketAddress copy;

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    addr->u.q_unix.path = g_strdup("/s");
    addr->u.q_unix.has_tight = true;
    addr->u.q_unix.tight = true;
    QAPI_CLONE_MEMBERS(UnixSocketAddress, &copy, &addr->u.q_unix);
    g_assert_true(copy.path != addr->u.q_unix.path);
    g_assert_cmpstr(copy.path, ==, "/s");
    g_assert_true(copy.has_tight && copy.tight && !copy.has_abstract);
    qapi_free_members(&copy, &qapi_type_UnixSocketAddress);
}

static void test_lists(void)
{
    strList *list = NULL;
    strList *clone;

    QAPI_LIST_PREPEND(list, g_strdup("b"));
    QAPI_LIST_PREPEND(list, g_strdup("a"));
    clone = QAPI_CLONE(strList, list);
    qapi_free_strList(list);
    g_assert_cmpstr(clone->value, ==, "a");
    g_assert_cmpstr(clone->next->value, ==, "b");
    g_assert_null(clone->next->next);
    qapi_free_strList(clone);
}

/* An object that was never filled, and a union whose tag has no branch. */
static void test_half_built(void)
{
    Shape *shape = g_new0(Shape, 1);

    qapi_free_Deep(g_new0(Deep, 1));
    qapi_free_PointOrName(g_new0(PointOrName, 1));
    shape->colour = COLOUR_BLUE;
    qapi_free_Shape(shape);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/clone/copy_outlives_the_original", test_clone_is_equal_and_apart);
    harness_add("/clone/nothing_of_nothing", test_null);
    harness_add("/clone/members_of_an_embedded_object", test_members);
    harness_add("/clone/lists", test_lists);
    harness_add("/free/half_built_objects", test_half_built);
    return harness_run();
}
