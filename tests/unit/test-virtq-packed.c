/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to packed rings: wrap counters, buffer ids, bases, events.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#define PACKED    (1ull << VIRTIO_F_RING_PACKED)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define F_WRITE   VRING_DESC_F_WRITE

typedef struct Element {
    VuVirtqElement elem;
    int mark;
} Element;

typedef struct Packed {
    VuRig rig;
    VuPackedRing ring;
    VuVirtq *vq;
} Packed;

static void packed_begin(Packed *p, uint64_t features, unsigned int num)
{
    vu_rig_init(&p->rig);
    vu_rig_ready(&p->rig, features | PACKED);
    vu_rig_start_packed(&p->rig, &p->ring, 0, num);
    p->vq = vu_get_queue(&p->rig.dev, 0);
}

static void packed_done(Packed *p)
{
    vu_packed_done(&p->ring);
    vu_rig_done(&p->rig);
}

static Element *pop(Packed *p)
{
    return vu_queue_pop(&p->rig.dev, p->vq, sizeof(Element));
}

static void push(Packed *p, Element *e, uint32_t len)
{
    vu_queue_push(&p->rig.dev, p->vq, &e->elem, len);
    free(e);
}

/* A chain of @n readable buffers, of 8, 9, 10... bytes. */
static void offer(Packed *p, uint16_t id, unsigned int n)
{
    VuPackedBuf bufs[64];

    g_assert_cmpuint(n, <=, G_N_ELEMENTS(bufs));
    for (unsigned int i = 0; i < n; i++) {
        uint8_t *at = vu_rig_buffer(&p->rig, (id * 8 + i) * 64);

        bufs[i] = (VuPackedBuf){ vu_client_gpa(&p->rig.client, at), 8 + i, 0 };
    }
    vu_packed_offer(&p->ring, id, bufs, n);
}

static void assert_used(Packed *p, uint32_t id, uint32_t len)
{
    uint32_t got_id, got_len;

    g_assert_true(vu_packed_reap(&p->ring, &got_id, &got_len));
    g_assert_cmpuint(got_id, ==, id);
    g_assert_cmpuint(got_len, ==, len);
}

static void test_used_descriptor_says_whether_anything_was_written(void)
{
    Packed p;

    packed_begin(&p, 0, 2);
    for (unsigned int i = 0; i < 8; i++) {
        unsigned int wrap = i / 2 % 2 ? 0 : VU_PACKED_AVAIL | VU_PACKED_USED;

        offer(&p, 0, 1);
        push(&p, pop(&p), i % 3);
        g_assert_cmphex(vu_packed_used_flags(&p.ring), ==, wrap | (i % 3 ? F_WRITE : 0));
        assert_used(&p, 0, i % 3);
    }
    packed_done(&p);
}

/* Chains of 1 to 5 slots, so that they cross the end of the ring in every way. */
static void wrap_many_times(unsigned int num)
{
    Packed p;

    packed_begin(&p, EVENT_IDX, num);
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int n = 1 + i % MIN(5, num);
        Element *e;

        offer(&p, i % num, n);
        e = pop(&p);
        g_assert_nonnull(e);
        g_assert_cmpuint(e->elem.index, ==, i % num);
        g_assert_cmpuint(e->elem.out_num, ==, n);
        g_assert_cmpuint(e->elem.out_sg[n - 1].iov_len, ==, 8 + n - 1);
        g_assert_null(pop(&p));
        push(&p, e, i % 7);
        assert_used(&p, i % num, i % 7);
    }
    packed_done(&p);
}

static void test_ring_wraps_many_times(void)
{
    wrap_many_times(16);
}

static void test_ring_of_any_size_wraps(void)
{
    wrap_many_times(1);
    wrap_many_times(7);
    wrap_many_times(13);
}

/* A used descriptor takes the oldest slot, the next one follows by the length of the chain. */
static void test_out_of_order_completions_find_their_slots(void)
{
    Packed p;
    Element *e[3];

    packed_begin(&p, 0, 8);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 3; i++) {
            offer(&p, i, i + 1);
            e[i] = pop(&p);
            g_assert_nonnull(e[i]);
        }
        for (int i = 2; i >= 0; i--) {
            push(&p, e[i], i);
        }
        for (int i = 2; i >= 0; i--) {
            assert_used(&p, i, i);
        }
        g_assert_false(vu_packed_reap(&p.ring, NULL, NULL));
    }
    packed_done(&p);
}

