/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Busy polling: to look for work for some microseconds before going to sleep.
 *
 * Theory of operation
 *
 * Sleeping and being woken costs more than a short wait, so a loop whose events have lately come
 * within poll-max-ns looks for them by calling each handler's io_poll, by looking at the monitor's
 * completions and at notifications by other threads, until one comes or the time is up.  The time
 * follows a running average of how long the loop waits: it grows while events come soon enough
 * but after polling has ended, and shrinks when the average is beyond poll-max-ns.  A loop
 * that waits for long therefore does not poll at all.
 *
 * What is polled in vain, with its beginning and end, is never more than one part in POLL_SHARE of
 * the time, and what polling has saved by finding something: a light load is not worth more, and
 * there are hosts where nobody else gets anywhere while we poll.
 *
 * Polling takes a processor that whoever we wait for may need.  If the thread notices that it was
 * preempted meanwhile, it sleeps for its next some twenty events instead.
 *
 * A phase of polling begins with io_poll_begin, may last over many iterations, and ends with
 * io_poll_end before the loop sleeps; what came between the last look and the end is found by
 * asking io_poll once more.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "util/aio-posix.h"
#include "trace.h"

#define POLL_START_NS       4000
#define POLL_GROW_DEFAULT   2
#define POLL_WEIGHT_DEFAULT 3
/* So much may be polled in vain at once; beyond it one part in POLL_SHARE of the time. */
#define POLL_VAIN_NS 500000
#define POLL_SHARE   64
/* What finding something has saved: a part of what it costs to sleep and to be woken. */
#define POLL_SAVED_NS 1000
/* One look takes far less, unless another thread has been given the processor. */
#define POLL_PREEMPTED_NS 20000
/* After that the average is set to so many times poll-max-ns. */
#define POLL_BACK_OFF 32

void aio_poll_sync(AioContext *ctx)
{
    AioHandler *node;

    if (ctx->pollers_gen == qatomic_load_acquire(&ctx->handlers_gen)) {
        return;
    }
    QEMU_LOCK_GUARD(&ctx->list_lock);
    ctx->pollers_gen = qatomic_read(&ctx->handlers_gen);
    g_ptr_array_set_size(ctx->pollers, 0);
    QLIST_FOREACH (node, &ctx->polled_handlers, node_polled) {
        g_ptr_array_add(ctx->pollers, node);
    }
}

/* Asks each poller once; true if one has work. */
static bool poll_once(AioContext *ctx)
{
    bool found = false;

    for (guint i = 0; i < ctx->pollers->len; i++) {
        AioHandler *node = g_ptr_array_index(ctx->pollers, i);

        /* One whose callback runs a nested loop is not asked: it would recurse without end. */
        if (node->running || qatomic_load_acquire(&node->deleted)) {
            continue;
        }
        if (!node->ready && node->io_poll(node->opaque)) {
            node->poll_ready = true;
            fdmon_add_ready(ctx, node, 0);
        }
        found |= node->ready;
    }
    return found;
}

static void note_vain(AioContext *ctx, int64_t begin, int64_t now)
{
    if (ctx->poll_vain_ns == 0) {
        ctx->poll_vain_since = now;
    }
    ctx->poll_vain_ns += now - begin;
}

static void poll_begin(AioContext *ctx)
{
    ctx->poll_started = true;
    for (guint i = 0; i < ctx->pollers->len; i++) {
        AioHandler *node = g_ptr_array_index(ctx->pollers, i);
        IOHandler *begin = qatomic_read(&node->io_poll_begin);

        if (!node->begun && !qatomic_load_acquire(&node->deleted)) {
            node->begun = true;
            if (begin) {
                begin(node->opaque);
            }
        }
    }
}

bool aio_poll_end(AioContext *ctx)
{
    int64_t begin;
    bool found;

    if (!ctx->poll_started) {
        return false;
    }
    begin = get_clock();
    ctx->poll_started = false;
    for (guint i = 0; i < ctx->pollers->len; i++) {
        AioHandler *node = g_ptr_array_index(ctx->pollers, i);
        IOHandler *end = qatomic_read(&node->io_poll_end);

        if (node->begun && !qatomic_load_acquire(&node->deleted)) {
            node->begun = false;
            if (end) {
                end(node->opaque);
            }
        }
    }
    aio_poll_sync(ctx);
    found = poll_once(ctx);
    if (!found) {
        note_vain(ctx, begin, get_clock());
    }
    return found;
}

