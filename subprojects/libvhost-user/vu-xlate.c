/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translating what a guest names, and holding on to the translations.
 *
 * The parts of a ring must be contiguous for us, whatever the guest's IOMMU makes of them: what
 * lies scattered is mapped a second time, page by page and in order, into one window.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vu-iotlb.h"

/* An element cannot hold more than this. */
#define PINS_MAX 65536
#define PINS_MIN 8

/* A window: scattered pages in order; and what is where in it. */
typedef struct VuWindow {
    struct VuWindow *next;
    void *addr;
    size_t len;
    struct VuBusSlot *guard;
    unsigned int nruns;
    VuRun runs[];
} VuWindow;

struct VuPins {
    VuWindow *windows;
    unsigned int n;
    unsigned int capacity;
    VuIotlbEntry *entries[];
};

/* ---- Holding ---- */

static bool pins_reserve(VuXlate *x)
{
    VuPins *pins = x->pins;
    unsigned int capacity = pins ? 2 * pins->capacity : PINS_MIN;
    VuPins *more;

    if (pins && pins->n < pins->capacity) {
        return true;
    }
    if (capacity > PINS_MAX) {
        return false;
    }
    more = realloc(pins, sizeof(*pins) + capacity * sizeof(pins->entries[0]));
    if (!more) {
        return false;
    }
    if (!pins) {
        more->windows = NULL;
        more->n = 0;
    }
    more->capacity = capacity;
    x->pins = more;
    return true;
}

static int pin(VuXlate *x, VuIotlbEntry *e)
{
    VuPins *pins = x->pins;

    /* The buffers of a small request often lie in one page. */
    if (pins && pins->n > 0 && pins->entries[pins->n - 1] == e) {
        return 0;
    }
    if (!pins_reserve(x)) {
        return -ENOMEM;
    }
    __atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
    x->pins->entries[x->pins->n++] = e;
    return 0;
}

static void window_free(VuWindow *w)
{
    vu_bus_unguard(w->guard);
    munmap(w->addr, w->len);
    free(w);
}

void vu_pins_free(VuPins *pins)
{
    if (!pins) {
        return;
    }
    while (pins->windows) {
        VuWindow *w = pins->windows;

        pins->windows = w->next;
        window_free(w);
    }
    for (unsigned int i = 0; i < pins->n; i++) {
        vu_iotlb_entry_unref(pins->entries[i]);
    }
    free(pins);
}

bool vu_pins_stale(const VuPins *pins)
{
    for (unsigned int i = 0; pins && i < pins->n; i++) {
        if (__atomic_load_n(&pins->entries[i]->dead, __ATOMIC_ACQUIRE)) {
            return true;
        }
    }
    return false;
}

/* ---- Translating ---- */

void vu_xlate_begin(VuXlate *x, VuDev *dev, VuVirtq *vq, const VuMemMap *map, bool pin)
{
    *x = (VuXlate){ .dev = dev, .vq = vq, .map = map };
    if (VU_UNLIKELY(vu_has_feature(dev, VIRTIO_F_IOMMU_PLATFORM))) {
        x->iotlb = dev->priv->iotlb;
        x->pinning = pin;
        pthread_rwlock_rdlock(&x->iotlb->lock);
    }
}

VuPins *vu_xlate_end(VuXlate *x, bool keep)
{
    VuPins *pins = x->pins;

    if (VU_LIKELY(!x->iotlb)) {
        return NULL;
    }
    vu_miss_settle(x);
    pthread_rwlock_unlock(&x->iotlb->lock);
    if (!keep || x->starved) {
        vu_pins_free(pins);
        return NULL;
    }
    return pins;
}

/* Where the front-end's address @uaddr is. */
static int place_uaddr(const VuMemMap *map, uint64_t uaddr, uint64_t *len, VuPlace *ret_place)
{
    const VuRegion *r = vu_map_find_uaddr(map, uaddr);
    uint64_t offset;

    if (!r) {
        return -EFAULT;
    }
    offset = uaddr - r->uaddr;
    if (*len > r->size - offset) {
        *len = r->size - offset;
    }
    *ret_place = (VuPlace){ r->hva + offset, r->gpa + offset };
    return 0;
}

/* For reading and for writing by itself: some front-ends give no more than one at a time. */
static int ask(VuXlate *x, uint64_t addr, unsigned int lacking)
{
    int rc = lacking & VU_READ ? vu_miss_ask(x, addr, VU_READ) : -EAGAIN;

    return rc == -EAGAIN && (lacking & VU_WRITE) ? vu_miss_ask(x, addr, VU_WRITE) : rc;
}

int vu_xlate_iova(VuXlate *x, uint64_t addr, uint64_t *len, unsigned int access, VuPlace *ret_place)
{
    VuIotlbEntry *e = vu_iotlb_find(x->iotlb, addr);
    unsigned int lacking = access & ~(e ? e->perm : 0);
    int rc;

    if (lacking) {
        return e && (e->denied & lacking) ? -EFAULT : ask(x, addr, lacking);
    }
    if (*len - 1 > e->last - addr) {
        *len = e->last - addr + 1;
    }
    rc = place_uaddr(x->map, e->uaddr + (addr - e->iova), len, ret_place);
    return rc == 0 && x->pinning ? pin(x, e) : rc;
}

