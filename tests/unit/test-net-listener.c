/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Net listeners, and the resolver that they ask. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/dns-resolver.h"
#include "io/net-listener.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"

#include <sys/resource.h>

typedef struct Guests {
    unsigned count;
    unsigned notified;
    QIOChannelSocket *last;
    QIONetListener *drop; /* disconnect and release it when a client comes */
} Guests;

static void on_client(QIONetListener *listener, QIOChannelSocket *sioc, gpointer data)
{
    Guests *guests = data;

    guests->count++;
    object_unref(guests->last);
    guests->last = QIO_CHANNEL_SOCKET(object_ref(sioc));
    if (guests->drop) {
        qio_net_listener_disconnect(guests->drop);
        g_clear_pointer(&guests->drop, object_unref);
    }
}

static void on_notify(gpointer data)
{
    ((Guests *)data)->notified++;
}

static void run_pending(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
}

static SocketAddress unix_address(const char *path)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };

    addr.u.q_unix.path = (char *)path;
    return addr;
}

static void connect_and_leave(SocketAddress *addr)
{
    close(socket_connect(addr, &error_abort));
}

static void end_listener(QIONetListener *listener, Guests *guests)
{
    qio_net_listener_disconnect(listener);
    g_assert_false(qio_net_listener_is_connected(listener));
    object_unref(listener);
    object_unref(guests->last);
    g_assert_cmpint(guests->notified, ==, 1);
}

static void test_unix(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };

    g_assert_false(qio_net_listener_is_connected(listener));
    qio_net_listener_set_name(listener, "unit");
    qio_net_listener_open_sync(listener, &addr, 1, &error_abort);
    g_assert_true(qio_net_listener_is_connected(listener));
    g_assert_cmpstr(QIO_CHANNEL(listener->sioc[0])->name, ==, "unit-listen");
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    for (unsigned i = 1; i <= 3; i++) {
        connect_and_leave(&addr);
        run_pending();
        g_assert_cmpint(guests.count, ==, i);
        g_assert_cmpstr(QIO_CHANNEL(guests.last)->name, ==, "unit-server");
    }
    g_assert_cmpint(guests.notified, ==, 0);
    end_listener(listener, &guests);
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

static void test_context_of_its_own(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autoptr(GMainContext) context = g_main_context_new();
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };

    g_assert_cmpint(qio_net_listener_open_sync(listener, &addr, 1, &error_abort), ==, 0);
    qio_net_listener_set_client_func_full(listener, on_client, &guests, on_notify, context);
    connect_and_leave(&addr);
    run_pending();
    g_assert_cmpuint(guests.count, ==, 0);
    while (!guests.count) {
        g_main_context_iteration(context, TRUE);
    }
    end_listener(listener, &guests);
}

static int count_polled_descriptors(void)
{
    GMainContext *context = g_main_context_default();
    gint priority, timeout, count;

    g_assert_true(g_main_context_acquire(context));
    g_main_context_prepare(context, &priority);
    count = g_main_context_query(context, priority, &timeout, NULL, 0);
    g_main_context_release(context);
    run_pending();
    return count;
}

static void test_turns_cost_the_same(void)
{
    g_autofree char *path = harness_tmpfile("s");
    int before = count_polled_descriptors();
    QIONetListener *listeners[8];
    Guests guests = { 0 };

    for (int i = 0; i < ARRAY_SIZE(listeners); i++) {
        g_autofree char *own_path = g_strdup_printf("%s%d", path, i);
        SocketAddress addr = unix_address(own_path);

        listeners[i] = qio_net_listener_new();
        g_assert_cmpint(qio_net_listener_open_sync(listeners[i], &addr, 1, &error_abort), ==, 0);
        qio_net_listener_set_client_func(listeners[i], on_client, &guests, on_notify);
    }
    if (!g_strcmp0(g_getenv("AIO_FDMON"), "poll")) {
        g_test_skip("poll() is asked for");
    } else {
        g_assert_cmpint(count_polled_descriptors(), ==, before);
    }
    for (int i = 0; i < ARRAY_SIZE(listeners); i++) {
        end_listener(listeners[i], &guests);
        guests = (Guests){ 0 };
    }
}