/* ---- Bases ---- */

/* Only the base differs from a ring as vu_rig_start_packed() starts it. */
static void send_start(Packed *p, uint32_t base)
{
    vu_ring_take_signal(p->ring.call);
    vu_rig_start_ring(&p->rig, &(VuRigStart){ .num = p->ring.num,
                                              .base = base,
                                              .addr = vu_packed_addr(&p->ring),
                                              .kick = p->ring.kick,
                                              .call = p->ring.call,
                                              .err = p->ring.err });
}

static void round_trip(Packed *p, uint16_t id)
{
    Element *e;

    offer(p, id, 1);
    e = pop(p);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, id);
    push(p, e, 0);
    assert_used(p, id, 0);
}

/* As the drivers of user space have it: they leave the used half zero. */
static void test_base_of_the_available_half_alone_is_understood(void)
{
    Packed p;

    packed_begin(&p, 0, 16);
    vu_rig_stop(&p.rig, 0);
    vu_packed_reset(&p.ring);
    send_start(&p, 0x8000);
    for (int i = 0; i < 40; i++) {
        round_trip(&p, i % 16);
    }
    vu_rig_stop(&p.rig, 0);
    send_start(&p, vu_packed_base(&p.ring) & 0xffff);
    round_trip(&p, 3);
    packed_done(&p);
}

/* As User-Mode Linux has it: 0 is where a split ring begins. */
static void test_base_of_zero_starts_a_ring_that_was_never_used(void)
{
    Packed p;

    packed_begin(&p, 0, 16);
    vu_rig_stop(&p.rig, 0);
    vu_packed_reset(&p.ring);
    /* What was made available before the start is no proof of the contrary. */
    for (int i = 0; i < 16; i++) {
        offer(&p, i, 1);
    }
    send_start(&p, 0);
    for (int i = 0; i < 16; i++) {
        Element *e = pop(&p);

        g_assert_nonnull(e);
        push(&p, e, 0);
        assert_used(&p, i, 0);
    }
    packed_done(&p);
}

/* The second lap has the wrap counter at 0, and the first slot has both halves zero. */
static void test_base_of_zero_is_meant_in_a_ring_that_was_used(void)
{
    Packed p;

    packed_begin(&p, 0, 16);
    for (int i = 0; i < 16; i++) {
        round_trip(&p, i);
    }
    g_assert_cmphex(vu_packed_base(&p.ring), ==, 0);
    offer(&p, 7, 1);
    g_assert_cmphex(vu_rig_stop(&p.rig, 0), ==, 0);
    send_start(&p, 0);
    for (int lap = 0; lap < 3; lap++) {
        Element *e = pop(&p);

        g_assert_nonnull(e);
        push(&p, e, 0);
        assert_used(&p, 7, 0);
        offer(&p, 7, 1);
    }
    packed_done(&p);
}

static void test_ring_without_a_base_begins_at_its_beginning(void)
{
    VuPackedRing ring;
    VuRig rig;
    struct vhost_vring_addr addr;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, PACKED);
    vu_packed_init(&ring, &rig.client, 0, 8, 0);
    addr = vu_packed_addr(&ring);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 8);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send(&rig.client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    g_assert_cmphex(vu_rig_stop(&rig, 0), ==, VU_PACKED_FRESH_BASE);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, ring.kick);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmphex(vu_rig_stop(&rig, 0), ==, VU_PACKED_FRESH_BASE);
    vu_packed_done(&ring);
    vu_rig_done(&rig);
}

static void test_base_that_cannot_be_is_refused(void)
{
    /* Of 16 slots: outside; more available than the ring has; used is ahead. */
    static const uint32_t bad[] = { 0x80008010, 0x80108000, 0x80018000, 0x80028001, 0x80030004 };
    static const uint32_t good[] = { 0x80008000, 0x80008005, 0x80058005, 0x00000000,
                                     0x000f800f, 0x80050002, 0x00008001 };
    Packed p;

    packed_begin(&p, 0, 16);
    vu_rig_stop(&p.rig, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        vu_client_send_state(&p.rig.client, VHOST_USER_SET_VRING_BASE, 0, good[i]);
        vu_rig_accepted(&p.rig, VHOST_USER_SET_VRING_BASE);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        vu_client_send_state(&p.rig.client, VHOST_USER_SET_VRING_BASE, 0, bad[i]);
        vu_rig_refused(&p.rig, VHOST_USER_SET_VRING_BASE);
    }
    packed_done(&p);
}

