/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packed layout: one ring of descriptors for both directions (virtio 1.2, section 2.8).
 *
 * Theory of operation: the driver makes a descriptor available, and the device used, by writing
 * its two wrap bits as its own wrap counter says; the counter flips whenever a side has gone once
 * round. A chain takes consecutive slots and is known by the buffer id in its last descriptor,
 * which is the guest's number: it is checked against the size of the ring and must not be the id
 * of a chain that is out. A used descriptor goes where the oldest slot not yet used is, whatever
 * chain it is about, and the next one follows as many slots later as that chain had.
 *
 * Length, id and flags of a descriptor are one word, read and written at once: nothing of it is
 * read twice, and what becomes visible with the flags is complete.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "virtq-internal.h"

#define F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP    (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* In a table only the write flag has a meaning (2.8.7). */
static VU_ALWAYS_INLINE void packed_decode(const ChainWalk *w, const VirtqWireDesc *wire,
                                           unsigned int index, VirtqRawDesc *raw)
{
    uint64_t tail = le64toh(wire->word[1]);
    uint16_t flags = tail >> 48;
    unsigned int num = w->in_table ? w->table_num : w->vq->vring.num;

    raw->desc.addr = le64toh(wire->word[0]);
    raw->desc.len = (uint32_t)tail;
    raw->desc.write = flags & VRING_DESC_F_WRITE;
    raw->id = tail >> 32;
    if (w->in_table) {
        raw->table = false;
        raw->more = index + 1 < num;
        raw->next = index + 1;
    } else {
        raw->table = flags & VRING_DESC_F_INDIRECT;
        raw->more = flags & VRING_DESC_F_NEXT;
        raw->next = index + 1 < num ? index + 1 : 0;
    }
}

#define VIRTQ_DECODE packed_decode
#include "virtq-walk.c.inc"

static VirtqWireDesc *wire_at(const VuVirtq *vq, unsigned int slot)
{
    return (VirtqWireDesc *)&vq->vring.desc[slot];
}

/* ---- Places ---- */

static void packed_move(const VuVirtq *vq, VirtqPlace *place, int n)
{
    int num = vq->vring.num;
    int idx = place->idx + n;

    if (idx >= num || idx < 0) {
        idx += idx < 0 ? num : -num;
        place->wrap = !place->wrap;
    }
    place->idx = idx;
}

static uint16_t place_word(VirtqPlace place)
{
    return place.idx | (place.wrap ? WRAP : 0);
}

static VirtqPlace word_place(uint16_t word)
{
    return (VirtqPlace){ word & (WRAP - 1), word & WRAP };
}

/* Slots from @used on to @avail; more than @num: they do not belong together. */
static unsigned int distance(VirtqPlace used, VirtqPlace avail, unsigned int num)
{
    return avail.wrap == used.wrap ? (unsigned int)avail.idx - used.idx
                                   : num + avail.idx - used.idx;
}

/* ---- Set-up ---- */

static bool packed_num_ok(unsigned int num)
{
    return num > 0;
}

static int packed_map(const VuVirtq *vq, VuXlate *x, bool event_idx, VuRing *ret_ring)
{
    const struct vhost_vring_addr *a = &vq->vra;
    const size_t event_size = sizeof(struct vring_packed_desc_event);
    const VirtqArea areas[VIRTQ_AREA__MAX] = {
        [VIRTQ_DESC_AREA] = { a->desc_user_addr, vq->num * sizeof(VirtqWireDesc),
                              sizeof(VirtqWireDesc), VU_RW },
        [VIRTQ_AVAIL_AREA] = { a->avail_user_addr, event_size, event_size, VU_READ },
        [VIRTQ_USED_AREA] = { a->used_user_addr, event_size, event_size, VU_RW },
    };

    return packed_num_ok(vq->num) ? virtq_map_areas(vq, x, areas, ret_ring) : -EFAULT;
}

/*
 * Some front-ends know only the available half of a base and leave the rest zero. With the wrap
 * counter set that can be told from a whole base: slot 0 of the lap before would have to be in use
 * still.
 */
static void base_halves(uint32_t base, VirtqPlace *ret_avail, VirtqPlace *ret_used)
{
    *ret_avail = word_place(base);
    *ret_used = base >> 16 || !ret_avail->wrap ? word_place(base >> 16) : *ret_avail;
}

static bool packed_base_ok(uint32_t base, unsigned int num)
{
    VirtqPlace avail, used;

    base_halves(base, &avail, &used);
    return num == 0 || (avail.idx < num && used.idx < num && distance(used, avail, num) <= num);
}

