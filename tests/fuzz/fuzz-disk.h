/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small disk in memory, whose requests wait as long as the input wants. */
#ifndef TESTS_FUZZ_FUZZ_DISK_H
#define TESTS_FUZZ_FUZZ_DISK_H

#include "fuzz.h"

#define FUZZ_DISK_SIZE (64 * 1024)

/* Once, after fuzz_daemon_setup(): make the node @name. */
void fuzz_disk_setup(const char *name);
/* Requests that come from now on wait; or: go on at once. */
void fuzz_disk_hold(bool hold);
/* Let the oldest @n requests that wait go on. Outside coroutines. */
void fuzz_disk_resume(unsigned n);
/* All that wait go on, nothing waits any more, the disk is all zeroes. */
void fuzz_disk_reset(void);

#endif
