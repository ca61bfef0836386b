/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pop, push and notify, whatever the layout of the ring.
 *
 * Theory of operation: an element that was popped occupies the slot of its head descriptor until it
 * is filled, unpopped or detached. The slot holds the guest memory the element points into. A guest
 * that makes a head available again while its slot is taken, or an available index that makes no
 * sense, breaks the ring: nothing is popped until it is started anew. A chain that merely breaks
 * the rules is given back with a used length of 0, and the ring goes on.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "virtq-internal.h"

/* So many malformed chains in one pop, as multiple of the ring's size, are an attack. */
#define BAD_ROUNDS 4

/* Single writer, any reader. */
static void stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void set_inuse(VuVirtq *vq, unsigned int inuse)
{
    __atomic_store_n(&vq->inuse, inuse, __ATOMIC_RELEASE);
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
}

/* ---- Looking at the ring ---- */

/*
 * Like peek(), but before it says "none" the guest has been told to kick for the next one. That is
 * done once per idle period: as long as nothing comes, the wish stands.
 */
static int peek_or_arm(VuVirtq *vq, unsigned int ahead, unsigned int *ret_head)
{
    int rc = vq->ops->peek(vq, ahead, ret_head);

    if (rc != 0 || !vq->event_idx || !vq->notification ||
        (vq->armed && vq->armed_idx == (uint16_t)(vq->last_avail_idx + ahead))) {
        return rc;
    }
    vq->ops->set_notification(vq, true);
    return vq->ops->peek(vq, ahead, ret_head);
}

bool vu_queue_empty(VuDev *dev, VuVirtq *vq)
{
    unsigned int head;

    /* A broken available index counts as "something is there": popping reports it. */
    return !virtq_running(dev, vq) || peek_or_arm(vq, 0, &head) == 0;
}

void vu_queue_set_notification(VuDev *dev, VuVirtq *vq, int enable)
{
    vq->notification = enable;
    if (vq->vring.used) {
        vq->ops->set_notification(vq, enable);
    }
}

static unsigned int add_clamped(unsigned int sum, uint32_t len)
{
    return len > UINT_MAX - sum ? UINT_MAX : sum + len;
}

void vu_queue_get_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int *in_bytes,
                              unsigned int *out_bytes, unsigned max_in_bytes,
                              unsigned max_out_bytes)
{
    unsigned int in = 0, out = 0, head;
    int rc = virtq_running(dev, vq) ? 1 : 0;

    for (unsigned int ahead = 0; rc > 0 && (in < max_in_bytes || out < max_out_bytes); ahead++) {
        ChainWalk w;
        VirtqDesc d;

        rc = ahead < vq->vring.num ? peek_or_arm(vq, ahead, &head) : 0;
        if (rc <= 0) {
            break;
        }
        chain_begin(&w, vq, vq->use->map, head);
        while (chain_next(&w, &d) > 0) {
            if (d.write) {
                in = add_clamped(in, d.len);
            } else {
                out = add_clamped(out, d.len);
            }
        }
    }
    if (in_bytes) {
        *in_bytes = in;
    }
    if (out_bytes) {
        *out_bytes = out;
    }
}

bool vu_queue_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int in_bytes, unsigned int out_bytes)
{
    unsigned int in, out;

    vu_queue_get_avail_bytes(dev, vq, &in, &out, in_bytes, out_bytes);
    return in >= in_bytes && out >= out_bytes;
}

/* ---- Slots ---- */

static void slot_take(VuVirtq *vq, unsigned int head, const VirtqRange *ranges,
                      unsigned int nranges)
{
    vq->slots[head] = (VirtqSlot){ vu_map_use_ref(vq->use), ranges, nranges };
    set_inuse(vq, vq->inuse + 1);
}

void virtq_slot_release(VuVirtq *vq, unsigned int head)
{
    VuMapUse *use = vq->slots[head].use;

    vq->slots[head] = (VirtqSlot){ 0 };
    vu_map_use_unref(use);
}

/* ---- Pop ---- */

