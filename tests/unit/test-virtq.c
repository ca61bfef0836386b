/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings written by hand, good ones and hostile ones.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define ON_EMPTY  (1ull << VIRTIO_F_NOTIFY_ON_EMPTY)
#define F_NEXT    VRING_DESC_F_NEXT
#define F_WRITE   VRING_DESC_F_WRITE
#define F_TABLE   VRING_DESC_F_INDIRECT

typedef struct Element {
    VuVirtqElement elem;
    int mark;
} Element;

static Element *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(Element));
}

static void begin(VuRig *rig, uint64_t features, unsigned int num)
{
    vu_rig_init(rig);
    vu_rig_ready(rig, features);
    vu_rig_start(rig, 0, num);
}

/* A chain of one readable buffer of @len bytes. */
static void offer_simple(VuRig *rig, unsigned int head, uint32_t len)
{
    VuGuestRing *r = &rig->ring[0];

    vu_ring_desc(r, head, vu_client_gpa(&rig->client, vu_rig_buffer(rig, head * 512)), len, 0, 0);
    vu_ring_offer(r, head);
}

static VuVirtq *queue(VuRig *rig)
{
    return vu_get_queue(&rig->dev, 0);
}

static void assert_used(VuRig *rig, uint32_t id, uint32_t len)
{
    uint32_t got_id, got_len;

    g_assert_true(vu_ring_reap(&rig->ring[0], &got_id, &got_len));
    g_assert_cmpuint(got_id, ==, id);
    g_assert_cmpuint(got_len, ==, len);
}

/* ---- Good rings ---- */

static void test_chain_is_translated(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    Element *e;

    begin(&rig, 0, 16);
    vu_ring_desc(r, 3, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0)), 16, F_NEXT, 7);
    vu_ring_desc(r, 7, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 512)), 512, F_NEXT | F_WRITE,
                 1);
    vu_ring_desc(r, 1, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 2048)), 1, F_WRITE, 0);
    memcpy(vu_rig_buffer(&rig, 0), "what to do next", 16);
    vu_ring_offer(r, 3);

    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, 3);
    g_assert_cmpuint(e->elem.out_num, ==, 1);
    g_assert_cmpuint(e->elem.in_num, ==, 2);
    g_assert_cmpstr(e->elem.out_sg[0].iov_base, ==, "what to do next");
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, 512);
    g_assert_cmpuint(e->elem.in_sg[1].iov_len, ==, 1);
    memset(e->elem.in_sg[0].iov_base, 0xa5, 512);
    *(uint8_t *)e->elem.in_sg[1].iov_base = 42;
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 1);
    g_assert_null(pop(&rig));

    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 513);
    vu_queue_notify(&rig.dev, queue(&rig));
    free(e);
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    assert_used(&rig, 3, 513);
    g_assert_cmphex(vu_rig_buffer(&rig, 512)[511], ==, 0xa5);
    g_assert_cmpuint(vu_rig_buffer(&rig, 2048)[0], ==, 42);
    g_assert_cmpuint(vu_ring_take_signal(r->call), ==, 1);
    vu_rig_done(&rig);
}

static void test_ring_wraps_many_times(void)
{
    VuRig rig;

    begin(&rig, EVENT_IDX, 16);
    for (unsigned int i = 0; i < 70000; i++) {
        Element *e;

        offer_simple(&rig, i % 16, 1 + i % 100);
        e = pop(&rig);
        g_assert_nonnull(e);
        g_assert_cmpuint(e->elem.index, ==, i % 16);
        g_assert_cmpuint(e->elem.out_sg[0].iov_len, ==, 1 + i % 100);
        vu_queue_push(&rig.dev, queue(&rig), &e->elem, i % 7);
        free(e);
        assert_used(&rig, i % 16, i % 7);
    }
    vu_rig_done(&rig);
}

