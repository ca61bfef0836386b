/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into a daemon under test: says so when it closes a descriptor that is not open.
 *
 * In a program of several threads such a close() hits, now and then, what another thread has just
 * opened; here it is found each time.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int close(int fd)
{
    int rc = syscall(SYS_close, fd);

    if (rc < 0 && errno == EBADF) {
        dprintf(STDERR_FILENO, "strict-close: %d is not open\n", fd);
        errno = EBADF;
    }
    return rc;
}
