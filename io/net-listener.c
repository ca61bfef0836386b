/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIONetListener: several listening sockets that hand their clients to one callback. */
#include "qemu/osdep.h"
#include "qemu/address-space.h"
#include "io/net-listener.h"
#include "io/dns-resolver.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"

#include "trace.h"

/* How long watching pauses when no client can be accepted for lack of resources. */
#define RETRY_MS 200

QIONetListener *qio_net_listener_new(void)
{
    return QIO_NET_LISTENER(object_new(TYPE_QIO_NET_LISTENER));
}

void qio_net_listener_set_name(QIONetListener *listener, const char *name)
{
    g_free(listener->name);
    listener->name = g_strdup(name);
}

/* The watch of one socket; it holds a reference to the listener. */
struct QIONetListenerWatch {
    QIONetListener *listener;
    QIOChannel *ioc;
    QIOChannelFunc func;
    AioContext *ctx; /* that waits for it, or NULL */
    GSource *source; /* or this */
};

static void clear_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static gboolean listener_readable(QIOChannel *ioc, GIOCondition condition, gpointer opaque);

static void unwatch_socket(QIONetListener *listener, size_t i)
{
    QIONetListenerWatch *watch = listener->watch[i];

    if (!watch) {
        return;
    }
    listener->watch[i] = NULL;
    if (watch->ctx) {
        aio_set_fd_handler(watch->ctx, QIO_CHANNEL_SOCKET(watch->ioc)->fd, NULL, NULL, NULL, NULL,
                           NULL);
    }
    clear_source(&watch->source);
    g_free(watch);
    object_unref(listener);
}

static gboolean listener_still_waiting(gpointer opaque)
{
    g_autoptr(QIONetListener) listener = QIO_NET_LISTENER(object_ref(opaque));

    clear_source(&listener->waiting_source);
    listener->waiting_func(listener, listener->waiting_data);
    return G_SOURCE_REMOVE;
}

/* A client waits and is left to wait: watched no more, until the callback changes again. */
static gboolean listener_waiting(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    g_autoptr(QIONetListener) listener = QIO_NET_LISTENER(object_ref(opaque));

    for (size_t i = 0; i < listener->nsioc; i++) {
        if (QIO_CHANNEL(listener->sioc[i]) == ioc) {
            unwatch_socket(listener, i);
        }
    }
    if (!listener->waiting_source) {
        listener->waiting_source = g_timeout_source_new(listener->waiting_ms);
        g_source_set_callback(listener->waiting_source, listener_still_waiting,
                              object_ref(listener), object_unref);
        g_source_attach(listener->waiting_source, listener->io_context);
    }
    return G_SOURCE_REMOVE;
}

/* An IOHandler; the watch may end, and be freed, in its callback. */
static void watch_ready(void *opaque)
{
    QIONetListenerWatch *watch = opaque;

    watch->func(watch->ioc, G_IO_IN, watch->listener);
}

/*
 * Among the main loop's descriptors if clients are for its thread: GLib would ask the kernel for
 * each of thousands of listeners at each turn.
 */
static QIONetListenerWatch *watch_new(QIONetListener *listener, QIOChannel *ioc,
                                      QIOChannelFunc func)
{
    QIONetListenerWatch *watch = g_new0(QIONetListenerWatch, 1);

    watch->listener = QIO_NET_LISTENER(object_ref(listener));
    watch->ioc = ioc;
    watch->func = func;
    watch->ctx = listener->io_context ? NULL : iohandler_get_aio_context();
    if (watch->ctx) {
        aio_set_fd_handler(watch->ctx, QIO_CHANNEL_SOCKET(ioc)->fd, watch_ready, NULL, NULL, NULL,
                           watch);
    } else {
        watch->source =
            qio_channel_add_watch_source(ioc, G_IO_IN, func, listener, NULL, listener->io_context);
    }
    return watch;
}

/* Watch socket @i if anybody wants its clients, or to know of them. */
static void watch_socket(QIONetListener *listener, size_t i)
{
    QIOChannelFunc func = listener->io_func        ? listener_readable
                          : listener->waiting_func ? listener_waiting
                                                   : NULL;

    if (func && !listener->retry_source && !listener->watch[i]) {
        listener->watch[i] = watch_new(listener, QIO_CHANNEL(listener->sioc[i]), func);
    }
}

static void watch_all(QIONetListener *listener)
{
    for (size_t i = 0; i < listener->nsioc; i++) {
        watch_socket(listener, i);
    }
}

