/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: what runs in the queues' contexts.
 *
 * A queue lives in an AioContext of its own, by default the home. Its kick
 * handler, its requests and whatever the library does to it run there and
 * nowhere else, so that a queue needs no lock. Home asks in two ways:
 *
 *   vu_server_run_on_queue()  the trip yields until a bottom half has run there
 *   vu_watch_request_sync()   have the queue's watch follow "watching" some time;
 *                             pending_sync tells when, for drain and stop
 *
 * Both end in vu_watch_sync(), which looks only at the present state: any
 * number of them may be on their way, in any order. A queue changes its context
 * only while the server is quiet, so nothing ever finds it in two places.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "vhost-user-server-private.h"

/* What a queue's descriptor is to be watched with. */
typedef struct VuWatchWish {
    int fd;
    vu_watch_cb cb;
    void *pvt;
} VuWatchWish;

/* Something to be done in a queue's context while the trip waits; lies on its stack. */
typedef struct VuQueueCall {
    VuServer *server;
    VuVirtq *vq;
    vu_queue_fn fn;
    void *opaque;
    bool done; /* atomic */
} VuQueueCall;

static VuServer *vu_server_from_dev(VuDev *vu_dev)
{
    return container_of(vu_dev, VuServer, vu_dev);
}

static AioContext *vu_watch_ctx(const VuFdWatch *watch)
{
    return watch->ctx ?: watch->server->trip_ctx;
}

/* In the queue's context */

/* The connection is to be given up if the handler broke the device. */
static void vu_kick_done(VuFdWatch *watch)
{
    VuServer *server = watch->server;
    AioContext *home;

    /*
     * The connection is home's. The server cannot become quiet before this
     * handler has returned; while it is detached, the next trip finds out.
     */
    home = qatomic_read(&server->vu_dev.broken) ? qatomic_read(&server->ctx) : NULL;
    if (home) {
        vu_server_request_sync(server, home);
    }
}

static VuFdWatch *vu_watch_of(EventNotifier *kick)
{
    return container_of(kick, VuFdWatch, kick);
}

static int vu_watch_index(const VuFdWatch *watch)
{
    return watch - watch->server->watches;
}

static VuVirtq *vu_watch_vq(const VuFdWatch *watch)
{
    return vu_get_queue(&watch->server->vu_dev, vu_watch_index(watch));
}

static void vu_kick_ready(EventNotifier *kick)
{
    VuFdWatch *watch = vu_watch_of(kick);

    watch->cb(&watch->server->vu_dev, VU_WATCH_IN, watch->pvt);
    vu_kick_done(watch);
}

/* While the loop polls busily it looks at the ring itself, and the guest need not kick. */
static bool vu_kick_poll(void *opaque)
{
    VuFdWatch *watch = vu_watch_of(opaque);

    return vu_queue_poll(&watch->server->vu_dev, vu_watch_vq(watch));
}

static void vu_kick_polled(EventNotifier *kick)
{
    VuFdWatch *watch = vu_watch_of(kick);

    vu_queue_kick(&watch->server->vu_dev, vu_watch_index(watch));
    vu_kick_done(watch);
}

static void vu_kick_poll_begin(EventNotifier *kick)
{
    VuFdWatch *watch = vu_watch_of(kick);

    vu_queue_set_notification(&watch->server->vu_dev, vu_watch_vq(watch), false);
}

/* The loop asks vu_kick_poll() once more before it sleeps. */
static void vu_kick_poll_end(EventNotifier *kick)
{
    VuFdWatch *watch = vu_watch_of(kick);

    vu_queue_set_notification(&watch->server->vu_dev, vu_watch_vq(watch), true);
}

static void vu_watch_install(VuFdWatch *watch, AioContext *ctx, int fd)
{
    event_notifier_init_fd(&watch->kick, fd);
    aio_set_event_notifier(ctx, &watch->kick, vu_kick_ready, vu_kick_poll, vu_kick_polled);
    aio_set_event_notifier_poll(ctx, &watch->kick, vu_kick_poll_begin, vu_kick_poll_end);
}

/* Was it paused? */
static bool vu_pause_end(VuFdWatch *watch)
{
    if (!watch->pause) {
        return false;
    }
    timer_free(watch->pause);
    watch->pause = NULL;
    vu_queue_resume(&watch->server->vu_dev, vu_watch_vq(watch));
    return true;
}

static bool vu_queue_may_run(VuServer *server)
{
    return qatomic_read(&server->ctx) && !qatomic_read(&server->quiescing);
}

/*
 * A drain may have begun meanwhile. If its end starts a new trip, that looks at all queues. But the
 * trip may not have noticed the drain at all; then vu_server_look_missed() does what is missed
 * here.
 */
static void vu_queue_look(VuDev *vu_dev, VuVirtq *vq, void *opaque)
{
    VuServer *server = vu_server_from_dev(vu_dev);

    if (!vu_queue_may_run(server)) {
        qatomic_set_mb(&server->look_missed, true);
        if (!vu_queue_may_run(server)) {
            return;
        }
    }
    vu_queue_kick(vu_dev, vq->index);
}

