/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to end the program: SIGTERM, SIGINT, SIGHUP, and from within.
 */
#ifndef STORAGE_DAEMON_SHUTDOWN_H
#define STORAGE_DAEMON_SHUTDOWN_H

#include "qapi/error.h"

/*
 * shutdown_init: catch the signals. Until shutdown_started() a second one ends the process at
 * once: start-up may be stuck in a system call. After qemu_init_main_loop().
 */
bool shutdown_init(Error **errp);
/* shutdown_started: from now on no signal ends the process without a clean end. */
void shutdown_started(void);
/* shutdown_done: undo shutdown_init(); signals are ignored from now on. */
void shutdown_done(void);

/*
 * shutdown_watch: from now on the end is under way; if it takes longer than its limit, because
 * storage does not answer, give the rest up: socket and pid files go, the process ends with status
 * 1. Main loop; does nothing the second time.
 */
void shutdown_watch(void);
/* shutdown_set_limit: that limit, in seconds. Once, before anything can end. */
void shutdown_set_limit(unsigned seconds);

/* shutdown_request: end the main loop. Main loop. */
void shutdown_request(void);
/* shutdown_requested: whether anybody asked for the end. Any thread. */
bool shutdown_requested(void);

#endif /* STORAGE_DAEMON_SHUTDOWN_H */
