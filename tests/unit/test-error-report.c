/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the user: their form and where they go. */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "harness.h"

/* Runs the test that calls it in a process of its own, and compares what that one says. */
static void expect(const char *pattern)
{
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr(pattern);
}

static void test_kinds(void)
{
    if (g_test_subprocess()) {
        error_init("/some/where/prog");
        error_report("it is %s", "wrong");
        warn_report("it may be");
        info_report("it is");
        error_printf("plain %d\n", 1);
        return;
    }
    expect("prog: it is wrong\nprog: warning: it may be\nprog: info: it is\nplain 1\n");
}

static void test_once(void)
{
    if (g_test_subprocess()) {
        bool printed = false;

        for (int i = 0; i < 3; i++) {
            error_report_once("error %d", i);
            warn_report_once("warning %d", i);
            g_assert_cmpint(error_report_once_cond(&printed, "cond %d", i), ==, i == 0);
        }
        return;
    }
    expect("error 0\nwarning: warning 0\ncond 0\n");
}

static void test_locations(void)
{
    if (g_test_subprocess()) {
        char *argv[] = { (char *)"prog", (char *)"--blockdev", (char *)"x=y", NULL };
        Location outer = { 0 }, inner = { 0 }, saved;

        error_init("prog");
        loc_push_none(&outer);
        loc_set_cmdline(argv, 1, 2);
        error_report("one");
        loc_save(&saved);
        loc_push_none(&inner);
        loc_set_file("a.conf", 12);
        error_report("two");
        loc_set_file(NULL, 13);
        error_report("three");
        loc_set_file("b.conf", 0);
        error_report("four");
        loc_restore(&saved);
        error_report("five");
        loc_pop(&inner);
        error_report("six");
        loc_set_none();
        error_report("seven");
        loc_pop(&outer);
        return;
    }
    expect("prog: --blockdev x=y: one\nprog:a.conf:12: two\nprog:a.conf:13: three\n"
           "prog:b.conf: four\nprog: --blockdev x=y: five\nprog: --blockdev x=y: six\n"
           "prog: seven\n");
}

static void test_timestamp_and_guest_name(void)
{
    if (g_test_subprocess()) {
        error_init("prog");
        message_with_timestamp = true;
        error_with_guestname = true;
        error_guest_name = "guest";
        error_report("late");
        return;
    }
    expect("2*T*:*:*.??????Z guest prog: late\n");
}

static bool taken_by_hook(const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    fprintf(stderr, "[%s]", text);
    return strstr(text, "monitor") != NULL;
}

static void test_a_hook_may_take_the_text(void)
{
    if (g_test_subprocess()) {
        error_set_vprintf_hook(taken_by_hook);
        error_printf("to the monitor");
        error_printf("not");
        return;
    }
    expect("[to the monitor][not]not");
}

static void test_glib_messages_take_our_form(void)
{
    if (g_test_subprocess()) {
        /* g_test makes warnings fatal. */
        g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
        error_init("prog");
        g_message("hello");
        g_log("Dom", G_LOG_LEVEL_WARNING, "careful");
        g_log("Dom", G_LOG_LEVEL_CRITICAL, "bad");
        g_log("Dom", G_LOG_LEVEL_DEBUG, "not to be seen");
        return;
    }
    expect("prog: info: hello\nprog: warning: Dom: careful\nprog: Dom: bad\n");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/error-report/kinds_are_named_and_the_program_too", test_kinds);
    harness_add("/error-report/once_means_once_per_place", test_once);
    harness_add("/error-report/innermost_location_is_printed", test_locations);
    harness_add("/error-report/timestamp_and_guest_name", test_timestamp_and_guest_name);
    harness_add("/error-report/a_hook_may_take_the_text", test_a_hook_may_take_the_text);
    harness_add("/error-report/glib_messages_take_our_form", test_glib_messages_take_our_form);
    return harness_run();
}
