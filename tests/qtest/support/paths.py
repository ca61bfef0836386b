# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the tests find things; each can be set from outside."""

import contextlib
import fcntl
import os

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '../../..'))
GUEST_SOURCES = os.path.join(TOP, 'tests/qtest/guest')


def daemon():
    """The qemu-storage-daemon under test."""
    return os.environ.get('QSD') or os.path.join(TOP, 'build/storage-daemon/qemu-storage-daemon')


def contrib(name):
    """The stand-alone back-end of that name, of the daemon's build."""
    return os.path.join(os.path.dirname(daemon()), '../contrib', name, name)


def sanitized():
    """Whether the daemon is one with a sanitizer, which keeps freed memory for a while."""
    return 'asan' in ''.join(os.environ.get(name, '') for name in
                             ('QSD', 'QSD_SANDBOXED', 'QSD_INJECTED'))


def injector():
    """The library that has the daemon's system calls fail, of the daemon's build."""
    return os.path.join(os.path.dirname(daemon()), '../tests/qtest/inject.so')


def cache():
    """A folder for what is costly to make and the same in each run (kernel, initrds)."""
    path = os.environ.get('QTEST_CACHE') or os.path.join(TOP, 'build/guest')
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def cache_lock(name='lock'):
    """Only one process at a time makes things in the cache, those that @name is about."""
    with open(os.path.join(cache(), name), 'w', encoding='ascii') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