static void assert_start(Packed *p, uint32_t base, bool ok)
{
    VuClient *c = &p->rig.client;

    vu_client_send_state(c, VHOST_USER_SET_VRING_BASE, 0, base);
    vu_rig_accepted(&p->rig, VHOST_USER_SET_VRING_BASE);
    vu_client_send_file(c, VHOST_USER_SET_VRING_KICK, 0, p->ring.kick);
    if (!ok) {
        vu_rig_refused(&p->rig, VHOST_USER_SET_VRING_KICK);
        return;
    }
    vu_rig_accepted(&p->rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmphex(vu_rig_stop(&p->rig, 0), ==, base);
}

/* With chains of one slot each, as indirect ones are, there is one place where it may start. */
static void test_ring_starts_only_where_it_stands(void)
{
    Packed p;

    packed_begin(&p, 0, 5);
    for (int i = 0; i < 23; i++) {
        uint32_t here = vu_packed_base(&p.ring);

        g_assert_cmphex(vu_rig_stop(&p.rig, 0), ==, here);
        for (uint32_t half = 0; half < 0x8005; half = half == 4 ? 0x8000 : half + 1) {
            uint32_t base = half | half << 16;

            /* Where no mark says "used", 0 means the beginning. */
            if (base != 0 || here != VU_PACKED_FRESH_BASE) {
                assert_start(&p, base, base == here);
            }
        }
        send_start(&p, here);
        offer(&p, i % 5, 1);
        push(&p, pop(&p), 0);
        assert_used(&p, i % 5, 0);
    }
    packed_done(&p);
}

/* ---- Sizes ---- */

static void test_size_is_a_power_of_two_only_where_it_must_be(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 13);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, PACKED | 1ull << 32 | 1ull << 30);
    vu_rig_accepted(&rig, VHOST_USER_SET_FEATURES);
    for (unsigned int num = 1; num < 1024; num = num * 2 + 1) {
        vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, num);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    }
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 0);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 1025);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_rig_done(&rig);
}

/* One buffer behind the largest ring there is, offered under all ids, twice round. */
static void largest_ring(bool packed)
{
    const unsigned int num = VU_MAX_QUEUE_SIZE;
    VuRig rig;
    VuVirtq *vq;
    VuPackedRing ring;
    VuGuestRing split;
    VuPackedBuf buf;
    VuRigStart start = { .num = num };

    vu_rig_init(&rig);
    g_assert_true(vu_set_max_queue_size(&rig.dev, num));
    vu_rig_ready(&rig, packed ? PACKED : 0);
    vq = vu_get_queue(&rig.dev, 0);
    vu_packed_init(&ring, &rig.client, 0, num, 0);
    vu_ring_init(&split, &rig.client, 0, num, 0);
    start.addr = packed ? vu_packed_addr(&ring) : vu_ring_addr(&split);
    start.base = packed ? VU_PACKED_FRESH_BASE : 0;
    start.kick = ring.kick;
    start.call = ring.call;
    start.err = ring.err;
    vu_rig_start_ring(&rig, &start);
    buf = (VuPackedBuf){ VU_CLIENT_GPA + VU_RIG_MEM - 4096, 8, 0 };
    for (unsigned int lap = 0; lap < 2; lap++) {
        g_autofree VuVirtqElement **e = g_new(VuVirtqElement *, num);

        for (unsigned int i = 0; i < num; i++) {
            if (packed) {
                vu_packed_offer(&ring, i, &buf, 1);
            } else {
                vu_ring_desc(&split, i, buf.gpa, buf.len, 0, 0);
                vu_ring_offer(&split, i);
            }
        }
        for (unsigned int i = 0; i < num; i++) {
            e[i] = vu_queue_pop(&rig.dev, vq, sizeof(*e[i]));
            g_assert_nonnull(e[i]);
            g_assert_cmpuint(e[i]->index, ==, i);
        }
        g_assert_cmpuint(vu_queue_inuse(vq), ==, num);
        for (unsigned int i = num; i-- > 0;) {
            uint32_t id, len;

            vu_queue_push(&rig.dev, vq, e[i], i);
            free(e[i]);
            g_assert_true(packed ? vu_packed_reap(&ring, &id, &len)
                                 : vu_ring_reap(&split, &id, &len));
            g_assert_cmpuint(id, ==, i);
            g_assert_cmpuint(len, ==, i);
        }
    }
    vu_ring_done(&split);
    vu_packed_done(&ring);
    vu_rig_done(&rig);
}

