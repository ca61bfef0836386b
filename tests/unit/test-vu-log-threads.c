/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration as a front-end does it, under load: the memory is copied while the device writes to
 * it, then what the log says, again and again; when the rings have been stopped and the rest was
 * copied, both memories must be the same. The guest itself writes nothing that is compared.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/virtio_config.h>

#include "qemu/atomic.h"
#include "harness.h"
#include "vu-thread-rig.h"

#define QUEUES     VU_THREAD_QUEUES
#define PAGE       4096
#define RING_ROOM  0x4000
#define DATA       (QUEUES * RING_ROOM)
#define DATA_PAGES 64 /* of each queue */
#define MEM        (DATA + QUEUES * DATA_PAGES * PAGE)
#define LOG_BYTES  DIV_ROUND_UP((VU_CLIENT_GPA + MEM) / PAGE, 8)
#define MIGRATIONS 12
#define PASSES     8
#define RING_SIZE  16

#define RING_FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_USER_F_PROTOCOL_FEATURES)

typedef struct Guest {
    VuClient *c;
    VuGuestRing ring;
    pthread_t thread;
    unsigned int requests; /* atomic */
    bool stop;             /* atomic */
} Guest;

typedef struct Migration {
    VuClient c;
    Guest guest[QUEUES];
    int log_fd;
    uint8_t *log;
    const uint8_t *image; /* the guest's memory, seen through a mapping of its own */
    uint8_t *copy;
} Migration;

/* ---- The device: other bytes each time, into all it is given ---- */

static void serve(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;

    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        unsigned int len = 0;

        for (unsigned int n = 0; n < e->in_num; n++) {
            memset(e->in_sg[n].iov_base, (int)(vq->stats.pops * 7), e->in_sg[n].iov_len);
            len += e->in_sg[n].iov_len;
        }
        vu_queue_push(dev, vq, e, len);
        free(e);
        vu_queue_notify(dev, vq);
    }
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? serve : NULL);
}

static const VuDevIface iface = { .queue_set_started = set_started };

/* ---- The guest: one thread a queue, two requests at a time ---- */

static void offer(Guest *g, unsigned int n)
{
    VuGuestRing *r = &g->ring;
    uint64_t at = DATA + r->index * DATA_PAGES * PAGE;
    uint64_t page = n * 2654435761u % (DATA_PAGES - 3);
    unsigned int head = n % (RING_SIZE / 2) * 2;

    /* From a few bytes on one page to all of three, and a status elsewhere. */
    vu_ring_desc(r, head, VU_CLIENT_GPA + at + page * PAGE + n % 61, 1 + n * 7919 % (2 * PAGE),
                 VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, head + 1);
    vu_ring_desc(r, head + 1, VU_CLIENT_GPA + at + (DATA_PAGES - 1) * PAGE + n % PAGE, 1,
                 VRING_DESC_F_WRITE, 0);
    vu_ring_offer(r, head);
}

static void *drive(void *opaque)
{
    Guest *g = opaque;
    VuGuestRing *r = &g->ring;

    for (unsigned int n = 0; !qatomic_load_acquire(&g->stop); n += 2) {
        offer(g, n);
        offer(g, n + 1);
        vu_ring_kick(r);
        for (int back = 0; back < 2;) {
            struct pollfd p = { .fd = r->call, .events = POLLIN };

            while (vu_ring_reap(r, NULL, NULL)) {
                back++;
            }
            if (back < 2) {
                g_assert_cmpint(poll(&p, 1, 60000), ==, 1);
                vu_ring_take_signal(r->call);
            }
        }
        qatomic_set(&g->requests, n + 2);
    }
    return NULL;
}

/* ---- The front-end ---- */

