/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What holds for a ring in either layout: each test runs on a split and on a packed one.
 */
#include "qemu/osdep.h"

#include "harness.h"
#include "vu-driver.h"

#define F_WRITE VRING_DESC_F_WRITE
#define F_TABLE VRING_DESC_F_INDIRECT

/* ---- Popping and pushing ---- */

static void test_chain_is_translated(VuDriver *d)
{
    const VuPackedBuf bufs[] = { vu_driver_buf(d, 0, 16, 0), vu_driver_buf(d, 512, 512, F_WRITE),
                                 vu_driver_buf(d, 2048, 1, F_WRITE) };
    VuDriverElem *e;

    memcpy(vu_rig_buffer(&d->rig, 0), "what to do next", 16);
    vu_driver_offer(d, 3, bufs, 3);
    e = vu_driver_pop_chain(d, 3);
    g_assert_cmpuint(e->elem.out_num, ==, 1);
    g_assert_cmpuint(e->elem.in_num, ==, 2);
    g_assert_cmpstr(e->elem.out_sg[0].iov_base, ==, "what to do next");
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, 512);
    g_assert_cmpuint(e->elem.in_sg[1].iov_len, ==, 1);
    memset(e->elem.in_sg[0].iov_base, 0xa5, 512);
    *(uint8_t *)e->elem.in_sg[1].iov_base = 42;
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 1);
    g_assert_null(vu_driver_pop(d));
    vu_driver_push(d, e, 513);
    vu_queue_notify(d->dev, d->vq);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    vu_driver_assert_used(d, 3, 513);
    g_assert_cmphex(vu_rig_buffer(&d->rig, 512)[511], ==, 0xa5);
    g_assert_cmpuint(vu_rig_buffer(&d->rig, 2048)[0], ==, 42);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
}

static void test_indirect_chain_is_translated(VuDriver *d)
{
    VuPackedBuf bufs[40], table;
    VuDriverElem *e;

    for (unsigned int i = 0; i < G_N_ELEMENTS(bufs); i++) {
        uint16_t next = d->packed || i + 1 == G_N_ELEMENTS(bufs) ? 0 : VRING_DESC_F_NEXT;

        bufs[i] = vu_driver_buf(d, i * 64, i + 1, (i < 20 ? 0 : F_WRITE) | next);
    }
    if (d->packed) {
        vu_packed_table(vu_rig_buffer(&d->rig, 8192), bufs, G_N_ELEMENTS(bufs));
    } else {
        for (unsigned int i = 0; i < G_N_ELEMENTS(bufs); i++) {
            struct vring_desc desc = { GUINT64_TO_LE(bufs[i].gpa), GUINT32_TO_LE(bufs[i].len),
                                       GUINT16_TO_LE(bufs[i].flags), GUINT16_TO_LE(i + 1) };

            memcpy(vu_rig_buffer(&d->rig, 8192 + i * 16), &desc, 16);
        }
    }
    table = vu_driver_buf(d, 8192, sizeof(struct vring_desc) * G_N_ELEMENTS(bufs), F_TABLE);
    vu_driver_offer(d, 5, &table, 1);
    e = vu_driver_pop_chain(d, 5);
    g_assert_cmpuint(e->elem.out_num, ==, 20);
    g_assert_cmpuint(e->elem.in_num, ==, 20);
    for (unsigned int i = 0; i < 20; i++) {
        g_assert_cmpuint(e->elem.out_sg[i].iov_len, ==, i + 1);
        g_assert_cmpuint(e->elem.in_sg[i].iov_len, ==, i + 21);
    }
    vu_driver_push(d, e, 0);
    vu_driver_assert_used(d, 5, 0);
}

static void test_ring_wraps_many_times(VuDriver *d)
{
    for (unsigned int i = 0; i < 70000; i++) {
        VuPackedBuf buf = vu_driver_buf(d, i % 64, 1 + i % 100, 0);
        VuDriverElem *e;

        vu_driver_offer(d, i % 16, &buf, 1);
        e = vu_driver_pop_chain(d, i % 16);
        g_assert_cmpuint(e->elem.out_sg[0].iov_len, ==, 1 + i % 100);
        vu_driver_push(d, e, i % 7);
        vu_driver_assert_used(d, i % 16, i % 7);
    }
}

