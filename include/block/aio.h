/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AioContext: an event loop that one thread runs and every thread may talk to.
 *
 * Theory of operation
 *
 * A context is made by any thread and run by one, its home thread: either by calling aio_poll()
 * over and over (an IOThread, a test) or by attaching aio_get_g_source() to a GMainContext (the
 * main loop).  One iteration prepares (how long may we sleep?), polls busily for a short time if
 * that has paid lately, waits in the kernel through FDMonOps, and dispatches: bottom halves,
 * ready descriptors, completed io_uring requests, expired timers.
 *
 * Callbacks run in the home thread with no lock held.  They may call aio_poll() again (nested
 * loop), and may add or remove any handler, bottom half or timer, their own included.
 *
 * Everything marked "any thread" wakes the home thread if, and only if, it sleeps.
 *
 * A context lives until its last reference goes; by then all handlers and bottom halves must
 * have been removed.  Contexts that have run do not survive fork(): daemonize first.
 */
#ifndef QEMU_AIO_H
#define QEMU_AIO_H

#ifdef CONFIG_LINUX_IO_URING
#include <liburing.h>
#endif
#include "qemu/coroutine-core.h"
#include "qemu/queue.h"
#include "qemu/event_notifier.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/typedefs.h"

typedef struct AioHandler AioHandler;
typedef struct FDMonOps FDMonOps;
typedef struct ThreadPoolAio ThreadPoolAio;
typedef struct MemReentrancyGuard MemReentrancyGuard;

/* A request that completes later by a callback: the old style, beside coroutines. */

typedef struct BlockAIOCB BlockAIOCB;
typedef void BlockCompletionFunc(void *opaque, int ret);

/* What kind of request: how large it is, and how to ask it to end soon (may be NULL). */
typedef struct AIOCBInfo {
    void (*cancel_async)(BlockAIOCB *acb);
    size_t aiocb_size;
} AIOCBInfo;

struct BlockAIOCB {
    const AIOCBInfo *aiocb_info;
    BlockDriverState *bs;
    BlockCompletionFunc *cb;
    void *opaque;
    int refcnt; /* atomic */
};

/**
 * qemu_aio_get: allocate a request of @info's size with one reference; the part behind
 * BlockAIOCB is zero.  @bs is remembered, not referenced, and may be NULL.  Any thread.
 */
void *qemu_aio_get(const AIOCBInfo *info, BlockDriverState *bs, BlockCompletionFunc *cb,
                   void *opaque);

/** qemu_aio_ref, qemu_aio_unref: count references; the last one frees.  Any thread. */
void qemu_aio_ref(void *p);
void qemu_aio_unref(void *p);

/**
 * bdrv_aio_cancel: ask @acb to end and run the current context until its callback has been
 * called (with -ECANCELED if it was early enough).  Home thread of the request, outside
 * coroutines; blocks.
 */
void bdrv_aio_cancel(BlockAIOCB *acb);

/** bdrv_aio_cancel_async: ask @acb to end soon; the callback comes in any case, later. */
void bdrv_aio_cancel_async(BlockAIOCB *acb);

/* Callback types.  All run in the context's home thread. */

typedef void QEMUBHFunc(void *opaque);
typedef void IOHandler(void *opaque);
/* True if there is work.  Called in a busy loop: cheap, no system call, no side effect. */
typedef bool AioPollFn(void *opaque);

/*
 * One io_uring request.  Embed it in the request's own structure, set @cb, and hand it to
 * aio_add_sqe(); @cb runs in the dispatch phase with @cqe filled in, and owns it from then on.
 */
typedef struct CqeHandler CqeHandler;
struct CqeHandler {
    void (*cb)(CqeHandler *handler);
    QSIMPLEQ_ENTRY(CqeHandler) next;
#ifdef CONFIG_LINUX_IO_URING
    struct io_uring_cqe cqe;
#endif
};

/* Set while a device's callback runs, so that it can be told from one within itself. */
struct MemReentrancyGuard {
    bool engaged_in_io;
};

/* How long to poll busily before going to sleep (util/poll-window.h). */
typedef struct AioPollWindow {
    int64_t ns;         /* how long to poll next */
    int64_t avg_ns;     /* recent time from wait to event */
    int64_t limit_ns;   /* the longest polling of this wait */
    int64_t vain_ns;    /* polled in vain, less what has been paid off */
    int64_t vain_since; /* when that was last reckoned */
} AioPollWindow;

