/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for another thread's event loop: who waits, and how the waiter is made to look again.
 *
 * Theory of operation
 *
 * A waiter counts itself in num_waiters before it evaluates its condition; one who has changed
 * something reads the count afterwards.  Both are sequentially consistent, so either the waiter
 * sees the change or the kick sees the waiter.  A waiter outside the main thread runs its own
 * context, whose work alone makes its condition true; kicks go to the main context.
 */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "qemu/main-loop.h"

AioWait global_aio_wait;

void aio_wait_kick(void)
{
    /* A read-modify-write, to be ordered after the caller's change. */
    if (qatomic_fetch_or(&global_aio_wait.num_waiters, 0)) {
        aio_notify(qemu_get_aio_context());
    }
}

typedef struct {
    QEMUBHFunc *cb;
    void *opaque;
    bool done; /* atomic */
} AioWaitBH;

static void aio_wait_bh(void *opaque)
{
    AioWaitBH *call = opaque;

    call->cb(call->opaque);
    /* After this the waiter may go on, and *call with it. */
    qatomic_store_release(&call->done, true);
    aio_wait_kick();
}

void aio_wait_bh_oneshot(AioContext *ctx, QEMUBHFunc *cb, void *opaque)
{
    AioWaitBH call = { .cb = cb, .opaque = opaque };

    aio_bh_schedule_oneshot(ctx, aio_wait_bh, &call);
    AIO_WAIT_WHILE_UNLOCKED(ctx, !qatomic_load_acquire(&call.done));
}
