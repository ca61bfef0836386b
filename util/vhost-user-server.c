/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: accept, the client trip, attach and detach, stop.
 *
 * Who runs where: the listener's callback and the re-arm bottom half in the
 * main loop; the trip, the kick handlers and vu_server_sync() in the home
 * context. While the server is detached and no trip exists nobody runs there.
 *
 * Everything the main loop wants of the home context (serve, stop, detach,
 * attach) is: change ctx or life, then have vu_server_sync() run there, which
 * makes the watches and the trip follow. It looks only at the present state,
 * so several of them may run in any order.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "block/aio-wait.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "trace.h"
#else
#define trace_vu_server_accept(server, fd)
#define trace_vu_server_message(server, name, size, fds)
#define trace_vu_server_context(server, ctx, trip)
#define trace_vu_server_event(server, kind, queue, text, value)
#define trace_vu_server_disconnect(server, broken)
#endif

/* Clients that may wait for their turn. */
#define VU_SERVER_BACKLOG 16
/* How long a client waits before that is worth a word: a reconnecting one is served sooner. */
#define VU_SERVER_WAITING_MS 1000
/* Complaints that one client may cause, besides the one that ends it. */
#define VU_SERVER_LOG_LINES 10
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

static bool vu_server_serving(VuServer *server)
{
    return qatomic_read(&server->life) == VU_SERVER_SERVING;
}

/* Waiting and waking */

/*
 * Yield the trip until @done; whoever may have made it true calls
 * vu_trip_wake() afterwards. Each wake that was taken is consumed here, so that
 * none is left to re-enter a trip that has moved on.
 */
static void coroutine_fn vu_trip_wait(VuServer *server, vu_ready_cb done, void *opaque)
{
    while (!done(&server->vu_dev, opaque)) {
        qatomic_set_mb(&server->wake_wanted, true);
        if (done(&server->vu_dev, opaque) && qatomic_xchg(&server->wake_wanted, false)) {
            return;
        }
        qemu_coroutine_yield();
    }
}

