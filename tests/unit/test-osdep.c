/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, descriptors, memory and the process. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/event_notifier.h"
#include "harness.h"
#include <poll.h>

static int create_file(const char *name)
{
    g_autofree char *path = harness_tmpfile(name);

    return qemu_create(path, O_RDWR, 0600, &error_abort);
}

static int reopen(const char *name)
{
    g_autofree char *path = harness_tmpfile(name);

    return qemu_open(path, O_RDWR, &error_abort);
}

static void test_open_names_the_file_that_fails(void)
{
    Error *err = NULL;

    g_assert_cmpint(qemu_open("/nonexistent/a", O_RDONLY, &err), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Could not open '/nonexistent/a': No such file or directory");
    error_free(err);
    g_assert_cmpint(qemu_open("/nonexistent/a", O_RDONLY, NULL), ==, -1);
    g_assert_cmpint(qemu_open_old("/nonexistent/a", O_RDONLY), ==, -1);
}

static void test_descriptors_close_over_exec(void)
{
    g_autofree char *path = harness_tmpfile("old");
    int fds[6], pipefd[2];

    fds[0] = create_file("f");
    fds[1] = qemu_dup(fds[0]);
    fds[2] = qemu_dup_flags(fds[0], O_NONBLOCK);
    fds[3] = qemu_open_old(path, O_RDWR | O_CREAT, 0600);
    g_assert_cmpint(qemu_pipe(pipefd), ==, 0);
    fds[4] = pipefd[0];
    fds[5] = pipefd[1];
    for (int i = 0; i < ARRAY_SIZE(fds); i++) {
        g_assert_cmpint(fds[i], >=, 0);
        g_assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        g_assert_cmpint(qemu_close(fds[i]), ==, 0);
    }
    fds[0] = open("/dev/null", O_RDONLY);
    qemu_set_cloexec(fds[0]);
    g_assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    close(fds[0]);
    g_assert_cmpint(qemu_dup_flags(-1, 0), ==, -1);
}

static void test_blocking_can_be_switched(void)
{
    Error *err = NULL;
    int fds[2];

    g_assert_cmpint(qemu_pipe(fds), ==, 0);
    g_assert_true(qemu_set_blocking(fds[0], false, &error_abort));
    g_assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    g_assert_true(qemu_set_blocking(fds[0], true, &error_abort));
    g_assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    g_assert_false(qemu_set_blocking(-1, true, &err));
    error_free_or_abort(&err);
}

static void test_locks_of_two_opens_exclude_each_other(void)
{
    int a = create_file("lock"), b = reopen("lock");

    g_assert_true(qemu_has_ofd_lock());
    g_assert_cmpint(qemu_lock_fd(a, 100, 1, false), ==, 0);
    g_assert_cmpint(qemu_lock_fd(b, 100, 1, false), ==, 0);
    g_assert_cmpint(qemu_lock_fd_test(b, 100, 1, true), ==, -EAGAIN);
    g_assert_cmpint(qemu_lock_fd_test(b, 101, 1, true), ==, 0);
    g_assert_cmpint(qemu_lock_fd(b, 100, 1, true), ==, -EAGAIN);
    g_assert_cmpint(qemu_unlock_fd(a, 100, 1), ==, 0);
    g_assert_cmpint(qemu_lock_fd(b, 100, 1, true), ==, 0);
    g_assert_cmpint(qemu_lock_fd(a, 100, 1, false), <, 0);
    g_assert_cmpint(qemu_lock_fd_test(a, 100, 1, false), ==, -EAGAIN);
    g_assert_cmpint(qemu_lock_fd(a, 0, 0, false), <, 0);
    close(b);
    g_assert_cmpint(qemu_lock_fd(a, 0, 0, true), ==, 0);
    close(a);
    g_assert_cmpint(qemu_lock_fd(a, 0, 1, true), ==, -EBADF);
}

static void test_write_full_goes_on_after_short_writes(void)
{
    g_autofree char *buf = g_malloc(300000);
    g_autofree char *path = harness_tmpfile("full");
    g_autofree char *text = NULL;
    gsize len;
    int fd = create_file("full");

    memset(buf, 'x', 300000);
    g_assert_cmpint(qemu_write_full(fd, buf, 300000), ==, 300000);
    g_assert_cmpint(qemu_fdatasync(fd), ==, 0);
    close(fd);
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_assert_cmpmem(text, len, buf, 300000);

    fd = open("/dev/full", O_WRONLY);
    g_assert_cmpint(qemu_write_full(fd, buf, 10), ==, 0);
    g_assert_cmpint(errno, ==, ENOSPC);
    close(fd);
}

static void test_aligned_memory(void)
{
    for (size_t align = 1; align <= 65536; align *= 2) {
        QEMU_AUTO_VFREE char *p = qemu_memalign(align, 100);
        void *q = qemu_try_memalign(align, 0);

        g_assert_true(QEMU_PTR_IS_ALIGNED(p, align));
        memset(p, 1, 100);
        g_assert_nonnull(q);
        qemu_vfree(q);
    }
#if !defined(CONFIG_ASAN) && !defined(CONFIG_TSAN)
    /* The sanitizers' allocators end the process instead. */
    g_assert_null(qemu_try_memalign(4096, SIZE_MAX / 2));
#endif
    qemu_vfree(NULL);
    g_assert_cmpint(qemu_real_host_page_size(), ==, sysconf(_SC_PAGESIZE));
    g_assert_cmpint(qemu_real_host_page_mask(), ==, -sysconf(_SC_PAGESIZE));
}

static void test_a_pid_file_belongs_to_one_process(void)
{
    g_autofree char *path = harness_tmpfile("pid");
    g_autofree char *want = g_strdup_printf("%d\n", getpid());
    g_autofree char *text = NULL;
    Error *err = NULL;
    int next;

    g_assert_true(g_file_set_contents(path, "something longer than a pid", -1, NULL));
    /* The lock is kept by a descriptor that nobody gets to know: the lowest that is free. */
    next = dup(STDERR_FILENO);
    close(next);
    g_assert_true(qemu_write_pidfile(path, &error_abort));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, want);
    g_assert_false(qemu_write_pidfile(path, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free(err);
    close(next);
}

static void test_a_pid_file_that_cannot_be(void)
{
    Error *err = NULL;

    g_assert_false(qemu_write_pidfile("/nonexistent/pid", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'/nonexistent/pid'"));
    error_free(err);
}

static void test_random_bytes_differ(void)
{
    uint8_t a[64] = { 0 }, b[64] = { 0 };

    g_assert_true(qemu_get_random_bytes(a, sizeof(a), &error_abort));
    g_assert_true(qemu_get_random_bytes(b, sizeof(b), &error_abort));
    g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
}

static void test_exec_dir(void)
{
    qemu_init_exec_dir("irrelevant");
    g_assert_true(g_file_test(qemu_get_exec_dir(), G_FILE_TEST_IS_DIR));
    g_assert_true(g_path_is_absolute(qemu_get_exec_dir()));
}

static bool readable(EventNotifier *e)
{
    struct pollfd pfd = { .fd = event_notifier_get_fd(e), .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

static void test_event_notifier_is_a_flag(void)
{
    EventNotifier e = { 0 };

    event_notifier_cleanup(&e);
    g_assert_cmpint(event_notifier_init(&e, 1), ==, 0);
    g_assert_true(readable(&e));
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 1);
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 0);
    g_assert_false(readable(&e));
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(event_notifier_set(&e), ==, 0);
    }
    g_assert_true(readable(&e));
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 1);
    g_assert_false(readable(&e));
    g_assert_cmpint(event_notifier_get_wfd(&e), >=, 0);
    event_notifier_cleanup(&e);
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 0);
    g_assert_cmpint(event_notifier_set(&e), <, 0);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/osdep/open_names_the_file_that_fails", test_open_names_the_file_that_fails);
    harness_add("/osdep/descriptors_close_over_exec", test_descriptors_close_over_exec);
    harness_add("/osdep/blocking_can_be_switched", test_blocking_can_be_switched);
    harness_add("/osdep/locks_of_two_opens_exclude_each_other",
                test_locks_of_two_opens_exclude_each_other);
    harness_add("/osdep/write_full_goes_on_after_short_writes",
                test_write_full_goes_on_after_short_writes);
    harness_add("/osdep/aligned_memory", test_aligned_memory);
    harness_add("/osdep/a_pid_file_belongs_to_one_process", test_a_pid_file_belongs_to_one_process);
    harness_add("/osdep/a_pid_file_that_cannot_be_is_named", test_a_pid_file_that_cannot_be);
    harness_add("/osdep/random_bytes_differ", test_random_bytes_differ);
    harness_add("/osdep/the_program_knows_its_folder", test_exec_dir);
    harness_add("/event-notifier/is_a_flag", test_event_notifier_is_a_flag);
    return harness_run();
}
