/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel that swallows what is written and is always at its end of file. */
#ifndef QIO_CHANNEL_NULL_H
#define QIO_CHANNEL_NULL_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_NULL "qio-channel-null"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelNull, QIO_CHANNEL_NULL)

struct QIOChannelNull {
    QIOChannel parent;
    bool closed; /* transfers fail once it is */
};

QIOChannelNull *qio_channel_null_new(void);

#endif /* QIO_CHANNEL_NULL_H */
