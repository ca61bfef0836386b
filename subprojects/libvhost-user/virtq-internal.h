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

/*
 * What we remember of a chain while an element of it is out. A chain's slot is the number of its
 * head descriptor (split), or the buffer id that the guest gave it (packed).
 */
typedef struct VirtqSlot {
    VuMapUse *use;            /* NULL: no element is out */
    VuPins *pins;             /* translations that it lies behind */
    const VirtqRange *ranges; /* in the element's allocation */
    unsigned int nranges;
    unsigned int ndescs; /* so far the chain carries the place in the ring */
    /* IN_ORDER only */
    bool done;    /* filled, waits for those before it */
    bool whole;   /* all of its memory was written */
    uint32_t len; /* of its used entry */
} VirtqSlot;

/*
 * Where an available entry is: a free-running index (split), or a slot of the ring and the value
 * of the wrap counter there (packed).
 */
typedef struct VirtqPlace {
    uint16_t idx;
    bool wrap;
} VirtqPlace;

/* An available entry that was found. */
typedef struct VirtqHead {
    unsigned int desc; /* where the chain begins */
    bool have_tail;    /* packed: the second half of that descriptor was read to find it */
    uint64_t tail;
} VirtqHead;

/* An entry for the guest, about one chain or a batch of @nelems chains in order. */
typedef struct VirtqUsed {
    unsigned int id;
    uint32_t len;
    unsigned int ndescs; /* of all of the batch */
    unsigned int nelems;
} VirtqUsed;

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
    uint16_t id; /* packed only: the buffer id */
} VirtqRawDesc;

/* Both layouts have descriptors of 16 bytes. */
typedef struct VirtqWireDesc {
    uint64_t word[2];
} VirtqWireDesc;

typedef struct ChainWalk {
    const VuVirtq *vq;
    VuXlate *x;
    VirtqHead head;
    bool more;
    unsigned int next;   /* in the ring, or in the indirect table */
    unsigned int misses; /* pieces that the front-end had to be asked for */
    /* What was seen of the ring's own descriptors. */
    unsigned int ndescs;
    unsigned int ring_next;
    bool ring_more;
    uint16_t id; /* of the last one */
    bool in_table;
    /* Of the indirect table. */
    unsigned int table_steps; /* descriptors read */
    unsigned int left;        /* that may still come before this is a loop */
    uint64_t table;           /* guest address */
    unsigned int table_num;
    const uint8_t *window; /* host address of table entries from window_first on */
    unsigned int window_first;
    unsigned int window_num;
} ChainWalk;

/* @x was begun, and is ended by the caller. What is said of a table is set when it is entered. */
static inline void chain_begin(ChainWalk *w, const VuVirtq *vq, VuXlate *x, const VirtqHead *head)
{
    w->vq = vq;
    w->x = x;
    w->head = *head;
    w->more = true;
    w->next = head->desc;
    w->misses = 0;
    w->ndescs = 0;
    w->ring_next = head->desc;
    w->ring_more = true;
    w->id = 0;
    w->in_table = false;
    w->table_steps = 0;
}

/* Descriptors read so far, of the ring and of the table. */
static inline unsigned int chain_steps(const ChainWalk *w)
{
    return w->ndescs + w->table_steps;
}

static inline void chain_read_wire(const VirtqWireDesc *shared, VirtqWireDesc *wire)
{
    wire->word[0] = __atomic_load_n(&shared->word[0], __ATOMIC_RELAXED);
    wire->word[1] = __atomic_load_n(&shared->word[1], __ATOMIC_RELAXED);
}

/* Entry @index of the table, which is in the table. 0 or -errno as vu_xlate(). */
int virtq_chain_read_table(ChainWalk *w, unsigned int index, VirtqWireDesc *wire);

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

/*
 * Cut one buffer into pieces that are contiguous for us. 0, or -errno; -EAGAIN only when it was
 * looked at to its end, or enough has been asked for.
 */
int virtq_chain_add_pieces(ChainWalk *w, VirtqPieces *p, const VirtqDesc *d);

/* ---- Layouts ---- */

typedef struct VirtqOps {
    const char *name;
    bool (*num_ok)(unsigned int num);
    /* Find the ring whose addresses are in @vq->vra and check it. 0 or -errno as vu_xlate(). */
    int (*map)(const VuVirtq *vq, VuXlate *x, bool event_idx, VuRing *ret_ring);
    /* Begin at @base; @in_order: or where the used index is. */
    void (*start)(VuVirtq *vq, uint32_t base, bool in_order);
    /* What GET_VRING_BASE reports, and what it would for a ring that has never run. */
    uint32_t (*base)(const VuVirtq *vq);
    uint32_t fresh_base;
    /* Is @base something that base() could have reported? The size is 0 if it is not known yet. */
    bool (*base_ok)(uint32_t base, unsigned int num);
    /* Can what is in @ring have come about if it stood at @base? */
    bool (*base_fits)(const VuRing *ring, uint32_t base);
    /* The chain that is available at @at. 1, 0: none, -errno: broken. */
    int (*peek)(VuVirtq *vq, VirtqPlace at, VirtqHead *ret_head);
    /* All that was seen to be available has been popped. */
    bool (*caught_up)(VuVirtq *vq);
    /* 1: @d is the next buffer; 0: the end; -errno: the guest broke the rules, or starved. */
    int (*next)(ChainWalk *w, VirtqDesc *d);
    /*
     * Translate a whole chain, whose walk has just begun. 0 or -errno: as next(), or there was no
     * memory of our own. All that is missing has been asked for.
     */
    int (*collect)(ChainWalk *w, VirtqPieces *p);
    /* Which slot the chain of @w has and how many places further the next one is. 0 or -errno. */
    int (*finish)(ChainWalk *w, unsigned int *ret_slot, unsigned int *ret_ndescs);
    /* Move @place by @n, which may be negative. */
    void (*move)(const VuVirtq *vq, VirtqPlace *place, int n);
    /* Entry number @idx, counted in elements, of those that the next flush makes visible. */
    void (*fill)(VuVirtq *vq, const VirtqUsed *used, unsigned int idx);
    void (*flush)(VuVirtq *vq, unsigned int num);
    bool (*should_notify)(VuVirtq *vq);
    /* Ask for kicks from @at on, or not; ends with a full barrier when it asks. */
    void (*set_notification)(VuVirtq *vq, bool enable, VirtqPlace at);
} VirtqOps;

