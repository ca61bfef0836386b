/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on a file, a pipe, a terminal: whatever read(2) and write(2) serve. */
#ifndef QIO_CHANNEL_FILE_H
#define QIO_CHANNEL_FILE_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_FILE "qio-channel-file"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelFile, QIO_CHANNEL_FILE)

struct QIOChannelFile {
    QIOChannel parent;
    int fd; /* -1 once closed */
};

/* A channel on @fd, which it takes. Never fails. */
QIOChannelFile *qio_channel_file_new_fd(int fd);

/* A channel on a close-on-exec duplicate of @fd. NULL with *errp set on failure. */
QIOChannelFile *qio_channel_file_new_dupfd(int fd, Error **errp);

/* A channel on the file at @path, @flags and @mode as open(2). NULL with *errp set. */
QIOChannelFile *qio_channel_file_new_path(const char *path, int flags, mode_t mode, Error **errp);

#endif /* QIO_CHANNEL_FILE_H */
