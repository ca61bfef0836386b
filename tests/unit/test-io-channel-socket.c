/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket channels: connecting in every way, transfers. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "qapi/error.h"
#include "qemu/thread.h"

/* ---- connecting ---- */

static SocketAddress unix_address(const char *path)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };

    addr.u.q_unix.path = (char *)path;
    return addr;
}

static SocketAddress inet_address(const char *port)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };

    addr.u.inet.host = (char *)"127.0.0.1";
    addr.u.inet.port = (char *)port;
    return addr;
}

typedef struct Wait {
    GMainLoop *loop;
    Error *err;
} Wait;

static void on_end(QIOTask *task, gpointer opaque)
{
    Wait *wait = opaque;

    qio_task_propagate_error(task, &wait->err);
    g_main_loop_quit(wait->loop);
}

static Error *run_wait(Wait *wait)
{
    g_main_loop_run(wait->loop);
    g_main_loop_unref(wait->loop);
    return wait->err;
}

static Error *listen_async(QIOChannelSocket *sioc, SocketAddress *addr)
{
    Wait wait = { .loop = g_main_loop_new(NULL, false) };

    qio_channel_socket_listen_async(sioc, addr, 1, on_end, &wait, NULL, NULL);
    return run_wait(&wait);
}

static Error *connect_async(QIOChannelSocket *sioc, SocketAddress *addr)
{
    Wait wait = { .loop = g_main_loop_new(NULL, false) };

    qio_channel_socket_connect_async(sioc, addr, on_end, &wait, NULL, NULL);
    return run_wait(&wait);
}

/* Three ends of one connection. */
typedef struct Trio {
    QIOChannelSocket *listener, *client, *server;
} Trio;

static Trio connect_trio(SocketAddress *addr, bool async)
{
    Trio t = { qio_channel_socket_new(), qio_channel_socket_new(), NULL };
    g_autoptr(SocketAddress) target = NULL;

    if (async) {
        g_assert_null(listen_async(t.listener, addr));
    } else {
        qio_channel_socket_listen_sync(t.listener, addr, 1, &error_abort);
    }
    target = qio_channel_socket_get_local_address(t.listener, &error_abort);
    if (async) {
        g_assert_null(connect_async(t.client, target));
    } else {
        qio_channel_socket_connect_sync(t.client, target, &error_abort);
    }
    t.server = qio_channel_socket_accept(t.listener, &error_abort);
    return t;
}

static void free_trio(Trio *t)
{
    object_unref(t->client);
    object_unref(t->server);
    object_unref(t->listener);
}

static void assert_talk(QIOChannelSocket *from, QIOChannelSocket *to)
{
    char buf[6] = "";

    qio_channel_write_all(QIO_CHANNEL(from), "hello", 6, &error_abort);
    qio_channel_read_all(QIO_CHANNEL(to), buf, 6, &error_abort);
    g_assert_cmpstr(buf, ==, "hello");
}

static void assert_features(const Trio *t, bool fd_pass)
{
    QIOChannel *client = QIO_CHANNEL(t->client), *server = QIO_CHANNEL(t->server);

    g_assert_true(qio_channel_has_feature(QIO_CHANNEL(t->listener), QIO_CHANNEL_FEATURE_LISTEN));
    g_assert_false(qio_channel_has_feature(server, QIO_CHANNEL_FEATURE_LISTEN));
    g_assert_cmpint(qio_channel_has_feature(client, QIO_CHANNEL_FEATURE_FD_PASS), ==, fd_pass);
    g_assert_cmpint(qio_channel_has_feature(server, QIO_CHANNEL_FEATURE_FD_PASS), ==, fd_pass);
    g_assert_true(qio_channel_has_feature(client, QIO_CHANNEL_FEATURE_SHUTDOWN));
    g_assert_true(qio_channel_has_feature(server, QIO_CHANNEL_FEATURE_READ_MSG_PEEK));
    g_assert_false(qio_channel_has_feature(server, QIO_CHANNEL_FEATURE_SEEKABLE));
}