extern const VirtqOps virtq_split_ops;
extern const VirtqOps virtq_split_be_ops;
extern const VirtqOps virtq_packed_ops;

/* One of the three parts of a ring, as the front-end gave it. */
typedef struct VirtqArea {
    uint64_t addr;
    uint64_t size;
    uintptr_t align;
    unsigned int access;
} VirtqArea;

enum {
    VIRTQ_DESC_AREA,
    VIRTQ_AVAIL_AREA,
    VIRTQ_USED_AREA,
    VIRTQ_AREA__MAX
};

/*
 * Find the parts of a ring and fill in @ret_ring. 0 or -errno as vu_xlate(); -EFAULT also if one is
 * misaligned or lies over another.
 */
int virtq_map_areas(const VuVirtq *vq, VuXlate *x, const VirtqArea area[VIRTQ_AREA__MAX],
                    VuRing *ret_ring);

/* ---- Too many malformed chains, or no memory: virtq-pause.c ---- */

/*
 * A malformed chain was given back, for which @descs descriptors were read. True: nothing is popped
 * before the queue is looked at again, some time later.
 */
bool virtq_pause_charge(VuDev *dev, VuVirtq *vq, unsigned int descs);

/*
 * There is no memory for what is in the ring: it is looked at again some time later, or, where
 * nothing can be paused, when an element comes back.
 */
void virtq_pause_for_memory(VuDev *dev, VuVirtq *vq);

/* ---- Any layout: virtq.c, virtq-slot.c ---- */

/* Is the ring there, running, and fit to be popped from? */
static inline bool virtq_running(const VuDev *dev, const VuVirtq *vq)
{
    return VU_LIKELY(vq->state == VU_VRING_STARTED && vq->enable && !vq->broken && !vq->unmapped &&
                     !vq->paused && !vu_queue_starved(vq) && !vu_is_broken(dev));
}

/* Where the next chain will become available. */
static inline VirtqPlace virtq_place(const VuVirtq *vq)
{
    return (VirtqPlace){ vq->last_avail_idx, vq->avail_wrap };
}

static inline void virtq_set_place(VuVirtq *vq, VirtqPlace place)
{
    vq->last_avail_idx = place.idx;
    vq->avail_wrap = place.wrap;
}

/* The ring asked for kicks from @place on and that still stands. */
static inline bool virtq_armed_at(const VuVirtq *vq, VirtqPlace place)
{
    return vq->armed && vq->armed_idx == place.idx && vq->armed_wrap == place.wrap;
}

static inline void virtq_set_inuse(VuVirtq *vq, unsigned int inuse)
{
    __atomic_store_n(&vq->inuse, inuse, __ATOMIC_RELEASE);
}

/*
 * The chain with @slot was taken off the ring; an element of it is out now. The caller adds what it
 * writes to and holds.
 */
void virtq_slot_take(VuVirtq *vq, unsigned int slot, unsigned int ndescs);
/* Forget the element of @slot. */
void virtq_slot_release(VuVirtq *vq, unsigned int slot);
/* The slot that was taken @back pops ago; 1: the last one. */
unsigned int virtq_slot_taken(const VuVirtq *vq, unsigned int back);
/* The last @num elements that were taken go back into the ring. */
void virtq_slot_untake(VuVirtq *vq, unsigned int num);

/* ---- How many elements may be out: virtq-limit.c ---- */

void virtq_limit_start(VuDev *dev, VuVirtq *vq);
void virtq_limit_stop(VuDev *dev, VuVirtq *vq);
/* Make the quota larger; false: not now, the handler will be run when that may have changed. */
bool virtq_limit_borrow(VuDev *dev, VuVirtq *vq);
/* Elements have come back. */
void virtq_limit_settle(VuDev *dev, VuVirtq *vq);

/* May one more element be out? */
static inline bool virtq_limit_admits(VuDev *dev, VuVirtq *vq)
{
    return VU_LIKELY(vq->inuse < vq->quota) || virtq_limit_borrow(dev, vq);
}

/* ---- IN_ORDER: virtq-order.c ---- */

/* The element of @slot is complete: keep that until those before it are. */
void virtq_order_fill(VuVirtq *vq, unsigned int slot, uint32_t len);
/* Fill entries for all that may be told to the guest now; returns for how many elements. */
unsigned int virtq_order_collect(VuVirtq *vq);
/* An element will never be complete: those behind it cannot be told to the guest any more. */
void virtq_order_lose(VuDev *dev, VuVirtq *vq);

#endif /* VIRTQ_INTERNAL_H */
