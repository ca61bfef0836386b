# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether this host has io_uring: found out by asking for a ring."""

import ctypes
import errno
import unittest

IO_URING_SETUP = 425        # on all architectures


def available():
    """The kernel would make a ring. (The daemon may have been built without.)"""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(IO_URING_SETUP, 0, None)
    return ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM)


def needed():
    """Skips the test without."""
    if not available():
        raise unittest.SkipTest('no io_uring on this host')


def engines(*others):
    """Values of `aio` to try."""
    return (*others, 'io_uring') if available() else others
