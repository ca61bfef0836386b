/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Becoming an unprivileged user once everything is set up.
 */
#ifndef STORAGE_DAEMON_RUN_AS_H
#define STORAGE_DAEMON_RUN_AS_H

#include "qapi/error.h"

/* run_as_parse: take the argument of --run-with. Main thread. */
bool run_as_parse(const char *arg, Error **errp);

/*
 * run_as_apply: become that user, with its groups, in all threads and for good. Nothing happens if
 * none was named. Main thread; blocks.
 */
bool run_as_apply(Error **errp);

#endif /* STORAGE_DAEMON_RUN_AS_H */
