/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver for ring 0 of a rig in either layout, so that one test holds for both.
 *
 * A chain is named by a number: its head descriptor in a split ring, its buffer id in a packed one.
 * In a split ring the chain's other descriptors follow its head, so a test that has several chains
 * of several buffers out at a time numbers them as far apart.
 */
#ifndef TESTS_UNIT_VU_DRIVER_H
#define TESTS_UNIT_VU_DRIVER_H

#include <linux/virtio_config.h>

#include "vu-rig.h"

#define VU_DRIVER_PACKED    (1ull << VIRTIO_F_RING_PACKED)
#define VU_DRIVER_IN_ORDER  (1ull << VIRTIO_F_IN_ORDER)
#define VU_DRIVER_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define VU_DRIVER_INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)

/* Bits that older kernel headers do not have. */
#define VU_DRIVER_NOTIFICATION_DATA 38
#define VU_DRIVER_RING_RESET        40

typedef struct VuDriverElem {
    VuVirtqElement elem;
    int mark;
} VuDriverElem;

typedef struct VuDriver {
    VuRig rig;
    bool packed;
    VuGuestRing *split;
    VuPackedRing ring;
    VuDev *dev;
    VuVirtq *vq;
    int call;
    int err;
    /* Split: of chains that were offered and not reaped; IN_ORDER. */
    bool in_order;
    uint32_t order[32768];
    unsigned int offered;
    unsigned int reaped;
    unsigned int batch; /* chains of the current used entry that are still to be told */
    uint32_t batch_len;
} VuDriver;

/* A device with @features, of which the library need not offer all by itself, and ring 0 started.
 */
VuDriver *vu_driver_new(bool packed, uint64_t features, unsigned int num);
void vu_driver_free(VuDriver *d);

/* Where the test's buffers are, and a buffer there. */
static inline uint64_t vu_driver_gpa(VuDriver *d, size_t offset)
{
    return vu_client_gpa(&d->rig.client, vu_rig_buffer(&d->rig, offset));
}

static inline VuPackedBuf vu_driver_buf(VuDriver *d, size_t offset, uint32_t len, uint16_t flags)
{
    return (VuPackedBuf){ vu_driver_gpa(d, offset), len, flags };
}

/* ---- Tests of both layouts ---- */

/* One test; @features as vu_driver_new(), which makes a ring of 16 entries for it. */
typedef struct VuDriverTest {
    const char *name;
    void (*fn)(VuDriver *d);
    uint64_t features;
} VuDriverTest;

#define VU_DRIVER_TEST(name, features) \
    {                                  \
#name, test_##name, features   \
    }

/* Add each test twice, as /@file/split/NAME and /@file/packed/NAME. @tests must stay. */
void vu_driver_add_tests(const char *file, const VuDriverTest *tests, unsigned int n);

/* ---- The guest ---- */

/* Make a chain available, of @n buffers, or of one readable one of 8 bytes. */
void vu_driver_offer(VuDriver *d, unsigned int chain, const VuPackedBuf *bufs, unsigned int n);
void vu_driver_offer_one(VuDriver *d, unsigned int chain);
/*
 * Whether and what was used next. With IN_ORDER the chains of a batch come one by one; the length
 * of all but the last is UINT32_MAX.
 */
bool vu_driver_reap(VuDriver *d, uint32_t *ret_chain, uint32_t *ret_len);
void vu_driver_assert_used(VuDriver *d, uint32_t chain, uint32_t len);
void vu_driver_assert_nothing_used(VuDriver *d);
/* Want interrupts or not; EVENT_IDX: only once @after more entries (slots) have been used. */
void vu_driver_want_interrupts(VuDriver *d, bool want);
void vu_driver_want_interrupt_after(VuDriver *d, unsigned int after);
uint64_t vu_driver_interrupts(VuDriver *d);
/* Where the next chain will be made available. */
uint16_t vu_driver_here(const VuDriver *d);
/* Does the device want a kick for the chain that is made available at @here, or was? */
bool vu_driver_must_kick(const VuDriver *d, uint16_t here);
/* Stop the ring; the driver's side goes on from where it is. */
uint32_t vu_driver_stop(VuDriver *d);
/* Start it again, as it is, at @base. */
void vu_driver_restart(VuDriver *d, uint32_t base);
/* Begin with an empty ring of @num entries; the ring is stopped. */
void vu_driver_reset(VuDriver *d, unsigned int num);

/* ---- The device ---- */

VuDriverElem *vu_driver_pop(VuDriver *d);
/* Pops, which must give that chain. */
VuDriverElem *vu_driver_pop_chain(VuDriver *d, unsigned int chain);
/* Push without a notification, and free. */
void vu_driver_push(VuDriver *d, VuDriverElem *e, uint32_t len);
/* Offer, pop, push, notify and reap. */
void vu_driver_round(VuDriver *d, unsigned int chain);

#endif
