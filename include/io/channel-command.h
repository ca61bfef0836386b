/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel on a child process: reads come from its standard output, writes go to its
 * standard input. Closing the channel ends the child (first its input ends, then
 * SIGTERM, then SIGKILL) and fails if the child did.
 */
#ifndef QIO_CHANNEL_COMMAND_H
#define QIO_CHANNEL_COMMAND_H

#include "io/channel.h"

#define TYPE_QIO_CHANNEL_COMMAND "qio-channel-command"
OBJECT_DECLARE_SIMPLE_TYPE(QIOChannelCommand, QIO_CHANNEL_COMMAND)

struct QIOChannelCommand {
    QIOChannel parent;
    int writefd; /* to the child's input, or -1 */
    int readfd;  /* from the child's output, or -1 */
    GPid pid;    /* 0 once the child has been waited for */
};

/*
 * Start @argv (NULL-terminated; argv[0] an absolute path). @flags: O_RDONLY, O_WRONLY
 * or O_RDWR, as seen from here; the direction not asked for is /dev/null. NULL with
 * *errp set on failure.
 */
QIOChannelCommand *qio_channel_command_new_spawn(const char *const argv[], int flags, Error **errp);

#endif /* QIO_CHANNEL_COMMAND_H */
