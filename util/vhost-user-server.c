/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: accept, the client trip, attach and detach, stop.
 *
 * Who runs where: the listener's callback and the re-arm bottom half in the
 * main loop; the trip and vu_server_sync() in the home context; kick handlers
 * in their queues' contexts (vhost-user-server-queue.c). While the server is
 * detached and quiet nobody runs in any of them.
 *
 * Everything that is wanted of the home context (serve, stop, detach, attach,
 * drop a client that broke the device) is: change ctx, life or broken, then
 * have vu_server_sync() run there, which makes the watches and the trip follow.
 * It looks only at the present state, so several of them may run in any order.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "vhost-user-server-private.h"

/* Clients that may wait for their turn. */
#define VU_SERVER_BACKLOG 16
/* How long a client waits before that is worth a word: a reconnecting one is served sooner. */
#define VU_SERVER_WAITING_MS 1000
/* Set in in_flight while the trip waits for the requests to end. */
#define VU_SERVER_WAIT_IDLE (1u << 31)

static const uint8_t vu_server_moves[VU_SERVER__MAX] = {
    [VU_SERVER_STOPPED] = 1 << VU_SERVER_LISTENING,
    [VU_SERVER_LISTENING] = 1 << VU_SERVER_SERVING | 1 << VU_SERVER_STOPPING,
    [VU_SERVER_SERVING] = 1 << VU_SERVER_CLOSING | 1 << VU_SERVER_STOPPING,
    [VU_SERVER_CLOSING] = 1 << VU_SERVER_LISTENING | 1 << VU_SERVER_STOPPING,
    [VU_SERVER_STOPPING] = 1 << VU_SERVER_STOPPED,
};

/* Returns false when another thread has moved the server on meanwhile. */
static bool vu_server_move(VuServer *server, VuServerLife from, VuServerLife to)
{
    assert(vu_server_moves[from] & 1 << to);
    return qatomic_cmpxchg(&server->life, from, to) == from;
}

bool vu_server_serving(VuServer *server)
{
    return qatomic_read(&server->life) == VU_SERVER_SERVING;
}

/* Waiting and waking */

/*
 * Each wake that was taken is consumed here, so that none is left to re-enter a
 * trip that has moved on.
 */
void coroutine_fn vu_trip_wait(VuServer *server, vu_ready_cb done, void *opaque)
{
    while (!done(&server->vu_dev, opaque)) {
        qatomic_set_mb(&server->wake_wanted, true);
        if (done(&server->vu_dev, opaque) && qatomic_xchg(&server->wake_wanted, false)) {
            return;
        }
        vu_work_pause(server);
        qemu_coroutine_yield();
        vu_work_resume(server);
    }
}

void vu_trip_wake(VuServer *server)
{
    if (qatomic_xchg(&server->wake_wanted, false)) {
        /* Never at once: the caller may be in the middle of a push. */
        aio_co_schedule(server->trip_ctx, server->co_trip);
    }
}

void vhost_user_server_inc_in_flight(VuServer *server)
{
    unsigned old = qatomic_fetch_inc(&server->in_flight);

    assert(!(old & VU_SERVER_WAIT_IDLE));
}

void vhost_user_server_dec_in_flight(VuServer *server)
{
    unsigned old = qatomic_fetch_dec(&server->in_flight);

    assert(old & ~VU_SERVER_WAIT_IDLE);
    if (old == (VU_SERVER_WAIT_IDLE | 1)) {
        /* The trip goes on only by this call, so the server is still there. */
        aio_co_wake(server->co_trip);
    }
    if ((old & ~VU_SERVER_WAIT_IDLE) == 1) {
        aio_wait_kick();
    }
}

bool vhost_user_server_has_in_flight(VuServer *server)
{
    /* One may turn into the other between two looks; but not back again while the server is quiet.
     */
    return qatomic_load_acquire(&server->pending_sync) ||
           qatomic_load_acquire(&server->in_flight) & ~VU_SERVER_WAIT_IDLE ||
           qatomic_load_acquire(&server->pending_sync);
}

