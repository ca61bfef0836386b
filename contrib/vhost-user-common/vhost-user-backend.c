/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main program of a stand-alone device back-end: its socket and its life. */
#include "qemu/osdep.h"
#include <glib-unix.h>
#include "backend-options.h"
#include "backend-threads.h"
#include "qemu/error-report.h"
#include "qemu/inherited-fds.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/sockets.h"

/* How long to wait before looking again whether a front-end listens. */
#define RECONNECT_MS 1000

void vu_backend_quit(VuBackend *backend, int status)
{
    if (!backend->quit) {
        backend->status = status;
        backend->quit = true;
        qemu_notify_event();
    }
}

AioContext *vu_backend_queue_context(VuBackend *backend, int queue)
{
    assert(queue >= 0 && queue < backend->cls->num_queues);
    return vu_backend_threads_context(backend->threads, queue);
}

/* A queue is closed before the server, which a kick needs, goes. */
void vu_backend_kick_queue(VuBackend *backend, int queue)
{
    if (vu_backend_threads_open(backend->threads, queue)) {
        vhost_user_server_kick_queue(&backend->server, queue);
    }
}

/* In the queue's thread. */
static void queue_ready(VuDev *dev, int qidx)
{
    VuBackend *backend = vu_backend_from_dev(dev);

    backend->cls->handle_queue(backend, vu_get_queue(dev, qidx));
}

static void queue_set_started(VuDev *dev, int qidx, bool started)
{
    VuBackend *backend = vu_backend_from_dev(dev);

    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? queue_ready : NULL);
    if (backend->cls->iface.queue_set_started) {
        backend->cls->iface.queue_set_started(dev, qidx, started);
    }
}

/* The connection: listening, connecting, or inherited */

static void reconnect_later(VuBackend *backend)
{
    timer_mod(backend->reconnect, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + RECONNECT_MS);
}

static void client_gone(VuServer *server)
{
    VuBackend *backend = container_of(server, VuBackend, server);

    if (backend->options->once) {
        vu_backend_quit(backend, EXIT_SUCCESS);
    } else if (backend->options->connect) {
        reconnect_later(backend);
    }
}

static bool connect_to_front_end(VuBackend *backend, Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix.path = backend->options->socket_path,
    };

    return qio_channel_socket_connect_sync(sioc, &addr, errp) == 0 &&
           vhost_user_server_add_client(&backend->server, sioc, errp);
}

static void try_to_connect(void *opaque)
{
    VuBackend *backend = opaque;

    /* It is not there yet: that is what the timer is for. */
    if (!connect_to_front_end(backend, NULL)) {
        reconnect_later(backend);
    }
}

static bool take_connected(VuBackend *backend, SocketAddress *fd, Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    /* A front-end that has gone cannot come back on this one. */
    backend->options->once = true;
    return qio_channel_socket_connect_sync(sioc, fd, errp) == 0 &&
           vhost_user_server_add_client(&backend->server, sioc, errp);
}

static bool fd_listens(int fd)
{
    socklen_t len = sizeof(int);
    int listens = 0;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

static bool start_server(VuBackend *backend, SocketAddress *addr, Error **errp)
{
    const VuBackendClass *cls = backend->cls;
    VuServer *server = &backend->server;

    if (!vhost_user_server_start(server, addr, qemu_get_aio_context(), cls->num_queues,
                                 &backend->iface, errp)) {
        return false;
    }
    server->max_queue_size = cls->queue_size;
    server->client_gone = client_gone;
    for (int i = 0; i < cls->num_queues; i++) {
        vhost_user_server_set_queue_aio_context(server, i, vu_backend_queue_context(backend, i));
    }
    return true;
}

static bool serve(VuBackend *backend, Error **errp)
{
    const VuBackendOptions *options = backend->options;
    g_autofree char *number = g_strdup_printf("%d", options->fd);
    SocketAddress path = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix.path = options->socket_path,
    };
    SocketAddress fd = { .type = SOCKET_ADDRESS_TYPE_FD, .u.fd.str = number };

    if (options->connect) {
        if (!start_server(backend, NULL, errp)) {
            return false;
        }
        try_to_connect(backend);
        return true;
    }
    if (options->socket_path) {
        return start_server(backend, &path, errp);
    }
    if (!fd_is_socket(options->fd)) {
        error_setg(errp, "--fd=%d: not a socket", options->fd);
        return false;
    }
    return fd_listens(options->fd)
               ? start_server(backend, &fd, errp)
               : start_server(backend, NULL, errp) && take_connected(backend, &fd, errp);
}

/* Life */

static gboolean end_by_signal(gpointer opaque)
{
    vu_backend_quit(opaque, EXIT_SUCCESS);
    return G_SOURCE_CONTINUE;
}

static bool realize(VuBackend *backend, Error **errp)
{
    backend->threads = vu_backend_threads_new(backend, errp);
    return backend->threads && (!backend->cls->realize || backend->cls->realize(backend, errp));
}

/* Until it is told to end. */
static void run(VuBackend *backend)
{
    Error *err = NULL;

    if (serve(backend, &err)) {
        while (!backend->quit) {
            main_loop_wait(false);
        }
    } else {
        error_report_err(err);
        backend->status = EXIT_FAILURE;
    }
    timer_del(backend->reconnect);
    vu_backend_threads_close(backend->threads);
    vhost_user_server_stop(&backend->server);
}

static void serve_until_the_end(VuBackend *backend)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    guint sources[ARRAY_SIZE(signals)];
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        sources[i] = g_unix_signal_add(signals[i], end_by_signal, backend);
    }
    backend->reconnect = timer_new_ms(QEMU_CLOCK_REALTIME, try_to_connect, backend);
    if (realize(backend, &err)) {
        run(backend);
        if (backend->cls->unrealize) {
            backend->cls->unrealize(backend);
        }
    } else {
        error_report_err(err);
        backend->status = EXIT_FAILURE;
    }
    vu_backend_threads_free(backend->threads);
    timer_free(backend->reconnect);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        g_source_remove(sources[i]);
    }
}

int vu_backend_main(int argc, char **argv, const VuBackendClass *cls, VuBackend *backend)
{
    VuBackendAction action;
    Error *err = NULL;

    inherited_fds_record();
    error_init(argv[0]);
    signal(SIGPIPE, SIG_IGN);
    if (!vu_backend_options_parse(argc, argv, cls, &backend->options, &action, &err)) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    if (action == VU_BACKEND_EXIT) {
        return EXIT_SUCCESS;
    }
    backend->cls = cls;
    backend->iface = cls->iface;
    backend->iface.queue_set_started = queue_set_started;
    module_call_init(MODULE_INIT_QOM);
    if (qemu_init_main_loop(&err) < 0) {
        error_report_err(err);
        backend->status = EXIT_FAILURE;
    } else {
        serve_until_the_end(backend);
        qemu_cleanup_main_loop();
    }
    vu_backend_options_free(backend->options);
    return backend->status;
}
