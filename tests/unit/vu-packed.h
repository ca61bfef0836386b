/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packed ring, driver's side, by hand: the counterpart of VuGuestRing in vu-client.h.
 *
 * A well-behaved driver offers chains with vu_packed_offer() and takes what was used with
 * vu_packed_reap(); it keeps the wrap counters and knows how many slots each chain has. A hostile
 * one writes any bits it likes with vu_packed_put() and moves the indices itself. Nothing is
 * checked on the way to the device. The second half of a descriptor is one 64-bit store or load
 * with the order that the ring needs, so that driver and device may run in two threads under the
 * thread sanitizer.
 */
#ifndef TESTS_UNIT_VU_PACKED_H
#define TESTS_UNIT_VU_PACKED_H

#include "vu-client.h"

#define VU_PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VU_PACKED_USED  (1u << VRING_PACKED_DESC_F_USED)
#define VU_PACKED_WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* One buffer of a chain. @flags: VRING_DESC_F_WRITE, VRING_DESC_F_INDIRECT. */
typedef struct VuPackedBuf {
    uint64_t gpa;
    uint32_t len;
    uint16_t flags;
} VuPackedBuf;

typedef struct VuPackedRing {
    VuClient *c;
    unsigned int index;
    unsigned int num;
    struct vring_packed_desc *desc;
    struct vring_packed_desc_event *driver; /* we write: when to interrupt us */
    struct vring_packed_desc_event *device; /* we read: when to kick */
    unsigned int avail_idx;                 /* the slot that is filled next */
    unsigned int used_idx;                  /* the slot that is looked at next */
    bool avail_wrap;
    bool used_wrap;
    bool in_order;        /* a used descriptor may stand for a batch */
    uint16_t *slots;      /* of the chain with that id */
    uint16_t *order;      /* ids in the order they were offered, a ring of num */
    unsigned int offered; /* in all */
    unsigned int reaped;
    bool in_batch;  /* some of a batch have been taken, not all */
    uint64_t batch; /* what its descriptor said */
    int kick;
    int call;
    int err;
} VuPackedRing;

/* Lay a ring of @num slots at @offset of the guest's memory, and make its descriptors. */
void vu_packed_init(VuPackedRing *r, VuClient *c, unsigned int index, unsigned int num,
                    size_t offset);
void vu_packed_done(VuPackedRing *r);
/* Forget all: an empty ring of zeroes at slot 0, wrap counters at 1. */
void vu_packed_reset(VuPackedRing *r);
/* Bytes a ring of @num slots takes. */
size_t vu_packed_bytes(unsigned int num);
struct vhost_vring_addr vu_packed_addr(const VuPackedRing *r);
/* What SET_VRING_BASE says for a ring that nothing has happened on, or for this one as it is. */
#define VU_PACKED_FRESH_BASE 0x80008000u
uint32_t vu_packed_base(const VuPackedRing *r);

/* The two wrap bits of a descriptor that is made available where the next chain begins. */
uint16_t vu_packed_avail_bits(const VuPackedRing *r);
/* Write a descriptor as it is, the flags (wrap bits included) last. */
void vu_packed_put(VuPackedRing *r, unsigned int slot, const VuPackedBuf *buf, uint16_t id,
                   uint16_t flags);
/* Make the chain of @n buffers available under @id: the first descriptor last. */
void vu_packed_offer(VuPackedRing *r, uint16_t id, const VuPackedBuf *bufs, unsigned int n);
/* Write a table of @n buffers at @at, which may have any alignment. */
void vu_packed_table(void *at, const VuPackedBuf *bufs, unsigned int n);

/*
 * Whether and what was used next. In order, ids come one by one; of those that a batch stands for
 * the length is UINT32_MAX: all of it.
 */
bool vu_packed_reap(VuPackedRing *r, uint32_t *ret_id, uint32_t *ret_len);
/* The flags of the descriptor that will be looked at next. */
uint16_t vu_packed_used_flags(const VuPackedRing *r);

/* When to interrupt us: VRING_PACKED_EVENT_FLAG_*, and for _DESC the slot and its wrap counter. */
void vu_packed_set_event(VuPackedRing *r, uint16_t flags, unsigned int slot, bool wrap);
/* When the device wants a kick: flags, and slot and wrap bit in *@ret_place. */
uint16_t vu_packed_get_event(const VuPackedRing *r, uint16_t *ret_place);
void vu_packed_kick(VuPackedRing *r);

#endif
