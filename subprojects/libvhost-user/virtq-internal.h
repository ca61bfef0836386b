/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The insides of a ring: one walker for chains, one table of operations for a layout.
 */
#ifndef VIRTQ_INTERNAL_H
#define VIRTQ_INTERNAL_H

#include "vu-internal.h"

/* Where the device may write, by guest address: kept for the dirty log. */
typedef struct VirtqRange {
    uint64_t gpa;
    uint64_t len;
} VirtqRange;

/* What we remember of the chain with this head while an element of it is out. */
typedef struct VirtqSlot {
    VuMapUse *use;            /* NULL: no element is out */
    const VirtqRange *ranges; /* in the element's allocation */
    unsigned int nranges;
} VirtqSlot;

/* ---- Chains: virtq-chain.c ---- */

/* A buffer of a chain, in private memory. */
typedef struct VirtqDesc {
    uint64_t addr;
    uint32_t len;
    bool write;
} VirtqDesc;

/* A descriptor as a layout decodes it from its private copy. */
typedef struct VirtqRawDesc {
    VirtqDesc desc;
    bool table; /* its buffer is an indirect table */
    bool more;  /* another one follows at next */
    unsigned int next;
} VirtqRawDesc;

/* Both layouts have descriptors of 16 bytes. */
typedef struct VirtqWireDesc {
    uint64_t word[2];
} VirtqWireDesc;

typedef struct ChainWalk {
    const VuVirtq *vq;
    const VuMemMap *map;
    const VuRegion *hint;
    bool more;
    unsigned int next; /* in the ring, or in the indirect table */
    unsigned int left; /* descriptors that may still come before this is a loop */
    bool in_table;
    uint64_t table; /* guest address */
    unsigned int table_num;
    const uint8_t *window; /* host address of table entries from window_first on */
    unsigned int window_first;
    unsigned int window_num;
} ChainWalk;

void chain_begin(ChainWalk *w, const VuVirtq *vq, const VuMemMap *map, unsigned int head);
/* 1: @d is the next buffer; 0: the end; -errno: the guest broke the rules. */
int chain_next(ChainWalk *w, VirtqDesc *d);

/* A piece of a buffer that is contiguous in our memory. */
typedef struct VirtqPiece {
    void *hva;
    uint64_t gpa;
    uint64_t len;
} VirtqPiece;

/* A whole chain: what the device reads first, then what it writes. */
typedef struct VirtqPieces {
    unsigned int n;
    unsigned int out;
    VirtqPiece piece[VIRTQUEUE_MAX_SIZE];
} VirtqPieces;

/* Translate a whole chain. 0 or -errno. */
int chain_collect(const VuVirtq *vq, const VuMemMap *map, unsigned int head, VirtqPieces *p);

/* ---- Layouts ---- */

typedef struct VirtqOps {
    /* Find the ring whose addresses are in @vq->vra and check it. */
    bool (*map)(const VuVirtq *vq, const VuMemMap *map, bool event_idx, VuRing *ret_ring);
    /* Begin at @vq->base; @in_order: or where the used index is. */
    void (*start)(VuDev *dev, VuVirtq *vq, bool in_order);
    /* What GET_VRING_BASE reports. */
    uint32_t (*base)(const VuVirtq *vq);
    /* Is @base something that base() could have reported? */
    bool (*base_ok)(uint32_t base);
    /* The head of the chain @ahead entries after the next one. 1, 0: none, -errno: broken. */
    int (*peek)(VuVirtq *vq, unsigned int ahead, unsigned int *ret_head);
    /* The next chain was taken; put @num chains back. */
    void (*advance)(VuVirtq *vq, unsigned int head);
    void (*retreat)(VuVirtq *vq, unsigned int num);
    /* The head of the chain that was taken @back chains before the next one; @back >= 1. */
    unsigned int (*taken)(const VuVirtq *vq, unsigned int back);
    void (*decode)(const VirtqWireDesc *wire, unsigned int index, VirtqRawDesc *raw);
    void (*fill)(VuVirtq *vq, unsigned int head, uint32_t len, unsigned int idx);
    void (*flush)(VuVirtq *vq, unsigned int num);
    bool (*should_notify)(VuVirtq *vq);
    /* Ask for kicks or not; ends with a full barrier when it asks. */
    void (*set_notification)(VuVirtq *vq, bool enable);
} VirtqOps;

extern const VirtqOps virtq_split_ops;

/* Is the ring there, running, and fit to be popped from? */
static inline bool virtq_running(const VuDev *dev, const VuVirtq *vq)
{
    return VU_LIKELY(vq->state == VU_VRING_STARTED && vq->enable && !vq->broken && !vq->unmapped &&
                     !vu_is_broken(dev));
}

/* Forget the element whose head is @head. */
void virtq_slot_release(VuVirtq *vq, unsigned int head);

#endif /* VIRTQ_INTERNAL_H */
