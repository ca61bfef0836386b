/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings and buffers behind the guest's IOMMU: what is asked, what is waited for, what is let go.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>

#include "harness.h"
#include "vu-iommu.h"
#include "vu-iotlb.h"

#define RING_PAGES 0       /* offset of ring 0 in the view */
#define OTHER_RING 0x10000 /* of ring 1 */
#define DATA       0x40000 /* of buffers */

static VuVirtqElement *pop(VuIommu *i, unsigned int q)
{
    return vu_queue_pop(&i->rig.dev, vu_get_queue(&i->rig.dev, q), sizeof(VuVirtqElement));
}

static void push(VuIommu *i, VuVirtqElement *e, unsigned int len)
{
    vu_queue_push(&i->rig.dev, vu_get_queue(&i->rig.dev, 0), e, len);
    free(e);
}

static uint64_t data_iova(size_t offset)
{
    return IOVA_BASE + DATA + offset;
}

/* One buffer made available on ring @q. */
static void offer(VuIommu *i, unsigned int q, unsigned int head, uint64_t iova, uint32_t len,
                  uint16_t flags)
{
    vu_ring_desc(&i->ring[q], head, iova, len, flags, 0);
    vu_ring_offer(&i->ring[q], head);
}

/* Ring 0 of 16 entries, found by the device. */
static void begin(VuIommu *i)
{
    vu_iommu_init(i, 0);
    vu_iommu_start(i, 0, 16, RING_PAGES);
    vu_iommu_serve(i);
    g_assert_nonnull(vu_get_queue(&i->rig.dev, 0)->vring.desc);
}

static void assert_told(VuIommu *i, unsigned int type, uint64_t iova, unsigned int perm)
{
    struct vhost_iotlb_msg msg;

    g_assert_true(vu_iommu_question(i, &msg));
    g_assert_cmpuint(msg.type, ==, type);
    g_assert_cmphex(msg.iova, ==, iova);
    g_assert_cmpuint(msg.perm, ==, perm);
}

static void assert_question(VuIommu *i, uint64_t iova, unsigned int perm)
{
    assert_told(i, VHOST_IOTLB_MISS, iova, perm);
}

static void assert_no_question(VuIommu *i)
{
    struct vhost_iotlb_msg miss;

    g_assert_false(vu_iommu_question(i, &miss));
}

static void assert_used(VuIommu *i, uint32_t head, uint32_t len)
{
    uint32_t id, used_len;

    g_assert_true(vu_ring_reap(&i->ring[0], &id, &used_len));
    g_assert_cmpuint(id, ==, head);
    g_assert_cmpuint(used_len, ==, len);
}

/* ---- Rings ---- */

static void test_ring_waits_for_its_translation(void)
{
    VuIommu i;
    VuVirtqElement *e;

    vu_iommu_init(&i, 0);
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    offer(&i, 0, 3, data_iova(0), 100, 0);
    vu_ring_kick(&i.ring[0]);
    vu_rig_poll(&i.rig);
    g_assert_null(pop(&i, 0));
    g_assert_true(vu_queue_empty(&i.rig.dev, vu_get_queue(&i.rig.dev, 0)));
    i.rig.handled[0] = 0;
    g_assert_cmpuint(vu_iommu_serve(&i), >, 0);
    g_assert_cmpint(i.rig.handled[0], >, 0); /* by itself */
    e = pop(&i, 0);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->index, ==, 3);
    push(&i, e, 0);
    assert_used(&i, 3, 0);
    vu_iommu_done(&i);
}

