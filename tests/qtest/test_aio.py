# SPDX-License-Identifier: GPL-2.0-or-later
"""What `aio` asks for is used, or an error; the default does with what there is."""

import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

from support import io_uring, paths
from support.daemon import Daemon
from support.fuse import FuseMount
from support.image import MIB, Image, pattern
from support.qmp import QmpError
from support.virtio_blk import BlkDriver
from support.waiting import TIMEOUT

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, EPERM = 38, 22, 2, 1
LIBC = ctypes.CDLL(None, use_errno=True)
REFUSED = ('aio=io_uring was specified, but is not available (disabled via io_uring_disabled '
           'sysctl or blocked by container runtime seccomp policy?)')
FALLS_BACK = 'io_uring is not available: files are read and written by threads, more slowly'


def refuse_io_uring():
    """Between fork and exec: as a container's seccomp policy does."""
    # Load the number of the call; if it is io_uring_setup, EPERM; else allow.
    program = b''.join(struct.pack('<HBBI', *step) for step in (
        (0x20, 0, 0, 0), (0x15, 0, 1, io_uring.IO_URING_SETUP), (0x06, 0, 0, 0x00050000 | EPERM),
        (0x06, 0, 0, 0x7fff0000)))
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack('@HP', 4, ctypes.addressof(buffer))
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or LIBC.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filter_), 0, 0):
        os._exit(126)


class NoRing(unittest.TestCase):
    """A daemon to which the kernel gives no ring."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), MIB)
        self.image.write(0, pattern(0, MIB, 1))
        if subprocess.run(['true'], preexec_fn=refuse_io_uring, check=False).returncode:
            self.skipTest('no system calls can be refused here')
        self.daemon = Daemon(preexec_fn=refuse_io_uring)
        self.addCleanup(self.daemon.close)

    def add(self, name, **options):
        """A node on the image."""
        self.daemon.qmp.command('blockdev-add', node_name=name, driver='file',
                                filename=self.image.path, locking='off', **options)

    def test_io_uring_is_an_error(self):
        for options in ({}, {'read_only': True}, {'cache': {'direct': True}}):
            with self.assertRaises(QmpError) as caught:
                self.add('d', aio='io_uring', **options)
            self.assertIn(caught.exception.description, (
                REFUSED, 'aio=io_uring was specified, but is not supported in this build.'))
        self.assertEqual(self.daemon.stderr(), '')
        done = subprocess.run([paths.daemon(), '--blockdev',
                               f'file,node-name=d,aio=io_uring,filename={self.image.path}'],
                              preexec_fn=refuse_io_uring, check=False, capture_output=True,
                              text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 1)
        self.assertIn('aio=io_uring was specified, but is not', done.stderr)

    def test_the_default_falls_back_with_one_line(self):
        self.add('d')
        self.add('other')
        self.add('native', aio='native', cache={'direct': True})
        self.add('threads', aio='threads')
        self.assertEqual(self.daemon.stderr().count(FALLS_BACK), 1)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                                addr={'type': 'unix', 'path': self.daemon.path('sock')})
        driver = BlkDriver(self.daemon.path('sock'))
        self.assertEqual(driver.read(8, 4096), pattern(4096, 4096, 1))
        driver.close()

    def test_threads_are_used_without_a_word(self):
        self.add('d', aio='threads')
        self.assertEqual(self.daemon.stderr(), '')


class OtherFileSystem(unittest.TestCase):
    def test_io_uring_is_not_used_and_a_line_says_so(self):
        fuse = FuseMount()
        self.addCleanup(fuse.close)
        path = fuse.add('disk', bytes(MIB))
        daemon = Daemon()
        self.addCleanup(daemon.close)
        try:
            daemon.qmp.command('blockdev-add', node_name='d', driver='file', filename=path,
                               aio='io_uring')
        except QmpError as err:
            self.skipTest(str(err))
        self.assertIn(f"'{path}': aio=io_uring is not used", daemon.stderr())
        daemon.qmp.command('blockdev-add', node_name='e', driver='file', filename=path,
                           locking='off', read_only=True)
        self.assertEqual(len(daemon.stderr_lines()), 1)


if __name__ == '__main__':
    unittest.main()