static void unwatch_all(QIONetListener *listener)
{
    clear_source(&listener->retry_source);
    clear_source(&listener->waiting_source);
    for (size_t i = 0; i < listener->nsioc; i++) {
        unwatch_socket(listener, i);
    }
}

static gboolean listener_retry(gpointer opaque)
{
    QIONetListener *listener = opaque;

    clear_source(&listener->retry_source);
    watch_all(listener);
    return G_SOURCE_REMOVE;
}

/* The client stays in the backlog, and its socket readable: do not spin on that. */
static void pause_watching(QIONetListener *listener)
{
    unwatch_all(listener);
    listener->retry_source = g_timeout_source_new(RETRY_MS);
    g_source_set_callback(listener->retry_source, listener_retry, object_ref(listener),
                          object_unref);
    g_source_attach(listener->retry_source, listener->io_context);
}

static bool is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* A client; NULL with errno set: there is none, or nothing to serve it with. */
static QIOChannelSocket *accept_client(QIOChannel *ioc)
{
    if (!qemu_address_space_left(ADDRESS_SPACE_RESERVE)) {
        errno = ENOMEM;
        return NULL;
    }
    return qio_channel_socket_accept(QIO_CHANNEL_SOCKET(ioc), NULL);
}

static gboolean listener_readable(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    /* The callback may drop every other reference. */
    g_autoptr(QIONetListener) listener = QIO_NET_LISTENER(object_ref(opaque));
    g_autoptr(QIOChannelSocket) client = accept_client(ioc);

    if (!client) {
        if (is_shortage(errno)) {
            trace_qio_net_listener_pause(listener, errno);
            pause_watching(listener);
        }
        return G_SOURCE_CONTINUE;
    }
    if (listener->name) {
        g_autofree char *name = g_strdup_printf("%s-server", listener->name);

        qio_channel_set_name(QIO_CHANNEL(client), name);
    }
    if (listener->io_func) {
        listener->io_func(listener, client, listener->io_data);
    }
    return G_SOURCE_CONTINUE;
}

/* Listen at one numeric address; on success *@port is the port it got, if it has one. */
static bool open_one(QIONetListener *listener, SocketAddress *addr, int num, char **port,
                     Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    g_autoptr(SocketAddress) local = NULL;

    if (qio_channel_socket_listen_sync(sioc, addr, num, errp) < 0) {
        return false;
    }
    qio_net_listener_add(listener, sioc);
    if (addr->type == SOCKET_ADDRESS_TYPE_INET && !*port) {
        local = qio_channel_socket_get_local_address(sioc, NULL);
        *port = local ? g_strdup(local->u.inet.port) : NULL;
    }
    return true;
}

/* All sockets of one host shall have one port, also where it was to be chosen. */
static void fix_port(SocketAddress *addr, const char *port)
{
    if (port) {
        g_free(addr->u.inet.port);
        addr->u.inet.port = g_strdup(port);
        addr->u.inet.has_to = false;
    }
}

int qio_net_listener_open_sync(QIONetListener *listener, SocketAddress *addr, int num, Error **errp)
{
    SocketAddress **addrs;
    size_t naddrs;
    g_autofree char *port = NULL;
    Error *err = NULL;
    bool success = false;

    if (qio_dns_resolver_lookup_sync(qio_dns_resolver_get_instance(), addr, &naddrs, &addrs, errp) <
        0) {
        return -1;
    }
    for (size_t i = 0; i < naddrs; i++) {
        fix_port(addrs[i], port);
        if (open_one(listener, addrs[i], num, &port, err ? NULL : &err)) {
            success = true;
        }
        qapi_free_SocketAddress(addrs[i]);
    }
    g_free(addrs);

    if (!success) {
        error_propagate(errp, err);
        return -1;
    }
    error_free(err);
    return 0;
}

void qio_net_listener_add(QIONetListener *listener, QIOChannelSocket *sioc)
{
    size_t i = listener->nsioc++;

    /* A client may be gone, or taken by another process, when its turn comes. */
    qio_channel_set_blocking(QIO_CHANNEL(sioc), false, NULL);
    if (listener->name) {
        g_autofree char *name = g_strdup_printf("%s-listen", listener->name);

        qio_channel_set_name(QIO_CHANNEL(sioc), name);
    }
    listener->sioc = g_renew(QIOChannelSocket *, listener->sioc, listener->nsioc);
    listener->watch = g_renew(QIONetListenerWatch *, listener->watch, listener->nsioc);
    listener->sioc[i] = QIO_CHANNEL_SOCKET(object_ref(sioc));
    listener->watch[i] = NULL;
    listener->connected = true;
    watch_socket(listener, i);
}

