/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket channels: descriptors that go along with the bytes. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "qapi/error.h"

#include <sys/resource.h>

typedef struct Pair {
    QIOChannel *a, *b;
} Pair;

static Pair make_pair(void)
{
    int fds[2];
    Pair p;

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    p.a = qio_channel_new_fd(fds[0], &error_abort);
    p.b = qio_channel_new_fd(fds[1], &error_abort);
    return p;
}

static void free_pair(Pair *p)
{
    object_unref(p->a);
    object_unref(p->b);
}

static int marked_file(const char *text)
{
    int fd = memfd_create("marked", MFD_CLOEXEC);

    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
    return fd;
}

static void assert_marked(int fd, const char *text)
{
    char buf[32] = "";

    g_assert_cmpint(pread(fd, buf, sizeof(buf) - 1, 0), ==, strlen(text));
    g_assert_cmpstr(buf, ==, text);
}

static void close_all(int *fds, size_t nfds)
{
    for (size_t i = 0; i < nfds; i++) {
        close(fds[i]);
    }
}

/* Send one byte with @n descriptors that contain their number. */
static void send_marked(QIOChannel *ioc, size_t n)
{
    g_autofree int *fds = g_new(int, n);
    struct iovec iov = { (void *)"x", 1 };

    for (size_t i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf("file %zu", i);

        fds[i] = marked_file(text);
    }
    g_assert_cmpint(qio_channel_writev_full(ioc, &iov, 1, fds, n, 0, &error_abort), ==, 1);
    close_all(fds, n);
}

