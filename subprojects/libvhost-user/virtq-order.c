/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IN_ORDER: the guest hears of completions in the order in which it made the requests available.
 *
 * Theory of operation: an element that is filled keeps its slot until all that were popped before
 * it are filled; so the elements that are in use are always the last so many pops, and the oldest
 * of them is the next one the guest must hear of. What can be told at a time is told in batches: a
 * used entry about the last chain of a batch stands for those before it, which the guest takes to
 * be written completely; so an element whose length says less ends its batch.
 *
 * A device that detaches an element leaves a gap that can never be passed. The ring is broken then,
 * and what the guest has not heard of stays with it: the next start begins there.
 */
#include <errno.h>

#include "virtq-internal.h"

void virtq_order_fill(VuVirtq *vq, unsigned int slot, uint32_t len)
{
    VirtqSlot *s = &vq->slots[slot];
    uint64_t writable = 0;

    for (unsigned int i = 0; i < s->nranges; i++) {
        writable += s->ranges[i].len;
    }
    s->whole = len >= writable;
    s->len = len;
    s->done = true;
    /* They lie in the element, which is the device's again. */
    s->ranges = NULL;
    s->nranges = 0;
}

/* One entry for all of @batch, which ends with the @n-th element of this time. */
static void publish(VuVirtq *vq, VirtqUsed *batch, unsigned int n)
{
    if (batch->nelems > 0 && vq->vring.used) {
        vq->ops->fill(vq, batch, n - batch->nelems);
    }
    *batch = (VirtqUsed){ 0 };
}

unsigned int virtq_order_collect(VuVirtq *vq)
{
    VirtqUsed batch = { 0 };
    unsigned int n = 0;

    while (n < vq->inuse) {
        unsigned int slot = virtq_slot_taken(vq, vq->inuse - n);
        const VirtqSlot *s = &vq->slots[slot];
        bool ends = !s->whole;

        if (!s->done) {
            break;
        }
        batch.id = slot;
        batch.len = s->len;
        batch.ndescs += s->ndescs;
        batch.nelems++;
        n++;
        virtq_slot_release(vq, slot);
        if (ends) {
            publish(vq, &batch, n);
        }
    }
    publish(vq, &batch, n);
    return n;
}

void virtq_order_lose(VuDev *dev, VuVirtq *vq)
{
    VirtqPlace place = virtq_place(vq);
    unsigned int held = 0;

    if (vq->order_lost) {
        return;
    }
    vq->order_lost = true;
    for (unsigned int back = 1; back <= vq->inuse; back++) {
        unsigned int slot = virtq_slot_taken(vq, back);

        vq->ops->move(vq, &place, -(int)vq->slots[slot].ndescs);
        vq->out_descs -= vq->slots[slot].ndescs;
        if (vq->slots[slot].done) {
            virtq_slot_release(vq, slot);
            held++;
        }
    }
    virtq_set_place(vq, place);
    /* Those of a batch that was not flushed yet are still counted by that flush. */
    virtq_set_inuse(vq, vq->inuse - (held - vq->filled));
    if (vq->state == VU_VRING_STARTED) {
        vu_vring_break(dev, vq, "an element that others wait for was given up");
    }
}
