/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors beside the bytes of a character device. Main loop. */
#ifndef CHARDEV_CHAR_MSGFDS_H
#define CHARDEV_CHAR_MSGFDS_H

#include "io/channel.h"

/* All zero: none. */
typedef struct CharMsgfds {
    int *fds;
    size_t num;
    bool owned; /* they came, and are ours; those that shall go are somebody else's */
} CharMsgfds;

/* Has none any more; closes what is ours. */
void char_msgfds_clear(CharMsgfds *m);

/* Those of the caller that go with the next bytes, instead of others; @num may be 0. */
void char_msgfds_set(CharMsgfds *m, const int *fds, size_t num);

/* Hands up to @num of what came to the caller, who owns them, and closes the rest. How many. */
size_t char_msgfds_take(CharMsgfds *m, int *fds, size_t num);

/*
 * qio_channel_read() and qio_channel_write() with what came last in @m, or what shall go. What
 * comes takes the place of what nobody took; what has gone, with the first byte, does not go again.
 */
ssize_t char_msgfds_read(CharMsgfds *m, QIOChannel *ioc, void *buf, size_t len);
ssize_t char_msgfds_write(CharMsgfds *m, QIOChannel *ioc, const void *buf, size_t len);

#endif
