/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text: what is read, what is refused, how a stream goes on, what is printed. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qobject/json-parser.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

/* @text is read, and printed as @expected. */
static void check_round_trip(const char *text, const char *expected)
{
    g_autoptr(QObject) obj = qobject_from_json(text, &error_abort);
    g_autoptr(GString) printed = qobject_to_json(obj);

    g_assert_cmpstr(printed->str, ==, expected);
}

static void test_reading(void)
{
    check_round_trip(" {'a' :\t[1 , \"x\",true,null]\n} ", "{\"a\": [1, \"x\", true, null]}");
}

static void test_quotes(void)
{
    check_round_trip("'say \"hi\" or \\'ho\\''", "\"say \\\"hi\\\" or 'ho'\"");
    check_round_trip("\"it's\"", "\"it's\"");
    check_round_trip("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
}

static void test_unicode(void)
{
    check_round_trip("\"\303\251\"", "\"\\u00E9\"");
    check_round_trip("\"\\u00e9\\ud83d\\ude00\"", "\"\\u00E9\\uD83D\\uDE00\"");
    check_round_trip("\"\360\237\230\200\\u0001\"", "\"\\uD83D\\uDE00\\u0001\"");
}

static void test_numbers(void)
{
    check_round_trip("[0, -1, 9223372036854775807, -9223372036854775808]",
                     "[0, -1, 9223372036854775807, -9223372036854775808]");
    check_round_trip("[9223372036854775808, 18446744073709551615]",
                     "[9223372036854775808, 18446744073709551615]");
    check_round_trip("[1.5, 1e3, -0.25]", "[1.5, 1000, -0.25]");
}

static void test_huge_integers_are_doubles(void)
{
    static const char *const texts[] = { "18446744073709551616", "-9223372036854775809",
                                         "100000000000000000000000000000000000000000" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        g_autoptr(QObject) obj = qobject_from_json(texts[i], &error_abort);
        QNum *qnum = qobject_to(QNum, obj);

        g_assert_cmpint(qnum->kind, ==, QNUM_DOUBLE);
        g_assert_cmpfloat(qnum->u.dbl, ==, strtod(texts[i], NULL));
    }
}

static void test_pretty(void)
{
    g_autoptr(QObject) obj = qobject_from_json("{'a': [1, {}], 'b': []}", &error_abort);
    g_autoptr(GString) printed = qobject_to_json_pretty(obj, true);

    g_assert_cmpstr(printed->str, ==,
                    "{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": []\n}");
}

typedef struct Refusal {
    const char *text;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    { "", "Expecting a JSON value" },
    { "  \n", "Expecting a JSON value" },
    { "1 2", "Expecting at most one JSON value" },
    { "{} x", "Expecting at most one JSON value" },
    { "{'a': 1,}", "1:9: JSON parse error, expecting value" },
    { "[1,]", "1:4: JSON parse error, expecting value" },
    { "[1 2]", "1:4: JSON parse error, expected separator in list" },
    { "{'a': 1 'b': 2}", "1:9: JSON parse error, expected separator in dict" },
    { "{'a' 1}", "1:6: JSON parse error, expected ':' behind member name" },
    { "{a: 1}", "1:2: JSON parse error, member name is not a string" },
    { "{'a': 1,\n 'a': 2}", "1:1: JSON parse error, duplicate key" },
    { "{\n  'a': foo }", "2:8: JSON parse error, invalid keyword 'foo'" },
    { "[True]", "1:2: JSON parse error, invalid keyword 'True'" },
    { "[nul]", "1:2: JSON parse error, invalid keyword 'nul'" },
    { "nul", "1:1: JSON parse error, invalid keyword 'nul'" },
    { "[", "1:2: JSON parse error, premature end" },
    { "{'a': 'b", "1:9: JSON parse error, premature end" },
    { "]", "1:1: JSON parse error, closing bracket without an opening one" },
    { "{]", "1:2: JSON parse error, closing bracket without an opening one" },
    { "'\\q'", "1:3: JSON parse error, invalid escape sequence in string" },
    { "'\\u12x4'", NULL },
    { "'a\nb'", "1:3: JSON parse error, control character in string" },
    { "'a\\\001'", "1:4: JSON parse error, control character in string" },
    { "'a\\u0000b'", "1:1: JSON parse error, zero byte in string" },
    { "'\377'", "1:2: JSON parse error, invalid UTF-8" },
    { "'\300\200'", "1:2: JSON parse error, invalid UTF-8" },
    { "'\355\240\200'", "1:2: JSON parse error, invalid UTF-8" },
    { "\377", "1:1: JSON parse error, invalid character" },
    { "[1\001]", "1:3: JSON parse error, invalid character" },
    { "/* x */ 1", "1:1: JSON parse error, invalid character" },
    { "01", NULL },
    { "1e", NULL },
    { ".5", NULL },
    { "+1", NULL },
    { "--1", NULL },
    { "-", NULL },
    { "0x10", NULL },
    { "1.5.5", NULL },
    { "NaN", "1:1: JSON parse error, number out of range" },
    { "[-Infinity]", "1:1: JSON parse error, number out of range" },
    { "1e999", "1:1: JSON parse error, number out of range" },
    { ",", "1:1: JSON parse error, expecting value" },
};

static void test_refusals(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        Error *err = NULL;
        QObject *obj = qobject_from_json(refusals[i].text, &err);
        g_autofree char *shown = g_strescape(refusals[i].text, NULL);

        g_test_message("%s", shown);
        g_assert_null(obj);
        g_assert_nonnull(err);
        if (refusals[i].message) {
            g_assert_cmpstr(error_get_pretty(err), ==, refusals[i].message);
        } else {
            g_assert_nonnull(strstr(error_get_pretty(err), ": JSON parse error, "));
        }
        error_free(err);
    }
}