static void test_unix(bool async)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    Trio t = connect_trio(&addr, async);
    g_autoptr(SocketAddress) remote = NULL;
    unsigned pid = 0;

    remote = qio_channel_socket_get_remote_address(t.client, &error_abort);
    g_assert_cmpstr(remote->u.q_unix.path, ==, path);
    qio_channel_get_peerpid(QIO_CHANNEL(t.client), &pid, &error_abort);
    g_assert_cmpint(pid, ==, getpid());
    assert_features(&t, true);
    assert_talk(t.client, t.server);
    assert_talk(t.server, t.client);
    free_trio(&t);
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

static void test_unix_sync(void)
{
    test_unix(false);
}

static void test_unix_async(void)
{
    test_unix(true);
}

static void test_inet(bool async)
{
    SocketAddress addr = inet_address(NULL);
    Trio t = connect_trio(&addr, async);
    g_autoptr(SocketAddress) local = qio_channel_socket_get_local_address(t.client, &error_abort);
    g_autoptr(SocketAddress) remote = qio_channel_socket_get_remote_address(t.server, &error_abort);

    g_assert_cmpstr(local->u.inet.port, ==, remote->u.inet.port);
    qio_channel_set_delay(QIO_CHANNEL(t.client), false);
    qio_channel_set_cork(QIO_CHANNEL(t.client), true);
    qio_channel_set_cork(QIO_CHANNEL(t.client), false);
    assert_features(&t, false);
    assert_talk(t.client, t.server);
    assert_talk(t.server, t.client);
    free_trio(&t);
}

static void test_inet_sync(void)
{
    test_inet(false);
}

static void test_inet_async(void)
{
    test_inet(true);
}

static void test_async_failure(void)
{
    g_autofree char *path = harness_tmpfile("none");
    SocketAddress addr = unix_address(path);
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    Error *err = connect_async(sioc, &addr);

    g_assert_nonnull(err);
    g_assert_true(strstr(error_get_pretty(err), path) != NULL);
    error_free(err);
    /* The channel is as new. */
    g_assert_cmpint(sioc->fd, ==, -1);
}

static void test_dgram(void)
{
    SocketAddress any = inet_address("0");
    g_autoptr(QIOChannelSocket) one = qio_channel_socket_new();
    g_autoptr(QIOChannelSocket) two = qio_channel_socket_new();
    g_autoptr(SocketAddress) one_addr = NULL;
    g_autoptr(SocketAddress) two_addr = NULL;
    g_autoptr(QIOChannelSocket) probe = qio_channel_socket_new();
    SocketAddress somewhere = inet_address("9");

    /* Two numbers that are free: bind, ask, and connect across. */
    qio_channel_socket_dgram_sync(probe, &any, &somewhere, &error_abort);
    one_addr = qio_channel_socket_get_local_address(probe, &error_abort);
    qio_channel_socket_dgram_sync(two, &any, one_addr, &error_abort);
    two_addr = qio_channel_socket_get_local_address(two, &error_abort);
    qio_channel_close(QIO_CHANNEL(probe), &error_abort);
    qio_channel_socket_dgram_sync(one, one_addr, two_addr, &error_abort);
    assert_talk(one, two);
    assert_talk(two, one);
}

static void test_second_socket(void)
{
    g_autofree char *path = harness_tmpfile("a");
    g_autofree char *path2 = harness_tmpfile("b");
    SocketAddress addr = unix_address(path), addr2 = unix_address(path2);
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    int fd;
    Error *err = NULL;

    qio_channel_socket_listen_sync(sioc, &addr, 1, &error_abort);
    fd = sioc->fd;
    g_assert_cmpint(qio_channel_socket_listen_sync(sioc, &addr2, 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(sioc->fd, ==, fd);
    g_assert_cmpint(access(path2, F_OK), ==, -1);
}

static void test_accept_nobody(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    Error *err = NULL;

    qio_channel_socket_listen_sync(sioc, &addr, 1, &error_abort);
    g_assert_true(qio_channel_set_blocking(QIO_CHANNEL(sioc), false, &error_abort));
    g_assert_null(qio_channel_socket_accept(sioc, &err));
    g_assert_cmpint(errno, ==, EAGAIN);
    error_free_or_abort(&err);
}

static void test_backlog(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    g_autoptr(QIOChannelSocket) listener = qio_channel_socket_new();
    QIOChannelSocket *clients[5];

    qio_channel_socket_listen_sync(listener, &addr, ARRAY_SIZE(clients), &error_abort);
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
        char name = 'a' + i;

        clients[i] = qio_channel_socket_new();
        qio_channel_socket_connect_sync(clients[i], &addr, &error_abort);
        qio_channel_write_all(QIO_CHANNEL(clients[i]), &name, 1, &error_abort);
    }
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
        g_autoptr(QIOChannelSocket) server = qio_channel_socket_accept(listener, &error_abort);
        char name = 0;

        qio_channel_read_all(QIO_CHANNEL(server), &name, 1, &error_abort);
        g_assert_cmpint(name, ==, 'a' + i);
        object_unref(clients[i]);
    }
}

