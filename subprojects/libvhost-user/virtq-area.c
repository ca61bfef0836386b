/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the three parts of a ring lie in our memory.
 */
#include <errno.h>

#include "virtq-internal.h"

static bool disjoint(const VirtqArea *a, const VirtqArea *b)
{
    return a->addr < b->addr ? b->addr - a->addr >= a->size : a->addr - b->addr >= b->size;
}

static bool areas_make_sense(const VirtqArea area[VIRTQ_AREA__MAX])
{
    return disjoint(&area[0], &area[1]) && disjoint(&area[1], &area[2]) &&
           disjoint(&area[2], &area[0]);
}

int virtq_map_areas(const VuVirtq *vq, VuXlate *x, const VirtqArea area[VIRTQ_AREA__MAX],
                    VuRing *ret_ring)
{
    VuRingPart part[VIRTQ_AREA__MAX];
    int result = areas_make_sense(area) ? 0 : -EFAULT;

    for (unsigned int i = 0; i < VIRTQ_AREA__MAX && (result == 0 || result == -EAGAIN); i++) {
        int rc = vu_xlate_ring(x, area[i].addr, area[i].size, area[i].access, &part[i]);

        if (rc == 0 && ((uintptr_t)part[i].hva & (area[i].align - 1))) {
            rc = -EFAULT;
        }
        /* Go on after a miss, to ask for the others as well. */
        result = rc < 0 ? rc : result;
    }
    if (result == 0) {
        *ret_ring = (VuRing){
            .num = vq->num,
            .desc = part[VIRTQ_DESC_AREA].hva,
            .avail = part[VIRTQ_AVAIL_AREA].hva,
            .used = part[VIRTQ_USED_AREA].hva,
            .log_guest_addr = vq->vra.log_guest_addr,
            .flags = vq->vra.flags,
            .desc_part = part[VIRTQ_DESC_AREA],
            .used_part = part[VIRTQ_USED_AREA],
            .behind_iommu = x->iotlb != NULL,
        };
    }
    return result;
}
