/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a guest can make a device do at once: elements that are out, descriptors that are read.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

/* What each queue may have out in any case. */
#define RESERVE 4

typedef struct Popped {
    VuVirtqElement *elem[64];
    unsigned int n;
} Popped;

static VuVirtq *queue(VuRig *rig, int index)
{
    return vu_get_queue(&rig->dev, index);
}

static void offer_all(VuRig *rig, int index, unsigned int n)
{
    VuGuestRing *r = &rig->ring[index];
    uint64_t gpa = vu_client_gpa(&rig->client, vu_rig_buffer(rig, 0));

    for (unsigned int i = 0; i < n; i++) {
        vu_ring_desc(r, i, gpa, 8, 0, 0);
        vu_ring_offer(r, i);
    }
}

static void pop_all(VuRig *rig, int index, Popped *popped)
{
    VuVirtqElement *e;

    while ((e = vu_queue_pop(&rig->dev, queue(rig, index), sizeof(*e)))) {
        g_assert_cmpuint(popped->n, <, G_N_ELEMENTS(popped->elem));
        popped->elem[popped->n++] = e;
    }
}

static void push_last(VuRig *rig, int index, Popped *popped)
{
    VuVirtqElement *e = popped->elem[--popped->n];

    vu_queue_push(&rig->dev, queue(rig, index), e, 0);
    free(e);
}

static void push_all(VuRig *rig, int index, Popped *popped)
{
    while (popped->n > 0) {
        push_last(rig, index, popped);
    }
}

/* Two rings of 64 entries, and @limit for the device. */
static void begin(VuRig *rig, unsigned int limit)
{
    vu_rig_init(rig);
    if (limit) {
        vu_set_max_in_flight(&rig->dev, limit);
    }
    vu_rig_ready(rig, 0);
    vu_rig_start(rig, 0, 64);
    vu_rig_start(rig, 1, 64);
}

static void test_no_limit(void)
{
    Popped popped = { 0 };
    VuRig rig;

    begin(&rig, 0);
    offer_all(&rig, 0, 64);
    pop_all(&rig, 0, &popped);
    g_assert_cmpuint(popped.n, ==, 64);
    push_all(&rig, 0, &popped);
    vu_rig_done(&rig);
}

static void test_pool_is_shared(void)
{
    Popped a = { 0 }, b = { 0 };
    VuRig rig;

    begin(&rig, RESERVE * VU_RIG_QUEUES + 40);
    offer_all(&rig, 0, 64);
    offer_all(&rig, 1, 64);
    pop_all(&rig, 0, &a);
    g_assert_cmpuint(a.n, ==, RESERVE + 40);
    pop_all(&rig, 1, &b);
    g_assert_cmpuint(b.n, ==, RESERVE);
    push_all(&rig, 0, &a);
    pop_all(&rig, 1, &b);
    g_assert_cmpuint(b.n, >, RESERVE);
    g_assert_cmpuint(b.n, <=, RESERVE + 40);
    pop_all(&rig, 0, &a);
    g_assert_cmpuint(a.n + b.n, <=, 2 * RESERVE + 40);
    push_all(&rig, 0, &a);
    push_all(&rig, 1, &b);
    vu_rig_done(&rig);
}

static void test_held_up_queue_is_looked_at(void)
{
    Popped popped = { 0 };
    VuRig rig;
    int handled;

    begin(&rig, 1);
    offer_all(&rig, 0, 10);
    g_assert_true(vu_queue_poll(&rig.dev, vu_get_queue(&rig.dev, 0)));
    pop_all(&rig, 0, &popped);
    g_assert_cmpuint(popped.n, ==, RESERVE);
    /* Whoever polls must not run the handler again and again meanwhile. */
    g_assert_false(vu_queue_empty(&rig.dev, vu_get_queue(&rig.dev, 0)));
    g_assert_false(vu_queue_poll(&rig.dev, vu_get_queue(&rig.dev, 0)));
    handled = rig.handled[0];
    for (unsigned int done = 0; done < 10; done++) {
        push_last(&rig, 0, &popped);
        pop_all(&rig, 0, &popped);
        g_assert_cmpuint(popped.n, ==, MIN(RESERVE, 10 - done - 1));
    }
    /* Once for each of those that had to wait, and once when it turned out that was all. */
    g_assert_cmpint(rig.handled[0] - handled, ==, 10 - RESERVE + 1);
    vu_rig_done(&rig);
}

static void hold_up(VuRig *rig, int index)
{
    VuVirtqElement *e = vu_queue_pop(&rig->dev, queue(rig, index), sizeof(*e));

    g_assert_nonnull(e);
    vu_queue_hold_up(&rig->dev, queue(rig, index), e);
    free(e);
}

