/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for channels on descriptors. */
#include "qemu/osdep.h"
#include "io/channel-util.h"
#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "qapi/error.h"

QIOChannel *qio_channel_new_fd(int fd, Error **errp)
{
    if (fd_is_socket(fd)) {
        QIOChannelSocket *sioc = qio_channel_socket_new_fd(fd, errp);

        return sioc ? QIO_CHANNEL(sioc) : NULL;
    }
    if (fcntl(fd, F_GETFD) < 0) {
        error_setg_errno(errp, errno, "File descriptor '%d' is not open", fd);
        return NULL;
    }
    return QIO_CHANNEL(qio_channel_file_new_fd(fd));
}

/* The result of a transfer, and its Error. */
static ssize_t transferred(ssize_t len, const char *what, Error **errp)
{
    if (len >= 0) {
        return len;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return QIO_CHANNEL_ERR_BLOCK;
    }
    error_setg_errno(errp, errno, "Unable to %s", what);
    return -1;
}

ssize_t qio_channel_util_readv(int fd, const struct iovec *iov, size_t niov, off_t offset,
                               Error **errp)
{
    int n = MIN(niov, IOV_MAX);
    ssize_t len;

    len = RETRY_ON_EINTR(offset < 0 ? readv(fd, iov, n) : preadv(fd, iov, n, offset));
    return transferred(len, "read", errp);
}

ssize_t qio_channel_util_writev(int fd, const struct iovec *iov, size_t niov, off_t offset,
                                Error **errp)
{
    int n = MIN(niov, IOV_MAX);
    ssize_t len;

    len = RETRY_ON_EINTR(offset < 0 ? writev(fd, iov, n) : pwritev(fd, iov, n, offset));
    return transferred(len, "write", errp);
}

void qio_channel_util_set_aio_fd_handler(int read_fd, AioContext *read_ctx, IOHandler *io_read,
                                         int write_fd, AioContext *write_ctx, IOHandler *io_write,
                                         void *opaque)
{
    if (read_ctx == write_ctx && read_fd == write_fd) {
        if (read_ctx && read_fd >= 0) {
            aio_set_fd_handler(read_ctx, read_fd, io_read, io_write, NULL, NULL, opaque);
        }
        return;
    }
    if (read_ctx && read_fd >= 0) {
        aio_set_fd_handler(read_ctx, read_fd, io_read, NULL, NULL, NULL, opaque);
    }
    if (write_ctx && write_fd >= 0) {
        aio_set_fd_handler(write_ctx, write_fd, NULL, io_write, NULL, NULL, opaque);
    }
}
