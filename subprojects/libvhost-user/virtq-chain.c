/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One walker for descriptor chains, direct and indirect, of every layout.
 *
 * Each descriptor is copied to private memory by two atomic loads, then decoded, then checked; the
 * shared copy is not looked at again. A chain of direct descriptors is no longer than the ring, an
 * indirect table is left at its end or after as many steps as it has entries, so no chain loops.
 * A packed ring goes on behind the chain's last descriptor, so that one must be found even if an
 * earlier one breaks the rules: chain_finish().
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

/* Indirect tables need not be aligned. */
static void read_wire(const void *shared, VirtqWireDesc *wire)
{
    const uint64_t *word = shared;

    if (VU_UNLIKELY((uintptr_t)shared % sizeof(*word))) {
        read_bytes(shared, (uint8_t *)wire, sizeof(*wire));
        return;
    }
    wire->word[0] = __atomic_load_n(&word[0], __ATOMIC_RELAXED);
    wire->word[1] = __atomic_load_n(&word[1], __ATOMIC_RELAXED);
}

void chain_begin(ChainWalk *w, const VuVirtq *vq, VuXlate *x, const VirtqHead *head)
{
    *w = (ChainWalk){
        .vq = vq,
        .x = x,
        .head = *head,
        .more = true,
        .next = head->desc,
        .left = vq->vring.num,
        .ring_next = head->desc,
        .ring_more = true,
    };
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

static int read_table(ChainWalk *w, unsigned int index, VirtqWireDesc *wire)
{
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
    read_wire(w->window + (size_t)(index - w->window_first) * DESC_SIZE, wire);
    return 0;
}

/* Descriptor @index of the ring, which is in the ring. */
static void read_ring(ChainWalk *w, unsigned int index, VirtqRawDesc *raw)
{
    const VuVirtq *vq = w->vq;
    const VirtqWireDesc *shared = (const VirtqWireDesc *)&vq->vring.desc[index];
    VirtqWireDesc wire;

    if (w->ndescs == 0 && w->head.have_tail) {
        wire.word[0] = __atomic_load_n(&shared->word[0], __ATOMIC_RELAXED);
        wire.word[1] = w->head.tail;
    } else {
        read_wire(shared, &wire);
    }
    vq->ops->decode(w, &wire, index, raw);
    w->steps++;
    w->ndescs++;
    w->id = raw->id;
    w->ring_more = raw->more;
    w->ring_next = raw->next;
}

int chain_finish(ChainWalk *w)
{
    while (w->ring_more) {
        VirtqRawDesc raw;

        if (w->ndescs >= w->vq->vring.num) {
            return -ELOOP;
        }
        read_ring(w, w->ring_next, &raw);
    }
    return 0;
}

static int read_next(ChainWalk *w, VirtqRawDesc *raw)
{
    unsigned int index = w->next;
    VirtqWireDesc wire;

    if (w->left-- == 0) {
        return -ELOOP;
    }
    if (w->in_table) {
        int rc = index < w->table_num ? read_table(w, index, &wire) : -ERANGE;

        if (rc < 0) {
            return rc;
        }
        w->vq->ops->decode(w, &wire, index, raw);
        w->steps++;
    } else if (index < w->vq->vring.num) {
        read_ring(w, index, raw);
    } else {
        return -ERANGE;
    }
    w->more = raw->more;
    w->next = raw->next;
    return 0;
}

/* The rest of the chain lies in the table that @raw points to. */
static int enter_table(ChainWalk *w, const VirtqRawDesc *raw)
{
    uint32_t len = raw->desc.len;
    uint64_t end;

    if (!w->vq->indirect || w->in_table || raw->more || len == 0 || len % DESC_SIZE ||
        __builtin_add_overflow(raw->desc.addr, len, &end)) {
        return -EINVAL;
    }
    w->in_table = true;
    w->table = raw->desc.addr;
    w->table_num = len / DESC_SIZE;
    w->left = w->table_num < VIRTQUEUE_MAX_SIZE ? w->table_num : VIRTQUEUE_MAX_SIZE;
    w->window_num = 0;
    w->next = 0;
    w->more = true;
    return 0;
}

int chain_next(ChainWalk *w, VirtqDesc *d)
{
    VirtqRawDesc raw;
    int rc;

    if (!w->more) {
        return 0;
    }
    rc = read_next(w, &raw);
    if (rc == 0 && raw.table) {
        rc = enter_table(w, &raw);
        if (rc == 0) {
            rc = read_next(w, &raw);
        }
        if (rc == 0 && raw.table) {
            rc = -EINVAL;
        }
    }
    if (rc < 0) {
        w->more = false;
        return rc;
    }
    *d = raw.desc;
    return 1;
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

/*
 * Cut one buffer into pieces that are contiguous for us. 0, or -errno; -EAGAIN only when it was
 * looked at to its end, or enough has been asked for.
 */
static int add_pieces(ChainWalk *w, VirtqPieces *p, const VirtqDesc *d)
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

int chain_collect(ChainWalk *w, VirtqPieces *p)
{
    bool writing = false;
    VirtqDesc d;
    int rc, result = 0;

    p->n = 0;
    p->out = 0;
    while ((rc = chain_next(w, &d)) > 0) {
        if (writing && !d.write) {
            return -EINVAL;
        }
        writing = d.write;
        rc = add_pieces(w, p, &d);
        if (rc < 0 && rc != -EAGAIN) {
            return rc;
        }
        result = rc < 0 ? rc : result;
        if (!writing) {
            p->out = p->n;
        }
    }
    return rc < 0 ? rc : result;
}
