/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server with a client that has no eventfds, whose queues live in threads of their
 * own: kicks and calls are messages; resets of such a device while its queues are busy; and the
 * largest of all answers.
 *
 * The device answers each number with its successor, every other one only in a bottom half.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "harness.h"
#include "block/aio-wait.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vu-internal.h"
#include "vus-client-thread.h"
#include "vus-server.h"

enum {
    QUEUES = 3,
    BURST = 4, /* requests out at a time and queue */
    BAD = 6,   /* chains before a good one */
    LOOP = 15, /* this descriptor is a chain without end */
    ROUNDS = 200,
};

#define BIT(n) (1ull << (n))

typedef struct Device {
    VuServer server;
    AioContext *expected[QUEUES];
    unsigned popped; /* atomic */
    unsigned answered;
    unsigned resets;
    bool slow;   /* atomic: a look takes one request, after a while, and asks for another look */
    bool use_up; /* atomic: what malformed chains have for free */
    uint64_t pauses; /* atomic; of a queue */
} Device;

typedef struct Request {
    VuVirtqElement elem;
    Device *device;
    VuVirtq *vq;
} Request;

static IOThread *threads[QUEUES];

/* The device */

static void device_answer(Request *request)
{
    Device *device = request->device;
    VuDev *dev = &device->server.vu_dev;
    uint64_t value;

    g_assert_true(qemu_get_current_aio_context() == device->expected[request->vq->index]);
    memcpy(&value, request->elem.out_sg[0].iov_base, sizeof(value));
    value++;
    memcpy(request->elem.in_sg[0].iov_base, &value, sizeof(value));
    qatomic_inc(&device->answered);
    vu_queue_push(dev, request->vq, &request->elem, sizeof(value));
    vu_queue_notify(dev, request->vq);
    free(request);
    vhost_user_server_dec_in_flight(&device->server);
}

static void device_answer_bh(void *opaque)
{
    device_answer(opaque);
}

