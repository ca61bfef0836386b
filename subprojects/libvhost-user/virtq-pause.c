/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that goes on making malformed chains available is looked at less often.
 *
 * Theory of operation: to find out that a chain is malformed costs time, which is the time of
 * others in the same thread. What it has cost is charged to the device, as if it took SHARE times
 * as long; a device that is charged for more than BURST_NS of work beyond what has passed since is
 * not looked at until it is not. So a few of them cost a guest nothing, and a flood costs the
 * thread a part in SHARE of its time, however many queues it comes by. A pause is of one queue:
 * what lies behind a malformed chain waits for it, and comes in its turn.
 *
 * Costs are counted, not measured, so that a busy host makes no pause longer.
 *
 * A queue that finds no memory for a request is paused as well, as nobody tells when there is some.
 */
#include <errno.h>
#include <time.h>

#include "virtq-internal.h"

#define SHARE    64
#define BURST_NS 5000000ull
/* A malformed chain, given back with a notification, and each descriptor of it that was read. */
#define CHAIN_NS 2000
#define DESC_NS  32
/* How long a queue waits for memory. */
#define MEMORY_NS 10000000

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* All of it will be paid for then. Any queue's context. */
static uint64_t charge(VuDev *dev, uint64_t now, uint64_t cost)
{
    uint64_t *paid = &dev->priv->malformed_paid;
    uint64_t old = __atomic_load_n(paid, __ATOMIC_RELAXED);
    uint64_t new;

    do {
        new = (old > now ? old : now) + cost *SHARE;
    } while (
        !__atomic_compare_exchange_n(paid, &old, new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return new;
}

static bool pause_queue(VuDev *dev, VuVirtq *vq, uint64_t ns)
{
    if (!dev->priv->io->pause) {
        return false;
    }
    vq->paused = true;
    if (!dev->priv->io->pause(dev, vq, ns)) {
        vq->paused = false;
    }
    return vq->paused;
}

bool virtq_pause_charge(VuDev *dev, VuVirtq *vq, unsigned int descs)
{
    uint64_t now = now_ns();
    uint64_t ahead = charge(dev, now, CHAIN_NS + (uint64_t)descs * DESC_NS) - now;

    if (ahead <= BURST_NS * SHARE || !pause_queue(dev, vq, ahead - BURST_NS * SHARE)) {
        return false;
    }
    __atomic_store_n(&vq->stats.pauses, vq->stats.pauses + 1, __ATOMIC_RELAXED);
    if (!__atomic_exchange_n(&dev->priv->pause_told, true, __ATOMIC_RELAXED)) {
        vu_log_message(dev,
                       "queue %u is looked at only now and then: the guest keeps making malformed "
                       "chains available",
                       vq->index);
    }
    return true;
}

void virtq_pause_for_memory(VuDev *dev, VuVirtq *vq)
{
    vq->held_up = !pause_queue(dev, vq, MEMORY_NS);
}

void vu_queue_resume(VuDev *dev, VuVirtq *vq)
{
    vq->paused = false;
}