static void test_largest_split_ring_works(void)
{
    largest_ring(false);
}

static void test_largest_packed_ring_works(void)
{
    largest_ring(true);
}

/* ---- What the layout forbids ---- */

static void assert_broken(Packed *p)
{
    VuQueueStats stats;

    g_assert_null(pop(p));
    g_assert_null(pop(p));
    vu_queue_get_stats(&p->rig.dev, p->vq, &stats);
    g_assert_cmpuint(stats.breaks, ==, 1);
    g_assert_cmpuint(vu_ring_take_signal(p->ring.err), ==, 1);
    g_assert_false(p->rig.dev.broken);
    vu_rig_stop(&p->rig, 0);
    vu_packed_reset(&p->ring);
    send_start(p, VU_PACKED_FRESH_BASE);
    round_trip(p, 2);
}

static void test_id_beyond_the_ring_breaks_it(void)
{
    Packed p;
    VuPackedBuf buf;

    packed_begin(&p, 0, 16);
    buf = (VuPackedBuf){ vu_client_gpa(&p.rig.client, vu_rig_buffer(&p.rig, 0)), 8, 0 };
    vu_packed_put(&p.ring, 0, &buf, 16, VU_PACKED_AVAIL);
    assert_broken(&p);
    vu_packed_put(&p.ring, 1, &buf, UINT16_MAX, VU_PACKED_AVAIL);
    g_assert_null(pop(&p));
    g_assert_cmpuint(vu_ring_take_signal(p.ring.err), ==, 1);
    packed_done(&p);
}

static void test_chain_without_an_end_breaks_the_ring(void)
{
    Packed p;
    VuPackedBuf buf;

    packed_begin(&p, 0, 16);
    buf = (VuPackedBuf){ vu_client_gpa(&p.rig.client, vu_rig_buffer(&p.rig, 0)), 8, 0 };
    for (int i = 0; i < 16; i++) {
        vu_packed_put(&p.ring, i, &buf, i, VU_PACKED_AVAIL | VRING_DESC_F_NEXT);
    }
    assert_broken(&p);
    packed_done(&p);
}

/* The guest takes slots again that the device has not given back. */
static void test_more_descriptors_than_slots_break_the_ring(void)
{
    Packed p;
    Element *e[3];

    packed_begin(&p, 0, 16);
    for (int i = 0; i < 3; i++) {
        offer(&p, i, 5);
        e[i] = pop(&p);
        g_assert_nonnull(e[i]);
    }
    offer(&p, 3, 2);
    g_assert_null(pop(&p));
    for (int i = 0; i < 3; i++) {
        push(&p, e[i], 0);
    }
    assert_broken(&p);
    packed_done(&p);
}

/* 2.8.7: only the write flag means anything there. */
static void test_other_flags_in_a_table_are_ignored(void)
{
    Packed p;
    VuPackedBuf bufs[3], table;
    uint64_t gpa;
    Element *e;

    packed_begin(&p, INDIRECT, 16);
    gpa = vu_client_gpa(&p.rig.client, vu_rig_buffer(&p.rig, 0));
    bufs[0] = (VuPackedBuf){ gpa, 8, VRING_DESC_F_INDIRECT };
    bufs[1] = (VuPackedBuf){ gpa + 64, 9, VU_PACKED_USED };
    bufs[2] = (VuPackedBuf){ gpa + 128, 10, F_WRITE | VRING_DESC_F_NEXT };
    vu_packed_table(vu_rig_buffer(&p.rig, 4096 + 4), bufs, 3);
    table = (VuPackedBuf){ gpa + 4096 + 4, 48, VRING_DESC_F_INDIRECT | F_WRITE };
    vu_packed_offer(&p.ring, 1, &table, 1);
    e = pop(&p);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.out_num, ==, 2);
    g_assert_cmpuint(e->elem.out_sg[1].iov_len, ==, 9);
    g_assert_cmpuint(e->elem.in_num, ==, 1);
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, 10);
    push(&p, e, 0);
    packed_done(&p);
}

