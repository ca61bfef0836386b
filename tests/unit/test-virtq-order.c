/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IN_ORDER: whatever the order of completion, the guest hears of it in the order of its requests.
 */
#include "qemu/osdep.h"

#include "harness.h"
#include "vu-driver.h"

#define F_WRITE VRING_DESC_F_WRITE

/* @n chains of a readable and a writable buffer of 100 bytes, popped. */
static void pop_many(VuDriver *d, VuDriverElem **e, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        const VuPackedBuf bufs[] = { vu_driver_buf(d, 0, 8, 0),
                                     vu_driver_buf(d, 256, 100, F_WRITE) };

        vu_driver_offer(d, 2 * i, bufs, 2);
        e[i] = vu_driver_pop_chain(d, 2 * i);
    }
}

static void test_completions_wait_for_those_before_them(VuDriver *d)
{
    VuDriverElem *e[5];

    for (int round = 0; round < 50; round++) {
        pop_many(d, e, 5);
        for (int i = 4; i > 0; i--) {
            vu_driver_push(d, e[i], 100);
            vu_queue_notify(d->dev, d->vq);
            vu_driver_assert_nothing_used(d);
            g_assert_cmpuint(vu_driver_interrupts(d), ==, 0);
            g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 5);
        }
        vu_driver_push(d, e[0], 100);
        vu_queue_notify(d->dev, d->vq);
        g_assert_cmpuint(vu_driver_interrupts(d), ==, 1);
        g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
        /* One entry for all of them. */
        for (int i = 0; i < 4; i++) {
            vu_driver_assert_used(d, 2 * i, UINT32_MAX);
        }
        vu_driver_assert_used(d, 8, 100);
        vu_driver_assert_nothing_used(d);
    }
}

static void test_completions_in_order_are_told_at_once(VuDriver *d)
{
    VuDriverElem *e[5];

    pop_many(d, e, 5);
    for (int i = 0; i < 5; i++) {
        vu_driver_push(d, e[i], 100);
        vu_driver_assert_used(d, 2 * i, 100);
        g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 4 - i);
    }
}

/* Those that a batch's entry skips count as written completely. */
static void test_short_completion_has_an_entry_of_its_own(VuDriver *d)
{
    static const uint32_t lens[] = { 100, 1, 100, 100, 0, 100 };
    static const uint32_t told[] = { UINT32_MAX, 1, UINT32_MAX, UINT32_MAX, 0, 100 };
    VuDriverElem *e[6];

    pop_many(d, e, 6);
    for (int i = 5; i >= 0; i--) {
        vu_driver_push(d, e[i], lens[i]);
    }
    for (int i = 0; i < 6; i++) {
        vu_driver_assert_used(d, 2 * i, told[i]);
    }
    vu_driver_assert_nothing_used(d);
}

static void test_batch_of_the_device_is_told_in_order(VuDriver *d)
{
    VuDriverElem *e[4];

    pop_many(d, e, 4);
    for (int i = 0; i < 4; i++) {
        vu_queue_fill(d->dev, d->vq, &e[3 - i]->elem, 100, i);
        vu_driver_assert_nothing_used(d);
        free(e[3 - i]);
    }
    vu_queue_flush(d->dev, d->vq, 4);
    for (int i = 0; i < 3; i++) {
        vu_driver_assert_used(d, 2 * i, UINT32_MAX);
    }
    vu_driver_assert_used(d, 6, 100);
}

static void test_malformed_chain_waits_as_well(VuDriver *d)
{
    const VuPackedBuf good[] = { vu_driver_buf(d, 0, 8, 0), vu_driver_buf(d, 256, 100, F_WRITE) };
    const VuPackedBuf bad[] = { { 1ull << 40, 8, 0 } };
    VuDriverElem *first, *last;

    vu_driver_offer(d, 0, good, 2);
    vu_driver_offer(d, 2, bad, 1);
    vu_driver_offer(d, 4, good, 2);
    first = vu_driver_pop_chain(d, 0);
    last = vu_driver_pop_chain(d, 4);
    vu_driver_push(d, last, 100);
    vu_driver_assert_nothing_used(d);
    vu_driver_push(d, first, 100);
    vu_driver_assert_used(d, 0, UINT32_MAX);
    vu_driver_assert_used(d, 2, UINT32_MAX);
    vu_driver_assert_used(d, 4, 100);
    /* With nothing before it there is nothing to wait for. */
    vu_driver_offer(d, 6, bad, 1);
    g_assert_null(vu_driver_pop(d));
    vu_driver_assert_used(d, 6, 0);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
}

