/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that goes on making malformed chains available, one after each good one so that the ring
 * is not given up.
 */
#include "qemu/osdep.h"

#include "harness.h"
#include "vu-internal.h"
#include "vu-rig.h"

#define RING 256
#define GOOD (RING - 1) /* this chain is a buffer; the others are a loop */
#define MANY 2000
/* As virtq-pause.c has it: beyond that a chain is one too many. */
#define FREE_NS (64 * 5000000ull)

static unsigned int pauses;
static uint64_t pause_ns;
static bool can_pause;

static bool pause_queue(VuDev *dev, VuVirtq *vq, uint64_t ns)
{
    pauses++;
    pause_ns = ns;
    return can_pause;
}

static const VuIoOps ops = { .pause = pause_queue };

static void offer_bad(VuRig *rig)
{
    vu_ring_offer(&rig->ring[0], 0);
}

static void offer_good(VuRig *rig)
{
    vu_ring_offer(&rig->ring[0], GOOD);
}

static void lay_chains(VuRig *rig)
{
    vu_ring_desc(&rig->ring[0], GOOD, VU_CLIENT_GPA, 8, 0, 0);
    for (unsigned int i = 0; i < GOOD; i++) {
        vu_ring_desc(&rig->ring[0], i, VU_CLIENT_GPA, 8, VRING_DESC_F_NEXT, (i + 1) % GOOD);
    }
}

static void begin(VuRig *rig)
{
    pauses = 0;
    can_pause = true;
    vu_rig_begin(rig, 0, RING);
    vu_set_io_ops(&rig->dev, &ops);
    lay_chains(rig);
}

static VuVirtqElement *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(VuVirtqElement));
}

static bool serve(VuRig *rig)
{
    VuVirtqElement *e = pop(rig);

    if (e) {
        g_assert_cmpuint(e->index, ==, GOOD);
        vu_queue_push(&rig->dev, vu_get_queue(&rig->dev, 0), e, 8);
        free(e);
    }
    return e;
}

/* Whatever has been used since. */
static unsigned int reap(VuRig *rig)
{
    unsigned int n = 0;
    uint32_t id, len;

    while (vu_ring_reap(&rig->ring[0], &id, &len)) {
        g_assert_cmpuint(len, ==, id == GOOD ? 8 : 0);
        n++;
    }
    return n;
}

/*
 * What is for free is used up. (A sanitizer walks chains more slowly than they are charged for, so
 * it cannot be used up by chains.)
 */
static void use_up(VuRig *rig)
{
    rig->dev.priv->malformed_paid = g_get_monotonic_time() * 1000 + FREE_NS + 5000000;
}

/* Bad and good ones in turn, until the queue is paused; the good one of the last pair waits. */
static unsigned int attack(VuRig *rig)
{
    for (unsigned int n = 0; n < MANY; n++) {
        use_up(rig);
        offer_bad(rig);
        offer_good(rig);
        if (!serve(rig)) {
            g_assert_cmpuint(reap(rig), ==, 1);
            return n;
        }
        g_assert_cmpuint(reap(rig), ==, 2);
    }
    return MANY;
}

static void test_some_are_for_free(void)
{
    uint64_t begin_ns = g_get_monotonic_time() * 1000;
    VuRig rig;

    begin(&rig);
    for (unsigned int n = 0; n < 300; n++) {
        offer_bad(&rig);
        offer_good(&rig);
        g_assert_true(serve(&rig));
        g_assert_cmpuint(reap(&rig), ==, 2);
    }
    g_assert_cmpuint(pauses, ==, 0);
    /* But they are charged for. */
    g_assert_cmpuint(rig.dev.priv->malformed_paid, >, begin_ns + 300 * 64 * 10000ull);
    vu_rig_done(&rig);
}

