/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can still be done in a sandbox, and what fails there.
 *
 * Theory of operation: a sandbox cannot be left, so each test starts this program again as a probe,
 * which enters one and prints a line "WHAT ERRNO" for each thing that it tries: once in the thread
 * that entered, and once in another one that was there before.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "storage-daemon/sandbox.h"
#include "util/aio-posix.h"
#ifdef CONFIG_LINUX_IO_URING
#include "util/io_uring-guard.h"
#endif
#include <linux/landlock.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* The folder that the probe may use; argv[2]. */
static const char *folder;

static int result(long ret)
{
    return ret < 0 ? errno : 0;
}

/* As result(), of what makes a descriptor. */
static int fd_result(int fd)
{
    int err = result(fd);

    if (fd >= 0) {
        close(fd);
    }
    return err;
}

static int map_result(void *p)
{
    return p == MAP_FAILED ? errno : 0;
}

static int try_execve(void)
{
    char *argv[] = { (char *)"true", NULL };

    return result(execve("/bin/true", argv, NULL));
}

/* A process would end at once. */
static int try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        _exit(0);
    }
    return result(pid);
}

static int try_clone3(void)
{
    return result(syscall(SYS_clone3, NULL, 0));
}

static int try_ptrace(void)
{
    return result(syscall(SYS_ptrace, 0, 0, 0, 0));
}

static int try_kill(void)
{
    return result(kill(getpid(), 0));
}

static int try_setuid(void)
{
    return result(syscall(SYS_setuid, getuid()));
}