static void test_full_ring_is_served_again_and_again(VuDriver *d)
{
    VuDriverElem *e[16];

    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 16; i++) {
            vu_driver_offer_one(d, i);
        }
        for (int i = 0; i < 16; i++) {
            e[i] = vu_driver_pop_chain(d, i);
        }
        g_assert_null(vu_driver_pop(d));
        for (int i = 0; i < 16; i++) {
            vu_driver_push(d, e[(i * 5 + round) % 16], 0);
        }
        for (int i = 0; i < 16; i++) {
            vu_driver_assert_used(d, (i * 5 + round) % 16, 0);
        }
    }
}

static void test_batch_becomes_visible_at_once(VuDriver *d)
{
    VuDriverElem *e[8];

    for (int i = 0; i < 8; i++) {
        vu_driver_offer_one(d, i);
    }
    for (int i = 0; i < 8; i++) {
        e[i] = vu_driver_pop(d);
        g_assert_nonnull(e[i]);
    }
    for (int i = 0; i < 8; i++) {
        vu_queue_fill(d->dev, d->vq, &e[7 - i]->elem, i, i);
        vu_driver_assert_nothing_used(d);
        free(e[7 - i]);
    }
    vu_queue_flush(d->dev, d->vq, 5);
    vu_queue_flush(d->dev, d->vq, 3);
    vu_queue_notify(d->dev, d->vq);
    for (int i = 0; i < 8; i++) {
        vu_driver_assert_used(d, 7 - i, i);
    }
    vu_driver_assert_nothing_used(d);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
}

static void test_unpopped_element_comes_again(VuDriver *d)
{
    VuDriverElem *e;

    for (int round = 0; round < 40; round++) {
        vu_driver_offer_one(d, 5);
        e = vu_driver_pop_chain(d, 5);
        vu_queue_unpop(d->dev, d->vq, &e->elem, 0);
        free(e);
        g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
        vu_driver_push(d, vu_driver_pop_chain(d, 5), 0);
        vu_driver_assert_used(d, 5, 0);
    }
}

static void test_detached_element_is_forgotten(VuDriver *d)
{
    VuDriverElem *e;

    vu_driver_offer_one(d, 5);
    vu_driver_offer_one(d, 6);
    e = vu_driver_pop_chain(d, 5);
    vu_queue_detach_element(d->dev, d->vq, &e->elem, 0);
    free(e);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    vu_driver_push(d, vu_driver_pop_chain(d, 6), 0);
    vu_driver_assert_used(d, 6, 0);
    g_assert_null(vu_driver_pop(d));
}

/* Chains of three buffers, so that going back crosses the end of the ring. */
static void test_rewound_elements_come_again_in_order(VuDriver *d)
{
    const VuPackedBuf bufs[] = { vu_driver_buf(d, 0, 8, 0), vu_driver_buf(d, 64, 8, 0),
                                 vu_driver_buf(d, 128, 8, 0) };
    VuDriverElem *e[4];

    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 4; i++) {
            vu_driver_offer(d, 4 * i, bufs, 3);
            e[i] = vu_driver_pop_chain(d, 4 * i);
        }
        g_assert_false(vu_queue_rewind(d->dev, d->vq, 5));
        g_assert_true(vu_queue_rewind(d->dev, d->vq, 3));
        g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 1);
        for (int i = 1; i < 4; i++) {
            free(e[i]);
            e[i] = vu_driver_pop_chain(d, 4 * i);
        }
        for (int i = 0; i < 4; i++) {
            vu_driver_push(d, e[i], 0);
            vu_driver_assert_used(d, 4 * i, 0);
        }
        g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    }
}

