/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The harness itself: it must notice what a test leaves behind. */
#include "qemu/osdep.h"
#include "harness.h"

static void leak_a_descriptor(void)
{
    if (g_test_subprocess()) {
        g_assert_cmpint(open("/dev/null", O_RDONLY), >=, 0);
    }
}

static void test_leak_fails(void)
{
    g_test_trap_subprocess("/harness/subprocess/leaky", 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*was left open: /dev/null*");
}

static void test_tmpdir_is_one_per_test(void)
{
    g_autofree char *path = harness_tmpfile("file");

    g_assert_true(g_file_test(harness_tmpdir(), G_FILE_TEST_IS_DIR));
    g_assert_true(g_str_has_prefix(path, harness_tmpdir()));
    g_assert_cmpint(strlen(path), <, 100);
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

static void test_count_follows_open_and_close(void)
{
    int before = harness_count_fds();
    int fd = open("/dev/null", O_RDONLY);

    g_assert_cmpint(harness_count_fds(), ==, before + 1);
    close(fd);
    g_assert_cmpint(harness_count_fds(), ==, before);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/harness/leaked_descriptor_fails_the_test", test_leak_fails);
    harness_add("/harness/subprocess/leaky", leak_a_descriptor);
    harness_add("/harness/temporary_folder_belongs_to_the_test", test_tmpdir_is_one_per_test);
    harness_add("/harness/descriptors_are_counted", test_count_follows_open_and_close);
    return harness_run();
}
