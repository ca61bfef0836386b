/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values: references, containers, numbers, equality. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qlit.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

static void test_references(void)
{
    QString *str = qstring_from_str("x");

    g_assert_true(qobject_ref(str) == str);
    g_assert_cmpuint(str->base.refcnt, ==, 2);
    qobject_unref(str);
    g_assert_cmpuint(str->base.refcnt, ==, 1);
    g_assert_true(qobject_to(QString, QOBJECT(str)) == str);
    g_assert_null(qobject_to(QDict, QOBJECT(str)));
    g_assert_null(qobject_to(QDict, (QObject *)NULL));
    qobject_unref(str);
    qobject_unref((QDict *)NULL);
}

static void test_null_is_one(void)
{
    QNull *a = qnull(), *b = qnull();

    g_assert_true(a == b);
    qobject_unref(a);
    qobject_unref(b);
    qobject_unref(qnull());
    g_assert_cmpuint(qnull_.base.refcnt, ==, 1);
}

static void test_dict_order(void)
{
    g_autoptr(QDict) qdict = qdict_new();
    const char *const keys[] = { "zebra", "apple", "mango" };
    const QDictEntry *e;

    for (int i = 0; i < 3; i++) {
        qdict_put_int(qdict, keys[i], i);
    }
    qdict_put_str(qdict, "zebra", "again");
    e = qdict_first(qdict);
    for (int i = 0; i < 3; i++, e = qdict_next(qdict, e)) {
        g_assert_cmpstr(qdict_entry_key(e), ==, keys[i]);
    }
    g_assert_null(e);
    g_assert_cmpstr(qdict_get_str(qdict, "zebra"), ==, "again");
    qdict_del(qdict, "apple");
    qdict_del(qdict, "not there");
    g_assert_cmpuint(qdict_size(qdict), ==, 2);
    g_assert_false(qdict_haskey(qdict, "apple"));
}

static void test_dict_defaults(void)
{
    g_autoptr(QDict) qdict = qdict_from_jsonf_nofail(
        "{'i': %d, 'b': %i, 's': %s, 'l': [], 'd': {}}", 7, true, "text \"%d\"");

    g_assert_cmpint(qdict_get_int(qdict, "i"), ==, 7);
    g_assert_cmpint(qdict_get_try_int(qdict, "b", 3), ==, 3);
    g_assert_true(qdict_get_bool(qdict, "b"));
    g_assert_true(qdict_get_try_bool(qdict, "none", true));
    g_assert_cmpstr(qdict_get_str(qdict, "s"), ==, "text \"%d\"");
    g_assert_null(qdict_get_try_str(qdict, "i"));
    g_assert_true(qlist_empty(qdict_get_qlist(qdict, "l")));
    g_assert_cmpuint(qdict_size(qdict_get_qdict(qdict, "d")), ==, 0);
}

static void test_dict_clone_shares(void)
{
    g_autoptr(QDict) qdict = qdict_from_jsonf_nofail("{'a': [1]}");
    g_autoptr(QDict) clone = qdict_clone_shallow(qdict);

    g_assert_true(qdict_get(qdict, "a") == qdict_get(clone, "a"));
    qdict_put_null(clone, "b");
    g_assert_false(qdict_haskey(qdict, "b"));
}

static void test_list(void)
{
    g_autoptr(QList) list = qlist_new();
    g_autoptr(QList) copy = NULL;
    QObject *first;

    g_assert_null(qlist_peek(list));
    g_assert_null(qlist_pop(list));
    qlist_append_int(list, 1);
    qlist_append_str(list, "two");
    qlist_append_bool(list, true);
    qlist_append_null(list);
    copy = qlist_copy(list);
    g_assert_cmpuint(qlist_size(list), ==, 4);
    first = qlist_pop(list);
    g_assert_cmpint(qnum_get_int(qobject_to(QNum, first)), ==, 1);
    qobject_unref(first);
    g_assert_cmpuint(qlist_size(list), ==, 3);
    g_assert_cmpuint(qlist_size(copy), ==, 4);
    g_assert_false(qobject_is_equal(QOBJECT(list), QOBJECT(copy)));
}