/* ---- Rings ---- */

/* Addresses of rings are the front-end's, unless there is an IOMMU. */
static int xlate_ring_piece(VuXlate *x, uint64_t addr, uint64_t *len, unsigned int access,
                            VuPlace *ret_place)
{
    return x->iotlb ? vu_xlate_iova(x, addr, len, access, ret_place)
                    : place_uaddr(x->map, addr, len, ret_place);
}

/* Pieces that page by page could be put in order. */
static bool can_follow(const VuPlace *place, uint64_t addr, uint64_t page)
{
    return ((uintptr_t)place->hva & (page - 1)) == (addr & (page - 1));
}

static VuWindow *window_new(VuXlate *x, uint64_t addr, uint64_t len, size_t page)
{
    uint64_t head = addr & (page - 1);
    uint64_t pages = (head + len + page - 1) / page;
    VuWindow *w = calloc(1, sizeof(*w) + pages * sizeof(w->runs[0]));

    if (!w) {
        return NULL;
    }
    w->len = pages * page;
    if (vu_map_pages(x->dev, w->len, PROT_NONE, (VuMapSource){ -1, 0 }, &w->addr) < 0) {
        free(w);
        return NULL;
    }
    w->guard = vu_bus_guard(x->dev, w->addr, w->len, page);
    if (!w->guard) {
        munmap(w->addr, w->len);
        free(w);
        return NULL;
    }
    return w;
}

/* Show the pages of @place at @at of the window, which begins with the page of its first byte. */
static int window_show(VuWindow *w, uint64_t at, const VuPlace *place, uint64_t len, size_t page)
{
    uintptr_t from = (uintptr_t)place->hva & ~(uintptr_t)(page - 1);
    uint64_t head = (uintptr_t)place->hva - from;
    uint64_t bytes = (head + len + page - 1) & ~(uint64_t)(page - 1);
    char *to = (char *)w->addr + (at & ~(uint64_t)(page - 1));

    /* An old size of 0 makes a second mapping of shared pages. */
    if (mremap((void *)from, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
        return -errno;
    }
    madvise(to, bytes, MADV_DONTDUMP);
    return 0;
}

static int window_fill(VuXlate *x, VuWindow *w, uint64_t addr, uint64_t len, unsigned int access)
{
    const size_t page = sysconf(_SC_PAGESIZE);
    uint64_t head = addr & (page - 1);

    for (uint64_t done = 0; done < len;) {
        uint64_t n = len - done;
        VuPlace place;
        int rc = xlate_ring_piece(x, addr + done, &n, access, &place);

        if (rc < 0) {
            return rc;
        }
        /* Pieces end at the end of a page, or there is no order to be had. */
        if (!can_follow(&place, addr + done, page) ||
            (done + n < len && ((addr + done + n) & (page - 1)))) {
            return -EFAULT;
        }
        rc = window_show(w, head + done, &place, n, page);
        if (rc < 0) {
            return rc;
        }
        w->runs[w->nruns++] = (VuRun){ done, n, place.gpa };
        done += n;
    }
    return 0;
}

/* Ask for all that is missing at once. 0: all is there. */
static int probe(VuXlate *x, uint64_t addr, uint64_t len, unsigned int access)
{
    const size_t page = sysconf(_SC_PAGESIZE);
    int result = 0;

    while (len > 0) {
        uint64_t n = len;
        VuPlace place;
        int rc = xlate_ring_piece(x, addr, &n, access, &place);

        if (rc == -EAGAIN) {
            result = rc;
            n = page - (addr & (page - 1));
            n = n < len ? n : len;
        } else if (rc < 0) {
            return rc;
        }
        addr += n;
        len -= n;
    }
    return result;
}

static int stitch(VuXlate *x, uint64_t addr, uint64_t len, unsigned int access,
                  VuRingPart *ret_part)
{
    const size_t page = sysconf(_SC_PAGESIZE);
    VuWindow *w;
    int rc = probe(x, addr, len, access);

    if (rc < 0) {
        return rc;
    }
    w = window_new(x, addr, len, page);
    if (!w) {
        return -ENOMEM;
    }
    rc = window_fill(x, w, addr, len, access);
    if (rc < 0 || !pins_reserve(x)) {
        window_free(w);
        return rc < 0 ? rc : -ENOMEM;
    }
    w->next = x->pins->windows;
    x->pins->windows = w;
    *ret_part = (VuRingPart){
        .hva = (char *)w->addr + (addr & (page - 1)),
        .gpa = w->runs[0].gpa,
        .runs = w->runs,
        .nruns = w->nruns,
    };
    return 0;
}

int vu_xlate_ring(VuXlate *x, uint64_t addr, uint64_t len, unsigned int access,
                  VuRingPart *ret_part)
{
    uint64_t n = len, end;
    VuPlace place;
    int rc;

    if (len == 0 || __builtin_add_overflow(addr, len - 1, &end)) {
        return -EFAULT;
    }
    rc = xlate_ring_piece(x, addr, &n, access, &place);
    if (rc == 0 && n == len) {
        *ret_part = (VuRingPart){ .hva = place.hva, .gpa = place.gpa };
        return 0;
    }
    if (rc == -EFAULT || !x->iotlb) {
        return -EFAULT;
    }
    return stitch(x, addr, len, access, ret_part);
}