static void test_bytes_are_counted_without_popping(VuDriver *d)
{
    const VuPackedBuf bufs[] = { vu_driver_buf(d, 0, 10, 0), vu_driver_buf(d, 64, 100, F_WRITE) };
    unsigned int in, out;

    g_assert_true(vu_queue_empty(d->dev, d->vq));
    g_assert_true(vu_queue_caught_up(d->dev, d->vq));
    for (int i = 0; i < 3; i++) {
        vu_driver_offer(d, 2 * i, bufs, 2);
    }
    g_assert_false(vu_queue_empty(d->dev, d->vq));
    g_assert_false(vu_queue_caught_up(d->dev, d->vq));
    vu_queue_get_avail_bytes(d->dev, d->vq, &in, &out, UINT_MAX, UINT_MAX);
    g_assert_cmpuint(in, ==, 300);
    g_assert_cmpuint(out, ==, 30);
    vu_queue_get_avail_bytes(d->dev, d->vq, &in, &out, 100, 10);
    g_assert_cmpuint(in, ==, 100);
    g_assert_true(vu_queue_avail_bytes(d->dev, d->vq, 300, 30));
    g_assert_false(vu_queue_avail_bytes(d->dev, d->vq, 301, 0));
    g_assert_false(vu_queue_avail_bytes(d->dev, d->vq, 0, 31));
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
}

/* ---- Chains and rings that break the rules ---- */

typedef struct BadChain {
    const char *what;
    unsigned int n;
    VuPackedBuf buf[2]; /* gpa: relative to the buffers, or absolute if it is larger than them */
} BadChain;

static const BadChain bad_chains[] = {
    { "writable before readable", 2, { { 0, 8, F_WRITE }, { 64, 8, 0 } } },
    { "out of memory", 1, { { 1ull << 40, 8, 0 } } },
    { "beyond the end of memory", 1, { { 0, UINT32_MAX, 0 } } },
    { "wraps around", 1, { { UINT64_MAX - 7, 16, 0 } } },
    { "empty table", 1, { { 0, 0, F_TABLE } } },
    { "odd table", 1, { { 0, 24, F_TABLE } } },
    { "table out of memory", 1, { { 1ull << 40, 16, F_TABLE } } },
    { "table that wraps around", 1, { { UINT64_MAX - 15, 64, F_TABLE } } },
    { "table and more", 2, { { 0, 16, F_TABLE }, { 64, 8, 0 } } },
};

static void offer_bad(VuDriver *d, unsigned int chain, const BadChain *bad)
{
    VuPackedBuf bufs[2];

    for (unsigned int i = 0; i < bad->n; i++) {
        bufs[i] = bad->buf[i];
        bufs[i].gpa += bufs[i].gpa < 4096 ? vu_driver_gpa(d, 0) : 0;
    }
    vu_driver_offer(d, chain, bufs, bad->n);
}

static void test_malformed_chains_are_completed_unserved(VuDriver *d)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(bad_chains); i++) {
        VuQueueStats stats;

        offer_bad(d, 4, &bad_chains[i]);
        vu_driver_offer_one(d, 7);
        vu_driver_push(d, vu_driver_pop_chain(d, 7), 1);
        vu_driver_assert_used(d, 4, 0);
        vu_driver_assert_used(d, 7, 1);
        vu_queue_get_stats(d->dev, d->vq, &stats);
        g_assert_cmpuint(stats.malformed, ==, i + 1);
        g_assert_cmpuint(stats.breaks, ==, 0);
    }
}

static void test_malformed_chain_comes_after_the_batch_in_progress(VuDriver *d)
{
    VuDriverElem *first, *second;

    vu_driver_offer_one(d, 1);
    offer_bad(d, 4, &bad_chains[0]);
    vu_driver_offer_one(d, 7);
    first = vu_driver_pop_chain(d, 1);
    vu_queue_fill(d->dev, d->vq, &first->elem, 1, 0);
    second = vu_driver_pop_chain(d, 7);
    vu_driver_assert_nothing_used(d);
    vu_queue_fill(d->dev, d->vq, &second->elem, 2, 1);
    vu_queue_flush(d->dev, d->vq, 2);
    vu_driver_assert_used(d, 1, 1);
    vu_driver_assert_used(d, 7, 2);
    vu_driver_assert_used(d, 4, 0);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    free(first);
    free(second);
}

static void test_chain_that_is_out_breaks_the_ring_when_it_comes_again(VuDriver *d)
{
    VuDriverElem *e;
    VuQueueStats stats;

    vu_driver_offer_one(d, 3);
    e = vu_driver_pop_chain(d, 3);
    vu_driver_offer_one(d, 3);
    g_assert_null(vu_driver_pop(d));
    g_assert_cmpuint(vu_ring_take_signal(d->err), ==, 1);
    /* What is out can still be given back. */
    vu_driver_push(d, e, 1);
    vu_driver_assert_used(d, 3, 1);
    g_assert_null(vu_driver_pop(d));
    vu_queue_get_stats(d->dev, d->vq, &stats);
    g_assert_cmpuint(stats.breaks, ==, 1);
    g_assert_cmpuint(vu_ring_take_signal(d->err), ==, 0);
    g_assert_nonnull(strstr(d->rig.log->str, "queue 0 cannot go on"));
    g_assert_false(d->dev->broken);
    vu_driver_stop(d);
    vu_driver_reset(d, 16);
    vu_driver_round(d, 3);
}

