/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines in AioContexts: which loop enters which coroutine, and when.
 *
 * Theory of operation
 *
 * aio_co_schedule() pushes the coroutine on the context's co_incoming, a stack without a lock;
 * the home thread takes all, oldest first, and enters them one by one.  What a nested loop finds
 * left over it enters as well.  Coroutine.scheduled is set from the push to the entry, to catch a
 * coroutine that is scheduled twice.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "qemu/coroutine.h"
#include "qemu/coroutine_int.h"
#include "util/aio-posix.h"
#include "trace.h"

void aio_co_schedule(AioContext *ctx, Coroutine *co)
{
    const char *before = qatomic_cmpxchg(&co->scheduled, NULL, __func__);

    if (before) {
        g_error("coroutine scheduled twice, the first time by %s", before);
    }
    trace_aio_co_schedule(ctx, co);
    /* Once it is on the list it may run, and drop the last reference but ours. */
    aio_context_ref(ctx);
    QSLIST_INSERT_HEAD_ATOMIC(&ctx->co_incoming, co, co_scheduled_next);
    aio_notify_work(ctx);
    aio_context_unref(ctx);
}

/* Appends what has come in to co_pending, oldest first. */
static void co_take_incoming(AioContext *ctx)
{
    QSLIST_HEAD(, Coroutine) newest_first, oldest_first = QSLIST_HEAD_INITIALIZER(oldest_first);
    Coroutine *co, **tail = &ctx->co_pending.slh_first;

    if (!qatomic_read(&ctx->co_incoming.slh_first)) {
        return;
    }
    QSLIST_MOVE_ATOMIC(&newest_first, &ctx->co_incoming);
    while ((co = QSLIST_FIRST(&newest_first))) {
        QSLIST_REMOVE_HEAD(&newest_first, co_scheduled_next);
        QSLIST_INSERT_HEAD(&oldest_first, co, co_scheduled_next);
    }
    while (*tail) {
        tail = &(*tail)->co_scheduled_next.sle_next;
    }
    *tail = QSLIST_FIRST(&oldest_first);
}

bool aio_co_pending(AioContext *ctx)
{
    return qatomic_read(&ctx->co_incoming.slh_first) || !QSLIST_EMPTY(&ctx->co_pending);
}

bool aio_co_dispatch(AioContext *ctx)
{
    bool progress = false;
    Coroutine *co;

    co_take_incoming(ctx);
    while ((co = QSLIST_FIRST(&ctx->co_pending))) {
        QSLIST_REMOVE_HEAD(&ctx->co_pending, co_scheduled_next);
        trace_aio_co_dispatch(ctx, co);
        qatomic_set(&co->scheduled, NULL);
        qemu_aio_coroutine_enter(ctx, co);
        progress = true;
    }
    return progress;
}

typedef struct {
    Coroutine *co;
    AioContext *new_ctx;
} AioCoMove;

static void aio_co_move_bh(void *opaque)
{
    AioCoMove *move = opaque;

    aio_co_schedule(move->new_ctx, move->co);
}

void coroutine_fn aio_co_reschedule_self(AioContext *new_ctx)
{
    AioContext *old_ctx = qemu_get_current_aio_context();
    AioCoMove move = { .co = qemu_coroutine_self(), .new_ctx = new_ctx };

    if (old_ctx == new_ctx) {
        return;
    }
    /* Only after the yield may the other thread enter it: leave that to this thread's loop. */
    aio_bh_schedule_oneshot(old_ctx, aio_co_move_bh, &move);
    qemu_coroutine_yield();
}

void aio_co_wake(Coroutine *co)
{
    aio_co_enter(qatomic_load_acquire(&co->ctx), co);
}

void aio_co_enter(AioContext *ctx, Coroutine *co)
{
    if (ctx != qemu_get_current_aio_context()) {
        aio_co_schedule(ctx, co);
    } else if (qemu_in_coroutine()) {
        Coroutine *self = qemu_coroutine_self();

        assert(self != co);
        QSIMPLEQ_INSERT_TAIL(&self->co_queue_wakeup, co, co_queue_next);
    } else {
        qemu_aio_coroutine_enter(ctx, co);
    }
}
