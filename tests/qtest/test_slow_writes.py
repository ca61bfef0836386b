# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes to the page cache that the loop's thread does itself, until one of them is slow."""

import os
import shutil
import struct
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import OUT, BlkDriver
from support.waiting import until

COUNTERS = 6        # of the injecting library; the last two: writes by loops, by others
SLOW_US = 100000


@unittest.skipUnless(os.path.exists(paths.injector()), 'no injecting library beside this daemon')
class SlowWrites(unittest.TestCase):
    """A disk whose writes become slow, and another one in the same IOThread."""

    def setUp(self):
        # A file system that the daemon knows to behave, wherever the tests run.
        where = '/dev/shm' if os.access('/dev/shm', os.W_OK) else paths.cache()
        self.folder = tempfile.mkdtemp(prefix='slow-', dir=where)
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), MIB)
        self.counters = os.path.join(self.folder, 'counters')
        with open(self.counters, 'wb') as file:
            file.write(bytes(8 * COUNTERS))
        self.slow = os.path.join(self.folder, 'slow')
        self.held = os.path.join(self.folder, 'held')
        self.daemon = Daemon(
            '--object', 'iothread,id=io0',
            '--blockdev', f'file,node-name=d,filename={self.image.path}',
            '--blockdev', f'null-co,node-name=n,size={MIB},read-zeroes=on',
            '--export', 'vhost-user-blk,id=d,node-name=d,writable=on,iothread=io0,num-queues=2,'
            'addr.type=unix,addr.path=d',
            '--export', 'vhost-user-blk,id=n,node-name=n,writable=on,iothread=io0,addr.type=unix,'
            'addr.path=n',
            env={'LD_PRELOAD': paths.injector(), 'INJECT_COUNTERS': self.counters,
                 'INJECT_HELD_FILE': self.held, 'INJECT_SLOW_FILE': self.slow,
                 'INJECT_SLOW_US': str(SLOW_US),
                 'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'})
        self.addCleanup(self.daemon.close)
        self.driver = BlkDriver(self.daemon.path('d'))
        self.addCleanup(self.driver.close)

    def writes(self):
        """How many were done by IOThreads, and by other threads."""
        with open(self.counters, 'rb') as file:
            return struct.unpack(f'<{COUNTERS}Q', file.read())[-2:]

    def write_some(self, count=32):
        """Writes, several in flight."""
        for _ in range(count // 8):
            pending = [self.driver.put(OUT, sector, b'w' * 512) for sector in range(8)]
            self.driver.vring.publish(*(entry.head for entry in pending))
            self.driver.vring.kick()
            self.driver.vring.wait_used(8)
            self.driver.memory.release(self.driver.mark)

    def loop_writes_again(self):
        """True as soon as the loop's thread does it."""
        before, _ = self.writes()
        self.write_some()
        return self.writes()[0] > before

    def test_the_thread_waits_for_no_more_than_one(self):
        until(self.loop_writes_again, 'the loop writes itself')
        with open(self.slow, 'wb'):
            pass
        before, others = self.writes()
        self.write_some(64)
        loop, more = self.writes()
        # The first one, if quick ones had allowed it at all at that moment.
        self.assertLessEqual(loop - before, 1)
        self.assertGreaterEqual(more - others, 63)
        os.unlink(self.slow)
        until(self.loop_writes_again, 'the loop writes itself again')
        self.assertEqual(self.image.read(0, 8 * 512), b'w' * 8 * 512)

    def test_others_in_the_thread_go_on_while_writes_are_slow(self):
        until(self.loop_writes_again, 'the loop writes itself')
        with open(self.slow, 'wb'):
            pass
        self.write_some(8)
        # Now that it is known others write, and nobody else has to wait for that.
        with open(self.held, 'wb'):
            pass
        neighbour = BlkDriver(self.daemon.path('n'))
        self.addCleanup(neighbour.close)
        pending = [self.driver.put(OUT, sector, b's' * 512) for sector in range(32)]
        self.driver.vring.publish(*(entry.head for entry in pending))
        self.driver.vring.kick()
        for _ in range(5):
            neighbour.read(0, 512)
        vring = self.driver.vring
        used, = struct.unpack('<H', self.driver.memory.read(vring.used + 2, 2))
        # But for one, that the thread may have tried.
        self.assertLessEqual((used - vring.used_index) & 0xffff, 1)
        os.unlink(self.held)
        vring.wait_used(32)


if __name__ == '__main__':
    unittest.main()
