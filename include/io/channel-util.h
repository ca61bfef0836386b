/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for channels on descriptors. */
#ifndef QIO_CHANNEL_UTIL_H
#define QIO_CHANNEL_UTIL_H

#include "io/channel.h"

/*
 * A channel on @fd: a socket channel if it is a socket, else a file channel. It takes
 * @fd on success; on failure (NULL, *errp set) @fd stays the caller's.
 */
QIOChannel *qio_channel_new_fd(int fd, Error **errp);

/*
 * One readv(2) or writev(2), or their positioned kin if @offset >= 0, with the results
 * of qio_channel_readv() and qio_channel_writev().
 */
ssize_t qio_channel_util_readv(int fd, const struct iovec *iov, size_t niov, off_t offset,
                               Error **errp);
ssize_t qio_channel_util_writev(int fd, const struct iovec *iov, size_t niov, off_t offset,
                                Error **errp);

/*
 * QIOChannelClass.io_set_aio_fd_handler for a channel that reads from @read_fd and
 * writes to @write_fd (they may be the same). Any thread.
 */
void qio_channel_util_set_aio_fd_handler(int read_fd, AioContext *read_ctx, IOHandler *io_read,
                                         int write_fd, AioContext *write_ctx, IOHandler *io_write,
                                         void *opaque);

#endif /* QIO_CHANNEL_UTIL_H */