static void test_fds(const void *data)
{
    size_t n = GPOINTER_TO_SIZE(data), got;
    Pair p = make_pair();
    struct iovec iov;
    g_autofree int *fds = NULL;
    char c;

    iov = (struct iovec){ &c, 1 };
    send_marked(p.a, n);
    g_assert_cmpint(qio_channel_readv_full(p.b, &iov, 1, &fds, &got, 0, &error_abort), ==, 1);
    g_assert_cmpint(got, ==, n);
    for (size_t i = 0; i < got; i++) {
        g_autofree char *text = g_strdup_printf("file %zu", i);

        assert_marked(fds[i], text);
        g_assert_cmpint(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    }
    close_all(fds, got);
    free_pair(&p);
}

static void test_too_many_fds(void)
{
    Pair p = make_pair();
    struct iovec iov = { (void *)"x", 1 };
    int fds[254];
    Error *err = NULL;

    memset(fds, 0, sizeof(fds));
    g_assert_cmpint(qio_channel_writev_full(p.a, &iov, 1, fds, ARRAY_SIZE(fds), 0, &err), ==, -1);
    error_free_or_abort(&err);
    free_pair(&p);
}

static void test_unwanted_fds(void)
{
    Pair p = make_pair();
    int before = harness_count_fds();
    char c;

    send_marked(p.a, 16);
    g_assert_cmpint(qio_channel_read(p.b, &c, 1, &error_abort), ==, 1);
    g_assert_cmpint(harness_count_fds(), ==, before);
    free_pair(&p);
}

/* The kernel cannot install all of them: none may stay. */
static void test_truncated_fds(void)
{
    Pair p = make_pair();
    struct rlimit old, low;
    struct iovec iov;
    int *fds = (int *)1;
    size_t nfds = 1;
    char c;
    Error *err = NULL;
    int before, top;

    iov = (struct iovec){ &c, 1 };
    send_marked(p.a, 8);
    before = harness_count_fds();
    top = dup(0);
    close(top);
    getrlimit(RLIMIT_NOFILE, &old);
    low = (struct rlimit){ top + 3, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &low);
    g_assert_cmpint(qio_channel_readv_full(p.b, &iov, 1, &fds, &nfds, 0, &err), ==, -1);
    setrlimit(RLIMIT_NOFILE, &old);
    g_assert_nonnull(strstr(error_get_pretty(err), strerror(EMFILE)));
    error_free_or_abort(&err);
    g_assert_null(fds);
    g_assert_cmpint(nfds, ==, 0);
    g_assert_cmpint(harness_count_fds(), ==, before);
    free_pair(&p);
}

static bool is_nonblocking(int fd)
{
    return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void test_fd_blocking_mode(void)
{
    static const int flags[] = { 0, QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING };
    Pair p = make_pair();

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct iovec out = { (void *)"x", 1 }, in;
        g_autofree int *fds = NULL;
        size_t nfds;
        int pipefds[2];
        char c;

        in = (struct iovec){ &c, 1 };
        g_assert_cmpint(pipe2(pipefds, O_CLOEXEC | O_NONBLOCK), ==, 0);
        qio_channel_writev_full(p.a, &out, 1, pipefds, 1, 0, &error_abort);
        qio_channel_readv_full(p.b, &in, 1, &fds, &nfds, flags[i], &error_abort);
        g_assert_cmpint(nfds, ==, 1);
        g_assert_cmpint(is_nonblocking(fds[0]), ==, flags[i] != 0);
        close_all(fds, nfds);
        close_all(pipefds, 2);
    }
    free_pair(&p);
}

static void test_fds_of_all_pieces(void)
{
    Pair p = make_pair();
    char buf[3];
    struct iovec iov = { buf, 3 };
    g_autofree int *fds = NULL;
    size_t nfds;

    send_marked(p.a, 2);
    send_marked(p.a, 1);
    qio_channel_write_all(p.a, "y", 1, &error_abort);
    g_assert_cmpint(qio_channel_readv_full_all(p.b, &iov, 1, &fds, &nfds, &error_abort), ==, 0);
    g_assert_cmpmem(buf, 3, "xxy", 3);
    g_assert_cmpint(nfds, ==, 3);
    assert_marked(fds[1], "file 1");
    assert_marked(fds[2], "file 0");
    close_all(fds, nfds);
    free_pair(&p);
}

static void test_fds_before_eof(void)
{
    Pair p = make_pair();
    char buf[3];
    struct iovec iov = { buf, 3 };
    int *fds;
    size_t nfds;
    Error *err = NULL;

    send_marked(p.a, 4);
    g_clear_pointer(&p.a, object_unref);
    g_assert_cmpint(qio_channel_readv_full_all_eof(p.b, &iov, 1, &fds, &nfds, 0, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_null(fds);
    g_assert_cmpint(nfds, ==, 0);
    free_pair(&p);
}

static void test_fds_with_first_byte_only(void)
{
    Pair p = make_pair();
    char out[40000] = "", in[40000];
    struct iovec out_iov = { out, sizeof(out) }, in_iov = { in, sizeof(in) };
    g_autofree int *fds = NULL;
    size_t nfds;
    int fd = marked_file("once");

    qio_channel_writev_full_all(p.a, &out_iov, 1, &fd, 1, 0, &error_abort);
    qio_channel_readv_full_all(p.b, &in_iov, 1, &fds, &nfds, &error_abort);
    g_assert_cmpint(nfds, ==, 1);
    assert_marked(fds[0], "once");
    close_all(fds, nfds);
    close(fd);
    free_pair(&p);
}

static void test_fds_over_inet(void)
{
    int sock = qemu_socket(AF_INET, SOCK_STREAM, 0);
    g_autoptr(QIOChannel) ioc = qio_channel_new_fd(sock, &error_abort);
    struct iovec iov = { (void *)"x", 1 };
    int fd = 0, *fds;
    size_t nfds;
    Error *err = NULL;

    g_assert_cmpint(qio_channel_writev_full(ioc, &iov, 1, &fd, 1, 0, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_readv_full(ioc, &iov, 1, &fds, &nfds, 0, &err), ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add_data("/io/socket/fds/one_arrives", GSIZE_TO_POINTER(1), test_fds);
    harness_add_data("/io/socket/fds/sixteen_arrive", GSIZE_TO_POINTER(16), test_fds);
    harness_add_data("/io/socket/fds/two_hundred_and_fifty_three_arrive", GSIZE_TO_POINTER(253),
                     test_fds);
    harness_add("/io/socket/fds/more_than_the_kernel_passes_are_refused", test_too_many_fds);
    harness_add("/io/socket/fds/unwanted_ones_are_closed", test_unwanted_fds);
    harness_add("/io/socket/fds/incomplete_ones_are_closed", test_truncated_fds);
    harness_add("/io/socket/fds/blocking_mode_is_set_or_kept", test_fd_blocking_mode);
    harness_add("/io/socket/fds/all_pieces_of_a_message_count", test_fds_of_all_pieces);
    harness_add("/io/socket/fds/early_end_of_file_closes_them", test_fds_before_eof);
    harness_add("/io/socket/fds/long_write_sends_them_once", test_fds_with_first_byte_only);
    harness_add("/io/socket/fds/inet_refuses_them", test_fds_over_inet);
    return harness_run();
}