/* 1024 entries: 16 KiB of descriptors, and more of the rest, all of it in the opposite order. */
static void test_scattered_ring_works(void)
{
    VuIommu i;

    vu_iommu_init(&i, 0);
    vu_iommu_start(&i, 0, 1024, 0x800);
    vu_iommu_serve(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    for (unsigned int n = 0; n < 3000; n++) {
        unsigned int head = n * 7 % 1024;
        VuVirtqElement *e;

        offer(&i, 0, head, data_iova(n), 1, 0);
        if (n % 1000 == 999) {
            vu_iommu_unmap(&i, IOVA_BASE + (n > 2000 ? 0 : 3 * IOMMU_PAGE), IOMMU_PAGE);
            vu_iommu_serve(&i);
        }
        i.view.mem[DATA + n] = n;
        e = pop(&i, 0);
        g_assert_nonnull(e);
        g_assert_cmpuint(*(uint8_t *)e->out_sg[0].iov_base, ==, (uint8_t)n);
        push(&i, e, n);
        assert_used(&i, head, n);
    }
    vu_iommu_done(&i);
}

static void test_translations_may_come_unasked(void)
{
    VuIommu i;
    VuVirtqElement *e;

    vu_iommu_init(&i, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, data_iova(0), 8 * IOMMU_PAGE,
                                   (uintptr_t)i.rig.client.mem + DATA, IOMMU_RW),
                     ==, 0);
    for (int page = 0; page < 2; page++) {
        vu_iommu_map(&i, IOVA_BASE + page * IOMMU_PAGE, IOMMU_RW);
    }
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    offer(&i, 0, 0, data_iova(5), 5 * IOMMU_PAGE, VRING_DESC_F_WRITE);
    e = pop(&i, 0);
    g_assert_cmpuint(e->in_num, ==, 1);
    g_assert_cmpuint(e->in_sg[0].iov_len, ==, 5 * IOMMU_PAGE);
    memset(e->in_sg[0].iov_base, 0x5a, e->in_sg[0].iov_len);
    push(&i, e, 1);
    g_assert_cmphex(i.rig.client.mem[DATA + 5 + 5 * IOMMU_PAGE - 1], ==, 0x5a);
    assert_no_question(&i);
    vu_iommu_done(&i);
}

static void test_invalidated_ring_is_let_go_until_it_is_told_again(void)
{
    VuIommu i;
    VuVirtq *vq;
    VuVirtqElement *e;

    begin(&i);
    vq = vu_get_queue(&i.rig.dev, 0);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 1, 0);
    push(&i, pop(&i, 0), 0);
    assert_used(&i, 0, 0);
    vu_iommu_unmap(&i, 0, 0);
    g_assert_null(vq->vring.desc);
    g_assert_null(vq->ring_pins);
    offer(&i, 0, 1, data_iova(0), 1, 0);
    vu_queue_kick(&i.rig.dev, 0);
    g_assert_null(pop(&i, 0));
    i.rig.handled[0] = 0;
    vu_iommu_serve(&i);
    g_assert_nonnull(vq->vring.desc);
    g_assert_cmpint(i.rig.handled[0], >, 0);
    g_assert_null(pop(&i, 0)); /* the buffer is not known any more, either */
    vu_iommu_serve(&i);
    e = pop(&i, 0);
    g_assert_cmpuint(e->index, ==, 1);
    push(&i, e, 0);
    assert_used(&i, 1, 0);
    vu_iommu_done(&i);
}

/* The device pushes, and has not announced it, when the ring goes. */
static void test_completion_is_announced_although_the_ring_is_taken_away(void)
{
    VuIommu i;
    VuVirtqElement *e;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 1, 0);
    e = pop(&i, 0);
    vu_ring_take_signal(i.ring[0].call);
    vu_iommu_send(&i, VHOST_IOTLB_INVALIDATE, IOVA_BASE, IOMMU_PAGE, 0, 0);
    g_assert_true(vu_client_silent(&i.rig.client));
    push(&i, e, 0);
    g_assert_cmpuint(vu_client_recv_u64(&i.rig.client, VHOST_USER_IOTLB_MSG), ==, 0);
    assert_used(&i, 0, 0);
    g_assert_cmpuint(vu_ring_take_signal(i.ring[0].call), ==, 1);
    vu_queue_notify(&i.rig.dev, vu_get_queue(&i.rig.dev, 0));
    vu_iommu_serve(&i);
    vu_iommu_done(&i);
}

static void test_stop_forgets_all_translations(void)
{
    VuIommu i;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_rig_stop(&i.rig, 0);
    vu_ring_done(&i.ring[0]);
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    g_assert_cmpuint(vu_iommu_serve(&i), >, 0);
    offer(&i, 0, 0, data_iova(0), 1, 0);
    g_assert_null(pop(&i, 0));
    assert_question(&i, data_iova(0), IOMMU_READ);
    /* A ring that waits can be stopped as well, and knows where it was. */
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 0);
    vu_iommu_done(&i);
}

