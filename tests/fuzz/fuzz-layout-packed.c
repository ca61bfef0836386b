/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver of a packed ring.
 */
#include "qemu/osdep.h"
#include "fuzz-ring.h"

/* As it lies in the ring (virtio 1.2, 2.8.13). */
typedef struct PackedDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags;
} PackedDesc;

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1u << VRING_PACKED_DESC_F_USED)

static unsigned packed_size(uint8_t byte)
{
    return 1 + byte % 64;
}

/* The flags of what the driver makes available in this round of the ring. */
static uint16_t available(const FuzzRing *r)
{
    return r->wrap ? F_AVAIL : F_USED;
}

static void packed_desc(FuzzRing *r, unsigned slot, const struct vring_desc *d)
{
    const PackedDesc packed = { d->addr, d->len, d->next, d->flags };
    uint8_t *at = fuzz_ring_at(r->addr[0] + slot * sizeof(packed), sizeof(packed));

    if (at) {
        memcpy(at, &packed, sizeof(packed));
    }
}

static void advance(FuzzRing *r)
{
    if (++r->index >= r->num) {
        r->index = 0;
        r->wrap = !r->wrap;
    }
}

static void packed_chain(FuzzRing *r, const struct vring_desc *chain, unsigned n)
{
    uint16_t id = r->slot++;

    for (unsigned i = 0; i < n; i++) {
        struct vring_desc d = chain[i];

        d.next = id;
        d.flags |= available(r) | (i + 1 < n ? VRING_DESC_F_NEXT : 0);
        packed_desc(r, r->index, &d);
        advance(r);
    }
}

/* What lies at the driver's place becomes available. */
static void packed_offer(FuzzRing *r, uint8_t head)
{
    uint8_t *at = fuzz_ring_at(r->addr[0] + r->index * sizeof(PackedDesc), sizeof(PackedDesc));
    PackedDesc d;

    if (at) {
        memcpy(&d, at, sizeof(d));
        d.flags = (d.flags & ~(F_AVAIL | F_USED)) | available(r);
        memcpy(at, &d, sizeof(d));
    }
    advance(r);
}

static void packed_set_index(FuzzRing *r, uint16_t idx)
{
    r->index = (idx & 0x7fff) % r->num;
    r->wrap = idx >> 15;
}

static void packed_set_event(FuzzRing *r, uint16_t off_wrap, uint16_t flags)
{
    const uint16_t area[2] = { off_wrap, flags };
    uint8_t *at = fuzz_ring_at(r->addr[1], sizeof(area));

    if (at) {
        memcpy(at, area, sizeof(area));
    }
}

const FuzzRingLayout fuzz_ring_packed = {
    .features = 1ull << VIRTIO_F_RING_PACKED,
    .base = 0x80008000,
    .size = packed_size,
    .desc = packed_desc,
    .chain = packed_chain,
    .offer = packed_offer,
    .set_index = packed_set_index,
    .set_event = packed_set_event,
};