/* One allocation: what the caller asked for, then the scatter lists, then the log's ranges. */
static VuVirtqElement *element_new(size_t sz, const VirtqPieces *p, VirtqRange **ret_ranges)
{
    const size_t align = _Alignof(max_align_t);
    size_t sg_at = (sz + align - 1) & ~(align - 1);
    unsigned int in = p->n - p->out;
    VuVirtqElement *e = malloc(sg_at + p->n * sizeof(struct iovec) + in * sizeof(VirtqRange));
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

/* Give a chain that nobody can serve back to the guest. */
static void complete_bad(VuDev *dev, VuVirtq *vq, unsigned int head)
{
    stat_add(&vq->stats.malformed, 1);
    vu_trace(dev, VU_TRACE_MALFORMED, vq->index, 0, head, NULL);
    if (vq->filled > 0) {
        /* The device is in the middle of a batch, whose entries come first. */
        slot_take(vq, head, NULL, 0);
        vq->bad[vq->nbad++] = head;
        return;
    }
    vq->ops->fill(vq, head, 0, 0);
    vq->ops->flush(vq, 1);
    vu_queue_notify(dev, vq);
}

/* The head of the next chain, if there is one and it makes sense. */
static bool next_head(VuDev *dev, VuVirtq *vq, unsigned int *ret_head)
{
    int rc = peek_or_arm(vq, 0, ret_head);

    if (rc == 0) {
        return false;
    }
    if (rc == -ERANGE) {
        vu_vring_break(dev, vq, "the available index is further than the ring is long");
    } else if (rc < 0) {
        vu_vring_break(dev, vq, "an available entry names no descriptor of the ring");
    } else if (vq->slots[*ret_head].use) {
        vu_vring_break(dev, vq, "a chain was made available again before it was used");
        rc = -EEXIST;
    }
    return rc > 0;
}

void *vu_queue_pop(VuDev *dev, VuVirtq *vq, size_t sz)
{
    VirtqPieces pieces;
    VirtqRange *ranges;
    VuVirtqElement *e;
    unsigned int head;

    assert(sz >= sizeof(VuVirtqElement));
    if (!virtq_running(dev, vq)) {
        return NULL;
    }
    for (unsigned int bad = 0; bad <= BAD_ROUNDS * vq->vring.num; bad++) {
        if (!next_head(dev, vq, &head)) {
            return NULL;
        }
        if (VU_UNLIKELY(chain_collect(vq, vq->use->map, head, &pieces) < 0)) {
            vq->ops->advance(vq, head);
            complete_bad(dev, vq, head);
            continue;
        }
        e = element_new(sz, &pieces, &ranges);
        if (!e) {
            return NULL;
        }
        e->index = head;
        vq->ops->advance(vq, head);
        slot_take(vq, head, ranges, e->in_num);
        stat_add(&vq->stats.pops, 1);
        return e;
    }
    vu_vring_break(dev, vq, "the guest makes nothing but malformed chains available");
    return NULL;
}

/* ---- Back without an answer ---- */

/* Elements came back; who waits for the last one hears of it. */
static void check_idle(VuDev *dev, VuVirtq *vq)
{
    if (VU_UNLIKELY(vq->inuse == 0 && (vq->state == VU_VRING_STOPPING || vq->unmapped))) {
        vu_vring_idle(dev, vq);
    }
}

void vu_queue_detach_element(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len)
{
    assert(elem->index < vq->vring.num && vq->slots[elem->index].use);
    virtq_slot_release(vq, elem->index);
    set_inuse(vq, vq->inuse - 1);
    check_idle(dev, vq);
}

void vu_queue_unpop(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len)
{
    assert(vq->ops->taken(vq, 1) == elem->index);
    vq->ops->retreat(vq, 1);
    vu_queue_detach_element(dev, vq, elem, len);
}

bool vu_queue_rewind(VuDev *dev, VuVirtq *vq, unsigned int num)
{
    if (num > vq->inuse) {
        return false;
    }
    for (unsigned int i = 1; i <= num; i++) {
        if (!vq->slots[vq->ops->taken(vq, i)].use) {
            return false;
        }
    }
    for (unsigned int i = 1; i <= num; i++) {
        virtq_slot_release(vq, vq->ops->taken(vq, i));
    }
    vq->ops->retreat(vq, num);
    set_inuse(vq, vq->inuse - num);
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
    unsigned int head = elem->index;

    assert(head < vq->vring.num && vq->slots[head].use);
    /* All of it, not just @len: a status byte lies behind the data, whatever @len says. */
    if (VU_UNLIKELY(vq->log && vq->log_buffers)) {
        log_ranges(vq, &vq->slots[head]);
    }
    virtq_slot_release(vq, head);
    if (vq->vring.used) {
        vq->ops->fill(vq, head, len, idx);
    }
    if (idx >= vq->filled) {
        vq->filled = idx + 1;
    }
}

static void flush_entries(VuDev *dev, VuVirtq *vq, unsigned int num)
{
    assert(num <= vq->inuse);
    if (vq->vring.used) {
        vq->ops->flush(vq, num);
    }
    vq->filled = vq->filled > num ? vq->filled - num : 0;
    stat_add(&vq->stats.pushes, num);
    set_inuse(vq, vq->inuse - num);
}

/* Malformed chains that came up in the middle of the batch. */
static void flush_bad(VuDev *dev, VuVirtq *vq)
{
    unsigned int n = vq->nbad;

    vq->nbad = 0;
    for (unsigned int i = 0; i < n; i++) {
        virtq_slot_release(vq, vq->bad[i]);
        if (vq->vring.used) {
            vq->ops->fill(vq, vq->bad[i], 0, i);
        }
    }
    flush_entries(dev, vq, n);
}

static void signal_log(VuDev *dev)
{
    vu_signal_fd(__atomic_load_n(&dev->priv->log_call_fd, __ATOMIC_RELAXED),
                 __atomic_load_n(&dev->priv->log_call_is_eventfd, __ATOMIC_RELAXED));
}

void vu_queue_flush(VuDev *dev, VuVirtq *vq, unsigned int num)
{
    flush_entries(dev, vq, num);
    if (VU_UNLIKELY(vq->nbad > 0 && vq->filled == 0)) {
        flush_bad(dev, vq);
    }
    if (VU_UNLIKELY(vq->log)) {
        signal_log(dev);
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
    unsigned int head;

    return vq->ops->should_notify(vq) ||
           (vq->notify_on_empty && vq->inuse == 0 && vq->ops->peek(vq, 0, &head) == 0);
}

void vu_queue_notify(VuDev *dev, VuVirtq *vq)
{
    if (!vq->vring.avail) {
        return;
    }
    if (wants_notification(vq)) {
        stat_add(&vq->stats.notifications, 1);
        vu_signal_fd(vq->call_fd, vq->call_is_eventfd);
    } else {
        stat_add(&vq->stats.notifications_saved, 1);
    }
}

void vu_queue_notify_sync(VuDev *dev, VuVirtq *vq)
{
    vu_queue_notify(dev, vq);
}
