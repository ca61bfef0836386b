/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls that wait for storage, on behalf of who must not: a monitor's command, the main
 * loop.
 *
 * Theory of operation
 *
 * Each call has a thread of its own: those of a pool may all be waiting for a disk that never
 * answers. Nothing ends a thread that waits in the kernel, so after its time the call is left to
 * it, with all that it works on, and the caller goes on without an answer. Few may be left behind
 * like that.
 */
#ifndef QEMU_STORAGE_CALL_H
#define QEMU_STORAGE_CALL_H

#include "qemu/coroutine.h"

enum {
    STORAGE_CALLS_MAX = 64,  /* at a time; more are refused */
    STORAGE_QUICK_MS = 800,  /* what is quick unless the storage does not answer */
    STORAGE_SLOW_MS = 10000, /* a disk that has to start, a large file that is cut off */
};

/* Any thread; 0 or positive, or -errno. */
typedef int StorageFunc(void *arg);

/**
 * storage_co_call: Run @func(@arg) elsewhere, for @ms milliseconds at most; yields. True: *@ret is
 * its result, whatever that is, and @arg the caller's. False: there is none yet (*@ret:
 * -ETIMEDOUT), or too many wait already (-EBUSY; never if @free_arg is NULL): @arg is no longer the
 * caller's, and given to @free_arg, which may be NULL, when @func has returned. Where there are no
 * threads it waits here. Main thread.
 */
bool coroutine_fn storage_co_call(StorageFunc *func, void *arg, GDestroyNotify free_arg, int ms,
                                  int *ret);

/**
 * storage_call: The same outside of coroutines: the caller's thread does nothing meanwhile. @ms
 * < 0: as long as it takes, or until the interrupt says so (-EINTR). Any thread.
 */
bool storage_call(StorageFunc *func, void *arg, GDestroyNotify free_arg, int ms, int *ret);

/** storage_call_set_interrupt: @asked is asked now and then whether waiting shall end. */
void storage_call_set_interrupt(bool (*asked)(void));

#endif
