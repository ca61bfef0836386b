/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going to the background, and the file with the process's number.
 */
#ifndef STORAGE_DAEMON_DAEMONIZE_H
#define STORAGE_DAEMON_DAEMONIZE_H

#include "qapi/error.h"

/*
 * daemonize_begin: continue in a child process with a session of its own. The parent waits for
 * the child's word and exits: 0 after daemonize_ready(), 1 when the child ends before. Must be
 * called before there are threads or event loops.
 */
bool daemonize_begin(Error **errp);

/* daemonize_ready: let go of the caller: its folder, its terminal, and the waiting parent. */
bool daemonize_ready(Error **errp);

/* pidfile_create: write the process's number; the file is kept locked. */
bool pidfile_create(const char *path, Error **errp);
/* pidfile_remove: remove what pidfile_create() made, if it did and it is still there. Any thread.
 */
void pidfile_remove(void);

#endif /* STORAGE_DAEMON_DAEMONIZE_H */