static void test_ring_that_was_never_found_stops_where_it_began(void)
{
    VuIommu i;
    VuGuestRing *r = &i.ring[0];

    vu_iommu_init(&i, 0);
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 0);
    vu_client_send_state(&i.rig.client, VHOST_USER_SET_VRING_BASE, 0, 77);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_VRING_BASE);
    vu_client_send_file(&i.rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 77);
    vu_iommu_done(&i);
}

/* ---- Buffers ---- */

static void test_chain_asks_for_all_it_lacks_at_once(void)
{
    VuIommu i;
    VuVirtqElement *e;

    begin(&i);
    vu_ring_desc(&i.ring[0], 0, data_iova(0x10), 16, VRING_DESC_F_NEXT, 1);
    vu_ring_desc(&i.ring[0], 1, data_iova(0x1010), 2 * IOMMU_PAGE,
                 VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
    vu_ring_desc(&i.ring[0], 2, data_iova(0x11), 1, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(&i.ring[0], 0);
    g_assert_null(pop(&i, 0));
    g_assert_null(pop(&i, 0)); /* does not ask once more */
    assert_question(&i, data_iova(0x10), IOMMU_READ);
    assert_question(&i, data_iova(0x1010), IOMMU_WRITE);
    assert_question(&i, data_iova(0x2000), IOMMU_WRITE);
    assert_question(&i, data_iova(0x3000), IOMMU_WRITE);
    assert_question(&i, data_iova(0x11), IOMMU_WRITE);
    assert_no_question(&i);
    i.rig.handled[0] = 0;
    for (int page = 3; page >= 0; page--) {
        g_assert_cmpint(i.rig.handled[0], ==, 0);
        vu_iommu_map(&i, data_iova(page * IOMMU_PAGE), IOMMU_RW);
    }
    g_assert_cmpint(i.rig.handled[0], >, 0);
    e = pop(&i, 0);
    g_assert_cmpuint(e->out_num, ==, 1);
    g_assert_cmpuint(e->in_num, ==, 4); /* every page is somewhere else */
    memset(e->in_sg[1].iov_base, 0x77, e->in_sg[1].iov_len);
    g_assert_cmphex(i.view.mem[DATA + 0x2000], ==, 0x77);
    push(&i, e, 1);
    vu_iommu_done(&i);
}

static void test_indirect_table_is_translated(void)
{
    VuIommu i;
    struct vring_desc *table;
    VuVirtqElement *e;

    vu_iommu_init(&i, 1ull << VIRTIO_RING_F_INDIRECT_DESC);
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    vu_iommu_serve(&i);
    /* Across the border of two pages that are not neighbours in memory, and not aligned. */
    table = (struct vring_desc *)(i.view.mem + DATA + 0x1000 - 24);
    for (unsigned int n = 0; n < 4; n++) {
        table[n] = (struct vring_desc){ .addr = data_iova(0x8000 + n),
                                        .len = 1,
                                        .flags = n < 3 ? VRING_DESC_F_NEXT : 0,
                                        .next = n + 1 };
    }
    offer(&i, 0, 0, vu_iommu_iova(&i, table), 4 * sizeof(table[0]), VRING_DESC_F_INDIRECT);
    while (!(e = pop(&i, 0))) {
        g_assert_cmpuint(vu_iommu_serve(&i), >, 0);
    }
    g_assert_cmpuint(e->out_num, ==, 4);
    g_assert(e->out_sg[3].iov_base != e->out_sg[2].iov_base);
    push(&i, e, 0);
    vu_iommu_done(&i);
}

static void test_two_queues_ask_once_for_a_page(void)
{
    VuIommu i;
    VuVirtqElement *e;

    begin(&i);
    vu_iommu_start(&i, 1, 16, OTHER_RING);
    vu_iommu_serve(&i);
    offer(&i, 0, 0, data_iova(0x20), 8, 0);
    offer(&i, 1, 0, data_iova(0x40), 8, 0);
    g_assert_null(pop(&i, 0));
    g_assert_null(pop(&i, 1));
    assert_question(&i, data_iova(0x20), IOMMU_READ);
    assert_no_question(&i);
    /* An answer that does not help the second one makes it ask for itself. */
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, data_iova(0x20), 8,
                                   vu_iommu_uaddr(&i, data_iova(0x20)), IOMMU_RW),
                     ==, 0);
    assert_question(&i, data_iova(0x40), IOMMU_READ);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    push(&i, pop(&i, 0), 0);
    e = pop(&i, 1);
    g_assert_nonnull(e);
    vu_queue_push(&i.rig.dev, vu_get_queue(&i.rig.dev, 1), e, 0);
    free(e);
    vu_iommu_done(&i);
}

