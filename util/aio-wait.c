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

static unsigned co_waiters; /* atomic */
static QEMUBH *co_kicked_bh;
/* Main thread. As many as monitors have a command that waits: one each, and it runs them in turn.
 */
static QLIST_HEAD(, AioWaitCo) co_waiting = QLIST_HEAD_INITIALIZER(co_waiting);

void aio_wait_kick(void)
{
    /* A read-modify-write, to be ordered after the caller's change. */
    if (qatomic_fetch_or(&global_aio_wait.num_waiters, 0)) {
        aio_notify(qemu_get_aio_context());
    }
    if (qatomic_read(&co_waiters)) {
        qemu_bh_schedule(co_kicked_bh);
    }
}

static void co_kicked(void *opaque)
{
    AioWaitCo *w, *next;

    QLIST_FOREACH_SAFE (w, &co_waiting, next, next) {
        w->kicked = true;
        qemu_co_sleep_wake(&w->sleep);
    }
}

void aio_wait_co_begin(AioWaitCo *w)
{
    GLOBAL_STATE_CODE();
    if (!co_kicked_bh) {
        /* For as long as the program runs: a kick may be on its way at any time. */
        co_kicked_bh = aio_bh_new(qemu_get_aio_context(), co_kicked, NULL);
    }
    QLIST_INSERT_HEAD(&co_waiting, w, next);
    qatomic_inc(&co_waiters);
    smp_mb__after_rmw();
}

void coroutine_fn aio_wait_co(AioWaitCo *w, int64_t ns)
{
    if (!w->kicked) {
        qemu_co_sleep_ns_wakeable(&w->sleep, QEMU_CLOCK_REALTIME, ns);
    }
    w->kicked = false;
}

void aio_wait_co_end(AioWaitCo *w)
{
    qatomic_dec(&co_waiters);
    QLIST_REMOVE(w, next);
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
