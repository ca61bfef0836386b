/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QIONetListener: one or more listening sockets that hand their clients to one
 * callback.
 *
 * Theory of operation
 * -------------------
 * Sockets come by qio_net_listener_open_sync() (a host name may give several) or
 * qio_net_listener_add(). While a callback is set, each socket is watched from a
 * GMainContext and each client is accepted and handed over. While none is set,
 * nothing is watched and clients wait in the kernel's backlog; setting it again
 * notices those that wait already. When the process has no descriptor or memory left
 * for a client, watching pauses for a moment instead of spinning.
 *
 * Disconnecting closes the sockets and removes the UNIX socket files that they made.
 * Where that is the default one, the main loop's AioContext for descriptors waits
 * (iohandler_get_aio_context()), so that a turn of the loop does not cost more for
 * each listener.
 *
 * All functions are for the thread of the GMainContext.
 */
#ifndef QIO_NET_LISTENER_H
#define QIO_NET_LISTENER_H

#include "io/channel-socket.h"

#define TYPE_QIO_NET_LISTENER "qio-net-listener"
OBJECT_DECLARE_SIMPLE_TYPE(QIONetListener, QIO_NET_LISTENER)

/* A client has come; take a reference to @sioc to keep it. */
typedef void (*QIONetListenerClientFunc)(QIONetListener *listener, QIOChannelSocket *sioc,
                                         gpointer data);

/* A client waits in the backlog while there is no client callback. */
typedef void (*QIONetListenerWaitingFunc)(QIONetListener *listener, gpointer data);

typedef struct QIONetListenerWatch QIONetListenerWatch;

struct QIONetListener {
    Object parent;

    char *name;
    QIOChannelSocket **sioc;     /* the listening sockets, nsioc of them */
    QIONetListenerWatch **watch; /* theirs; NULL elements while not watched */
    size_t nsioc;
    bool connected; /* has sockets */

    GMainContext *io_context; /* referenced, or NULL for the default */
    GSource *retry_source;    /* watching is paused until it fires, or NULL */
    QIONetListenerClientFunc io_func;
    gpointer io_data;
    GDestroyNotify io_notify;
    QIONetListenerWaitingFunc waiting_func;
    gpointer waiting_data;
    unsigned waiting_ms;
    GSource *waiting_source; /* a client waits, not for long as yet; or NULL */
};

QIONetListener *qio_net_listener_new(void);

/* Name it (copied); sockets added later are called NAME-listen. */
void qio_net_listener_set_name(QIONetListener *listener, const char *name);

/*
 * Listen at @addr, at every address that its host name means, with a backlog of @num
 * connections each; blocks for the name look-up. 0 if at least one works, else -1.
 */
int qio_net_listener_open_sync(QIONetListener *listener, SocketAddress *addr, int num,
                               Error **errp);

/* Add a channel that listens already (it is referenced, and made non-blocking). */
void qio_net_listener_add(QIONetListener *listener, QIOChannelSocket *sioc);

/*
 * Call @func(listener, client, @data) for each client, from @context (NULL: the
 * default one); @func NULL stops that. @notify(@data) when it is replaced.
 */
void qio_net_listener_set_client_func_full(QIONetListener *listener, QIONetListenerClientFunc func,
                                           gpointer data, GDestroyNotify notify,
                                           GMainContext *context);

/* The same from the default context. */
void qio_net_listener_set_client_func(QIONetListener *listener, QIONetListenerClientFunc func,
                                      gpointer data, GDestroyNotify notify);

/*
 * Call @func(listener, @data) once when a client has waited for @ms milliseconds while
 * no client callback was set; again only after the client callback has been set anew.
 * The client stays in the backlog. @func NULL stops that.
 */
void qio_net_listener_set_waiting_func(QIONetListener *listener, QIONetListenerWaitingFunc func,
                                       gpointer data, unsigned ms);

/*
 * Block until a client comes and return it (object_unref it); the callback, if any, is
 * not called meanwhile.
 */
QIOChannelSocket *qio_net_listener_wait_client(QIONetListener *listener);

/* Close all sockets. The callback stays set for sockets that may be added later. */
void qio_net_listener_disconnect(QIONetListener *listener);

/* Whether it has sockets. */
bool qio_net_listener_is_connected(QIONetListener *listener);

#endif /* QIO_NET_LISTENER_H */
