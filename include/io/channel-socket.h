/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel on a socket: stream or datagram, UNIX or internet.
 *
 * The *_sync functions block (name look-up, connecting); the *_async ones do the same
 * in a thread and call back from a GMainContext, where qio_task_propagate_error()
 * tells how it went and qio_task_get_source() is the channel. A channel is given one
 * socket in its life.
 *
 * A UNIX socket that a channel has made listen has its file removed when the channel
 * closes, if the file is still the one it made.
 */
#ifndef QIO_CHANNEL_SOCKET_H
#define QIO_CHANNEL_SOCKET_H

#include "io/channel.h"
#include "io/task.h"
#include "qemu/sockets.h"

#define TYPE_QIO_CHANNEL_SOCKET "qio-channel-socket"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelSocket, QIO_CHANNEL_SOCKET)

struct QIOChannelSocket {
    QIOChannel parent;
    int fd; /* -1 while there is none */
    struct sockaddr_storage localAddr;
    socklen_t localAddrLen;
    struct sockaddr_storage remoteAddr;
    socklen_t remoteAddrLen; /* 0 if not connected */
};

/* A channel without a socket yet. */
QIOChannelSocket *qio_channel_socket_new(void);

/* A channel on @fd, which it takes on success only. NULL with *errp set on failure. */
QIOChannelSocket *qio_channel_socket_new_fd(int fd, Error **errp);

/* Connect to @addr; blocks. 0, or -1. */
int qio_channel_socket_connect_sync(QIOChannelSocket *ioc, SocketAddress *addr, Error **errp);

/* Connect in the background; @addr is copied. @context: for @callback, NULL the default. */
void qio_channel_socket_connect_async(QIOChannelSocket *ioc, SocketAddress *addr,
                                      QIOTaskFunc callback, gpointer opaque, GDestroyNotify destroy,
                                      GMainContext *context);

/* Listen at @addr with a backlog of @num connections; blocks. 0, or -1. */
int qio_channel_socket_listen_sync(QIOChannelSocket *ioc, SocketAddress *addr, int num,
                                   Error **errp);
void qio_channel_socket_listen_async(QIOChannelSocket *ioc, SocketAddress *addr, int num,
                                     QIOTaskFunc callback, gpointer opaque, GDestroyNotify destroy,
                                     GMainContext *context);

/* Datagrams from @localAddr (NULL: any) to @remoteAddr; inet only; blocks. 0, or -1. */
int qio_channel_socket_dgram_sync(QIOChannelSocket *ioc, SocketAddress *localAddr,
                                  SocketAddress *remoteAddr, Error **errp);
void qio_channel_socket_dgram_async(QIOChannelSocket *ioc, SocketAddress *localAddr,
                                    SocketAddress *remoteAddr, QIOTaskFunc callback,
                                    gpointer opaque, GDestroyNotify destroy, GMainContext *context);

/* The address of this end or of the other; qapi_free_SocketAddress() it. NULL: *errp. */
SocketAddress *qio_channel_socket_get_local_address(QIOChannelSocket *ioc, Error **errp);
SocketAddress *qio_channel_socket_get_remote_address(QIOChannelSocket *ioc, Error **errp);

/*
 * The next client of a listening channel, as a new blocking channel (object_unref it).
 * Waits for one if @ioc is blocking. NULL with *errp set on failure, also if @ioc is
 * not blocking and nobody waits; errno tells the reason.
 */
QIOChannelSocket *qio_channel_socket_accept(QIOChannelSocket *ioc, Error **errp);

/* Set the size of the kernel's send buffer, in bytes; 0, or -1. */
int qio_channel_socket_set_send_buffer(QIOChannelSocket *ioc, size_t size, Error **errp);

#endif /* QIO_CHANNEL_SOCKET_H */