static void test_elements_that_go_back_leave_no_gap(VuDriver *d)
{
    VuDriverElem *e[5];

    for (int round = 0; round < 20; round++) {
        pop_many(d, e, 5);
        vu_queue_unpop(d->dev, d->vq, &e[4]->elem, 0);
        free(e[4]);
        g_assert_true(vu_queue_rewind(d->dev, d->vq, 2));
        free(e[2]);
        free(e[3]);
        vu_driver_push(d, e[1], 100);
        /* It is complete: it cannot come again. */
        g_assert_false(vu_queue_rewind(d->dev, d->vq, 1));
        for (int i = 2; i < 5; i++) {
            vu_driver_push(d, vu_driver_pop_chain(d, 2 * i), 100);
        }
        vu_driver_assert_nothing_used(d);
        vu_driver_push(d, e[0], 100);
        for (int i = 0; i < 4; i++) {
            vu_driver_assert_used(d, 2 * i, UINT32_MAX);
        }
        vu_driver_assert_used(d, 8, 100);
    }
}

/* Nobody can be told of what lies behind it; the next start does it all once more. */
static void test_detached_element_breaks_the_ring_until_it_is_done_again(VuDriver *d)
{
    VuDriverElem *e[5];
    uint32_t base, here;

    vu_driver_round(d, 0);
    here = d->packed ? vu_packed_base(&d->ring) : d->split->avail_idx;
    pop_many(d, e, 5);
    vu_driver_push(d, e[3], 100);
    vu_queue_detach_element(d->dev, d->vq, &e[1]->elem, 0);
    free(e[1]);
    g_assert_cmpuint(vu_ring_take_signal(d->err), ==, 1);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 3);
    vu_driver_push(d, e[0], 100);
    vu_queue_detach_element(d->dev, d->vq, &e[2]->elem, 0);
    free(e[2]);
    vu_driver_push(d, e[4], 100);
    vu_driver_assert_nothing_used(d);
    g_assert_null(vu_driver_pop(d));
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    base = vu_driver_stop(d);
    g_assert_cmphex(base, ==, here);
    vu_driver_restart(d, base);
    for (int i = 0; i < 5; i++) {
        vu_driver_push(d, vu_driver_pop_chain(d, 2 * i), 100);
        vu_driver_assert_used(d, 2 * i, 100);
    }
}

/* Every order of completion there is, of four. */
static void test_every_order_of_completion_is_put_right(VuDriver *d)
{
    for (unsigned int order = 0; order < 256; order++) {
        unsigned int left = 0xf;
        VuDriverElem *e[4];

        pop_many(d, e, 4);
        for (unsigned int i = 0, choice = order; i < 4; i++, choice /= 4) {
            unsigned int which = choice % 4;

            while (!(left & 1u << which)) {
                which = (which + 1) % 4;
            }
            left &= ~(1u << which);
            vu_driver_push(d, e[which], 10 + which);
        }
        for (unsigned int i = 0; i < 4; i++) {
            vu_driver_assert_used(d, 2 * i, 10 + i);
        }
    }
}

static const VuDriverTest tests[] = {
    VU_DRIVER_TEST(completions_wait_for_those_before_them, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(completions_in_order_are_told_at_once, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(short_completion_has_an_entry_of_its_own, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(batch_of_the_device_is_told_in_order, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(malformed_chain_waits_as_well, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(elements_that_go_back_leave_no_gap, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(detached_element_breaks_the_ring_until_it_is_done_again, VU_DRIVER_IN_ORDER),
    VU_DRIVER_TEST(every_order_of_completion_is_put_right, VU_DRIVER_IN_ORDER),
};

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    vu_driver_add_tests("virtq-order", tests, G_N_ELEMENTS(tests));
    return harness_run();
}