static void test_switched_off(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };

    qio_net_listener_open_sync(listener, &addr, 4, &error_abort);
    connect_and_leave(&addr);
    /* Nobody asks for clients: there is nothing at all to do, once the past has been dealt with. */
    run_pending();
    g_assert_false(g_main_context_iteration(NULL, FALSE));

    qio_net_listener_set_client_func(listener, on_client, &guests, NULL);
    run_pending();
    g_assert_cmpint(guests.count, ==, 1);

    qio_net_listener_set_client_func(listener, NULL, NULL, NULL);
    connect_and_leave(&addr);
    connect_and_leave(&addr);
    run_pending();
    g_assert_false(g_main_context_iteration(NULL, FALSE));
    g_assert_cmpint(guests.count, ==, 1);

    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    run_pending();
    g_assert_cmpint(guests.count, ==, 3);
    end_listener(listener, &guests);
}

static void test_inet(void)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };
    size_t sockets;

    addr.u.inet.host = (char *)"";
    addr.u.inet.port = (char *)"0";
    qio_net_listener_open_sync(listener, &addr, 1, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    sockets = listener->nsioc;
    g_assert_cmpint(sockets, >=, 1);
    for (size_t i = 0; i < sockets; i++) {
        g_autoptr(SocketAddress) local =
            qio_channel_socket_get_local_address(listener->sioc[i], &error_abort);
        g_autoptr(SocketAddress) first =
            qio_channel_socket_get_local_address(listener->sioc[0], &error_abort);

        /* One port for all families. */
        g_assert_cmpstr(local->u.inet.port, ==, first->u.inet.port);
        connect_and_leave(local);
        while (guests.count <= i) {
            g_main_context_iteration(NULL, TRUE);
        }
    }
    end_listener(listener, &guests);
}

static void test_inherited(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress target = unix_address(path), addr = { .type = SOCKET_ADDRESS_TYPE_FD };
    int fd = socket_listen(&target, 1, &error_abort);
    g_autofree char *number = g_strdup_printf("%d", fd);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };

    addr.u.fd.str = number;
    qio_net_listener_open_sync(listener, &addr, 1, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    connect_and_leave(&target);
    run_pending();
    g_assert_cmpint(guests.count, ==, 1);
    end_listener(listener, &guests);
}

