/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each queue in a thread of its own, control in another, and a front-end that changes everything
 * that may change while rings run. Locks are pthread's, which the thread sanitizer sees.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/virtio_config.h>

#include "qemu/atomic.h"
#include "harness.h"
#include "vu-packed.h"
#include "vu-thread-rig.h"

#define QUEUES    VU_THREAD_QUEUES
#define MEM       (1u << 20)
#define RING_ROOM 0x4000
#define DATA      0x40000
#define ROUNDS    700

/* ---- The device: writes what it read, plus one, in batches of two ---- */

static void serve(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;
    unsigned int n = 0;

    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        const uint8_t *from = e->out_sg[0].iov_base;
        uint8_t *to = e->in_sg[0].iov_base;

        for (size_t i = 0; i < e->in_sg[0].iov_len; i++) {
            to[i] = from[i] + 1;
        }
        vu_queue_fill(dev, vq, e, e->in_sg[0].iov_len, n++);
        free(e);
        if (n == 2) {
            vu_queue_flush(dev, vq, n);
            n = 0;
            vu_queue_notify(dev, vq);
        }
    }
    vu_queue_flush(dev, vq, n);
    vu_queue_notify(dev, vq);
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? serve : NULL);
}

static const VuDevIface iface = { .queue_set_started = set_started };

/* ---- The guest: one thread a queue ---- */

typedef struct Guest {
    VuClient *c;
    bool is_packed;
    VuGuestRing ring;    /* if not */
    VuPackedRing packed; /* if so */
    unsigned index;
    int kick, call;
    pthread_t thread;
    int stop; /* atomic */
    int requests;
} Guest;

static void offer(Guest *g, unsigned int head, uint64_t from, uint64_t to)
{
    VuGuestRing *r = &g->ring;

    if (g->is_packed) {
        VuPackedBuf bufs[] = { { from, 64, 0 }, { to, 64, VRING_DESC_F_WRITE } };

        vu_packed_offer(&g->packed, head, bufs, 2);
        vu_packed_kick(&g->packed);
        return;
    }
    vu_ring_desc(r, head, from, 64, VRING_DESC_F_NEXT, head + 1);
    vu_ring_desc(r, head + 1, to, 64, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(r, head);
    vu_ring_kick(r);
}

static bool reap(Guest *g, uint32_t *ret_id)
{
    uint32_t len;

    return g->is_packed ? vu_packed_reap(&g->packed, ret_id, &len)
                        : vu_ring_reap(&g->ring, ret_id, NULL);
}

static void *drive(void *opaque)
{
    Guest *g = opaque;
    uint8_t *data = g->c->mem + DATA + g->index * 0x8000;

    for (int i = 0; !qatomic_load_acquire(&g->stop); i++) {
        uint8_t *from = data + i % 8 * 0x1000, *to = from + 0x800;
        unsigned int head = i % 8 * 2;
        uint32_t id;

        memset(from, i, 64);
        memset(to, 0, 64);
        offer(g, head, vu_client_gpa(g->c, from), vu_client_gpa(g->c, to));
        while (!reap(g, &id)) {
            struct pollfd p = { .fd = g->call, .events = POLLIN };

            g_assert_cmpint(poll(&p, 1, 20000), ==, 1);
            vu_ring_take_signal(g->call);
        }
        g_assert_cmpuint(id, ==, head);
        g_assert_cmpuint(to[0], ==, (uint8_t)(i + 1));
        g_assert_cmpuint(to[63], ==, (uint8_t)(i + 1));
        g->requests++;
    }
    return NULL;
}

/* ---- The front-end ---- */

static void acked(VuClient *c, uint32_t request)
{
    g_assert_cmpuint(vu_client_recv_u64(c, request), ==, 0);
}

static void set_features(VuClient *c, const Guest *g, uint64_t extra)
{
    uint64_t layout = g->is_packed ? 1ull << VIRTIO_F_RING_PACKED : 0;

    vu_client_send_u64(c, VHOST_USER_SET_FEATURES, 1ull << 32 | 1ull << 30 | layout | extra);
    acked(c, VHOST_USER_SET_FEATURES);
}

static void set_file(VuClient *c, uint32_t request, unsigned int index, int fd)
{
    vu_client_send_file(c, request, index, fd);
    acked(c, request);
}

static void set_state(VuClient *c, uint32_t request, unsigned int index, uint32_t num)
{
    vu_client_send_state(c, request, index, num);
    acked(c, request);
}

static struct vhost_vring_addr guest_init(Guest *g, VuClient *c, unsigned index, bool packed)
{
    *g = (Guest){ .c = c, .index = index, .is_packed = packed };
    if (packed) {
        vu_packed_init(&g->packed, c, index, 16, index * RING_ROOM);
        g->kick = g->packed.kick;
        g->call = g->packed.call;
        return vu_packed_addr(&g->packed);
    }
    vu_ring_init(&g->ring, c, index, 16, index * RING_ROOM);
    g->kick = g->ring.kick;
    g->call = g->ring.call;
    return vu_ring_addr(&g->ring);
}

static void guest_done(Guest *g)
{
    if (g->is_packed) {
        vu_packed_done(&g->packed);
    } else {
        vu_ring_done(&g->ring);
    }
}

static void set_up(VuClient *c, Guest *g, bool packed)
{
    vu_client_send_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES, 1ull << 15 | 1ull << 3 | 1ull << 1);
    acked(c, VHOST_USER_SET_PROTOCOL_FEATURES);
    g->is_packed = packed;
    set_features(c, g, 0);
    vu_client_send_mem_table(c);
    acked(c, VHOST_USER_SET_MEM_TABLE);
    for (int i = 0; i < QUEUES; i++) {
        struct vhost_vring_addr addr = guest_init(&g[i], c, i, packed);

        set_state(c, VHOST_USER_SET_VRING_NUM, i, 16);
        vu_client_send(c, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
        acked(c, VHOST_USER_SET_VRING_ADDR);
        set_file(c, VHOST_USER_SET_VRING_CALL, i, g[i].call);
        set_file(c, VHOST_USER_SET_VRING_KICK, i, g[i].kick);
        set_state(c, VHOST_USER_SET_VRING_ENABLE, i, 1);
    }
}

/* Stop a ring and start it again where it was. */
static void restart(VuClient *c, const Guest *g)
{
    VhostUserMsg reply;

    vu_client_send_state(c, VHOST_USER_GET_VRING_BASE, g->index, 0);
    vu_client_recv(c, VHOST_USER_GET_VRING_BASE, &reply);
    set_state(c, VHOST_USER_SET_VRING_BASE, g->index, reply.payload.state.num);
    set_file(c, VHOST_USER_SET_VRING_CALL, g->index, g->call);
    set_file(c, VHOST_USER_SET_VRING_KICK, g->index, g->kick);
}

/* Memory behind the rest comes and goes. */
static void hot_plug(VuClient *c)
{
    VhostUserMemRegMsg reg = { .region = { VU_CLIENT_GPA + MEM, 0x10000, 0x1000, 0 } };
    int fd = memfd_create("more", MFD_CLOEXEC);

    g_assert_cmpint(ftruncate(fd, 0x10000), ==, 0);
    vu_client_send(c, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), fd);
    acked(c, VHOST_USER_ADD_MEM_REG);
    vu_client_send(c, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), -1);
    acked(c, VHOST_USER_REM_MEM_REG);
    close(fd);
}