/* Any thread; spurious calls are harmless. */
static void vu_trip_wake(VuServer *server)
{
    if (qatomic_xchg(&server->wake_wanted, false)) {
        aio_co_wake(server->co_trip);
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
    return qatomic_load_acquire(&server->in_flight) & ~VU_SERVER_WAIT_IDLE ||
           qatomic_load_acquire(&server->pending_sync);
}

static void coroutine_fn vu_trip_wait_idle(VuServer *server)
{
    if (qatomic_fetch_or(&server->in_flight, VU_SERVER_WAIT_IDLE)) {
        qemu_coroutine_yield();
    }
    assert(qatomic_read(&server->in_flight) == VU_SERVER_WAIT_IDLE);
    qatomic_set(&server->in_flight, 0);
}

/* Kick watches */

static void vu_kick_ready(void *opaque)
{
    VuFdWatch *watch = opaque;
    VuServer *server = watch->server;

    watch->cb(&server->vu_dev, VU_WATCH_IN, watch->pvt);
    /* The watch may be gone now, the server is not: the trip is alive. */
    if (server->vu_dev.broken && server->ioc) {
        qio_channel_shutdown(server->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
}

static void vu_watch_install(VuFdWatch *watch, AioContext *ctx, bool on)
{
    if (ctx) {
        aio_set_fd_handler(ctx, watch->fd, on ? vu_kick_ready : NULL, NULL, NULL, NULL, watch);
    }
}

static VuFdWatch *vu_watch_find(VuServer *server, int fd)
{
    VuFdWatch *watch;

    QTAILQ_FOREACH (watch, &server->vu_fd_watches, next) {
        if (watch->fd == fd) {
            return watch;
        }
    }
    return NULL;
}

static void vu_set_watch(VuDev *vu_dev, int fd, int condition, vu_watch_cb cb, void *pvt)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuFdWatch *watch = vu_watch_find(server, fd);

    if (!watch) {
        watch = g_new0(VuFdWatch, 1);
        watch->server = server;
        watch->fd = fd;
        QTAILQ_INSERT_TAIL(&server->vu_fd_watches, watch, next);
    }
    watch->cb = cb;
    watch->pvt = pvt;
    vu_watch_install(watch, server->watch_ctx, true);
}

static void vu_remove_watch(VuDev *vu_dev, int fd)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuFdWatch *watch = vu_watch_find(server, fd);

    if (watch) {
        vu_watch_install(watch, server->watch_ctx, false);
        QTAILQ_REMOVE(&server->vu_fd_watches, watch, next);
        g_free(watch);
    }
}

/* A NULL @ctx takes the watches off and keeps their list. */
static void vu_watches_move(VuServer *server, AioContext *ctx)
{
    AioContext *old = server->watch_ctx;
    VuFdWatch *watch;

    server->watch_ctx = ctx;
    QTAILQ_FOREACH (watch, &server->vu_fd_watches, next) {
        vu_watch_install(watch, old, false);
        vu_watch_install(watch, ctx, true);
    }
}

/* Messages in */

static void vu_message_close_fds(VhostUserMsg *msg)
{
    for (int i = 0; i < msg->fd_num; i++) {
        close(msg->fds[i]);
    }
    msg->fd_num = 0;
}

/* Take over descriptors that came with the header; false with a reason logged. */
static bool vu_rx_take_fds(VuServer *server, int *fds, size_t nfds)
{
    VhostUserMsg *msg = &server->rx.msg;
    bool ok = true;

    for (size_t i = 0; i < nfds; i++) {
        Error *local_err = NULL;

        if (msg->fd_num < ARRAY_SIZE(msg->fds) && qemu_set_blocking(fds[i], false, &local_err)) {
            msg->fds[msg->fd_num++] = fds[i];
            continue;
        }
        if (ok) {
            error_report("%s: dropped the client: %s", server->name,
                         local_err ? error_get_pretty(local_err)
                                   : "more file descriptors than a message can carry");
        }
        error_free(local_err);
        close(fds[i]);
        ok = false;
    }
    return ok;
}

/* Bytes that the message has, as far as is known by now. */
static size_t vu_rx_wanted(const VuServerTransfer *rx)
{
    return rx->done < VHOST_USER_HDR_SIZE ? VHOST_USER_HDR_SIZE
                                          : VHOST_USER_HDR_SIZE + rx->msg.size;
}

/* Read what there is: 1 some bytes, 0 the end, -errno; -EAGAIN nothing now. */
static int vu_rx_some(VuServer *server)
{
    VuServerTransfer *rx = &server->rx;
    bool header = rx->done < VHOST_USER_HDR_SIZE;
    struct iovec iov = {
        .iov_base = (char *)&rx->msg + rx->done,
        .iov_len = vu_rx_wanted(rx) - rx->done,
    };
    Error *local_err = NULL;
    g_autofree int *fds = NULL;
    size_t nfds = 0;
    ssize_t n;

    n = qio_channel_readv_full(server->ioc, &iov, 1, header ? &fds : NULL, header ? &nfds : NULL, 0,
                               &local_err);
    if (!vu_rx_take_fds(server, fds, nfds)) {
        error_free(local_err);
        return -EMFILE;
    }
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        return -EAGAIN;
    }
    if (n < 0) {
        error_reportf_err(local_err, "%s: dropped the client: ", server->name);
        return -EIO;
    }
    if (n == 0) {
        if (rx->done) {
            error_report("%s: the client left in the middle of a message (%zu of %zu bytes)",
                         server->name, rx->done, vu_rx_wanted(rx));
        }
        return 0;
    }
    rx->done += n;
    if (header && rx->done == VHOST_USER_HDR_SIZE && rx->msg.size > sizeof(rx->msg.payload)) {
        error_report("%s: dropped the client: message %u has %u bytes of payload, at most %zu fit",
                     server->name, (unsigned)rx->msg.request, rx->msg.size,
                     sizeof(rx->msg.payload));
        return -EMSGSIZE;
    }
    return 1;
}

/*
 * libvhost-user's vu_read_msg_cb. False with rx_paused set means: no message
 * now, ask again in the next trip; what has come by now is kept in rx.
 */
static bool coroutine_fn vu_message_read(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuServerTransfer *rx = &server->rx;

    while (rx->done < VHOST_USER_HDR_SIZE || rx->done < vu_rx_wanted(rx)) {
        int ret = vu_rx_some(server);

        if (ret == -EAGAIN) {
            if (!qatomic_read(&server->ctx)) {
                server->rx_paused = true;
                return false;
            }
            qio_channel_yield(server->ioc, G_IO_IN);
        } else if (ret <= 0) {
            return false;
        }
    }
    trace_vu_server_message(server, vu_request_name(rx->msg.request), rx->msg.size, rx->msg.fd_num);
    *vmsg = rx->msg;
    memset(rx, 0, sizeof(*rx));
    return true;
}

/* Messages out */

static void vu_tx_ready(void *opaque)
{
    VuServer *server = opaque;

    server->tx_ready = true;
    vu_trip_wake(server);
}

