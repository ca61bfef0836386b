/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main thread's loop, on top of GLib's default main context.
 *
 * Theory of operation
 *
 * main_loop_wait() does what g_main_context_iteration() does, but sleeps with the precision of
 * the timers, in nanoseconds, where GLib's own iteration rounds up to milliseconds.
 *
 * An AioContext under load need not take the way through GLib each time: what it has to do, and
 * what comes while it polls busily, is done at once, for half a millisecond; then all sources have
 * a turn.  Polling adapts as in an IOThread (aio-poll.c): only a loop whose events have lately
 * come sooner than a sleep and a wake-up take does poll.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "util/aio-posix.h"

static AioContext *qemu_aio_context;
static AioContext *iohandler_ctx;
static GArray *gpollfds; /* GPollFD; main thread */

/* Main thread. */
static int64_t alone_since; /* get_clock(): the AioContext runs, all others wait; 0: they do not */

#define ALONE_MAX_NS 500000
/* As in an IOThread. */
#define POLL_MAX_NS 32768

AioContext *qemu_get_aio_context(void)
{
    return qatomic_load_acquire(&qemu_aio_context);
}

AioContext *iohandler_get_aio_context(void)
{
    return iohandler_ctx;
}

GSource *iohandler_get_g_source(void)
{
    return aio_get_g_source(iohandler_ctx);
}

bool qemu_in_main_thread(void)
{
    AioContext *ctx = qemu_get_current_aio_context();

    return ctx && ctx == qemu_get_aio_context();
}

void qemu_notify_event(void)
{
    AioContext *ctx = qemu_get_aio_context();

    if (ctx) {
        aio_notify(ctx);
    }
}

static void main_timerlist_notify(void *opaque, QEMUClockType type)
{
    qemu_notify_event();
}

static void attach(AioContext *ctx, const char *name)
{
    g_autoptr(GSource) source = aio_get_g_source(ctx);

    g_source_set_name(source, name);
    g_source_attach(source, NULL);
}

int qemu_init_main_loop(Error **errp)
{
    AioContext *ctx;

    assert(!qemu_aio_context);
    qemu_init_clocks(main_timerlist_notify);
    ctx = aio_context_new(errp);
    if (!ctx) {
        return -EMFILE;
    }
    iohandler_ctx = aio_context_new(errp);
    if (!iohandler_ctx) {
        aio_context_unref(ctx);
        return -EMFILE;
    }
    aio_context_set_poll_params(ctx, POLL_MAX_NS, 0, 0, &error_abort);
    qatomic_store_release(&qemu_aio_context, ctx);
    qemu_set_current_aio_context(ctx);
    gpollfds = g_array_new(FALSE, FALSE, sizeof(GPollFD));
    attach(ctx, "aio-context");
    attach(iohandler_ctx, "io-handler");
    return 0;
}

static void drop_context(AioContext *ctx)
{
    g_source_destroy(&ctx->source);
    aio_context_unref(ctx);
}

void qemu_cleanup_main_loop(void)
{
    AioContext *ctx = qemu_get_aio_context();

    drop_context(iohandler_ctx);
    iohandler_ctx = NULL;
    qemu_set_current_aio_context(NULL);
    qatomic_store_release(&qemu_aio_context, (AioContext *)NULL);
    drop_context(ctx);
    timerlistgroup_deinit(&main_loop_tlg);
    g_array_free(gpollfds, TRUE);
    gpollfds = NULL;
}

/* Fills gpollfds; returns how long GLib's sources allow to sleep, in ns. */
static int64_t query_sources(GMainContext *context, gint max_priority)
{
    gint timeout_ms, n;

    while ((n = g_main_context_query(context, max_priority, &timeout_ms, (GPollFD *)gpollfds->data,
                                     gpollfds->len)) > gpollfds->len) {
        g_array_set_size(gpollfds, n);
    }
    g_array_set_size(gpollfds, n);
    return timeout_ms < 0 ? -1 : timeout_ms * (int64_t)SCALE_MS;
}

static int64_t timers_deadline(void)
{
    int64_t deadline = timerlistgroup_deadline_ns(&main_loop_tlg);

    deadline = qemu_soonest_timeout(deadline, timerlistgroup_deadline_ns(&qemu_aio_context->tlg));
    return qemu_soonest_timeout(deadline, timerlistgroup_deadline_ns(&iohandler_ctx->tlg));
}

/* Sleeps, unless @timeout is 0, and finds out what is ready. */
static void poll_sources(int64_t timeout)
{
    GPollFD *fds = (GPollFD *)gpollfds->data;

    if (qemu_poll_ns(fds, gpollfds->len, timeout) >= 0) {
        return;
    }
    for (guint i = 0; i < gpollfds->len; i++) {
        fds[i].revents = 0;
    }
}

static void run_all_sources(bool nonblocking)
{
    GMainContext *context = g_main_context_default();
    gint max_priority;
    int64_t timeout;

    g_main_context_acquire(context);
    g_main_context_prepare(context, &max_priority);
    timeout = query_sources(context, max_priority);
    poll_sources(nonblocking ? 0 : qemu_soonest_timeout(timeout, timers_deadline()));
    if (aio_has_event(qemu_aio_context)) {
        aio_poll_adjust(qemu_aio_context);
    }
    if (g_main_context_check(context, max_priority, (GPollFD *)gpollfds->data, gpollfds->len)) {
        g_main_context_dispatch(context);
    }
    g_main_context_release(context);
}

void main_loop_wait(int nonblocking)
{
    int64_t now = get_clock();
    bool others_wait = alone_since && now - alone_since > ALONE_MAX_NS;

    if (nonblocking || others_wait) {
        alone_since = 0;
        run_all_sources(true);
    } else if (aio_poll_sleepless(qemu_aio_context, timers_deadline())) {
        alone_since = alone_since ?: now;
    } else {
        alone_since = 0;
        run_all_sources(false);
    }
    qemu_clock_run_all_timers();
}

QEMUBH *qemu_bh_new_full(QEMUBHFunc *cb, void *opaque, const char *name,
                         MemReentrancyGuard *reentrancy_guard)
{
    return aio_bh_new_full(qemu_get_aio_context(), cb, opaque, name, reentrancy_guard);
}

void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write, void *opaque)
{
    aio_set_fd_handler(iohandler_ctx, fd, fd_read, fd_write, NULL, NULL, opaque);
}

void event_notifier_set_handler(EventNotifier *e, EventNotifierHandler *handler)
{
    aio_set_event_notifier(iohandler_ctx, e, handler, NULL, NULL);
}
