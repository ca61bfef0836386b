/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver of a split ring.
 */
#include "qemu/osdep.h"
#include "fuzz-ring.h"

static unsigned split_size(uint8_t byte)
{
    return 1u << byte % 8;
}

static void split_desc(FuzzRing *r, unsigned slot, const struct vring_desc *d)
{
    uint8_t *at = fuzz_ring_at(r->addr[0] + slot * sizeof(*d), sizeof(*d));

    if (at) {
        memcpy(at, d, sizeof(*d));
    }
}

/* A number of the avail ring; it has no alignment when the input has moved it. */
static void put_avail(FuzzRing *r, unsigned word, uint16_t value)
{
    uint8_t *at = fuzz_ring_at(r->addr[1] + word * 2, 2);

    if (at) {
        memcpy(at, &value, sizeof(value));
    }
}

static void split_offer(FuzzRing *r, uint8_t head)
{
    put_avail(r, 2 + r->index % r->num, head);
    put_avail(r, 1, ++r->index);
}

static void split_chain(FuzzRing *r, const struct vring_desc *chain, unsigned n)
{
    uint16_t head = r->slot % r->num;

    for (unsigned i = 0; i < n; i++) {
        struct vring_desc d = chain[i];
        uint16_t slot = r->slot++ % r->num;

        if (i + 1 < n) {
            d.flags |= VRING_DESC_F_NEXT;
            d.next = r->slot % r->num;
        }
        split_desc(r, slot, &d);
    }
    split_offer(r, head);
}

static void split_set_index(FuzzRing *r, uint16_t idx)
{
    r->index = idx;
    put_avail(r, 1, idx);
}

static void split_set_event(FuzzRing *r, uint16_t flags, uint16_t used_event)
{
    put_avail(r, 0, flags);
    put_avail(r, 2 + r->num, used_event);
}

const FuzzRingLayout fuzz_ring_split = {
    .size = split_size,
    .desc = split_desc,
    .chain = split_chain,
    .offer = split_offer,
    .set_index = split_set_index,
    .set_event = split_set_event,
};
