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
#include "vu-client.h"
#include "vu-packed.h"

#define QUEUES    3
#define MEM       (1u << 20)
#define RING_ROOM 0x4000
#define DATA      0x40000
#define ROUNDS    700

typedef struct Rig Rig;

/* What control wants to be done in a queue's thread. */
typedef struct Order {
    vu_queue_fn fn; /* NULL: end */
    void *opaque;
    bool done;
} Order;

typedef struct Worker {
    Rig *rig;
    unsigned int index;
    pthread_t thread;
    pthread_mutex_t mutex; /* order, done */
    pthread_cond_t cond;
    Order *order;
    int bell;
    int kick; /* own thread */
    vu_watch_cb kick_cb;
    void *kick_data;
} Worker;

struct Rig {
    VuDev dev;
    Worker worker[QUEUES];
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool wake;
    pthread_t control;
    GString *panic;
};

static Rig *rig_of(VuDev *dev)
{
    return container_of(dev, Rig, dev);
}

/* ---- A queue's thread ---- */

static void run_order(Worker *w)
{
    Order *order = w->order;

    if (order->fn) {
        order->fn(&w->rig->dev, vu_get_queue(&w->rig->dev, w->index), order->opaque);
    }
    pthread_mutex_lock(&w->mutex);
    order->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

static void *work(void *opaque)
{
    Worker *w = opaque;
    bool end = false;

    while (!end) {
        struct pollfd p[2] = { { .fd = w->bell, .events = POLLIN },
                               { .fd = w->kick, .events = POLLIN } };

        g_assert_cmpint(poll(p, 2, -1), >, 0);
        if (p[0].revents) {
            vu_ring_take_signal(w->bell);
            end = !w->order->fn;
            run_order(w);
        } else {
            w->kick_cb(&w->rig->dev, VU_WATCH_IN, w->kick_data);
        }
    }
    return NULL;
}

static void give_order(Worker *w, vu_queue_fn fn, void *opaque)
{
    Order order = { fn, opaque, false };
    uint64_t one = 1;

    pthread_mutex_lock(&w->mutex);
    w->order = &order;
    g_assert_cmpint(write(w->bell, &one, sizeof(one)), ==, sizeof(one));
    while (!order.done) {
        pthread_cond_wait(&w->cond, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void run_on_queue(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque)
{
    give_order(&rig_of(dev)->worker[vq->index], fn, opaque);
}

typedef struct Watch {
    int fd;
    vu_watch_cb cb;
    void *data;
} Watch;

static void queue_watch(VuDev *dev, VuVirtq *vq, void *opaque)
{
    const Watch *watch = opaque;
    Worker *w = &rig_of(dev)->worker[vq->index];

    w->kick = watch->fd;
    w->kick_cb = watch->cb;
    w->kick_data = watch->data;
}

static void set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
    Watch watch = { fd, cb, data };

    give_order(&rig_of(dev)->worker[(uintptr_t)data], queue_watch, &watch);
}

static void queue_unwatch(VuDev *dev, VuVirtq *vq, void *opaque)
{
    Worker *w = &rig_of(dev)->worker[vq->index];

    if (w->kick == *(int *)opaque) {
        w->kick = -1;
    }
}

static void remove_watch(VuDev *dev, int fd)
{
    for (int i = 0; i < QUEUES; i++) {
        give_order(&rig_of(dev)->worker[i], queue_unwatch, &fd);
    }
}

/* ---- Control ---- */

static bool wait_for(VuDev *dev, vu_ready_cb ready, void *opaque)
{
    Rig *rig = rig_of(dev);

    pthread_mutex_lock(&rig->mutex);
    while (!ready(dev, opaque)) {
        while (!rig->wake) {
            pthread_cond_wait(&rig->woken, &rig->mutex);
        }
        rig->wake = false;
    }
    pthread_mutex_unlock(&rig->mutex);
    return true;
}

static void wake(VuDev *dev)
{
    Rig *rig = rig_of(dev);

    pthread_mutex_lock(&rig->mutex);
    rig->wake = true;
    pthread_cond_signal(&rig->woken);
    pthread_mutex_unlock(&rig->mutex);
}

static const VuIoOps io_ops = { .wait = wait_for, .wake = wake, .run_on_queue = run_on_queue };

static void *control(void *opaque)
{
    Rig *rig = opaque;

    while (vu_dispatch(&rig->dev)) {
    }
    return NULL;
}

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

static void remember_panic(VuDev *dev, const char *err)
{
    g_string_append(rig_of(dev)->panic, err);
}

static void rig_init(Rig *rig, int sock)
{
    memset(rig, 0, sizeof(*rig));
    rig->panic = g_string_new("");
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->woken, NULL);
    g_assert_true(
        vu_init(&rig->dev, QUEUES, sock, remember_panic, NULL, set_watch, remove_watch, &iface));
    vu_set_io_ops(&rig->dev, &io_ops);
    for (int i = 0; i < QUEUES; i++) {
        Worker *w = &rig->worker[i];

        w->rig = rig;
        w->index = i;
        w->kick = -1;
        w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->cond, NULL);
        g_assert_cmpint(pthread_create(&w->thread, NULL, work, w), ==, 0);
    }
    g_assert_cmpint(pthread_create(&rig->control, NULL, control, rig), ==, 0);
}

static void rig_done(Rig *rig)
{
    pthread_join(rig->control, NULL);
    g_assert_cmpstr(rig->panic->str, ==, "");
    vu_deinit(&rig->dev);
    for (int i = 0; i < QUEUES; i++) {
        Worker *w = &rig->worker[i];

        give_order(w, NULL, NULL);
        pthread_join(w->thread, NULL);
        close(w->bell);
        pthread_mutex_destroy(&w->mutex);
        pthread_cond_destroy(&w->cond);
    }
    pthread_mutex_destroy(&rig->mutex);
    pthread_cond_destroy(&rig->woken);
    g_string_free(rig->panic, true);
}

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
    Rig rig;
    int sv[2];

    g_assert_cmpint(ftruncate(log_fd, 1 << 20), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    rig_init(&rig, sv[1]);
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
    rig_done(&rig);
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
