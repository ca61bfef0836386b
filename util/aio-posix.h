/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ways of waiting (fdmon-*.c) and the iteration (aio-posix.c) know of each other.
 *
 * Theory of operation
 *
 * aio_set_fd_handler() makes a node for each descriptor and tells the monitor through update().
 * wait() sleeps and puts what is ready on the context's lists; aio-posix.c dispatches.  A removed
 * node is marked, and freed by the home thread between iterations once nothing refers to it: the
 * monitor says so by fdmon_busy.
 */
#ifndef AIO_POSIX_H
#define AIO_POSIX_H

#include "block/aio.h"

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

    /* The monitor's own. */
    GPollFD pfd;                           /* poll: in the GSource */
    unsigned fdmon_flags;                  /* io_uring: what is in flight; list_lock */
    QSIMPLEQ_ENTRY(AioHandler) fdmon_next; /* io_uring: list of changes; list_lock */
    bool fdmon_queued;                     /* on that list; list_lock */
    bool fdmon_busy;                       /* the kernel or a list still refers to it; list_lock */
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

    /** need_wait: must wait() be called now even though busy polling might find something? */
    bool (*need_wait)(AioContext *ctx);

    /** poll_ready: has the monitor itself something for wait(), seen without a system call? */
    bool (*poll_ready)(AioContext *ctx);

    /** gsource_prepare, _check, _dispatch: the same three steps inside GLib's.  Home thread. */
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
#endif

#endif
