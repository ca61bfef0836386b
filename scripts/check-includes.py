#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fail on an #include that points at a higher layer of the house.

The layers are those of docs/devel/architecture.md. A file's layer, and a
header's, follow from its path by the first matching row of ROOMS.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

# (pattern of a path from the top, layer); headers are named without "include/".
ROOMS = [
    ('qemu/osdep.h', 0), ('qemu/compiler.h', 0), ('qemu/roles.h', 0), ('qemu/bswap.h', 0),
    ('qemu/typedefs.h', 0),
    ('standard-headers/*', 0),
    ('qemu/coroutine*', 2), ('qemu/lockable.h', 2), ('qemu/timer.h', 2), ('qemu/main-loop.h', 2),
    ('qemu/throttle*.h', 2), ('block/aio*.h', 2), ('block/thread-pool.h', 2),
    ('qemu/storage-call.h', 2), ('util/storage-call*', 2),
    ('util/aio*', 2), ('util/poll-window*', 2), ('util/wakeup-cost*', 2), ('util/async*', 2),
    ('util/fdmon*', 2), ('util/io_uring*', 2),
    ('util/*coroutine*', 2),
    ('util/qemu-timer*', 2), ('util/thread-pool*', 2), ('util/main-loop*', 2),
    ('util/throttle.c', 2),
    ('qemu/keyval.h', 3), ('util/keyval*', 3), ('system/iothread.h', 3), ('util/iothread.c', 3),
    ('qemu/sockets.h', 4), ('util/*sockets*', 4),
    ('qemu/vhost-user-server.h', 6), ('util/vhost-user-server*', 6),
    ('util/block-helpers.*', 7), ('system/block-backend*', 7),
    ('qapi/error.h', 1), ('qemu/*', 1), ('util/*', 1), ('trace/*', 1),
    ('qapi/*', 3), ('qobject/*', 3), ('qom/*', 3),
    ('io/*', 4),
    ('subprojects/libvhost-user/*', 5), ('libvhost-user*', 5),
    ('block/export*', 8),
    ('block/*', 7),
    ('hw/*', 9), ('contrib/*', 10),
    ('chardev/*', 11), ('monitor/*', 11),
    ('storage-daemon/*', 12),
]

# layer -> the layers whose headers it may include
MAY_USE = {
    0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: set(range(4)), 4: set(range(5)), 5: {5},
    6: set(range(7)), 7: {0, 1, 2, 3, 4, 7}, 8: set(range(9)), 9: {0, 1, 2, 3, 4, 5, 9},
    10: set(range(7)) | {10}, 11: {0, 1, 2, 3, 4, 11}, 12: set(range(13)),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def layer_of(path):
    """The layer of a path (as a file, or as a header is written in an #include)."""
    for pattern, layer in ROOMS:
        if fnmatch.fnmatch(path, pattern):
            return layer
    return None


def room_of_include(source, name, tree):
    """The path that decides the layer of `#include "name"` inside source."""
    beside = (source.parent / name)
    if beside.as_posix() in tree:
        path = beside.as_posix()
        return path[len('include/'):] if path.startswith('include/') else path
    return name


def check(source, tree, complaints):
    path = source.as_posix()
    own = layer_of(path[len('include/'):] if path.startswith('include/') else path)
    if own is None:
        return
    text = source.read_text(encoding='utf-8', errors='replace')
    if path.endswith('.c') and own not in (0, 5):
        first = INCLUDE.search(text)
        if not first or first.group(1) != 'qemu/osdep.h':
            complaints.append(f'{path}: the first #include is not "qemu/osdep.h"')
    for match in INCLUDE.finditer(text):
        target = layer_of(room_of_include(source, match.group(1), tree))
        if target is not None and target not in MAY_USE[own]:
            line = text.count('\n', 0, match.start()) + 1
            complaints.append(f'{path}:{line}: layer {own} includes "{match.group(1)}" '
                              f'of layer {target}')


def main():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.c', '*.h'],
                            capture_output=True, text=True, check=True).stdout.split()
    tree = set(listed)
    complaints = []
    for name in listed:
        if not name.startswith('tests/') and pathlib.Path(name).exists():
            check(pathlib.Path(name), tree, complaints)
    print('\n'.join(complaints) if complaints else f'{len(listed)} files, every arrow runs downward')
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
