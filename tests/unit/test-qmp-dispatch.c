/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: what is refused and how, what commands get and answer. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-commands-test-qapi.h"
#include "qapi-init-commands.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qobject/json-parser.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"

static QmpCommandList commands;
static int silent_calls;

int64_t qmp_test_add(int64_t a, bool has_b, int64_t b, Error **errp)
{
    if (a < 0) {
        error_setg(errp, "a is negative");
        return 0;
    }
    return a + (has_b ? b : 100);
}

char *qmp_test_name(NamedPoint *point, Error **errp)
{
    return g_strdup_printf("%s@%d", point->name, point->x);
}

Shape *qmp_test_shape(Shape *arg, Error **errp)
{
    return QAPI_CLONE(Shape, arg);
}

strList *qmp_test_list(bool has_names, strList *names, Error **errp)
{
    strList *list = QAPI_CLONE(strList, names);

    QAPI_LIST_PREPEND(list, g_strdup(has_names ? "given" : "absent"));
    return list;
}

QObject *qmp_test_any(QObject *value, Error **errp)
{
    return qobject_ref(value);
}

void qmp_test_nothing(Error **errp)
{
}

void qmp_test_silent(Error **errp)
{
    silent_calls++;
}

/* Sends @request, expects the text @reply (NULL: none). */
static void check(const char *request, bool allow_oob, const char *reply)
{
    g_autoptr(QObject) obj = qobject_from_json(request, &error_abort);
    g_autoptr(QDict) response = qmp_dispatch(&commands, obj, allow_oob);
    g_autoptr(GString) text = response ? qobject_to_json(QOBJECT(response)) : NULL;

    g_test_message("%s", request);
    g_assert_cmpstr(text ? text->str : NULL, ==, reply);
}

static void check_error(const char *request, const char *desc)
{
    g_autofree char *reply =
        g_strdup_printf("{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}", desc);

    check(request, false, reply);
}

static void test_answers(void)
{
    check("{'execute': 'test-add', 'arguments': {'a': 1}}", false, "{\"return\": 101}");
    check("{'execute': 'test-add', 'arguments': {'a': 1, 'b': 2}, 'id': [null]}", false,
          "{\"return\": 3, \"id\": [null]}");
    check("{'execute': 'test-name', 'arguments': {'point': {'x': 4, 'name': 'n'}}}", false,
          "{\"return\": \"n@4\"}");
    check("{'execute': 'test-shape', 'arguments': {'colour': 'blue', 'unix': true}}", false,
          "{\"return\": {\"colour\": \"blue\", \"unix\": true}}");
    check("{'execute': 'test-list'}", false, "{\"return\": [\"absent\"]}");
    check("{'execute': 'test-list', 'arguments': {'names': []}}", false,
          "{\"return\": [\"given\"]}");
    check("{'execute': 'test-any', 'arguments': {'value': null}}", false, "{\"return\": null}");
    check("{'execute': 'test-nothing', 'id': 'x'}", false, "{\"return\": {}, \"id\": \"x\"}");
}

static void test_silent_command(void)
{
    silent_calls = 0;
    check("{'execute': 'test-silent'}", false, NULL);
    g_assert_cmpint(silent_calls, ==, 1);
    check_error("{'execute': 'test-silent', 'arguments': {'a': 1}}", "Parameter 'a' is unexpected");
    g_assert_cmpint(silent_calls, ==, 1);
}

static void test_command_errors(void)
{
    check("{'execute': 'test-add', 'arguments': {'a': -1}, 'id': 7}", false,
          "{\"id\": 7, \"error\": {\"class\": \"GenericError\", \"desc\": \"a is negative\"}}");
}

static void test_bad_requests(void)
{
    check_error("42", "QMP input must be a JSON object");
    check_error("[]", "QMP input must be a JSON object");
    check_error("{}", "QMP input lacks member 'execute'");
    check_error("{'arguments': {}}", "QMP input lacks member 'execute'");
    check_error("{'execute': 1}", "QMP input member 'execute' must be a string");
    check_error("{'execute': 'test-nothing', 'arguments': []}",
                "QMP input member 'arguments' must be an object");
    check_error("{'execute': 'test-nothing', 'foo': 1}", "QMP input member 'foo' is unexpected");
    check_error("{'exec-oob': 'test-nothing'}", "QMP input member 'exec-oob' is unexpected");
    check_error("{'execute': 'test-add'}", "Parameter 'a' is missing");
    check_error("{'execute': 'test-add', 'arguments': {'a': '1'}}",
                "Invalid parameter type for 'a', expected: integer");
    check_error("{'execute': 'test-nothing', 'arguments': {'x': 1}}",
                "Parameter 'x' is unexpected");
    check_error("{'execute': 'test-name', 'arguments': {'point': {'x': 1}}}",
                "Parameter 'point.name' is missing");
}

static void test_unknown_command(void)
{
    check("{'execute': 'nosuch', 'id': {}}", false,
          "{\"id\": {}, \"error\": {\"class\": \"CommandNotFound\", \"desc\": "
          "\"The command nosuch has not been found\"}}");
}

