# SPDX-License-Identifier: GPL-2.0-or-later
"""The FUSE file system for tests does what it is told."""

import errno
import os
import subprocess
import sys
import unittest

from support.fuse import FuseMount

DATA = bytes(range(256)) * 64


class FuseServer(unittest.TestCase):
    def setUp(self):
        self.fuse = FuseMount()
        self.addCleanup(self.fuse.close)
        self.path = self.fuse.add('disk', DATA)

    def open(self, flags=os.O_RDWR):
        fd = os.open(self.path, flags)
        self.addCleanup(os.close, fd)
        return fd

    def test_reads_and_writes_reach_the_folder_behind_it(self):
        fd = self.open()
        self.assertEqual(os.pread(fd, len(DATA), 0), DATA)
        self.assertEqual(os.pwrite(fd, b'new', 100), 3)
        os.fsync(fd)
        os.truncate(self.path, 1000)
        with open(self.fuse.behind('disk'), 'rb') as file:
            self.assertEqual(file.read(), DATA[:100] + b'new' + DATA[103:1000])
        self.assertEqual(os.listdir(self.fuse.mountpoint), ['disk'])

    def test_transfers_are_as_short_as_they_are_told(self):
        fd = self.open()
        self.fuse.set(short_read=700, short_write=300)
        self.assertEqual(os.pread(fd, 4096, 512), DATA[512:1212])
        self.assertEqual(os.pwrite(fd, bytes(1000), 0), 300)
        self.fuse.set(short_read=0)
        self.assertEqual(os.pread(fd, 4096, 0), b'')

    def test_errors_are_the_ones_it_is_told(self):
        fd = self.open()
        self.fuse.set(error={'read': 'EUCLEAN', 'statfs': 'EACCES'})
        with self.assertRaises(OSError) as caught:
            os.pread(fd, 1, 0)
        self.assertEqual(caught.exception.errno, errno.EUCLEAN)
        with self.assertRaises(PermissionError):
            os.statvfs(self.path)

    def hanging(self, operation, statement):
        """Another process that waits; it is let go with the server."""
        self.fuse.set(hang=[operation])
        process = subprocess.Popen([sys.executable, '-c', f'import os; {statement}'],
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.fuse.wait_held(operation)
        self.assertIsNone(process.poll())
        return process

    def test_what_hangs_goes_on_when_it_may(self):
        for operation, statement in (
                ('open', f'os.open({self.path!r}, os.O_RDONLY)'),
                ('lookup', f'os.stat({self.path!r})'),
                ('statfs', f'os.statvfs({self.path!r})'),
                ('read', f'os.read(os.open({self.path!r}, os.O_RDONLY), 10)'),
                ('getattr', f'os.fstat(os.open({self.path!r}, os.O_RDONLY))')):
            with self.subTest(operation):
                process = self.hanging(operation, statement)
                self.fuse.set(hang=[])
                self.assertEqual(process.wait(), 0)

    def test_what_hangs_fails_when_the_server_ends(self):
        process = self.hanging('read', f'os.read(os.open({self.path!r}, os.O_RDONLY), 10)')
        self.fuse.close()
        self.assertEqual(process.wait(), 1)

    def test_a_read_only_mount_is_one(self):
        fuse = FuseMount(read_only=True)
        self.addCleanup(fuse.close)
        path = fuse.add('disk', DATA)
        with self.assertRaises(OSError) as caught:
            os.open(path, os.O_RDWR)
        self.assertEqual(caught.exception.errno, errno.EROFS)


if __name__ == '__main__':
    unittest.main()