/* ---- Permissions ---- */

static void test_buffer_without_permission_is_not_written(void)
{
    VuIommu i;
    VuVirtqElement *e;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_READ);
    vu_iommu_map(&i, data_iova(0x1000), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 8, VRING_DESC_F_WRITE);
    offer(&i, 0, 1, data_iova(0x1000), 8, VRING_DESC_F_WRITE);
    g_assert_null(pop(&i, 0));
    /* It may have got more since: asked for, and not so. */
    assert_question(&i, data_iova(0), IOMMU_WRITE);
    vu_iommu_map(&i, data_iova(0), IOMMU_READ);
    assert_told(&i, VHOST_IOTLB_ACCESS_FAIL, data_iova(0), IOMMU_WRITE);
    e = pop(&i, 0);
    g_assert_cmpuint(e->index, ==, 1);
    assert_used(&i, 0, 0);
    push(&i, e, 8);
    assert_used(&i, 1, 8);
    vu_iommu_done(&i);
}

/* A translation that is refused is an answer all the same: nobody waits for ever. */
static void test_useless_answer_ends_the_wait(void)
{
    VuIommu i;
    VuVirtqElement *e;

    begin(&i);
    vu_iommu_map(&i, data_iova(0x1000), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 8, 0);
    offer(&i, 0, 1, data_iova(0x1000), 8, 0);
    g_assert_null(pop(&i, 0));
    assert_question(&i, data_iova(0), IOMMU_READ);
    i.rig.handled[0] = 0;
    g_assert_cmpuint(
        vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, data_iova(0), IOMMU_PAGE, 4096, IOMMU_RW), !=, 0);
    g_assert_cmpint(i.rig.handled[0], >, 0);
    e = pop(&i, 0);
    g_assert_cmpuint(e->index, ==, 1);
    assert_used(&i, 0, 0);
    push(&i, e, 0);
    /* The same address is asked for again the next time. */
    offer(&i, 0, 2, data_iova(0), 8, 0);
    g_assert_null(pop(&i, 0));
    assert_question(&i, data_iova(0), IOMMU_READ);
    vu_iommu_done(&i);
}

static void test_ring_without_translation_is_reported(void)
{
    struct vhost_iotlb_msg miss;
    VuIommu i;

    vu_iommu_init(&i, 0);
    vu_iommu_start(&i, 0, 16, RING_PAGES);
    g_assert_true(vu_iommu_question(&i, &miss));
    g_assert_cmpuint(
        vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, IOVA_BASE, 4 * IOMMU_PAGE, 4096, IOMMU_RW), !=, 0);
    g_assert_cmpuint(vu_ring_take_signal(i.ring[0].err), ==, 1);
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 0);
    vu_iommu_done(&i);
}

/* An IOMMU that tells just what it was asked about. */
static void test_permissions_add_up(void)
{
    VuIommu i;

    begin(&i);
    for (int round = 0; round < 2; round++) {
        for (int n = 0; n < 4; n++) {
            offer(&i, 0, n, data_iova(n * 8), 8, n & 1 ? VRING_DESC_F_WRITE : 0);
        }
        for (int n = 0; n < 4; n++) {
            VuVirtqElement *e = pop(&i, 0);

            if (!e) {
                g_assert_cmpint(round, ==, 0);
                assert_question(&i, data_iova(n * 8), n & 1 ? IOMMU_WRITE : IOMMU_READ);
                vu_iommu_map(&i, data_iova(0), n & 1 ? IOMMU_WRITE : IOMMU_READ);
                e = pop(&i, 0);
            }
            push(&i, e, 0);
        }
    }
    vu_iommu_done(&i);
}