static int try_mount(void)
{
    return result(syscall(SYS_mount, "none", folder, "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_setrlimit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_CORE, &limit);
    return result(setrlimit(RLIMIT_CORE, &limit));
}

static int try_getrlimit(void)
{
    struct rlimit limit;

    return result(getrlimit(RLIMIT_CORE, &limit));
}

static int try_dumpable(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_thread_name(void)
{
    return result(prctl(PR_SET_NAME, "probe", 0, 0, 0));
}

static int try_code(void)
{
    return map_result(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int try_memory(void)
{
    return map_result(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int try_inet(void)
{
    return fd_result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix(void)
{
    return fd_result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_ring(void)
{
    uint32_t params[64] = {};

    return fd_result(syscall(SYS_io_uring_setup, 1, params));
}

static int try_outside(void)
{
    return fd_result(open("/proc/self/status", O_RDONLY));
}

static int try_inside(void)
{
    g_autofree char *path = g_build_filename(folder, "file", NULL);

    return fd_result(open(path, O_RDWR));
}

static void *nothing(void *opaque)
{
    return opaque;
}

static int try_thread(void)
{
    QemuThread thread;

    qemu_thread_create(&thread, "probe", nothing, NULL, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    return 0;
}

static const struct {
    const char *what;
    int (*fn)(void);
    int expected;
    int expected_with_network;
} attempts[] = {
    { "execve", try_execve, EPERM, EPERM },
    { "fork", try_fork, EPERM, EPERM },
    { "clone3", try_clone3, ENOSYS, ENOSYS },
    { "ptrace", try_ptrace, EPERM, EPERM },
    { "kill", try_kill, EPERM, EPERM },
    { "setuid", try_setuid, EPERM, EPERM },
    { "mount", try_mount, EPERM, EPERM },
    { "bpf", try_bpf, EPERM, EPERM },
    { "setrlimit", try_setrlimit, EPERM, EPERM },
    { "getrlimit", try_getrlimit, 0, 0 },
    { "dumpable", try_dumpable, EPERM, EPERM },
    { "thread-name", try_thread_name, 0, 0 },
    { "code", try_code, EPERM, EPERM },
    { "memory", try_memory, 0, 0 },
    { "inet", try_inet, EPERM, 0 },
    { "unix", try_unix, 0, 0 },
    { "ring", try_ring, EPERM, EPERM },
    { "outside", try_outside, EACCES, EACCES },
    { "inside", try_inside, 0, 0 },
    { "thread", try_thread, 0, 0 },
};

/* The probe */

static void attempt_all(const char *who)
{
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        printf("%s %s %d\n", who, attempts[i].what, attempts[i].fn());
    }
    fflush(stdout);
}

#ifdef CONFIG_LINUX_IO_URING
/* What a ring that is guarded answers to a request. */
static int ring_result(struct io_uring *ring, const struct io_uring_sqe *wanted)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    int ret;

    *sqe = *wanted;
    g_assert_cmpint(io_uring_submit_and_wait(ring, 1), ==, 1);
    g_assert_cmpint(io_uring_peek_cqe(ring, &cqe), ==, 0);
    ret = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return ret < 0 ? -ret : 0;
}

static void attempt_ring(struct io_uring *ring)
{
    struct io_uring_sqe sqe = {};
    char byte;
    int zero = open("/dev/null", O_RDONLY);

    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    io_uring_prep_openat(&sqe, AT_FDCWD, folder, O_RDONLY, 0);
    printf("own ring-openat %d\n", ring_result(ring, &sqe));
    memset(&sqe, 0, sizeof(sqe));
    io_uring_prep_connect(&sqe, -1, NULL, 0);
    printf("own ring-connect %d\n", ring_result(ring, &sqe));
    memset(&sqe, 0, sizeof(sqe));
    io_uring_prep_read(&sqe, zero, &byte, 1, 0);
    printf("own ring-read %d\n", ring_result(ring, &sqe));
    close(zero);
}

/* Contexts made inside have a ring while the store lasts, and then another way to wait. */
static void count_rings(void)
{
    AioContext *ctx;
    int n = 0;

    while ((ctx = aio_context_new(&error_abort))->fdmon_ops == &fdmon_io_uring_ops) {
        n++;
    }
    printf("own rings %d\n", n);
    printf("own epoll %d\n", ctx->fdmon_ops == &fdmon_epoll_ops ? 0 : 1);
}
#endif

static QemuSemaphore entered;

static void *other_thread(void *opaque)
{
    qemu_sem_wait(&entered);
    attempt_all("other");
    return NULL;
}

static int probe(const char *options)
{
    QemuThread thread;
#ifdef CONFIG_LINUX_IO_URING
    struct io_uring_params params = {};
    struct io_uring ring;
    bool has_ring;
#endif

    g_assert_true(sandbox_parse(options, &error_abort));
    g_assert_true(sandbox_begin(&error_abort));
#ifdef CONFIG_LINUX_IO_URING
    has_ring = uring_guard_init(8, &ring, &params) == 0;
#endif
    qemu_init_main_loop(&error_abort);
    qemu_sem_init(&entered, 0);
    qemu_thread_create(&thread, "other", other_thread, NULL, QEMU_THREAD_JOINABLE);
    g_assert_true(sandbox_enter(&error_abort));
    attempt_all("own");
#ifdef CONFIG_LINUX_IO_URING
    if (has_ring) {
        attempt_ring(&ring);
        count_rings();
    }
    printf("own has-ring %d\n", has_ring);
    fflush(stdout);
#endif
    qemu_sem_post(&entered);
    qemu_thread_join(&thread);
    /* A leak checker would want to trace this process. */
    _exit(0);
}

/* The tests */

static char *program;

static void expect_line(const char *output, const char *who, const char *what, int expected)
{
    g_autofree char *line = g_strdup_printf("%s %s %d\n", who, what, expected);

    if (!strstr(output, line)) {
        g_test_message("not found: %sin:\n%s", line, output);
        g_test_fail();
    }
}

/* What a probe with these options prints; the caller frees. */
static char *run_probe(const char *more)
{
    g_autofree char *options = g_strdup_printf("on,path.0=%s%s", harness_tmpdir(), more);
    g_autofree char *file = harness_tmpfile("file");
    char *output = NULL;
    char *argv[] = { program, (char *)"probe", (char *)harness_tmpdir(), options, NULL };
    int status;

    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_assert_true(
        g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return output;
}

static void check_attempts(const char *output, bool network)
{
    bool landlock = syscall(444, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;

    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        int expected = network ? attempts[i].expected_with_network : attempts[i].expected;

        if (landlock || attempts[i].fn != try_outside) {
            expect_line(output, "own", attempts[i].what, expected);
            expect_line(output, "other", attempts[i].what, expected);
        }
    }
}

static void test_forbidden_calls_fail_in_all_threads(void)
{
    g_autofree char *output = run_probe("");

    check_attempts(output, false);
}

static void test_network_can_be_allowed(void)
{
    g_autofree char *output = run_probe(",network=allow");

    check_attempts(output, true);
}

#ifdef CONFIG_LINUX_IO_URING
static void test_rings_do_only_what_loops_and_files_need(void)
{
    g_autofree char *output = run_probe("");

    if (strstr(output, "has-ring 0")) {
        g_test_skip("no io_uring on this host");
        return;
    }
    expect_line(output, "own", "ring-openat", EACCES);
    expect_line(output, "own", "ring-connect", EACCES);
    expect_line(output, "own", "ring-read", 0);
    /* 16, and those of the main loop, which has not run here. */
    expect_line(output, "own", "rings", 18);
    expect_line(output, "own", "epoll", 0);
}
#endif

static void test_senseless_permissions_are_refused(void)
{
    static const char *const refused[] = { "obsolete", "elevateprivileges", "spawn",
                                           "resourcecontrol" };

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        g_autofree char *text = g_strdup_printf("on,%s=allow", refused[i]);
        Error *err = NULL;

        g_assert_false(sandbox_parse(text, &err));
        g_assert_true(strstr(error_get_pretty(err), refused[i]));
        error_free(err);
    }
    g_assert_true(sandbox_parse("on,obsolete=deny,elevateprivileges=children,spawn=deny,"
                                "resourcecontrol=deny",
                                &error_abort));
    g_assert_true(sandbox_parse("off", &error_abort));
    g_assert_true(sandbox_enter(&error_abort));
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "probe")) {
        folder = argv[2];
        return probe(argv[3]);
    }
    program = argv[0];
    harness_init(&argc, &argv);
    harness_add("/sandbox/forbidden_calls_fail_in_all_threads",
                test_forbidden_calls_fail_in_all_threads);
    harness_add("/sandbox/network_can_be_allowed", test_network_can_be_allowed);
#ifdef CONFIG_LINUX_IO_URING
    harness_add("/sandbox/rings_do_only_what_loops_and_files_need",
                test_rings_do_only_what_loops_and_files_need);
#endif
    harness_add("/sandbox/senseless_permissions_are_refused",
                test_senseless_permissions_are_refused);
    return harness_run();
}