static void acked(VuClient *c, uint32_t request)
{
    g_assert_cmpuint(vu_client_recv_u64(c, request), ==, 0);
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

static void set_addr(VuClient *c, const VuGuestRing *r, bool log)
{
    struct vhost_vring_addr addr = vu_ring_addr(r);

    addr.flags = log;
    vu_client_send(c, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    acked(c, VHOST_USER_SET_VRING_ADDR);
}

static void start_ring(VuClient *c, VuGuestRing *r)
{
    set_file(c, VHOST_USER_SET_VRING_CALL, r->index, r->call);
    set_file(c, VHOST_USER_SET_VRING_KICK, r->index, r->kick);
}

static void set_log(Migration *m, bool on)
{
    VuClient *c = &m->c;
    VhostUserLog log = { LOG_BYTES, 0 };

    if (on) {
        vu_client_send(c, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), m->log_fd);
        acked(c, VHOST_USER_SET_LOG_BASE);
    }
    vu_client_send_u64(c, VHOST_USER_SET_FEATURES,
                       RING_FEATURES | (on ? 1ull << VHOST_F_LOG_ALL : 0));
    acked(c, VHOST_USER_SET_FEATURES);
    for (int i = 0; i < QUEUES; i++) {
        set_addr(c, &m->guest[i].ring, on);
    }
}

/* Copy what was marked since the last time; returns how many pages. */
static unsigned int copy_marked(Migration *m)
{
    unsigned int n = 0;

    for (uint64_t at = VU_CLIENT_GPA / PAGE / 8; at < LOG_BYTES; at++) {
        uint8_t bits = qatomic_read(&m->log[at]) ? qatomic_xchg(&m->log[at], 0) : 0;

        for (int bit = 0; bit < 8; bit++) {
            uint64_t offset = (at * 8 + bit) * PAGE - VU_CLIENT_GPA;

            if (bits >> bit & 1) {
                g_assert_cmpuint(offset, <, MEM);
                memcpy(m->copy + offset, m->image + offset, PAGE);
                n++;
            }
        }
    }
    return n;
}

static void assert_log_is_empty(Migration *m)
{
    for (uint64_t at = 0; at < LOG_BYTES; at++) {
        g_assert_cmphex(qatomic_read(&m->log[at]), ==, 0);
    }
}

static void assert_same(Migration *m)
{
    for (uint64_t page = DATA / PAGE; page < MEM / PAGE; page++) {
        if (memcmp(m->copy + page * PAGE, m->image + page * PAGE, PAGE)) {
            g_error("page %d of the data was written and not marked", (int)page);
        }
    }
    for (int i = 0; i < QUEUES; i++) {
        const struct vring_used *used = m->guest[i].ring.used;
        size_t at = (const uint8_t *)used - m->c.mem;

        g_assert_cmpmem(m->copy + at, 4 + 8 * RING_SIZE, m->image + at, 4 + 8 * RING_SIZE);
    }
}

/* All guests have had so many more requests done. */
static void let_run(Migration *m, unsigned int requests)
{
    for (int i = 0; i < QUEUES; i++) {
        unsigned int from = qatomic_read(&m->guest[i].requests);

        while (qatomic_read(&m->guest[i].requests) - from < requests) {
            g_usleep(100);
        }
    }
}

static void migrate(Migration *m)
{
    unsigned int pages = 0;
    VhostUserMsg reply;

    assert_log_is_empty(m);
    set_log(m, true);
    memcpy(m->copy, m->image, MEM);
    for (int pass = 0; pass < PASSES; pass++) {
        let_run(m, 4);
        pages += copy_marked(m);
    }
    g_assert_cmpuint(pages, >, 0);
    for (int i = 0; i < QUEUES; i++) {
        vu_client_send_state(&m->c, VHOST_USER_GET_VRING_BASE, i, 0);
        vu_client_recv(&m->c, VHOST_USER_GET_VRING_BASE, &reply);
        set_state(&m->c, VHOST_USER_SET_VRING_BASE, i, reply.payload.state.num);
    }
    copy_marked(m);
    assert_same(m);
    for (int i = 0; i < QUEUES; i++) {
        start_ring(&m->c, &m->guest[i].ring);
    }
    let_run(m, 2);
    set_log(m, false);
    copy_marked(m);
    let_run(m, 4);
}

static void begin(Migration *m, VuThreadRig *rig)
{
    VuClient *c = &m->c;
    int sv[2];

    memset(m, 0, sizeof(*m));
    m->log_fd = memfd_create("log", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(m->log_fd, LOG_BYTES), ==, 0);
    m->log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m->log_fd, 0);
    g_assert(m->log != MAP_FAILED);
    m->copy = g_malloc(MEM);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_thread_rig_init(rig, sv[1], &iface);
    vu_client_init(c, sv[0], MEM);
    m->image = mmap(NULL, MEM, PROT_READ, MAP_SHARED, c->mem_fd, 0);
    g_assert(m->image != MAP_FAILED);
    vu_client_send_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES, 1ull << 3 | 1ull << 1);
    acked(c, VHOST_USER_SET_PROTOCOL_FEATURES);
    vu_client_send_u64(c, VHOST_USER_SET_FEATURES, RING_FEATURES);
    acked(c, VHOST_USER_SET_FEATURES);
    vu_client_send_mem_table(c);
    acked(c, VHOST_USER_SET_MEM_TABLE);
    for (int i = 0; i < QUEUES; i++) {
        Guest *g = &m->guest[i];

        g->c = c;
        vu_ring_init(&g->ring, c, i, RING_SIZE, i * RING_ROOM);
        set_state(c, VHOST_USER_SET_VRING_NUM, i, RING_SIZE);
        set_addr(c, &g->ring, false);
        start_ring(c, &g->ring);
        set_state(c, VHOST_USER_SET_VRING_ENABLE, i, 1);
        g_assert_cmpint(pthread_create(&g->thread, NULL, drive, g), ==, 0);
    }
}

