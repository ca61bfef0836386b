/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings written by hand: pop, push, notify, and rings that make no sense.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define ON_EMPTY  (1ull << VIRTIO_F_NOTIFY_ON_EMPTY)
#define F_NEXT    VRING_DESC_F_NEXT
#define F_WRITE   VRING_DESC_F_WRITE

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

/* ---- Good rings ---- */

static void test_chain_is_translated(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    Element *e;

    vu_rig_begin(&rig, 0, 16);
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
    vu_rig_assert_used(&rig, 3, 513);
    g_assert_cmphex(vu_rig_buffer(&rig, 512)[511], ==, 0xa5);
    g_assert_cmpuint(vu_rig_buffer(&rig, 2048)[0], ==, 42);
    g_assert_cmpuint(vu_ring_take_signal(r->call), ==, 1);
    vu_rig_done(&rig);
}

static void test_ring_wraps_many_times(void)
{
    VuRig rig;

    vu_rig_begin(&rig, EVENT_IDX, 16);
    for (unsigned int i = 0; i < 70000; i++) {
        Element *e;

        vu_rig_offer(&rig, i % 16, 1 + i % 100);
        e = pop(&rig);
        g_assert_nonnull(e);
        g_assert_cmpuint(e->elem.index, ==, i % 16);
        g_assert_cmpuint(e->elem.out_sg[0].iov_len, ==, 1 + i % 100);
        vu_queue_push(&rig.dev, queue(&rig), &e->elem, i % 7);
        free(e);
        vu_rig_assert_used(&rig, i % 16, i % 7);
    }
    vu_rig_done(&rig);
}

static void test_batch_becomes_visible_at_once(void)
{
    VuRig rig;
    Element *e[8];

    vu_rig_begin(&rig, 0, 16);
    for (int i = 0; i < 8; i++) {
        vu_rig_offer(&rig, i, 8);
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
        vu_rig_assert_used(&rig, 7 - i, i);
    }
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_unpopped_element_comes_again(void)
{
    VuRig rig;
    Element *e;

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 5, 8);
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

    vu_rig_begin(&rig, 0, 16);
    for (int i = 0; i < 4; i++) {
        vu_rig_offer(&rig, 10 + i, 8);
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

    vu_rig_begin(&rig, 0, 16);
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
    vu_rig_offer(rig, 2, 8);
    e = pop(rig);
    g_assert_nonnull(e);
    vu_queue_push(&rig->dev, queue(rig), &e->elem, 0);
    free(e);
}

static void test_available_index_that_jumps_breaks_the_ring(void)
{
    VuRig rig;

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 0, 8);
    rig.ring[0].avail->idx = GUINT16_TO_LE(17);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

static void test_available_index_that_goes_back_breaks_the_ring(void)
{
    VuRig rig;
    Element *e;

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 0, 8);
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

    vu_rig_begin(&rig, 0, 16);
    vu_ring_offer(&rig.ring[0], 16);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

static void test_head_that_is_in_use_breaks_the_ring(void)
{
    VuRig rig;
    Element *e;

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 3, 8);
    e = pop(&rig);
    g_assert_nonnull(e);
    vu_ring_offer(&rig.ring[0], 3);
    g_assert_null(pop(&rig));
    /* What is out can still be given back. */
    vu_queue_push(&rig.dev, queue(&rig), &e->elem, 1);
    vu_rig_assert_used(&rig, 3, 1);
    free(e);
    assert_broken_until_restart(&rig);
    vu_rig_done(&rig);
}

/* ---- Notifications ---- */

static void complete_one(VuRig *rig, unsigned int head)
{
    Element *e;

    vu_rig_offer(rig, head, 8);
    e = pop(rig);
    vu_queue_push(&rig->dev, queue(rig), &e->elem, 0);
    free(e);
    vu_queue_notify(&rig->dev, queue(rig));
}

static void test_guest_that_wants_no_interrupt_gets_none(void)
{
    VuRig rig;

    vu_rig_begin(&rig, 0, 16);
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

    vu_rig_begin(&rig, ON_EMPTY, 16);
    rig.ring[0].avail->flags = GUINT16_TO_LE(VRING_AVAIL_F_NO_INTERRUPT);
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    vu_rig_done(&rig);
}

static void test_used_event_decides_about_interrupts(void)
{
    VuRig rig;

    vu_rig_begin(&rig, EVENT_IDX, 16);
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

    vu_rig_begin(&rig, EVENT_IDX, 16);
    complete_one(&rig, 0);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    *vu_ring_used_event(&rig.ring[0]) = GUINT16_TO_LE(5);
    for (int i = 0; i < 65535; i++) {
        Element *e;

        vu_rig_offer(&rig, i % 16, 8);
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

    vu_rig_begin(&rig, EVENT_IDX, 16);
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

    vu_rig_begin(&rig, EVENT_IDX, 16);
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

    vu_rig_begin(&rig, 0, 16);
    g_assert_cmphex(rig.ring[0].used->flags, ==, 0);
    vu_queue_set_notification(&rig.dev, queue(&rig), 0);
    g_assert_cmphex(GUINT16_FROM_LE(rig.ring[0].used->flags), ==, VRING_USED_F_NO_NOTIFY);
    vu_queue_set_notification(&rig.dev, queue(&rig), 1);
    g_assert_cmphex(rig.ring[0].used->flags, ==, 0);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq/chain_is_translated", test_chain_is_translated);
    harness_add("/virtq/ring_wraps_many_times", test_ring_wraps_many_times);
    harness_add("/virtq/batch_becomes_visible_at_once", test_batch_becomes_visible_at_once);
    harness_add("/virtq/unpopped_element_comes_again", test_unpopped_element_comes_again);
    harness_add("/virtq/rewound_elements_come_again_in_order",
                test_rewound_elements_come_again_in_order);
    harness_add("/virtq/bytes_are_counted_without_popping", test_bytes_are_counted_without_popping);
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
    return harness_run();
}