static char *nested(unsigned depth)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < depth; i++) {
        g_string_append(text, i % 2 ? "{'a':" : "[");
    }
    g_string_append(text, "1");
    for (unsigned i = depth; i > 0; i--) {
        g_string_append_c(text, (i - 1) % 2 ? '}' : ']');
    }
    return g_string_free(text, false);
}

static void test_nesting(void)
{
    g_autofree char *deepest = nested(JSON_NESTING_MAX), *deeper = nested(JSON_NESTING_MAX + 1);
    g_autoptr(QObject) obj = qobject_from_json(deepest, &error_abort);
    Error *err = NULL;

    g_assert_nonnull(obj);
    g_assert_null(qobject_from_json(deeper, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "nesting is too deep"));
    error_free(err);
}

/* What a stream gave: values as JSON, errors as "!", with spaces between them. */
static void note_value(void *opaque, QObject *json, Error *err)
{
    GString *log = opaque;

    g_assert_true(!json == !!err);
    g_string_append(log, log->len ? " " : "");
    if (json) {
        g_autoptr(GString) text = qobject_to_json(json);

        g_string_append(log, text->str);
        qobject_unref(json);
    } else {
        g_string_append_c(log, '!');
        error_free(err);
    }
}

static char *feed_in_pieces(const char *text, size_t len, size_t piece)
{
    GString *log = g_string_new(NULL);
    JSONMessageParser parser;

    json_message_parser_init(&parser, note_value, log, NULL);
    for (size_t at = 0; at < len; at += piece) {
        json_message_parser_feed(&parser, text + at, MIN(piece, len - at));
    }
    json_message_parser_flush(&parser);
    json_message_parser_destroy(&parser);
    return g_string_free(log, false);
}

typedef struct Stream {
    const char *text;
    const char *values;
} Stream;