/* ---- transfers ---- */

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

static void test_would_block(void)
{
    Pair p = make_pair();
    static char buf[65536];
    ssize_t len;
    size_t total = 0;

    qio_channel_set_blocking(p.a, false, &error_abort);
    g_assert_cmpint(qio_channel_read(p.a, buf, 1, &error_abort), ==, QIO_CHANNEL_ERR_BLOCK);
    while ((len = qio_channel_write(p.a, buf, sizeof(buf), &error_abort)) > 0) {
        total += len;
    }
    g_assert_cmpint(len, ==, QIO_CHANNEL_ERR_BLOCK);
    g_assert_cmpint(total, >, 0);
    free_pair(&p);
}

static void test_peek(void)
{
    Pair p = make_pair();
    struct iovec iov;
    char buf[4] = "";

    iov = (struct iovec){ buf, 3 };
    qio_channel_write_all(p.a, "abc", 3, &error_abort);
    for (unsigned i = 0; i < 2; i++) {
        memset(buf, 0, sizeof(buf));
        g_assert_cmpint(qio_channel_readv_full(p.b, &iov, 1, NULL, NULL,
                                               QIO_CHANNEL_READ_FLAG_MSG_PEEK, &error_abort),
                        ==, 3);
        g_assert_cmpstr(buf, ==, "abc");
    }
    g_assert_cmpint(qio_channel_read(p.b, buf, 3, &error_abort), ==, 3);
    free_pair(&p);
}

