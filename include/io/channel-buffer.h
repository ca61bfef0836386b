/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on memory: writes grow it, reads take from it; it never waits. */
#ifndef QIO_CHANNEL_BUFFER_H
#define QIO_CHANNEL_BUFFER_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_BUFFER "qio-channel-buffer"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelBuffer, QIO_CHANNEL_BUFFER)

struct QIOChannelBuffer {
    QIOChannel parent;
    size_t capacity; /* bytes allocated */
    size_t usage;    /* bytes that have been written, <= capacity */
    size_t offset;   /* the position of reads and writes */
    uint8_t *data;
};

/* An empty buffer with room for @capacity bytes; it grows as needed. */
QIOChannelBuffer *qio_channel_buffer_new(size_t capacity);

#endif /* QIO_CHANNEL_BUFFER_H */
