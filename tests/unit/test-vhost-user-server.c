/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server under a real client: accept, moves between contexts,
 * stop in every phase, clients that break off anywhere.
 *
 * The device answers each number with its successor. The main loop runs in the
 * test's thread, the client in a thread of its own.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/qapi-types-sockets.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vus-client-thread.h"
#include "vus-server.h"

typedef struct Request {
    VuVirtqElement elem;
    QSIMPLEQ_ENTRY(Request) next;
} Request;

typedef struct Device {
    VuServer server;
    bool hold;            /* keep requests until device_release() */
    bool break_it;        /* atomic: call the device broken at the next kick */
    bool drain_at_enable; /* begin a drain within the next SET_VRING_ENABLE */
    unsigned held;
    unsigned popped;
    QSIMPLEQ_HEAD(, Request) requests;
} Device;

static IOThread *threads[2];

/* The device (home context) */

static void device_answer(Device *device, VuVirtq *vq, Request *request)
{
    VuDev *dev = &device->server.vu_dev;
    uint64_t value;

    memcpy(&value, request->elem.out_sg[0].iov_base, sizeof(value));
    value++;
    memcpy(request->elem.in_sg[0].iov_base, &value, sizeof(value));
    vu_queue_push(dev, vq, &request->elem, sizeof(value));
    vu_queue_notify(dev, vq);
    free(request);
    vhost_user_server_dec_in_flight(&device->server);
}

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    Request *request;

    if (qatomic_read(&device->break_it) && !vu_queue_empty(dev, vq)) {
        qatomic_set(&dev->broken, true);
        return;
    }
    while ((request = vu_queue_pop(dev, vq, sizeof(*request)))) {
        vhost_user_server_inc_in_flight(&device->server);
        device->popped++;
        if (qatomic_read(&device->hold)) {
            QSIMPLEQ_INSERT_TAIL(&device->requests, request, next);
            qatomic_inc(&device->held);
        } else {
            device_answer(device, vq, request);
        }
    }
}