/*
 * While the watches are off the queue is not looked at: the trip that lets go of it has switched
 * them off before and has been in this context since, so there may be no queue any more. If they
 * go on again instead, the one who switches them on sees what is noted here, or is seen.
 */
static bool vu_watches_on_or_noted(VuServer *server)
{
    if (qatomic_load_acquire(&server->watching)) {
        return true;
    }
    qatomic_set_mb(&server->look_missed, true);
    return qatomic_load_acquire(&server->watching);
}

/* Counted in pending_sync. */
static void vu_kick_later_bh(void *opaque)
{
    VuFdWatch *watch = opaque;
    VuServer *server = watch->server;

    watch->later = false;
    if (vu_watches_on_or_noted(server)) {
        vu_queue_look(&server->vu_dev,
                      vu_get_queue(&server->vu_dev, (int)(watch - server->watches)), NULL);
    }
    vu_server_sync_done(server);
}

void vu_server_kick_later(VuDev *vu_dev, VuVirtq *vq)
{
    VuServer *server = vu_server_from_dev(vu_dev);
    VuFdWatch *watch = &server->watches[vq->index];

    if (!watch->later) {
        watch->later = true;
        qatomic_inc(&server->pending_sync);
        aio_bh_schedule_oneshot(vu_watch_ctx(watch), vu_kick_later_bh, watch);
    }
}

void vhost_user_server_kick_queue(VuServer *server, int queue)
{
    VuFdWatch *watch = &server->watches[queue];

    assert(queue >= 0 && queue < server->max_queues);
    if (qatomic_load_acquire(&watch->used) && vu_watches_on_or_noted(server)) {
        vu_queue_look(&server->vu_dev, vu_watch_vq(watch), NULL);
        vu_kick_done(watch);
    }
}

static void vu_watch_sync(VuFdWatch *watch)
{
    AioContext *ctx = vu_watch_ctx(watch);
    bool on = qatomic_read(&watch->server->watching);
    int fd = on ? watch->fd : -1;

    /* Nobody else looks behind what the queue was paused for. */
    if (!on && vu_pause_end(watch) && vu_watches_on_or_noted(watch->server)) {
        vu_server_kick_later(&watch->server->vu_dev, vu_watch_vq(watch));
    }
    if (fd == watch->installed) {
        return;
    }
    trace_vu_server_watch(watch->server, (int)(watch - watch->server->watches), ctx, fd);
    if (watch->installed >= 0) {
        aio_set_event_notifier(ctx, &watch->kick, NULL, NULL, NULL);
    }
    if (fd >= 0) {
        vu_watch_install(watch, ctx, fd);
    }
    watch->installed = fd;
}

static void vu_watch_sync_bh(void *opaque)
{
    VuFdWatch *watch = opaque;

    vu_watch_sync(watch);
    vu_server_sync_done(watch->server);
}

/* The vu_queue_fn of a change; a NULL @opaque changes nothing. */
static void vu_queue_watch(VuDev *vu_dev, VuVirtq *vq, void *opaque)
{
    VuFdWatch *watch = &vu_server_from_dev(vu_dev)->watches[vq->index];
    const VuWatchWish *wish = opaque;

    if (wish) {
        qatomic_set(&watch->fd, wish->fd);
        watch->cb = wish->cb;
        watch->pvt = wish->pvt;
    }
    vu_watch_sync(watch);
}

static void vu_pause_over(void *opaque)
{
    VuFdWatch *watch = opaque;

    vu_pause_end(watch);
    vu_queue_look(&watch->server->vu_dev, vu_watch_vq(watch), NULL);
    vu_kick_done(watch);
}

/* Lasts no longer than the watch is on, nor does the queue itself. */
bool vu_server_pause(VuDev *vu_dev, VuVirtq *vq, uint64_t ns)
{
    VuServer *server = vu_server_from_dev(vu_dev);
    VuFdWatch *watch = &server->watches[vq->index];

    if (!qatomic_read(&watch->used) || !qatomic_load_acquire(&server->watching)) {
        return false;
    }
    if (!watch->pause) {
        watch->pause =
            aio_timer_new(vu_watch_ctx(watch), QEMU_CLOCK_REALTIME, SCALE_NS, vu_pause_over, watch);
    }
    timer_mod(watch->pause, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + ns);
    return true;
}

static void vu_queue_call_bh(void *opaque)
{
    VuQueueCall *call = opaque;
    VuServer *server = call->server;

    call->fn(&server->vu_dev, call->vq, call->opaque);
    qatomic_set_mb(&call->done, true);
    vu_trip_wake(server);
    vu_server_sync_done(server);
}

/* The trip */

static bool vu_queue_called(VuDev *vu_dev, void *opaque)
{
    VuQueueCall *call = opaque;

    return qatomic_load_acquire(&call->done);
}

