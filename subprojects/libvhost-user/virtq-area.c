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

bool virtq_map_areas(const VuMemMap *map, const VirtqArea area[VIRTQ_AREA__MAX],
                     void *ret_hva[VIRTQ_AREA__MAX])
{
    for (unsigned int i = 0; i < VIRTQ_AREA__MAX; i++) {
        ret_hva[i] = vu_map_uaddr(map, area[i].addr, area[i].size);
        if (!ret_hva[i] || ((uintptr_t)ret_hva[i] & (area[i].align - 1))) {
            return false;
        }
        for (unsigned int j = 0; j < i; j++) {
            if (!disjoint(&area[i], &area[j])) {
                return false;
            }
        }
    }
    return true;
}
