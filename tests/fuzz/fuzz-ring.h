/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio-blk device on one ring whose driver is the input: descriptors, indices, buffers and
 * moves of any kind; the layout of the ring is the target's.
 *
 * An input is u8 options, u8 size, and a script (enum FuzzRingStep).
 *
 * Guest memory is the pages from FUZZ_RING_FIRST on without the last: those before and behind
 * belong to nobody, and must stay as they are whatever the driver asks for.
 */
#ifndef TESTS_FUZZ_FUZZ_RING_H
#define TESTS_FUZZ_FUZZ_RING_H

#include <linux/virtio_config.h>
#include "fuzz-device.h"

#define FUZZ_RING_FIRST 0x1000
#define FUZZ_RING_END   (FUZZ_MEM_SIZE - 0x1000)
/* Where a well-meaning driver puts things. */
#define FUZZ_RING_DESC   0x1000
#define FUZZ_RING_DRIVER 0x2000 /* avail ring, or the driver's event area */
#define FUZZ_RING_DEVICE 0x3000 /* used ring, or the device's event area */
#define FUZZ_RING_DATA   0x4000

typedef enum FuzzRingStep {
    FUZZ_RING_REQUEST,  /* a right virtio-blk request: u8 type, u8 sector, u8 shape */
    FUZZ_RING_DESC_SET, /* u8 slot, u16 address, u16 length, u16 flags, u16 next or id */
    FUZZ_RING_DESC_RAW, /* u8 slot, 16 bytes */
    FUZZ_RING_OFFER,    /* u8 head */
    FUZZ_RING_INDEX,    /* u16: the avail index, or where the driver goes on */
    FUZZ_RING_EVENT,    /* u16, u16: the driver's event suppression */
    FUZZ_RING_WRITE,    /* u16 offset, u8 length, the bytes */
    FUZZ_RING_KICK,
    FUZZ_RING_HOLD,    /* requests wait in the disk, or do not any more */
    FUZZ_RING_RESUME,  /* u8: so many go on */
    FUZZ_RING_RESTART, /* the ring is stopped and started again */
    FUZZ_RING_MOVE,    /* u16, u16, u16: the ring's three addresses change while it is stopped */
    FUZZ_RING_ENABLE,  /* u8: the ring is disabled or enabled */
    FUZZ_RING_MEMORY,  /* u8: guest memory as so many regions, or none */
    FUZZ_RING_LOG,     /* u8: logging of writes is switched */
    FUZZ_RING_IOTLB,   /* u8 type and permission, u16 iova, u16 size, u16 address; IOMMU only */
    FUZZ_RING_MISSES,  /* u8 permission: what was asked for is told; IOMMU only */
    FUZZ_RING_STEP__MAX,
} FuzzRingStep;

typedef struct FuzzRing FuzzRing;

/* What split and packed rings do differently. */
typedef struct FuzzRingLayout {
    uint64_t features;
    uint32_t base; /* of a new ring */
    unsigned (*size)(uint8_t byte);
    /* Write a descriptor; @link is next or id. */
    void (*desc)(FuzzRing *r, unsigned slot, const struct vring_desc *d);
    /* A chain of @n descriptors, made available. */
    void (*chain)(FuzzRing *r, const struct vring_desc *chain, unsigned n);
    void (*offer)(FuzzRing *r, uint8_t head);
    void (*set_index)(FuzzRing *r, uint16_t idx);
    void (*set_event)(FuzzRing *r, uint16_t a, uint16_t b);
} FuzzRingLayout;

struct FuzzRing {
    FuzzDevice device;
    const FuzzRingLayout *layout;
    unsigned num;
    uint16_t index; /* the driver's: avail index, or slot */
    bool wrap;      /* packed: the driver's wrap counter */
    uint16_t slot;  /* split: the next descriptor to use */
    uint64_t features;
    uint32_t addr[3]; /* desc, driver, device */
    unsigned running; /* requests in coroutines */
};

extern const FuzzRingLayout fuzz_ring_split;
extern const FuzzRingLayout fuzz_ring_packed;

int fuzz_ring_initialize(const FuzzRingLayout *layout);
/* @features are negotiated besides those of the layout and the input's. */
int fuzz_ring_run(const FuzzRingLayout *layout, uint64_t features, const uint8_t *data,
                  size_t size);

/* Guest memory at @offset, if @len bytes are there; the rings may lie anywhere. */
uint8_t *fuzz_ring_at(uint32_t offset, size_t len);

#endif