static void coroutine_fn vu_trip_wait_idle(VuServer *server)
{
    if (qatomic_fetch_or(&server->in_flight, VU_SERVER_WAIT_IDLE)) {
        vu_work_pause(server);
        qemu_coroutine_yield();
        vu_work_resume(server);
    }
    assert(qatomic_read(&server->in_flight) == VU_SERVER_WAIT_IDLE);
    qatomic_set(&server->in_flight, 0);
}

/* What the library asks for */

static bool coroutine_fn vu_lib_wait(VuDev *vu_dev, vu_ready_cb ready, void *opaque)
{
    vu_trip_wait(container_of(vu_dev, VuServer, vu_dev), ready, opaque);
    return true;
}

static void vu_lib_wake(VuDev *vu_dev)
{
    vu_trip_wake(container_of(vu_dev, VuServer, vu_dev));
}

static const VuIoOps vu_server_io_ops = {
    .write_msg = vu_server_write_msg,
    .wait = vu_lib_wait,
    .wake = vu_lib_wake,
    .run_on_queue = vu_server_run_on_queue,
    .look = vu_server_look,
    .kick_later = vu_server_kick_later,
    .pause = vu_server_pause,
    .watch_channel = vu_server_watch_channel,
    .wait_answer = vu_server_wait_answer,
};

/* libvhost-user's vu_trace_cb. */
static void vu_server_trace(VuDev *vu_dev, const VuTraceEvent *event)
{
    trace_vu_server_event(container_of(vu_dev, VuServer, vu_dev), event->kind, event->queue,
                          event->text ?: "", event->value);
}

/* The trip */

/* Home context, or main loop when there is no trip. Nothing is in flight. */
static void vu_server_disconnect(VuServer *server)
{
    trace_vu_server_disconnect(server, server->vu_dev.broken);
    server->vu_dev.sock = -1; /* the channel closes it */
    vu_deinit(&server->vu_dev);
    vu_server_watches_forget(server);
    vu_server_drop_transfers(server);
    object_unref(OBJECT(server->sioc));
    server->sioc = NULL;
    server->ioc = NULL;
}

/* The last act of a trip: from here on another thread may free the server. */
static void coroutine_fn vu_trip_end(VuServer *server, bool closed)
{
    qatomic_inc(&server->pending_sync);
    qatomic_set_mb(&server->co_trip, NULL);
    if (closed && qatomic_read(&server->life) == VU_SERVER_CLOSING) {
        qemu_bh_schedule(server->client_gone_bh);
    }
    qatomic_dec(&server->pending_sync);
    aio_wait_kick();
}

static bool vu_trip_may_unpark(VuDev *vu_dev, void *opaque)
{
    VuServer *server = opaque;

    return qatomic_read(&server->ctx) || qatomic_read(&server->quiescing) ||
           !vu_server_serving(server);
}

/*
 * A client that sends without a pause must not keep the event loop: others are
 * served between two of its messages.
 */
static void coroutine_fn vu_trip_let_others_run(VuServer *server)
{
    aio_co_schedule(server->trip_ctx, server->co_trip);
    qemu_coroutine_yield();
}

/* One message, after what is left of the last answer. False: the client is done with. */
static bool coroutine_fn vu_trip_message(VuServer *server)
{
    if (!vu_server_flush(server)) {
        return false;
    }
    if (server->tx.total) {
        return true;
    }
    vu_act_on_answers(&server->vu_dev);
    server->rx_paused = false;
    server->rx_waited = false;
    return vu_dispatch(&server->vu_dev) || server->rx_paused;
}

static bool coroutine_fn vu_trip_step(VuServer *server)
{
    bool go_on;

    if (!vu_work_afford(server)) {
        vu_act_on_answers(&server->vu_dev);
        return true;
    }
    vu_work_begin(server);
    go_on = vu_trip_message(server);
    vu_work_end(server);
    if (go_on && !server->rx_waited) {
        vu_trip_let_others_run(server);
    }
    return go_on;
}

/* Kicks may have come while nobody watched. */
static void coroutine_fn vu_trip_look_at_queues(VuServer *server)
{
    for (int i = 0; i < server->max_queues; i++) {
        VuVirtq *vq = vu_get_queue(&server->vu_dev, i);

        if (vu_queue_started(&server->vu_dev, vq)) {
            vu_server_look(&server->vu_dev, vq);
        }
    }
}