static unsigned int flags_of(const VuRing *ring, unsigned int slot)
{
    const VirtqWireDesc *wire = (const VirtqWireDesc *)&ring->desc[slot];

    return le64toh(__atomic_load_n(&wire->word[1], __ATOMIC_RELAXED)) >> 48;
}

/* In every later lap some descriptor has been used, and each new one is marked as used before. */
static bool first_lap(const VuRing *ring)
{
    for (unsigned int i = 0; i < ring->num; i++) {
        if (flags_of(ring, i) & F_USED) {
            return false;
        }
    }
    return true;
}

/* @base, or what a front-end means that takes the first base of a split ring for that of any. */
static uint32_t meant_base(const VuRing *ring, uint32_t base)
{
    return base == 0 && first_lap(ring) ? virtq_packed_ops.fresh_base : base;
}

/*
 * A front-end that has lost its back-end may not know how far the ring has come. To begin at the
 * wrong place would mean to take requests of long ago for new ones. But the ring tells: behind the
 * place nothing has been used in this lap, and before it nothing is left of the last one. (Only the
 * later slots of a chain of several look as they did before it was used.)
 */
static bool packed_base_fits(const VuRing *ring, uint32_t base)
{
    VirtqPlace avail, used;

    base_halves(meant_base(ring, base), &avail, &used);
    for (unsigned int i = 0; i < ring->num; i++) {
        bool lap = i < avail.idx ? !avail.wrap : avail.wrap;
        unsigned int impossible = lap ? F_AVAIL | F_USED : 0;

        if ((flags_of(ring, i) & (F_AVAIL | F_USED)) == impossible) {
            return false;
        }
    }
    return true;
}

static void packed_start(VuVirtq *vq, uint32_t base, bool in_order)
{
    VirtqPlace avail, used;

    base_halves(meant_base(&vq->vring, base), &avail, &used);
    if (in_order) {
        avail = used;
    }
    virtq_set_place(vq, avail);
    vq->used_idx = used.idx;
    vq->used_wrap = used.wrap;
    vq->out_descs = distance(used, avail, vq->vring.num);
    vq->unsignalled = 0;
}

static uint32_t packed_base(const VuVirtq *vq)
{
    VirtqPlace used = { vq->used_idx, vq->used_wrap };

    return place_word(virtq_place(vq)) | (uint32_t)place_word(used) << 16;
}

/* ---- Available ---- */

static bool is_available(uint64_t tail, bool wrap)
{
    unsigned int flags = tail >> 48;

    return !(flags & F_AVAIL) != wrap && !(flags & F_USED) == wrap;
}

static int packed_peek(VuVirtq *vq, VirtqPlace at, VirtqHead *ret_head)
{
    uint64_t tail = __atomic_load_n(&wire_at(vq, at.idx)->word[1], __ATOMIC_ACQUIRE);

    if (!is_available(le64toh(tail), at.wrap)) {
        return 0;
    }
    *ret_head = (VirtqHead){ .desc = at.idx, .have_tail = true, .tail = tail };
    return 1;
}

static bool packed_caught_up(VuVirtq *vq)
{
    VirtqHead head;

    return packed_peek(vq, virtq_place(vq), &head) == 0;
}

static int packed_finish(ChainWalk *w, unsigned int *ret_slot, unsigned int *ret_ndescs)
{
    int rc = walk_finish(w);

    if (rc < 0) {
        return rc;
    }
    if (w->id >= w->vq->vring.num) {
        return -EINVAL;
    }
    if (w->ndescs > w->vq->vring.num - w->vq->out_descs) {
        return -ERANGE;
    }
    *ret_slot = w->id;
    *ret_ndescs = w->ndescs;
    return 0;
}

/* ---- Used ---- */

/* The front-end names one address for the log; what is written lies in two places. */
static void log_part(const VuVirtq *vq, const VuRingPart *part, uint64_t offset, uint64_t len)
{
    if (VU_UNLIKELY(vq->log) && (vq->vring.flags & (1u << VHOST_VRING_F_LOG))) {
        vu_log_ring_part(vq->log, part, offset, len);
    }
}

static void packed_fill(VuVirtq *vq, const VirtqUsed *used, unsigned int idx)
{
    assert(idx < vq->vring.num);
    vq->batch[idx] = *used;
}

static void write_used(VuVirtq *vq, VirtqPlace at, const VirtqUsed *used)
{
    uint64_t flags = (at.wrap ? F_AVAIL | F_USED : 0) | (used->len ? VRING_DESC_F_WRITE : 0);
    uint64_t tail = flags << 48 | (uint64_t)used->id << 32 | used->len;

    __atomic_store_n(&wire_at(vq, at.idx)->word[1], htole64(tail), __ATOMIC_RELEASE);
    log_part(vq, &vq->vring.desc_part, at.idx * sizeof(VirtqWireDesc), sizeof(VirtqWireDesc));
}