static void test_numbers_keep_their_digits(void)
{
    g_autoptr(QNum) min = qnum_from_int(INT64_MIN);
    g_autoptr(QNum) max = qnum_from_uint(UINT64_MAX);
    g_autoptr(QNum) dbl = qnum_from_double(0.1);
    g_autofree char *a = qnum_to_string(min), *b = qnum_to_string(max), *c = qnum_to_string(dbl);
    uint64_t u;
    int64_t i;

    g_assert_cmpstr(a, ==, "-9223372036854775808");
    g_assert_cmpstr(b, ==, "18446744073709551615");
    g_assert_cmpstr(c, ==, "0.1");
    g_assert_false(qnum_get_try_uint(min, &u));
    g_assert_false(qnum_get_try_int(max, &i));
    g_assert_false(qnum_get_try_int(dbl, &i));
    g_assert_false(qnum_get_try_uint(dbl, &u));
    g_assert_cmpfloat(qnum_get_double(min), ==, -9223372036854775808.0);
}

static void test_numbers_are_equal_by_value(void)
{
    g_autoptr(QNum) i = qnum_from_int(5), minus = qnum_from_int(-1);
    g_autoptr(QNum) u = qnum_from_uint(5), max = qnum_from_uint(UINT64_MAX);
    g_autoptr(QNum) d = qnum_from_double(5);

    g_assert_true(qobject_is_equal(QOBJECT(i), QOBJECT(u)));
    g_assert_false(qobject_is_equal(QOBJECT(i), QOBJECT(d)));
    g_assert_false(qobject_is_equal(QOBJECT(minus), QOBJECT(max)));
}

static void test_equality(void)
{
    static const char *const values[] = { "null",    "true",         "false",       "1",
                                          "'a'",     "[]",           "[1]",         "[1, 2]",
                                          "{}",      "{'a': 1}",     "{'a': null}", "{'b': 1}",
                                          "[[[1]]]", "{'a': [1, 2]}" };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
            g_autoptr(QObject) x = qobject_from_jsonf_nofail(values[i]);
            g_autoptr(QObject) y = qobject_from_jsonf_nofail(values[j]);

            g_assert_cmpint(qobject_is_equal(x, y), ==, i == j);
        }
    }
    g_assert_true(qobject_is_equal(NULL, NULL));
}

static void test_dicts_are_equal_in_any_order(void)
{
    g_autoptr(QObject) x = qobject_from_jsonf_nofail("{'a': 1, 'b': 2}");
    g_autoptr(QObject) y = qobject_from_jsonf_nofail("{'b': 2, 'a': 1}");

    g_assert_true(qobject_is_equal(x, y));
}

static void test_strings(void)
{
    g_autoptr(QString) empty = qstring_new();
    g_autoptr(QString) sub = qstring_from_substr("0123456", 2, 4);
    g_autoptr(QString) taken = qstring_from_gstring(g_string_new("gone"));

    g_assert_cmpstr(qstring_get_str(empty), ==, "");
    g_assert_cmpstr(qstring_get_str(sub), ==, "234");
    g_assert_cmpstr(qstring_get_str(taken), ==, "gone");
    g_assert_null(qstring_get_try_str(NULL));
}

static void test_literals(void)
{
    const QLitObject literal = QLIT_QDICT(((const QLitDictEntry[]){
        { "a", QLIT_QLIST(((const QLitObject[]){
                   QLIT_QNUM(1), QLIT_QBOOL(true), QLIT_QNULL, { .type = QTYPE_NONE } })) },
        { "b", QLIT_QSTR("x") },
        { .key = NULL },
    }));
    g_autoptr(QObject) from_literal = qobject_from_qlit(&literal);
    g_autoptr(QObject) from_text = qobject_from_jsonf_nofail("{'a': [1, true, null], 'b': 'x'}");

    g_assert_true(qobject_is_equal(from_literal, from_text));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/qobject/last_reference_frees", test_references);
    harness_add("/qobject/null_is_one_object", test_null_is_one);
    harness_add("/qdict/members_keep_their_order", test_dict_order);
    harness_add("/qdict/missing_members_have_defaults", test_dict_defaults);
    harness_add("/qdict/shallow_clone_shares_values", test_dict_clone_shares);
    harness_add("/qlist/elements_come_in_order", test_list);
    harness_add("/qnum/all_digits_are_kept", test_numbers_keep_their_digits);
    harness_add("/qnum/equal_values_are_equal", test_numbers_are_equal_by_value);
    harness_add("/qobject/only_equal_values_are_equal", test_equality);
    harness_add("/qdict/order_does_not_matter_for_equality", test_dicts_are_equal_in_any_order);
    harness_add("/qstring/texts_are_copied", test_strings);
    harness_add("/qlit/constants_become_values", test_literals);
    return harness_run();
}