static void device_release_bh(void *opaque)
{
    Device *device = opaque;
    Request *request;

    qatomic_set(&device->hold, false);
    while ((request = QSIMPLEQ_FIRST(&device->requests))) {
        QSIMPLEQ_REMOVE_HEAD(&device->requests, next);
        qatomic_dec(&device->held);
        device_answer(device, vu_get_queue(&device->server.vu_dev, 0), request);
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static uint64_t device_features(VuDev *dev)
{
    return 1ull << VIRTIO_F_VERSION_1;
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    Device *device = container_of(dev, Device, server.vu_dev);

    if (msg->request == VHOST_USER_SET_VRING_ENABLE && qatomic_read(&device->drain_at_enable)) {
        qatomic_set(&device->server.quiescing, true);
        vhost_user_server_detach_aio_context(&device->server);
        qatomic_set(&device->drain_at_enable, false);
    }
    return 0;
}

static const VuDevIface device_iface = {
    .get_features = device_features,
    .process_msg = device_message,
    .queue_set_started = device_started,
};

/* Main loop */

static void device_start(Device *device, AioContext *ctx)
{
    memset(device, 0, sizeof(*device));
    QSIMPLEQ_INIT(&device->requests);
    vus_server_start(&device->server, "s", ctx, 2, &device_iface);
}

static void device_drain(Device *device)
{
    vus_server_drain(&device->server);
    g_assert_null(device->server.ctx);
}

/* The client's thread */

static void ask_one_number(VusClient *client, uint64_t value)
{
    uint64_t answer = 0;

    vus_client_submit(client, value);
    g_assert_true(vus_client_complete(client, 30000, &answer));
    g_assert_cmpuint(answer, ==, value + 1);
}

/* Tests */

static void client_asks(VusClientThread *self)
{
    VusClient client;

    vus_client_thread_connect(self, &client);
    vus_client_start(&client);
    for (int i = 0; i < 100; i++) {
        ask_one_number(&client, i);
    }
    vus_client_close(&client);
}

static void test_serves_in(AioContext *ctx)
{
    Device device;

    device_start(&device, ctx);
    vus_client_thread_run(&device, client_asks);
    vus_client_thread_run(&device, client_asks);
    vhost_user_server_stop(&device.server);
    vhost_user_server_stop(&device.server);
}

static void test_main_loop(void)
{
    test_serves_in(qemu_get_aio_context());
}

static void test_iothread(void)
{
    test_serves_in(iothread_get_aio_context(threads[0]));
}

static void test_address_type(void)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_INET };
    Error *err = NULL;
    Device device = { 0 };

    g_assert_false(vhost_user_server_start(&device.server, &addr, qemu_get_aio_context(), 1,
                                           &device_iface, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Only socket address types 'unix' and 'fd' are supported");
    error_free(err);
}

static void client_reconnects(VusClientThread *self)
{
    VusClient client;
    uint64_t features;

    for (int i = 0; i < 1000; i++) {
        vus_client_thread_connect(self, &client);
        if (i % 3 == 0) {
            vus_client_start(&client);
            ask_one_number(&client, i);
        } else if (i % 3 == 1) {
            g_assert_true(vus_client_ask(&client, VHOST_USER_GET_FEATURES, &features));
        }
        vus_client_close(&client);
    }
}

static void test_reconnect(void)
{
    Device device;
    int fds;

    device_start(&device, iothread_get_aio_context(threads[0]));
    fds = harness_count_fds();
    vus_client_thread_run(&device, client_reconnects);
    while (qatomic_read(&device.server.life) != VU_SERVER_LISTENING ||
           device.server.clients < 1000) {
        main_loop_wait(false);
    }
    g_assert_cmpint(harness_count_fds(), ==, fds);
    vhost_user_server_stop(&device.server);
}

static void client_breaks_off(VusClientThread *self)
{
    uint32_t message[3 + 2] = { VHOST_USER_SET_VRING_NUM, 1, 8, 0, 16 };
    VusClient client;

    for (size_t bytes = 0; bytes <= sizeof(message); bytes++) {
        vus_client_thread_connect(self, &client);
        g_assert_cmpint(send(client.guest.sock, message, bytes, MSG_NOSIGNAL), ==, bytes);
        vus_client_close(&client);
    }
    client_asks(self);
}

static void test_break_off(void)
{
    Device device;

    device_start(&device, iothread_get_aio_context(threads[0]));
    vus_client_thread_run(&device, client_breaks_off);
    vhost_user_server_stop(&device.server);
}

static void client_second(VusClientThread *self)
{
    Device *device = self->device;
    VusClient first, second;
    uint64_t features;

    vus_client_thread_connect(self, &first);
    g_assert_true(vus_client_ask(&first, VHOST_USER_GET_FEATURES, &features));
    vus_client_thread_connect(self, &second);
    vus_client_send(&second, VHOST_USER_GET_FEATURES, 0, NULL, 0, -1);
    while (!qatomic_read(&device->server.clients_waited)) {
        g_usleep(1000);
    }
    vus_client_close(&first);
    g_assert_true(vus_client_receive(&second, &features));
    vus_client_close(&second);
}

static void test_second_client(void)
{
    Device device;

    device_start(&device, iothread_get_aio_context(threads[0]));
    vus_client_thread_run(&device, client_second);
    g_assert_cmpuint(device.server.clients_waited, ==, 1);
    g_assert_cmpuint(device.server.clients, ==, 2);
    vhost_user_server_stop(&device.server);
}

static void client_is_busy(VusClientThread *self)
{
    VusClient client;
    uint64_t features, first;

    vus_client_thread_connect(self, &client);
    client.split = g_rand_new_with_seed(1);
    vus_client_start(&client);
    g_assert_true(vus_client_ask(&client, VHOST_USER_GET_FEATURES, &first));
    while (!qatomic_read(&self->stop)) {
        ask_one_number(&client, self->rounds);
        g_assert_true(vus_client_ask(&client, VHOST_USER_GET_FEATURES, &features));
        g_assert_cmphex(features, ==, first);
        qatomic_set(&self->rounds, self->rounds + 1);
    }
    g_rand_free(client.split);
    vus_client_close(&client);
}

static void test_move(void)
{
    Device device;
    VusClientThread client;

    device_start(&device, iothread_get_aio_context(threads[0]));
    vus_client_thread_start(&client, &device, client_is_busy);
    /* On a busy machine the client gets its first turn late. */
    for (int i = 1; i <= 10000 || qatomic_read(&client.rounds) <= 10; i++) {
        AioContext *to =
            i % 3 == 2 ? qemu_get_aio_context() : iothread_get_aio_context(threads[i % 3]);

        main_loop_wait(true);
        device_drain(&device);
        vus_server_drain_end(&device.server, to);
    }
    vus_client_thread_join(&client);
    g_assert_cmpuint(device.server.clients, ==, 1);
    vhost_user_server_stop(&device.server);
}

static void client_enables_late(VusClientThread *self)
{
    struct vhost_vring_state state = { 0, 0 };
    Device *device = self->device;
    uint64_t value;
    VusClient client;

    vus_client_thread_connect(self, &client);
    vus_client_start(&client);
    ask_one_number(&client, 1);
    vus_client_send(&client, VHOST_USER_SET_VRING_ENABLE, 0, &state, sizeof(state), -1);
    g_assert_true(vus_client_ask(&client, VHOST_USER_GET_FEATURES, &value));
    vus_client_submit(&client, 5);
    qatomic_set(&device->drain_at_enable, true);
    state.num = 1;
    vus_client_send(&client, VHOST_USER_SET_VRING_ENABLE, 0, &state, sizeof(state), -1);
    g_assert_true(vus_client_complete(&client, 30000, &value));
    g_assert_cmpuint(value, ==, 6);
    vus_client_close(&client);
}

/* A message that would start requests, with a drain beginning while it is obeyed. */
static void test_drain_within_a_message(void)
{
    VusClientThread client;
    Device device;

    device_start(&device, qemu_get_aio_context());
    vus_client_thread_start(&client, &device, client_enables_late);
    while (!qatomic_read(&device.server.quiescing)) {
        main_loop_wait(false);
    }
    vus_server_drain_poll(&device.server);
    g_assert_cmpuint(device.popped, ==, 1);
    vus_server_drain_end(&device.server, qemu_get_aio_context());
    vus_client_thread_join(&client);
    g_assert_cmpuint(device.popped, ==, 2);
    vhost_user_server_stop(&device.server);
}

static void client_submits(VusClientThread *self)
{
    VusClient client;
    uint64_t answer;

    vus_client_thread_connect(self, &client);
    vus_client_start(&client);
    vus_client_submit(&client, 41);
    while (!qatomic_read(&self->stop)) {
        g_usleep(100);
    }
    g_assert_true(vus_client_complete(&client, 30000, &answer));
    g_assert_cmpuint(answer, ==, 42);
    vus_client_close(&client);
}

/* Detach without a drain: the trip parks, its request goes on, the same context comes back. */
static void test_park(void)
{
    AioContext *ctx = iothread_get_aio_context(threads[0]);
    VusClientThread client;
    Device device;

    device_start(&device, ctx);
    vus_client_thread_start(&client, &device, client_submits);
    while (qatomic_read(&device.server.life) != VU_SERVER_SERVING) {
        main_loop_wait(false);
    }
    for (int i = 0; i < 100; i++) {
        vhost_user_server_detach_aio_context(&device.server);
        g_assert_null(device.server.ctx);
        vhost_user_server_attach_aio_context(&device.server, ctx);
    }
    vus_client_thread_join(&client);
    g_assert_cmpuint(device.server.clients, ==, 1);
    vhost_user_server_stop(&device.server);
}

static void client_leaves_requests(VusClientThread *self)
{
    Device *device = self->device;
    VusClient client;

    vus_client_thread_connect(self, &client);
    vus_client_start(&client);
    vus_client_submit(&client, 1);
    vus_client_submit(&client, 2);
    while (qatomic_read(&device->held) < 2) {
        g_usleep(100);
    }
    vus_client_close(&client);
}

/* The memory of a request stays mapped until it ends, even when the client is gone. */
static void test_in_flight_at_disconnect(void)
{
    AioContext *ctx = iothread_get_aio_context(threads[0]);
    Device device;

    device_start(&device, ctx);
    qatomic_set(&device.hold, true);
    vus_client_thread_run(&device, client_leaves_requests);
    while (qatomic_read(&device.server.life) != VU_SERVER_CLOSING) {
        main_loop_wait(true);
    }
    g_assert_true(vhost_user_server_has_in_flight(&device.server));
    aio_bh_schedule_oneshot(ctx, device_release_bh, &device);
    while (qatomic_read(&device.server.life) != VU_SERVER_LISTENING) {
        main_loop_wait(false);
    }
    vus_client_thread_run(&device, client_asks);
    vhost_user_server_stop(&device.server);
}

static void client_sees_the_end(VusClientThread *self)
{
    VusClient client;
    uint64_t value;

    vus_client_thread_connect(self, &client);
    vus_client_start(&client);
    vus_client_submit(&client, 1);
    g_assert_false(vus_client_receive(&client, &value));
    vus_client_close(&client);
}

static void test_broken_device(void)
{
    Device device;

    device_start(&device, iothread_get_aio_context(threads[0]));
    qatomic_set(&device.break_it, true);
    vus_client_thread_run(&device, client_sees_the_end);
    qatomic_set(&device.break_it, false);
    vus_client_thread_run(&device, client_asks);
    vhost_user_server_stop(&device.server);
}

/* Stop while requests are held; they end, then stop returns. */
static void test_stop_with_requests(void)
{
    AioContext *ctx = iothread_get_aio_context(threads[0]);
    VusClientThread client;
    Device device;

    device_start(&device, ctx);
    qatomic_set(&device.hold, true);
    vus_client_thread_start(&client, &device, client_sees_the_end);
    while (!qatomic_read(&device.held)) {
        main_loop_wait(true);
    }
    aio_bh_schedule_oneshot(ctx, device_release_bh, &device);
    vhost_user_server_stop(&device.server);
    g_assert_cmpint(device.server.life, ==, VU_SERVER_STOPPED);
    vus_client_thread_join(&client);
}

static void client_talks_until_cut(VusClientThread *self)
{
    VusClient client;
    uint64_t value;

    /* The listener may be gone already. */
    if (vus_client_connect(&client, self->path)) {
        while (vus_client_ask(&client, VHOST_USER_GET_FEATURES, &value)) {
            self->rounds++;
        }
    }
    vus_client_close(&client);
}

static void test_stop_while_drained(void)
{
    VusClientThread client;
    Device device;

    device_start(&device, iothread_get_aio_context(threads[0]));
    vus_client_thread_start(&client, &device, client_talks_until_cut);
    while (qatomic_read(&device.server.life) != VU_SERVER_SERVING) {
        main_loop_wait(false);
    }
    device_drain(&device);
    vhost_user_server_stop(&device.server);
    vus_client_thread_join(&client);
}

static void test_stop_at_any_moment(void)
{
    AioContext *ctx = iothread_get_aio_context(threads[0]);

    for (int i = 0; i < 200; i++) {
        VusClientThread client;
        Device device;

        device_start(&device, ctx);
        vus_client_thread_start(&client, &device, client_talks_until_cut);
        for (int j = 0; j < i % 7; j++) {
            main_loop_wait(true);
        }
        vhost_user_server_stop(&device.server);
        vus_client_thread_join(&client);
    }
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    threads[0] = iothread_create("test0", &error_abort);
    threads[1] = iothread_create("test1", &error_abort);

    harness_add("/vhost-user-server/serves_in_the_main_loop", test_main_loop);
    harness_add("/vhost-user-server/serves_in_an_iothread", test_iothread);
    harness_add("/vhost-user-server/refuses_inet_addresses", test_address_type);
    harness_add("/vhost-user-server/thousand_clients_leave_no_descriptor", test_reconnect);
    harness_add("/vhost-user-server/client_may_break_off_at_any_byte", test_break_off);
    harness_add("/vhost-user-server/second_client_is_told_of_and_served_next", test_second_client);
    harness_add("/vhost-user-server/moves_ten_thousand_times_under_load", test_move);
    harness_add("/vhost-user-server/drain_within_a_message_starts_nothing",
                test_drain_within_a_message);
    harness_add("/vhost-user-server/trip_parks_when_detached_without_drain", test_park);
    harness_add("/vhost-user-server/requests_outlive_their_client", test_in_flight_at_disconnect);
    harness_add("/vhost-user-server/device_broken_by_a_kick_loses_its_client", test_broken_device);
    harness_add("/vhost-user-server/stop_waits_for_requests", test_stop_with_requests);
    harness_add("/vhost-user-server/stop_while_drained_cuts_the_client", test_stop_while_drained);
    harness_add("/vhost-user-server/stop_at_any_moment", test_stop_at_any_moment);
    ret = harness_run();

    iothread_destroy(threads[0]);
    iothread_destroy(threads[1]);
    return ret;
}