/* Nothing that needs a system call may be starved: all must be seen from here. */
static bool poll_worthwhile(AioContext *ctx)
{
    return ctx->fdmon_ops->poll_ready || qatomic_read(&ctx->nr_unpolled) == 0;
}

static bool poll_look(AioContext *ctx)
{
    const FDMonOps *ops = ctx->fdmon_ops;

    return poll_once(ctx) || (ops->poll_ready && ops->poll_ready(ctx)) ||
           qatomic_read(&ctx->notified);
}

/* How long a wait that begins now may be polled for at most. */
static int64_t poll_limit(AioContext *ctx)
{
    int64_t since = ctx->poll_since - ctx->poll_vain_since;

    if (ctx->poll_since && ctx->poll_vain_ns > 0) {
        ctx->poll_vain_ns = MAX(ctx->poll_vain_ns - since / POLL_SHARE, (int64_t)0);
        ctx->poll_vain_since = ctx->poll_since;
    }
    return ctx->poll_vain_ns > POLL_VAIN_NS ? 0 : qatomic_read(&ctx->poll_max_ns);
}

/* Looks until @max_ns are over; true if something was found. It all began at @begin. */
static bool poll_for(AioContext *ctx, int64_t begin, int64_t max_ns)
{
    int64_t before = get_clock(), deadline = before + max_ns, now;

    for (;;) {
        if (poll_look(ctx)) {
            ctx->poll_vain_ns = MAX(ctx->poll_vain_ns - POLL_SAVED_NS, (int64_t)0);
            return true;
        }
        cpu_relax();
        now = get_clock();
        if (now - before > POLL_PREEMPTED_NS) {
            trace_poll_preempted(ctx, now - before);
            ctx->poll_avg_ns = POLL_BACK_OFF * qatomic_read(&ctx->poll_max_ns);
            note_vain(ctx, begin, before);
            return false;
        }
        if (now >= deadline) {
            note_vain(ctx, begin, now);
            return false;
        }
        before = now;
    }
}

bool aio_poll_busy(AioContext *ctx, int64_t timeout)
{
    int64_t max_ns, begin;

    ctx->poll_limit_ns = poll_limit(ctx);
    max_ns = MIN(ctx->poll_ns, ctx->poll_limit_ns);
    max_ns = timeout == 0 ? 0 : qemu_soonest_timeout(max_ns, timeout);
    if (max_ns == 0 && !ctx->poll_started) {
        return false;
    }
    aio_poll_sync(ctx);
    if (!poll_worthwhile(ctx)) {
        max_ns = 0;
    }
    if (max_ns == 0) {
        return poll_look(ctx);
    }
    begin = get_clock();
    poll_begin(ctx);
    if (ctx->fdmon_ops->need_wait(ctx)) {
        ctx->fdmon_ops->wait(ctx, 0);
        /* Requests may take their time to be submitted; that was no waiting. */
        if (aio_pending(ctx)) {
            ctx->poll_since = 0;
            return true;
        }
        begin = get_clock();
        ctx->poll_since = ctx->poll_since ? begin : 0;
    }
    return poll_for(ctx, begin, max_ns);
}

void aio_poll_adjust(AioContext *ctx)
{
    int64_t max_ns = ctx->poll_limit_ns, before = ctx->poll_ns, block_ns;
    int64_t grow = qatomic_read(&ctx->poll_grow) ?: POLL_GROW_DEFAULT;
    int64_t shrink = qatomic_read(&ctx->poll_shrink);
    int64_t weight = qatomic_read(&ctx->poll_weight) ?: POLL_WEIGHT_DEFAULT;

    if (!ctx->poll_since) {
        return;
    }
    /* One very long wait must not outweigh many short ones after it. */
    block_ns = MIN(get_clock() - ctx->poll_since, 2 * max_ns);
    ctx->poll_since = 0;
    ctx->poll_avg_ns += (block_ns - ctx->poll_avg_ns) / (1LL << weight);
    if (ctx->poll_avg_ns > max_ns) {
        ctx->poll_ns = shrink ? ctx->poll_ns / shrink : 0;
    } else if (block_ns > ctx->poll_ns) {
        ctx->poll_ns = ctx->poll_ns ? ctx->poll_ns * grow : POLL_START_NS;
    }
    ctx->poll_ns = MIN(ctx->poll_ns, max_ns);
    if (ctx->poll_ns != before) {
        trace_poll_adjust(ctx, before, ctx->poll_ns, block_ns);
    }
}
