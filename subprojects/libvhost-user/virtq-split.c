/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The split layout: descriptor table, available ring, used ring (virtio 1.2, section 2.7).
 *
 * Indices run freely through 16 bits; a position is the index modulo the ring's size, a power of
 * two. Fields are little-endian, as modern devices have them; virtq-split-be.c builds this file
 * once more for legacy guests of the other kind, so that nobody pays for the choice.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "virtq-internal.h"

#ifdef VIRTQ_BIG_ENDIAN
#define from16(x) be16toh(x)
#define from32(x) be32toh(x)
#define from64(x) be64toh(x)
#define to16(x)   htobe16(x)
#define to32(x)   htobe32(x)
#else
#define from16(x) le16toh(x)
#define from32(x) le32toh(x)
#define from64(x) le64toh(x)
#define to16(x)   htole16(x)
#define to32(x)   htole32(x)
#endif

static VU_ALWAYS_INLINE void split_decode(const ChainWalk *w, const VirtqWireDesc *wire,
                                          unsigned int index, VirtqRawDesc *raw)
{
    struct vring_desc d;
    uint16_t flags;

    memcpy(&d, wire, sizeof(d));
    flags = from16(d.flags);
    raw->desc.addr = from64(d.addr);
    raw->desc.len = from32(d.len);
    raw->desc.write = flags & VRING_DESC_F_WRITE;
    raw->table = flags & VRING_DESC_F_INDIRECT;
    raw->more = flags & VRING_DESC_F_NEXT;
    raw->next = from16(d.next);
    raw->id = 0;
}

#define VIRTQ_DECODE split_decode
#include "virtq-walk.c.inc"

static unsigned int position(const VuVirtq *vq, uint16_t idx)
{
    return idx & (vq->vring.num - 1);
}

/* ---- The event indices lie behind the rings ---- */

static uint16_t *used_event(const VuVirtq *vq)
{
    return (uint16_t *)&vq->vring.avail->ring[vq->vring.num];
}

static uint16_t *avail_event(const VuVirtq *vq)
{
    return (uint16_t *)&vq->vring.used->ring[vq->vring.num];
}

static size_t avail_size(unsigned int num, bool event_idx)
{
    return sizeof(struct vring_avail) + num * sizeof(uint16_t) + (event_idx ? sizeof(uint16_t) : 0);
}

static size_t used_size(unsigned int num, bool event_idx)
{
    return sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) +
           (event_idx ? sizeof(uint16_t) : 0);
}

static bool split_num_ok(unsigned int num)
{
    return num > 0 && (num & (num - 1)) == 0;
}

static int split_map(const VuVirtq *vq, VuXlate *x, bool event_idx, VuRing *ret_ring)
{
    const struct vhost_vring_addr *a = &vq->vra;
    const unsigned int num = vq->num;
    const VirtqArea areas[VIRTQ_AREA__MAX] = {
        [VIRTQ_DESC_AREA] = { a->desc_user_addr, num * sizeof(struct vring_desc),
                              VRING_DESC_ALIGN_SIZE, VU_READ },
        [VIRTQ_AVAIL_AREA] = { a->avail_user_addr, avail_size(num, event_idx),
                               VRING_AVAIL_ALIGN_SIZE, VU_READ },
        [VIRTQ_USED_AREA] = { a->used_user_addr, used_size(num, event_idx), VRING_USED_ALIGN_SIZE,
                              VU_RW },
    };

    return split_num_ok(num) ? virtq_map_areas(vq, x, areas, ret_ring) : -EFAULT;
}

static void split_start(VuVirtq *vq, uint32_t base, bool in_order)
{
    vq->used_idx = from16(__atomic_load_n(&vq->vring.used->idx, __ATOMIC_RELAXED));
    vq->last_avail_idx = in_order ? vq->used_idx : (uint16_t)base;
    vq->avail_wrap = false;
    vq->shadow_avail_idx = vq->last_avail_idx;
}

static uint32_t split_base(const VuVirtq *vq)
{
    return vq->last_avail_idx;
}

static bool split_base_ok(uint32_t base, unsigned int num)
{
    return base <= UINT16_MAX;
}

/* The available index, which is checked at each look, is all there is. */
static bool split_base_fits(const VuRing *ring, uint32_t base)
{
    return true;
}

/* ---- Available ---- */

static int split_refresh(VuVirtq *vq)
{
    uint16_t idx = from16(__atomic_load_n(&vq->vring.avail->idx, __ATOMIC_ACQUIRE));

    /* More than the ring can hold: the guest jumped, or went back. */
    if ((uint16_t)(idx - vq->last_avail_idx) > vq->vring.num) {
        return -ERANGE;
    }
    vq->shadow_avail_idx = idx;
    return 0;
}