static void test_unasked_update_takes_permission_away(void)
{
    VuIommu i;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_iommu_map(&i, data_iova(0), IOMMU_READ);
    offer(&i, 0, 0, data_iova(0), 8, VRING_DESC_F_WRITE);
    g_assert_null(pop(&i, 0));
    assert_question(&i, data_iova(0), IOMMU_WRITE);
    vu_iommu_done(&i);
}

static void test_translation_out_of_memory_is_no_use(void)
{
    VuIommu i;
    VhostUserMemory none = { 0 };

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_client_send(&i.rig.client, VHOST_USER_SET_MEM_TABLE, &none, 8, -1);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_MEM_TABLE);
    offer(&i, 0, 0, data_iova(0), 8, 0);
    g_assert_null(pop(&i, 0));
    vu_iommu_done(&i);
}

/* ---- Invalidation ---- */

static void test_invalidation_waits_for_who_uses_it(void)
{
    VuIommu i;
    VuVirtqElement *a, *b;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_iommu_map(&i, data_iova(0x1000), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 8, VRING_DESC_F_WRITE);
    offer(&i, 0, 1, data_iova(0x1000), 8, 0);
    a = pop(&i, 0);
    b = pop(&i, 0);
    /* What nobody uses, and what is not there. */
    vu_iommu_map(&i, data_iova(0x2000), IOMMU_RW);
    vu_iommu_unmap(&i, data_iova(0x2000), 0x1000000);
    vu_iommu_send(&i, VHOST_IOTLB_INVALIDATE, data_iova(0x800), 1, 0, 0);
    g_assert_true(vu_client_silent(&i.rig.client));
    push(&i, b, 0);
    g_assert_true(vu_client_silent(&i.rig.client));
    memset(a->in_sg[0].iov_base, 1, 8); /* still ours */
    push(&i, a, 8);
    g_assert_cmpuint(vu_client_recv_u64(&i.rig.client, VHOST_USER_IOTLB_MSG), ==, 0);
    offer(&i, 0, 2, data_iova(0), 8, 0);
    g_assert_null(pop(&i, 0));
    assert_question(&i, data_iova(0), IOMMU_READ);
    vu_iommu_done(&i);
}

/* The same place means other memory now; who uses the old one holds the answer up. */
static void test_update_replaces_what_it_overlaps(void)
{
    VuIommu i;
    VuVirtqElement *a, *b;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 8, 0);
    a = pop(&i, 0);
    vu_iommu_send(&i, VHOST_IOTLB_UPDATE, data_iova(0), 2 * IOMMU_PAGE,
                  vu_iommu_uaddr(&i, data_iova(0x9000)), IOMMU_RW);
    g_assert_true(vu_client_silent(&i.rig.client));
    offer(&i, 0, 1, data_iova(0), 8, 0);
    b = pop(&i, 0);
    g_assert(b->out_sg[0].iov_base != a->out_sg[0].iov_base);
    push(&i, a, 0);
    g_assert_cmpuint(vu_client_recv_u64(&i.rig.client, VHOST_USER_IOTLB_MSG), ==, 0);
    push(&i, b, 0);
    vu_iommu_done(&i);
}

static void test_size_0_and_overflow_mean_everything(void)
{
    static const uint64_t ranges[][2] = { { 0, 0 }, { IOVA_BASE, UINT64_MAX }, { 1, UINT64_MAX } };

    for (size_t n = 0; n < G_N_ELEMENTS(ranges); n++) {
        VuIommu i;

        begin(&i);
        vu_iommu_map(&i, data_iova(0), IOMMU_RW);
        vu_iommu_unmap(&i, ranges[n][0], ranges[n][1]);
        g_assert_cmpuint(i.rig.dev.priv->iotlb->n, ==, 0);
        vu_iommu_done(&i);
    }
}