static void test_device_holds_a_queue_up(void)
{
    Popped popped = { 0 };
    VuRig rig;
    int handled;

    begin(&rig, 0);
    offer_all(&rig, 0, 3);
    popped.elem[popped.n++] = vu_queue_pop(&rig.dev, queue(&rig, 0), sizeof(VuVirtqElement));
    g_assert_nonnull(popped.elem[0]);
    handled = rig.handled[0];
    /* More than once: a kick may come meanwhile. */
    hold_up(&rig, 0);
    hold_up(&rig, 0);
    g_assert_false(vu_queue_poll(&rig.dev, queue(&rig, 0)));
    g_assert_cmpint(rig.handled[0], ==, handled);
    push_all(&rig, 0, &popped);
    g_assert_cmpint(rig.handled[0], ==, handled + 1);
    g_assert_true(vu_queue_poll(&rig.dev, queue(&rig, 0)));

    /* With none out the device asks. */
    hold_up(&rig, 0);
    g_assert_cmpint(rig.handled[0], ==, handled + 1);
    vu_queue_kick_later(&rig.dev, queue(&rig, 0));
    g_assert_cmpint(rig.handled[0], ==, handled + 2);
    g_assert_true(vu_queue_poll(&rig.dev, queue(&rig, 0)));
    pop_all(&rig, 0, &popped);
    g_assert_cmpuint(popped.n, ==, 2);
    push_all(&rig, 0, &popped);
    vu_rig_done(&rig);
}

static void test_stop_gives_back(void)
{
    Popped a = { 0 }, b = { 0 };
    VuRig rig;

    begin(&rig, RESERVE * VU_RIG_QUEUES + 32);
    offer_all(&rig, 0, 20);
    pop_all(&rig, 0, &a);
    g_assert_cmpuint(a.n, ==, 20);
    push_all(&rig, 0, &a);
    vu_rig_stop(&rig, 0);
    offer_all(&rig, 1, 64);
    pop_all(&rig, 1, &b);
    g_assert_cmpuint(b.n, ==, RESERVE + 32);
    push_all(&rig, 1, &b);
    vu_rig_done(&rig);
}

/* ---- Malformed chains ---- */

#define LARGE 1024

/* Chains that loop through a whole ring cost most; they are read in several turns. */
static void test_malformed_chains_are_read_in_turns(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    uint64_t gpa;
    VuQueueStats stats;

    vu_rig_begin(&rig, 0, LARGE);
    gpa = vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0));
    for (unsigned int i = 0; i < LARGE; i++) {
        vu_ring_desc(r, i, gpa, 0, VRING_DESC_F_NEXT, (i + 1) % LARGE);
        vu_ring_offer(r, i);
    }
    g_assert_null(vu_queue_pop(&rig.dev, queue(&rig, 0), sizeof(VuVirtqElement)));
    vu_queue_get_stats(&rig.dev, queue(&rig, 0), &stats);
    g_assert_cmpuint(stats.malformed, >, 0);
    g_assert_cmpuint(stats.malformed, <, LARGE / 8);
    g_assert_cmpint(rig.handled[0], >, 0);
    while (stats.malformed < LARGE) {
        uint64_t before = stats.malformed;

        g_assert_null(vu_queue_pop(&rig.dev, queue(&rig, 0), sizeof(VuVirtqElement)));
        vu_queue_get_stats(&rig.dev, queue(&rig, 0), &stats);
        g_assert_cmpuint(stats.malformed, >, before);
    }
    g_assert_cmpuint(stats.breaks, ==, 0);
    vu_rig_done(&rig);
}

static void test_bytes_are_counted_no_further_than_that(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    unsigned int in, out;
    uint64_t gpa;

    vu_rig_begin(&rig, 0, LARGE);
    gpa = vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0));
    for (unsigned int i = 0; i < LARGE; i++) {
        vu_ring_desc(r, i, gpa, 1, VRING_DESC_F_NEXT, (i + 1) % LARGE);
        vu_ring_offer(r, i);
    }
    vu_queue_get_avail_bytes(&rig.dev, queue(&rig, 0), &in, &out, UINT_MAX, UINT_MAX);
    g_assert_cmpuint(in, ==, 0);
    g_assert_cmpuint(out, >=, LARGE);
    g_assert_cmpuint(out, <, 100 * LARGE);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq-limit/without_a_limit_the_ring_is_the_limit", test_no_limit);
    harness_add("/virtq-limit/queues_share_what_is_left_of_the_limit", test_pool_is_shared);
    harness_add("/virtq-limit/a_queue_that_was_held_up_is_looked_at",
                test_held_up_queue_is_looked_at);
    harness_add("/virtq-limit/the_device_can_hold_a_queue_up", test_device_holds_a_queue_up);
    harness_add("/virtq-limit/a_queue_that_stops_gives_back", test_stop_gives_back);
    harness_add("/virtq-limit/malformed_chains_are_read_in_turns",
                test_malformed_chains_are_read_in_turns);
    harness_add("/virtq-limit/bytes_are_counted_no_further_than_that",
                test_bytes_are_counted_no_further_than_that);
    return harness_run();
}
