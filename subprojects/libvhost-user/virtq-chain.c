/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains: what the walker (virtq-walk.c.inc) leaves to others, since it is rare or the same in
 * every layout: indirect tables that lie in several regions, buffers that lie in several pieces.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "virtq-internal.h"

#define DESC_SIZE sizeof(VirtqWireDesc)

/* So much of a chain is asked for at once. */
#define ASK_MAX  32
#define ASK_PAGE 4096

static void read_bytes(const uint8_t *shared, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = __atomic_load_n(&shared[i], __ATOMIC_RELAXED);
    }
}

/* What is only looked at need not stay. */
static int look_at(ChainWalk *w, uint64_t addr, uint64_t *len, const uint8_t **ret_hva)
{
    bool pinning = w->x->pinning;
    VuPlace place;
    int rc;

    w->x->pinning = false;
    rc = vu_xlate(w->x, addr, len, VU_READ, &place);
    w->x->pinning = pinning;
    *ret_hva = rc == 0 ? place.hva : NULL;
    return rc;
}

/* A table entry that lies across the border of two regions is put together from its parts. */
static int read_scattered(ChainWalk *w, uint64_t gpa, VirtqWireDesc *wire)
{
    uint8_t *to = (uint8_t *)wire;
    size_t left = DESC_SIZE;

    while (left > 0) {
        uint64_t len = left;
        const uint8_t *from;
        int rc = look_at(w, gpa, &len, &from);

        if (rc < 0) {
            return rc;
        }
        read_bytes(from, to, len);
        to += len;
        gpa += len;
        left -= len;
    }
    return 0;
}

/* Make the window begin at entry @index. Its length may be 0: the entry is scattered. */
static int move_window(ChainWalk *w, unsigned int index)
{
    uint64_t len = (uint64_t)(w->table_num - index) * DESC_SIZE;

    int rc = look_at(w, w->table + (uint64_t)index * DESC_SIZE, &len, &w->window);

    if (rc < 0) {
        return rc;
    }
    w->window_first = index;
    w->window_num = len / DESC_SIZE;
    return 0;
}

int virtq_chain_read_table(ChainWalk *w, unsigned int index, VirtqWireDesc *wire)
{
    const uint8_t *shared;

    /* Below window_first this wraps and is too large as well. */
    if (index - w->window_first >= w->window_num) {
        int rc = move_window(w, index);

        if (rc < 0) {
            return rc;
        }
        if (w->window_num == 0) {
            return read_scattered(w, w->table + (uint64_t)index * DESC_SIZE, wire);
        }
    }
    shared = w->window + (size_t)(index - w->window_first) * DESC_SIZE;
    /* Tables need not be aligned. */
    if (VU_UNLIKELY((uintptr_t)shared % sizeof(wire->word[0]))) {
        read_bytes(shared, (uint8_t *)wire, sizeof(*wire));
    } else {
        chain_read_wire((const VirtqWireDesc *)shared, wire);
    }
    return 0;
}

static uint64_t to_page_end(uint64_t addr, uint64_t len)
{
    uint64_t left = ASK_PAGE - addr % ASK_PAGE;

    return left < len ? left : len;
}

/* What an IOMMU has cut into pages is often whole again in our memory. */
static bool join_piece(VirtqPieces *p, unsigned int first, const VuPlace *place, uint64_t len)
{
    VirtqPiece *last = p->n > first ? &p->piece[p->n - 1] : NULL;

    if (!last || (uint8_t *)last->hva + last->len != (uint8_t *)place->hva ||
        last->gpa + last->len != place->gpa) {
        return false;
    }
    last->len += len;
    return true;
}

int virtq_chain_add_pieces(ChainWalk *w, VirtqPieces *p, const VirtqDesc *d)
{
    const unsigned int first = p->n;
    uint64_t addr = d->addr;
    uint64_t left = d->len;
    uint64_t end;
    int result = 0;

    if (__builtin_add_overflow(addr, left, &end)) {
        return -EFAULT;
    }
    while (left > 0 && w->misses < ASK_MAX) {
        uint64_t len = left;
        VuPlace place;
        int rc = vu_xlate(w->x, addr, &len, d->write ? VU_WRITE : VU_READ, &place);

        if (rc == -EAGAIN) {
            result = rc;
            w->misses++;
            len = to_page_end(addr, left);
        } else if (rc < 0) {
            return rc;
        } else if (w->x->iotlb && join_piece(p, first, &place, len)) {
            /* One piece with what lies before it. */
        } else if (p->n == VIRTQUEUE_MAX_SIZE) {
            return -E2BIG;
        } else {
            p->piece[p->n++] = (VirtqPiece){ place.hva, place.gpa, len };
        }
        addr += len;
        left -= len;
    }
    return left > 0 ? -EAGAIN : result;
}