static void test_nonsense_is_refused(void)
{
    VuIommu i;
    uint64_t uaddr, end;

    begin(&i);
    uaddr = (uintptr_t)i.rig.client.mem;
    end = uaddr + VU_RIG_MEM;
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, 0, 0, uaddr, 3), !=, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, UINT64_MAX, 2, uaddr, 3), !=, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, 0, 1, uaddr, 4), !=, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, 0, 1, uaddr - 1, 3), !=, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, 0, 2, end - 1, 3), !=, 0);
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, 0, UINT64_MAX, uaddr, 3), !=, 0);
    for (unsigned int type = 0; type < 256; type++) {
        if (type != VHOST_IOTLB_UPDATE && type != VHOST_IOTLB_INVALIDATE) {
            g_assert_cmpuint(vu_iommu_tell(&i, type, 0, 4096, uaddr, 3), !=, 0);
        }
    }
    g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, UINT64_MAX, 1, end - 1, 3), ==, 0);
    vu_iommu_unmap(&i, UINT64_MAX, 1);
    vu_iommu_done(&i);
}

/* ---- Limits ---- */

static void test_cache_is_bounded_and_goes_on(void)
{
    VuIommu i;
    unsigned int most = 0;
    VuVirtqElement *used;

    begin(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 8, 0);
    used = pop(&i, 0);
    for (unsigned int n = 0; n < 40000; n++) {
        g_assert_cmpuint(vu_iommu_tell(&i, VHOST_IOTLB_UPDATE, n * IOMMU_PAGE, IOMMU_PAGE,
                                       (uintptr_t)i.rig.client.mem + n % 16 * IOMMU_PAGE, 3),
                         ==, 0);
        most = MAX(most, i.rig.dev.priv->iotlb->n);
    }
    g_assert_cmpuint(most, >, 1000);
    g_assert_cmpuint(most, <=, 8192);
    /* What is in use stays, and so does the ring. */
    offer(&i, 0, 1, data_iova(0), 8, 0);
    push(&i, used, 0);
    used = pop(&i, 0);
    g_assert_nonnull(used);
    push(&i, used, 0);
    vu_iommu_done(&i);
}

/* A front-end that does not read its channel: what could not be asked is asked later. */
static void test_questions_that_find_the_channel_full_are_repeated(void)
{
    VuIommu i;
    struct vhost_iotlb_msg miss;
    unsigned int config = 0;

    begin(&i);
    while (true) {
        VhostUserMsg msg = { .request = VHOST_USER_BACKEND_IOTLB_MSG,
                             .size = sizeof(msg.payload.iotlb),
                             .payload.iotlb = { .type = VHOST_IOTLB_MISS } };

        if (vu_backend_notify(&i.rig.dev, &msg) < 0) {
            break;
        }
        config++;
    }
    offer(&i, 0, 0, data_iova(0), 8, 0);
    g_assert_null(pop(&i, 0));
    for (unsigned int n = 0; n < config; n++) {
        g_assert_true(vu_iommu_question(&i, &miss));
        g_assert_cmphex(miss.iova, ==, 0);
    }
    assert_no_question(&i);
    vu_iommu_map(&i, data_iova(0x5000), IOMMU_RW); /* any message gives the occasion */
    assert_question(&i, data_iova(0), IOMMU_READ);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    push(&i, pop(&i, 0), 0);
    vu_iommu_done(&i);
}

/* ---- Dirty log: in guest physical pages, whatever the addresses are ---- */