static void test_eof(void)
{
    Pair p = make_pair();
    char buf[4];
    Error *err = NULL;

    qio_channel_write_all(p.a, "ab", 2, &error_abort);
    qio_channel_shutdown(p.a, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
    g_assert_cmpint(qio_channel_read_all_eof(p.b, buf, 4, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read_all_eof(p.b, buf, 4, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_read_all(p.b, buf, 4, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(p.b, buf, 4, &error_abort), ==, 0);
    /* The other direction lives. */
    qio_channel_write_all(p.b, "x", 1, &error_abort);
    g_assert_cmpint(qio_channel_read_all_eof(p.a, buf, 1, &error_abort), ==, 1);
    free_pair(&p);
}

static void test_broken_pipe(void)
{
    Pair p = make_pair();
    Error *err = NULL;

    g_clear_pointer(&p.b, object_unref);
    /* An error, not a signal. */
    g_assert_cmpint(qio_channel_write(p.a, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    free_pair(&p);
}

static void test_close_twice(void)
{
    Pair p = make_pair();
    Error *err = NULL;
    char c;

    g_assert_cmpint(qio_channel_close(p.a, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_close(p.a, &error_abort), ==, 0);
    /* Nothing will ever come: waiting returns, reading fails. */
    qio_channel_wait(p.a, G_IO_IN);
    g_assert_cmpint(qio_channel_read(p.a, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
    free_pair(&p);
}

/* The bytes at @pos of the test's stream. */
static uint8_t stream_byte(size_t pos)
{
    return pos * 131 + (pos >> 8);
}

#define STREAM_LEN 300000

static void *stream_writer(void *opaque)
{
    QIOChannel *ioc = opaque;
    g_autofree uint8_t *data = g_malloc(STREAM_LEN);
    struct iovec iov[] = {
        { data, 1 }, { data + 1, 0 }, { data + 1, 70001 }, { data + 70002, STREAM_LEN - 70002 }
    };

    for (size_t i = 0; i < STREAM_LEN; i++) {
        data[i] = stream_byte(i);
    }
    qio_channel_writev_all(ioc, iov, ARRAY_SIZE(iov), &error_abort);
    return NULL;
}

static void stream_through(bool blocking)
{
    Pair p = make_pair();
    g_autofree uint8_t *data = g_malloc0(STREAM_LEN);
    struct iovec iov[] = {
        { data, 99999 }, { data, 0 }, { data + 99999, 3 }, { data + 100002, STREAM_LEN - 100002 }
    };
    struct iovec copy[ARRAY_SIZE(iov)];
    QemuThread thread;

    memcpy(copy, iov, sizeof(iov));
    qio_channel_set_blocking(p.a, blocking, &error_abort);
    qio_channel_set_blocking(p.b, blocking, &error_abort);
    qemu_thread_create(&thread, "writer", stream_writer, p.a, QEMU_THREAD_JOINABLE);
    g_assert_cmpint(qio_channel_readv_all(p.b, iov, ARRAY_SIZE(iov), &error_abort), ==, 0);
    qemu_thread_join(&thread);
    for (size_t i = 0; i < STREAM_LEN; i++) {
        g_assert_cmpint(data[i], ==, stream_byte(i));
    }
    /* The caller's vector is as it was. */
    g_assert_cmpmem(iov, sizeof(iov), copy, sizeof(copy));
    free_pair(&p);
}

static void test_stream_blocking(void)
{
    stream_through(true);
}

static void test_stream_waiting(void)
{
    stream_through(false);
}

static void on_alarm(int signum)
{
}

static void test_stream_signals(void)
{
    struct sigaction action = { .sa_handler = on_alarm }, old;
    struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };

    /* Without SA_RESTART every system call that waits is interrupted. */
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < 20; i++) {
        stream_through(true);
        stream_through(false);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
}

static gboolean count_ready(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    unsigned *count = opaque;

    g_assert_cmpint(condition & G_IO_IN, ==, G_IO_IN);
    return ++*count < 3;
}

static void test_watch(void)
{
    Pair p = make_pair();
    unsigned count = 0;

    qio_channel_add_watch(p.b, G_IO_IN, count_ready, &count, NULL);
    g_assert_false(g_main_context_iteration(NULL, FALSE));
    qio_channel_write_all(p.a, "x", 1, &error_abort);
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
    g_assert_cmpint(count, ==, 3);
    free_pair(&p);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    /* GLib keeps the wake-up descriptor of the default context. */
    g_main_context_iteration(NULL, FALSE);
    harness_add("/io/socket/unix/talks_both_ways", test_unix_sync);
    harness_add("/io/socket/unix/connects_in_the_background", test_unix_async);
    harness_add("/io/socket/inet/talks_both_ways", test_inet_sync);
    harness_add("/io/socket/inet/connects_in_the_background", test_inet_async);
    harness_add("/io/socket/background_failure_is_reported", test_async_failure);
    harness_add("/io/socket/datagrams_talk_both_ways", test_dgram);
    harness_add("/io/socket/second_socket_is_refused", test_second_socket);
    harness_add("/io/socket/accepting_nobody_tells_why", test_accept_nobody);
    harness_add("/io/socket/backlog_is_served_in_order", test_backlog);
    harness_add("/io/socket/full_and_empty_sockets_would_block", test_would_block);
    harness_add("/io/socket/peeked_data_stays", test_peek);
    harness_add("/io/socket/end_of_file_depends_on_where_it_comes", test_eof);
    harness_add("/io/socket/peer_that_left_is_an_error", test_broken_pipe);
    harness_add("/io/socket/closing_twice_is_harmless", test_close_twice);
    harness_add("/io/socket/long_vectors_arrive_by_blocking", test_stream_blocking);
    harness_add("/io/socket/long_vectors_arrive_by_waiting", test_stream_waiting);
    harness_add("/io/socket/signals_do_not_break_transfers", test_stream_signals);
    harness_add("/io/socket/watch_calls_until_it_is_told_to_go", test_watch);
    return harness_run();
}
