/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pop, push and notify, whatever the layout of the ring.
 *
 * Theory of operation: an element that was popped occupies its slot (virtq-internal.h) until it is
 * filled, unpopped or detached. The slot holds the guest memory the element points into. A guest
 * that makes a chain available again while its slot is taken, or an available index that makes no
 * sense, breaks the ring: nothing is popped until it is started anew. A chain that merely breaks
 * the rules is given back with a used length of 0, and the ring goes on.
 *
 * With IN_ORDER a filled element stays in its slot until those popped before it are filled as well
 * (virtq-order.c).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "virtq-internal.h"

/* So many malformed chains in a row, as multiple of the ring's size, are an attack. */
#define BAD_ROUNDS 4
/* Descriptors of malformed chains that are read in one go; a chain costs as much as some more. */
#define BAD_WORK_MAX   4096
#define BAD_CHAIN_WORK 16
/* Descriptors that are read to count bytes, more than the ring has itself. */
#define COUNT_WORK_MAX 65536

/* Single writer, any reader. */
static void stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

unsigned int vu_queue_inuse(const VuVirtq *vq)
{
    return __atomic_load_n(&vq->inuse, __ATOMIC_ACQUIRE);
}

void vu_queue_get_stats(const VuDev *dev, const VuVirtq *vq, VuQueueStats *ret_stats)
{
    const VuQueueStats *s = &vq->stats;

    ret_stats->kicks = __atomic_load_n(&s->kicks, __ATOMIC_RELAXED);
    ret_stats->pops = __atomic_load_n(&s->pops, __ATOMIC_RELAXED);
    ret_stats->pushes = __atomic_load_n(&s->pushes, __ATOMIC_RELAXED);
    ret_stats->notifications = __atomic_load_n(&s->notifications, __ATOMIC_RELAXED);
    ret_stats->notifications_saved = __atomic_load_n(&s->notifications_saved, __ATOMIC_RELAXED);
    ret_stats->malformed = __atomic_load_n(&s->malformed, __ATOMIC_RELAXED);
    ret_stats->breaks = __atomic_load_n(&s->breaks, __ATOMIC_RELAXED);
    ret_stats->pauses = __atomic_load_n(&s->pauses, __ATOMIC_RELAXED);
}

/* ---- Looking at the ring ---- */

/*
 * Like peek(), but before it says "none" the guest has been told to kick for the next one. That is
 * done once per idle period: as long as nothing comes, the wish stands.
 */
static int peek_or_arm(VuVirtq *vq, VirtqPlace at, VirtqHead *ret_head)
{
    int rc = vq->ops->peek(vq, at, ret_head);

    if (rc != 0 || !vq->event_idx || !vq->notification || virtq_armed_at(vq, at)) {
        return rc;
    }
    vq->ops->set_notification(vq, true, at);
    return vq->ops->peek(vq, at, ret_head);
}

bool vu_queue_empty(VuDev *dev, VuVirtq *vq)
{
    VirtqHead head;

    /* A broken available index counts as "something is there": popping reports it. */
    return !virtq_running(dev, vq) || peek_or_arm(vq, virtq_place(vq), &head) == 0;
}

bool vu_queue_poll(VuDev *dev, VuVirtq *vq)
{
    return !vq->held_up && !vu_queue_empty(dev, vq);
}

bool vu_queue_caught_up(VuDev *dev, VuVirtq *vq)
{
    return !virtq_running(dev, vq) || vq->ops->caught_up(vq);
}

void vu_queue_set_notification(VuDev *dev, VuVirtq *vq, int enable)
{
    vq->notification = enable;
    if (vq->vring.used) {
        vq->ops->set_notification(vq, enable, virtq_place(vq));
    }
}

static unsigned int add_clamped(unsigned int sum, uint32_t len)
{
    return len > UINT_MAX - sum ? UINT_MAX : sum + len;
}

