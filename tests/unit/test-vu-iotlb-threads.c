/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queues that translate at once while the front-end answers, invalidates and moves pages: what was
 * taken away is not touched after the answer, and every request is served.
 *
 * Every page that the device writes exists twice. The IOMMU shows it one of them; when that has
 * been taken away and the answer has come, it is filled with a mark and the other one is shown. The
 * mark must stand until the page is shown again.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include <linux/virtio_config.h>

#include "qemu/atomic.h"
#include "harness.h"
#include "vu-thread-rig.h"

#define QUEUES     VU_THREAD_QUEUES
#define PAGE       4096ull
#define IOVA       0x5000000000ull
#define RING_PAGES 4
#define SLOTS      8                            /* pages that the device writes, of each queue */
#define PAGES      (RING_PAGES + 1 + 2 * SLOTS) /* of each queue: ring, source, twice the slots */
#define MEM        (QUEUES * PAGES * PAGE)
#define MARK       0xee
#define ROUNDS     400
#define RING_SIZE  16

typedef struct Guest {
    VuClient *c;
    VuGuestRing ring;
    pthread_t thread;
    unsigned int requests; /* atomic */
    bool stop;             /* atomic */
} Guest;

typedef struct Front {
    VuClient c;
    int channel;
    Guest guest[QUEUES];
    bool second[QUEUES][SLOTS]; /* which of the two the IOMMU shows */
    unsigned int answers;
} Front;

/* ---- The device ---- */

static void serve(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;

    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        const uint8_t *from = e->out_sg[0].iov_base;

        for (unsigned int n = 0; n < e->in_num; n++) {
            memset(e->in_sg[n].iov_base, *from, e->in_sg[n].iov_len);
        }
        vu_queue_push(dev, vq, e, 1);
        free(e);
        vu_queue_notify(dev, vq);
    }
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? serve : NULL);
}

static uint64_t get_features(VuDev *dev)
{
    return 1ull << VIRTIO_F_ACCESS_PLATFORM;
}

static const VuDevIface iface = { .get_features = get_features, .queue_set_started = set_started };

/* ---- Addresses ---- */

/* The device sees the pages of a queue in order: ring, source, slots. */
static uint64_t queue_iova(unsigned int queue)
{
    return IOVA + queue * PAGES * PAGE;
}

static uint64_t slot_iova(unsigned int queue, unsigned int slot)
{
    return queue_iova(queue) + (RING_PAGES + 1 + slot) * PAGE;
}

static uint8_t *slot_page(Front *f, unsigned int queue, unsigned int slot, bool second)
{
    return f->c.mem + (queue * PAGES + RING_PAGES + 1 + slot + (second ? SLOTS : 0)) * PAGE;
}

static uint8_t *page_now(Front *f, uint64_t iova)
{
    uint64_t page = (iova - IOVA) / PAGE;
    unsigned int queue = page / PAGES;

    page %= PAGES;
    return page <= RING_PAGES ? f->c.mem + (queue * PAGES + page) * PAGE
                              : slot_page(f, queue, page - RING_PAGES - 1,
                                          f->second[queue][page - RING_PAGES - 1]);
}

/* ---- The guest ---- */

static void *drive(void *opaque)
{
    Guest *g = opaque;
    VuGuestRing *r = &g->ring;
    uint8_t *source = g->c->mem + (r->index * PAGES + RING_PAGES) * PAGE;

    for (unsigned int n = 0; !qatomic_load_acquire(&g->stop); n++) {
        unsigned int head = n % (RING_SIZE / 4) * 4;
        struct pollfd p = { .fd = r->call, .events = POLLIN };
        uint32_t id;

        qatomic_set(source, n % 0xe0);
        vu_ring_desc(r, head, queue_iova(r->index) + RING_PAGES * PAGE, 1, VRING_DESC_F_NEXT,
                     head + 1);
        vu_ring_desc(r, head + 1, slot_iova(r->index, n % (SLOTS - 2)) + n % PAGE, PAGE,
                     VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, head + 2);
        vu_ring_desc(r, head + 2, slot_iova(r->index, n % SLOTS), 17, VRING_DESC_F_WRITE, 0);
        vu_ring_offer(r, head);
        vu_ring_kick(r);
        while (!vu_ring_reap(r, &id, NULL)) {
            g_assert_cmpint(poll(&p, 1, 60000), ==, 1);
            vu_ring_take_signal(r->call);
        }
        g_assert_cmpuint(id, ==, head);
        qatomic_set(&g->requests, n + 1);
    }
    return NULL;
}

/* ---- The front-end ---- */

static void acked(VuClient *c, uint32_t request)
{
    g_assert_cmpuint(vu_client_recv_u64(c, request), ==, 0);
}

static void tell(Front *f, unsigned int type, uint64_t iova, uint64_t size)
{
    struct vhost_iotlb_msg msg = { .iova = iova, .size = size, .perm = 3, .type = type };

    if (type == VHOST_IOTLB_UPDATE) {
        msg.uaddr = (uintptr_t)page_now(f, iova);
    }
    vu_client_send_msg(
        &f->c,
        &(VuClientMsg){ .request = VHOST_USER_IOTLB_MSG, .payload = &msg, .size = sizeof(msg) });
    acked(&f->c, VHOST_USER_IOTLB_MSG);
}

/* Answer what was asked, waiting at most @ms for it. */
static void answer(Front *f, int ms)
{
    struct pollfd p = { .fd = f->channel, .events = POLLIN };
    struct {
        uint32_t head[3];
        struct vhost_iotlb_msg miss;
    } __attribute__((packed)) msg;

    while (poll(&p, 1, ms) > 0) {
        g_assert_cmpint(recv(f->channel, &msg, sizeof(msg), MSG_WAITALL), ==, sizeof(msg));
        g_assert_cmpuint(msg.miss.type, ==, VHOST_IOTLB_MISS);
        tell(f, VHOST_IOTLB_UPDATE, msg.miss.iova & ~(PAGE - 1), PAGE);
        f->answers++;
        ms = 0;
    }
}

