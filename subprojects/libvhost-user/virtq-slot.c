/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slots of the elements that are out, and the order in which they were popped.
 *
 * No two elements that are out share a slot, and a slot is below the size of the ring, so they are
 * never more than the ring has entries, and as many of the last pops are remembered.
 */
#include <errno.h>

#include "virtq-internal.h"

void virtq_slot_take(VuVirtq *vq, unsigned int slot, unsigned int ndescs)
{
    VirtqPlace place = virtq_place(vq);

    vq->slots[slot] = (VirtqSlot){
        .use = vu_map_use_ref(vq->use),
        .ndescs = ndescs,
    };
    vq->popped[vq->pop_at] = slot;
    vq->pop_at = vq->pop_at + 1 < vq->vring.num ? vq->pop_at + 1 : 0;
    vq->ops->move(vq, &place, ndescs);
    virtq_set_place(vq, place);
    vq->out_descs += ndescs;
    virtq_set_inuse(vq, vq->inuse + 1);
}

void virtq_slot_release(VuVirtq *vq, unsigned int slot)
{
    const VirtqSlot old = vq->slots[slot];

    vq->slots[slot] = (VirtqSlot){ 0 };
    vu_pins_free(old.pins);
    vu_map_use_unref(old.use);
}

unsigned int virtq_slot_taken(const VuVirtq *vq, unsigned int back)
{
    return vq->popped[vq->pop_at >= back ? vq->pop_at - back : vq->pop_at + vq->vring.num - back];
}

void virtq_slot_untake(VuVirtq *vq, unsigned int num)
{
    VirtqPlace place = virtq_place(vq);

    for (unsigned int i = 0; i < num; i++) {
        unsigned int slot = virtq_slot_taken(vq, 1);

        vq->ops->move(vq, &place, -(int)vq->slots[slot].ndescs);
        vq->out_descs -= vq->slots[slot].ndescs;
        virtq_slot_release(vq, slot);
        vq->pop_at = (vq->pop_at > 0 ? vq->pop_at : vq->vring.num) - 1;
    }
    virtq_set_place(vq, place);
    virtq_set_inuse(vq, vq->inuse - num);
}