typedef struct ByteSums {
    unsigned int in;
    unsigned int out;
    int work; /* descriptors that may still be read */
} ByteSums;

/* Add the chain at @at, if there is one, and move on to the next. 1, 0: the end, -errno. */
static int count_chain(VuDev *dev, VuVirtq *vq, VirtqPlace *at, ByteSums *sums)
{
    unsigned int slot, ndescs;
    VirtqHead head;
    VuXlate x;
    ChainWalk w;
    VirtqDesc d;
    int rc = peek_or_arm(vq, *at, &head);

    if (rc <= 0) {
        return rc;
    }
    vu_xlate_begin(&x, dev, vq, vq->use->map, false);
    chain_begin(&w, vq, &x, &head);
    while (vq->ops->next(&w, &d) > 0) {
        if (d.write) {
            sums->in = add_clamped(sums->in, d.len);
        } else {
            sums->out = add_clamped(sums->out, d.len);
        }
    }
    rc = x.starved ? -EAGAIN : vq->ops->finish(&w, &slot, &ndescs);
    vu_xlate_end(&x, false);
    sums->work -= chain_steps(&w);
    if (rc < 0) {
        return rc;
    }
    vq->ops->move(vq, at, ndescs);
    return 1;
}

void vu_queue_get_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int *in_bytes,
                              unsigned int *out_bytes, unsigned max_in_bytes,
                              unsigned max_out_bytes)
{
    unsigned int left = virtq_running(dev, vq) ? vq->vring.num : 0;
    ByteSums sums = { .work = COUNT_WORK_MAX + left };
    VirtqPlace at = virtq_place(vq);

    while (left-- > 0 && sums.work > 0 && (sums.in < max_in_bytes || sums.out < max_out_bytes) &&
           count_chain(dev, vq, &at, &sums) > 0) {
    }
    if (in_bytes) {
        *in_bytes = sums.in;
    }
    if (out_bytes) {
        *out_bytes = sums.out;
    }
}

bool vu_queue_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int in_bytes, unsigned int out_bytes)
{
    unsigned int in, out;

    vu_queue_get_avail_bytes(dev, vq, &in, &out, in_bytes, out_bytes);
    return in >= in_bytes && out >= out_bytes;
}

/* ---- Pop ---- */

/* Where an element is put: its size for the caller, and memory that may hold it. */
typedef struct ElementRoom {
    size_t sz;
    void *mem; /* or NULL */
    size_t mem_size;
} ElementRoom;

/* One piece of memory: what the caller asked for, then the scatter lists, then the log's ranges. */
static VuVirtqElement *element_new(const ElementRoom *room, const VirtqPieces *p,
                                   VirtqRange **ret_ranges)
{
    const size_t align = _Alignof(max_align_t);
    size_t sg_at = (room->sz + align - 1) & ~(align - 1);
    unsigned int in = p->n - p->out;
    size_t size = sg_at + p->n * sizeof(struct iovec) + in * sizeof(VirtqRange);
    VuVirtqElement *e = size <= room->mem_size ? room->mem : malloc(size);
    struct iovec *sg;

    if (!e) {
        return NULL;
    }
    sg = (struct iovec *)((char *)e + sg_at);
    *ret_ranges = (VirtqRange *)(sg + p->n);
    e->out_num = p->out;
    e->in_num = in;
    e->out_sg = sg;
    e->in_sg = sg + p->out;
    for (unsigned int i = 0; i < p->n; i++) {
        sg[i] = (struct iovec){ p->piece[i].hva, p->piece[i].len };
    }
    for (unsigned int i = 0; i < in; i++) {
        (*ret_ranges)[i] = (VirtqRange){ p->piece[p->out + i].gpa, p->piece[p->out + i].len };
    }
    return e;
}

/* ---- Used entries ---- */

