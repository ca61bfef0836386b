/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a queue learns that its ring may hold requests: kicks, polling, and looking by itself.
 *
 * The kick descriptor is watched while the ring is started and has a handler. A ring that was
 * started or enabled, or whose memory changed, is looked at once without a kick, after the message
 * that did it has been answered. A front-end that does not kick gets a timer (vu-poll.c).
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "vu-internal.h"

/* So many kicks of an idle queue in such a time come from a descriptor that never falls silent. */
#define EMPTY_KICKS_MAX     8192
#define EMPTY_KICKS_TIME_NS 1000000000ull

static void queue_run_handler(VuDev *dev, VuVirtq *vq)
{
    vq->in_handler = true;
    do {
        vu_queue_handler_cb handler = __atomic_load_n(&vq->handler, __ATOMIC_RELAXED);

        vq->kick_again = false;
        if (handler && vq->state == VU_VRING_STARTED && vq->enable && !vu_is_broken(dev)) {
            handler(dev, vq->index);
        }
    } while (vq->kick_again);
    vq->in_handler = false;
}

void vu_queue_kick_later(VuDev *dev, VuVirtq *vq)
{
    vq->held_up = false;
    if (dev->priv->io->kick_later) {
        dev->priv->io->kick_later(dev, vq);
    } else if (vq->in_handler) {
        vq->kick_again = true;
    } else {
        queue_run_handler(dev, vq);
    }
}

void vu_queue_hold_up(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem)
{
    /* The element that comes back here is none to go on for. */
    vq->held_up = false;
    vu_queue_unpop(dev, vq, elem, 0);
    vq->held_up = true;
}

void vu_queue_kick(VuDev *dev, int qidx)
{
    queue_run_handler(dev, vu_get_queue(dev, qidx));
}

static void queue_look(VuDev *dev, VuVirtq *vq, void *opaque)
{
    queue_run_handler(dev, vq);
}

void vu_kick_unwatch(VuDev *dev, VuVirtq *vq)
{
    if (__atomic_exchange_n(&vq->watched, false, __ATOMIC_RELAXED)) {
        dev->remove_watch(dev, vq->kick_fd);
    }
}

/* What a watch gets as its data is the number of its queue. */
int vu_watch_queue(const void *data)
{
    return (uintptr_t)data;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* An eventfd that counts down one by one, for example. Queue context, after a kick. */
static bool never_silent(VuVirtq *vq, uint64_t chains_before)
{
    if (vq->stats.pops + vq->stats.malformed != chains_before || vq->inuse > 0) {
        vq->empty_kicks = 0;
        return false;
    }
    if (vq->empty_kicks == 0) {
        vq->empty_since = now_ns();
    }
    if (++vq->empty_kicks < EMPTY_KICKS_MAX) {
        return false;
    }
    vq->empty_kicks = 0;
    return now_ns() - vq->empty_since < EMPTY_KICKS_TIME_NS;
}

/* It would cost a processor for ever. Queue context. */
static void give_up_kicks(VuDev *dev, VuVirtq *vq, const char *why)
{
    vu_log_message(dev, "the kick descriptor of queue %u %s", vq->index, why);
    vu_kick_unwatch(dev, vq);
}

static void queue_kicked(VuDev *dev, int condition, void *data)
{
    VuVirtq *vq = vu_get_queue(dev, vu_watch_queue(data));
    uint64_t count, chains = vq->stats.pops + vq->stats.malformed;
    ssize_t n = vu_read_fd_now(vq->kick_fd, &count, sizeof(count));

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        give_up_kicks(dev, vq, "is dead");
        return;
    }
    vu_count(&vq->stats.kicks);
    queue_run_handler(dev, vq);
    if (vq->kick_is_timer) {
        vu_poll_looked(vq, vq->stats.pops + vq->stats.malformed != chains || vq->inuse > 0);
    } else if (never_silent(vq, chains)) {
        give_up_kicks(dev, vq, "is readable all the time: no longer looked at");
    }
}

void vu_kick_update_watch(VuDev *dev, VuVirtq *vq)
{
    bool want = vq->handler && vq->kick_fd >= 0 && vq->state == VU_VRING_STARTED;

    if (!want) {
        vu_kick_unwatch(dev, vq);
    } else if (!__atomic_exchange_n(&vq->watched, true, __ATOMIC_RELAXED)) {
        dev->set_watch(dev, vq->kick_fd, VU_WATCH_IN, queue_kicked, (void *)(uintptr_t)vq->index);
    }
}

void vu_set_queue_handler(VuDev *dev, VuVirtq *vq, vu_queue_handler_cb handler)
{
    __atomic_store_n(&vq->handler, handler, __ATOMIC_RELAXED);
    vu_kick_update_watch(dev, vq);
}

void vu_kick_want_look(VuDev *dev, VuVirtq *vq)
{
    vq->look = true;
    dev->priv->look = true;
}

void vu_vrings_look(VuDev *dev)
{
    if (VU_LIKELY(!dev->priv->look)) {
        return;
    }
    dev->priv->look = false;
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];

        if (!vq->look) {
            continue;
        }
        vq->look = false;
        if (dev->priv->io->look) {
            dev->priv->io->look(dev, vq);
        } else {
            vu_vring_run(dev, vq, queue_look, NULL);
        }
    }
}