static void set_log(VuClient *c, int fd)
{
    VhostUserLog log = { VU_CLIENT_GPA / 4096 / 8 + 4096, 0 };

    vu_client_send(c, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), fd);
    acked(c, VHOST_USER_SET_LOG_BASE);
}

/* Everything that may change while rings run, again and again. */
static void disturb(VuClient *c, const Guest *guests, int log_fd, unsigned int round)
{
    const Guest *g = &guests[round % QUEUES];

    switch (round / QUEUES % 7) {
    case 0:
        vu_client_send_mem_table(c);
        acked(c, VHOST_USER_SET_MEM_TABLE);
        break;
    case 1:
        set_file(c, VHOST_USER_SET_VRING_CALL, g->index, g->call);
        break;
    case 2:
        set_log(c, log_fd);
        set_features(c, g, round & 1 ? 1ull << VHOST_F_LOG_ALL : 0);
        break;
    case 3:
        set_state(c, VHOST_USER_SET_VRING_ENABLE, g->index, 0);
        set_state(c, VHOST_USER_SET_VRING_ENABLE, g->index, 1);
        break;
    case 4:
        restart(c, g);
        break;
    case 5:
        hot_plug(c);
        break;
    default:
        set_file(c, VHOST_USER_SET_VRING_KICK, g->index, g->kick);
        break;
    }
}

static void test_rings_run_while_everything_changes(const void *packed)
{
    int log_fd = memfd_create("log", MFD_CLOEXEC);
    Guest g[QUEUES];
    VuClient c;
    VuThreadRig rig;
    int sv[2];

    g_assert_cmpint(ftruncate(log_fd, 1 << 20), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_thread_rig_init(&rig, sv[1], &iface);
    vu_client_init(&c, sv[0], MEM);
    set_up(&c, g, *(const bool *)packed);
    for (int i = 0; i < QUEUES; i++) {
        g_assert_cmpint(pthread_create(&g[i].thread, NULL, drive, &g[i]), ==, 0);
    }
    for (unsigned int round = 0; round < ROUNDS; round++) {
        disturb(&c, g, log_fd, round);
    }
    for (int i = 0; i < QUEUES; i++) {
        qatomic_store_release(&g[i].stop, true);
        pthread_join(g[i].thread, NULL);
        g_assert_cmpint(g[i].requests, >, 0);
    }
    shutdown(c.sock, SHUT_RDWR);
    vu_thread_rig_done(&rig);
    for (int i = 0; i < QUEUES; i++) {
        guest_done(&g[i]);
    }
    vu_client_done(&c);
    close(log_fd);
}

int main(int argc, char **argv)
{
    static const bool split = false, packed = true;

    harness_init(&argc, &argv);
    harness_add_data("/vu-threads/split_rings_run_while_everything_changes", &split,
                     test_rings_run_while_everything_changes);
    harness_add_data("/vu-threads/packed_rings_run_while_everything_changes", &packed,
                     test_rings_run_while_everything_changes);
    return harness_run();
}
