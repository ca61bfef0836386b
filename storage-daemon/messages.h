/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where messages go once the program serves: files, the system log, standard error.
 */
#ifndef STORAGE_DAEMON_MESSAGES_H
#define STORAGE_DAEMON_MESSAGES_H

#include "qapi/error.h"

/* messages_parse_log: note what --log asks for. */
bool messages_parse_log(const char *arg, Error **errp);
/* messages_log_to_file: note what -D asks for: the same as --log target=file,file=PATH. */
bool messages_log_to_file(const char *path, Error **errp);
/* messages_parse_msg: carry --msg out. */
bool messages_parse_msg(const char *arg, Error **errp);

/*
 * messages_start: open what --log and -D name; if they name nothing, the system log in the
 * background and standard error otherwise. Main thread.
 */
bool messages_start(bool daemonized, Error **errp);
/* messages_take_over: from now on messages go there, and nobody waits for them to be read. */
void messages_take_over(void);
/* messages_flush: give what has been written a second to arrive. Any thread. */
void messages_flush(void);

#endif /* STORAGE_DAEMON_MESSAGES_H */
