/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of translations, as its files see it: vu-iotlb.c (what is in it), vu-miss.c (what was
 * asked for), vu-xlate.c (who uses it).
 */
#ifndef VU_IOTLB_H
#define VU_IOTLB_H

#include "vu-internal.h"

/* Immutable but for @refs and @dead, which are atomic, and the permissions. */
typedef struct VuIotlbEntry {
    unsigned int refs; /* the cache's, and one of each hold */
    bool dead;         /* no longer in the cache */
    uint8_t perm;      /* VHOST_ACCESS_*; under the cache's lock */
    uint8_t denied;    /* was asked for, and not given; under the cache's lock */
    VuDev *dev;
    uint64_t iova;
    uint64_t last; /* the last address in it, so that it may be the highest one */
    uint64_t uaddr;
} VuIotlbEntry;

typedef struct VuIotlbSlot {
    uint64_t iova; /* the entry's */
    VuIotlbEntry *entry;
} VuIotlbSlot;

typedef struct VuMisses VuMisses;

struct VuIotlb {
    pthread_rwlock_t lock; /* the slots; before the other locks */
    VuIotlbSlot *slots;    /* sorted, without overlap */
    unsigned int n;
    unsigned int capacity;
    uint32_t seed; /* control: who is evicted */

    unsigned int dead_held; /* atomic: entries out of the cache that somebody holds */

    pthread_mutex_t miss_mutex;
    VuMisses *waiting;   /* queues with unanswered questions */
    uint32_t numbers;    /* of questions; under miss_mutex */
    unsigned int unsent; /* atomic: questions that are to be sent once more */
};

/* The entry that holds @iova, or NULL. The caller has the lock. */
VuIotlbEntry *vu_iotlb_find(const struct VuIotlb *iotlb, uint64_t iova);
/* Let go of @e; not under the lock. Any context. */
void vu_iotlb_entry_unref(VuIotlbEntry *e);

/* Find anew the rings that lie behind something dead, or wait. Control context, no lock held. */
void vu_iotlb_update_rings(VuDev *dev);

/*
 * Ask the front-end for @access at @iova. -EAGAIN: the answer is awaited; -EFAULT: it was no. The
 * caller has the cache's lock for reading.
 */
int vu_miss_ask(VuXlate *x, uint64_t iova, unsigned int access);
/* The chain that asked is done with: refusals that it has not come across are void. */
void vu_miss_settle(VuXlate *x);

typedef struct VuAnswer {
    unsigned int answered; /* questions */
    unsigned int denied;   /* what they asked for and @perm does not hold */
    uint64_t denied_at;    /* the address of such a one */
    bool ring;             /* one of them was about a ring itself */
} VuAnswer;

/*
 * The front-end gave @perm for @iova to @last: questions about that are answered, queues that wait
 * for nothing else are looked at. Control context; the caller has the cache's lock for writing.
 */
VuAnswer vu_miss_answered(VuDev *dev, uint64_t iova, uint64_t last, unsigned int perm);
/* The answer cannot be used: chains that asked end with an error. Control context, no lock held. */
void vu_miss_refused(VuDev *dev, uint64_t iova, uint64_t last);

#endif /* VU_IOTLB_H */
