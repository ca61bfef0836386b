/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets from addresses: parsing, inherited descriptors, internet sockets. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/sockets.h"

/* ---- text ---- */

typedef struct ParseCase {
    const char *text;
    bool valid;
    InetSocketAddress want;
} ParseCase;

#define HOST(h, p) .host = (char *)(h), .port = (char *)(p)

static const ParseCase parse_cases[] = {
    { "127.0.0.1:5000", true, { HOST("127.0.0.1", "5000") } },
    { "[::1]:5000", true, { HOST("::1", "5000") } },
    { "[]:5000", true, { HOST("", "5000") } },
    { ":5000", true, { HOST("", "5000") } },
    { "localhost:http", true, { HOST("localhost", "http") } },
    { "h:1,to=9,ipv4,ipv6=off,numeric=on",
      true,
      { HOST("h", "1"), .has_to = true, .to = 9, .has_ipv4 = true, .ipv4 = true, .has_ipv6 = true,
        .has_numeric = true, .numeric = true } },
    { "h:1,keep-alive,keep-alive-count=5,keep-alive-idle=60,keep-alive-interval=7,mptcp=off",
      true,
      { HOST("h", "1"), .has_keep_alive = true, .keep_alive = true, .has_keep_alive_count = true,
        .keep_alive_count = 5, .has_keep_alive_idle = true, .keep_alive_idle = 60,
        .has_keep_alive_interval = true, .keep_alive_interval = 7, .has_mptcp = true } },
    { "h:1,to=65535", true, { HOST("h", "1"), .has_to = true, .to = 65535 } },
    { "", false },
    { ":", false },
    { "127.0.0.1", false },
    { "127.0.0.1:", false },
    { "[::1", false },
    { "[::1]", false },
    { "[::1]5000", false },
    { "[::1]:", false },
    { "::1:5000", false },
    { "h:1,", false },
    { "h:1,to", false },
    { "h:1,to=-1", false },
    { "h:1,to=65536", false },
    { "h:1,keep-alive-idle=4294967296", false },
    { "h:1,ipv4=perhaps", false },
    { "h:1,ipv", false },
    { "h:1,ipv44=on", false },
};

static void assert_same_inet(const InetSocketAddress *a, const InetSocketAddress *b)
{
    g_assert_cmpstr(a->host, ==, b->host);
    g_assert_cmpstr(a->port, ==, b->port);
#define SAME(member)                                           \
    do {                                                       \
        g_assert_cmpint(a->has_##member, ==, b->has_##member); \
        g_assert_cmpint(a->member, ==, b->member);             \
    } while (0)
    SAME(numeric);
    SAME(to);
    SAME(ipv4);
    SAME(ipv6);
    SAME(keep_alive);
    SAME(keep_alive_count);
    SAME(keep_alive_idle);
    SAME(keep_alive_interval);
    SAME(mptcp);
#undef SAME
}

static void test_inet_parse(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(parse_cases); i++) {
        const ParseCase *c = &parse_cases[i];
        g_autoptr(InetSocketAddress) addr = g_new0(InetSocketAddress, 1);
        Error *err = NULL;

        g_test_message("parsing '%s'", c->text);
        g_assert_cmpint(inet_parse(addr, c->text, &err), ==, c->valid ? 0 : -1);
        g_assert_cmpint(err == NULL, ==, c->valid);
        if (c->valid) {
            assert_same_inet(addr, &c->want);
        }
        error_free(err);
    }
}

static void assert_round_trip(const char *text, const char *uri)
{
    g_autoptr(SocketAddress) addr = socket_parse(text, &error_abort);
    g_autofree char *got = socket_uri(addr);

    g_assert_cmpstr(got, ==, uri);
}

static void test_socket_parse(void)
{
    assert_round_trip("unix:/tmp/x", "unix:/tmp/x");
    assert_round_trip("fd:7", "fd:7");
    assert_round_trip("vsock:2:99", "vsock:2:99");
    assert_round_trip("tcp:h:1", "tcp:h:1");
    assert_round_trip("[::1]:80", "tcp:[::1]:80");
    for (const char *const *text = (const char *const[]){ "unix:", "fd:", "vsock:3", "tcp:", NULL };
         *text; text++) {
        Error *err = NULL;

        g_assert_null(socket_parse(*text, &err));
        error_free_or_abort(&err);
    }
}