/* Entry @i of the @num that are flushed, once. The device's own code must leave no hole. */
static VirtqUsed take_used(VuVirtq *vq, unsigned int i, unsigned int num)
{
    VirtqUsed used = vq->batch[i];

    assert(used.nelems > 0 && used.nelems <= num - i);
    vq->batch[i].nelems = 0;
    return used;
}

/* What is flushed later moves to the front; nothing of it stays behind. */
static void keep_rest(VuVirtq *vq, unsigned int num)
{
    unsigned int rest = vq->filled - num;

    memmove(vq->batch, vq->batch + num, rest * sizeof(vq->batch[0]));
    for (unsigned int i = num > rest ? num : rest; i < vq->filled; i++) {
        vq->batch[i].nelems = 0;
    }
}

/* The driver looks at the first one first, so it is written last. */
static void packed_flush(VuVirtq *vq, unsigned int num)
{
    const VirtqPlace first = { vq->used_idx, vq->used_wrap };
    VirtqPlace at = first;
    VirtqUsed head = { 0 };
    unsigned int descs = 0;
    unsigned int nelems;

    for (unsigned int i = 0; i < num; i += nelems) {
        VirtqUsed used = take_used(vq, i, num);

        nelems = used.nelems;
        if (i > 0) {
            write_used(vq, at, &used);
        } else {
            head = used;
        }
        packed_move(vq, &at, used.ndescs);
        descs += used.ndescs;
    }
    write_used(vq, first, &head);
    if (vq->filled > num) {
        keep_rest(vq, num);
    }
    vq->used_idx = at.idx;
    vq->used_wrap = at.wrap;
    vq->out_descs -= descs;
    vq->unsignalled += descs;
    if (vq->unsignalled > vq->vring.num) {
        vq->unsignalled = vq->vring.num;
    }
}

/* ---- Notifications ---- */

/* Both halves of an event in one go: the guest must not mix an old one and a new one either. */
static uint32_t event_load(const void *event)
{
    return le32toh(__atomic_load_n((const uint32_t *)event, __ATOMIC_RELAXED));
}

/* Is the slot that the guest named among the last @vq->unsignalled ones that were used? */
static bool event_passed(const VuVirtq *vq, VirtqPlace event)
{
    VirtqPlace used = { vq->used_idx, vq->used_wrap };
    unsigned int back;

    if (event.idx >= vq->vring.num) {
        return true;
    }
    back = distance(event, used, vq->vring.num);
    return back > 0 && back <= vq->unsignalled;
}

static bool packed_should_notify(VuVirtq *vq)
{
    bool valid = vq->signalled_used_valid && vq->unsignalled < vq->vring.num;
    uint32_t event;
    unsigned int flags;
    bool passed;

    /* The guest must see the used descriptors before we see its wish. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    event = event_load(vq->vring.avail);
    flags = event >> 16;
    passed = flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx || !valid ||
             event_passed(vq, word_place(event));
    vq->unsignalled = 0;
    vq->signalled_used_valid = true;
    return flags != VRING_PACKED_EVENT_FLAG_DISABLE && passed;
}

static void packed_set_notification(VuVirtq *vq, bool enable, VirtqPlace at)
{
    uint32_t event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;

    if (enable && vq->event_idx) {
        event = VRING_PACKED_EVENT_FLAG_DESC << 16 | place_word(at);
        vq->armed_idx = at.idx;
        vq->armed_wrap = at.wrap;
        vq->armed = true;
    } else if (enable) {
        event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
    } else {
        vq->armed = false;
    }
    __atomic_store_n((uint32_t *)vq->vring.used, htole32(event), __ATOMIC_RELEASE);
    log_part(vq, &vq->vring.used_part, 0, sizeof(event));
    if (enable) {
        /* Our wish must be visible before the ring is looked at again. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

const VirtqOps virtq_packed_ops = {
    .name = "packed",
    .num_ok = packed_num_ok,
    .map = packed_map,
    .start = packed_start,
    .base = packed_base,
    .fresh_base = WRAP | WRAP << 16,
    .base_ok = packed_base_ok,
    .base_fits = packed_base_fits,
    .peek = packed_peek,
    .caught_up = packed_caught_up,
    .next = walk_next,
    .collect = walk_collect,
    .finish = packed_finish,
    .move = packed_move,
    .fill = packed_fill,
    .flush = packed_flush,
    .should_notify = packed_should_notify,
    .set_notification = packed_set_notification,
};
