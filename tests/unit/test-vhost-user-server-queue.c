/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queues of the vhost-user server in contexts of their own: right thread, one
 * thread at a time, moves under load, clients and servers that end meanwhile.
 *
 * The device answers each number with its successor, every other one only in a
 * bottom half, so that requests are in flight whenever something happens.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vus-client-thread.h"
#include "vus-server.h"

enum {
    QUEUES = 3,
    THREADS = 3,
    BURST = 4, /* requests out at a time and queue */
    MOVES = 4000,
};

typedef struct Device {
    VuServer server;
    AioContext *expected[QUEUES]; /* where a queue must run; written while quiet */
    int inside[QUEUES];           /* atomic: threads that are in a queue's code */
    unsigned answered[QUEUES];    /* queue's context */
    bool break_it;                /* atomic: call the device broken at the next kick */
} Device;

typedef struct Request {
    VuVirtqElement elem;
    Device *device;
    VuVirtq *vq;
} Request;

static IOThread *threads[THREADS];

/* The device */

static void queue_enter(Device *device, unsigned queue)
{
    g_assert_true(qemu_get_current_aio_context() == device->expected[queue]);
    g_assert_cmpint(qatomic_fetch_inc(&device->inside[queue]), ==, 0);
}

static void queue_leave(Device *device, unsigned queue)
{
    qatomic_dec(&device->inside[queue]);
}

static void device_answer(Request *request)
{
    Device *device = request->device;
    VuVirtq *vq = request->vq;
    uint64_t value;

    memcpy(&value, request->elem.out_sg[0].iov_base, sizeof(value));
    value++;
    memcpy(request->elem.in_sg[0].iov_base, &value, sizeof(value));
    vu_queue_push(&device->server.vu_dev, vq, &request->elem, sizeof(value));
    vu_queue_notify(&device->server.vu_dev, vq);
    device->answered[vq->index]++;
    free(request);
}

static void device_answer_bh(void *opaque)
{
    Request *request = opaque;
    Device *device = request->device;
    unsigned queue = request->vq->index;

    queue_enter(device, queue);
    device_answer(request);
    queue_leave(device, queue);
    vhost_user_server_dec_in_flight(&device->server);
}

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    Request *request;

    queue_enter(device, qidx);
    if (qatomic_read(&device->break_it) && !vu_queue_empty(dev, vq)) {
        qatomic_set(&dev->broken, true);
    }
    while (!qatomic_read(&dev->broken) && (request = vu_queue_pop(dev, vq, sizeof(*request)))) {
        request->device = device;
        request->vq = vq;
        vhost_user_server_inc_in_flight(&device->server);
        if (vq->last_avail_idx % 2) {
            aio_bh_schedule_oneshot(qemu_get_current_aio_context(), device_answer_bh, request);
        } else {
            device_answer(request);
            vhost_user_server_dec_in_flight(&device->server);
        }
    }
    queue_leave(device, qidx);
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static uint64_t device_features(VuDev *dev)
{
    return 1ull << VIRTIO_F_VERSION_1;
}

static const VuDevIface device_iface = {
    .get_features = device_features,
    .queue_set_started = device_started,
};

/* Main loop */

static AioContext *context(unsigned number)
{
    return number < THREADS ? iothread_get_aio_context(threads[number]) : qemu_get_aio_context();
}

/* A NULL @ctx follows @home. */
static void device_place(Device *device, int queue, AioContext *ctx, AioContext *home)
{
    vhost_user_server_set_queue_aio_context(&device->server, queue, ctx);
    device->expected[queue] = ctx ?: home;
}

/* Queue 0 at home in the first thread, each other one elsewhere. */
static Device *device_new(void)
{
    Device *device = g_new0(Device, 1);

    vus_server_start(&device->server, "s", context(0), QUEUES, &device_iface);
    for (int i = 0; i < QUEUES; i++) {
        device_place(device, i, i ? context(i) : NULL, context(0));
    }
    return device;
}

/* Whatever may still run for the server would use freed memory. */
static void device_free(Device *device)
{
    vhost_user_server_stop(&device->server);
    g_free(device);
}

/* The client's thread */

static void submit_burst(VusClient *client, uint64_t value)
{
    for (unsigned i = 0; i < QUEUES * BURST; i++) {
        vus_client_submit_on(client, i % QUEUES, value + i);
    }
}

