/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Busy polling: to look for work for some microseconds before going to sleep.
 *
 * Theory of operation
 *
 * Sleeping and being woken costs more than a short wait, so a loop whose events have lately come
 * within what is worth polling for (poll-max-ns, or what a wake-up costs here) looks for them by
 * calling each handler's io_poll, by looking at the monitor's completions and at notifications by
 * other threads, until one comes or the time is up.  How long that is, poll-window.h says.
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
#include "util/poll-window.h"
#include "trace.h"

/* One look takes far less, unless another thread has been given the processor. */
#define POLL_PREEMPTED_NS 20000
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

/* The longest that may be worth it; 0: polling is switched off. */
static int64_t poll_longest(AioContext *ctx)
{
    int64_t max_ns = qatomic_read(&ctx->poll_max_ns);

    return max_ns ? MAX(max_ns, qatomic_read(&ctx->poll_ceiling_ns)) : 0;
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
        poll_window_vain(&ctx->poll, begin, get_clock());
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

/* Looks until @max_ns are over; true if something was found. It all began at @begin. */
static bool poll_for(AioContext *ctx, int64_t begin, int64_t max_ns)
{
    int64_t before = get_clock(), deadline = before + max_ns, now;

    for (;;) {
        if (poll_look(ctx)) {
            poll_window_found(&ctx->poll);
            return true;
        }
        cpu_relax();
        now = get_clock();
        if (now - before > POLL_PREEMPTED_NS) {
            trace_poll_preempted(ctx, now - before);
            poll_window_preempted(&ctx->poll, poll_longest(ctx));
            poll_window_vain(&ctx->poll, begin, before);
            return false;
        }
        if (now >= deadline) {
            poll_window_vain(&ctx->poll, begin, now);
            return false;
        }
        before = now;
    }
}

bool aio_poll_busy(AioContext *ctx, int64_t timeout)
{
    int64_t max_ns, begin;

    max_ns = poll_window_begin(&ctx->poll, poll_longest(ctx), ctx->poll_since);
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
    const PollParams params = {
        .grow = qatomic_read(&ctx->poll_grow),
        .shrink = qatomic_read(&ctx->poll_shrink),
        .weight = qatomic_read(&ctx->poll_weight),
    };
    int64_t before = ctx->poll.ns, waited;

    if (!ctx->poll_since) {
        return;
    }
    waited = get_clock() - ctx->poll_since;
    ctx->poll_since = 0;
    poll_window_waited(&ctx->poll, &params, waited);
    if (ctx->poll.ns != before) {
        trace_poll_adjust(ctx, before, ctx->poll.ns, waited);
    }
}
