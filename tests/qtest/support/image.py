# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk image files and the patterns in them; the same pattern as tests/qtest/guest/blkio.c."""

import array
import os

MULTIPLIER = 0x9e3779b97f4a7c15
MASK = (1 << 64) - 1
KIB, MIB = 1 << 10, 1 << 20


def pattern(offset, length, seed):
    """What stands at @offset of a device on which pattern @seed has been written."""
    start, step = (offset * MULTIPLIER + seed) & MASK, 8 * MULTIPLIER
    return array.array('Q', [(start + number * step) & MASK
                             for number in range(length // 8)]).tobytes()


class Image:
    """A sparse file."""

    def __init__(self, path, size):
        self.path = path
        with open(path, 'wb') as file:
            file.truncate(size)

    def read(self, offset, length):
        """Bytes as any other program sees them."""
        with open(self.path, 'rb') as file:
            file.seek(offset)
            return file.read(length)

    def write(self, offset, data):
        """Writes around the daemon."""
        with open(self.path, 'r+b') as file:
            file.seek(offset)
            file.write(data)

    def size(self):
        """Length in bytes."""
        return os.stat(self.path).st_size

    def allocated(self):
        """Bytes of storage behind it."""
        return os.stat(self.path).st_blocks * 512

    def remove(self):
        """Deletes the file."""
        os.unlink(self.path)
