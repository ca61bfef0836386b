/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: which lines, and where. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "harness.h"

static void test_masks_by_name(void)
{
    g_assert_cmpint(qemu_str_to_log_mask("unimp"), ==, LOG_UNIMP);
    g_assert_cmpint(qemu_str_to_log_mask("unimp,guest_errors"), ==, LOG_UNIMP | LOG_GUEST_ERROR);
    g_assert_cmpint(qemu_str_to_log_mask("all"), ==, LOG_UNIMP | LOG_GUEST_ERROR);
    g_assert_cmpint(qemu_str_to_log_mask("unimp,nonsense"), ==, 0);
    g_assert_cmpint(qemu_str_to_log_mask(""), ==, 0);
}

static void test_lines_of_wanted_kinds_go_to_the_file(void)
{
    g_autofree char *path = harness_tmpfile("log");
    g_autofree char *text = NULL;
    FILE *f;

    g_assert_false(qemu_log_enabled());
    qemu_log("off\n");
    g_assert_null(qemu_log_trylock());

    g_assert_true(qemu_set_log_filename_flags(path, LOG_UNIMP, &error_abort));
    g_assert_true(qemu_log_enabled());
    g_assert_true(qemu_log_separate());
    qemu_log("always %d\n", 1);
    qemu_log_mask(LOG_UNIMP, "unimp %d\n", 2);
    qemu_log_mask(LOG_GUEST_ERROR, "guest\n");
    f = qemu_log_trylock();
    g_assert_nonnull(f);
    fprintf(f, "in ");
    fprintf(f, "pieces\n");
    qemu_log_unlock(f);
    g_assert_true(qemu_set_log(0, &error_abort));
    qemu_log("off again\n");
    qemu_log_close();
    g_assert_false(qemu_log_separate());

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "always 1\nunimp 2\nin pieces\n");
}

static void test_file_name_may_hold_the_pid(void)
{
    g_autofree char *template = harness_tmpfile("log-%d.txt");
    g_autofree char *name = g_strdup_printf("log-%d.txt", getpid());
    g_autofree char *path = harness_tmpfile(name);

    g_assert_true(qemu_set_log_filename(template, &error_abort));
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    qemu_log_close();
}

static void test_wrong_file_names_are_named(void)
{
    static const char *const bad[] = { "/nonexistent/log", "/tmp/a%s", "/tmp/a%d%d" };

    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_false(qemu_set_log_filename(bad[i], &err));
        g_assert_nonnull(strstr(error_get_pretty(err), bad[i]));
        error_free(err);
        g_assert_false(qemu_log_separate());
    }
}

static void test_without_a_file_it_is_stderr(void)
{
    if (g_test_subprocess()) {
        qemu_set_log(LOG_GUEST_ERROR, &error_abort);
        qemu_log_mask(LOG_GUEST_ERROR, "a line\n");
        qemu_print_log_usage(stdout);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("a line\n");
    g_test_trap_assert_stdout("*guest_errors *log when*");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/log/masks_by_name", test_masks_by_name);
    harness_add("/log/lines_of_wanted_kinds_go_to_the_file",
                test_lines_of_wanted_kinds_go_to_the_file);
    harness_add("/log/file_name_may_hold_the_pid", test_file_name_may_hold_the_pid);
    harness_add("/log/wrong_file_names_are_named", test_wrong_file_names_are_named);
    harness_add("/log/without_a_file_it_is_stderr", test_without_a_file_it_is_stderr);
    return harness_run();
}
