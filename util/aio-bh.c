/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bottom halves: calls that any thread leaves for a context's loop.
 *
 * Theory of operation
 *
 * Scheduling sets bits in the bottom half's state and, if it was on no list, pushes it on the
 * context's bh_incoming, a stack without a lock.  The home thread takes the whole stack, turns it
 * round and appends it to bh_pending.  A dispatch runs those that it took and those left over by
 * an interrupted dispatch (when a callback runs a nested loop), but none that come later, so that
 * a bottom half that schedules itself does not keep the loop from its other work.
 *
 * Whoever sets BH_QUEUED first owns the link; taking it off the list clears the bit, and with it
 * all that scheduling had set.  Deleting queues the bottom half once more, to be freed at home.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "util/aio-posix.h"

/* How late an idle bottom half may run. */
#define BH_IDLE_NS (10 * SCALE_MS)

enum {
    BH_QUEUED = 1 << 0,  /* on bh_incoming or bh_pending */
    BH_READY = 1 << 1,   /* to be called */
    BH_IDLE = 1 << 2,    /* to be called when the loop comes round */
    BH_ONESHOT = 1 << 3, /* freed by its call */
    BH_DELETED = 1 << 4, /* freed instead of being called */
};

struct QEMUBH {
    AioContext *ctx;
    const char *name;
    QEMUBHFunc *cb;
    void *opaque;
    MemReentrancyGuard *guard;
    unsigned state;                 /* atomic: BH_* */
    QSLIST_ENTRY(QEMUBH) incoming;  /* who has set BH_QUEUED; then home */
    QSIMPLEQ_ENTRY(QEMUBH) pending; /* home */
    unsigned epoch;                 /* home: when it was taken */
};

static void bh_enqueue(QEMUBH *bh, unsigned bits)
{
    /* As soon as it is queued the home thread may free it. */
    AioContext *ctx = bh->ctx;
    unsigned old = qatomic_fetch_or(&bh->state, bits | BH_QUEUED);

    if (!(old & BH_QUEUED)) {
        QSLIST_INSERT_HEAD_ATOMIC(&ctx->bh_incoming, bh, incoming);
    }
    if (bits & ~BH_DELETED) {
        aio_notify_work(ctx);
    }
}

QEMUBH *aio_bh_new_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque, const char *name,
                        MemReentrancyGuard *reentrancy_guard)
{
    QEMUBH *bh = g_new0(QEMUBH, 1);

    bh->ctx = ctx;
    bh->name = name;
    bh->cb = cb;
    bh->opaque = opaque;
    bh->guard = reentrancy_guard;
    return bh;
}

void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque, const char *name)
{
    bh_enqueue(aio_bh_new_full(ctx, cb, opaque, name, NULL), BH_READY | BH_ONESHOT);
}

void qemu_bh_schedule(QEMUBH *bh)
{
    bh_enqueue(bh, BH_READY);
}

void qemu_bh_schedule_idle(QEMUBH *bh)
{
    bh_enqueue(bh, BH_IDLE);
}

void qemu_bh_cancel(QEMUBH *bh)
{
    qatomic_and(&bh->state, ~(BH_READY | BH_IDLE));
}

void qemu_bh_delete(QEMUBH *bh)
{
    if (bh) {
        bh_enqueue(bh, BH_DELETED);
    }
}

void aio_bh_call(QEMUBH *bh)
{
    MemReentrancyGuard *guard = bh->guard;
    bool engaged = guard && guard->engaged_in_io;

    if (guard) {
        guard->engaged_in_io = true;
    }
    bh->cb(bh->opaque);
    if (guard) {
        guard->engaged_in_io = engaged;
    }
}

/* Moves what has come in to the end of bh_pending, oldest first; returns its epoch. */
static unsigned bh_take_incoming(AioContext *ctx)
{
    QSLIST_HEAD(, QEMUBH) newest_first, oldest_first = QSLIST_HEAD_INITIALIZER(oldest_first);
    QEMUBH *bh;

    if (!qatomic_read(&ctx->bh_incoming.slh_first)) {
        return ctx->bh_epoch;
    }
    QSLIST_MOVE_ATOMIC(&newest_first, &ctx->bh_incoming);
    while ((bh = QSLIST_FIRST(&newest_first))) {
        QSLIST_REMOVE_HEAD(&newest_first, incoming);
        QSLIST_INSERT_HEAD(&oldest_first, bh, incoming);
    }
    ctx->bh_epoch++;
    while ((bh = QSLIST_FIRST(&oldest_first))) {
        QSLIST_REMOVE_HEAD(&oldest_first, incoming);
        bh->epoch = ctx->bh_epoch;
        QSIMPLEQ_INSERT_TAIL(&ctx->bh_pending, bh, pending);
    }
    return ctx->bh_epoch;
}

/* Runs or frees one that has been taken off the list; true if a call counts as progress. */
static bool bh_run(QEMUBH *bh)
{
    unsigned old = qatomic_fetch_and(&bh->state, ~(BH_QUEUED | BH_READY | BH_IDLE));
    QEMUBH once;

    if (old & BH_DELETED) {
        g_free(bh);
        return false;
    }
    if (!(old & (BH_READY | BH_IDLE))) {
        return false;
    }
    if (old & BH_ONESHOT) {
        once = *bh;
        g_free(bh);
        bh = &once;
    }
    aio_bh_call(bh);
    return old & BH_READY;
}

bool aio_bh_poll(AioContext *ctx)
{
    unsigned last = bh_take_incoming(ctx);
    bool progress = false;
    QEMUBH *bh;

    while ((bh = QSIMPLEQ_FIRST(&ctx->bh_pending)) && (int)(bh->epoch - last) <= 0) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->bh_pending, pending);
        progress |= bh_run(bh);
    }
    return progress;
}

int64_t aio_bh_timeout(AioContext *ctx)
{
    int64_t timeout = -1;
    QEMUBH *bh;

    bh_take_incoming(ctx);
    QSIMPLEQ_FOREACH (bh, &ctx->bh_pending, pending) {
        unsigned state = qatomic_read(&bh->state);

        if (state & BH_DELETED) {
            continue;
        }
        if (state & BH_READY) {
            return 0;
        }
        if (state & BH_IDLE) {
            timeout = BH_IDLE_NS;
        }
    }
    return timeout;
}

void aio_bh_destroy_all(AioContext *ctx)
{
    QEMUBH *bh;

    bh_take_incoming(ctx);
    while ((bh = QSIMPLEQ_FIRST(&ctx->bh_pending))) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->bh_pending, pending);
        if (!(qatomic_read(&bh->state) & BH_DELETED)) {
            g_error("bottom half %s outlives its AioContext", bh->name);
        }
        g_free(bh);
    }
}
