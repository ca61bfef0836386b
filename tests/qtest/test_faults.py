# SPDX-License-Identifier: GPL-2.0-or-later
"""Files and system calls that fail: data stay right, errors reach the guest, the daemon lives."""

import errno
import os
import random
import resource
import shutil
import struct
import tempfile
import unittest

from support import io_uring, paths
from support.daemon import Daemon
from support.image import KIB, MIB, Image, pattern
from support.virtio_blk import IOERR, OK, OUT, BlkDriver

COUNTERS = ('interrupted', 'would block', 'short', 'in a ring')
DISK_SIZE = 8 * MIB


class FaultCase(unittest.TestCase):
    """A daemon with the injecting library; the image is on the build's file system."""

    def setUp(self):
        if not os.path.exists(paths.injector()):
            self.skipTest('no injecting library beside this daemon')
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), DISK_SIZE)
        self.counters = os.path.join(self.folder, 'counters')
        with open(self.counters, 'wb') as file:
            file.write(bytes(8 * len(COUNTERS)))

    def start(self, *arguments, **injection):
        """A daemon whose calls fail as @injection says."""
        env = {'LD_PRELOAD': paths.injector(), 'INJECT_COUNTERS': self.counters,
               'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}
        env |= {f'INJECT_{name.upper()}': str(value) for name, value in injection.items()}
        daemon = Daemon(*arguments, env=env)
        self.addCleanup(daemon.close)
        return daemon

    def export(self, daemon, **options):
        """The image on the daemon; returns a driver."""
        daemon.qmp.command('blockdev-add', node_name='d', driver='file', filename=self.image.path,
                           **options)
        daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                           addr={'type': 'unix', 'path': daemon.path('sock')}, writable=True)
        driver = BlkDriver(daemon.path('sock'))
        self.addCleanup(driver.close)
        return driver

    def faults(self):
        """How often something was injected, by name."""
        with open(self.counters, 'rb') as file:
            return dict(zip(COUNTERS, struct.unpack(f'<{len(COUNTERS)}Q', file.read())))


class Transfers(FaultCase):
    """Random reads and writes of any size are whole, whatever the kernel does with a part."""

    def random_io(self, seed, **options):
        """Writes and reads back, by a driver and around it."""
        daemon = self.start(rate=4, seed=seed)
        driver = self.export(daemon, **options)
        rng = random.Random(seed)
        for number in range(60):
            length = rng.randrange(1, 64) * 4 * KIB
            offset = rng.randrange(0, (DISK_SIZE - length) // 4096) * 4096
            data = pattern(offset, length, number)
            driver.write(offset // 512, data)
            self.assertEqual(driver.read(offset // 512, length), data)
            self.assertEqual(self.image.read(offset, length), data)
        self.assertEqual(driver.flush(), OK)
        self.assertTrue(daemon.running())
        return self.faults()

    def test_threads(self):
        faults = self.random_io(1, aio='threads')
        self.assertGreater(faults['short'], 10)
        self.assertGreater(faults['interrupted'], 10)

    def test_threads_past_the_page_cache(self):
        faults = self.random_io(2, aio='threads', cache={'direct': True})
        self.assertGreater(faults['short'], 10)

    def test_rings(self):
        io_uring.needed()
        faults = self.random_io(3, aio='io_uring')
        self.assertGreater(faults['in a ring'] + faults['short'], 10)

    def test_rings_past_the_page_cache(self):
        io_uring.needed()
        faults = self.random_io(4, aio='io_uring', cache={'direct': True})
        self.assertGreater(faults['in a ring'] + faults['short'], 10)

    def test_every_kind_of_fault_happens(self):
        faults = self.random_io(5, aio='threads')
        self.assertGreater(faults['would block'], 0)
        self.assertGreater(faults['interrupted'], 0)
        self.assertGreater(faults['short'], 0)


class Flushes(FaultCase):
    """What a failed flush means for later ones."""

    def reopen(self, daemon):
        """The image is closed and opened again."""
        daemon.qmp.command('block-export-del', id='e', mode='hard')
        daemon.qmp.command('blockdev-del', node_name='d')
        return self.export(daemon, aio='threads')

    def test_through_the_page_cache_it_fails_until_the_node_is_opened_anew(self):
        daemon = self.start(fsync_failures=1)
        driver = self.export(daemon, aio='threads')
        driver.write(0, b'x' * 512)
        for _ in range(3):
            self.assertEqual(driver.flush(), IOERR)
        self.assertEqual(driver.read(0, 512), b'x' * 512)
        self.assertEqual(self.reopen(daemon).flush(), OK)

    def test_past_the_page_cache_the_next_one_counts(self):
        driver = self.export(self.start(fsync_failures=1), aio='threads', cache={'direct': True})
        self.assertEqual(driver.flush(), IOERR)
        self.assertEqual(driver.flush(), OK)


class Full(FaultCase):
    """Storage that takes no more."""

    def test_a_limit_of_file_size_fails_the_request_only(self):
        for aio in io_uring.engines('threads'):
            daemon = self.start()
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (MIB, MIB))
            driver = self.export(daemon, aio=aio)
            with self.subTest(aio=aio):
                sector = MIB // 512
                self.assertEqual(driver.request(OUT, sector, b'x' * 4096).status, IOERR)
                self.assertEqual(driver.request(OUT, sector - 4, b'x' * 4096).status, IOERR)
                self.assertEqual(driver.request(OUT, sector - 8, b'y' * 4096).status, OK)
                self.assertEqual(driver.read(sector - 8, 4096), b'y' * 4096)
                self.assertTrue(daemon.running())
            driver.close()
            daemon.close()

    def test_no_space_is_an_error_of_the_request(self):
        daemon = self.start()
        daemon.qmp.command(
            'blockdev-add', node_name='d', driver='blkdebug',
            image={'driver': 'file', 'filename': self.image.path},
            inject_error=[{'event': 'none', 'iotype': 'write', 'errno': errno.ENOSPC,
                           'sector': 8, 'once': True}])
        daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                           addr={'type': 'unix', 'path': daemon.path('sock')}, writable=True)
        driver = BlkDriver(daemon.path('sock'))
        self.addCleanup(driver.close)
        self.assertEqual(driver.request(OUT, 8, b'x' * 512).status, IOERR)
        self.assertEqual(driver.request(OUT, 8, b'x' * 512).status, OK)
        self.assertEqual(driver.read(8, 512), b'x' * 512)


if __name__ == '__main__':
    unittest.main()
