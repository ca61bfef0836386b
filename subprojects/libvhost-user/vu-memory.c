/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as immutable, reference-counted maps.
 *
 * Theory of operation: a change builds a new map, hands it to every started queue, and lets go of
 * the old one. A queue keeps a map alive as long as an element popped with it is out. A region that
 * no map holds any more is unmapped by whoever let go last; only then is the request that took the
 * region away acknowledged. Thus no queue stops for a change and no element loses its memory.
 *
 * Everything a request says is checked before it replaces anything: a refused change changes
 * nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vu-internal.h"

/* ---- Regions ---- */

static void region_unref(VuRegion *r)
{
    VuDev *dev = r->dev;
    bool removed;

    if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    removed = r->removed;
    vu_trace(dev, VU_TRACE_REGION_UNMAPPED, -1, 0, r->gpa, NULL);
    vu_bus_unguard(r->guard);
    vu_unmap_file(dev, r->mmap_addr, r->mmap_len);
    free(r);
    if (removed && __atomic_sub_fetch(&dev->priv->removed_live, 1, __ATOMIC_ACQ_REL) == 0) {
        vu_wake(dev);
    }
}

static int check_region(VuDev *dev, const VhostUserMemoryRegion *m)
{
    uint64_t end;

    if (m->memory_size == 0 || __builtin_add_overflow(m->guest_phys_addr, m->memory_size, &end) ||
        __builtin_add_overflow(m->userspace_addr, m->memory_size, &end)) {
        return vu_refuse(dev, EINVAL, "a region of %#llx bytes at %#llx wraps around",
                         (unsigned long long)m->memory_size,
                         (unsigned long long)m->guest_phys_addr);
    }
    /* With GPA_ADDRESSES the front-end has no addresses but the guest's. */
    if (vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_GPA_ADDRESSES) &&
        m->userspace_addr != m->guest_phys_addr) {
        return vu_refuse(dev, EINVAL, "a region at %#llx has another address, %#llx",
                         (unsigned long long)m->guest_phys_addr,
                         (unsigned long long)m->userspace_addr);
    }
    return 0;
}

/* Map what @m describes; @fd stays the caller's. */
static int region_new(VuDev *dev, const VhostUserMemoryRegion *m, int fd, VuRegion **ret_region)
{
    VuMapping mapping;
    VuRegion *r;
    int rc = check_region(dev, m);

    if (rc < 0) {
        return rc;
    }
    rc = vu_map_file(dev, fd, m->mmap_offset, m->memory_size, &mapping);
    if (rc < 0) {
        return vu_refuse(dev, -rc, "could not map a region of %#llx bytes at offset %#llx: %s",
                         (unsigned long long)m->memory_size, (unsigned long long)m->mmap_offset,
                         vu_map_error(rc));
    }
    r = calloc(1, sizeof(*r));
    if (r) {
        r->guard = vu_bus_guard(dev, mapping.addr, mapping.len, mapping.page_size);
    }
    if (!r || !r->guard) {
        vu_unmap_file(dev, mapping.addr, mapping.len);
        free(r);
        return vu_refuse(dev, ENOMEM, "no memory for a region");
    }
    r->refs = 1;
    r->dev = dev;
    r->gpa = m->guest_phys_addr;
    r->size = m->memory_size;
    r->uaddr = m->userspace_addr;
    r->hva = mapping.start;
    r->mmap_addr = mapping.addr;
    r->mmap_len = mapping.len;
    *ret_region = r;
    return 0;
}

/* ---- Maps ---- */

VuMemMap *vu_map_new(unsigned int capacity)
{
    VuMemMap *map = malloc(sizeof(*map) + 2 * capacity * sizeof(map->regions[0]));

    if (map) {
        map->refs = 1;
        map->n = 0;
        map->by_uaddr = map->regions + capacity;
    }
    return map;
}

VuMemMap *vu_map_ref(VuMemMap *map)
{
    __atomic_add_fetch(&map->refs, 1, __ATOMIC_RELAXED);
    return map;
}