/* Used entry number @idx of the next flush is about the element of @slot. */
static void fill_entry(VuVirtq *vq, unsigned int slot, uint32_t len, unsigned int idx)
{
    const VirtqUsed used = { slot, len, vq->slots[slot].ndescs, 1 };

    if (vq->vring.used && !vq->order_lost) {
        vq->ops->fill(vq, &used, idx);
    }
    virtq_slot_release(vq, slot);
}

static void flush_entries(VuVirtq *vq, unsigned int num)
{
    assert(num <= vq->inuse);
    if (vq->vring.used && !vq->order_lost && num > 0) {
        vq->ops->flush(vq, num);
        vq->published = true;
    }
    stat_add(&vq->stats.pushes, num);
    virtq_set_inuse(vq, vq->inuse - num);
}

/* What does not come from the batch of the device: malformed chains, or what its order held back.
 */
static void flush_rest(VuVirtq *vq)
{
    unsigned int n = vq->nbad;

    if (vq->in_order) {
        flush_entries(vq, virtq_order_collect(vq));
        return;
    }
    vq->nbad = 0;
    for (unsigned int i = 0; i < n; i++) {
        fill_entry(vq, vq->bad[i], 0, i);
    }
    flush_entries(vq, n);
}

/* Give a chain that nobody can serve back to the guest. */
static void complete_bad(VuDev *dev, VuVirtq *vq, unsigned int slot)
{
    stat_add(&vq->stats.malformed, 1);
    vu_trace(dev, VU_TRACE_MALFORMED, vq->index, 0, slot, NULL);
    if (vq->in_order) {
        virtq_order_fill(vq, slot, 0);
    } else {
        vq->bad[vq->nbad++] = slot;
    }
    /* If the device is in the middle of a batch, the batch's entries come first. */
    if (vq->filled == 0) {
        flush_rest(vq);
        vu_queue_notify(dev, vq);
    }
}

static const char *broken_text(int rc, int peeked)
{
    if (peeked < 0) {
        return peeked == -ERANGE ? "the available index is further than the ring is long"
                                 : "an available entry names no descriptor of the ring";
    }
    switch (rc) {
    case -ELOOP:
        return "a chain of the ring has no end";
    case -ERANGE:
        return "more descriptors were made available than the ring has";
    case -EEXIST:
        return "a chain was made available again before it was used";
    default:
        return "a buffer id is larger than the ring";
    }
}

typedef struct NextChain {
    unsigned int slot;
    unsigned int ndescs;
    unsigned int steps;
    bool malformed;
    VuPins *pins;
} NextChain;

/* Translate the chain at @head. 1; 0: not now; -ENOMEM; else -errno: it breaks the ring. */
static int translate(VuDev *dev, VuVirtq *vq, const VirtqHead *head, NextChain *ret,
                     VirtqPieces *pieces)
{
    VuXlate x;
    ChainWalk w;
    int rc;

    vu_xlate_begin(&x, dev, vq, vq->use->map, true);
    if (VU_LIKELY(!x.iotlb)) {
        x.hint = vq->use->near;
    }
    chain_begin(&w, vq, &x, head);
    rc = vq->ops->collect(&w, pieces);
    vq->use->near = x.hint;
    ret->pins = vu_xlate_end(&x, rc == 0);
    if (VU_UNLIKELY(rc == -EAGAIN || rc == -ENOMEM || x.starved)) {
        return x.starved || rc == -EAGAIN ? 0 : rc;
    }
    ret->malformed = rc < 0;
    rc = vq->ops->finish(&w, &ret->slot, &ret->ndescs);
    ret->steps = chain_steps(&w);
    if (rc == 0 && vq->slots[ret->slot].use) {
        rc = -EEXIST;
    }
    return rc < 0 ? rc : 1;
}

