/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to split rings, written by hand. What they share with packed ones is tested
 * by test-virtq-layouts.c.
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

static void test_empty_ring_is_notified_if_agreed(void)
{
    VuRig rig;

    vu_rig_begin(&rig, ON_EMPTY, 16);
    rig.ring[0].avail->flags = GUINT16_TO_LE(VRING_AVAIL_F_NO_INTERRUPT);
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

static void test_elements_lie_in_given_memory_if_it_is_large_enough(void)
{
    static const size_t small[] = { 0, sizeof(Element) };
    uint64_t mem[32];
    VuRig rig;
    Element *e;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
        vu_rig_offer(&rig, 2, 8);
        e = vu_queue_pop_into(&rig.dev, queue(&rig), sizeof(Element), mem, small[i]);
        g_assert_nonnull(e);
        g_assert_true((void *)e != mem);
        vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
        free(e);
    }
    /* The same memory for one after the other. */
    for (int i = 0; i < 40; i++) {
        vu_rig_offer(&rig, 2, 8);
        e = vu_queue_pop_into(&rig.dev, queue(&rig), sizeof(Element), mem, sizeof(mem));
        g_assert_true((void *)e == mem);
        g_assert_cmpuint(e->elem.in_num + e->elem.out_num, ==, 1);
        g_assert_true((char *)&e->elem.out_sg[e->elem.out_num] <= (char *)mem + sizeof(mem));
        vu_queue_push(&rig.dev, queue(&rig), &e->elem, 0);
    }
    g_assert_null(vu_queue_pop_into(&rig.dev, queue(&rig), sizeof(Element), mem, sizeof(mem)));
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq/available_index_that_jumps_breaks_the_ring",
                test_available_index_that_jumps_breaks_the_ring);
    harness_add("/virtq/available_index_that_goes_back_breaks_the_ring",
                test_available_index_that_goes_back_breaks_the_ring);
    harness_add("/virtq/head_outside_the_ring_breaks_it", test_head_outside_the_ring_breaks_it);
    harness_add("/virtq/empty_ring_is_notified_if_agreed", test_empty_ring_is_notified_if_agreed);
    harness_add("/virtq/avail_event_is_published_when_the_ring_is_empty",
                test_avail_event_is_published_when_the_ring_is_empty);
    harness_add("/virtq/avail_event_stays_while_kicks_are_not_wanted",
                test_avail_event_stays_while_kicks_are_not_wanted);
    harness_add("/virtq/elements_lie_in_given_memory_if_it_is_large_enough",
                test_elements_lie_in_given_memory_if_it_is_large_enough);
    harness_add("/virtq/used_flags_say_whether_to_kick", test_used_flags_say_whether_to_kick);
    return harness_run();
}
