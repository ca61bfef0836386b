/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting in one thread for a condition that another thread's event loop makes true.
 *
 * Theory of operation
 *
 * The waiter runs its own loop until the condition holds; whoever may have changed the condition
 * calls aio_wait_kick() afterwards, which makes the main loop look again if someone waits there.
 */
#ifndef QEMU_AIO_WAIT_H
#define QEMU_AIO_WAIT_H

#include "block/aio.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"

typedef struct {
    unsigned num_waiters; /* atomic: loops inside AIO_WAIT_WHILE */
} AioWait;

extern AioWait global_aio_wait;

/** in_aio_context_home_thread: does the caller run @ctx's loop (NULL: the main context's)? */
static inline bool in_aio_context_home_thread(AioContext *ctx)
{
    return (ctx ? ctx : qemu_get_aio_context()) == qemu_get_current_aio_context();
}

/* The context that a waiter for @ctx runs: @ctx at home, else the main one, in the main thread. */
static inline AioContext *aio_wait_loop(AioContext *ctx)
{
    assert(!qemu_in_coroutine());
    if (ctx && in_aio_context_home_thread(ctx)) {
        return ctx;
    }
    assert(in_aio_context_home_thread(NULL));
    return qemu_get_aio_context();
}

/**
 * AIO_WAIT_WHILE: run the loop while @cond is true; @cond is evaluated again after each
 * iteration.  In @ctx's home thread runs @ctx; in the main thread runs the main context while
 * another thread works on @ctx (NULL: on several).  Not in coroutines.  True if it waited.
 */
#define AIO_WAIT_WHILE(ctx, cond)          AIO_WAIT_WHILE_INTERNAL(ctx, cond)
#define AIO_WAIT_WHILE_UNLOCKED(ctx, cond) AIO_WAIT_WHILE_INTERNAL(ctx, cond)

#define AIO_WAIT_WHILE_INTERNAL(ctx, cond)                    \
    ({                                                        \
        AioContext *const aio_wait_ctx_ = aio_wait_loop(ctx); \
        bool aio_waited_ = false;                             \
        qatomic_inc(&global_aio_wait.num_waiters);            \
        while ((cond)) {                                      \
            aio_poll(aio_wait_ctx_, true);                    \
            aio_waited_ = true;                               \
        }                                                     \
        qatomic_dec(&global_aio_wait.num_waiters);            \
        aio_waited_;                                          \
    })

/** aio_wait_kick: what someone waits for may have changed.  Any thread; cheap if no one waits. */
void aio_wait_kick(void);

/**
 * aio_wait_bh_oneshot: run @cb(@opaque) in @ctx's home thread and wait until it has returned.
 * Main thread (or @ctx's home), outside coroutines; blocks, running the main loop's context.
 */
void aio_wait_bh_oneshot(AioContext *ctx, QEMUBHFunc *cb, void *opaque);

/* A coroutine of the main thread that waits for a condition, without running the loop. */
typedef struct AioWaitCo {
    QemuCoSleep sleep;
    bool kicked;
    QLIST_ENTRY(AioWaitCo) next;
} AioWaitCo;

/** aio_wait_co_begin: from now on no kick is missed.  Main thread; @w is zeroed. */
void aio_wait_co_begin(AioWaitCo *w);
/** aio_wait_co: yields until the next kick, or for @ns; after it @w's condition may be another. */
void coroutine_fn aio_wait_co(AioWaitCo *w, int64_t ns);
void aio_wait_co_end(AioWaitCo *w);

#endif
