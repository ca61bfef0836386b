/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GLib sources that watch the descriptors behind a channel; for channels' own use. */
#ifndef QIO_CHANNEL_WATCH_H
#define QIO_CHANNEL_WATCH_H

#include "io/channel.h"

/*
 * A new GSource (g_source_unref it) that calls its QIOChannelFunc while @fd is ready
 * for @condition (an error or a hang-up always counts). It references @ioc and does
 * not own @fd, which must outlive it.
 */
GSource *qio_channel_create_fd_watch(QIOChannel *ioc, int fd, GIOCondition condition);

/* The same for a channel that reads from @fdread and writes to @fdwrite. */
GSource *qio_channel_create_fd_pair_watch(QIOChannel *ioc, int fdread, int fdwrite,
                                          GIOCondition condition);

/* A source that is always ready for @condition, for channels that never wait. */
GSource *qio_channel_create_ready_watch(QIOChannel *ioc, GIOCondition condition);

#endif /* QIO_CHANNEL_WATCH_H */