static void test_flood_pauses_the_queue_and_loses_nothing(void)
{
    VuQueueStats stats;
    VuRig rig;
    VuVirtq *vq;

    begin(&rig);
    vq = vu_get_queue(&rig.dev, 0);
    g_assert_cmpuint(attack(&rig), <, MANY);
    g_assert_cmpuint(pauses, ==, 1);
    g_assert_cmpuint(pause_ns, >, 0);
    g_assert_cmpuint(pause_ns, <, 20000000);
    g_assert_nonnull(strstr(rig.log->str, "malformed"));
    /* Whoever asks: it is empty now. */
    g_assert_true(vu_queue_empty(&rig.dev, vq));
    g_assert_false(vu_queue_poll(&rig.dev, vq));
    vu_ring_kick(&rig.ring[0]);
    vu_rig_poll(&rig);
    g_assert_false(serve(&rig));
    vu_queue_resume(&rig.dev, vq);
    g_assert_true(serve(&rig));
    g_assert_cmpuint(reap(&rig), ==, 1);
    g_assert_false(serve(&rig));
    g_assert_cmpuint(pauses, ==, 1);
    /* The next one is one too many again, and one more line would be, too. */
    g_string_truncate(rig.log, 0);
    g_assert_cmpuint(attack(&rig), <, MANY);
    g_assert_cmpuint(pauses, ==, 2);
    g_assert_cmpstr(rig.log->str, ==, "");
    vu_queue_get_stats(&rig.dev, vq, &stats);
    g_assert_cmpuint(stats.pauses, ==, 2);
    vu_rig_done(&rig);
}

/* A good chain on ring 1, perhaps with a bad one before it. False: it is not popped. */
static bool serve_other(VuRig *rig, bool bad)
{
    VuVirtq *vq = vu_get_queue(&rig->dev, 1);
    VuVirtqElement *e;

    if (bad) {
        vu_ring_offer(&rig->ring[1], 1);
    }
    vu_ring_offer(&rig->ring[1], 0);
    e = vu_queue_pop(&rig->dev, vq, sizeof(*e));
    if (e) {
        vu_queue_push(&rig->dev, vq, e, 0);
        free(e);
    }
    return e;
}

static void test_other_queue_of_the_guest_is_charged_as_well(void)
{
    VuRig rig;
    VuGuestRing *other;
    unsigned int n = 0;

    begin(&rig);
    g_assert_cmpuint(attack(&rig), <, MANY);
    vu_rig_start(&rig, 1, 4);
    other = &rig.ring[1];
    vu_ring_desc(other, 0, VU_CLIENT_GPA, 8, 0, 0);
    vu_ring_desc(other, 1, VU_CLIENT_GPA, 8, VRING_DESC_F_NEXT, 1);
    while (serve_other(&rig, n % 8 == 7)) {
        g_assert_cmpuint(n++, <, MANY);
        use_up(&rig);
    }
    g_assert_cmpuint(n, >, 6); /* nobody who keeps to the rules pays */
    g_assert_cmpuint(pauses, ==, 2);
    vu_rig_done(&rig);
}

static void test_new_run_begins_without_a_pause(void)
{
    uint32_t base;
    VuRig rig;

    begin(&rig);
    g_assert_cmpuint(attack(&rig), <, MANY);
    base = vu_rig_stop(&rig, 0);
    vu_ring_done(&rig.ring[0]);
    vu_rig_start(&rig, 0, RING);
    g_assert_cmpuint(base, >, 0);
    lay_chains(&rig);
    offer_good(&rig);
    g_assert_true(serve(&rig));
    vu_queue_resume(&rig.dev, vu_get_queue(&rig.dev, 0)); /* of the pause before */
    vu_rig_done(&rig);
}

static void test_without_somebody_to_end_it_there_is_no_pause(void)
{
    VuRig rig;

    begin(&rig);
    can_pause = false;
    g_assert_cmpuint(attack(&rig), ==, MANY);
    g_assert_cmpuint(pauses, >, 0);
    vu_set_io_ops(&rig.dev, NULL);
    g_assert_cmpuint(attack(&rig), ==, MANY);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq-pause/some_are_for_free", test_some_are_for_free);
    harness_add("/virtq-pause/flood_pauses_the_queue_and_loses_nothing",
                test_flood_pauses_the_queue_and_loses_nothing);
    harness_add("/virtq-pause/other_queue_of_the_guest_is_charged_as_well",
                test_other_queue_of_the_guest_is_charged_as_well);
    harness_add("/virtq-pause/new_run_begins_without_a_pause", test_new_run_begins_without_a_pause);
    harness_add("/virtq-pause/without_somebody_to_end_it_there_is_no_pause",
                test_without_somebody_to_end_it_there_is_no_pause);
    return harness_run();
}