static void test_ai_family(void)
{
    static const struct {
        int v4, v6, family; /* -1: not mentioned, or an error */
    } cases[] = {
        { -1, -1, PF_UNSPEC }, { 1, -1, PF_INET },  { -1, 1, PF_INET6 },
        { 0, -1, PF_INET6 },   { -1, 0, PF_INET },  { 1, 0, PF_INET },
        { 0, 1, PF_INET6 },    { 1, 1, PF_UNSPEC }, { 0, 0, -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        InetSocketAddress addr = { .has_ipv4 = cases[i].v4 >= 0,
                                   .ipv4 = cases[i].v4 > 0,
                                   .has_ipv6 = cases[i].v6 >= 0,
                                   .ipv6 = cases[i].v6 > 0 };
        Error *err = NULL;
        int family = inet_ai_family_from_address(&addr, &err);

        if (cases[i].family == -1) {
            error_free_or_abort(&err);
        } else {
            g_assert_null(err);
            g_assert_cmpint(family, ==, cases[i].family);
        }
    }
}

/* ---- descriptors ---- */

static void test_fd_is_socket(void)
{
    int plain = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int sock = qemu_socket(AF_UNIX, SOCK_STREAM, 0);

    errno = ERANGE;
    g_assert_false(fd_is_socket(-1));
    g_assert_false(fd_is_socket(plain));
    g_assert_cmpint(errno, ==, ERANGE);
    g_assert_true(fd_is_socket(sock));
    g_assert_cmpint(fcntl(sock, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(plain);
    close(sock);
}

static SocketAddress fd_address(const char *str)
{
    return (SocketAddress){ .type = SOCKET_ADDRESS_TYPE_FD, .u.fd.str = (char *)str };
}

static void assert_fd_refused(const char *str, const char *message)
{
    SocketAddress addr = fd_address(str);
    Error *err = NULL;

    g_assert_cmpint(socket_listen(&addr, 1, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
    err = NULL;
    g_assert_cmpint(socket_connect(&addr, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_fd_refused(void)
{
    int plain = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autofree char *str = g_strdup_printf("%d", plain);
    g_autofree char *message = g_strdup_printf("File descriptor '%d' is not a socket", plain);

    assert_fd_refused(str, message);
    assert_fd_refused("999999", "File descriptor '999999' is not a socket");
    assert_fd_refused("nine", "Unable to parse FD number 'nine'");
    assert_fd_refused("-1", "Unable to parse FD number '-1'");
    assert_fd_refused("", "Unable to parse FD number ''");
    /* A refused descriptor stays the caller's. */
    g_assert_cmpint(fcntl(plain, F_GETFD), >=, 0);
    close(plain);
}

static int bound_unix_socket(const char *path, int type)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = qemu_socket(AF_UNIX, type, 0);

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

static bool can_connect(const char *path)
{
    int fd = unix_connect(path, NULL);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void listen_on_inherited(bool listening)
{
    g_autofree char *path = harness_tmpfile(listening ? "l" : "b");
    int fd = bound_unix_socket(path, SOCK_STREAM);
    g_autofree char *str = g_strdup_printf("%d", fd);
    SocketAddress addr = fd_address(str);

    if (listening) {
        g_assert_cmpint(listen(fd, 5), ==, 0);
    }
    g_assert_cmpint(socket_listen(&addr, 1, &error_abort), ==, fd);
    g_assert_true(can_connect(path));
    /* Whoever made the file removes it. */
    g_assert_cmpint(socket_listen_cleanup(fd, &error_abort), ==, 0);
    g_assert_cmpint(access(path, F_OK), ==, 0);
    close(fd);
}

static void test_fd_bound(void)
{
    listen_on_inherited(false);
}

static void test_fd_listening(void)
{
    listen_on_inherited(true);
}

/* What a program with a monitor provides; here the monitor is a fiction. */
static Monitor *current_monitor;
static int monitors_socket = -1;

Monitor *monitor_cur(void);
int monitor_get_fd(Monitor *mon, const char *fdname, Error **errp);

Monitor *monitor_cur(void)
{
    return current_monitor;
}

int monitor_get_fd(Monitor *mon, const char *fdname, Error **errp)
{
    g_assert_true(mon == current_monitor);
    if (strcmp(fdname, "known")) {
        error_setg(errp, "No descriptor '%s'", fdname);
        return -1;
    }
    return dup(monitors_socket);
}

static void test_fd_by_name(void)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);
    Error *err = NULL;
    int fd;

    current_monitor = (Monitor *)&current_monitor;
    monitors_socket = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
    addr->type = SOCKET_ADDRESS_TYPE_FD;
    addr->u.fd.str = g_strdup("unknown");
    g_assert_cmpint(socket_connect(addr, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "No descriptor 'unknown'");
    error_free(err);
    g_free(addr->u.fd.str);
    addr->u.fd.str = g_strdup("known");
    fd = socket_connect(addr, &error_abort);
    g_assert_true(fd_is_socket(fd));
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(fd);
    g_assert_cmpint(socket_address_parse_named_fd(addr, &error_abort), ==, 0);
    current_monitor = NULL;
    /* From now on it is known by its number. */
    fd = socket_connect(addr, &error_abort);
    close(fd);
    close(monitors_socket);
    qapi_free_SocketAddress(addr);
}

static void test_fd_by_name_refused(void)
{
    SocketAddress addr = fd_address("known");
    Error *err = NULL;

    /* What the monitor handed over is closed if it does not fit. */
    current_monitor = (Monitor *)&current_monitor;
    monitors_socket = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(socket_listen(&addr, 1, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "File descriptor 'known' is not a socket");
    error_free(err);
    close(monitors_socket);
    current_monitor = NULL;
}

/* ---- inet ---- */

static SocketAddress inet_address(const char *host, const char *port)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };

    addr.u.inet = (InetSocketAddress){
        .host = (char *)host, .port = (char *)port, .has_numeric = true, .numeric = true
    };
    return addr;
}

static void test_inet_round_trip(void)
{
    SocketAddress any = inet_address("127.0.0.1", NULL);
    int server = socket_listen(&any, 1, &error_abort);
    g_autoptr(SocketAddress) local = socket_local_address(server, &error_abort);
    g_autoptr(SocketAddress) remote = NULL;
    int client, keep = 0;
    socklen_t len = sizeof(keep);

    g_assert_cmpstr(local->u.inet.host, ==, "127.0.0.1");
    g_assert_true(local->u.inet.has_ipv4 && local->u.inet.ipv4);
    g_assert_cmpstr(local->u.inet.port, !=, "0");
    local->u.inet.has_keep_alive = local->u.inet.keep_alive = true;
    local->u.inet.has_keep_alive_idle = true;
    local->u.inet.keep_alive_idle = 77;
    client = socket_connect(local, &error_abort);
    remote = socket_remote_address(client, &error_abort);
    g_assert_cmpstr(remote->u.inet.port, ==, local->u.inet.port);
    g_assert_cmpint(getsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &keep, &len), ==, 0);
    g_assert_cmpint(keep, ==, 1);
    g_assert_cmpint(getsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &keep, &len), ==, 0);
    g_assert_cmpint(keep, ==, 77);
    close(client);
    close(server);
}

static void test_inet_range(void)
{
    SocketAddress any = inet_address("127.0.0.1", "0"), range;
    int first = socket_listen(&any, 1, &error_abort), second;
    g_autoptr(SocketAddress) local = socket_local_address(first, &error_abort);
    g_autoptr(SocketAddress) other = NULL;
    int port = atoi(local->u.inet.port);
    Error *err = NULL;

    range = inet_address("127.0.0.1", local->u.inet.port);
    g_assert_cmpint(socket_listen(&range, 1, &err), ==, -1);
    error_free_or_abort(&err);
    range.u.inet.has_to = true;
    range.u.inet.to = MIN(port + 200, 65535);
    second = socket_listen(&range, 1, &error_abort);
    other = socket_local_address(second, &error_abort);
    g_assert_cmpint(atoi(other->u.inet.port), >, port);
    close(first);
    close(second);
}

static void test_inet_refusals(void)
{
    SocketAddress addr = inet_address("127.0.0.1", NULL);
    Error *err = NULL;

    g_assert_cmpint(socket_connect(&addr, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "host and/or port not specified");
    error_free(err);
    err = NULL;
    addr = inet_address("not.a.number", "1");
    g_assert_cmpint(socket_listen(&addr, 1, &err), ==, -1);
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "address resolution failed for"));
    error_free(err);
    err = NULL;
    addr = inet_address("127.0.0.1", "1");
    addr.u.inet.has_ipv4 = addr.u.inet.has_ipv6 = true;
    g_assert_cmpint(socket_listen(&addr, 1, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "Cannot disable IPv4 and IPv6 at same time");
    error_free(err);
}

static void test_vsock_refusals(void)
{
    static const struct {
        const char *cid, *port, *message;
    } cases[] = {
        { "two", "1", "Failed to parse cid 'two'" },
        { "2", "", "Failed to parse port ''" },
        { "4294967296", "1", "Failed to parse cid '4294967296'" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_VSOCK };
        Error *err = NULL;

        addr.u.vsock.cid = (char *)cases[i].cid;
        addr.u.vsock.port = (char *)cases[i].port;
        g_assert_cmpint(socket_connect(&addr, &err), ==, -1);
        g_assert_cmpstr(error_get_pretty(err), ==, cases[i].message);
        error_free(err);
        err = NULL;
        g_assert_cmpint(socket_listen(&addr, 1, &err), ==, -1);
        error_free_or_abort(&err);
    }
}

static void test_flatten(void)
{
    UnixSocketAddress un = { .path = (char *)"/p", .has_tight = true };
    UnixSocketAddressWrapper wrapper = { .data = &un };
    SocketAddressLegacy legacy = { .type = SOCKET_ADDRESS_TYPE_UNIX, .u.q_unix = wrapper };
    g_autoptr(SocketAddress) addr = socket_address_flatten(&legacy);

    g_assert_cmpint(addr->type, ==, SOCKET_ADDRESS_TYPE_UNIX);
    g_assert_cmpstr(addr->u.q_unix.path, ==, "/p");
    g_assert_true(addr->u.q_unix.has_tight);
    g_assert_null(socket_address_flatten(NULL));
}

static void test_members_that_qemu_has_not(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr;
    int fd;

    /* As code does that was written for QEMU: what it does not know it leaves as it was. */
    memset(&addr, 0x5a, sizeof(addr));
    addr.type = SOCKET_ADDRESS_TYPE_UNIX;
    addr.u.q_unix.path = path;
    addr.u.q_unix.has_abstract = false;
    addr.u.q_unix.has_tight = false;
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_cmpint(socket_listen_cleanup(fd, &error_abort), ==, 0);
    close(fd);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/sockets/inet_text_is_parsed_or_refused", test_inet_parse);
    harness_add("/sockets/every_family_has_a_text_form", test_socket_parse);
    harness_add("/sockets/families_follow_from_ipv4_and_ipv6", test_ai_family);
    harness_add("/sockets/legacy_addresses_are_flattened", test_flatten);
    harness_add("/sockets/members_that_qemu_has_not_are_not_read", test_members_that_qemu_has_not);
    harness_add("/sockets/only_open_sockets_are_sockets", test_fd_is_socket);
    harness_add("/sockets/fd/what_is_no_socket_is_refused_by_name", test_fd_refused);
    harness_add("/sockets/fd/bound_socket_is_made_to_listen", test_fd_bound);
    harness_add("/sockets/fd/listening_socket_may_listen_again", test_fd_listening);
    harness_add("/sockets/fd/monitor_knows_names", test_fd_by_name);
    harness_add("/sockets/fd/unfit_socket_of_the_monitor_is_closed", test_fd_by_name_refused);
    harness_add("/sockets/vsock/impossible_addresses_are_refused", test_vsock_refusals);
    harness_add("/sockets/inet/client_meets_server_with_keep_alive", test_inet_round_trip);
    harness_add("/sockets/inet/taken_port_moves_on_within_the_range", test_inet_range);
    harness_add("/sockets/inet/impossible_addresses_are_refused", test_inet_refusals);
    return harness_run();
}