static void test_batch_becomes_visible_at_once(void)
{
    VuRig rig;
    Element *e[8];

    begin(&rig, 0, 16);
    for (int i = 0; i < 8; i++) {
        offer_simple(&rig, i, 8);
    }
    for (int i = 0; i < 8; i++) {
        e[i] = pop(&rig);
        g_assert_nonnull(e[i]);
    }
    for (int i = 0; i < 8; i++) {
        vu_queue_fill(&rig.dev, queue(&rig), &e[7 - i]->elem, i, i);
        g_assert_false(vu_ring_reap(&rig.ring[0], NULL, NULL));
        free(e[7 - i]);
    }
    vu_queue_flush(&rig.dev, queue(&rig), 8);
    vu_queue_notify(&rig.dev, queue(&rig));
    for (int i = 0; i < 8; i++) {
        assert_used(&rig, 7 - i, i);
    }
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_unpopped_element_comes_again(void)
{
    VuRig rig;
    Element *e;

    begin(&rig, 0, 16);
    offer_simple(&rig, 5, 8);
    e = pop(&rig);
    vu_queue_unpop(&rig.dev, queue(&rig), &e->elem, 0);
    free(e);
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, 5);
    vu_queue_detach_element(&rig.dev, queue(&rig), &e->elem, 0);
    free(e);
    g_assert_null(pop(&rig));
    vu_rig_done(&rig);
}

static void test_rewound_elements_come_again_in_order(void)
{
    VuRig rig;
    Element *e[4];

    begin(&rig, 0, 16);
    for (int i = 0; i < 4; i++) {
        offer_simple(&rig, 10 + i, 8);
        e[i] = pop(&rig);
    }
    g_assert_false(vu_queue_rewind(&rig.dev, queue(&rig), 5));
    g_assert_true(vu_queue_rewind(&rig.dev, queue(&rig), 3));
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 1);
    for (int i = 1; i < 4; i++) {
        free(e[i]);
        e[i] = pop(&rig);
        g_assert_cmpuint(e[i]->elem.index, ==, 10 + i);
    }
    for (int i = 0; i < 4; i++) {
        vu_queue_push(&rig.dev, queue(&rig), &e[i]->elem, 0);
        free(e[i]);
    }
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    vu_rig_done(&rig);
}

static void test_bytes_are_counted_without_popping(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    uint64_t gpa;
    unsigned int in, out;

    begin(&rig, 0, 16);
    gpa = vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0));
    g_assert_true(vu_queue_empty(&rig.dev, queue(&rig)));
    for (int i = 0; i < 3; i++) {
        vu_ring_desc(r, 2 * i, gpa, 10, F_NEXT, 2 * i + 1);
        vu_ring_desc(r, 2 * i + 1, gpa, 100, F_WRITE, 0);
        vu_ring_offer(r, 2 * i);
    }
    g_assert_false(vu_queue_empty(&rig.dev, queue(&rig)));
    vu_queue_get_avail_bytes(&rig.dev, queue(&rig), &in, &out, UINT_MAX, UINT_MAX);
    g_assert_cmpuint(in, ==, 300);
    g_assert_cmpuint(out, ==, 30);
    g_assert_true(vu_queue_avail_bytes(&rig.dev, queue(&rig), 300, 30));
    g_assert_false(vu_queue_avail_bytes(&rig.dev, queue(&rig), 301, 0));
    g_assert_false(vu_queue_avail_bytes(&rig.dev, queue(&rig), 0, 31));
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    vu_rig_done(&rig);
}

static void put_desc(void *at, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
    struct vring_desc d = { GUINT64_TO_LE(gpa), GUINT32_TO_LE(len), GUINT16_TO_LE(flags),
                            GUINT16_TO_LE(next) };

    memcpy(at, &d, sizeof(d));
}

static void test_indirect_table_may_follow_direct_descriptors(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    uint8_t *table;
    uint64_t gpa;
    Element *e;

    begin(&rig, INDIRECT, 16);
    table = vu_rig_buffer(&rig, 4096 + 4); /* tables need no alignment */
    gpa = vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0));
    vu_ring_desc(r, 0, gpa, 16, F_NEXT, 9);
    vu_ring_desc(r, 9, vu_client_gpa(&rig.client, table), 3 * 16, F_TABLE | F_WRITE, 0);
    put_desc(table, gpa + 64, 4, F_NEXT, 2);
    put_desc(table + 32, gpa + 128, 8, F_WRITE | F_NEXT, 1);
    put_desc(table + 16, gpa + 256, 2, F_WRITE, 0);
    vu_ring_offer(r, 0);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.out_num, ==, 2);
    g_assert_cmpuint(e->elem.out_sg[1].iov_len, ==, 4);
    g_assert_cmpuint(e->elem.in_num, ==, 2);
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, 8);
    g_assert_cmpuint(e->elem.in_sg[1].iov_len, ==, 2);
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
    free(e);
    vu_rig_done(&rig);
}

