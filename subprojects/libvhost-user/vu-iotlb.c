/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of the guest's IOMMU: what the front-end has told of it, and when it is told no more.
 *
 * Theory of operation: with ACCESS_PLATFORM every address of a ring or a descriptor is one of the
 * device's own address space (IOVA). The cache maps ranges of it to the front-end's addresses, with
 * a permission. Queues look in it under a lock that they take for reading once per chain; control
 * writes when the front-end sends an update or an invalidation. What is not there is asked for
 * (vu-miss.c).
 *
 * An entry that a chain or a ring uses is held (VuPins). Taken out of the cache, it lives on until
 * the last hold is gone, and only then is the message that took it out answered: after the answer
 * nothing is read or written through it. PCI's address translation service has the same rule for a
 * device that completes an invalidation. A ring that lies behind such an entry is let go as soon as
 * its elements are back, and asked for anew.
 *
 * The cache is bounded: an update into a full one throws an entry out that nobody uses. If all are
 * in use it grows, by no more than there are pieces in the elements that are out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vu-iotlb.h"

#define CACHE_MAX 8192
#define CACHE_MIN 64

/* ---- Entries ---- */

void vu_iotlb_entry_unref(VuIotlbEntry *e)
{
    VuDev *dev = e->dev;
    bool dead;

    if (__atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    dead = e->dead;
    free(e);
    if (dead && __atomic_sub_fetch(&dev->priv->iotlb->dead_held, 1, __ATOMIC_ACQ_REL) == 0) {
        vu_wake(dev);
    }
}

/*
 * @e has left the cache. True: somebody holds it. Under the lock, so nobody can begin to, and the
 * last hold may go at any time.
 */
static bool entry_retire(struct VuIotlb *iotlb, VuIotlbEntry *e)
{
    if (__atomic_load_n(&e->refs, __ATOMIC_ACQUIRE) == 1) {
        free(e);
        return false;
    }
    __atomic_add_fetch(&iotlb->dead_held, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&e->dead, true, __ATOMIC_RELEASE);
    if (__atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        free(e);
        __atomic_sub_fetch(&iotlb->dead_held, 1, __ATOMIC_ACQ_REL);
    }
    return true;
}

/* ---- The table; under the lock ---- */

/* The first slot whose entry does not lie below @iova altogether. */
static unsigned int slot_from(const struct VuIotlb *iotlb, uint64_t iova)
{
    unsigned int lo = 0, hi = iotlb->n;

    while (lo < hi) {
        unsigned int mid = lo + (hi - lo) / 2;

        if (iotlb->slots[mid].iova <= iova) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo > 0 && iotlb->slots[lo - 1].entry->last >= iova ? lo - 1 : lo;
}

VuIotlbEntry *vu_iotlb_find(const struct VuIotlb *iotlb, uint64_t iova)
{
    unsigned int at = slot_from(iotlb, iova);

    return at < iotlb->n && iotlb->slots[at].iova <= iova ? iotlb->slots[at].entry : NULL;
}

static void remove_slots(struct VuIotlb *iotlb, unsigned int at, unsigned int num)
{
    iotlb->n -= num;
    memmove(&iotlb->slots[at], &iotlb->slots[at + num], (iotlb->n - at) * sizeof(iotlb->slots[0]));
}

/* Whatever overlaps goes as a whole: what is missed of it will be asked for. True: some was held.
 */
static bool drop_range(struct VuIotlb *iotlb, uint64_t iova, uint64_t last)
{
    unsigned int at = slot_from(iotlb, iova), num = 0;
    bool held = false;

    while (at + num < iotlb->n && iotlb->slots[at + num].iova <= last) {
        held |= entry_retire(iotlb, iotlb->slots[at + num].entry);
        num++;
    }
    if (num > 0) {
        remove_slots(iotlb, at, num);
    }
    return held;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Any entry that nobody uses, from a place on that the front-end cannot foresee. */
static void evict(struct VuIotlb *iotlb)
{
    unsigned int from = next_random(&iotlb->seed) % iotlb->n;

    for (unsigned int i = 0; i < iotlb->n; i++) {
        unsigned int at = (from + i) % iotlb->n;
        VuIotlbEntry *e = iotlb->slots[at].entry;

        if (__atomic_load_n(&e->refs, __ATOMIC_ACQUIRE) == 1) {
            free(e);
            remove_slots(iotlb, at, 1);
            return;
        }
    }
}

/* Make room for one more. */
static int reserve(struct VuIotlb *iotlb)
{
    unsigned int capacity = iotlb->capacity ? 2 * iotlb->capacity : CACHE_MIN;
    VuIotlbSlot *slots;

    if (iotlb->n >= CACHE_MAX) {
        evict(iotlb);
    }
    if (iotlb->n < iotlb->capacity) {
        return 0;
    }
    slots = realloc(iotlb->slots, capacity * sizeof(slots[0]));
    if (!slots) {
        return -ENOMEM;
    }
    iotlb->slots = slots;
    iotlb->capacity = capacity;
    return 0;
}

static void insert(struct VuIotlb *iotlb, VuIotlbEntry *e)
{
    unsigned int at = slot_from(iotlb, e->iova);

    memmove(&iotlb->slots[at + 1], &iotlb->slots[at], (iotlb->n - at) * sizeof(iotlb->slots[0]));
    iotlb->slots[at] = (VuIotlbSlot){ e->iova, e };
    iotlb->n++;
}

/* ---- Changes (control context) ---- */

static bool dead_are_gone(VuDev *dev, void *opaque)
{
    return __atomic_load_n(&dev->priv->iotlb->dead_held, __ATOMIC_ACQUIRE) == 0;
}

static int change_done(VuDev *dev, VhostUserMsg *msg, void *opaque)
{
    return vu_reply_u64(msg, 0);
}

void vu_iotlb_update_rings(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];
        VuMapUse *use;

        if (vq->state == VU_VRING_STOPPED || !(vq->unmapped || vu_pins_stale(vq->ring_pins))) {
            continue;
        }
        use = vu_map_use_new(dev->priv->map);
        if (!use) {
            vu_panic(dev, "no memory for a ring");
            return;
        }
        vu_vring_set_memory(dev, vq, use);
    }
}

/* The range of the front-end's addresses lies in its memory, in one region or in several. */
static bool uaddr_ok(const VuDev *dev, uint64_t uaddr, uint64_t size)
{
    while (size > 0) {
        const VuRegion *r = vu_map_find_uaddr(dev->priv->map, uaddr);
        uint64_t len;

        if (!r) {
            return false;
        }
        len = r->size - (uaddr - r->uaddr);
        if (len >= size) {
            return true;
        }
        uaddr += len;
        size -= len;
    }
    return false;
}

static VuIotlbEntry *entry_new(VuDev *dev, const struct vhost_iotlb_msg *m)
{
    VuIotlbEntry *e = malloc(sizeof(*e));

    if (e) {
        *e = (VuIotlbEntry){
            .refs = 1,
            .perm = m->perm,
            .dev = dev,
            .iova = m->iova,
            .last = m->iova + (m->size - 1),
            .uaddr = m->uaddr,
        };
    }
    return e;
}

/*
 * The same translation once more: only the permission may differ. An IOMMU that tells just the one
 * it was asked about adds to what is known; unasked, a front-end says what holds from now on.
 */
static bool merge(VuIotlbEntry *old, const VuIotlbEntry *e, const VuAnswer *answer)
{
    if (!old || old->iova != e->iova || old->last != e->last || old->uaddr != e->uaddr) {
        return false;
    }
    old->perm = answer->answered ? old->perm | e->perm : e->perm;
    old->denied = answer->denied & ~old->perm;
    return true;
}

/* The guest let the device do what the IOMMU does not allow; the front-end may tell it. */
static void report_denied(VuDev *dev, const VuAnswer *answer)
{
    VhostUserMsg msg = {
        .request = VHOST_USER_BACKEND_IOTLB_MSG,
        .size = sizeof(msg.payload.iotlb),
        .payload.iotlb = { .iova = answer->denied_at,
                           .perm = answer->denied,
                           .type = VHOST_IOTLB_ACCESS_FAIL },
    };

    vu_backend_notify(dev, &msg);
}

static int refuse_update(VuDev *dev, const struct vhost_iotlb_msg *m)
{
    uint64_t last;

    if (m->size > 0 && !__builtin_add_overflow(m->iova, m->size - 1, &last)) {
        vu_miss_refused(dev, m->iova, last);
    }
    return vu_refuse(dev, EINVAL, "a translation of %#llx bytes at %#llx to %#llx, access %u",
                     (unsigned long long)m->size, (unsigned long long)m->iova,
                     (unsigned long long)m->uaddr, m->perm);
}

static int update(VuDev *dev, VhostUserMsg *msg)
{
    const struct vhost_iotlb_msg m = msg->payload.iotlb;
    struct VuIotlb *iotlb = dev->priv->iotlb;
    uint64_t end;
    VuIotlbEntry *e;
    VuAnswer answer;
    bool held = false;
    int rc = 0;

    if (m.size == 0 || __builtin_add_overflow(m.iova, m.size - 1, &end) ||
        (m.perm & ~VHOST_ACCESS_RW) || !uaddr_ok(dev, m.uaddr, m.size)) {
        return refuse_update(dev, &m);
    }
    e = entry_new(dev, &m);
    if (!e) {
        return vu_refuse(dev, ENOMEM, "no memory for a translation");
    }
    pthread_rwlock_wrlock(&iotlb->lock);
    answer = vu_miss_answered(dev, e->iova, e->last, e->perm);
    if (merge(vu_iotlb_find(iotlb, e->iova), e, &answer)) {
        free(e);
    } else {
        held = drop_range(iotlb, e->iova, e->last);
        rc = reserve(iotlb);
        if (rc == 0) {
            e->denied = answer.denied;
            insert(iotlb, e);
        }
    }
    pthread_rwlock_unlock(&iotlb->lock);
    if (rc < 0) {
        free(e);
        return vu_refuse(dev, -rc, "no memory for a translation");
    }
    if (answer.denied) {
        report_denied(dev, &answer);
    }
    if (held || answer.ring) {
        vu_iotlb_update_rings(dev);
    }
    return held ? vu_wait_for(dev, dead_are_gone, change_done, NULL) : vu_reply_u64(msg, 0);
}

/* A size of 0 is what 2^64 is in 64 bits; what goes beyond the end ends there. */
static int invalidate(VuDev *dev, VhostUserMsg *msg)
{
    const struct vhost_iotlb_msg m = msg->payload.iotlb;
    struct VuIotlb *iotlb = dev->priv->iotlb;
    uint64_t last;
    bool held;

    if (m.size == 0 || __builtin_add_overflow(m.iova, m.size - 1, &last)) {
        last = UINT64_MAX;
    }
    pthread_rwlock_wrlock(&iotlb->lock);
    held = drop_range(iotlb, m.size ? m.iova : 0, last);
    pthread_rwlock_unlock(&iotlb->lock);
    if (!held) {
        return vu_reply_u64(msg, 0);
    }
    vu_iotlb_update_rings(dev);
    return vu_wait_for(dev, dead_are_gone, change_done, NULL);
}

int vu_iotlb_msg(VuDev *dev, VhostUserMsg *msg)
{
    switch (msg->payload.iotlb.type) {
    case VHOST_IOTLB_UPDATE:
        return update(dev, msg);
    case VHOST_IOTLB_INVALIDATE:
        return invalidate(dev, msg);
    default:
        return vu_refuse(dev, EINVAL, "an IOTLB message of type %u", msg->payload.iotlb.type);
    }
}

void vu_iotlb_flush(VuDev *dev)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;

    pthread_rwlock_wrlock(&iotlb->lock);
    drop_range(iotlb, 0, UINT64_MAX);
    pthread_rwlock_unlock(&iotlb->lock);
}

/* ---- Life ---- */

/* Queues that translate all the time must not keep control out for ever. */
static void lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

int vu_iotlb_init(VuDev *dev)
{
    struct VuIotlb *iotlb = calloc(1, sizeof(*iotlb));

    if (!iotlb) {
        return -ENOMEM;
    }
    lock_init(&iotlb->lock);
    pthread_mutex_init(&iotlb->miss_mutex, NULL);
    iotlb->seed = (uint32_t)((uintptr_t)iotlb >> 4) | 1;
    dev->priv->iotlb = iotlb;
    return 0;
}

void vu_iotlb_done(VuDev *dev)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;

    if (!iotlb) {
        return;
    }
    vu_iotlb_flush(dev);
    free(iotlb->slots);
    pthread_mutex_destroy(&iotlb->miss_mutex);
    pthread_rwlock_destroy(&iotlb->lock);
    free(iotlb);
    dev->priv->iotlb = NULL;
}
