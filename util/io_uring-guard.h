/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings for a process that takes its own rights away.
 *
 * Theory of operation: a system call filter sees io_uring_enter() but not what a ring is told to
 * do. In a guarded process each ring is therefore made disabled and told, for good, the few
 * operations that event loops and files need; and since such a process will be forbidden to make
 * rings at all (nobody checks how it makes them), some are made beforehand and kept for event
 * loops that come later. A ring that was used is not put back: it is bound to its thread.
 */
#ifndef UTIL_IO_URING_GUARD_H
#define UTIL_IO_URING_GUARD_H

#include <liburing.h>

/* uring_guard_begin: guard the rings that are made from now on. Before there are threads. */
void uring_guard_begin(void);

/* uring_guard_active: whether uring_guard_begin() has been called. Any thread. */
bool uring_guard_active(void);

/*
 * uring_guard_init: as io_uring_queue_init_params(). In a guarded process the ring is disabled
 * (@params->flags say so), or it comes from the store when making one is forbidden; the store has
 * rings by the flags that they were asked for. Any thread. 0, or -errno.
 */
int uring_guard_init(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

/*
 * uring_guard_store: make @count rings of this kind and keep them. Main thread. 0, or -errno with
 * fewer in store.
 */
int uring_guard_store(unsigned count, unsigned entries, const struct io_uring_params *params);

#endif /* UTIL_IO_URING_GUARD_H */
