/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel that swallows what is written and is always at its end of file. */
#include "qemu/osdep.h"
#include "io/channel-null.h"
#include "io/channel-watch.h"
#include "qapi/error.h"
#include "qemu/iov.h"

QIOChannelNull *qio_channel_null_new(void)
{
    return QIO_CHANNEL_NULL(object_new(TYPE_QIO_CHANNEL_NULL));
}

static bool null_check_open(QIOChannel *ioc, Error **errp)
{
    if (QIO_CHANNEL_NULL(ioc)->closed) {
        error_setg(errp, "Channel is closed");
        return false;
    }
    return true;
}

static ssize_t null_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                          size_t *nfds, int flags, Error **errp)
{
    return null_check_open(ioc, errp) ? 0 : -1;
}

static ssize_t null_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                           size_t nfds, int flags, Error **errp)
{
    return null_check_open(ioc, errp) ? (ssize_t)iov_size(iov, niov) : -1;
}

static ssize_t null_preadv(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                           Error **errp)
{
    return null_readv(ioc, iov, niov, NULL, NULL, 0, errp);
}

static ssize_t null_pwritev(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                            Error **errp)
{
    return null_writev(ioc, iov, niov, NULL, 0, 0, errp);
}

static off_t null_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp)
{
    return null_check_open(ioc, errp) ? 0 : -1;
}

static int null_close(QIOChannel *ioc, Error **errp)
{
    QIO_CHANNEL_NULL(ioc)->closed = true;
    return 0;
}

static bool null_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return true;
}

static void null_init(Object *obj)
{
    qio_channel_set_feature(QIO_CHANNEL(obj), QIO_CHANNEL_FEATURE_SEEKABLE);
}

static void null_class_init(ObjectClass *klass, const void *data)
{
    QIOChannelClass *ioc_klass = QIO_CHANNEL_CLASS(klass);

    ioc_klass->io_readv = null_readv;
    ioc_klass->io_writev = null_writev;
    ioc_klass->io_preadv = null_preadv;
    ioc_klass->io_pwritev = null_pwritev;
    ioc_klass->io_seek = null_seek;
    ioc_klass->io_close = null_close;
    ioc_klass->io_set_blocking = null_set_blocking;
    ioc_klass->io_create_watch = qio_channel_create_ready_watch;
}

static const TypeInfo null_types[] = {
    {
        .name = TYPE_QIO_CHANNEL_NULL,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(QIOChannelNull),
        .instance_init = null_init,
        .class_init = null_class_init,
    },
};

DEFINE_TYPES(null_types)
