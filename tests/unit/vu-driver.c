/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver for ring 0 of a rig in either layout, so that one test holds for both.
 */
#include "qemu/osdep.h"

#include "harness.h"
#include "vu-driver.h"

static void take_ring(VuDriver *d)
{
    d->split = &d->rig.ring[0];
    d->call = d->packed ? d->ring.call : d->split->call;
    d->err = d->packed ? d->ring.err : d->split->err;
    d->ring.in_order = d->in_order;
    d->offered = d->reaped = d->batch = 0;
}

static void start_fresh(VuDriver *d, unsigned int num)
{
    if (d->packed) {
        vu_rig_start_packed(&d->rig, &d->ring, 0, num);
    } else {
        vu_rig_start(&d->rig, 0, num);
    }
    take_ring(d);
}

VuDriver *vu_driver_new(bool packed, uint64_t features, unsigned int num)
{
    VuDriver *d = g_new0(VuDriver, 1);

    d->packed = packed;
    d->in_order = features & VU_DRIVER_IN_ORDER;
    vu_rig_init(&d->rig);
    d->dev = &d->rig.dev;
    d->vq = vu_get_queue(d->dev, 0);
    d->rig.offers = features;
    vu_rig_ready(&d->rig, features | (packed ? VU_DRIVER_PACKED : 0));
    start_fresh(d, num);
    return d;
}

void vu_driver_free(VuDriver *d)
{
    if (d->packed) {
        vu_packed_done(&d->ring);
    }
    vu_rig_done(&d->rig);
    g_free(d);
}

uint32_t vu_driver_stop(VuDriver *d)
{
    return vu_rig_stop(&d->rig, 0);
}

void vu_driver_restart(VuDriver *d, uint32_t base)
{
    VuRigStart start = { .base = base, .call = d->call, .err = d->err };

    vu_driver_interrupts(d);
    start.num = d->packed ? d->ring.num : d->split->num;
    start.addr = d->packed ? vu_packed_addr(&d->ring) : vu_ring_addr(d->split);
    start.kick = d->packed ? d->ring.kick : d->split->kick;
    vu_rig_start_ring(&d->rig, &start);
}

void vu_driver_reset(VuDriver *d, unsigned int num)
{
    VuGuestRing *r = d->split;

    if (d->packed) {
        vu_packed_done(&d->ring);
    } else {
        memset(r->desc, 0, vu_ring_bytes(MAX(r->num, num)));
    }
    start_fresh(d, num);
}

/* ---- The guest ---- */

static void split_offer(VuDriver *d, unsigned int head, const VuPackedBuf *bufs, unsigned int n)
{
    VuGuestRing *r = d->split;

    for (unsigned int i = 0; i < n; i++) {
        vu_ring_desc(r, (head + i) % r->num, bufs[i].gpa, bufs[i].len,
                     bufs[i].flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0), (head + i + 1) % r->num);
    }
    vu_ring_offer(r, head);
}

void vu_driver_offer(VuDriver *d, unsigned int chain, const VuPackedBuf *bufs, unsigned int n)
{
    if (d->packed) {
        vu_packed_offer(&d->ring, chain, bufs, n);
        return;
    }
    d->order[d->offered++ % G_N_ELEMENTS(d->order)] = chain;
    split_offer(d, chain, bufs, n);
}

void vu_driver_offer_one(VuDriver *d, unsigned int chain)
{
    VuPackedBuf buf = vu_driver_buf(d, chain % 1024 * 8, 8, 0);

    vu_driver_offer(d, chain, &buf, 1);
}

static uint16_t split_used_idx(VuGuestRing *r)
{
    return GUINT16_FROM_LE(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE));
}

/* The entry where a batch begins is about its last chain; those that follow are not written. */
static bool split_reap_in_order(VuDriver *d, uint32_t *ret_chain, uint32_t *ret_len)
{
    VuGuestRing *r = d->split;
    const struct vring_used_elem *e = &r->used->ring[r->last_used % r->num];

    if (split_used_idx(r) == r->last_used) {
        return false;
    }
    *ret_chain = d->order[d->reaped % G_N_ELEMENTS(d->order)];
    if (d->batch == 0) {
        d->batch_len = GUINT32_FROM_LE(e->len);
        do {
            g_assert_cmpuint(d->reaped + d->batch, <, d->offered);
        } while (d->order[(d->reaped + d->batch++) % G_N_ELEMENTS(d->order)] !=
                 GUINT32_FROM_LE(e->id));
    }
    *ret_len = --d->batch > 0 ? UINT32_MAX : d->batch_len;
    d->reaped++;
    r->last_used++;
    return true;
}