static void end(Migration *m, VuThreadRig *rig)
{
    for (int i = 0; i < QUEUES; i++) {
        qatomic_store_release(&m->guest[i].stop, true);
        pthread_join(m->guest[i].thread, NULL);
    }
    shutdown(m->c.sock, SHUT_RDWR);
    vu_thread_rig_done(rig);
    for (int i = 0; i < QUEUES; i++) {
        vu_ring_done(&m->guest[i].ring);
    }
    munmap((void *)m->image, MEM);
    vu_client_done(&m->c);
    munmap(m->log, LOG_BYTES);
    close(m->log_fd);
    g_free(m->copy);
}

static void test_copies_are_equal_after_many_migrations(void)
{
    Migration m;
    VuThreadRig rig;

    begin(&m, &rig);
    for (int i = 0; i < MIGRATIONS; i++) {
        migrate(&m);
    }
    end(&m, &rig);
}

/* The descriptor that tells of marks is replaced while it is written to. */
static void test_signalled_descriptor_changes_under_load(void)
{
    Migration m;
    VuThreadRig rig;
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int pipes[2];

    g_assert_cmpint(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), ==, 0);
    begin(&m, &rig);
    set_log(&m, true);
    for (int i = 0; i < 60; i++) {
        vu_client_send(&m.c, VHOST_USER_SET_LOG_FD, NULL, 0, i & 1 ? event : pipes[1]);
        acked(&m.c, VHOST_USER_SET_LOG_FD);
        let_run(&m, 2);
    }
    g_assert_cmpuint(vu_ring_take_signal(event), >, 0);
    end(&m, &rig);
    close(event);
    close(pipes[0]);
    close(pipes[1]);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-log-threads/copies_are_equal_after_many_migrations",
                test_copies_are_equal_after_many_migrations);
    harness_add("/vu-log-threads/signalled_descriptor_changes_under_load",
                test_signalled_descriptor_changes_under_load);
    return harness_run();
}
