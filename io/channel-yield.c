/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QIOChannel: waiting, by a coroutine, a callback or a thread.
 *
 * Theory of operation
 * -------------------
 * A coroutine that waits fills in the waiter of its direction and has the channel
 * watched, both under waiters_lock. Whoever takes the coroutine out of the waiter
 * (the watch's handler or qio_channel_wake_read()) must enter it, so exactly one
 * does. The coroutine takes the watch off when it runs again, for whatever reason.
 *
 * The watching thread may be another one than the coroutine's: the watch is in the
 * main loop, or the coroutine was moved to another context while parked. Then the
 * handler may have begun when the watch is taken off, so the watch's reference to the
 * channel is given back by a bottom half behind the handler, in its thread.
 *
 * One descriptor has one handler for both directions in one context. Both directions
 * are therefore always set together where they share a context, and a handler that
 * finds nobody is legal.
 */
#include "qemu/osdep.h"
#include "io/channel.h"
#include "qemu/coroutine.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"

#include <poll.h>

#include "trace.h"

/* The coroutine that was parked, now the caller's to enter; NULL if none. */
static Coroutine *take_parked(QIOChannel *ioc, QIOChannelWaiter *waiter)
{
    QEMU_LOCK_GUARD(&ioc->waiters_lock);

    return g_steal_pointer(&waiter->co);
}

/* After aio_co_wake() the channel may be gone. */
static void restart(QIOChannel *ioc, QIOChannelWaiter *waiter)
{
    Coroutine *co = take_parked(ioc, waiter);

    if (co) {
        aio_co_wake(co);
    }
}

static void restart_read(void *opaque)
{
    QIOChannel *ioc = opaque;

    restart(ioc, &ioc->reader);
}

static void restart_write(void *opaque)
{
    QIOChannel *ioc = opaque;

    restart(ioc, &ioc->writer);
}

/* Make the watches in @ctx what the waiters say. Called with waiters_lock held. */
static void update_watches(QIOChannel *ioc, AioContext *ctx)
{
    qio_channel_set_aio_fd_handler(ioc, ctx, ioc->reader.ctx == ctx ? restart_read : NULL, ctx,
                                   ioc->writer.ctx == ctx ? restart_write : NULL, ioc);
}

static AioContext *watching_ctx(QIOChannel *ioc, Coroutine *co)
{
    return ioc->follow_coroutine_ctx ? qemu_coroutine_get_aio_context(co)
                                     : iohandler_get_aio_context();
}

/* Whether @ctx's handlers run in the calling thread. */
static bool is_home(AioContext *ctx)
{
    return ctx == iohandler_get_aio_context() ? qemu_in_main_thread()
                                              : ctx == qemu_get_current_aio_context();
}

/* False: a wake-up has come already. */
static bool park(QIOChannel *ioc, QIOChannelWaiter *waiter, Coroutine *co)
{
    QEMU_LOCK_GUARD(&ioc->waiters_lock);

    if (waiter->wake_missed) {
        waiter->wake_missed = false;
        return false;
    }
    assert(!waiter->co && !waiter->ctx);
    waiter->co = co;
    waiter->ctx = watching_ctx(ioc, co);
    object_ref(OBJECT(ioc));
    update_watches(ioc, waiter->ctx);
    return true;
}

static void unref_bh(void *opaque)
{
    object_unref(OBJECT(opaque));
}

/* May free the channel. */
static void unpark(QIOChannel *ioc, QIOChannelWaiter *waiter)
{
    AioContext *ctx;

    WITH_QEMU_LOCK_GUARD (&ioc->waiters_lock) {
        ctx = waiter->ctx;
        waiter->co = NULL;
        waiter->ctx = NULL;
        update_watches(ioc, ctx);
    }
    if (is_home(ctx)) {
        object_unref(OBJECT(ioc));
    } else {
        aio_bh_schedule_oneshot(ctx, unref_bh, ioc);
    }
}

void coroutine_fn qio_channel_yield(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelWaiter *waiter = condition == G_IO_IN ? &ioc->reader : &ioc->writer;

    assert(qemu_in_coroutine());
    assert(condition == G_IO_IN || condition == G_IO_OUT);

    /* A channel that cannot be watched is always ready. */
    if (!QIO_CHANNEL_GET_CLASS(ioc)->io_set_aio_fd_handler) {
        return;
    }
    if (park(ioc, waiter, qemu_coroutine_self())) {
        qemu_coroutine_yield();
        unpark(ioc, waiter);
    }
}

void qio_channel_wake_read(QIOChannel *ioc)
{
    Coroutine *co;

    WITH_QEMU_LOCK_GUARD (&ioc->waiters_lock) {
        co = g_steal_pointer(&ioc->reader.co);
        if (!co && !ioc->reader.ctx) {
            ioc->reader.wake_missed = true;
        }
    }
    trace_qio_channel_wake_read(ioc, co);
    if (co) {
        aio_co_wake(co);
    }
}

void qio_channel_set_aio_fd_handler(QIOChannel *ioc, AioContext *read_ctx, IOHandler *io_read,
                                    AioContext *write_ctx, IOHandler *io_write, void *opaque)
{
    QIO_CHANNEL_GET_CLASS(ioc)->io_set_aio_fd_handler(ioc, read_ctx, io_read, write_ctx, io_write,
                                                      opaque);
}

GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    GSource *source = QIO_CHANNEL_GET_CLASS(ioc)->io_create_watch(ioc, condition);

    if (ioc->name) {
        g_source_set_name(source, ioc->name);
    }
    return source;
}

GSource *qio_channel_add_watch_source(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                                      gpointer user_data, GDestroyNotify notify,
                                      GMainContext *context)
{
    GSource *source = qio_channel_create_watch(ioc, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(func), user_data, notify);
    g_source_attach(source, context);
    return source;
}

guint qio_channel_add_watch_full(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                                 gpointer user_data, GDestroyNotify notify, GMainContext *context)
{
    g_autoptr(GSource) source =
        qio_channel_add_watch_source(ioc, condition, func, user_data, notify, context);

    return g_source_get_id(source);
}

guint qio_channel_add_watch(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                            gpointer user_data, GDestroyNotify notify)
{
    return qio_channel_add_watch_full(ioc, condition, func, user_data, notify, NULL);
}

void qio_channel_wait(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelClass *klass = QIO_CHANNEL_GET_CLASS(ioc);

    /* A channel that has no descriptor is always ready. */
    if (klass->io_poll_fd) {
        struct pollfd pfd = {
            .fd = klass->io_poll_fd(ioc, condition),
            .events = (condition & G_IO_IN ? POLLIN : 0) | (condition & G_IO_OUT ? POLLOUT : 0),
        };

        /* The next transfer of a closed channel fails; there is nothing to wait for. */
        if (pfd.fd >= 0) {
            RETRY_ON_EINTR(poll(&pfd, 1, -1));
        }
    }
}
