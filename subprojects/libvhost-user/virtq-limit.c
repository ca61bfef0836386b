/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit on the elements of a device that are out, whatever the guest makes available.
 *
 * Theory of operation: a queue has a quota. A few elements each queue may always have out; what it
 * needs beyond that it borrows, in batches, from a pool of the device that all queues share, and
 * gives back when it needs less. A queue that finds the pool empty pops nothing until one of its
 * own elements comes back, which is sure to happen as it has its own few out; so no queue ever
 * waits for another one, and no queue needs to wake another one.
 */
#include <errno.h>
#include <limits.h>

#include "virtq-internal.h"

/* Elements that each queue may have out, whatever the others have. */
#define RESERVE 4
/* So many are borrowed at once. */
#define BATCH 32

void vu_set_max_in_flight(VuDev *dev, unsigned int num)
{
    unsigned int reserved = RESERVE * dev->max_queues;

    dev->priv->limited = true;
    dev->priv->in_flight_pool = num > reserved ? num - reserved : 0;
}

void virtq_limit_start(VuDev *dev, VuVirtq *vq)
{
    vq->quota = dev->priv->limited ? RESERVE : UINT_MAX;
    vq->held_up = false;
}

static void give_back(VuDev *dev, VuVirtq *vq, unsigned int n)
{
    vq->quota -= n;
    __atomic_fetch_add(&dev->priv->in_flight_pool, n, __ATOMIC_RELAXED);
}

void virtq_limit_stop(VuDev *dev, VuVirtq *vq)
{
    if (dev->priv->limited) {
        give_back(dev, vq, vq->quota - RESERVE);
    }
}

bool virtq_limit_borrow(VuDev *dev, VuVirtq *vq)
{
    unsigned int *pool = &dev->priv->in_flight_pool;
    unsigned int left = __atomic_load_n(pool, __ATOMIC_RELAXED);
    unsigned int n;

    do {
        n = left < BATCH ? left : BATCH;
        if (n == 0) {
            vq->held_up = true;
            return false;
        }
    } while (!__atomic_compare_exchange_n(pool, &left, left - n, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    vq->quota += n;
    return true;
}

/* A queue keeps a batch more than it needs, as long as it needs anything. */
static unsigned int wanted(const VuVirtq *vq)
{
    return vq->inuse > 0 && vq->inuse + BATCH > RESERVE ? vq->inuse + BATCH : RESERVE;
}

void virtq_limit_settle(VuDev *dev, VuVirtq *vq)
{
    if (vq->held_up) {
        vq->held_up = false;
        vu_queue_kick_later(dev, vq);
    }
    if (vq->quota > RESERVE && vq->quota != UINT_MAX) {
        unsigned int keep = wanted(vq);

        if (vq->quota >= keep + BATCH || (vq->inuse == 0 && vq->quota > keep)) {
            give_back(dev, vq, vq->quota - keep);
        }
    }
}
