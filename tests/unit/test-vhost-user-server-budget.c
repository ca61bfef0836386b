/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server and a client whose messages cost much: what is for free, that the trip
 * sleeps when it is used up, over connections, and what ends the sleep.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "harness.h"
#include "block/aio-wait.h"
#include "qapi/qapi-types-sockets.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "vus-client-thread.h"

#define MS 1000000ll
/* As the server has it. */
#define BURST (100 * MS)
#define SHARE 20

typedef struct Device {
    VuServer server;
    int64_t cost;     /* of SET_OWNER, ns of processor time; atomic */
    unsigned counted; /* messages of that kind; atomic */
} Device;

static Device device;

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000 * MS + now.tv_nsec;
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    if (msg->request == VHOST_USER_SET_OWNER) {
        int64_t end = cpu_ns() + qatomic_read(&device.cost);

        while (cpu_ns() < end) {
        }
        qatomic_set_mb(&device.counted, device.counted + 1);
    }
    return 0;
}

static const VuDevIface device_iface = { .process_msg = device_message };

static void device_begin(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX, .u.q_unix.path = path };

    memset(&device, 0, sizeof(device));
    g_assert_true(vhost_user_server_start(&device.server, &addr, qemu_get_aio_context(), 1,
                                          &device_iface, &error_abort));
}

/* The client's thread */

/* Messages of that cost each, and an answer after the last; returns what they cost. */
static int64_t burn(VusClient *vus, unsigned messages, int64_t cost)
{
    uint64_t features;

    qatomic_set(&device.cost, cost);
    for (unsigned i = 0; i < messages; i++) {
        vus_client_send(vus, VHOST_USER_SET_OWNER, 0, NULL, 0, -1);
    }
    g_assert_true(vus_client_ask(vus, VHOST_USER_GET_FEATURES, &features));
    return messages * cost;
}

/* Whatever was beyond what is for free took a multiple of its time. */
static void assert_paid(int64_t begin, int64_t cost)
{
    g_assert_cmpint((g_get_monotonic_time() - begin) * 1000, >=, (cost - BURST) * SHARE);
}

static void client_burns(VusClientThread *self)
{
    int64_t begin = g_get_monotonic_time(), cost;
    VusClient vus;

    vus_client_thread_connect(self, &vus);
    cost = burn(&vus, 8, BURST / 8);
    cost += burn(&vus, 4, 5 * MS);
    assert_paid(begin, cost);
    vus_client_close(&vus);
    vus_client_thread_connect(self, &vus);
    cost += burn(&vus, 4, 5 * MS);
    assert_paid(begin, cost);
    vus_client_close(&vus);
}

/* It sleeps for as long as it ever does, or is about to. */
static void client_has_it_sleep(VusClientThread *self)
{
    VusClient vus;
    char byte;

    vus_client_thread_connect(self, &vus);
    qatomic_set(&device.cost, 3 * BURST);
    vus_client_send(&vus, VHOST_USER_SET_OWNER, 0, NULL, 0, -1);
    vus_client_send(&vus, VHOST_USER_SET_OWNER, 0, NULL, 0, -1);
    recv(vus.guest.sock, &byte, 1, 0);
    vus_client_close(&vus);
}

/* Main loop */

static void test_messages_are_paid_for_over_connections(void)
{
    device_begin();
    vus_client_thread_run(NULL, client_burns);
    vhost_user_server_stop(&device.server);
}

static bool is_busy(void)
{
    return qatomic_read(&device.server.co_trip) || vhost_user_server_has_in_flight(&device.server);
}

/* A sleep comes after another until all is paid, so whoever waits for that waits for long. */
static void test_drain_and_stop_end_a_sleep(void)
{
    VusClientThread client;

    device_begin();
    vus_client_thread_start(&client, NULL, client_has_it_sleep);
    while (qatomic_load_acquire(&device.counted) < 1) {
        main_loop_wait(false);
    }
    for (int i = 0; i < 100; i++) {
        qatomic_set(&device.server.quiescing, true);
        vhost_user_server_detach_aio_context(&device.server);
        AIO_WAIT_WHILE(NULL, is_busy());
        qatomic_set(&device.server.quiescing, false);
        vhost_user_server_attach_aio_context(&device.server, qemu_get_aio_context());
        main_loop_wait(true);
    }
    vhost_user_server_stop(&device.server);
    g_assert_cmpuint(device.counted, ==, 1);
    vus_client_thread_join(&client);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/vhost-user-server-budget/messages_are_paid_for_over_connections",
                test_messages_are_paid_for_over_connections);
    harness_add("/vhost-user-server-budget/drain_and_stop_end_a_sleep",
                test_drain_and_stop_end_a_sleep);
    return harness_run();
}