/* Find and translate the next chain; nothing is taken yet. False: none, or not now. */
static bool next_chain(VuDev *dev, VuVirtq *vq, NextChain *ret, VirtqPieces *pieces)
{
    VirtqHead head;
    int peeked = peek_or_arm(vq, virtq_place(vq), &head);
    int rc = peeked;

    ret->pins = NULL;
    if (peeked > 0) {
        rc = translate(dev, vq, &head, ret, pieces);
    }
    if (VU_UNLIKELY(rc == -ENOMEM)) {
        virtq_pause_for_memory(dev, vq);
    } else if (VU_UNLIKELY(rc < 0)) {
        vu_pins_free(ret->pins);
        vu_vring_break(dev, vq, broken_text(rc, peeked));
    }
    return rc > 0;
}

/* The element of @next, which is out from now on. NULL: no memory, it is to be tried again. */
static VuVirtqElement *take_chain(VuDev *dev, VuVirtq *vq, const NextChain *next,
                                  const VirtqPieces *pieces, const ElementRoom *room)
{
    VirtqRange *ranges;
    VuVirtqElement *e = element_new(room, pieces, &ranges);
    VirtqSlot *slot = &vq->slots[next->slot];

    if (!e) {
        vu_pins_free(next->pins);
        virtq_pause_for_memory(dev, vq);
        return NULL;
    }
    e->index = next->slot;
    virtq_slot_take(vq, next->slot, next->ndescs);
    slot->ranges = ranges;
    slot->nranges = e->in_num;
    slot->pins = next->pins;
    stat_add(&vq->stats.pops, 1);
    vq->bad_run = 0;
    return e;
}

/* A malformed chain: it is given back. False: that is enough of them for now, or for ever. */
static bool skip_bad(VuDev *dev, VuVirtq *vq, const NextChain *bad, unsigned int *work)
{
    virtq_slot_take(vq, bad->slot, bad->ndescs);
    complete_bad(dev, vq, bad->slot);
    if (++vq->bad_run > BAD_ROUNDS * vq->vring.num) {
        vu_vring_break(dev, vq, "the guest makes nothing but malformed chains available");
        return false;
    }
    if (virtq_pause_charge(dev, vq, bad->steps)) {
        return false;
    }
    *work += BAD_CHAIN_WORK + bad->steps;
    if (*work > BAD_WORK_MAX) {
        vu_queue_kick_later(dev, vq);
        return false;
    }
    return true;
}

static void *pop(VuDev *dev, VuVirtq *vq, const ElementRoom *room)
{
    VirtqPieces pieces;
    NextChain next;
    unsigned int work = 0;

    assert(room->sz >= sizeof(VuVirtqElement));
    if (!virtq_running(dev, vq)) {
        return NULL;
    }
    while (virtq_limit_admits(dev, vq) && next_chain(dev, vq, &next, &pieces)) {
        if (VU_LIKELY(!next.malformed)) {
            return take_chain(dev, vq, &next, &pieces, room);
        }
        if (!skip_bad(dev, vq, &next, &work)) {
            return NULL;
        }
    }
    return NULL;
}

void *vu_queue_pop(VuDev *dev, VuVirtq *vq, size_t sz)
{
    const ElementRoom room = { .sz = sz };

    return pop(dev, vq, &room);
}

void *vu_queue_pop_into(VuDev *dev, VuVirtq *vq, size_t sz, void *mem, size_t mem_size)
{
    const ElementRoom room = { .sz = sz, .mem = mem, .mem_size = mem_size };

    return pop(dev, vq, &room);
}

/* ---- Back without an answer ---- */

/* Elements came back; who waits for the last one hears of it. */
static void check_idle(VuDev *dev, VuVirtq *vq)
{
    virtq_limit_settle(dev, vq);
    if (VU_UNLIKELY(vq->inuse == 0 && (vq->state == VU_VRING_STOPPING || vq->unmapped))) {
        vu_vring_idle(dev, vq);
    }
}