/* ---- Memory in two regions that lie side by side for the guest, but not for us ---- */

static void two_regions(VuRig *rig, size_t border)
{
    VuClient *c = &rig->client;
    VhostUserMemory table = { .nregions = 2 };
    int fds[2] = { c->mem_fd, c->mem_fd };

    table.regions[0] = vu_client_region(c, 0, border);
    table.regions[1] = vu_client_region(c, border, c->mem_size - border);
    vu_client_send_msg(c, &(VuClientMsg){ .request = VHOST_USER_SET_MEM_TABLE,
                                          .flags = VHOST_USER_NEED_REPLY_MASK,
                                          .payload = &table,
                                          .size = 8 + 64,
                                          .fds = fds,
                                          .nfds = 2 });
    vu_rig_accepted(rig, VHOST_USER_SET_MEM_TABLE);
}

static void test_buffer_across_regions_becomes_two(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    const size_t border = VU_RIG_MEM / 2;
    Element *e;

    begin(&rig, 0, 16);
    two_regions(&rig, border);
    vu_ring_desc(r, 0, VU_CLIENT_GPA + border - 100, 300, F_WRITE, 0);
    vu_ring_offer(r, 0);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.in_num, ==, 2);
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, 100);
    g_assert_cmpuint(e->elem.in_sg[1].iov_len, ==, 200);
    memset(e->elem.in_sg[0].iov_base, 'a', 100);
    memset(e->elem.in_sg[1].iov_base, 'b', 200);
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 300);
    free(e);
    g_assert_cmpint(rig.client.mem[border - 1], ==, 'a');
    g_assert_cmpint(rig.client.mem[border], ==, 'b');
    g_assert_cmpint(rig.client.mem[border + 199], ==, 'b');
    g_assert_cmpint(rig.client.mem[border + 200], ==, 0);
    vu_rig_done(&rig);
}

/* @shift: where the border cuts; 0: between two entries, else within one. */
static void straddling_table(size_t shift)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    const size_t border = VU_RIG_MEM / 2;
    const unsigned int entries = 8;
    uint8_t *table;
    Element *e;

    begin(&rig, INDIRECT, 16);
    two_regions(&rig, border);
    table = rig.client.mem + border - 4 * 16 - shift;
    for (unsigned int i = 0; i < entries; i++) {
        put_desc(table + 16 * i, VU_CLIENT_GPA + border + 4096 * (i + 1), 100 + i,
                 i + 1 < entries ? F_NEXT : 0, i + 1);
    }
    vu_ring_desc(r, 0, vu_client_gpa(&rig.client, table), entries * 16, F_TABLE, 0);
    vu_ring_offer(r, 0);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.out_num, ==, entries);
    for (unsigned int i = 0; i < entries; i++) {
        g_assert_cmpuint(e->elem.out_sg[i].iov_len, ==, 100 + i);
    }
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
    free(e);
    vu_rig_done(&rig);
}

static void test_table_across_regions_is_walked(void)
{
    straddling_table(0);
}

static void test_table_entry_across_regions_is_read_whole(void)
{
    for (size_t shift = 1; shift < 16; shift++) {
        straddling_table(shift);
    }
}

static void assert_pushed_back(VuRig *rig, unsigned int buffers)
{
    Element *e = pop(rig);

    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.out_num, ==, buffers);
    vu_queue_push(&rig->dev, queue(rig), &e->elem, 0);
    free(e);
}

/* 1024 buffers are an element's limit; a border in one of them makes 1025 pieces. */
static void test_too_many_pieces_are_refused(void)
{
    const size_t border = VU_RIG_MEM / 2;
    const unsigned int entries = VIRTQUEUE_MAX_SIZE;
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    uint8_t *table;

    begin(&rig, INDIRECT, 16);
    two_regions(&rig, border);
    table = rig.client.mem + border + 4096;
    for (unsigned int i = 0; i < entries; i++) {
        put_desc(table + 16 * i, VU_CLIENT_GPA + border - (i == 7 ? 1 : 2), 2,
                 i + 1 < entries ? F_NEXT : 0, i + 1);
    }
    vu_ring_desc(r, 0, vu_client_gpa(&rig.client, table), entries * 16, F_TABLE, 0);
    vu_ring_offer(r, 0);
    g_assert_null(pop(&rig));
    assert_used(&rig, 0, 0);
    put_desc(table + 16 * 7, VU_CLIENT_GPA + border - 2, 2, F_NEXT, 8);
    vu_ring_offer(r, 0);
    assert_pushed_back(&rig, entries);
    vu_rig_done(&rig);
}

