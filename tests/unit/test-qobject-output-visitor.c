/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C values to JSON, and back again. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-visit-test-qapi.h"
#include "qapi/error.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qjson.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qobject.h"

typedef bool VisitAny(Visitor *v, const char *name, void **obj, Error **errp);

static char *to_json(VisitAny *visit, void *obj)
{
    g_autoptr(QObject) result = NULL;
    Visitor *v = qobject_output_visitor_new(&result);
    g_autoptr(GString) text = NULL;

    visit(v, NULL, &obj, &error_abort);
    visit_complete(v, &result);
    visit_free(v);
    text = qobject_to_json(result);
    return g_strdup(text->str);
}

static void test_scalars(void)
{
    g_autoptr(Scalars) scalars = g_new0(Scalars, 1);
    g_autofree char *none = to_json((VisitAny *)visit_type_Scalars, scalars), *all = NULL;

    g_assert_cmpstr(none, ==, "{}");
    scalars->has_b = true;
    scalars->has_i8 = true;
    scalars->i8 = -1;
    scalars->has_u64 = true;
    scalars->u64 = UINT64_MAX;
    scalars->has_num = true;
    scalars->num = 0.5;
    scalars->s = g_strdup("");
    scalars->any = QOBJECT(qnum_from_int(3));
    scalars->nil = qnull();
    scalars->has_colour = true;
    scalars->colour = COLOUR_BLUE;
    all = to_json((VisitAny *)visit_type_Scalars, scalars);
    g_assert_cmpstr(all, ==,
                    "{\"b\": false, \"i8\": -1, \"u64\": 18446744073709551615, \"num\": 0.5, "
                    "\"s\": \"\", \"any\": 3, \"nil\": null, \"colour\": \"blue\"}");
}

static void test_lists(void)
{
    strList *list = NULL, **tail = &list;
    g_autofree char *empty = to_json((VisitAny *)visit_type_strList, NULL), *two = NULL;

    g_assert_cmpstr(empty, ==, "[]");
    QAPI_LIST_APPEND(tail, g_strdup("b"));
    QAPI_LIST_APPEND(tail, g_strdup("c"));
    QAPI_LIST_PREPEND(list, g_strdup("a"));
    two = to_json((VisitAny *)visit_type_strList, list);
    g_assert_cmpstr(two, ==, "[\"a\", \"b\", \"c\"]");
    qapi_free_strList(list);
}

static void test_missing_string_is_empty(void)
{
    g_autoptr(NamedPoint) point = g_new0(NamedPoint, 1);
    g_autofree char *json = to_json((VisitAny *)visit_type_NamedPoint, point);

    g_assert_cmpstr(json, ==, "{\"x\": 0, \"name\": \"\"}");
}

static const char *const round_trips[] = {
    "{\"shapes\": []}",
    "{\"shapes\": [{\"colour\": \"red\", \"unix\": false, \"centre\": \"n\", \"radius\": 7}, "
    "{\"colour\": \"dark-green\", \"unix\": true, \"x\": 1, \"y\": -1}, "
    "{\"colour\": \"blue\", \"unix\": true}]}",
    "{\"shapes\": [], \"next\": {\"shapes\": [], \"next\": {\"shapes\": [], \"refs\": []}}, "
    "\"refs\": [null, \"a\", [\"b\", \"c\"], {\"x\": 1, \"name\": \"p\"}], "
    "\"numbers\": [1, -128, 127], \"colours\": [\"red\", \"blue\"]}",
};

static void test_round_trips(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(round_trips); i++) {
        Visitor *v = qobject_input_visitor_new_str(round_trips[i], NULL, &error_abort);
        g_autoptr(Deep) deep = NULL;
        g_autofree char *json = NULL;

        visit_type_Deep(v, NULL, &deep, &error_abort);
        visit_free(v);
        json = to_json((VisitAny *)visit_type_Deep, deep);
        g_assert_cmpstr(json, ==, round_trips[i]);
    }
}

static void test_without_completion(void)
{
    QObject *result = (QObject *)&result;
    Visitor *v = qobject_output_visitor_new(&result);

    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    visit_free(v);
    g_assert_null(result);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/output/absent_members_are_left_out", test_scalars);
    harness_add("/output/lists_keep_their_order", test_lists);
    harness_add("/output/missing_string_is_empty", test_missing_string_is_empty);
    harness_add("/output/values_survive_the_round_trip", test_round_trips);
    harness_add("/output/visit_without_completion_gives_nothing", test_without_completion);
    return harness_run();
}