/* From now on each malformed chain brings a pause; see virtq-pause.c for the numbers. */
static void device_use_up(Device *device, VuVirtq *vq)
{
    VuDev *dev = &device->server.vu_dev;
    VuQueueStats stats;

    vu_queue_get_stats(dev, vq, &stats);
    qatomic_set(&device->pauses, MAX(qatomic_read(&device->pauses), stats.pauses));
    qatomic_set(&dev->priv->malformed_paid,
                g_get_monotonic_time() * 1000 + 64 * 5000000ull + 5000000);
}

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    Request *request;

    g_assert_true(qemu_get_current_aio_context() == device->expected[qidx]);
    if (qatomic_read(&device->slow)) {
        g_usleep(100);
    }
    if (qatomic_read(&device->use_up)) {
        device_use_up(device, vq);
    }
    while ((request = vu_queue_pop(dev, vq, sizeof(*request)))) {
        request->device = device;
        request->vq = vq;
        vhost_user_server_inc_in_flight(&device->server);
        if (qatomic_fetch_inc(&device->popped) % 2) {
            aio_bh_schedule_oneshot(qemu_get_current_aio_context(), device_answer_bh, request);
        } else {
            device_answer(request);
        }
        if (qatomic_read(&device->slow)) {
            vu_queue_kick_later(dev, vq);
            return;
        }
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static uint64_t device_protocol_features(VuDev *dev)
{
    return BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
}

static void device_reset(VuDev *dev)
{
    Device *device = container_of(dev, Device, server.vu_dev);

    g_assert_cmpuint(qatomic_read(&device->popped), ==, qatomic_read(&device->answered));
    qatomic_inc(&device->resets);
}

static int device_shmem_config(VuDev *dev, VhostUserShMemConfig *config)
{
    for (unsigned i = 0; i < VHOST_USER_MAX_SHMEM_REGIONS; i++) {
        config->size[i] = i * qemu_real_host_page_size();
    }
    return 0;
}

static const VuDevIface device_iface = {
    .get_protocol_features = device_protocol_features,
    .queue_set_started = device_started,
    .reset_device = device_reset,
    .get_shmem_config = device_shmem_config,
};

/* Home in the main loop, each queue in a thread. */
static Device *device_new(void)
{
    Device *device = g_new0(Device, 1);

    vus_server_start(&device->server, "s", qemu_get_aio_context(), QUEUES, &device_iface);
    for (int i = 0; i < QUEUES; i++) {
        device->expected[i] = iothread_get_aio_context(threads[i]);
        vhost_user_server_set_queue_aio_context(&device->server, i, device->expected[i]);
    }
    return device;
}

static void device_free(Device *device)
{
    vhost_user_server_stop(&device->server);
    g_free(device);
}

/* The client's thread */

typedef struct Client {
    VusClient vus;
    int channel;
    bool attacks; /* and hears of errors */
} Client;

static void ask(Client *c, uint32_t request, const void *payload, uint32_t size, int fd)
{
    uint64_t value;

    vus_client_send(&c->vus, request, VHOST_USER_NEED_REPLY_MASK, payload, size, fd);
    g_assert_true(vus_client_receive(&c->vus, &value));
    g_assert_cmpuint(value, ==, 0);
}

static void ask_u64(Client *c, uint32_t request, uint64_t value)
{
    ask(c, request, &value, sizeof(value), -1);
}

static void ask_state(Client *c, uint32_t request, uint32_t queue, uint32_t num)
{
    uint32_t state[2] = { queue, num };

    ask(c, request, state, sizeof(state), -1);
}

static void client_connect(VusClientThread *self, Client *c)
{
    VhostUserMemory table = { .nregions = 1 };
    int sv[2];

    c->attacks = false;
    vus_client_thread_connect(self, &c->vus);
    table.regions[0] = vu_client_region(&c->vus.guest, 0, c->vus.guest.mem_size);
    ask_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES,
            BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
                BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |
                BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    ask(c, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    close(sv[1]);
    c->channel = sv[0];
    ask(c, VHOST_USER_SET_MEM_TABLE, &table, 8 + sizeof(table.regions[0]), c->vus.guest.mem_fd);
}

static void client_close(Client *c)
{
    close(c->channel);
    vus_client_close(&c->vus);
}

/* Fresh rings, none of which gets a descriptor. */
static void client_start(Client *c)
{
    ask_u64(c, VHOST_USER_SET_FEATURES, BIT(32) | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
    for (unsigned i = 0; i < QUEUES; i++) {
        VuGuestRing *ring = &c->vus.rings[i];
        struct vhost_vring_addr addr = vu_ring_addr(ring);

        memset(ring->desc, 0, vu_ring_bytes(ring->num));
        ring->avail_idx = ring->last_used = 0;
        ask_state(c, VHOST_USER_SET_VRING_NUM, i, ring->num);
        ask(c, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
        ask_state(c, VHOST_USER_VRING_KICK, i, 0);
        ask_state(c, VHOST_USER_SET_VRING_ENABLE, i, 1);
    }
}

static void kick(Client *c, unsigned queue)
{
    uint32_t state[2] = { queue, 0 };

    vus_client_send(&c->vus, VHOST_USER_VRING_KICK, 0, state, sizeof(state), -1);
}

static void submit_burst(Client *c)
{
    for (unsigned i = 0; i < QUEUES * BURST; i++) {
        vus_client_offer_on(&c->vus, i % QUEUES, i);
        kick(c, i % QUEUES);
    }
}

/* Nothing but messages tells that something is complete. */
static void complete(Client *c, unsigned count)
{
    unsigned done = 0;

    for (;;) {
        uint32_t notice[5];

        for (unsigned i = 0; i < QUEUES; i++) {
            while (vu_ring_reap(&c->vus.rings[i], NULL, NULL)) {
                done++;
            }
        }
        if (done == count) {
            return;
        }
        g_assert_cmpint(recv(c->channel, notice, sizeof(notice), MSG_WAITALL), ==, sizeof(notice));
        g_assert_true(notice[0] == VHOST_USER_BACKEND_VRING_CALL ||
                      (c->attacks && notice[0] == VHOST_USER_BACKEND_VRING_ERR));
        g_assert_cmphex(notice[1], ==, VHOST_USER_VERSION);
        g_assert_cmpuint(notice[3], <, QUEUES);
    }
}

static void complete_burst(Client *c)
{
    complete(c, QUEUES * BURST);
}

static void client_asks(VusClientThread *self)
{
    Client c;

    client_connect(self, &c);
    client_start(&c);
    for (int i = 0; i < ROUNDS; i++) {
        submit_burst(&c);
        complete_burst(&c);
    }
    client_close(&c);
}

static void forget_notices(Client *c)
{
    char bytes[4096];

    while (recv(c->channel, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

static void client_resets(VusClientThread *self)
{
    Device *device = self->device;
    Client c;

    client_connect(self, &c);
    for (int i = 0; i < ROUNDS; i++) {
        client_start(&c);
        submit_burst(&c);
        ask(&c, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
        g_assert_cmpuint(qatomic_read(&device->resets), ==, i + 1);
        forget_notices(&c);
    }
    client_start(&c);
    submit_burst(&c);
    complete_burst(&c);
    client_close(&c);
}

/* Requests are to be looked for yet when nobody is there any more. */
static void client_leaves(VusClientThread *self)
{
    for (int i = 0; i < ROUNDS; i++) {
        Client c;

        client_connect(self, &c);
        client_start(&c);
        for (unsigned n = 0; n < QUEUES * BURST; n++) {
            vus_client_offer_on(&c.vus, n % QUEUES, n);
        }
        for (unsigned n = 0; n < QUEUES; n++) {
            kick(&c, n);
        }
        client_close(&c);
    }
}

/* One kick for many malformed chains and a good one. */
static void client_attacks(VusClientThread *self)
{
    Client c;

    client_connect(self, &c);
    client_start(&c);
    c.attacks = true;
    for (int i = 0; i < ROUNDS / 4; i++) {
        for (unsigned q = 0; q < QUEUES; q++) {
            VuGuestRing *ring = &c.vus.rings[q];
            uint64_t gpa =
                vu_client_gpa(&c.vus.guest, c.vus.guest.mem) + c.vus.guest.mem_size / 2 + 64 * q;

            vu_ring_desc(ring, LOOP, gpa, 8, VRING_DESC_F_NEXT, LOOP);
            vu_ring_desc(ring, 0, gpa, 8, VRING_DESC_F_NEXT, 1);
            vu_ring_desc(ring, 1, gpa + 8, 8, VRING_DESC_F_WRITE, 0);
            for (unsigned n = 0; n < BAD; n++) {
                vu_ring_offer(ring, LOOP);
            }
            vu_ring_offer(ring, 0);
            kick(&c, q);
        }
        complete(&c, QUEUES * (BAD + 1));
    }
    client_close(&c);
}

/* In the ring, but nobody says so. */
static void client_does_not_kick(VusClientThread *self)
{
    Client c;

    client_connect(self, &c);
    client_start(&c);
    for (int i = 0; i < ROUNDS; i++) {
        for (unsigned n = 0; n < QUEUES * BURST; n++) {
            vus_client_offer_on(&c.vus, n % QUEUES, n);
        }
        vus_client_thread_round_done(self);
        complete_burst(&c);
    }
    client_close(&c);
}

/* It does not fit into the socket at once, if many are asked for without reading. */
static void client_asks_for_regions(VusClientThread *self)
{
    const unsigned num = 200;
    Client c;

    client_connect(self, &c);
    ask_u64(&c, VHOST_USER_SET_PROTOCOL_FEATURES,
            BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_SHMEM_MAP));
    for (unsigned i = 0; i < num; i++) {
        vus_client_send(&c.vus, VHOST_USER_GET_SHMEM_CONFIG, 0, NULL, 0, -1);
    }
    for (unsigned i = 0; i < num; i++) {
        struct {
            uint32_t head[3];
            uint32_t nregions;
            uint32_t padding;
            uint64_t size[256];
        } QEMU_PACKED got;

        g_assert_cmpint(recv(c.vus.guest.sock, &got, sizeof(got), MSG_WAITALL), ==, sizeof(got));
        g_assert_cmpuint(got.head[0], ==, VHOST_USER_GET_SHMEM_CONFIG);
        g_assert_cmphex(got.head[1], ==, VHOST_USER_VERSION | VHOST_USER_REPLY_MASK);
        g_assert_cmpuint(got.head[2], ==, 2056);
        g_assert_cmpuint(got.nregions, ==, 255);
        for (unsigned n = 0; n < 256; n++) {
            g_assert_cmpuint(got.size[n], ==, n * qemu_real_host_page_size());
        }
    }
    client_close(&c);
}

/* Tests */

static void test_large_answers_come_whole(void)
{
    Device *device = device_new();

    vus_client_thread_run(device, client_asks_for_regions);
    device_free(device);
}

static void test_kicks_and_calls_are_messages(void)
{
    Device *device = device_new();

    vus_client_thread_run(device, client_asks);
    g_assert_cmpuint(qatomic_read(&device->answered), ==, ROUNDS * QUEUES * BURST);
    device_free(device);
}

static void test_resets_wait_for_requests_in_all_threads(void)
{
    Device *device = device_new();

    vus_client_thread_run(device, client_resets);
    device_free(device);
}

static void test_client_leaves_while_queues_go_on(void)
{
    Device *device = device_new();

    qatomic_set(&device->slow, true);
    vus_client_thread_run(device, client_leaves);
    device_free(device);
}

static void test_malformed_chains_bring_pauses(void)
{
    Device *device = device_new();

    qatomic_set(&device->use_up, true);
    vus_client_thread_run(device, client_attacks);
    g_assert_cmpuint(qatomic_read(&device->pauses), >, 0);
    device_free(device);
}

typedef struct Look {
    Device *device;
    int queue;
} Look;

static void look_bh(void *opaque)
{
    g_autofree Look *look = opaque;

    vhost_user_server_kick_queue(&look->device->server, look->queue);
}

/* As a device does for which something has come, in the queues' threads. */
static void kick_queues(Device *device)
{
    for (int i = 0; i < QUEUES; i++) {
        Look *look = g_new(Look, 1);

        *look = (Look){ device, i };
        aio_bh_schedule_oneshot(device->expected[i], look_bh, look);
    }
}

static void nothing_bh(void *opaque)
{
}

static void settle_queues(void)
{
    for (int i = 0; i < QUEUES; i++) {
        aio_wait_bh_oneshot(iothread_get_aio_context(threads[i]), nothing_bh, NULL);
    }
}

static void test_device_kicks_queues_itself(void)
{
    Device *device = device_new();
    VusClientThread client;

    kick_queues(device); /* nobody is there: nothing happens */
    vus_client_thread_start(&client, device, client_does_not_kick);
    for (int i = 0; i < ROUNDS; i++) {
        vus_client_thread_wait_rounds(&client, i + 1);
        if (i % 2) {
            /* What comes in a drain is looked at after it. */
            vus_server_drain(&device->server);
            kick_queues(device);
            settle_queues();
            vus_server_drain_end(&device->server, qemu_get_aio_context());
        } else {
            kick_queues(device);
        }
    }
    vus_client_thread_join(&client);
    kick_queues(device);
    settle_queues();
    g_assert_cmpuint(qatomic_read(&device->answered), ==, ROUNDS * QUEUES * BURST);
    device_free(device);
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    for (int i = 0; i < QUEUES; i++) {
        g_autofree char *id = g_strdup_printf("test%d", i);

        threads[i] = iothread_create(id, &error_abort);
    }
    harness_add("/vhost-user-server-inband/kicks_and_calls_are_messages",
                test_kicks_and_calls_are_messages);
    harness_add("/vhost-user-server-inband/resets_wait_for_requests_in_all_threads",
                test_resets_wait_for_requests_in_all_threads);
    harness_add("/vhost-user-server-inband/large_answers_come_whole",
                test_large_answers_come_whole);
    harness_add("/vhost-user-server-inband/client_leaves_while_queues_go_on",
                test_client_leaves_while_queues_go_on);
    harness_add("/vhost-user-server-inband/malformed_chains_bring_pauses",
                test_malformed_chains_bring_pauses);
    harness_add("/vhost-user-server-inband/device_kicks_its_queues_itself",
                test_device_kicks_queues_itself);
    ret = harness_run();
    for (int i = 0; i < QUEUES; i++) {
        iothread_destroy(threads[i]);
    }
    return ret;
}