static void test_table_that_leaves_memory_is_refused(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    uint8_t *table;

    begin(&rig, INDIRECT, 16);
    table = rig.client.mem + VU_RIG_MEM - 24;
    put_desc(table, VU_CLIENT_GPA, 1, F_NEXT, 1);
    vu_ring_desc(r, 0, vu_client_gpa(&rig.client, table), 2 * 16, F_TABLE, 0);
    vu_ring_offer(r, 0);
    g_assert_null(pop(&rig));
    assert_used(&rig, 0, 0);
    vu_rig_done(&rig);
}

/* ---- Hostile chains: completed with length 0, and the ring goes on ---- */

typedef struct BadChain {
    const char *name;
    void (*write)(VuRig *rig, VuGuestRing *r, uint64_t gpa); /* at head 0 */
    uint64_t features;
} BadChain;

static void bad_loop(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 1, F_NEXT, 1);
    vu_ring_desc(r, 1, gpa, 1, F_NEXT, 0);
}

static void bad_self_loop(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 1, F_NEXT, 0);
}

static void bad_next(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 1, F_NEXT, 16);
}

static void bad_next_far(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 1, F_NEXT, 0xffff);
}

static void bad_address(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, 0x1000, 16, 0, 0);
}

static void bad_end(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, VU_CLIENT_GPA + VU_RIG_MEM - 15, 16, F_WRITE, 0);
}

static void bad_huge(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, UINT32_MAX, 0, 0);
}

static void bad_wrap(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, UINT64_MAX - 4, 16, 0, 0);
}

static void bad_order(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 1, F_WRITE | F_NEXT, 1);
    vu_ring_desc(r, 1, gpa, 1, 0, 0);
}

static void bad_table_unasked(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, 0, 0);
    vu_ring_desc(r, 0, gpa + 64, 16, F_TABLE, 0);
}

static void bad_table_nested(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa + 64, 16, F_TABLE, 0);
    vu_ring_desc(r, 0, gpa + 64, 16, F_TABLE, 0);
}

static void bad_table_nested_later(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, F_NEXT, 1);
    put_desc(vu_rig_buffer(rig, 80), gpa + 96, 16, F_TABLE, 0);
    put_desc(vu_rig_buffer(rig, 96), gpa, 1, 0, 0);
    vu_ring_desc(r, 0, gpa + 64, 32, F_TABLE, 0);
}

/* Buffers of length 0 fill no list, so only the number of steps ends these. */
static void bad_empty_loop(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa, 0, F_NEXT, 1);
    vu_ring_desc(r, 1, gpa, 0, F_NEXT, 0);
}

static void bad_table_empty_loop(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 0, F_NEXT, 0);
    vu_ring_desc(r, 0, gpa + 64, 0x1000, F_TABLE, 0);
}

static void bad_table_goes_on(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, 0, 0);
    vu_ring_desc(r, 0, gpa + 64, 16, F_TABLE | F_NEXT, 1);
    vu_ring_desc(r, 1, gpa, 1, 0, 0);
}

static void bad_table_size(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, 0, 0);
    vu_ring_desc(r, 0, gpa + 64, 17, F_TABLE, 0);
}

static void bad_table_empty(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, gpa + 64, 0, F_TABLE, 0);
}

static void bad_table_outside(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, 0x2000, 32, F_TABLE, 0);
}

static void bad_table_wraps(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    vu_ring_desc(r, 0, UINT64_MAX - 7, 32, F_TABLE, 0);
}

static void bad_table_loop(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, F_NEXT, 1);
    put_desc(vu_rig_buffer(rig, 80), gpa, 1, F_NEXT, 0);
    vu_ring_desc(r, 0, gpa + 64, 32, F_TABLE, 0);
}

static void bad_table_next(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    put_desc(vu_rig_buffer(rig, 64), gpa, 1, F_NEXT, 2);
    vu_ring_desc(r, 0, gpa + 64, 32, F_TABLE, 0);
}