/* The answers of a queue may come in any order; each comes once. */
static void complete_burst(VusClient *client, uint64_t value)
{
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        unsigned seen = 0;

        for (unsigned i = 0; i < BURST; i++) {
            uint64_t answer = 0;

            g_assert_true(vus_client_complete_on(client, queue, 60000, &answer));
            answer -= value + 1;
            g_assert_cmpuint(answer, <, QUEUES * BURST);
            g_assert_cmpuint(answer % QUEUES, ==, queue);
            seen |= 1u << answer / QUEUES;
        }
        g_assert_cmphex(seen, ==, (1u << BURST) - 1);
    }
}

static void client_open(VusClientThread *self, VusClient *client)
{
    vus_client_thread_connect(self, client);
    vus_client_start_queues(client, QUEUES);
}

static void client_asks(VusClientThread *self)
{
    VusClient client;

    client_open(self, &client);
    for (int i = 0; i < 100; i++) {
        submit_burst(&client, i * 1000);
        complete_burst(&client, i * 1000);
    }
    vus_client_close(&client);
}

/* Messages about queues that have requests out. */
static void disturb(VusClient *client, unsigned round)
{
    unsigned queue = round % QUEUES;
    uint64_t features;

    switch (round / QUEUES % 4) {
    case 0:
        vus_client_enable(client, queue, false);
        vus_client_enable(client, queue, true);
        break;
    case 1:
        vus_client_restart_queue(client, queue);
        break;
    default:
        g_assert_true(vus_client_ask(client, VHOST_USER_GET_FEATURES, &features));
        break;
    }
}

static void client_is_busy(VusClientThread *self)
{
    VusClient client;

    client_open(self, &client);
    while (!qatomic_read(&self->stop)) {
        uint64_t value = self->rounds * 1000ull;

        submit_burst(&client, value);
        disturb(&client, self->rounds);
        complete_burst(&client, value);
        qatomic_set(&self->rounds, self->rounds + 1);
    }
    vus_client_close(&client);
}

/* Tests */

static void test_own_threads(void)
{
    Device *device = device_new();

    device_place(device, 2, context(THREADS), context(0));
    vus_client_thread_run(device, client_asks);
    vus_client_thread_run(device, client_asks);
    while (qatomic_read(&device->server.life) != VU_SERVER_LISTENING) {
        main_loop_wait(false);
    }
    for (int i = 0; i < QUEUES; i++) {
        g_assert_cmpuint(device->answered[i], ==, 2 * 100 * BURST);
    }
    device_free(device);
}

static void drain(Device *device)
{
    vus_server_drain(&device->server);
    for (int i = 0; i < QUEUES; i++) {
        g_assert_cmpint(qatomic_read(&device->inside[i]), ==, 0);
    }
}

/* Whatever is where now, it works there. */
static void wait_for_rounds(VusClientThread *client)
{
    uint64_t rounds = qatomic_read(&client->rounds);

    while (qatomic_read(&client->rounds) < rounds + 2) {
        main_loop_wait(true);
    }
}

static void test_moves(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    Device *device = device_new();
    VusClientThread client;

    vus_client_thread_start(&client, device, client_is_busy);
    for (int i = 0; i < MOVES; i++) {
        AioContext *home = context(g_rand_int_range(rand, 0, THREADS + 1));

        main_loop_wait(true);
        drain(device);
        for (int queue = 0; queue < QUEUES; queue++) {
            int to = g_rand_int_range(rand, 0, THREADS + 2);

            device_place(device, queue, to > THREADS ? NULL : context(to), home);
        }
        vus_server_drain_end(&device->server, home);
        if (i % 64 == 0) {
            wait_for_rounds(&client);
        }
    }
    vus_client_thread_join(&client);
    g_assert_cmpuint(device->server.clients, ==, 1);
    device_free(device);
}

/* Detach and attach at once: watches go off and on in several threads while the trip parks. */
static void test_parks(void)
{
    Device *device = device_new();
    VusClientThread client;

    vus_client_thread_start(&client, device, client_is_busy);
    for (int i = 0; i < MOVES; i++) {
        main_loop_wait(true);
        vhost_user_server_detach_aio_context(&device->server);
        vhost_user_server_attach_aio_context(&device->server, context(0));
        if (i % 64 == 0) {
            wait_for_rounds(&client);
        }
    }
    vus_client_thread_join(&client);
    g_assert_cmpuint(device->server.clients, ==, 1);
    device_free(device);
}

static void client_leaves_requests(VusClientThread *self)
{
    for (unsigned i = 0; i < 100; i++) {
        VusClient client;

        client_open(self, &client);
        submit_burst(&client, i);
        vus_client_close(&client);
    }
    client_asks(self);
}