struct AioContext {
    GSource source; /* first: a context is a GSource */

    /* Constant after creation, or changed by the home thread alone. */
    const FDMonOps *fdmon_ops;
    void *fdmon_state;
    QEMUTimerListGroup tlg;
    EventNotifier notifier;

    /* Atomic. */
    unsigned notify_me;                   /* sleepers: 2 for each aio_poll(), 1 for the GSource */
    bool notified;                        /* look again before sleeping */
    QSLIST_HEAD(, QEMUBH) bh_incoming;    /* newest first; any thread pushes, home takes all */
    QSLIST_HEAD(, Coroutine) co_incoming; /* likewise */
    unsigned handlers_gen;                /* changes with @handlers */
    int64_t poll_max_ns;                  /* longest busy polling; 0: never */
    int64_t poll_ceiling_ns;              /* where that is less, what is polled for if it pays */
    int64_t poll_grow;                    /* factor; 0: the default */
    int64_t poll_shrink;                  /* divisor; 0: at once to nothing */
    int64_t poll_weight;                  /* the last interval counts one part in 2^n; 0: default */
    int64_t aio_max_batch;                /* requests in one submission; 0: the engine's default */
    int64_t thread_pool_min;              /* threads kept when idle */
    int64_t thread_pool_max;              /* threads at most */

    /* Under @list_lock. */
    QemuMutex list_lock;
    QLIST_HEAD(, AioHandler) handlers;            /* one per descriptor */
    GHashTable *handler_by_fd;                    /* the same ones */
    QLIST_HEAD(, AioHandler) polled_handlers;     /* those of them with io_poll */
    unsigned nr_unpolled;                         /* those without, less our own; atomic to read */
    QSIMPLEQ_HEAD(, AioHandler) deleted_handlers; /* unlinked, not yet freed */
    unsigned nr_deleted;                          /* their number; atomic to read */
    ThreadPoolAio *thread_pool;                   /* made at first use */

    /* Home thread. */
    QSIMPLEQ_HEAD(, QEMUBH) bh_pending;  /* taken from bh_incoming, oldest first */
    unsigned bh_epoch;                   /* counts the takings */
    QSLIST_HEAD(, Coroutine) co_pending; /* taken from co_incoming, oldest first */
    QTAILQ_HEAD(, AioHandler) ready_handlers;
    QSIMPLEQ_HEAD(, CqeHandler) ready_cqes;
    GPtrArray *pollers;   /* handlers with io_poll, as of pollers_gen */
    unsigned pollers_gen; /* a value of handlers_gen */
    unsigned depth;       /* nested iterations */
    int64_t poll_since;   /* get_clock() when it began to wait; 0: it does not */
    bool poll_started;    /* between io_poll_begin and io_poll_end */
    AioPollWindow poll;
    uint64_t iterations; /* statistics: passes through the loop */
};

/* Life */

/**
 * aio_context_new: a context with one reference.  Any thread; it need not be the one that will
 * run it.  NULL and @errp set when descriptors have run out.
 */
AioContext *aio_context_new(Error **errp);

/** aio_context_ref, aio_context_unref: any thread; the last unref is not in a callback. */
void aio_context_ref(AioContext *ctx);
void aio_context_unref(AioContext *ctx);

/** aio_get_g_source: @ctx as a GSource, with a reference that the caller drops. */
GSource *aio_get_g_source(AioContext *ctx);

/** qemu_get_current_aio_context: the context whose home is the calling thread, or NULL. */
AioContext *qemu_get_current_aio_context(void);

/** qemu_set_current_aio_context: make the calling thread @ctx's home; NULL ends that. */
void qemu_set_current_aio_context(AioContext *ctx);

/* Bottom halves: "call this soon, from the loop" */

/**
 * aio_bh_new: a bottom half of @ctx that is not scheduled.  Any thread.  Freed by
 * qemu_bh_delete().  aio_bh_new_guarded() marks @guard as engaged while the callback runs.
 */
QEMUBH *aio_bh_new_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque, const char *name,
                        MemReentrancyGuard *reentrancy_guard);
#define aio_bh_new(ctx, cb, opaque) aio_bh_new_full((ctx), (cb), (opaque), (stringify(cb)), NULL)
#define aio_bh_new_guarded(ctx, cb, opaque, guard) \
    aio_bh_new_full((ctx), (cb), (opaque), (stringify(cb)), guard)