static void test_layout_cannot_change_under_a_running_ring(void)
{
    const uint64_t base = 1ull << 32 | 1ull << 30;
    Packed p;

    packed_begin(&p, 0, 16);
    vu_client_send_u64(&p.rig.client, VHOST_USER_SET_FEATURES, base);
    vu_rig_refused(&p.rig, VHOST_USER_SET_FEATURES);
    /* What does not concern the layout can. */
    vu_client_send_u64(&p.rig.client, VHOST_USER_SET_FEATURES,
                       base | PACKED | 1ull << VHOST_F_LOG_ALL);
    vu_rig_accepted(&p.rig, VHOST_USER_SET_FEATURES);
    round_trip(&p, 0);
    vu_rig_stop(&p.rig, 0);
    vu_client_send_u64(&p.rig.client, VHOST_USER_SET_FEATURES, base);
    vu_rig_accepted(&p.rig, VHOST_USER_SET_FEATURES);
    packed_done(&p);
}

/* ---- Notifications ---- */

static void test_device_event_names_the_next_slot(void)
{
    Packed p;
    uint16_t place;

    packed_begin(&p, EVENT_IDX, 4);
    for (int i = 0; i < 20; i++) {
        g_assert_null(pop(&p));
        g_assert_cmpuint(vu_packed_get_event(&p.ring, &place), ==, VRING_PACKED_EVENT_FLAG_DESC);
        g_assert_cmphex(place, ==, i % 4 | (i / 4 % 2 ? 0 : VU_PACKED_WRAP));
        round_trip(&p, i % 4);
    }
    vu_queue_set_notification(&p.rig.dev, p.vq, 0);
    g_assert_cmpuint(vu_packed_get_event(&p.ring, NULL), ==, VRING_PACKED_EVENT_FLAG_DISABLE);
    packed_done(&p);
}

static void test_event_that_makes_no_sense_means_an_interrupt(void)
{
    Packed p;

    packed_begin(&p, EVENT_IDX, 4);
    for (int i = 0; i < 20; i++) {
        /* A slot that does not exist, then flags that do not. */
        vu_packed_set_event(&p.ring, i % 2 ? 3 : VRING_PACKED_EVENT_FLAG_DESC, 4 + i, i % 3);
        round_trip(&p, i % 4);
        vu_queue_notify(&p.rig.dev, p.vq);
        g_assert_cmpuint(vu_ring_take_signal(p.ring.call), ==, 1);
    }
    packed_done(&p);
}

/* ---- The dirty log ---- */