static void test_disconnect(void)
{
    Device *device = device_new();

    vus_client_thread_run(device, client_leaves_requests);
    device_free(device);
}

static void client_is_cut_off(VusClientThread *self)
{
    VusClient client;
    uint64_t value;

    client_open(self, &client);
    /* Not queue 0, which is at home. */
    vus_client_submit_on(&client, 1, 1);
    vus_client_submit_on(&client, 2, 1);
    g_assert_false(vus_client_receive(&client, &value));
    vus_client_close(&client);
}

static void test_broken(void)
{
    Device *device = device_new();

    for (int i = 0; i < 50; i++) {
        qatomic_set(&device->break_it, true);
        vus_client_thread_run(device, client_is_cut_off);
        qatomic_set(&device->break_it, false);
    }
    vus_client_thread_run(device, client_asks);
    device_free(device);
}

static void client_works_until_cut(VusClientThread *self)
{
    VusClient client;
    uint64_t value;

    g_assert_true(vus_client_connect(&client, self->path));
    vus_client_start_queues(&client, QUEUES);
    qatomic_set(&self->rounds, 1);
    do {
        for (unsigned queue = 0; queue < QUEUES; queue++) {
            vu_ring_kick(&client.rings[queue]);
            while (vus_client_complete_on(&client, queue, 0, &value)) {
            }
            if ((uint16_t)(client.rings[queue].avail_idx - client.rings[queue].last_used) < BURST) {
                vus_client_submit_on(&client, queue, 1);
            }
        }
    } while (vus_client_ask(&client, VHOST_USER_GET_FEATURES, &value));
    vus_client_close(&client);
}

/* @drained: the server stops without a trip. */
static void stop_at_any_moment(bool drained)
{
    for (int i = 0; i < 100; i++) {
        Device *device = device_new();
        VusClientThread client;

        vus_client_thread_start(&client, device, client_works_until_cut);
        while (!qatomic_read(&client.rounds)) {
            main_loop_wait(true);
        }
        for (int j = 0; j < i % 11; j++) {
            main_loop_wait(true);
        }
        if (drained) {
            drain(device);
        }
        device_free(device);
        vus_client_thread_join(&client);
    }
}

static void test_stop(void)
{
    stop_at_any_moment(false);
}

static void test_stop_drained(void)
{
    stop_at_any_moment(true);
}

static void client_kicks_with_a_dead_pipe(VusClientThread *self)
{
    Device *device = self->device;
    uint64_t queue = 1, answer;
    VusClient client;
    int fds[2];

    client_open(self, &client);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    close(fds[1]);
    vus_client_send(&client, VHOST_USER_SET_VRING_KICK, 0, &queue, sizeof(queue), fds[0]);
    g_assert_true(vus_client_ask(&client, VHOST_USER_GET_FEATURES, &answer));
    close(fds[0]);
    while (qatomic_read(&device->server.watches[1].fd) >= 0) {
        g_usleep(100);
    }
    vus_client_send(&client, VHOST_USER_SET_VRING_KICK, 0, &queue, sizeof(queue),
                    client.rings[1].kick);
    submit_burst(&client, 5);
    complete_burst(&client, 5);
    vus_client_close(&client);
}

/* A queue's thread itself takes its watch off. */
static void test_dead_kick(void)
{
    Device *device = device_new();

    for (int i = 0; i < 20; i++) {
        vus_client_thread_run(device, client_kicks_with_a_dead_pipe);
    }
    device_free(device);
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    for (int i = 0; i < THREADS; i++) {
        g_autofree char *id = g_strdup_printf("test%d", i);

        threads[i] = iothread_create(id, &error_abort);
    }

    harness_add("/vhost-user-server-queue/each_queue_runs_in_its_thread", test_own_threads);
    harness_add("/vhost-user-server-queue/queues_move_thousands_of_times_under_load", test_moves);
    harness_add("/vhost-user-server-queue/detach_without_drain_loses_no_kick", test_parks);
    harness_add("/vhost-user-server-queue/requests_outlive_their_clients", test_disconnect);
    harness_add("/vhost-user-server-queue/broken_in_a_queues_thread_cuts_the_client", test_broken);
    harness_add("/vhost-user-server-queue/freed_after_stop_at_any_moment", test_stop);
    harness_add("/vhost-user-server-queue/freed_after_stop_while_drained", test_stop_drained);
    harness_add("/vhost-user-server-queue/dead_kick_descriptor_is_let_go", test_dead_kick);
    ret = harness_run();

    for (int i = 0; i < THREADS; i++) {
        iothread_destroy(threads[i]);
    }
    return ret;
}