static void coroutine_fn vu_trip_let_go(VuServer *server)
{
    vu_work_begin(server);
    vu_server_watches_stop(server);
    vu_server_channel_sync(server);
    vu_trip_wait_idle(server);
    vu_server_disconnect(server);
    vu_work_end(server);
}

static void coroutine_fn vu_client_trip(void *opaque)
{
    VuServer *server = opaque;

    vu_trip_look_at_queues(server);
    while (vu_server_serving(server) && !qatomic_read(&server->vu_dev.broken)) {
        if (qatomic_read(&server->quiescing)) {
            vu_trip_end(server, false);
            return;
        }
        if (!qatomic_read(&server->ctx)) {
            vu_trip_wait(server, vu_trip_may_unpark, server);
            vu_trip_look_at_queues(server);
        } else if (!vu_trip_step(server)) {
            break;
        }
    }
    vu_server_move(server, VU_SERVER_SERVING, VU_SERVER_CLOSING);
    vu_trip_let_go(server);
    vu_trip_end(server, true);
}

/*
 * Make the watches and the trip follow ctx and life. Home context; or main
 * loop, when nobody runs in the home context.
 */
static void vu_server_sync(VuServer *server)
{
    AioContext *ctx = qatomic_read(&server->ctx);
    VuServerLife life = qatomic_load_acquire(&server->life);

    if ((life != VU_SERVER_SERVING && life != VU_SERVER_STOPPING) || !server->sioc) {
        return;
    }
    trace_vu_server_context(server, ctx, server->co_trip);
    if (life == VU_SERVER_STOPPING || qatomic_read(&server->vu_dev.broken)) {
        qio_channel_shutdown(server->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    if (life == VU_SERVER_SERVING) {
        if (ctx && ctx != server->trip_ctx) {
            qatomic_set(&server->trip_ctx, ctx);
        }
        vu_server_watches_set(server, ctx);
        vu_server_channel_sync(server);
        if (ctx) {
            vu_server_look_missed(server);
        }
    }
    if (server->co_trip) {
        if (!ctx || life == VU_SERVER_STOPPING) {
            qio_channel_wake_read(server->ioc);
        }
        vu_trip_wake(server);
    } else if (ctx && life == VU_SERVER_SERVING) {
        qatomic_store_release(&server->co_trip, qemu_coroutine_create(vu_client_trip, server));
        aio_co_schedule(ctx, server->co_trip);
    }
    if (life == VU_SERVER_STOPPING) {
        vu_server_wake_waits(server);
    }
}

void vu_server_sync_done(VuServer *server)
{
    qatomic_dec(&server->pending_sync);
    aio_wait_kick();
}

static void vu_server_sync_bh(void *opaque)
{
    VuServer *server = opaque;

    vu_server_sync(server);
    vu_server_sync_done(server);
}

void vu_server_request_sync(VuServer *server, AioContext *home)
{
    if (home && !in_aio_context_home_thread(home)) {
        qatomic_inc(&server->pending_sync);
        aio_bh_schedule_oneshot(home, vu_server_sync_bh, server);
    } else {
        vu_server_sync(server);
    }
}

/* Where a trip, a kick handler or a sync may be running; NULL: nowhere. */
static AioContext *vu_server_home(VuServer *server)
{
    AioContext *ctx = qatomic_read(&server->ctx);

    if (!ctx &&
        (vhost_user_server_has_trip(server) || qatomic_load_acquire(&server->pending_sync))) {
        return qatomic_read(&server->trip_ctx);
    }
    return ctx;
}

void vhost_user_server_attach_aio_context(VuServer *server, AioContext *ctx)
{
    assert(!vhost_user_server_has_trip(server) ||
           (qatomic_read(&server->trip_ctx) == ctx && !qatomic_read(&server->quiescing)));
    qatomic_set_mb(&server->ctx, ctx);
    if (vu_server_serving(server)) {
        vu_server_request_sync(server, ctx);
    }
}

void vhost_user_server_detach_aio_context(VuServer *server)
{
    AioContext *ctx = qatomic_xchg(&server->ctx, NULL);

    if (ctx && vu_server_serving(server)) {
        vu_server_request_sync(server, ctx);
    }
}

/* Clients come (main loop) */

static void vu_server_listen(VuServer *server, QIONetListenerClientFunc accept)
{
    if (server->listener) {
        qio_net_listener_set_client_func(server->listener, accept, server, NULL);
    }
}

static pid_t vu_client_pid(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

char *vhost_user_server_describe_client(VuServer *server)
{
    if (qatomic_read(&server->life) != VU_SERVER_SERVING) {
        return NULL;
    }
    return server->client_pid ? g_strdup_printf("process %d", (int)server->client_pid)
                              : g_strdup("a process that cannot be told");
}

static bool vu_client_begin(VuServer *server, QIOChannelSocket *sioc, Error **errp)
{
    VuDev *vu_dev = &server->vu_dev;

    if (!qio_channel_set_blocking(QIO_CHANNEL(sioc), false, errp)) {
        return false;
    }
    if (!vu_init(vu_dev, server->max_queues, sioc->fd, vu_server_panic, vu_server_read_msg,
                 vu_server_set_watch, vu_server_remove_watch, server->vu_iface)) {
        error_setg(errp, "No memory for the client's queues");
        return false;
    }
    vu_set_io_ops(vu_dev, &vu_server_io_ops);
    vu_set_log_cb(vu_dev, vu_server_log);
    vu_set_trace_cb(vu_dev, vu_server_trace);
    if (server->max_queue_size) {
        vu_set_max_queue_size(vu_dev, server->max_queue_size);
    }
    if (server->max_in_flight) {
        vu_set_max_in_flight(vu_dev, server->max_in_flight);
    }
    vu_server_listen(server, NULL);

    server->sioc = sioc;
    object_ref(OBJECT(sioc));
    server->ioc = QIO_CHANNEL(sioc);
    qio_channel_set_name(server->ioc, "vhost-user client");
    qio_channel_set_follow_coroutine_ctx(server->ioc, true);
    server->log_lines = 0;
    server->clients++;
    server->client_pid = vu_client_pid(sioc->fd);
    server->client_since = g_get_real_time() / 1000;
    trace_vu_server_accept(server, sioc->fd);
    return true;
}

bool vhost_user_server_add_client(VuServer *server, QIOChannelSocket *sioc, Error **errp)
{
    bool begun;

    if (qatomic_read(&server->life) != VU_SERVER_LISTENING) {
        error_setg(errp, "A client is being served already");
        return false;
    }
    vu_work_begin(server);
    vu_work_is_for_connection(server);
    begun = vu_client_begin(server, sioc, errp);
    vu_work_end(server);
    if (!begun) {
        return false;
    }
    vu_server_move(server, VU_SERVER_LISTENING, VU_SERVER_SERVING);
    if (server->client_came) {
        server->client_came(server);
    }
    vu_server_request_sync(server, qatomic_read(&server->ctx));
    return true;
}

static void vu_accept(QIONetListener *listener, QIOChannelSocket *sioc, gpointer opaque)
{
    VuServer *server = opaque;
    Error *local_err = NULL;

    if (!vhost_user_server_add_client(server, sioc, &local_err)) {
        error_reportf_err(local_err, "%s: cannot serve the client: ", server->name);
    }
}

#ifdef CONFIG_DEVICE_BACKENDS
/* The first of the backlog; once for each client that has to wait. */
static void vu_client_waits(QIONetListener *listener, gpointer opaque)
{
    VuServer *server = opaque;
    g_autofree char *current = vhost_user_server_describe_client(server);

    qatomic_set(&server->clients_waited, server->clients_waited + 1);
    if (!vu_server_may_log(server)) {
        return;
    }
    info_report("%s: another client waits until %s has disconnected", server->name,
                current ?: "the last one");
}
#endif

static void vu_client_gone_bh(void *opaque)
{
    VuServer *server = opaque;

    if (vu_server_move(server, VU_SERVER_CLOSING, VU_SERVER_LISTENING)) {
        vu_server_listen(server, vu_accept);
        if (server->client_gone) {
            server->client_gone(server);
        }
    }
}

static char *vu_server_name(SocketAddress *addr)
{
    if (!addr) {
        return g_strdup("vhost-user server");
    }
    return addr->type == SOCKET_ADDRESS_TYPE_UNIX
               ? g_strdup_printf("vhost-user server on '%s'", addr->u.q_unix.path)
               : g_strdup_printf("vhost-user server on descriptor %s", addr->u.fd.str);
}

static QIONetListener *vu_server_open(SocketAddress *addr, Error **errp)
{
    QIONetListener *listener;

    if (addr->type != SOCKET_ADDRESS_TYPE_UNIX && addr->type != SOCKET_ADDRESS_TYPE_FD) {
        error_setg(errp, "Only socket address types 'unix' and 'fd' are supported");
        return NULL;
    }
    listener = qio_net_listener_new();
    if (qio_net_listener_open_sync(listener, addr, VU_SERVER_BACKLOG, errp) < 0) {
        object_unref(OBJECT(listener));
        return NULL;
    }
    qio_net_listener_set_name(listener, "vhost-user-backend-listener");
    return listener;
}

bool vhost_user_server_start(VuServer *server, SocketAddress *unix_socket, AioContext *ctx,
                             uint16_t max_queues, const VuDevIface *vu_iface, Error **errp)
{
    QIONetListener *listener = NULL;

    if (unix_socket) {
        listener = vu_server_open(unix_socket, errp);
        if (!listener) {
            return false;
        }
    }
    *server = (VuServer){
        .listener = listener,
        .client_gone_bh = qemu_bh_new(vu_client_gone_bh, server),
        .vu_iface = vu_iface,
        .max_queues = max_queues,
        .name = vu_server_name(unix_socket),
        .ctx = ctx,
        .life = VU_SERVER_LISTENING,
        .channel_fd = -1,
        .channel_installed = -1,
    };
    vu_server_queues_init(server);
#ifdef CONFIG_DEVICE_BACKENDS
    if (listener) {
        qio_net_listener_set_waiting_func(listener, vu_client_waits, server, VU_SERVER_WAITING_MS);
    }
#endif
    vu_server_listen(server, vu_accept);
    return true;
}

/* True while something of the server runs, or will run, outside this function. */
static bool vu_server_busy(VuServer *server)
{
    return vhost_user_server_has_trip(server) || vhost_user_server_has_in_flight(server);
}

/* No client is served any more, and none can come; requests may be running. */
static void vu_server_stop_begin(VuServer *server)
{
    VuServerLife life = qatomic_read(&server->life);
    AioContext *home = vu_server_home(server);

    while (!vu_server_move(server, life, VU_SERVER_STOPPING)) {
        life = qatomic_read(&server->life);
    }
    vu_server_listen(server, NULL);
    if (server->listener) {
        qio_net_listener_disconnect(server->listener);
        object_unref(OBJECT(server->listener));
        server->listener = NULL;
    }
    vu_server_request_sync(server, home);
}

void vhost_user_server_stop(VuServer *server)
{
    VuServerLife life = qatomic_read(&server->life);

    if (life == VU_SERVER_STOPPED) {
        return;
    }
    if (life != VU_SERVER_STOPPING) {
        vu_server_stop_begin(server);
    }
    AIO_WAIT_WHILE(NULL, vu_server_busy(server));

    qemu_bh_delete(server->client_gone_bh);
    server->client_gone_bh = NULL;
    if (server->sioc) {
        vu_server_disconnect(server);
    }
    g_free(server->name);
    server->name = NULL;
    vu_server_queues_done(server);
    vu_server_move(server, VU_SERVER_STOPPING, VU_SERVER_STOPPED);
}

#ifdef CONFIG_DEVICE_BACKENDS
static void vu_stop_expired(void *opaque)
{
    *(bool *)opaque = true;
}

bool vhost_user_server_try_stop(VuServer *server, int64_t timeout_ms)
{
    bool expired = false;
    QEMUTimer *timer = aio_timer_new(qemu_get_aio_context(), QEMU_CLOCK_REALTIME, SCALE_MS,
                                     vu_stop_expired, &expired);

    if (qatomic_read(&server->life) != VU_SERVER_STOPPING) {
        vu_server_stop_begin(server);
    }
    timer_mod(timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + timeout_ms);
    AIO_WAIT_WHILE(NULL, vu_server_busy(server) && !expired);
    timer_free(timer);
    if (vu_server_busy(server)) {
        return false;
    }
    vhost_user_server_stop(server);
    return true;
}
#endif
