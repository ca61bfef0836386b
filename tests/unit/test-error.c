/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors: made, added to, handed on, reported. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "harness.h"

static void test_a_sentence_and_its_class(void)
{
    Error *err = NULL;

    error_setg(&err, "no '%s' in %d", "x", 7);
    g_assert_cmpstr(error_get_pretty(err), ==, "no 'x' in 7");
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_GENERIC_ERROR);
    g_assert_null(error_get_hint(err));
    error_free(err);

    err = NULL;
    error_set(&err, ERROR_CLASS_DEVICE_NOT_FOUND, "no device");
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free_or_abort(&err);
    g_assert_null(err);
    error_free(NULL);
}

static void test_errno_is_said_and_kept(void)
{
    Error *err = NULL;

    errno = EBADF;
    error_setg_errno(&err, ENOENT, "cannot open");
    g_assert_cmpint(errno, ==, EBADF);
    g_assert_cmpstr(error_get_pretty(err), ==, "cannot open: No such file or directory");
    error_free(err);
    g_assert_cmpint(errno, ==, EBADF);

    err = NULL;
    error_setg_errno(&err, 0, "cannot open");
    g_assert_cmpstr(error_get_pretty(err), ==, "cannot open");
    error_free(err);

    err = NULL;
    error_setg_file_open(&err, EACCES, "/x");
    g_assert_cmpstr(error_get_pretty(err), ==, "Could not open '/x': Permission denied");
    error_free(err);
}

static void test_nobody_wants_it(void)
{
    Error *err = NULL;

    error_setg(NULL, "lost");
    error_prepend(NULL, "lost");
    error_append_hint(NULL, "lost");
    error_setg(&err, "lost");
    error_propagate(NULL, err);
    error_propagate(NULL, NULL);
}

static void test_the_first_error_stays(void)
{
    Error *first = NULL, *second = NULL, *dst = NULL;

    error_setg(&first, "first");
    error_setg(&second, "second");
    error_propagate(&dst, first);
    error_propagate(&dst, second);
    g_assert_cmpstr(error_get_pretty(dst), ==, "first");
    error_free(dst);
}

static void test_text_before_and_hint_behind(void)
{
    Error *err = NULL, *copy, *moved = NULL, *dst = NULL;

    error_setg(&err, "core");
    error_prepend(&err, "part %d: ", 1);
    error_append_hint(&err, "Try %s.\n", "this");
    error_append_hint(&err, "Or that.\n");
    g_assert_cmpstr(error_get_pretty(err), ==, "part 1: core");
    g_assert_cmpstr(error_get_hint(err), ==, "Try this.\nOr that.\n");

    copy = error_copy(err);
    g_assert_cmpstr(error_get_pretty(copy), ==, "part 1: core");
    g_assert_cmpstr(error_get_hint(copy), ==, "Try this.\nOr that.\n");
    error_free(copy);

    error_move(&moved, &err);
    g_assert_null(err);
    error_propagate_prepend(&dst, moved, "all: ");
    g_assert_cmpstr(error_get_pretty(dst), ==, "all: part 1: core");
    error_free(dst);
}

/* Looks at *errp and adds to it, whatever the caller passed. */
static bool fail_with_guard(bool fail, Error **errp)
{
    ERRP_GUARD();

    if (fail) {
        error_setg(errp, "inner");
    }
    if (*errp) {
        error_prepend(errp, "outer: ");
        return false;
    }
    return true;
}

static void test_a_guard_lets_a_function_look_at_its_error(void)
{
    Error *err = NULL;

    g_assert_false(fail_with_guard(true, NULL));
    g_assert_true(fail_with_guard(false, NULL));
    g_assert_true(fail_with_guard(false, &err));
    g_assert_null(err);
    g_assert_false(fail_with_guard(true, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "outer: inner");
    error_free(err);
}

static void test_autoptr_frees(void)
{
    g_autoptr(Error) err = NULL;

    error_setg(&err, "freed by its scope");
}

static void test_fatal_reports_and_exits_with_1(void)
{
    if (g_test_subprocess()) {
        fail_with_guard(true, &error_fatal);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*outer: inner\n*");
}

static void test_abort_names_the_place(void)
{
    if (g_test_subprocess()) {
        error_setg(&error_abort, "our bug");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*Unexpected error in test_abort_names_the_place() at *:*our bug\n*");
}

static void test_reports_free_and_print(void)
{
    if (g_test_subprocess()) {
        static bool printed;
        Error *err = NULL;

        error_init("prog");
        error_setg(&err, "one");
        error_append_hint(&err, "hint\n");
        error_report_err(err);
        err = NULL;
        error_setg(&err, "two");
        error_reportf_err(err, "file %d: ", 2);
        for (int i = 0; i < 2; i++) {
            err = NULL;
            error_setg(&err, "three");
            g_assert_cmpint(warn_report_err_once_cond(&printed, err), ==, i == 0);
        }
        err = NULL;
        error_setg(&err, "four");
        warn_reportf_err(err, "x: ");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("prog: one\nhint\nprog: file 2: two\nprog: warning: three\n"
                              "prog: warning: x: four\n");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/error/a_sentence_and_its_class", test_a_sentence_and_its_class);
    harness_add("/error/errno_is_said_and_kept", test_errno_is_said_and_kept);
    harness_add("/error/nobody_wants_it", test_nobody_wants_it);
    harness_add("/error/the_first_error_stays", test_the_first_error_stays);
    harness_add("/error/text_before_and_hint_behind", test_text_before_and_hint_behind);
    harness_add("/error/a_guard_lets_a_function_look_at_its_error",
                test_a_guard_lets_a_function_look_at_its_error);
    harness_add("/error/autoptr_frees", test_autoptr_frees);
    harness_add("/error/fatal_reports_and_exits_with_1", test_fatal_reports_and_exits_with_1);
    harness_add("/error/abort_names_the_place", test_abort_names_the_place);
    harness_add("/error/reports_free_and_print", test_reports_free_and_print);
    return harness_run();
}
