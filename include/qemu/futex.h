/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleep on a 32-bit word of this process, and wake sleepers. */
#ifndef QEMU_FUTEX_H
#define QEMU_FUTEX_H

#include <linux/futex.h>
#include <sys/syscall.h>

#define HAVE_FUTEX 1

/* Wake one or all threads that sleep on the word at @f. */
static inline void qemu_futex_wake_single(void *f)
{
    syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline void qemu_futex_wake_all(void *f)
{
    syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/*
 * Blocks until woken, unless the word at @f is not @val any more. May return for no reason: look at
 * the word again.
 */
static inline void qemu_futex_wait(void *f, unsigned val)
{
    while (syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, val, NULL, NULL, 0) != 0) {
        if (errno == EAGAIN) {
            return;
        }
        assert(errno == EINTR);
    }
}

/* The same for at most @ns nanoseconds (negative: no limit); false when the time was up. */
static inline bool qemu_futex_timedwait(void *f, unsigned val, int64_t ns)
{
    struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

    if (syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, val, ns < 0 ? NULL : &ts, NULL, 0) == 0) {
        return true;
    }
    return errno != ETIMEDOUT;
}

#endif