static bool vu_tx_may_try(VuDev *vu_dev, void *opaque)
{
    VuServer *server = opaque;

    return server->tx_ready || !qatomic_read(&server->ctx) || !vu_server_serving(server);
}

/* Send what waits in tx: true when sent, or kept for the next trip; false: broken. */
static bool coroutine_fn vu_tx_flush(VuServer *server)
{
    VuServerTransfer *tx = &server->tx;

    while (tx->done < tx->total) {
        struct iovec iov = { (char *)&tx->msg + tx->done, tx->total - tx->done };
        int fds[ARRAY_SIZE(tx->msg.fds)]; /* the message itself is packed */
        size_t nfds = tx->done ? 0 : tx->msg.fd_num;
        AioContext *ctx = qatomic_read(&server->ctx);
        ssize_t n;

        memcpy(fds, tx->msg.fds, nfds * sizeof(fds[0]));
        n = qio_channel_writev_full(server->ioc, &iov, 1, nfds ? fds : NULL, nfds, 0, NULL);
        if (n >= 0) {
            tx->done += n;
        } else if (n != QIO_CHANNEL_ERR_BLOCK || !vu_server_serving(server)) {
            return false;
        } else if (!ctx) {
            return true;
        } else {
            server->tx_ready = false;
            aio_set_fd_handler(ctx, server->sioc->fd, NULL, vu_tx_ready, NULL, NULL, server);
            vu_trip_wait(server, vu_tx_may_try, server);
            aio_set_fd_handler(ctx, server->sioc->fd, NULL, NULL, NULL, NULL, NULL);
        }
    }
    tx->total = tx->done = 0;
    return true;
}

/*
 * VuIoOps: answers go out one at a time; the trip sends the rest before it
 * reads on. The rest may outlive this call, so its descriptors are duplicates.
 */
static bool coroutine_fn vu_message_write(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuServerTransfer *tx = &server->tx;

    assert(!tx->total);
    tx->msg = *vmsg;
    tx->total = VHOST_USER_HDR_SIZE + vmsg->size;
    for (int i = 0; i < vmsg->fd_num; i++) {
        tx->msg.fds[i] = fcntl(vmsg->fds[i], F_DUPFD_CLOEXEC, 0);
        if (tx->msg.fds[i] < 0) {
            tx->msg.fd_num = i;
            vu_message_close_fds(&tx->msg);
            error_report("%s: cannot answer the client: %s", server->name, strerror(errno));
            return false;
        }
    }
    return vu_tx_flush(server);
}

static bool coroutine_fn vu_lib_wait(VuDev *vu_dev, vu_ready_cb ready, void *opaque)
{
    vu_trip_wait(container_of(vu_dev, VuServer, vu_dev), ready, opaque);
    return true;
}

static void vu_lib_wake(VuDev *vu_dev)
{
    vu_trip_wake(container_of(vu_dev, VuServer, vu_dev));
}

/*
 * The ring was started, enabled or mapped. A drain may have begun while the
 * trip yielded; what is not looked at here, the next attach looks at.
 */
static void vu_lib_look(VuDev *vu_dev, VuVirtq *vq)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    if (qatomic_read(&server->ctx) && !qatomic_read(&server->quiescing)) {
        vu_queue_kick(vu_dev, vq->index);
    }
}

static const VuIoOps vu_server_io_ops = {
    .write_msg = vu_message_write,
    .wait = vu_lib_wait,
    .wake = vu_lib_wake,
    .look = vu_lib_look,
};

/* libvhost-user's vu_panic_cb: why the client is being dropped; once a client. */
static void vu_server_panic(VuDev *vu_dev, const char *reason)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    if (qatomic_read(&server->life) != VU_SERVER_STOPPING) {
        error_report("%s: dropped the client: %s", server->name, reason);
    }
}

/* libvhost-user's vu_trace_cb. */
static void vu_server_trace(VuDev *vu_dev, const VuTraceEvent *event)
{
    trace_vu_server_event(container_of(vu_dev, VuServer, vu_dev), event->kind, event->queue,
                          event->text ?: "", event->value);
}

/* libvhost-user's vu_log_cb; a client can provoke these, so their number is bounded. */
static void vu_server_log(VuDev *vu_dev, const char *message)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    unsigned logged = qatomic_fetch_inc(&server->log_lines);

    if (logged < VU_SERVER_LOG_LINES) {
        warn_report("%s: %s%s", server->name, message,
                    logged == VU_SERVER_LOG_LINES - 1 ? " (no more of this client)" : "");
    }
}

/* The trip */