/* A table larger than any memory, whose chain goes on and on. */
static void bad_table_long(VuRig *rig, VuGuestRing *r, uint64_t gpa)
{
    const unsigned int n = 2 * VIRTQUEUE_MAX_SIZE;

    for (unsigned int i = 0; i < n; i++) {
        put_desc(vu_rig_buffer(rig, 64 + 16 * i), gpa, 1, F_NEXT, i + 1);
    }
    vu_ring_desc(r, 0, gpa + 64, 0xfffffff0, F_TABLE, 0);
}

static const BadChain bad_chains[] = {
    { "loop", bad_loop, 0 },
    { "loop_of_one", bad_self_loop, 0 },
    { "next_just_outside_the_ring", bad_next, 0 },
    { "next_far_outside_the_ring", bad_next_far, 0 },
    { "address_outside_memory", bad_address, 0 },
    { "buffer_ends_outside_memory", bad_end, 0 },
    { "buffer_larger_than_memory", bad_huge, 0 },
    { "address_wraps_around", bad_wrap, 0 },
    { "readable_after_writable", bad_order, 0 },
    { "indirect_table_not_negotiated", bad_table_unasked, 0 },
    { "indirect_table_in_a_table", bad_table_nested, INDIRECT },
    { "indirect_table_in_the_middle_of_a_table", bad_table_nested_later, INDIRECT },
    { "loop_of_empty_buffers", bad_empty_loop, 0 },
    { "indirect_table_loops_with_empty_buffers", bad_table_empty_loop, INDIRECT },
    { "indirect_table_with_next", bad_table_goes_on, INDIRECT },
    { "indirect_table_of_17_bytes", bad_table_size, INDIRECT },
    { "indirect_table_of_0_bytes", bad_table_empty, INDIRECT },
    { "indirect_table_outside_memory", bad_table_outside, INDIRECT },
    { "indirect_table_wraps_around", bad_table_wraps, INDIRECT },
    { "indirect_table_loops", bad_table_loop, INDIRECT },
    { "indirect_table_next_outside", bad_table_next, INDIRECT },
    { "indirect_table_without_end", bad_table_long, INDIRECT },
};

static void test_bad_chain(const void *data)
{
    const BadChain *bad = data;
    VuRig rig;
    Element *e;
    VuQueueStats stats;

    begin(&rig, bad->features, 16);
    bad->write(&rig, &rig.ring[0], vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0)));
    vu_ring_offer(&rig.ring[0], 0);
    offer_simple(&rig, 8, 77);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, 8);
    assert_used(&rig, 0, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 1);
    free(e);
    assert_used(&rig, 8, 1);
    vu_queue_get_stats(&rig.dev, queue(&rig), &stats);
    g_assert_cmpuint(stats.malformed, ==, 1);
    g_assert_cmpuint(stats.breaks, ==, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].err), ==, 0);
    g_assert_false(rig.dev.broken);
    vu_rig_done(&rig);
}

/* Completing a malformed chain must not publish what the device has only filled. */
static void test_malformed_chain_waits_for_the_batch(void)
{
    VuRig rig;
    Element *a, *b;

    begin(&rig, 0, 16);
    offer_simple(&rig, 1, 8);
    offer_simple(&rig, 2, 8);
    a = pop(&rig);
    b = pop(&rig);
    vu_queue_fill(&rig.dev, queue(&rig), &a->elem, 11, 0);
    bad_loop(&rig, &rig.ring[0], VU_CLIENT_GPA);
    vu_ring_desc(&rig.ring[0], 4, 0x10, 1, 0, 0);
    vu_ring_offer(&rig.ring[0], 4);
    g_assert_null(pop(&rig));
    g_assert_false(vu_ring_reap(&rig.ring[0], NULL, NULL));
    vu_queue_fill(&rig.dev, queue(&rig), &b->elem, 12, 1);
    vu_queue_flush(&rig.dev, queue(&rig), 2);
    assert_used(&rig, 1, 11);
    assert_used(&rig, 2, 12);
    assert_used(&rig, 4, 0);
    g_assert_false(vu_ring_reap(&rig.ring[0], NULL, NULL));
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    free(a);
    free(b);
    vu_rig_done(&rig);
}

/* ---- Hostile rings: they break, the connection does not ---- */

