/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What code does that knows QEMU's headers, not ours: it leaves members that it has never heard of
 * as they were, gives nothing where QEMU wants nothing, brings a type of its own by the name of one
 * of ours, and asks by QEMU's macros what there is.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "io/channel-socket.h"
#include "io/dns-resolver.h"
#include "io/net-listener.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-types-sockets.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/type-info.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"
#include "qobject/qdict.h"

/* An address from a heap or stack that others have used, with the members of QEMU's struct set. */
static void address_init(SocketAddress *addr, char *path)
{
    memset(addr, 0x5a, sizeof(*addr));
    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    addr->u.q_unix.path = path;
    addr->u.q_unix.has_abstract = false;
    addr->u.q_unix.has_tight = false;
}

static void count_task(QIOTask *task, gpointer opaque)
{
    int *done = opaque;
    Error *err = NULL;

    if (qio_task_propagate_error(task, &err)) {
        error_report_err(err);
        g_assert_not_reached();
    }
    ++*done;
}

static void wait_for(int *done, int n)
{
    while (*done < n) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static void test_address_of_an_async_channel(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autoptr(QIOChannelSocket) server = qio_channel_socket_new();
    g_autoptr(QIOChannelSocket) client = qio_channel_socket_new();
    SocketAddress addr;
    int done = 0;

    address_init(&addr, path);
    qio_channel_socket_listen_async(server, &addr, 1, count_task, &done, NULL, NULL);
    wait_for(&done, 1);
    qio_channel_socket_connect_async(client, &addr, count_task, &done, NULL, NULL);
    wait_for(&done, 2);
    qio_channel_close(QIO_CHANNEL(server), &error_abort);
}

static void test_address_of_a_listener(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autoptr(QIONetListener) listener = qio_net_listener_new();
    SocketAddress addr;

    address_init(&addr, path);
    g_assert_cmpint(qio_net_listener_open_sync(listener, &addr, 1, &error_abort), ==, 0);
    /* Nobody to call, and nobody to tell that there was somebody. */
    qio_net_listener_set_client_func(listener, NULL, NULL, NULL);
    qio_net_listener_disconnect(listener);
}

static void test_address_of_a_resolver(void)
{
    QIODNSResolver *resolver = qio_dns_resolver_get_instance();
    SocketAddress addr, **addrs;
    size_t naddrs;

    address_init(&addr, (char *)"/s");
    g_assert_cmpint(qio_dns_resolver_lookup_sync(resolver, &addr, &naddrs, &addrs, &error_abort),
                    ==, 0);
    g_assert_cmpuint(naddrs, ==, 1);
    g_assert_cmpstr(addrs[0]->u.q_unix.path, ==, "/s");
    g_assert_null(addrs[0]->u.q_unix.mode);
    g_assert_null(addrs[0]->u.q_unix.group);
    qapi_free_SocketAddress(addrs[0]);
    g_free(addrs);
}

static void test_address_is_copied_printed_freed(void)
{
    SocketAddress *addr = g_new(SocketAddress, 1);
    SocketAddress *copy;
    g_autoptr(QObject) printed = NULL;
    Visitor *v = qobject_output_visitor_new(&printed);

    address_init(addr, g_strdup("/s"));
    copy = QAPI_CLONE(SocketAddress, addr);
    visit_type_SocketAddress(v, NULL, &addr, &error_abort);
    visit_complete(v, &printed);
    visit_free(v);
    g_assert_cmpuint(qdict_size(qobject_to(QDict, printed)), ==, 2);
    qapi_free_SocketAddress(addr);
    g_assert_cmpstr(copy->u.q_unix.path, ==, "/s");
    qapi_free_SocketAddress(copy);
}

static void test_list_that_is_not_there(void)
{
    static const QapiMember member = {
        .name = "list",
        .type = &qapi_type_SocketAddressList,
        .offset = offsetof(
            struct {
                SocketAddressList *list;
                bool has;
            },
            list),
        .has_offset = sizeof(void *),
        .optional = true,
    };
    struct {
        SocketAddressList *list;
        bool has;
    } some, copy;
    static const QapiType type = {
        .kind = QAPI_KIND_OBJECT, .size = sizeof(some), .members = &member, .n_members = 1
    };

    memset(&some, 0x5a, sizeof(some));
    some.has = false;
    qapi_clone_members(&copy, &some, &type);
    g_assert_null(copy.list);
    g_assert_false(copy.has);
    qapi_free_members(&copy, &type);
    qapi_free_members(&some, &type);
}

static void test_any_inet_address_is_parsed_into(void)
{
    InetSocketAddress addr;

    memset(&addr, 0x5a, sizeof(addr));
    g_assert_cmpint(inet_parse(&addr, "[::1]:1,ipv4=off", &error_abort), ==, 0);
    g_assert_cmpstr(addr.host, ==, "::1");
    g_assert_true(addr.has_ipv4 && !addr.ipv4 && !addr.has_ipv6 && !addr.has_mptcp);
    g_assert_false(addr.has_keep_alive || addr.has_to || addr.has_numeric);
    qapi_free_members(&addr, &qapi_type_InetSocketAddress);
    memset(&addr, 0x5a, sizeof(addr));
    g_assert_cmpint(inet_parse(&addr, "no port", NULL), ==, -1);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/api-foreign/members_unheard_of/async_channel", test_address_of_an_async_channel);
    harness_add("/api-foreign/members_unheard_of/listener", test_address_of_a_listener);
    harness_add("/api-foreign/members_unheard_of/resolver", test_address_of_a_resolver);
    harness_add("/api-foreign/members_unheard_of/copied_printed_freed",
                test_address_is_copied_printed_freed);
    harness_add("/api-foreign/list_that_is_not_there_is_nobodys", test_list_that_is_not_there);
    harness_add("/api-foreign/any_inet_address_is_parsed_into",
                test_any_inet_address_is_parsed_into);
    return harness_run();
}