/* Home context, or main loop when there is no trip. Nothing is in flight. */
static void vu_server_disconnect(VuServer *server)
{
    trace_vu_server_disconnect(server, server->vu_dev.broken);
    server->vu_dev.sock = -1; /* the channel closes it */
    vu_deinit(&server->vu_dev);
    assert(QTAILQ_EMPTY(&server->vu_fd_watches));
    vu_message_close_fds(&server->rx.msg);
    vu_message_close_fds(&server->tx.msg);
    memset(&server->rx, 0, sizeof(server->rx));
    memset(&server->tx, 0, sizeof(server->tx));
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
        qemu_bh_schedule(server->restart_listener_bh);
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

/* One message, after what is left of the last answer. False: the client is done with. */
static bool coroutine_fn vu_trip_step(VuServer *server)
{
    if (!vu_tx_flush(server)) {
        return false;
    }
    if (server->tx.total) {
        return true;
    }
    server->rx_paused = false;
    return vu_dispatch(&server->vu_dev) || server->rx_paused;
}

/* Kicks may have come while nobody watched. */
static void coroutine_fn vu_trip_look_at_queues(VuServer *server)
{
    for (int i = 0; i < server->max_queues; i++) {
        VuVirtq *vq = vu_get_queue(&server->vu_dev, i);

        if (vu_queue_started(&server->vu_dev, vq)) {
            vu_lib_look(&server->vu_dev, vq);
        }
    }
}

static void coroutine_fn vu_client_trip(void *opaque)
{
    VuServer *server = opaque;

    vu_trip_look_at_queues(server);
    while (vu_server_serving(server) && !server->vu_dev.broken) {
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
    vu_watches_move(server, NULL);
    vu_trip_wait_idle(server);
    vu_server_disconnect(server);
    vu_trip_end(server, true);
}

/*
 * Make the watches and the trip follow ctx and life. Home context; or main
 * loop, when nobody runs in the home context.
 */
static void vu_server_sync(VuServer *server)
{
    AioContext *ctx = qatomic_read(&server->ctx);
    VuServerLife life = qatomic_read(&server->life);

    if (!server->sioc || life == VU_SERVER_CLOSING) {
        return;
    }
    trace_vu_server_context(server, ctx, server->co_trip);
    if (life == VU_SERVER_STOPPING) {
        qio_channel_shutdown(server->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    } else if (server->watch_ctx != ctx) {
        vu_watches_move(server, ctx);
    }
    if (server->co_trip) {
        if (!ctx || life == VU_SERVER_STOPPING) {
            qio_channel_wake_read(server->ioc);
        }
        vu_trip_wake(server);
    } else if (ctx && life == VU_SERVER_SERVING) {
        server->trip_ctx = ctx;
        qatomic_store_release(&server->co_trip, qemu_coroutine_create(vu_client_trip, server));
        aio_co_schedule(ctx, server->co_trip);
    }
}

static void vu_server_sync_bh(void *opaque)
{
    VuServer *server = opaque;

    vu_server_sync(server);
    qatomic_dec(&server->pending_sync);
    aio_wait_kick();
}

/* Have vu_server_sync() run in @home; NULL: nobody runs there, do it here. */
static void vu_server_request_sync(VuServer *server, AioContext *home)
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
        (qatomic_load_acquire(&server->co_trip) || qatomic_load_acquire(&server->pending_sync))) {
        return server->trip_ctx;
    }
    return ctx;
}

void vhost_user_server_attach_aio_context(VuServer *server, AioContext *ctx)
{
    assert(!qatomic_load_acquire(&server->co_trip) || server->trip_ctx == ctx);
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

static void vu_accept(QIONetListener *listener, QIOChannelSocket *sioc, gpointer opaque)
{
    VuServer *server = opaque;
    VuDev *vu_dev = &server->vu_dev;
    Error *local_err = NULL;

    if (qatomic_read(&server->life) != VU_SERVER_LISTENING) {
        return;
    }
    if (!qio_channel_set_blocking(QIO_CHANNEL(sioc), false, &local_err)) {
        error_reportf_err(local_err, "%s: cannot serve the client: ", server->name);
        return;
    }
    if (!vu_init(vu_dev, server->max_queues, sioc->fd, vu_server_panic, vu_message_read,
                 vu_set_watch, vu_remove_watch, server->vu_iface)) {
        error_report("%s: cannot serve the client: no memory for its queues", server->name);
        return;
    }
    vu_set_io_ops(vu_dev, &vu_server_io_ops);
    vu_set_log_cb(vu_dev, vu_server_log);
    vu_set_trace_cb(vu_dev, vu_server_trace);
    if (server->max_queue_size) {
        vu_set_max_queue_size(vu_dev, server->max_queue_size);
    }
    qio_net_listener_set_client_func(listener, NULL, NULL, NULL);

    server->sioc = sioc;
    object_ref(OBJECT(sioc));
    server->ioc = QIO_CHANNEL(sioc);
    qio_channel_set_name(server->ioc, "vhost-user client");
    qio_channel_set_follow_coroutine_ctx(server->ioc, true);
    server->watch_ctx = NULL;
    server->log_lines = 0;
    server->clients++;
    server->client_pid = vu_client_pid(sioc->fd);
    trace_vu_server_accept(server, sioc->fd);

    vu_server_move(server, VU_SERVER_LISTENING, VU_SERVER_SERVING);
    vu_server_request_sync(server, qatomic_read(&server->ctx));
}

#ifdef CONFIG_DEVICE_BACKENDS
/* The first of the backlog; once for each client that has to wait. */
static void vu_client_waits(QIONetListener *listener, gpointer opaque)
{
    VuServer *server = opaque;
    g_autofree char *current = vhost_user_server_describe_client(server);

    qatomic_set(&server->clients_waited, server->clients_waited + 1);
    info_report("%s: another client waits until %s has disconnected", server->name,
                current ?: "the last one");
}
#endif

static void vu_server_listen(VuServer *server)
{
    qio_net_listener_set_client_func(server->listener, vu_accept, server, NULL);
}

static void vu_restart_listener_bh(void *opaque)
{
    VuServer *server = opaque;

    if (vu_server_move(server, VU_SERVER_CLOSING, VU_SERVER_LISTENING)) {
        vu_server_listen(server);
    }
}

static char *vu_server_name(SocketAddress *addr)
{
    return addr->type == SOCKET_ADDRESS_TYPE_UNIX
               ? g_strdup_printf("vhost-user server on '%s'", addr->u.q_unix.path)
               : g_strdup_printf("vhost-user server on descriptor %s", addr->u.fd.str);
}

bool vhost_user_server_start(VuServer *server, SocketAddress *unix_socket, AioContext *ctx,
                             uint16_t max_queues, const VuDevIface *vu_iface, Error **errp)
{
    QIONetListener *listener;

    if (unix_socket->type != SOCKET_ADDRESS_TYPE_UNIX &&
        unix_socket->type != SOCKET_ADDRESS_TYPE_FD) {
        error_setg(errp, "Only socket address types 'unix' and 'fd' are supported");
        return false;
    }
    listener = qio_net_listener_new();
    if (qio_net_listener_open_sync(listener, unix_socket, VU_SERVER_BACKLOG, errp) < 0) {
        object_unref(OBJECT(listener));
        return false;
    }
    *server = (VuServer){
        .listener = listener,
        .restart_listener_bh = qemu_bh_new(vu_restart_listener_bh, server),
        .vu_iface = vu_iface,
        .max_queues = max_queues,
        .name = vu_server_name(unix_socket),
        .ctx = ctx,
        .life = VU_SERVER_LISTENING,
    };
    QTAILQ_INIT(&server->vu_fd_watches);
    qio_net_listener_set_name(listener, "vhost-user-backend-listener");
#ifdef CONFIG_DEVICE_BACKENDS
    qio_net_listener_set_waiting_func(listener, vu_client_waits, server, VU_SERVER_WAITING_MS);
#endif
    vu_server_listen(server);
    return true;
}

/* True while something of the server runs, or will run, outside this function. */
static bool vu_server_busy(VuServer *server)
{
    return qatomic_load_acquire(&server->co_trip) || vhost_user_server_has_in_flight(server);
}

void vhost_user_server_stop(VuServer *server)
{
    VuServerLife life = qatomic_read(&server->life);
    AioContext *home = vu_server_home(server);

    if (life == VU_SERVER_STOPPED) {
        return;
    }
    while (!vu_server_move(server, life, VU_SERVER_STOPPING)) {
        life = qatomic_read(&server->life);
    }
    qio_net_listener_set_client_func(server->listener, NULL, NULL, NULL);
    vu_server_request_sync(server, home);
    AIO_WAIT_WHILE(NULL, vu_server_busy(server));

    qemu_bh_delete(server->restart_listener_bh);
    server->restart_listener_bh = NULL;
    if (server->sioc) {
        vu_server_disconnect(server);
    }
    qio_net_listener_disconnect(server->listener);
    object_unref(OBJECT(server->listener));
    server->listener = NULL;
    g_free(server->name);
    server->name = NULL;
    vu_server_move(server, VU_SERVER_STOPPING, VU_SERVER_STOPPED);
}