static void assert_broken_until_restart(VuRig *rig)
{
    VuQueueStats stats;
    Element *e;

    g_assert_null(pop(rig));
    g_assert_null(pop(rig));
    vu_queue_get_stats(&rig->dev, queue(rig), &stats);
    g_assert_cmpuint(stats.breaks, ==, 1);
    g_assert_cmpuint(vu_ring_take_signal(rig->ring[0].err), ==, 1);
    g_assert_false(rig->dev.broken);
    g_assert_nonnull(strstr(rig->log->str, "queue 0 cannot go on"));
    vu_rig_stop(rig, 0);
    memset(rig->ring[0].avail, 0, 4);
    memset(rig->ring[0].used, 0, 4);
    vu_rig_start(rig, 0, 16);
    offer_simple(rig, 2, 8);
    e = pop(rig);
    g_assert_nonnull(e);
    vu_queue_push(&rig->dev, queue(rig), &e->elem, 0);
    free(e);
}

static void test_available_index_that_jumps_breaks_the_ring(void)
{
    VuRig rig;

    begin(&rig, 0, 16);
    offer_simple(&rig, 0, 8);
    rig.ring[0].avail->idx = GUINT16_TO_LE(17);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

static void test_available_index_that_goes_back_breaks_the_ring(void)
{
    VuRig rig;
    Element *e;

    begin(&rig, 0, 16);
    offer_simple(&rig, 0, 8);
    e = pop(&rig);
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
    free(e);
    rig.ring[0].avail->idx = 0;
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

static void test_head_outside_the_ring_breaks_it(void)
{
    VuRig rig;

    begin(&rig, 0, 16);
    vu_ring_offer(&rig.ring[0], 16);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

static void test_head_that_is_in_use_breaks_the_ring(void)
{
    VuRig rig;
    Element *e;

    begin(&rig, 0, 16);
    offer_simple(&rig, 3, 8);
    e = pop(&rig);
    g_assert_nonnull(e);
    vu_ring_offer(&rig.ring[0], 3);
    g_assert_null(pop(&rig));
    /* What is out can still be given back. */
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 1);
    assert_used(&rig, 3, 1);
    free(e);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

/* ---- Notifications ---- */

static void complete_one(VuRig *rig, unsigned int head)
{
    Element *e;

    offer_simple(rig, head, 8);
    e = pop(rig);
    vu_queue_push(&rig->dev, queue(rig), &e->elem, 0);
    free(e);
    vu_queue_notify(&rig->dev, queue(rig));
}

static void test_guest_that_wants_no_interrupt_gets_none(void)
{
    VuRig rig;

    begin(&rig, 0, 16);
    rig.ring[0].avail->flags = GUINT16_TO_LE(VRING_AVAIL_F_NO_INTERRUPT);
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 0);
    rig.ring[0].avail->flags = 0;
    complete_one(&rig, 1);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_empty_ring_is_notified_if_agreed(void)
{
    VuRig rig;

    begin(&rig, ON_EMPTY, 16);
    rig.ring[0].avail->flags = GUINT16_TO_LE(VRING_AVAIL_F_NO_INTERRUPT);
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_used_event_decides_about_interrupts(void)
{
    VuRig rig;

    begin(&rig, EVENT_IDX, 16);
    complete_one(&rig, 0); /* the first decision is always yes */
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    *vu_ring_used_event(&rig.ring[0]) = GUINT16_TO_LE(3);
    complete_one(&rig, 1);
    complete_one(&rig, 2);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 0);
    complete_one(&rig, 3); /* the used index passes 3 */
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    complete_one(&rig, 4);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 0);
    vu_rig_done(&rig);
}

/* Once round all indices since the last decision: nothing can be compared any more. */
static void test_long_silence_is_ended_by_an_interrupt(void)
{
    VuRig rig;

    begin(&rig, EVENT_IDX, 16);
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    *vu_ring_used_event(&rig.ring[0]) = GUINT16_TO_LE(5);
    for (int i = 0; i < 65535; i++) {
        Element *e;

        offer_simple(&rig, i % 16, 8);
        e = pop(&rig);
        vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
        free(e);
    }
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_avail_event_is_published_when_the_ring_is_empty(void)
{
    VuRig rig;

    begin(&rig, EVENT_IDX, 16);
    for (uint16_t i = 1; i <= 5; i++) {
        complete_one(&rig, i);
        g_assert_null(pop(&rig));
        g_assert_cmpuint(GUINT16_FROM_LE(*vu_ring_avail_event(&rig.ring[0])), ==, i);
    }
    vu_rig_done(&rig);
}

static void test_avail_event_stays_while_kicks_are_not_wanted(void)
{
    VuRig rig;

    begin(&rig, EVENT_IDX, 16);
    g_assert_true(vu_queue_empty(&rig.dev, queue(&rig)));
    vu_queue_set_notification(&rig.dev, queue(&rig), 0);
    complete_one(&rig, 0);
    g_assert_null(pop(&rig));
    g_assert_cmpuint(GUINT16_FROM_LE(*vu_ring_avail_event(&rig.ring[0])), ==, 0);
    vu_queue_set_notification(&rig.dev, queue(&rig), 1);
    g_assert_cmpuint(GUINT16_FROM_LE(*vu_ring_avail_event(&rig.ring[0])), ==, 1);
    vu_rig_done(&rig);
}

static void test_used_flags_say_whether_to_kick(void)
{
    VuRig rig;

    begin(&rig, 0, 16);
    g_assert_cmphex(rig.ring[0].used->flags, ==, 0);
    vu_queue_set_notification(&rig.dev, queue(&rig), 0);
    g_assert_cmphex(GUINT16_FROM_LE(rig.ring[0].used->flags), ==, VRING_USED_F_NO_NOTIFY);
    vu_queue_set_notification(&rig.dev, queue(&rig), 1);
    g_assert_cmphex(rig.ring[0].used->flags, ==, 0);
    vu_rig_done(&rig);
}

static void add_all(void)
{
    harness_add("/virtq/chain_is_translated", test_chain_is_translated);
    harness_add("/virtq/ring_wraps_many_times", test_ring_wraps_many_times);
    harness_add("/virtq/batch_becomes_visible_at_once", test_batch_becomes_visible_at_once);
    harness_add("/virtq/unpopped_element_comes_again", test_unpopped_element_comes_again);
    harness_add("/virtq/rewound_elements_come_again_in_order",
                test_rewound_elements_come_again_in_order);
    harness_add("/virtq/bytes_are_counted_without_popping", test_bytes_are_counted_without_popping);
    harness_add("/virtq/indirect_table_may_follow_direct_descriptors",
                test_indirect_table_may_follow_direct_descriptors);
    harness_add("/virtq/buffer_across_regions_becomes_two", test_buffer_across_regions_becomes_two);
    harness_add("/virtq/table_across_regions_is_walked", test_table_across_regions_is_walked);
    harness_add("/virtq/table_entry_across_regions_is_read_whole",
                test_table_entry_across_regions_is_read_whole);
    harness_add("/virtq/too_many_pieces_are_refused", test_too_many_pieces_are_refused);
    harness_add("/virtq/table_that_leaves_memory_is_refused",
                test_table_that_leaves_memory_is_refused);
    harness_add("/virtq/malformed_chain_waits_for_the_batch",
                test_malformed_chain_waits_for_the_batch);
    harness_add("/virtq/available_index_that_jumps_breaks_the_ring",
                test_available_index_that_jumps_breaks_the_ring);
    harness_add("/virtq/available_index_that_goes_back_breaks_the_ring",
                test_available_index_that_goes_back_breaks_the_ring);
    harness_add("/virtq/head_outside_the_ring_breaks_it", test_head_outside_the_ring_breaks_it);
    harness_add("/virtq/head_that_is_in_use_breaks_the_ring",
                test_head_that_is_in_use_breaks_the_ring);
    harness_add("/virtq/guest_that_wants_no_interrupt_gets_none",
                test_guest_that_wants_no_interrupt_gets_none);
    harness_add("/virtq/empty_ring_is_notified_if_agreed", test_empty_ring_is_notified_if_agreed);
    harness_add("/virtq/used_event_decides_about_interrupts",
                test_used_event_decides_about_interrupts);
    harness_add("/virtq/long_silence_is_ended_by_an_interrupt",
                test_long_silence_is_ended_by_an_interrupt);
    harness_add("/virtq/avail_event_is_published_when_the_ring_is_empty",
                test_avail_event_is_published_when_the_ring_is_empty);
    harness_add("/virtq/avail_event_stays_while_kicks_are_not_wanted",
                test_avail_event_stays_while_kicks_are_not_wanted);
    harness_add("/virtq/used_flags_say_whether_to_kick", test_used_flags_say_whether_to_kick);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    add_all();
    for (size_t i = 0; i < G_N_ELEMENTS(bad_chains); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtq/malformed_chain_is_given_back/%s", bad_chains[i].name);

        harness_add_data(path, &bad_chains[i], test_bad_chain);
    }
    return harness_run();
}