/**
 * aio_bh_schedule_oneshot: call @cb once from @ctx's loop.  Any thread.  The caller keeps @ctx
 * alive until the call returns: @cb may have run by then.
 */
void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb, void *opaque, const char *name);
#define aio_bh_schedule_oneshot(ctx, cb, opaque) \
    aio_bh_schedule_oneshot_full((ctx), (cb), (opaque), (stringify(cb)))

/** qemu_bh_schedule: run @bh in the next dispatch, once however often scheduled.  Any thread. */
void qemu_bh_schedule(QEMUBH *bh);

/** qemu_bh_schedule_idle: run @bh when the loop comes round anyway, within 10 ms.  Any thread. */
void qemu_bh_schedule_idle(QEMUBH *bh);

/** qemu_bh_cancel: not scheduled any more; a callback that has begun is not waited for. */
void qemu_bh_cancel(QEMUBH *bh);

/** qemu_bh_delete: cancel @bh and free it when that is safe.  Any thread; NULL is ignored. */
void qemu_bh_delete(QEMUBH *bh);

/** aio_bh_call: run @bh's callback now.  Home thread. */
void aio_bh_call(QEMUBH *bh);

/** aio_bh_poll: run the scheduled bottom halves; true if one that is not idle ran.  Home. */
bool aio_bh_poll(AioContext *ctx);

/* Running */

/**
 * aio_poll: one iteration.  Waits for something to do if @blocking.  True if a callback ran
 * (handlers, bottom halves, timers, completions), false if not: aio_notify() alone ends the
 * wait without that.  Home thread; may be called from any callback.
 */
bool no_coroutine_fn aio_poll(AioContext *ctx, bool blocking);

/** aio_notify: let the loop look at its work before it sleeps again.  Any thread; cheap. */
void aio_notify(AioContext *ctx);

/** aio_notify_accept: called by the loop itself: notifications up to now have been seen. */
void aio_notify_accept(AioContext *ctx);

/** aio_compute_timeout: how long the loop may sleep, in ns; -1: without end.  Home thread. */
int64_t aio_compute_timeout(AioContext *ctx);

/** aio_dispatch: run what the last wait found, bottom halves and timers.  Home thread. */
void aio_dispatch(AioContext *ctx);

/** aio_pending: is there a ready descriptor or completion not yet dispatched?  Home thread. */
bool aio_pending(AioContext *ctx);

/* Descriptors */

/**
 * aio_set_fd_handler: what to call when @fd is ready; replaces what was set for @fd before.  Any
 * thread, except that the home thread alone may rely on no callback running after removal.
 * @io_read: readable or hung up.  @io_write: writable.  Both NULL: remove @fd; do so before
 * closing it.  Level-triggered: called again until the descriptor is not ready any more.
 * @io_poll with @io_poll_ready: while the loop polls busily, @io_poll says whether there is
 * work, and then @io_poll_ready runs instead of @io_read.
 */
void aio_set_fd_handler(AioContext *ctx, int fd, IOHandler *io_read, IOHandler *io_write,
                        AioPollFn *io_poll, IOHandler *io_poll_ready, void *opaque);

/**
 * aio_set_fd_poll: @io_poll_begin runs before a phase of busy polling and @io_poll_end after it
 * (say, to tell a peer that it need not signal); @io_poll is asked once more after the end.
 * @fd must have handlers.  Any thread.  Handlers that the home thread removes or replaces during
 * a phase are told of its end at once; those that another thread removes are not.
 */
void aio_set_fd_poll(AioContext *ctx, int fd, IOHandler *io_poll_begin, IOHandler *io_poll_end);

/** aio_set_event_notifier: aio_set_fd_handler() for @notifier; @io_read clears it. */
void aio_set_event_notifier(AioContext *ctx, EventNotifier *notifier, EventNotifierHandler *io_read,
                            AioPollFn *io_poll, EventNotifierHandler *io_poll_ready);

/** aio_set_event_notifier_poll: aio_set_fd_poll() for @notifier. */
void aio_set_event_notifier_poll(AioContext *ctx, EventNotifier *notifier,
                                 EventNotifierHandler *io_poll_begin,
                                 EventNotifierHandler *io_poll_end);

/* io_uring requests */

/** aio_has_io_uring: may this thread's current context be given to aio_add_sqe()? */
bool aio_has_io_uring(void);