void vu_map_unref(VuMemMap *map)
{
    if (!map || __atomic_sub_fetch(&map->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (unsigned int i = 0; i < map->n; i++) {
        region_unref(map->regions[i]);
    }
    free(map);
}

static bool overlap(uint64_t a, uint64_t b, uint64_t alen, uint64_t blen)
{
    return a < b + blen && b < a + alen;
}

static void insert_at(VuRegion **regions, unsigned int n, unsigned int at, VuRegion *r)
{
    memmove(&regions[at + 1], &regions[at], (n - at) * sizeof(regions[0]));
    regions[at] = r;
}

/* Insert @r in order; the map takes over the caller's reference on success only. */
static int map_insert(VuDev *dev, VuMemMap *map, VuRegion *r)
{
    unsigned int at = 0, at_uaddr = 0;

    for (unsigned int i = 0; i < map->n; i++) {
        const VuRegion *o = map->regions[i];

        if (overlap(r->gpa, o->gpa, r->size, o->size) ||
            overlap(r->uaddr, o->uaddr, r->size, o->size)) {
            return vu_refuse(dev, EEXIST, "the region at %#llx overlaps the one at %#llx",
                             (unsigned long long)r->gpa, (unsigned long long)o->gpa);
        }
        at += o->gpa < r->gpa;
        at_uaddr += o->uaddr < r->uaddr;
    }
    insert_at(map->regions, map->n, at, r);
    insert_at(map->by_uaddr, map->n, at_uaddr, r);
    map->n++;
    return 0;
}

static bool region_holds(const VuRegion *r, uint64_t gpa)
{
    return gpa >= r->gpa && gpa - r->gpa < r->size;
}

static const VuRegion *map_find(const VuMemMap *map, uint64_t gpa)
{
    unsigned int lo = 0, hi = map->n;

    while (lo < hi) {
        unsigned int mid = lo + (hi - lo) / 2;
        const VuRegion *r = map->regions[mid];

        if (region_holds(r, gpa)) {
            return r;
        }
        if (gpa < r->gpa) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

void *vu_map_gpa(const VuMemMap *map, uint64_t gpa, uint64_t *len, const VuRegion **hint)
{
    const VuRegion *r = hint ? *hint : NULL;
    uint64_t offset;

    if (!r || !region_holds(r, gpa)) {
        r = map_find(map, gpa);
        if (!r) {
            return NULL;
        }
        if (hint) {
            *hint = r;
        }
    }
    offset = gpa - r->gpa;
    if (*len > r->size - offset) {
        *len = r->size - offset;
    }
    return r->hva + offset;
}

const VuRegion *vu_map_find_uaddr(const VuMemMap *map, uint64_t uaddr)
{
    unsigned int lo = 0, hi = map->n;

    while (lo < hi) {
        unsigned int mid = lo + (hi - lo) / 2;
        const VuRegion *r = map->by_uaddr[mid];

        if (uaddr < r->uaddr) {
            hi = mid;
        } else if (uaddr - r->uaddr < r->size) {
            return r;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

void *vu_map_uaddr(const VuMemMap *map, uint64_t uaddr, uint64_t len)
{
    const VuRegion *r = vu_map_find_uaddr(map, uaddr);

    return r && len <= r->size - (uaddr - r->uaddr) ? r->hva + (uaddr - r->uaddr) : NULL;
}

void *vu_gpa_to_va(VuDev *dev, uint64_t *plen, uint64_t guest_addr)
{
    return *plen ? vu_map_gpa(dev->priv->map, guest_addr, plen, NULL) : NULL;
}

/* ---- A queue's hold on a map ---- */

VuMapUse *vu_map_use_new(VuMemMap *map)
{
    VuMapUse *use = malloc(sizeof(*use));

    if (use) {
        use->map = vu_map_ref(map);
        use->near = NULL;
        use->users = 1;
    }
    return use;
}

void vu_map_use_unref(VuMapUse *use)
{
    if (use && --use->users == 0) {
        vu_map_unref(use->map);
        free(use);
    }
}

/* ---- Changes ---- */

static bool map_holds(const VuMemMap *map, const VuRegion *r)
{
    const VuRegion *found = map_find(map, r->gpa);

    return found == r;
}

static void mark_removed(VuDev *dev, const VuMemMap *old, const VuMemMap *map)
{
    for (unsigned int i = 0; i < old->n; i++) {
        VuRegion *r = old->regions[i];

        if (!map_holds(map, r)) {
            r->removed = true;
            __atomic_add_fetch(&dev->priv->removed_live, 1, __ATOMIC_RELAXED);
        }
    }
}

/* One hold on @map for every queue that is not stopped. NULL: no memory. */
static VuMapUse **uses_new(VuDev *dev, VuMemMap *map)
{
    VuMapUse **uses = calloc(dev->max_queues, sizeof(uses[0]));

    for (unsigned int i = 0; uses && i < dev->max_queues; i++) {
        if (dev->vq[i].state == VU_VRING_STOPPED) {
            continue;
        }
        uses[i] = vu_map_use_new(map);
        if (!uses[i]) {
            while (i-- > 0) {
                vu_map_use_unref(uses[i]);
            }
            free(uses);
            return NULL;
        }
    }
    return uses;
}

/* Make @map the current one; takes over the caller's reference in any case. */
static int publish(VuDev *dev, VuMemMap *map)
{
    VuMemMap *old = dev->priv->map;
    VuMapUse **uses = uses_new(dev, map);

    if (!uses) {
        vu_map_unref(map);
        return vu_refuse(dev, ENOMEM, "no memory for a new memory map");
    }
    mark_removed(dev, old, map);
    dev->priv->map = map;
    dev->nregions = map->n;
    vu_count(&dev->priv->stats.memory_changes);
    vu_trace(dev, VU_TRACE_MEMORY, -1, 0, map->n, NULL);
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (uses[i]) {
            vu_vring_set_memory(dev, &dev->vq[i], uses[i]);
        }
    }
    free(uses);
    vu_map_unref(old);
    if (dev->iface->update_memory) {
        dev->iface->update_memory(dev);
    }
    return 0;
}

static bool removed_are_gone(VuDev *dev, void *opaque)
{
    return __atomic_load_n(&dev->priv->removed_live, __ATOMIC_ACQUIRE) == 0;
}

int vu_set_mem_table(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserMemory table = msg->payload.memory;
    VuMemMap *map;
    int rc = 0;

    if (table.nregions > VHOST_MEMORY_BASELINE_NREGIONS ||
        msg->size <
            offsetof(VhostUserMemory, regions) + table.nregions * sizeof(table.regions[0])) {
        return vu_refuse(dev, EINVAL, "a table of %u regions in %u bytes", table.nregions,
                         msg->size);
    }
    if (msg->fd_num != (int)table.nregions) {
        return vu_refuse(dev, EINVAL,
                         "%u regions came with %d descriptors: each must be shared (in QEMU, a "
                         "memory backend with share=on)",
                         table.nregions, msg->fd_num);
    }
    map = vu_map_new(table.nregions);
    if (!map) {
        return vu_refuse(dev, ENOMEM, "no memory for a new memory map");
    }
    for (unsigned int i = 0; i < table.nregions && rc == 0; i++) {
        VuRegion *r;

        rc = region_new(dev, &table.regions[i], msg->fds[i], &r);
        if (rc == 0) {
            rc = map_insert(dev, map, r);
            if (rc < 0) {
                region_unref(r);
            }
        }
    }
    if (rc < 0) {
        vu_map_unref(map);
        return rc;
    }
    rc = publish(dev, map);
    return rc < 0 ? rc : vu_wait_for(dev, removed_are_gone, NULL, NULL);
}

int vu_get_max_mem_slots(VuDev *dev, VhostUserMsg *msg)
{
    return vu_reply_u64(msg, VHOST_USER_MAX_RAM_SLOTS);
}

/* A copy of the current map without @without, with room for @extra more. */
static VuMemMap *map_copy(VuDev *dev, const VuRegion *without, unsigned int extra)
{
    const VuMemMap *old = dev->priv->map;
    VuMemMap *map = vu_map_new(old->n + extra);
    unsigned int n = 0;

    for (unsigned int i = 0; map && i < old->n; i++) {
        VuRegion *r = old->regions[i];

        if (r != without) {
            __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
            map->regions[map->n++] = r;
        }
        if (old->by_uaddr[i] != without) {
            map->by_uaddr[n++] = old->by_uaddr[i];
        }
    }
    return map;
}

int vu_add_mem_reg(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserMemoryRegion m = msg->payload.memreg.region;
    VuMemMap *map;
    VuRegion *r;
    int rc;

    if (dev->priv->map->n >= VHOST_USER_MAX_RAM_SLOTS) {
        return vu_refuse(dev, ENOSPC, "all %d memory slots are taken", VHOST_USER_MAX_RAM_SLOTS);
    }
    rc = region_new(dev, &m, msg->fds[0], &r);
    if (rc < 0) {
        return rc;
    }
    map = map_copy(dev, NULL, 1);
    rc = map ? map_insert(dev, map, r) : vu_refuse(dev, ENOMEM, "no memory for a new memory map");
    if (rc < 0) {
        region_unref(r);
        vu_map_unref(map);
        return rc;
    }
    return publish(dev, map);
}

int vu_rem_mem_reg(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserMemoryRegion m = msg->payload.memreg.region;
    const VuRegion *r = map_find(dev->priv->map, m.guest_phys_addr);
    VuMemMap *map;
    int rc;

    if (!r || r->gpa != m.guest_phys_addr || r->size != m.memory_size ||
        r->uaddr != m.userspace_addr) {
        return vu_refuse(dev, ENOENT, "there is no region of %#llx bytes at %#llx",
                         (unsigned long long)m.memory_size, (unsigned long long)m.guest_phys_addr);
    }
    map = map_copy(dev, r, 0);
    if (!map) {
        return vu_refuse(dev, ENOMEM, "no memory for a new memory map");
    }
    rc = publish(dev, map);
    return rc < 0 ? rc : vu_wait_for(dev, removed_are_gone, NULL, NULL);
}

int vu_memory_init(VuDev *dev)
{
    dev->priv->map = vu_map_new(0);
    return dev->priv->map ? 0 : -ENOMEM;
}

void vu_memory_done(VuDev *dev)
{
    vu_map_unref(dev->priv->map);
    dev->priv->map = NULL;
}