static void test_used_descriptors_and_the_event_are_logged_where_they_are(void)
{
    const uint64_t first_page = VU_CLIENT_GPA / VHOST_LOG_PAGE;
    const VhostUserLog where = { .mmap_size = first_page / 8 + 64 };
    int fd = memfd_create("log", MFD_CLOEXEC);
    struct vhost_vring_addr addr;
    uint64_t features = PACKED | 1ull << 32 | 1ull << 30 | 1ull << VHOST_F_LOG_ALL;
    uint8_t *log;
    Packed p;

    g_assert_cmpint(ftruncate(fd, where.mmap_size), ==, 0);
    log = mmap(NULL, where.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    log += first_page / 8;
    /* Two pages of descriptors, and the events in a third. */
    packed_begin(&p, 0, 512);
    vu_client_send(&p.rig.client, VHOST_USER_SET_LOG_BASE, &where, sizeof(where), fd);
    g_assert_true(vu_dispatch(&p.rig.dev));
    g_assert_cmpuint(vu_client_recv_u64(&p.rig.client, VHOST_USER_SET_LOG_BASE), ==, 0);
    vu_client_send_u64(&p.rig.client, VHOST_USER_SET_FEATURES, features);
    vu_rig_accepted(&p.rig, VHOST_USER_SET_FEATURES);
    round_trip(&p, 0);
    g_assert_cmphex(log[0], ==, 0); /* the ring's own flag is off */
    addr = vu_packed_addr(&p.ring);
    addr.flags = 1u << VHOST_VRING_F_LOG;
    addr.log_guest_addr = VU_CLIENT_GPA + 7 * VHOST_LOG_PAGE; /* that of a split ring */
    vu_client_send(&p.rig.client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    vu_rig_accepted(&p.rig, VHOST_USER_SET_VRING_ADDR);
    for (int i = 1; i < 256; i++) {
        round_trip(&p, i);
        g_assert_cmphex(log[0], ==, 1);
    }
    round_trip(&p, 256);
    g_assert_cmphex(log[0], ==, 3);
    vu_queue_set_notification(&p.rig.dev, p.vq, 0);
    g_assert_cmphex(log[0], ==, 7);
    packed_done(&p);
    munmap(log - first_page / 8, where.mmap_size);
    close(fd);
}

static void leave_hole(Packed *p, unsigned int first, unsigned int hole)
{
    for (unsigned int i = first; i < 4; i++) {
        Element *e;

        offer(p, i, 1);
        e = pop(p);
        g_assert_nonnull(e);
        if (i != hole) {
            vu_queue_fill(&p->rig.dev, p->vq, &e->elem, 0, i - first);
        }
        free(e);
    }
    vu_queue_flush(&p->rig.dev, p->vq, 4 - first);
}

/* The device's own mistake: it ends at once instead of writing for ever. */
static void test_a_hole_in_a_batch_is_noticed(void)
{
    Packed p;

    if (g_test_subprocess()) {
        packed_begin(&p, 0, 8);
        leave_hole(&p, 0, 2);
        return;
    }
    g_test_trap_subprocess(NULL, 10 * G_TIME_SPAN_SECOND, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*nelems > 0*");
}

static void test_a_hole_does_not_show_what_was_flushed_before(void)
{
    Packed p;

    if (g_test_subprocess()) {
        packed_begin(&p, 0, 8);
        leave_hole(&p, 0, 4);
        leave_hole(&p, 1, 2);
        return;
    }
    g_test_trap_subprocess(NULL, 10 * G_TIME_SPAN_SECOND, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*nelems > 0*");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq-packed/used_descriptor_says_whether_anything_was_written",
                test_used_descriptor_says_whether_anything_was_written);
    harness_add("/virtq-packed/ring_wraps_many_times", test_ring_wraps_many_times);
    harness_add("/virtq-packed/ring_of_any_size_wraps", test_ring_of_any_size_wraps);
    harness_add("/virtq-packed/out_of_order_completions_find_their_slots",
                test_out_of_order_completions_find_their_slots);
    harness_add("/virtq-packed/base_of_the_available_half_alone_is_understood",
                test_base_of_the_available_half_alone_is_understood);
    harness_add("/virtq-packed/base_of_zero_starts_a_ring_that_was_never_used",
                test_base_of_zero_starts_a_ring_that_was_never_used);
    harness_add("/virtq-packed/base_of_zero_is_meant_in_a_ring_that_was_used",
                test_base_of_zero_is_meant_in_a_ring_that_was_used);
    harness_add("/virtq-packed/ring_without_a_base_begins_at_its_beginning",
                test_ring_without_a_base_begins_at_its_beginning);
    harness_add("/virtq-packed/base_that_cannot_be_is_refused",
                test_base_that_cannot_be_is_refused);
    harness_add("/virtq-packed/ring_starts_only_where_it_stands",
                test_ring_starts_only_where_it_stands);
    harness_add("/virtq-packed/size_is_a_power_of_two_only_where_it_must_be",
                test_size_is_a_power_of_two_only_where_it_must_be);
    harness_add("/virtq-packed/largest_split_ring_works", test_largest_split_ring_works);
    harness_add("/virtq-packed/largest_packed_ring_works", test_largest_packed_ring_works);
    harness_add("/virtq-packed/id_beyond_the_ring_breaks_it", test_id_beyond_the_ring_breaks_it);
    harness_add("/virtq-packed/chain_without_an_end_breaks_the_ring",
                test_chain_without_an_end_breaks_the_ring);
    harness_add("/virtq-packed/more_descriptors_than_slots_break_the_ring",
                test_more_descriptors_than_slots_break_the_ring);
    harness_add("/virtq-packed/other_flags_in_a_table_are_ignored",
                test_other_flags_in_a_table_are_ignored);
    harness_add("/virtq-packed/layout_cannot_change_under_a_running_ring",
                test_layout_cannot_change_under_a_running_ring);
    harness_add("/virtq-packed/device_event_names_the_next_slot",
                test_device_event_names_the_next_slot);
    harness_add("/virtq-packed/event_that_makes_no_sense_means_an_interrupt",
                test_event_that_makes_no_sense_means_an_interrupt);
    harness_add("/virtq-packed/used_descriptors_and_the_event_are_logged_where_they_are",
                test_used_descriptors_and_the_event_are_logged_where_they_are);
    harness_add("/virtq-packed/hole_in_a_batch_is_noticed", test_a_hole_in_a_batch_is_noticed);
    harness_add("/virtq-packed/hole_does_not_show_what_was_flushed_before",
                test_a_hole_does_not_show_what_was_flushed_before);
    return harness_run();
}