static void test_several(void)
{
    g_autofree char *path1 = harness_tmpfile("1");
    g_autofree char *path2 = harness_tmpfile("2");
    SocketAddress addr1 = unix_address(path1), addr2 = unix_address(path2);
    QIONetListener *listener = qio_net_listener_new();
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    Guests guests = { 0 };

    qio_net_listener_open_sync(listener, &addr1, 1, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    /* One that is added later is watched as well. */
    qio_channel_socket_listen_sync(sioc, &addr2, 1, &error_abort);
    qio_net_listener_add(listener, sioc);
    connect_and_leave(&addr1);
    connect_and_leave(&addr2);
    run_pending();
    g_assert_cmpint(guests.count, ==, 2);
    end_listener(listener, &guests);
}

static void test_refused_address(void)
{
    g_autofree char *path = harness_tmpfile("f");
    SocketAddress addr = unix_address(path);
    g_autoptr(QIONetListener) listener = qio_net_listener_new();
    Error *err = NULL;

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_cmpint(qio_net_listener_open_sync(listener, &addr, 1, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free(err);
    g_assert_false(qio_net_listener_is_connected(listener));
}

static void test_dropped_in_callback(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { .drop = listener };

    qio_net_listener_open_sync(listener, &addr, 2, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    connect_and_leave(&addr);
    connect_and_leave(&addr);
    run_pending();
    g_assert_cmpint(guests.count, ==, 1);
    g_assert_cmpint(guests.notified, ==, 1);
    object_unref(guests.last);
}

static void test_wait_client(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };
    QIOChannelSocket *client;

    qio_net_listener_open_sync(listener, &addr, 2, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    connect_and_leave(&addr);
    connect_and_leave(&addr);
    client = qio_net_listener_wait_client(listener);
    g_assert_nonnull(client);
    g_assert_cmpint(guests.count, ==, 0);
    object_unref(client);
    /* The callback serves whoever is left. */
    run_pending();
    g_assert_cmpint(guests.count, ==, 1);
    end_listener(listener, &guests);
}

/* Without a free descriptor the client waits; the loop must not spin meanwhile. */
static void test_no_descriptors(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    QIONetListener *listener = qio_net_listener_new();
    Guests guests = { 0 };
    struct rlimit old, low;
    int client, top, turns = 0;

    qio_net_listener_open_sync(listener, &addr, 1, &error_abort);
    qio_net_listener_set_client_func(listener, on_client, &guests, on_notify);
    client = socket_connect(&addr, &error_abort);
    top = dup(0);
    close(top);
    getrlimit(RLIMIT_NOFILE, &old);
    low = (struct rlimit){ top, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &low);
    while (g_main_context_iteration(NULL, FALSE) && turns < 100) {
        turns++;
    }
    setrlimit(RLIMIT_NOFILE, &old);
    g_assert_cmpint(turns, <, 100);
    g_assert_cmpint(guests.count, ==, 0);
    while (!guests.count) {
        g_main_context_iteration(NULL, TRUE);
    }
    close(client);
    end_listener(listener, &guests);
}

static void on_lookup(QIOTask *task, gpointer opaque)
{
    SocketAddress **addrs;
    size_t naddrs;

    g_assert_false(qio_task_propagate_error(task, NULL));
    qio_dns_resolver_lookup_result(qio_dns_resolver_get_instance(), task, &naddrs, &addrs);
    g_assert_cmpint(naddrs, ==, 1);
    g_assert_cmpstr(addrs[0]->u.inet.host, ==, "127.0.0.1");
    g_assert_cmpstr(addrs[0]->u.inet.port, ==, "80");
    g_assert_true(addrs[0]->u.inet.has_to);
    g_assert_cmpint(addrs[0]->u.inet.to, ==, 99);
    g_assert_true(addrs[0]->u.inet.ipv4 && !addrs[0]->u.inet.ipv6);
    qapi_free_SocketAddress(addrs[0]);
    g_free(addrs);
    *(bool *)opaque = true;
}

static void test_resolver(void)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };
    bool done = false;

    addr.u.inet.host = (char *)"127.0.0.1";
    addr.u.inet.port = (char *)"80";
    addr.u.inet.has_to = true;
    addr.u.inet.to = 99;
    qio_dns_resolver_lookup_async(qio_dns_resolver_get_instance(), &addr, on_lookup, &done, NULL);
    while (!done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    module_call_init(MODULE_INIT_QOM);
    /* GLib keeps the wake-up descriptor of the default context. */
    g_main_context_iteration(NULL, FALSE);
    harness_add("/io/net-listener/unix_clients_are_handed_over", test_unix);
    harness_add("/io/net-listener/clients_may_be_for_another_context", test_context_of_its_own);
    harness_add("/io/net-listener/a_turn_of_the_loop_polls_no_more_for_more_listeners",
                test_turns_cost_the_same);
    harness_add("/io/net-listener/clients_wait_while_it_is_switched_off", test_switched_off);
    harness_add("/io/net-listener/every_address_of_a_host_shares_a_port", test_inet);
    harness_add("/io/net-listener/inherited_socket_serves", test_inherited);
    harness_add("/io/net-listener/several_sockets_serve", test_several);
    harness_add("/io/net-listener/refused_address_is_named", test_refused_address);
    harness_add("/io/net-listener/callback_may_end_it", test_dropped_in_callback);
    harness_add("/io/net-listener/waiting_takes_one_client", test_wait_client);
    harness_add("/io/net-listener/lack_of_descriptors_does_not_spin", test_no_descriptors);
    harness_add("/io/dns-resolver/numeric_address_keeps_its_options", test_resolver);
    return harness_run();
}
