/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on memory: writes grow it, reads take from it; it never waits. */
#include "qemu/osdep.h"
#include "io/channel-buffer.h"
#include "io/channel-watch.h"
#include "qapi/error.h"
#include "qemu/iov.h"

QIOChannelBuffer *qio_channel_buffer_new(size_t capacity)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(object_new(TYPE_QIO_CHANNEL_BUFFER));

    bioc->data = g_malloc0(capacity);
    bioc->capacity = capacity;
    return bioc;
}

static ssize_t buffer_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                            size_t *nfds, int flags, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    size_t left = bioc->usage > bioc->offset ? bioc->usage - bioc->offset : 0;
    size_t len = left ? iov_from_buf(iov, niov, 0, bioc->data + bioc->offset, left) : 0;

    bioc->offset += len;
    return len;
}

/* Make room up to @end bytes; what was never written reads as zeroes. */
static void buffer_reserve(QIOChannelBuffer *bioc, size_t end)
{
    size_t capacity = MAX(end, bioc->capacity * 2);

    if (end > bioc->capacity) {
        bioc->data = g_realloc(bioc->data, capacity);
        memset(bioc->data + bioc->capacity, 0, capacity - bioc->capacity);
        bioc->capacity = capacity;
    }
}

static ssize_t buffer_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                             size_t nfds, int flags, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    size_t len = iov_size(iov, niov);

    /* Keeps the sums below from wrapping; no allocation of that size would succeed. */
    if (len > SSIZE_MAX / 2 || bioc->offset > SSIZE_MAX / 2) {
        error_setg(errp, "Write of %zu bytes at %zu is too large for a buffer", len, bioc->offset);
        return -1;
    }
    buffer_reserve(bioc, bioc->offset + len);
    iov_to_buf(iov, niov, 0, bioc->data + bioc->offset, len);
    bioc->offset += len;
    bioc->usage = MAX(bioc->usage, bioc->offset);
    return len;
}

static off_t buffer_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);
    off_t base = whence == SEEK_CUR ? bioc->offset : whence == SEEK_END ? bioc->usage : 0;
    off_t pos;

    if (__builtin_add_overflow(base, offset, &pos) || pos < 0) {
        error_setg(errp, "Offset %lld is outside of the buffer", (long long)offset);
        return -1;
    }
    bioc->offset = pos;
    return pos;
}

static int buffer_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelBuffer *bioc = QIO_CHANNEL_BUFFER(ioc);

    g_clear_pointer(&bioc->data, g_free);
    bioc->capacity = bioc->usage = bioc->offset = 0;
    return 0;
}

static bool buffer_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return true;
}

static void buffer_finalize(Object *obj)
{
    buffer_close(QIO_CHANNEL(obj), NULL);
}

static void buffer_class_init(ObjectClass *klass, const void *data)
{
    QIOChannelClass *ioc_klass = QIO_CHANNEL_CLASS(klass);

    ioc_klass->io_readv = buffer_readv;
    ioc_klass->io_writev = buffer_writev;
    ioc_klass->io_seek = buffer_seek;
    ioc_klass->io_close = buffer_close;
    ioc_klass->io_set_blocking = buffer_set_blocking;
    ioc_klass->io_create_watch = qio_channel_create_ready_watch;
}

static const TypeInfo buffer_types[] = {
    {
        .name = TYPE_QIO_CHANNEL_BUFFER,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(QIOChannelBuffer),
        .instance_finalize = buffer_finalize,
        .class_init = buffer_class_init,
    },
};

DEFINE_TYPES(buffer_types)