void coroutine_fn vu_server_run_on_queue(VuDev *vu_dev, VuVirtq *vq, vu_queue_fn fn, void *opaque)
{
    VuServer *server = vu_server_from_dev(vu_dev);
    AioContext *ctx = vu_watch_ctx(&server->watches[vq->index]);
    VuQueueCall call = { server, vq, fn, opaque, false };

    /* From now on it may pop there, whether or not it has a descriptor. */
    qatomic_store_release(&server->watches[vq->index].used, true);
    if (ctx == qemu_get_current_aio_context()) {
        fn(vu_dev, vq, opaque);
        return;
    }
    if (!vhost_user_server_has_trip(server)) {
        /* vhost_user_server_stop() without a trip: all is quiet. */
        assert(!vhost_user_server_has_in_flight(server));
        fn(vu_dev, vq, opaque);
        return;
    }
    qatomic_inc(&server->pending_sync);
    aio_bh_schedule_oneshot(ctx, vu_queue_call_bh, &call);
    vu_trip_wait(server, vu_queue_called, &call);
}

void coroutine_fn vu_server_look(VuDev *vu_dev, VuVirtq *vq)
{
    VuServer *server = vu_server_from_dev(vu_dev);
    bool here = vu_watch_ctx(&server->watches[vq->index]) == qemu_get_current_aio_context();

    /* Requests are no part of the message that brought them, though the trip may run them itself.
     */
    if (here) {
        vu_work_pause(server);
    }
    vu_server_run_on_queue(vu_dev, vq, vu_queue_look, NULL);
    if (here) {
        vu_work_resume(server);
    }
}

void coroutine_fn vu_server_set_watch(VuDev *vu_dev, int fd, int condition, vu_watch_cb cb,
                                      void *pvt)
{
    VuVirtq *vq = vu_get_queue(vu_dev, vu_watch_queue(pvt));
    VuWatchWish wish = { fd, cb, pvt };

    vu_server_run_on_queue(vu_dev, vq, vu_queue_watch, &wish);
}

/* Also in the context of the queue that @fd belongs to. */
void coroutine_fn vu_server_remove_watch(VuDev *vu_dev, int fd)
{
    VuServer *server = vu_server_from_dev(vu_dev);
    VuWatchWish nothing = { .fd = -1 };

    for (int i = 0; i < server->max_queues; i++) {
        if (qatomic_read(&server->watches[i].fd) == fd) {
            vu_server_run_on_queue(vu_dev, vu_get_queue(vu_dev, i), vu_queue_watch, &nothing);
            return;
        }
    }
}

void coroutine_fn vu_server_watches_stop(VuServer *server)
{
    qatomic_set(&server->watching, false);
    for (int i = 0; i < server->max_queues; i++) {
        if (qatomic_read(&server->watches[i].used)) {
            vu_server_run_on_queue(&server->vu_dev, vu_get_queue(&server->vu_dev, i),
                                   vu_queue_watch, NULL);
        }
    }
}

/* Home context */

static void vu_watch_request_sync(VuFdWatch *watch)
{
    AioContext *ctx = vu_watch_ctx(watch);

    if (ctx == qemu_get_current_aio_context()) {
        vu_watch_sync(watch);
    } else {
        qatomic_inc(&watch->server->pending_sync);
        aio_bh_schedule_oneshot(ctx, vu_watch_sync_bh, watch);
    }
}

void vu_server_watches_set(VuServer *server, bool on)
{
    if (server->watching == on) {
        return;
    }
    /* Before look_missed is read. */
    qatomic_set_mb(&server->watching, on);
    for (int i = 0; i < server->max_queues; i++) {
        if (qatomic_read(&server->watches[i].used)) {
            vu_watch_request_sync(&server->watches[i]);
        }
    }
}

void vu_server_look_missed(VuServer *server)
{
    if (!qatomic_read(&server->look_missed) || !qatomic_xchg(&server->look_missed, false)) {
        return;
    }
    for (int i = 0; i < server->max_queues; i++) {
        VuFdWatch *watch = &server->watches[i];

        if (qatomic_read(&watch->used)) {
            qatomic_inc(&server->pending_sync);
            aio_bh_schedule_oneshot(vu_watch_ctx(watch), vu_kick_later_bh, watch);
        }
    }
}

void vu_server_watches_forget(VuServer *server)
{
    for (int i = 0; i < server->max_queues; i++) {
        assert(server->watches[i].fd == -1 && server->watches[i].installed == -1);
        assert(!server->watches[i].pause);
        qatomic_set(&server->watches[i].used, false);
    }
}

/* Main loop */

void vu_server_queues_init(VuServer *server)
{
    server->watches = g_new(VuFdWatch, server->max_queues);
    for (int i = 0; i < server->max_queues; i++) {
        server->watches[i] = (VuFdWatch){ .server = server, .fd = -1, .installed = -1 };
    }
}

void vu_server_queues_done(VuServer *server)
{
    g_free(server->watches);
    server->watches = NULL;
}

void vhost_user_server_set_queue_aio_context(VuServer *server, int queue, AioContext *ctx)
{
    assert(queue >= 0 && queue < server->max_queues);
    assert(!vhost_user_server_has_trip(server) && !vhost_user_server_has_in_flight(server));
    assert(!qatomic_read(&server->ctx) || !vu_server_serving(server));
    server->watches[queue].ctx = ctx;
}