/* ---- Notifications ---- */

static void test_guest_that_wants_no_interrupt_gets_none(VuDriver *d)
{
    vu_driver_want_interrupts(d, false);
    vu_driver_round(d, 0);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 0);
    vu_driver_want_interrupts(d, true);
    vu_driver_round(d, 1);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
}

/* Whatever the ring's place: 100 rounds of seven chains. */
static void test_used_event_decides_about_interrupts(VuDriver *d)
{
    vu_driver_round(d, 0); /* the first decision is always yes */
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
    for (int round = 0; round < 100; round++) {
        vu_driver_want_interrupt_after(d, 2);
        vu_driver_round(d, 1);
        vu_driver_round(d, 2);
        g_assert_cmpuint(vu_driver_interrupts(d), ==, 0);
        vu_driver_round(d, 3);
        g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
        vu_driver_round(d, 4);
        g_assert_cmpuint(vu_driver_interrupts(d), ==, 0);
        vu_driver_want_interrupt_after(d, 0);
        vu_driver_round(d, 5);
        g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
    }
}

/* More than once round since the last decision: nothing can be compared any more. */
static void test_long_silence_is_ended_by_an_interrupt(VuDriver *d)
{
    vu_driver_round(d, 0);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
    vu_driver_want_interrupt_after(d, 5);
    for (int i = 0; i < 65535; i++) {
        vu_driver_offer_one(d, i % 16);
        vu_driver_push(d, vu_driver_pop(d), 0);
        vu_driver_assert_used(d, i % 16, 0);
    }
    vu_driver_round(d, 0);
    g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
}

static void test_kick_is_wanted_when_the_ring_is_empty(VuDriver *d)
{
    for (int i = 0; i < 100; i++) {
        g_assert_true(vu_queue_empty(d->dev, d->vq));
        g_assert_true(vu_driver_must_kick(d, vu_driver_here(d)));
        vu_driver_round(d, i % 16);
    }
}

static void test_kick_is_not_wanted_while_the_device_says_so(VuDriver *d)
{
    vu_queue_set_notification(d->dev, d->vq, 0);
    vu_driver_round(d, 0);
    g_assert_null(vu_driver_pop(d));
    g_assert_false(vu_driver_must_kick(d, vu_driver_here(d)));
    vu_queue_set_notification(d->dev, d->vq, 1);
    g_assert_true(vu_driver_must_kick(d, vu_driver_here(d)));
}

/* ---- Stop and start ---- */

static void test_stopped_ring_goes_on_where_it_stood(VuDriver *d)
{
    for (int round = 0; round < 50; round++) {
        uint32_t here;

        for (int i = 0; i < 5; i++) {
            vu_driver_round(d, i);
        }
        here = d->packed ? vu_packed_base(&d->ring) : d->split->avail_idx;
        vu_driver_offer_one(d, 9);
        g_assert_cmphex(vu_driver_stop(d), ==, here);
        g_assert_null(vu_driver_pop(d));
        vu_driver_restart(d, here);
        vu_driver_push(d, vu_driver_pop_chain(d, 9), 0);
        vu_driver_assert_used(d, 9, 0);
    }
}

/* What RING_RESET comes down to: other rings, and other memory, do not matter. */
static void test_ring_is_reset_with_another_size(VuDriver *d)
{
    static const unsigned int sizes[] = { 1, 64, 2, 256, 16, 1024 };

    for (unsigned int i = 0; i < G_N_ELEMENTS(sizes); i++) {
        VuDriverElem *e;

        vu_driver_offer_one(d, 0);
        e = vu_driver_pop_chain(d, 0);
        vu_driver_push(d, e, 0);
        vu_driver_stop(d);
        vu_driver_reset(d, sizes[i]);
        for (unsigned int n = 0; n < 3 * sizes[i]; n++) {
            vu_driver_round(d, n % sizes[i]);
        }
    }
}

