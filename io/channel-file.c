/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on a file, a pipe, a terminal: whatever read(2) and write(2) serve. */
#include "qemu/osdep.h"
#include "io/channel-file.h"
#include "io/channel-util.h"
#include "io/channel-watch.h"
#include "qapi/error.h"

QIOChannelFile *qio_channel_file_new_fd(int fd)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(object_new(TYPE_QIO_CHANNEL_FILE));

    fioc->fd = fd;
    if (lseek(fd, 0, SEEK_CUR) != (off_t)-1) {
        qio_channel_set_feature(QIO_CHANNEL(fioc), QIO_CHANNEL_FEATURE_SEEKABLE);
    }
    return fioc;
}

QIOChannelFile *qio_channel_file_new_dupfd(int fd, Error **errp)
{
    int dupfd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (dupfd < 0) {
        error_setg_errno(errp, errno, "Unable to duplicate file descriptor %d", fd);
        return NULL;
    }
    return qio_channel_file_new_fd(dupfd);
}

QIOChannelFile *qio_channel_file_new_path(const char *path, int flags, mode_t mode, Error **errp)
{
    int fd = RETRY_ON_EINTR(open(path, flags | O_CLOEXEC, mode));

    if (fd < 0) {
        error_setg_errno(errp, errno, "Unable to open '%s'", path);
        return NULL;
    }
    return qio_channel_file_new_fd(fd);
}

static ssize_t file_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                          size_t *nfds, int flags, Error **errp)
{
    return qio_channel_util_readv(QIO_CHANNEL_FILE(ioc)->fd, iov, niov, -1, errp);
}

static ssize_t file_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                           size_t nfds, int flags, Error **errp)
{
    return qio_channel_util_writev(QIO_CHANNEL_FILE(ioc)->fd, iov, niov, -1, errp);
}

/* A negative offset must not become "at the position". */
static bool check_offset(off_t offset, Error **errp)
{
    if (offset < 0) {
        error_setg(errp, "Offset %lld is negative", (long long)offset);
    }
    return offset >= 0;
}

static ssize_t file_preadv(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                           Error **errp)
{
    int fd = QIO_CHANNEL_FILE(ioc)->fd;

    return check_offset(offset, errp) ? qio_channel_util_readv(fd, iov, niov, offset, errp) : -1;
}

static ssize_t file_pwritev(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                            Error **errp)
{
    int fd = QIO_CHANNEL_FILE(ioc)->fd;

    return check_offset(offset, errp) ? qio_channel_util_writev(fd, iov, niov, offset, errp) : -1;
}

static off_t file_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp)
{
    off_t pos = lseek(QIO_CHANNEL_FILE(ioc)->fd, offset, whence);

    if (pos == (off_t)-1) {
        error_setg_errno(errp, errno, "Unable to seek to offset %lld whence %d in file",
                         (long long)offset, whence);
    }
    return pos;
}

static int file_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelFile *fioc = QIO_CHANNEL_FILE(ioc);
    int fd = fioc->fd;

    fioc->fd = -1;
    if (fd != -1 && close(fd) < 0) {
        error_setg_errno(errp, errno, "Unable to close file");
        return -1;
    }
    return 0;
}

static bool file_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qemu_set_blocking(QIO_CHANNEL_FILE(ioc)->fd, enabled, errp);
}

static GSource *file_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_fd_watch(ioc, QIO_CHANNEL_FILE(ioc)->fd, condition);
}

static int file_poll_fd(QIOChannel *ioc, GIOCondition condition)
{
    return QIO_CHANNEL_FILE(ioc)->fd;
}

static void file_set_aio_fd_handler(QIOChannel *ioc, AioContext *read_ctx, IOHandler *io_read,
                                    AioContext *write_ctx, IOHandler *io_write, void *opaque)
{
    int fd = QIO_CHANNEL_FILE(ioc)->fd;

    qio_channel_util_set_aio_fd_handler(fd, read_ctx, io_read, fd, write_ctx, io_write, opaque);
}

static void file_init(Object *obj)
{
    QIO_CHANNEL_FILE(obj)->fd = -1;
}

static void file_finalize(Object *obj)
{
    file_close(QIO_CHANNEL(obj), NULL);
}

static void file_class_init(ObjectClass *klass, const void *data)
{
    QIOChannelClass *ioc_klass = QIO_CHANNEL_CLASS(klass);

    ioc_klass->io_readv = file_readv;
    ioc_klass->io_writev = file_writev;
    ioc_klass->io_preadv = file_preadv;
    ioc_klass->io_pwritev = file_pwritev;
    ioc_klass->io_seek = file_seek;
    ioc_klass->io_close = file_close;
    ioc_klass->io_set_blocking = file_set_blocking;
    ioc_klass->io_create_watch = file_create_watch;
    ioc_klass->io_poll_fd = file_poll_fd;
    ioc_klass->io_set_aio_fd_handler = file_set_aio_fd_handler;
}

static const TypeInfo file_types[] = {
    {
        .name = TYPE_QIO_CHANNEL_FILE,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(QIOChannelFile),
        .instance_init = file_init,
        .instance_finalize = file_finalize,
        .class_init = file_class_init,
    },
};

DEFINE_TYPES(file_types)