static const Stream streams[] = {
    { "{'a':1}{'b':2}[3]", "{\"a\": 1} {\"b\": 2} [3]" },
    { "1 2\n'x''y'\nnull", "1 2 \"x\" \"y\" null" },
    { "foo bar\n{'a':1}", "! {\"a\": 1}" },
    { "{'a': foo} {'b':2}", "! {\"b\": 2}" },
    { "{'a': 'x\n{'b':2}", "! {\"b\": 2}" },
    { "}}}\n1", "! 1" },
    { "{]}\n1", "! 1" },
    { "\377\n1", "! 1" },
    { "{'a':\377\n1", "! 1" },
    { "{'a': {'b'", "!" },
    { "12", "12" },
    { "tru e\ntrue", "! true" },
    /* A command that follows is not lost... */
    { "foo {'b':2}", "! {\"b\": 2}" },
    { "} , ] {'b':2}", "! {\"b\": 2}" },
    { "\377{'b':2}", "! {\"b\": 2}" },
    { "{'a': ['x\377{'b':2}", "! {\"b\": 2}" },
    { "{'a': 1\n{'b':2}\n", "! {\"b\": 2}" },
    { "{'a': {'c': 'd'\n  {'b':2}\n", "! {\"b\": 2}" },
    { "{'a': [1, 2\r\n{'b':2}{'c':3}\n", "! {\"b\": 2} {\"c\": 3}" },
    { "{'a'\n{'b':2}\n", "! {\"b\": 2}" },
    /* ... nor is one found in what may be data, or in a value that goes on. */
    { "foo 'bar {'b':2}\n1", "! 1" },
    { "{'a': 'x\1 {'b':2}'}\n1", "! 1" },
    { "{'a':\n{'b':2},\n'c': [\n{},\n{}]\n}", "{\"a\": {\"b\": 2}, \"c\": [{}, {}]}" },
    { "\"a\\\"b\" '\\\\'", "\"a\\\"b\" \"\\\\\"" },
};

static void test_streams(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        size_t len = strlen(streams[i].text);

        for (size_t piece = 1; piece <= len; piece++) {
            g_autofree char *values = feed_in_pieces(streams[i].text, len, piece);

            g_assert_cmpstr(values, ==, streams[i].values);
        }
    }
}

static void keep_error(void *opaque, QObject *json, Error *err)
{
    qobject_unref(json);
    if (err) {
        error_propagate(opaque, err);
    }
}

static void test_zero_bytes(void)
{
    static const char text[] = "[\0]\n1 \0\n'\0'\n2";
    g_autofree char *values = feed_in_pieces(text, sizeof(text) - 1, 1);

    g_assert_cmpstr(values, ==, "! 1 ! ! 2");
}

static void test_place_of_zero_byte(void)
{
    Error *err = NULL;
    JSONMessageParser parser;

    json_message_parser_init(&parser, keep_error, &err, NULL);
    json_message_parser_feed(&parser, "1\n [\0", 5);
    g_assert_cmpstr(error_get_pretty(err), ==, "2:3: JSON parse error, invalid character");
    json_message_parser_destroy(&parser);
    error_free(err);
}

static void test_any_bytes(void)
{
    static const char alphabet[] = "{}[]:,\"'\\ \n01-.eEtrufalsn\377\303\251\001/u";
    GRand *random = g_rand_new_with_seed(20);

    for (int round = 0; round < 20000; round++) {
        char text[48];
        size_t len = g_rand_int_range(random, 1, sizeof(text));
        g_autofree char *whole = NULL, *split = NULL;

        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[g_rand_int_range(random, 0, sizeof(alphabet) - 1)];
        }
        whole = feed_in_pieces(text, len, len);
        split = feed_in_pieces(text, len, 1);
        g_assert_cmpstr(whole, ==, split);
    }
    g_rand_free(random);
}

static void test_flush_begins_anew(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    JSONMessageParser parser;

    json_message_parser_init(&parser, note_value, log, NULL);
    json_message_parser_feed(&parser, "{'a': 'half", 11);
    json_message_parser_flush(&parser);
    json_message_parser_feed(&parser, "[1]", 3);
    json_message_parser_flush(&parser);
    json_message_parser_destroy(&parser);
    g_assert_cmpstr(log->str, ==, "! [1]");
}