bool vu_driver_reap(VuDriver *d, uint32_t *ret_chain, uint32_t *ret_len)
{
    if (d->packed) {
        return vu_packed_reap(&d->ring, ret_chain, ret_len);
    }
    return d->in_order ? split_reap_in_order(d, ret_chain, ret_len)
                       : vu_ring_reap(d->split, ret_chain, ret_len);
}

void vu_driver_assert_used(VuDriver *d, uint32_t chain, uint32_t len)
{
    uint32_t got_chain, got_len;

    g_assert_true(vu_driver_reap(d, &got_chain, &got_len));
    g_assert_cmpuint(got_chain, ==, chain);
    g_assert_cmpuint(got_len, ==, len);
}

void vu_driver_assert_nothing_used(VuDriver *d)
{
    uint32_t chain, len;

    g_assert_false(vu_driver_reap(d, &chain, &len));
}

void vu_driver_want_interrupts(VuDriver *d, bool want)
{
    if (d->packed) {
        vu_packed_set_event(&d->ring,
                            want ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE,
                            0, false);
    } else {
        d->split->avail->flags = GUINT16_TO_LE(want ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
    }
}

void vu_driver_want_interrupt_after(VuDriver *d, unsigned int after)
{
    unsigned int slot = d->ring.used_idx + after;

    if (!d->packed) {
        __atomic_store_n(vu_ring_used_event(d->split), GUINT16_TO_LE(d->split->last_used + after),
                         __ATOMIC_RELAXED);
    } else if (slot < d->ring.num) {
        vu_packed_set_event(&d->ring, VRING_PACKED_EVENT_FLAG_DESC, slot, d->ring.used_wrap);
    } else {
        vu_packed_set_event(&d->ring, VRING_PACKED_EVENT_FLAG_DESC, slot - d->ring.num,
                            !d->ring.used_wrap);
    }
}

uint64_t vu_driver_interrupts(VuDriver *d)
{
    return vu_ring_take_signal(d->call);
}

uint16_t vu_driver_here(const VuDriver *d)
{
    return d->packed ? vu_packed_base(&d->ring) : d->split->avail_idx;
}

static bool packed_must_kick(const VuDriver *d, uint16_t here)
{
    uint16_t place, flags = vu_packed_get_event(&d->ring, &place);

    return flags == VRING_PACKED_EVENT_FLAG_ENABLE ||
           (flags == VRING_PACKED_EVENT_FLAG_DESC && place == here);
}

bool vu_driver_must_kick(const VuDriver *d, uint16_t here)
{
    /* What was made available must be visible before the device's wish is read. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (d->packed) {
        return packed_must_kick(d, here);
    }
    if (vu_has_feature(d->dev, VIRTIO_RING_F_EVENT_IDX)) {
        return GUINT16_FROM_LE(__atomic_load_n(vu_ring_avail_event(d->split), __ATOMIC_RELAXED)) ==
               here;
    }
    return !(GUINT16_FROM_LE(__atomic_load_n(&d->split->used->flags, __ATOMIC_RELAXED)) &
             VRING_USED_F_NO_NOTIFY);
}

/* ---- The device ---- */

VuDriverElem *vu_driver_pop(VuDriver *d)
{
    return vu_queue_pop(d->dev, d->vq, sizeof(VuDriverElem));
}

VuDriverElem *vu_driver_pop_chain(VuDriver *d, unsigned int chain)
{
    VuDriverElem *e = vu_driver_pop(d);

    g_assert_nonnull(e);
    g_assert_cmpuint(e->elem.index, ==, chain);
    return e;
}

void vu_driver_push(VuDriver *d, VuDriverElem *e, uint32_t len)
{
    vu_queue_push(d->dev, d->vq, &e->elem, len);
    free(e);
}

void vu_driver_round(VuDriver *d, unsigned int chain)
{
    vu_driver_offer_one(d, chain);
    vu_driver_push(d, vu_driver_pop_chain(d, chain), 0);
    vu_queue_notify(d->dev, d->vq);
    vu_driver_assert_used(d, chain, 0);
}

/* ---- Tests of both layouts ---- */

static void run(const VuDriverTest *test, bool packed)
{
    VuDriver *d = vu_driver_new(packed, test->features, 16);

    test->fn(d);
    vu_driver_free(d);
}

static void run_split(const void *data)
{
    run(data, false);
}

static void run_packed(const void *data)
{
    run(data, true);
}

void vu_driver_add_tests(const char *file, const VuDriverTest *tests, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        g_autofree char *split = g_strdup_printf("/%s/split/%s", file, tests[i].name);
        g_autofree char *packed = g_strdup_printf("/%s/packed/%s", file, tests[i].name);

        harness_add_data(split, &tests[i], run_split);
        harness_add_data(packed, &tests[i], run_packed);
    }
}
