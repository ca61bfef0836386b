/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace events: choosing them, and what they print. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/thread.h"
#include "trace/control.h"
#include "trace/trace-util.h"
#include "harness.h"

static void all_off(void)
{
    trace_enable_events("-*");
    trace_close_file();
}

/* What the events of @emit() leave in a trace file; the caller frees. */
static char *traced(void (*emit)(void))
{
    g_autofree char *path = harness_tmpfile("trace");
    g_autofree char *opt = g_strdup_printf("file=%s", path);
    char *text;

    g_assert_true(trace_opt_parse(opt, &error_abort));
    g_assert_true(trace_init_file(&error_abort));
    emit();
    trace_close_file();
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void emit_two(void)
{
    trace_qemu_coroutine_yield((void *)0x10, (void *)0x20);
    trace_qemu_coroutine_terminate((void *)0x30);
}

static void test_an_event_that_is_off_prints_nothing(void)
{
    g_autofree char *text = NULL;

    all_off();
    text = traced(emit_two);
    g_assert_cmpstr(text, ==, "");
    g_assert_false(trace_event_get_state(TRACE_QEMU_COROUTINE_YIELD));
}

static void test_a_line_has_thread_time_name_and_arguments(void)
{
    g_autofree char *text = NULL;
    g_autofree char *want = g_strdup_printf("^%d@[0-9]+\\.[0-9]{6}:qemu_coroutine_yield "
                                            "from 0x10 to 0x20\n$",
                                            qemu_get_thread_id());

    all_off();
    trace_enable_events("qemu_coroutine_yield");
    text = traced(emit_two);
    g_assert_true(g_regex_match_simple(want, text, 0, 0));
    all_off();
}

static void test_patterns_switch_on_and_off(void)
{
    all_off();
    trace_enable_events("qemu_coroutine_*");
    g_assert_true(trace_event_get_state(TRACE_QEMU_COROUTINE_YIELD));
    g_assert_true(trace_event_get_state(TRACE_QEMU_COROUTINE_TERMINATE));
    g_assert_false(trace_event_get_state(TRACE_QEMU_AIO_COROUTINE_ENTER));
    trace_enable_events("-*_yield");
    g_assert_false(trace_event_get_state(TRACE_QEMU_COROUTINE_YIELD));
    g_assert_true(trace_event_get_state(TRACE_QEMU_COROUTINE_TERMINATE));
    all_off();
}

static void test_option_reads_patterns_and_files(void)
{
    g_autofree char *path = harness_tmpfile("a,b");
    g_autofree char *list = g_strdup_printf("%s/a,,b", harness_tmpdir());
    g_autofree char *opt = g_strdup_printf("enable=qemu_coroutine_yield,events=%s", list);

    all_off();
    g_assert_true(g_file_set_contents(path, "# comment\n\n qemu_coroutine_term* \n", -1, NULL));
    g_assert_true(trace_opt_parse(opt, &error_abort));
    g_assert_true(trace_event_get_state(TRACE_QEMU_COROUTINE_YIELD));
    g_assert_true(trace_event_get_state(TRACE_QEMU_COROUTINE_TERMINATE));
    all_off();
}

static void test_wrong_options_are_named(void)
{
    Error *err = NULL;

    g_assert_false(trace_opt_parse("colour=red", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Invalid parameter 'colour=red'");
    error_free(err);

    err = NULL;
    g_assert_false(trace_opt_parse("events=/nonexistent/list", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/nonexistent/list"));
    error_free(err);

    g_assert_true(trace_opt_parse("file=/nonexistent/trace", &error_abort));
    err = NULL;
    g_assert_false(trace_init_file(&err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/nonexistent/trace"));
    error_free(err);
}

static void test_an_unknown_name_is_warned_of(void)
{
    if (g_test_subprocess()) {
        trace_enable_events("no_such_event");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*warning: trace event 'no_such_event' does not exist*");
}

static void test_help_lists_the_events(void)
{
    if (g_test_subprocess()) {
        trace_opt_parse("help", &error_abort);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stdout("*qemu_coroutine_yield\n*");
}

static void test_iteration_meets_each_event_once(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    TraceEventIter iter;
    TraceEvent *ev;

    trace_event_iter_init_pattern(&iter, NULL);
    while ((ev = trace_event_iter_next(&iter))) {
        g_assert_true(g_hash_table_add(seen, (void *)trace_event_get_name(ev)));
        g_assert_true(trace_event_name(trace_event_get_name(ev)) == ev);
    }
    g_assert_true(g_hash_table_contains(seen, "qemu_coroutine_yield"));
    g_assert_null(trace_event_name("qemu_coroutine_*"));
}

enum {
    THREADS = 4,
    LINES = 500
};

static void *emit_many(void *opaque)
{
    for (int i = 0; i < LINES; i++) {
        trace_qemu_coroutine_terminate((void *)0x123456789);
    }
    return NULL;
}

static void emit_from_threads(void)
{
    QemuThread threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        qemu_thread_create(&threads[i], "trace", emit_many, NULL, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_join(&threads[i]);
    }
}

static void test_lines_of_threads_stay_whole(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    all_off();
    trace_enable_events("qemu_coroutine_terminate");
    text = traced(emit_from_threads);
    all_off();
    lines = g_strsplit(text, "\n", 0);
    g_assert_cmpuint(g_strv_length(lines), ==, THREADS * LINES + 1);
    for (int i = 0; i < THREADS * LINES; i++) {
        g_assert_true(g_str_has_suffix(lines[i], ":qemu_coroutine_terminate co 0x123456789"));
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/trace/an_event_that_is_off_prints_nothing",
                test_an_event_that_is_off_prints_nothing);
    harness_add("/trace/a_line_has_thread_time_name_and_arguments",
                test_a_line_has_thread_time_name_and_arguments);
    harness_add("/trace/patterns_switch_on_and_off", test_patterns_switch_on_and_off);
    harness_add("/trace/option_reads_patterns_and_files", test_option_reads_patterns_and_files);
    harness_add("/trace/wrong_options_are_named", test_wrong_options_are_named);
    harness_add("/trace/an_unknown_name_is_warned_of", test_an_unknown_name_is_warned_of);
    harness_add("/trace/help_lists_the_events", test_help_lists_the_events);
    harness_add("/trace/iteration_meets_each_event_once", test_iteration_meets_each_event_once);
    harness_add("/trace/lines_of_threads_stay_whole", test_lines_of_threads_stay_whole);
    return harness_run();
}
