/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ways of waiting (fdmon-*.c) and the iteration (aio-posix.c) know of each other.
 *
 * Theory of operation
 *
 * aio_set_fd_handler() makes a node for each descriptor and tells the monitor through update().
 * wait() sleeps and puts what is ready on the context's lists; aio-posix.c dispatches.  A removed
 * node is marked, and freed by the home thread between iterations once nothing refers to it: the
 * monitor says so by fdmon_queued and fdmon_busy.
 */
#ifndef AIO_POSIX_H
#define AIO_POSIX_H

#include "block/aio.h"
#include <poll.h>

struct AioHandler {
    /* Constant after creation. */
    int fd;
    IOHandler *io_read;
    IOHandler *io_write;
    AioPollFn *io_poll;
    IOHandler *io_poll_ready;
    void *opaque;
    unsigned events; /* POLL*: what to wait for */

    /* Under the context's list_lock. */
    IOHandler *io_poll_begin; /* atomic reads by the home thread */
    IOHandler *io_poll_end;
    QLIST_ENTRY(AioHandler) node;
    QLIST_ENTRY(AioHandler) node_polled; /* if it has io_poll */
    QSIMPLEQ_ENTRY(AioHandler) node_deleted;

    /* Atomic. */
    bool deleted;

    /* Home thread. */
    QTAILQ_ENTRY(AioHandler) node_ready;
    unsigned revents; /* on the ready list: POLL*, what is ready */
    bool ready;       /* on the ready list */
    bool poll_ready;  /* on the ready list because io_poll said so */
    bool begun;       /* io_poll_begin has run, io_poll_end has not */
    unsigned running; /* nested calls of its own callbacks */

    /* io_uring's own. */
    QSIMPLEQ_ENTRY(AioHandler) fdmon_change; /* list_lock */
    bool fdmon_queued;                       /* on the list of changes; list_lock */
    QSIMPLEQ_ENTRY(AioHandler) fdmon_rearm;  /* home thread */
    bool fdmon_busy; /* a request is in flight or to be made again; home thread */
};

struct FDMonOps {
    const char *name;

    /** init: 0, or -errno if the host lacks this way of waiting. */
    int (*init)(AioContext *ctx);
    void (*destroy)(AioContext *ctx);

    /**
     * update: @old_node is replaced by @new_node; NULL: added or removed.  Any thread, with
     * list_lock held.
     */
    void (*update)(AioContext *ctx, AioHandler *old_node, AioHandler *new_node);

    /**
     * wait: sleep until a descriptor is ready, for @timeout ns at most (-1: without end, 0: not at
     * all), and call fdmon_add_ready() for each.  Home thread.  0, or -errno.
     */
    int (*wait)(AioContext *ctx, int64_t timeout);

    /** need_wait: is there something that only wait() brings to the kernel? */
    bool (*need_wait)(AioContext *ctx);

    /** poll_ready: would wait() find something?  Without a system call; NULL: cannot tell. */
    bool (*poll_ready)(AioContext *ctx);

    /**
     * gsource_prepare, _check, _dispatch: in a GMainContext.  Make the GSource wait for what
     * wait() waits for; has something become ready?; put it on the context's lists.  Home thread.
     */
    void (*gsource_prepare)(AioContext *ctx);
    bool (*gsource_check)(AioContext *ctx);
    void (*gsource_dispatch)(AioContext *ctx);

#ifdef CONFIG_LINUX_IO_URING
    /** add_sqe: as aio_add_sqe(); NULL if this monitor has no ring. */
    void (*add_sqe)(AioContext *ctx, void (*prep_sqe)(struct io_uring_sqe *sqe, void *opaque),
                    void *opaque, CqeHandler *cqe_handler);
#endif
};

extern const FDMonOps fdmon_poll_ops;
extern const FDMonOps fdmon_epoll_ops;
#ifdef CONFIG_LINUX_IO_URING
extern const FDMonOps fdmon_io_uring_ops;
#endif

/** fdmon_add_ready: @node has @revents (POLL*); dispatch it in this iteration.  Home thread. */
void fdmon_add_ready(AioContext *ctx, AioHandler *node, unsigned revents);

/**
 * aio_context_set_fdmon: use @ops instead; handlers stay.  No request may be in flight.  Home
 * thread; for tests.  0, or -errno and nothing has changed.
 */
int aio_context_set_fdmon(AioContext *ctx, const FDMonOps *ops);

#ifdef CONFIG_LINUX_IO_URING
/** fdmon_io_uring_enters: statistics: how often @ctx has called io_uring_enter(). */
uint64_t fdmon_io_uring_enters(AioContext *ctx);

/**
 * fdmon_io_uring_raise_flag: say in the ring of @ctx that completions are to be fetched, as the
 * kernel does; there are none. For tests. Home thread.
 */
void fdmon_io_uring_raise_flag(AioContext *ctx);

/**
 * fdmon_io_uring_restrict: let rings do from now on only what event loops and files need, and make
 * some for @contexts contexts that come when the process may make none any more; those beyond wait
 * by epoll.  Before the first context.  0, or -errno: there may be fewer.
 */
int fdmon_io_uring_restrict(unsigned contexts);
#endif

/* aio-posix.c */

/** aio_free_deleted: free removed handlers that nothing refers to.  Home, outside iterations. */
void aio_free_deleted(AioContext *ctx);

/**
 * aio_poll_sleepless: dispatch what there is; if nothing, poll busily for it as long as is
 * worthwhile, for at most @max_timeout ns (-1: no limit).  False: nothing has come, and the caller
 * should sleep.  Home thread; for a loop that sleeps in its own way.
 */
bool aio_poll_sleepless(AioContext *ctx, int64_t max_timeout);

/* aio-bh.c, home thread */

/** aio_bh_timeout: how long bottom halves allow to sleep, in ns; -1: without end. */
int64_t aio_bh_timeout(AioContext *ctx);
/** aio_bh_destroy_all: free deleted bottom halves; none that is scheduled may be left. */
void aio_bh_destroy_all(AioContext *ctx);

/* aio-co.c, home thread */

/** aio_co_dispatch: enter all scheduled coroutines; true if there was one. */
bool aio_co_dispatch(AioContext *ctx);
/** aio_co_pending: is one scheduled? */
bool aio_co_pending(AioContext *ctx);

/* async.c */

/** aio_notify_work: aio_notify() unless the caller is the loop itself, awake.  Any thread. */
void aio_notify_work(AioContext *ctx);

/* async.c, home thread */

/** aio_has_event: after the GSource has been polled: is there something to dispatch? */
bool aio_has_event(AioContext *ctx);

/**
 * aio_sleep_begin: notifications write to the event notifier from now on.  False if one has come
 * before: do not sleep.  aio_sleep_end: they need not any more.
 */
bool aio_sleep_begin(AioContext *ctx);
void aio_sleep_end(AioContext *ctx);

/* aio-poll.c, home thread */

/**
 * aio_poll_busy: poll busily, if that is worthwhile, for at most @timeout ns (-1: as long as
 * wanted).  True if something was found, or a notification seen.
 */
bool aio_poll_busy(AioContext *ctx, int64_t timeout);

/** aio_poll_end: leave the busy phase before sleeping.  True if a handler has work after all. */
bool aio_poll_end(AioContext *ctx);

/** aio_poll_adjust: an event has come; if the loop was waiting for one, learn from how long. */
void aio_poll_adjust(AioContext *ctx);

/** aio_poll_sync: take over changes of the handlers into @ctx->pollers. */
void aio_poll_sync(AioContext *ctx);

#endif
