/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor chains written by hand: indirect, across regions, and such as break the rules.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#define INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define F_NEXT   VRING_DESC_F_NEXT
#define F_WRITE  VRING_DESC_F_WRITE
#define F_TABLE  VRING_DESC_F_INDIRECT

typedef struct Element {
    VuVirtqElement elem;
    int mark;
} Element;

static Element *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(Element));
}

static VuVirtq *queue(VuRig *rig)
{
    return vu_get_queue(&rig->dev, 0);
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

    vu_rig_begin(&rig, INDIRECT, 16);
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

    vu_rig_begin(&rig, 0, 16);
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

    vu_rig_begin(&rig, INDIRECT, 16);
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

    vu_rig_begin(&rig, INDIRECT, 16);
    two_regions(&rig, border);
    table = rig.client.mem + border + 4096;
    for (unsigned int i = 0; i < entries; i++) {
        put_desc(table + 16 * i, VU_CLIENT_GPA + border - (i == 7 ? 1 : 2), 2,
                 i + 1 < entries ? F_NEXT : 0, i + 1);
    }
    vu_ring_desc(r, 0, vu_client_gpa(&rig.client, table), entries * 16, F_TABLE, 0);
    vu_ring_offer(r, 0);
    g_assert_null(pop(&rig));
    vu_rig_assert_used(&rig, 0, 0);
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

    vu_rig_begin(&rig, INDIRECT, 16);
    table = rig.client.mem + VU_RIG_MEM - 24;
    put_desc(table, VU_CLIENT_GPA, 1, F_NEXT, 1);
    vu_ring_desc(r, 0, vu_client_gpa(&rig.client, table), 2 * 16, F_TABLE, 0);
    vu_ring_offer(r, 0);
    g_assert_null(pop(&rig));
    vu_rig_assert_used(&rig, 0, 0);
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

    vu_rig_begin(&rig, bad->features, 16);
    bad->write(&rig, &rig.ring[0], vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0)));
    vu_ring_offer(&rig.ring[0], 0);
    vu_rig_offer(&rig, 8, 77);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, 8);
    vu_rig_assert_used(&rig, 0, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 1);
    free(e);
    vu_rig_assert_used(&rig, 8, 1);
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

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 1, 8);
    vu_rig_offer(&rig, 2, 8);
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
    vu_rig_assert_used(&rig, 1, 11);
    vu_rig_assert_used(&rig, 2, 12);
    vu_rig_assert_used(&rig, 4, 0);
    g_assert_false(vu_ring_reap(&rig.ring[0], NULL, NULL));
    g_assert_cmpuint(vu_queue_inuse(queue(&rig)), ==, 0);
    free(a);
    free(b);
    vu_rig_done(&rig);
}

static void add_all(void)
{
    harness_add("/virtq-chain/indirect_table_may_follow_direct_descriptors",
                test_indirect_table_may_follow_direct_descriptors);
    harness_add("/virtq-chain/buffer_across_regions_becomes_two",
                test_buffer_across_regions_becomes_two);
    harness_add("/virtq-chain/table_across_regions_is_walked", test_table_across_regions_is_walked);
    harness_add("/virtq-chain/table_entry_across_regions_is_read_whole",
                test_table_entry_across_regions_is_read_whole);
    harness_add("/virtq-chain/too_many_pieces_are_refused", test_too_many_pieces_are_refused);
    harness_add("/virtq-chain/table_that_leaves_memory_is_refused",
                test_table_that_leaves_memory_is_refused);
    harness_add("/virtq-chain/malformed_chain_waits_for_the_batch",
                test_malformed_chain_waits_for_the_batch);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    add_all();
    for (size_t i = 0; i < G_N_ELEMENTS(bad_chains); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtq-chain/malformed_chain_is_given_back/%s", bad_chains[i].name);

        harness_add_data(path, &bad_chains[i], test_bad_chain);
    }
    return harness_run();
}
