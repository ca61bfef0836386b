/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server and a client whose messages, or whose connections, cost much: what is for
 * free, that the trip sleeps when it is used up, over connections, and what ends the sleep.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "harness.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vus-client-thread.h"
#include "vus-server.h"

#define MS 1000000ll
/* As the server has it. */
#define BURST (100 * MS)
#define SHARE 20
/* At least that is charged for a connection. */
#define CONNECTION (MS / 20)

typedef struct Device {
    VuServer server;
    int64_t cost;      /* of SET_OWNER, ns of processor time; atomic */
    int64_t stop_cost; /* of the end of a queue; atomic */
    unsigned counted;  /* messages of that kind; atomic */
    bool detached;     /* while nobody is connected; atomic */
} Device;

static Device device;

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000 * MS + now.tv_nsec;
}

static void spend(int64_t cost)
{
    int64_t end = cpu_ns() + cost;

    while (cpu_ns() < end) {
    }
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    if (msg->request == VHOST_USER_SET_OWNER) {
        spend(qatomic_read(&device.cost));
        qatomic_set_mb(&device.counted, device.counted + 1);
    }
    return 0;
}

static void device_queue_set_started(VuDev *dev, int queue, bool started)
{
    if (!started) {
        spend(qatomic_read(&device.stop_cost));
    }
}

static const VuDevIface device_iface = {
    .process_msg = device_message,
    .queue_set_started = device_queue_set_started,
};

static void device_begin(void)
{
    memset(&device, 0, sizeof(device));
    vus_server_start(&device.server, "s", qemu_get_aio_context(), 1, &device_iface);
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

/* A client that is answered: whoever came before has gone. */
static void greet(VusClientThread *self)
{
    VusClient vus;
    uint64_t features;

    vus_client_thread_connect(self, &vus);
    g_assert_true(vus_client_ask(&vus, VHOST_USER_GET_FEATURES, &features));
    vus_client_close(&vus);
}

/* Connections with a ring whose end costs so much. */
static int64_t leave(VusClientThread *self, unsigned connections, int64_t cost)
{
    qatomic_set(&device.stop_cost, cost);
    for (unsigned i = 0; i < connections; i++) {
        VusClient vus;

        vus_client_thread_connect(self, &vus);
        vus_client_start(&vus);
        vus_client_close(&vus);
    }
    return connections * cost;
}

static void client_leaves(VusClientThread *self)
{
    int64_t begin = g_get_monotonic_time();
    int64_t cost = leave(self, 3, BURST / 2);

    greet(self);
    assert_paid(begin, cost);
}

/* Connections without a word, when all that is for free is used up. */
static void client_dials(VusClientThread *self)
{
    const int connections = 60;
    int64_t begin;
    VusClient vus;

    vus_client_thread_connect(self, &vus);
    burn(&vus, 1, BURST);
    vus_client_close(&vus);
    greet(self);
    begin = g_get_monotonic_time();
    for (int i = 0; i < connections; i++) {
        vus_client_thread_connect(self, &vus);
        vus_client_close(&vus);
    }
    greet(self);
    g_assert_cmpint((g_get_monotonic_time() - begin) * 1000, >=, connections * CONNECTION * SHARE);
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

/* It leaves with all the debt there can be, and comes again. */
static void client_owes(VusClientThread *self)
{
    VusClient vus;
    char byte;

    leave(self, 1, 3 * BURST);
    while (!qatomic_read(&device.detached)) {
        g_usleep(100);
    }
    vus_client_thread_connect(self, &vus);
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

static void test_the_end_of_a_connection_is_paid_for(void)
{
    device_begin();
    vus_client_thread_run(NULL, client_leaves);
    vhost_user_server_stop(&device.server);
}

static void test_connections_without_a_word_are_paid_for(void)
{
    device_begin();
    vus_client_thread_run(NULL, client_dials);
    vhost_user_server_stop(&device.server);
}

static void drain_into(AioContext *ctx)
{
    vus_server_drain(&device.server);
    vus_server_drain_end(&device.server, ctx);
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
        drain_into(qemu_get_aio_context());
        main_loop_wait(true);
    }
    vhost_user_server_stop(&device.server);
    g_assert_cmpuint(device.counted, ==, 1);
    vus_client_thread_join(&client);
}

/* Accepted by the main loop in the middle of a drain, and asleep in either thread. */
static void test_a_connection_that_sleeps_may_move_and_be_stopped(void)
{
    IOThread *thread = iothread_create("io0", &error_abort);
    AioContext *contexts[] = { iothread_get_aio_context(thread), qemu_get_aio_context() };
    VusClientThread client;

    device_begin();
    vus_client_thread_start(&client, NULL, client_owes);
    while (device.server.clients < 1 || qatomic_read(&device.server.life) != VU_SERVER_LISTENING) {
        main_loop_wait(false);
    }
    vhost_user_server_detach_aio_context(&device.server);
    qatomic_set(&device.detached, true);
    while (device.server.clients < 2) {
        main_loop_wait(false);
    }
    for (int i = 0; i < 50; i++) {
        drain_into(contexts[i % 2]);
        main_loop_wait(true);
    }
    drain_into(contexts[0]);
    vhost_user_server_stop(&device.server);
    vus_client_thread_join(&client);
    iothread_destroy(thread);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/vhost-user-server-budget/messages_are_paid_for_over_connections",
                test_messages_are_paid_for_over_connections);
    harness_add("/vhost-user-server-budget/the_end_of_a_connection_is_paid_for",
                test_the_end_of_a_connection_is_paid_for);
    harness_add("/vhost-user-server-budget/connections_without_a_word_are_paid_for",
                test_connections_without_a_word_are_paid_for);
    harness_add("/vhost-user-server-budget/drain_and_stop_end_a_sleep",
                test_drain_and_stop_end_a_sleep);
    harness_add("/vhost-user-server-budget/a_connection_that_sleeps_may_move_and_be_stopped",
                test_a_connection_that_sleeps_may_move_and_be_stopped);
    return harness_run();
}