#ifdef CONFIG_LINUX_IO_URING
/**
 * aio_add_sqe: queue one io_uring request in the current context.  @prep_sqe fills in the SQE
 * (all but its user_data, which is the loop's) before this returns; the SQE goes to the kernel
 * with all others of this iteration.  @cqe_handler->cb runs in a later dispatch; the request must
 * be of a kind that completes once.  Never blocks
 * and never fails: a full ring is submitted first.  Home thread; aio_has_io_uring() is true.
 */
void aio_add_sqe(void (*prep_sqe)(struct io_uring_sqe *sqe, void *opaque), void *opaque,
                 CqeHandler *cqe_handler);
#endif

/* Coroutines */

/**
 * aio_co_schedule: enter @co from @ctx's loop.  Any thread.  @co has yielded (or is the caller, in
 * @ctx's home, and about to yield); it must not be scheduled twice.
 */
void aio_co_schedule(AioContext *ctx, Coroutine *co);

/**
 * aio_co_reschedule_self: move the running coroutine to @new_ctx's home thread; returns there.
 * Nothing happens if it is there already.
 */
void coroutine_fn aio_co_reschedule_self(AioContext *new_ctx);

/** aio_co_wake: aio_co_enter() in the context where @co was last entered.  Any thread. */
void aio_co_wake(Coroutine *co);

/**
 * aio_co_enter: run @co in @ctx: at once if the caller is in @ctx's home outside coroutines,
 * when the caller's coroutine yields if inside one, else by aio_co_schedule().  Any thread.
 */
void aio_co_enter(AioContext *ctx, Coroutine *co);

/* Timers of a context */

/** aio_timer_new_with_attrs, aio_timer_new: a timer on @ctx's list; ended by timer_free(). */
static inline QEMUTimer *aio_timer_new_with_attrs(AioContext *ctx, QEMUClockType type, int scale,
                                                  int attributes, QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(&ctx->tlg, type, scale, attributes, cb, opaque);
}

static inline QEMUTimer *aio_timer_new(AioContext *ctx, QEMUClockType type, int scale,
                                       QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(&ctx->tlg, type, scale, 0, cb, opaque);
}

/** aio_timer_init_with_attrs, aio_timer_init: likewise for an embedded timer; timer_deinit(). */
static inline void aio_timer_init_with_attrs(AioContext *ctx, QEMUTimer *ts, QEMUClockType type,
                                             int scale, int attributes, QEMUTimerCB *cb,
                                             void *opaque)
{
    timer_init_full(ts, &ctx->tlg, type, scale, attributes, cb, opaque);
}

static inline void aio_timer_init(AioContext *ctx, QEMUTimer *ts, QEMUClockType type, int scale,
                                  QEMUTimerCB *cb, void *opaque)
{
    timer_init_full(ts, &ctx->tlg, type, scale, 0, cb, opaque);
}

/* Parameters.  Any thread, at any time. */

/**
 * aio_context_set_poll_params: poll busily for at most @max_ns before sleeping (0: never), grow
 * the time by the factor @grow (0: 2) and shrink it by the divisor @shrink (0: to nothing) as
 * events come soon or late.  False and @errp set when a number is negative.
 */
void aio_context_set_poll_params(AioContext *ctx, int64_t max_ns, int64_t grow, int64_t shrink,
                                 Error **errp);

/**
 * aio_context_set_poll_ceiling: where polling is on at all, it may last for @ns though poll-max-ns
 * is less, as long as it finds something: what a wake-up costs on this host, and those who answer
 * us need one.  0: no longer than poll-max-ns.
 */
void aio_context_set_poll_ceiling(AioContext *ctx, int64_t ns);

/** aio_context_set_poll_weight: how slowly the measured interval follows; 0: the default, 3. */
void aio_context_set_poll_weight(AioContext *ctx, int64_t weight, Error **errp);

/** aio_context_set_aio_params: requests in one submission at most; 0: the engine's default. */
void aio_context_set_aio_params(AioContext *ctx, int64_t max_batch);

/** aio_context_set_thread_pool_params: 0 <= @min <= @max threads, @max at least 1. */
void aio_context_set_thread_pool_params(AioContext *ctx, int64_t min, int64_t max, Error **errp);

/** aio_get_thread_pool: @ctx's pool, made if need be.  Home thread. */
ThreadPoolAio *aio_get_thread_pool(AioContext *ctx);

/* Between async.c and aio-posix.c */

void aio_context_setup(AioContext *ctx);
void aio_context_destroy(AioContext *ctx);

#endif
