/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to packed rings: wrap counters, buffer ids, bases, events.
 */
#include "qemu/osdep.h"
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

static void test_chain_is_translated(void)
{
    Packed p;
    uint64_t gpa;
    Element *e;

    packed_begin(&p, 0, 16);
    gpa = vu_client_gpa(&p.rig.client, vu_rig_buffer(&p.rig, 0));
    memcpy(vu_rig_buffer(&p.rig, 0), "what to do next", 16);
    vu_packed_offer(
        &p.ring, 11,
        (VuPackedBuf[]){ { gpa, 16, 0 }, { gpa + 512, 512, F_WRITE }, { gpa + 2048, 1, F_WRITE } },
        3);
    e = pop(&p);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, 11);
    g_assert_cmpuint(e->elem.out_num, ==, 1);
    g_assert_cmpuint(e->elem.in_num, ==, 2);
    g_assert_cmpstr(e->elem.out_sg[0].iov_base, ==, "what to do next");
    memset(e->elem.in_sg[0].iov_base, 0xa5, 512);
    g_assert_null(pop(&p));
    g_assert_false(vu_packed_reap(&p.ring, NULL, NULL));
    push(&p, e, 513);
    vu_queue_notify(&p.rig.dev, p.vq);
    g_assert_cmphex(vu_packed_used_flags(&p.ring), ==, VU_PACKED_AVAIL | VU_PACKED_USED | F_WRITE);
    assert_used(&p, 11, 513);
    g_assert_cmphex(vu_rig_buffer(&p.rig, 512)[511], ==, 0xa5);
    g_assert_cmpuint(vu_ring_take_signal(p.ring.call), ==, 1);
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

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq-packed/chain_is_translated", test_chain_is_translated);
    harness_add("/virtq-packed/ring_wraps_many_times", test_ring_wraps_many_times);
    harness_add("/virtq-packed/ring_of_any_size_wraps", test_ring_of_any_size_wraps);
    harness_add("/virtq-packed/out_of_order_completions_find_their_slots",
                test_out_of_order_completions_find_their_slots);
    return harness_run();
}
