/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server and a guest that puts malformed chains before each good one, until its
 * queue is looked at only now and then: drains, moves, restarts and a client that leaves come in
 * the middle of a pause. And a queue that is paused for want of memory.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include "harness.h"
#include "no-memory.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vu-internal.h"
#include "vus-client-thread.h"
#include "vus-server.h"

enum {
    QUEUES = 2,
    BAD = 12, /* chains before a good one */
    ROUNDS = 200,
    LOOP = 4, /* this descriptor is a chain without end; the good one begins at 0 */
};

static VuServer server;
static IOThread *thread;
static uint64_t pauses; /* atomic; of a queue */
static bool use_up;     /* atomic: what is for free */
static unsigned lacks;  /* atomic: so often the device gets no memory */

/* The device (queue's context) */

static VuVirtqElement *device_pop(VuDev *dev, VuVirtq *vq)
{
    unsigned left = qatomic_read(&lacks);
    VuVirtqElement *e;

    no_memory = left > 0 && !vu_queue_empty(dev, vq);
    e = vu_queue_pop(dev, vq, sizeof(*e));
    if (no_memory) {
        g_assert_null(e);
        qatomic_set(&lacks, left - 1);
    }
    no_memory = false;
    return e;
}

static void device_queue(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;
    VuQueueStats stats;

    vu_queue_get_stats(dev, vq, &stats);
    qatomic_set(&pauses, MAX(qatomic_read(&pauses), stats.pauses));
    if (qatomic_xchg(&use_up, false)) {
        /* By chains it would take a sanitizer for ever; see virtq-pause.c for the number. */
        qatomic_set(&dev->priv->malformed_paid,
                    g_get_monotonic_time() * 1000 + 64 * 5000000ull + 5000000);
    }
    while ((e = device_pop(dev, vq))) {
        g_assert_cmpuint(e->index, ==, 0);
        vu_queue_push(dev, vq, e, 0);
        vu_queue_notify(dev, vq);
        free(e);
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static const VuDevIface device_iface = { .queue_set_started = device_started };

static void server_begin(void)
{
    pauses = 0;
    vus_server_start(&server, "s", qemu_get_aio_context(), QUEUES, &device_iface);
    vhost_user_server_set_queue_aio_context(&server, 1, iothread_get_aio_context(thread));
}

/* The client's thread */

static void client_begin(VusClient *vus, VusClientThread *self)
{
    vus_client_thread_connect(self, vus);
    vus_client_start_queues(vus, QUEUES);
    for (unsigned q = 0; q < QUEUES; q++) {
        VuGuestRing *ring = &vus->rings[q];
        uint64_t gpa = vu_client_gpa(&vus->guest, vus->guest.mem);

        vu_ring_desc(ring, 0, gpa + vus->guest.mem_size / 2, 8, 0, 0);
        vu_ring_desc(ring, LOOP, gpa, 8, VRING_DESC_F_NEXT, LOOP);
    }
}

static void offer(VusClient *vus, unsigned q)
{
    for (unsigned n = 0; n < BAD; n++) {
        vu_ring_offer(&vus->rings[q], LOOP);
    }
    vu_ring_offer(&vus->rings[q], 0);
    vu_ring_kick(&vus->rings[q]);
}

/* All come back, in their order, however long it takes: @bad chains and a good one. */
static void reap(VusClient *vus, unsigned q, unsigned bad)
{
    VuGuestRing *ring = &vus->rings[q];

    for (unsigned n = 0; n <= bad; n++) {
        struct pollfd pfd = { .fd = ring->call, .events = POLLIN };
        uint32_t head, len;

        while (!vu_ring_reap(ring, &head, &len)) {
            g_assert_cmpint(poll(&pfd, 1, 30000), ==, 1);
            vu_ring_take_signal(ring->call);
        }
        g_assert_cmpuint(head, ==, n < bad ? LOOP : 0);
        g_assert_cmpuint(len, ==, 0);
    }
}

static void finish(VusClient *vus, unsigned q)
{
    reap(vus, q, BAD);
}

static void attack(VusClient *vus, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        offer(vus, i % QUEUES);
        finish(vus, i % QUEUES);
    }
}

/* What is for free is used up; from now on each chain brings a pause. */
static void attack_until_paused(VusClient *vus)
{
    qatomic_set(&pauses, 0);
    while (qatomic_read(&pauses) == 0) {
        qatomic_set(&use_up, true);
        for (unsigned q = 0; q < QUEUES; q++) {
            offer(vus, q);
        }
        for (unsigned q = 0; q < QUEUES; q++) {
            finish(vus, q);
        }
    }
}

static void client_attacks(VusClientThread *self)
{
    VusClient vus;

    client_begin(&vus, self);
    attack_until_paused(&vus);
    while (!qatomic_read(&self->stop)) {
        attack(&vus, QUEUES);
        vus_client_thread_round_done(self);
    }
    vus_client_close(&vus);
}

/* Now and then the trip waits for a queue, and notices nothing else. */
static void client_attacks_and_talks(VusClientThread *self)
{
    VusClient vus;

    client_begin(&vus, self);
    attack_until_paused(&vus);
    for (unsigned i = 0; !qatomic_read(&self->stop); i++) {
        offer(&vus, 0);
        offer(&vus, 1);
        vus_client_restart_queue(&vus, i % QUEUES);
        finish(&vus, 0);
        finish(&vus, 1);
        vus_client_thread_round_done(self);
    }
    vus_client_close(&vus);
}

static void client_restarts_its_queues(VusClientThread *self)
{
    VusClient vus;

    client_begin(&vus, self);
    attack_until_paused(&vus);
    for (unsigned i = 0; i < ROUNDS; i++) {
        offer(&vus, i % QUEUES);
        vus_client_restart_queue(&vus, i % QUEUES);
        finish(&vus, i % QUEUES);
    }
    vus_client_close(&vus);
}

static void client_is_cut_off(VusClientThread *self)
{
    VusClient vus;
    char byte;

    client_begin(&vus, self);
    attack_until_paused(&vus);
    offer(&vus, 0);
    offer(&vus, 1);
    vus_client_thread_round_done(self);
    g_assert_cmpint(recv(vus.guest.sock, &byte, 1, 0), ==, 0);
    vus_client_close(&vus);
}

static void client_leaves(VusClientThread *self)
{
    for (unsigned i = 0; i < 3; i++) {
        VusClient vus;

        client_begin(&vus, self);
        attack_until_paused(&vus);
        for (unsigned q = 0; q < QUEUES; q++) {
            offer(&vus, q);
        }
        vus_client_close(&vus);
    }
}

static void client_sends_one(VusClientThread *self)
{
    VusClient vus;

    client_begin(&vus, self);
    for (unsigned q = 0; q < QUEUES; q++) {
        qatomic_set(&lacks, 3);
        vu_ring_offer(&vus.rings[q], 0);
        vu_ring_kick(&vus.rings[q]);
        reap(&vus, q, 0);
        g_assert_cmpuint(qatomic_read(&lacks), ==, 0);
    }
    vus_client_close(&vus);
}

/* Main loop */

/* By polling it would be looked at again and again. */
static void set_polling(int64_t max_ns)
{
    aio_context_set_poll_params(qemu_get_aio_context(), max_ns, 0, 0, &error_abort);
    aio_context_set_poll_params(iothread_get_aio_context(thread), max_ns, 0, 0, &error_abort);
}

static void test_one_kick_is_enough_without_memory(void)
{
    set_polling(0);
    server_begin();
    vus_client_thread_run(NULL, client_sends_one);
    vhost_user_server_stop(&server);
    set_polling(32768);
}

static void test_restart_ends_a_pause(void)
{
    server_begin();
    vus_client_thread_run(NULL, client_restarts_its_queues);
    vhost_user_server_stop(&server);
}

static void test_client_leaves_in_a_pause(void)
{
    server_begin();
    vus_client_thread_run(NULL, client_leaves);
    vhost_user_server_stop(&server);
}

static void move(AioContext *home, AioContext *queue)
{
    vus_server_drain(&server);
    vhost_user_server_set_queue_aio_context(&server, 1, queue);
    vus_server_drain_end(&server, home);
}

static void test_drains_and_moves_end_a_pause(void)
{
    AioContext *ctx[2] = { qemu_get_aio_context(), iothread_get_aio_context(thread) };
    VusClientThread client;

    server_begin();
    vus_client_thread_start(&client, NULL, client_attacks);
    for (unsigned i = 0; i < ROUNDS; i++) {
        move(ctx[i % 2], ctx[i / 2 % 2]);
        if (i % 8 == 0) {
            vus_client_thread_wait_rounds(&client, qatomic_load_acquire(&client.rounds) + 1);
        }
    }
    vus_client_thread_join(&client);
    vhost_user_server_stop(&server);
}

/* Detach and attach at once: whoever ends a pause by that has to see to what it was for. */
static void test_detach_without_drain_ends_a_pause(void)
{
    VusClientThread client;

    server_begin();
    vus_client_thread_start(&client, NULL, client_attacks_and_talks);
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        main_loop_wait(false);
        vhost_user_server_detach_aio_context(&server);
        vhost_user_server_attach_aio_context(&server, qemu_get_aio_context());
        if (i % 8 == 0) {
            vus_client_thread_wait_rounds(&client, qatomic_load_acquire(&client.rounds) + 1);
        }
    }
    vus_client_thread_join(&client);
    vhost_user_server_stop(&server);
}

static void test_stop_ends_a_pause(void)
{
    VusClientThread client;

    server_begin();
    vus_client_thread_start(&client, NULL, client_is_cut_off);
    vus_client_thread_wait_rounds(&client, 1);
    vhost_user_server_stop(&server);
    vus_client_thread_join(&client);
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    thread = iothread_create("test", &error_abort);
    harness_add("/vhost-user-server-pause/one_kick_is_enough_without_memory",
                test_one_kick_is_enough_without_memory);
    harness_add("/vhost-user-server-pause/restart_ends_a_pause", test_restart_ends_a_pause);
    harness_add("/vhost-user-server-pause/client_leaves_in_a_pause", test_client_leaves_in_a_pause);
    harness_add("/vhost-user-server-pause/drains_and_moves_end_a_pause",
                test_drains_and_moves_end_a_pause);
    harness_add("/vhost-user-server-pause/detach_without_drain_ends_a_pause",
                test_detach_without_drain_ends_a_pause);
    harness_add("/vhost-user-server-pause/stop_ends_a_pause", test_stop_ends_a_pause);
    ret = harness_run();
    iothread_destroy(thread);
    return ret;
}