static void take_all(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;

    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        vu_queue_push(dev, vq, e, 0);
        free(e);
    }
}

/* The data goes no further than the transport: what arrives is a kick, whatever its value. */
static void test_kick_with_notification_data_is_a_kick(VuDriver *d)
{
    static const uint64_t values[] = { 1, 0x80070000, 0xffff0000, 0x1234567890abcdef };
    int kick = d->packed ? d->ring.kick : d->split->kick;

    g_assert_true(vu_has_feature(d->dev, VU_DRIVER_NOTIFICATION_DATA));
    vu_set_queue_handler(d->dev, d->vq, take_all);
    for (unsigned int i = 0; i < G_N_ELEMENTS(values); i++) {
        vu_driver_offer_one(d, i);
        g_assert_cmpint(write(kick, &values[i], sizeof(values[i])), ==, sizeof(values[i]));
        g_assert_cmpint(vu_rig_poll(&d->rig), ==, 1);
        vu_driver_assert_used(d, i, 0);
        g_assert_cmpint(vu_rig_poll(&d->rig), ==, 0);
    }
}

static void test_err_descriptor_that_comes_late_is_told(VuDriver *d)
{
    int late = dup(d->err);

    vu_driver_offer_one(d, 3);
    free(vu_driver_pop_chain(d, 3));
    vu_driver_offer_one(d, 3);
    g_assert_null(vu_driver_pop(d));
    g_assert_cmpuint(vu_ring_take_signal(d->err), ==, 1);
    vu_client_send_file(&d->rig.client, VHOST_USER_SET_VRING_ERR, 0, late);
    vu_rig_accepted(&d->rig, VHOST_USER_SET_VRING_ERR);
    g_assert_cmpuint(vu_ring_take_signal(d->err), ==, 1);
    close(late);
}

/* ---- The table ---- */

static const VuDriverTest tests[] = {
    VU_DRIVER_TEST(chain_is_translated, 0),
    VU_DRIVER_TEST(indirect_chain_is_translated, VU_DRIVER_INDIRECT),
    VU_DRIVER_TEST(ring_wraps_many_times, VU_DRIVER_EVENT_IDX),
    VU_DRIVER_TEST(full_ring_is_served_again_and_again, 0),
    VU_DRIVER_TEST(batch_becomes_visible_at_once, 0),
    VU_DRIVER_TEST(unpopped_element_comes_again, 0),
    VU_DRIVER_TEST(detached_element_is_forgotten, 0),
    VU_DRIVER_TEST(rewound_elements_come_again_in_order, 0),
    VU_DRIVER_TEST(bytes_are_counted_without_popping, 0),
    VU_DRIVER_TEST(malformed_chains_are_completed_unserved, VU_DRIVER_INDIRECT),
    VU_DRIVER_TEST(malformed_chain_comes_after_the_batch_in_progress, 0),
    VU_DRIVER_TEST(chain_that_is_out_breaks_the_ring_when_it_comes_again, 0),
    VU_DRIVER_TEST(guest_that_wants_no_interrupt_gets_none, 0),
    VU_DRIVER_TEST(used_event_decides_about_interrupts, VU_DRIVER_EVENT_IDX),
    VU_DRIVER_TEST(long_silence_is_ended_by_an_interrupt, VU_DRIVER_EVENT_IDX),
    VU_DRIVER_TEST(kick_is_wanted_when_the_ring_is_empty, VU_DRIVER_EVENT_IDX),
    VU_DRIVER_TEST(kick_is_not_wanted_while_the_device_says_so, 0),
    VU_DRIVER_TEST(stopped_ring_goes_on_where_it_stood, 0),
    VU_DRIVER_TEST(ring_is_reset_with_another_size, 1ull << VU_DRIVER_RING_RESET),
    VU_DRIVER_TEST(kick_with_notification_data_is_a_kick, 1ull << VU_DRIVER_NOTIFICATION_DATA),
    VU_DRIVER_TEST(err_descriptor_that_comes_late_is_told, 0),
};

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    vu_driver_add_tests("virtq-layouts", tests, G_N_ELEMENTS(tests));
    return harness_run();
}