void vu_queue_detach_element(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len)
{
    assert(elem->index < vq->vring.num && vq->slots[elem->index].use);
    if (vq->in_order) {
        virtq_order_lose(dev, vq);
    }
    virtq_slot_release(vq, elem->index);
    virtq_set_inuse(vq, vq->inuse - 1);
    check_idle(dev, vq);
}

void vu_queue_unpop(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len)
{
    assert(vq->order_lost || virtq_slot_taken(vq, 1) == elem->index);
    if (vq->order_lost) {
        vu_queue_detach_element(dev, vq, elem, len);
        return;
    }
    virtq_slot_untake(vq, 1);
    check_idle(dev, vq);
}

bool vu_queue_rewind(VuDev *dev, VuVirtq *vq, unsigned int num)
{
    if (num > vq->inuse || vq->order_lost) {
        return false;
    }
    for (unsigned int i = 1; i <= num; i++) {
        const VirtqSlot *slot = &vq->slots[virtq_slot_taken(vq, i)];

        if (!slot->use || slot->done) {
            return false;
        }
    }
    virtq_slot_untake(vq, num);
    check_idle(dev, vq);
    return true;
}

/* ---- Push ---- */

static void log_ranges(const VuVirtq *vq, const VirtqSlot *slot)
{
    for (unsigned int i = 0; i < slot->nranges; i++) {
        vu_log_range(vq->log, slot->ranges[i].gpa, slot->ranges[i].len);
    }
}

void vu_queue_fill(VuDev *dev, VuVirtq *vq, const VuVirtqElement *elem, unsigned int len,
                   unsigned int idx)
{
    unsigned int index = elem->index;

    assert(index < vq->vring.num && vq->slots[index].use && !vq->slots[index].done);
    /* All of it, not just @len: a status byte lies behind the data, whatever @len says. */
    if (VU_UNLIKELY(vq->log && vq->log_buffers)) {
        log_ranges(vq, &vq->slots[index]);
    }
    if (vq->in_order && !vq->order_lost) {
        virtq_order_fill(vq, index, len);
    } else {
        fill_entry(vq, index, len, idx);
    }
    if (idx >= vq->filled) {
        vq->filled = idx + 1;
    }
}

void vu_queue_flush(VuDev *dev, VuVirtq *vq, unsigned int num)
{
    if (!vq->in_order || vq->order_lost) {
        flush_entries(vq, num);
    }
    vq->filled = vq->filled > num ? vq->filled - num : 0;
    if (VU_UNLIKELY(vq->in_order || vq->nbad > 0) && vq->filled == 0 && !vq->order_lost) {
        flush_rest(vq);
    }
    if (VU_UNLIKELY(vq->log)) {
        vu_signal_fd(vq->log_fd, vq->log_fd_is_eventfd);
    }
    check_idle(dev, vq);
}

void vu_queue_push(VuDev *dev, VuVirtq *vq, const VuVirtqElement *elem, unsigned int len)
{
    vu_queue_fill(dev, vq, elem, len, 0);
    vu_queue_flush(dev, vq, 1);
}

/* ---- Notify ---- */

static bool wants_notification(VuVirtq *vq)
{
    VirtqHead head;

    return vq->ops->should_notify(vq) || (vq->notify_on_empty && vq->inuse == 0 &&
                                          vq->ops->peek(vq, virtq_place(vq), &head) == 0);
}

void vu_queue_notify(VuDev *dev, VuVirtq *vq)
{
    /* In order, what the device completed may wait for something else. */
    if (!vq->vring.avail || (vq->in_order && !vq->published)) {
        return;
    }
    vq->published = false;
    if (wants_notification(vq)) {
        stat_add(&vq->stats.notifications, 1);
        vu_signal_call(dev, vq);
    } else {
        stat_add(&vq->stats.notifications_saved, 1);
    }
}

void vu_queue_notify_sync(VuDev *dev, VuVirtq *vq)
{
    vu_queue_notify(dev, vq);
}