static void test_disabled_command(void)
{
    qmp_disable_command(&commands, "test-nothing", NULL);
    check("{'execute': 'test-nothing'}", false,
          "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
          "\"Command test-nothing has been disabled\"}}");
    qmp_disable_command(&commands, "test-nothing", "on purpose");
    check("{'execute': 'test-nothing'}", false,
          "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
          "\"Command test-nothing has been disabled: on purpose\"}}");
    qmp_enable_command(&commands, "test-nothing");
    check("{'execute': 'test-nothing'}", false, "{\"return\": {}}");
}

static void test_out_of_order(void)
{
    check("{'exec-oob': 'test-nothing'}", true, "{\"return\": {}}");
    check("{'exec-oob': 'test-add'}", true,
          "{\"error\": {\"class\": \"GenericError\", \"desc\": "
          "\"The command test-add does not support OOB\"}}");
    check("{'exec-oob': 'a', 'execute': 'b'}", true,
          "{\"error\": {\"class\": \"GenericError\", \"desc\": "
          "\"QMP input member 'execute' clashes with 'exec-oob'\"}}");
}

static void test_is_oob(void)
{
    g_autoptr(QDict) oob = qdict_from_jsonf_nofail("{'exec-oob': 'x'}");
    g_autoptr(QDict) both = qdict_from_jsonf_nofail("{'exec-oob': 'x', 'execute': 'x'}");

    g_assert_true(qmp_is_oob(oob));
    g_assert_false(qmp_is_oob(both));
}

/* Every request gets exactly one reply, unless it was one for the silent command. */
static void dispatch_parsed(void *opaque, QObject *json, Error *err)
{
    int *replies = opaque;
    int before = silent_calls;
    g_autoptr(QDict) response = NULL;

    (*replies)++;
    if (err) {
        error_free(err);
        return;
    }
    response = qmp_dispatch(&commands, json, true);
    g_assert_cmpint(!response, ==, silent_calls - before);
    g_assert_true(!response || qdict_haskey(response, "return") != qdict_haskey(response, "error"));
    qobject_unref(json);
}

static void test_garbled_requests(void)
{
    static const char request[] =
        "{\"execute\": \"test-shape\", \"arguments\": {\"colour\": \"red\", \"unix\": true, "
        "\"radius\": 1, \"centre\": {\"x\": 1, \"name\": \"n\"}}, \"id\": [1, null, {}]}\n";
    static const char bytes[] = "{}[]:,\"0-19.e\\ntfl \n\t\377ax_";
    GRand *random = g_rand_new_with_seed(3);
    int replies = 0;

    for (int round = 0; round < 20000; round++) {
        char text[sizeof(request)];
        JSONMessageParser parser;

        memcpy(text, request, sizeof(request));
        for (int i = g_rand_int_range(random, 0, 4); i >= 0; i--) {
            text[g_rand_int_range(random, 0, sizeof(request) - 1)] =
                bytes[g_rand_int_range(random, 0, sizeof(bytes) - 1)];
        }
        json_message_parser_init(&parser, dispatch_parsed, &replies, NULL);
        json_message_parser_feed(&parser, text, sizeof(request) - 1);
        json_message_parser_flush(&parser);
        json_message_parser_destroy(&parser);
        g_assert_cmpint(replies, >, round);
    }
    g_rand_free(random);
}

static void append_name(const QmpCommand *cmd, void *opaque)
{
    g_string_append_printf(opaque, "%s%s ", qmp_command_name(cmd),
                           qmp_command_is_enabled(cmd) ? "" : "(off)");
}

static void test_registry(void)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const QmpCommand *silent = qmp_find_command(&commands, "test-silent");

    qmp_for_each_command(&commands, append_name, names);
    g_assert_cmpstr(names->str, ==,
                    "test-add test-name test-shape test-list test-any test-nothing test-silent ");
    g_assert_cmpuint(silent->features, ==, 1u << QAPI_FEATURE_UNSTABLE);
    g_assert_false(qmp_has_success_response(silent));
    g_assert_null(qmp_find_command(&commands, "test-"));
}

int main(int argc, char **argv)
{
    int status;

    harness_init(&argc, &argv);
    qmp_init_marshal(&commands);
    harness_add("/dispatch/commands_answer", test_answers);
    harness_add("/dispatch/silent_commands_answer_errors_only", test_silent_command);
    harness_add("/dispatch/errors_of_commands_carry_the_id", test_command_errors);
    harness_add("/dispatch/bad_requests_are_refused_by_name", test_bad_requests);
    harness_add("/dispatch/unknown_commands_have_a_class", test_unknown_command);
    harness_add("/dispatch/disabled_commands_come_back", test_disabled_command);
    harness_add("/dispatch/out_of_order_only_where_allowed", test_out_of_order);
    harness_add("/dispatch/is_oob_looks_at_both_members", test_is_oob);
    harness_add("/dispatch/garbled_requests_are_answered", test_garbled_requests);
    harness_add("/registry/commands_are_listed_in_order", test_registry);
    status = harness_run();
    qmp_free_commands(&commands);
    return status;
}