void qio_net_listener_set_client_func_full(QIONetListener *listener, QIONetListenerClientFunc func,
                                           gpointer data, GDestroyNotify notify,
                                           GMainContext *context)
{
    /* The watches hold references to the listener. */
    g_autoptr(QIONetListener) self = QIO_NET_LISTENER(object_ref(listener));
    GDestroyNotify old_notify = listener->io_notify;
    gpointer old_data = listener->io_data;

    trace_qio_net_listener_watch(self, func != NULL);
    unwatch_all(self);
    if (context) {
        g_main_context_ref(context);
    }
    g_clear_pointer(&self->io_context, g_main_context_unref);
    self->io_context = context;
    self->io_func = func;
    self->io_data = data;
    self->io_notify = notify;
    if (old_notify) {
        old_notify(old_data);
    }
    watch_all(self);
}

void qio_net_listener_set_client_func(QIONetListener *listener, QIONetListenerClientFunc func,
                                      gpointer data, GDestroyNotify notify)
{
    qio_net_listener_set_client_func_full(listener, func, data, notify, NULL);
}

void qio_net_listener_set_waiting_func(QIONetListener *listener, QIONetListenerWaitingFunc func,
                                       gpointer data, unsigned ms)
{
    unwatch_all(listener);
    listener->waiting_ms = ms;
    listener->waiting_func = func;
    listener->waiting_data = data;
    watch_all(listener);
}

typedef struct ClientWait {
    QIOChannelSocket *client;
} ClientWait;

static gboolean wait_readable(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    ClientWait *wait = opaque;

    /* Several sockets may become ready in one iteration; the others keep their client. */
    if (!wait->client) {
        wait->client = qio_channel_socket_accept(QIO_CHANNEL_SOCKET(ioc), NULL);
        if (!wait->client && is_shortage(errno)) {
            g_usleep(RETRY_MS * 1000);
        }
    }
    return G_SOURCE_CONTINUE;
}

QIOChannelSocket *qio_net_listener_wait_client(QIONetListener *listener)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autofree GSource **sources = g_new0(GSource *, listener->nsioc);
    ClientWait wait = { NULL };

    unwatch_all(listener);
    for (size_t i = 0; i < listener->nsioc; i++) {
        sources[i] = qio_channel_add_watch_source(QIO_CHANNEL(listener->sioc[i]), G_IO_IN,
                                                  wait_readable, &wait, NULL, context);
    }
    while (!wait.client && listener->nsioc) {
        g_main_context_iteration(context, TRUE);
    }
    for (size_t i = 0; i < listener->nsioc; i++) {
        clear_source(&sources[i]);
    }
    watch_all(listener);
    return wait.client;
}

void qio_net_listener_disconnect(QIONetListener *listener)
{
    g_autoptr(QIONetListener) self = QIO_NET_LISTENER(object_ref(listener));

    unwatch_all(self);
    for (size_t i = 0; i < self->nsioc; i++) {
        qio_channel_close(QIO_CHANNEL(self->sioc[i]), NULL);
        object_unref(self->sioc[i]);
    }
    g_clear_pointer(&self->sioc, g_free);
    g_clear_pointer(&self->watch, g_free);
    self->nsioc = 0;
    self->connected = false;
}

bool qio_net_listener_is_connected(QIONetListener *listener)
{
    return listener->connected;
}

static void listener_finalize(Object *obj)
{
    QIONetListener *listener = QIO_NET_LISTENER(obj);

    /* No watch is left: each holds a reference. */
    for (size_t i = 0; i < listener->nsioc; i++) {
        object_unref(listener->sioc[i]);
    }
    if (listener->io_notify) {
        listener->io_notify(listener->io_data);
    }
    g_clear_pointer(&listener->io_context, g_main_context_unref);
    g_free(listener->sioc);
    g_free(listener->watch);
    g_free(listener->name);
}

static const TypeInfo listener_types[] = {
    {
        .name = TYPE_QIO_NET_LISTENER,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(QIONetListener),
        .instance_finalize = listener_finalize,
    },
};

DEFINE_TYPES(listener_types)