static void test_size_limit(void)
{
    g_autoptr(GString) log = g_string_new("");
    g_autofree char *block = g_malloc(1024 * 1024);
    JSONMessageParser parser;

    memset(block, 'x', 1024 * 1024);
    json_message_parser_init(&parser, note_value, log, NULL);
    json_message_parser_feed(&parser, "'", 1);
    for (int i = 0; i < 65; i++) {
        json_message_parser_feed(&parser, block, 1024 * 1024);
        g_assert_cmpuint(parser.text->len, <=, JSON_MESSAGE_MAX + 1);
    }
    json_message_parser_feed(&parser, "'\n1\n", 4);
    json_message_parser_destroy(&parser);
    g_assert_cmpstr(log->str, ==, "! 1");
}

/* [1,1,...]: it is short as a text, but large as a tree, which takes long to make. */
static void test_parts_limit(void)
{
    g_autoptr(GString) log = g_string_new("");
    g_autoptr(GString) list = g_string_new("[1");
    JSONMessageParser parser;

    for (int i = 1; i < JSON_PARTS_MAX; i++) {
        g_string_append(list, ",1");
    }
    json_message_parser_init(&parser, note_value, log, NULL);
    json_message_parser_feed(&parser, list->str, list->len);
    g_assert_cmpstr(log->str, ==, "");
    json_message_parser_feed(&parser, ",1]\n1\n", 6);
    json_message_parser_destroy(&parser);
    g_assert_cmpstr(log->str, ==, "! 1");
}

static void test_invalid_bytes_are_printed_as_replacement(void)
{
    g_autoptr(QString) str = qstring_from_str("a\377b");
    g_autoptr(GString) printed = qobject_to_json(QOBJECT(str));

    g_assert_cmpstr(printed->str, ==, "\"a\\uFFFDb\"");
}

static void test_conversions(void)
{
    g_autoptr(QObject) obj = qobject_from_jsonf_nofail(
        "[%d, %ld, %lld, %u, %llu, %i, %f, %s, '%d', %p]", -1, -2L, -3LL, 4u, UINT64_MAX + 0ULL,
        false, 0.5, "it's \"q\"", QOBJECT(qstring_from_str("obj")));
    g_autoptr(GString) printed = qobject_to_json(obj);

    g_assert_cmpstr(printed->str, ==,
                    "[-1, -2, -3, 4, 18446744073709551615, false, 0.5, \"it's \\\"q\\\"\", "
                    "\"%d\", \"obj\"]");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/qjson/texts_are_read", test_reading);
    harness_add("/qjson/quotes_of_both_kinds", test_quotes);
    harness_add("/qjson/output_is_ascii", test_unicode);
    harness_add("/qjson/integers_keep_64_bits", test_numbers);
    harness_add("/qjson/huge_integers_are_doubles", test_huge_integers_are_doubles);
    harness_add("/qjson/pretty_form_is_indented", test_pretty);
    harness_add("/qjson/what_is_no_json_is_refused_by_name", test_refusals);
    harness_add("/qjson/deep_nesting_is_refused", test_nesting);
    harness_add("/qjson/streams_go_on_behind_errors", test_streams);
    harness_add("/qjson/zero_bytes_are_errors", test_zero_bytes);
    harness_add("/qjson/errors_in_streams_have_a_place", test_place_of_zero_byte);
    harness_add("/qjson/any_bytes_split_anywhere_give_the_same", test_any_bytes);
    harness_add("/qjson/flush_begins_anew", test_flush_begins_anew);
    harness_add("/qjson/long_values_are_refused", test_size_limit);
    harness_add("/qjson/values_of_too_many_parts_are_refused", test_parts_limit);
    harness_add("/qjson/invalid_bytes_are_printed_as_replacement",
                test_invalid_bytes_are_printed_as_replacement);
    harness_add("/qjson/conversions_in_program_texts", test_conversions);
    return harness_run();
}