static void move_page(Front *f, unsigned int queue, unsigned int slot)
{
    bool *second = &f->second[queue][slot];
    uint8_t *old = slot_page(f, queue, slot, *second);
    uint8_t *next = slot_page(f, queue, slot, !*second);

    tell(f, VHOST_IOTLB_INVALIDATE, slot_iova(queue, slot), PAGE);
    memset(old, MARK, PAGE);
    for (uint64_t i = 0; i < PAGE; i++) {
        g_assert_cmphex(next[i], ==, MARK);
    }
    *second = !*second;
}

static void check_marks(Front *f)
{
    for (unsigned int queue = 0; queue < QUEUES; queue++) {
        for (unsigned int slot = 0; slot < SLOTS; slot++) {
            const uint8_t *hidden = slot_page(f, queue, slot, !f->second[queue][slot]);

            for (uint64_t i = 0; i < PAGE; i++) {
                g_assert_cmphex(hidden[i], ==, MARK);
            }
        }
    }
}

static void set_file(VuClient *c, uint32_t request, unsigned int index, int fd)
{
    vu_client_send_file(c, request, index, fd);
    acked(c, request);
}

static void start_ring(Front *f, Guest *g, unsigned int index)
{
    VuClient *c = &f->c;
    VuGuestRing *r = &g->ring;
    uint8_t *base = c->mem + index * PAGES * PAGE;
    struct vhost_vring_addr addr = { .index = index };

    memset(base, 0, RING_PAGES * PAGE);
    vu_ring_init(r, c, index, RING_SIZE, base - c->mem);
    addr.desc_user_addr = queue_iova(index) + ((uint8_t *)r->desc - base);
    addr.avail_user_addr = queue_iova(index) + ((uint8_t *)r->avail - base);
    addr.used_user_addr = queue_iova(index) + ((uint8_t *)r->used - base);
    vu_client_send_state(c, VHOST_USER_SET_VRING_NUM, index, RING_SIZE);
    acked(c, VHOST_USER_SET_VRING_NUM);
    vu_client_send(c, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    acked(c, VHOST_USER_SET_VRING_ADDR);
    set_file(c, VHOST_USER_SET_VRING_CALL, index, r->call);
    set_file(c, VHOST_USER_SET_VRING_KICK, index, r->kick);
    vu_client_send_state(c, VHOST_USER_SET_VRING_ENABLE, index, 1);
    acked(c, VHOST_USER_SET_VRING_ENABLE);
}

static void begin(Front *f, VuThreadRig *rig)
{
    VuClient *c = &f->c;
    int sv[2], channel[2];

    memset(f, 0, sizeof(*f));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), ==, 0);
    vu_thread_rig_init(rig, sv[1], &iface);
    vu_client_init(c, sv[0], MEM);
    memset(c->mem, MARK, MEM);
    vu_client_send_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES, 1ull << 3 | 1ull << 5);
    acked(c, VHOST_USER_SET_PROTOCOL_FEATURES);
    vu_client_send_u64(c, VHOST_USER_SET_FEATURES,
                       1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_USER_F_PROTOCOL_FEATURES |
                           1ull << VIRTIO_F_ACCESS_PLATFORM);
    acked(c, VHOST_USER_SET_FEATURES);
    vu_client_send(c, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, channel[1]);
    acked(c, VHOST_USER_SET_BACKEND_REQ_FD);
    close(channel[1]);
    f->channel = channel[0];
    vu_client_send_mem_table(c);
    acked(c, VHOST_USER_SET_MEM_TABLE);
    for (unsigned int i = 0; i < QUEUES; i++) {
        Guest *g = &f->guest[i];

        g->c = c;
        start_ring(f, g, i);
        g_assert_cmpint(pthread_create(&g->thread, NULL, drive, g), ==, 0);
    }
}

static bool ended(Front *f)
{
    for (int i = 0; i < QUEUES; i++) {
        if (f->guest[i].thread && pthread_tryjoin_np(f->guest[i].thread, NULL) == 0) {
            f->guest[i].thread = 0;
        }
        if (f->guest[i].thread) {
            return false;
        }
    }
    return true;
}

static void end(Front *f, VuThreadRig *rig)
{
    for (int i = 0; i < QUEUES; i++) {
        qatomic_store_release(&f->guest[i].stop, true);
    }
    while (!ended(f)) {
        answer(f, 1);
    }
    shutdown(f->c.sock, SHUT_RDWR);
    vu_thread_rig_done(rig);
    for (int i = 0; i < QUEUES; i++) {
        g_assert_cmpuint(f->guest[i].requests, >, 10);
        vu_ring_done(&f->guest[i].ring);
    }
    vu_client_done(&f->c);
    close(f->channel);
}

static void test_pages_move_while_queues_translate(void)
{
    VuThreadRig rig;
    Front f;

    begin(&f, &rig);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        unsigned int before = f.answers;

        /* What was taken away in the last round is asked for again. */
        while (f.answers == before) {
            answer(&f, 1000);
        }
        if (round % 16 == 15) {
            tell(&f, VHOST_IOTLB_INVALIDATE, 0, 0); /* the rings as well */
        } else {
            move_page(&f, round % QUEUES, round / QUEUES % SLOTS);
        }
        if (round % 50 == 49) {
            check_marks(&f);
        }
    }
    check_marks(&f);
    end(&f, &rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-iotlb-threads/pages_move_while_queues_translate",
                test_pages_move_while_queues_translate);
    return harness_run();
}
