/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between channel-socket.c and channel-socket-msg.c: one message out or in. */
#ifndef IO_CHANNEL_SOCKET_MSG_H
#define IO_CHANNEL_SOCKET_MSG_H

#include "io/channel.h"

/* QIOChannelClass.io_readv and io_writev of a socket. */
ssize_t qio_channel_socket_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                                 size_t *nfds, int flags, Error **errp);
ssize_t qio_channel_socket_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                                  size_t nfds, int flags, Error **errp);

#endif /* IO_CHANNEL_SOCKET_MSG_H */