static int split_peek(VuVirtq *vq, VirtqPlace at, VirtqHead *ret_head)
{
    uint16_t ahead = at.idx - vq->last_avail_idx;
    uint16_t head;

    if (ahead >= (uint16_t)(vq->shadow_avail_idx - vq->last_avail_idx)) {
        int rc = split_refresh(vq);

        if (rc < 0) {
            return rc;
        }
        if (ahead >= (uint16_t)(vq->shadow_avail_idx - vq->last_avail_idx)) {
            return 0;
        }
    }
    head = from16(__atomic_load_n(&vq->vring.avail->ring[position(vq, at.idx)], __ATOMIC_RELAXED));
    if (head >= vq->vring.num) {
        return -EINVAL;
    }
    *ret_head = (VirtqHead){ .desc = head };
    return 1;
}

static bool split_caught_up(VuVirtq *vq)
{
    return vq->last_avail_idx == vq->shadow_avail_idx;
}

/* The head says it all, however the chain goes on. */
static int split_finish(ChainWalk *w, unsigned int *ret_slot, unsigned int *ret_ndescs)
{
    *ret_slot = w->head.desc;
    *ret_ndescs = 1;
    return 0;
}

static void split_move(const VuVirtq *vq, VirtqPlace *place, int n)
{
    place->idx += n;
}

/* ---- Used ---- */

static void log_used(const VuVirtq *vq, size_t offset, size_t len)
{
    if (VU_LIKELY(!vq->log) || !(vq->vring.flags & (1u << VHOST_VRING_F_LOG))) {
        return;
    }
    if (vq->vring.behind_iommu) {
        vu_log_ring_part(vq->log, &vq->vring.used_part, offset, len);
    } else {
        vu_log_range(vq->log, vq->vring.log_guest_addr + offset, len);
    }
}

/* A batch leaves the entries of all but its first element as they are (virtio 1.2, 2.7.8). */
static void split_fill(VuVirtq *vq, const VirtqUsed *used, unsigned int idx)
{
    unsigned int at = position(vq, vq->used_idx + idx);
    struct vring_used_elem *e = &vq->vring.used->ring[at];

    __atomic_store_n(&e->id, to32(used->id), __ATOMIC_RELAXED);
    __atomic_store_n(&e->len, to32(used->len), __ATOMIC_RELAXED);
    log_used(vq, offsetof(struct vring_used, ring) + at * sizeof(*e), sizeof(*e));
}

static void split_flush(VuVirtq *vq, unsigned int num)
{
    uint16_t new = vq->used_idx + num;

    __atomic_store_n(&vq->vring.used->idx, to16(new), __ATOMIC_RELEASE);
    log_used(vq, offsetof(struct vring_used, idx), sizeof(vq->vring.used->idx));
    vq->used_idx = new;
    /* Once round the ring since the last decision: the comparison would be ambiguous. */
    if (VU_UNLIKELY((uint16_t)(new - vq->signalled_used) < num)) {
        vq->signalled_used_valid = false;
    }
}

/* ---- Notifications ---- */

/* Did the used index pass @event while it went from @old to @new? */
static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool split_should_notify(VuVirtq *vq)
{
    uint16_t old = vq->signalled_used;
    bool valid = vq->signalled_used_valid;

    /* The guest must see the used index before we see its wish. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!vq->event_idx) {
        uint16_t flags = from16(__atomic_load_n(&vq->vring.avail->flags, __ATOMIC_RELAXED));

        return !(flags & VRING_AVAIL_F_NO_INTERRUPT);
    }
    vq->signalled_used = vq->used_idx;
    vq->signalled_used_valid = true;
    return !valid ||
           passed(from16(__atomic_load_n(used_event(vq), __ATOMIC_RELAXED)), vq->used_idx, old);
}

static void split_set_notification(VuVirtq *vq, bool enable, VirtqPlace at)
{
    if (!vq->event_idx) {
        uint16_t flags = enable ? 0 : VRING_USED_F_NO_NOTIFY;

        __atomic_store_n(&vq->vring.used->flags, to16(flags), __ATOMIC_RELAXED);
        log_used(vq, offsetof(struct vring_used, flags), sizeof(uint16_t));
    } else if (enable) {
        uint16_t idx = from16(__atomic_load_n(&vq->vring.avail->idx, __ATOMIC_RELAXED));

        __atomic_store_n(avail_event(vq), to16(idx), __ATOMIC_RELAXED);
        vq->armed_idx = idx;
        vq->armed = true;
        log_used(vq,
                 offsetof(struct vring_used, ring) + vq->vring.num * sizeof(struct vring_used_elem),
                 sizeof(uint16_t));
    }
    if (enable) {
        /* Our wish must be visible before the ring is looked at again. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

#ifdef VIRTQ_BIG_ENDIAN
const VirtqOps virtq_split_be_ops = {
    .name = "big-endian split",
#else
const VirtqOps virtq_split_ops = {
    .name = "split",
#endif
    .num_ok = split_num_ok,
    .map = split_map,
    .start = split_start,
    .base = split_base,
    .fresh_base = 0,
    .base_ok = split_base_ok,
    .base_fits = split_base_fits,
    .peek = split_peek,
    .caught_up = split_caught_up,
    .next = walk_next,
    .collect = walk_collect,
    .finish = split_finish,
    .move = split_move,
    .fill = split_fill,
    .flush = split_flush,
    .should_notify = split_should_notify,
    .set_notification = split_set_notification,
};