static void test_log_has_guest_physical_pages(void)
{
    const uint64_t bytes = (VU_CLIENT_GPA + VU_RIG_MEM) / IOMMU_PAGE / 8;
    VhostUserLog log = { bytes, 0 };
    int fd = memfd_create("log", MFD_CLOEXEC);
    unsigned int n = 0;
    struct vhost_vring_addr addr;
    VuVirtqElement *e;
    uint8_t *bits;
    uint64_t page;
    VuIommu i;

    g_assert_cmpint(ftruncate(fd, bytes), ==, 0);
    bits = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    vu_iommu_init(&i, 1ull << VHOST_F_LOG_ALL);
    vu_iommu_start(&i, 0, 1024, 0);
    vu_iommu_serve(&i);
    vu_client_send(&i.rig.client, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), fd);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_LOG_BASE);
    addr = vu_get_queue(&i.rig.dev, 0)->vra;
    addr.flags = 1;
    vu_client_send(&i.rig.client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_VRING_ADDR);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_iommu_map(&i, data_iova(0x1000), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0xff0), 0x20, VRING_DESC_F_WRITE);
    e = pop(&i, 0);
    push(&i, e, 0x20);
    for (uint64_t b = 0; b < bytes; b++) {
        n += __builtin_popcount(bits[b]);
    }
    g_assert_cmpuint(n, ==, 3); /* two of the buffer, one of the used ring */
    page = vu_iommu_gpa(&i, data_iova(0)) / IOMMU_PAGE;
    g_assert_true(bits[page / 8] >> page % 8 & 1);
    page = vu_iommu_gpa(&i, data_iova(0x1000)) / IOMMU_PAGE;
    g_assert_true(bits[page / 8] >> page % 8 & 1);
    page = vu_iommu_gpa(&i, vu_iommu_iova(&i, i.ring[0].used)) / IOMMU_PAGE;
    g_assert_true(bits[page / 8] >> page % 8 & 1);
    vu_iommu_done(&i);
    munmap(bits, bytes);
    close(fd);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-iotlb/ring_waits_for_its_translation", test_ring_waits_for_its_translation);
    harness_add("/vu-iotlb/scattered_ring_works", test_scattered_ring_works);
    harness_add("/vu-iotlb/translations_may_come_unasked", test_translations_may_come_unasked);
    harness_add("/vu-iotlb/invalidated_ring_is_let_go_until_it_is_told_again",
                test_invalidated_ring_is_let_go_until_it_is_told_again);
    harness_add("/vu-iotlb/completion_is_announced_although_the_ring_is_taken_away",
                test_completion_is_announced_although_the_ring_is_taken_away);
    harness_add("/vu-iotlb/stop_forgets_all_translations", test_stop_forgets_all_translations);
    harness_add("/vu-iotlb/ring_that_was_never_found_stops_where_it_began",
                test_ring_that_was_never_found_stops_where_it_began);
    harness_add("/vu-iotlb/chain_asks_for_all_it_lacks_at_once",
                test_chain_asks_for_all_it_lacks_at_once);
    harness_add("/vu-iotlb/indirect_table_is_translated", test_indirect_table_is_translated);
    harness_add("/vu-iotlb/two_queues_ask_once_for_a_page", test_two_queues_ask_once_for_a_page);
    harness_add("/vu-iotlb/buffer_without_permission_is_not_written",
                test_buffer_without_permission_is_not_written);
    harness_add("/vu-iotlb/useless_answer_ends_the_wait", test_useless_answer_ends_the_wait);
    harness_add("/vu-iotlb/ring_without_translation_is_reported",
                test_ring_without_translation_is_reported);
    harness_add("/vu-iotlb/permissions_add_up", test_permissions_add_up);
    harness_add("/vu-iotlb/unasked_update_takes_permission_away",
                test_unasked_update_takes_permission_away);
    harness_add("/vu-iotlb/translation_out_of_memory_is_no_use",
                test_translation_out_of_memory_is_no_use);
    harness_add("/vu-iotlb/invalidation_waits_for_who_uses_it",
                test_invalidation_waits_for_who_uses_it);
    harness_add("/vu-iotlb/update_replaces_what_it_overlaps",
                test_update_replaces_what_it_overlaps);
    harness_add("/vu-iotlb/size_0_and_overflow_mean_everything",
                test_size_0_and_overflow_mean_everything);
    harness_add("/vu-iotlb/nonsense_is_refused", test_nonsense_is_refused);
    harness_add("/vu-iotlb/cache_is_bounded_and_goes_on", test_cache_is_bounded_and_goes_on);
    harness_add("/vu-iotlb/questions_that_find_the_channel_full_are_repeated",
                test_questions_that_find_the_channel_full_are_repeated);
    harness_add("/vu-iotlb/log_has_guest_physical_pages", test_log_has_guest_physical_pages);
    return harness_run();
}
