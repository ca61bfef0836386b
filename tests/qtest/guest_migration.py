# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest migrates from one QEMU and daemon to another while it works on its disk.

What the back-end writes into the guest's memory is marked by the back-end, or lost. To see that,
the device must write pages that nobody else touches, after QEMU has sent them once: the kernel's
page cache, filled by reads while the migration goes on (init_on_alloc=0: the kernel does not write
them itself). Both memories are compared before the guest goes on in the new one.

QEMU's TCG loses what the guest's processor writes while it migrates, now and then
(docs/devel/testing.md). A guest to which that has happened is not run any further; the move is
tried again. Not a part of ./check.
"""

import os
import re
import select
import shutil
import socket
import tempfile
import threading
import time
import unittest

from support import guest_ram, paths
from support.daemon import Daemon
from support.guest_qemu import QemuGuest
from support.image import KIB, MIB, Image, pattern
from support.vhost_user import Feature
from support.vu_proxy import Proxy, without_logged_buffers
from support.waiting import TIMEOUT, until

DISK_SIZE = 64 * MIB
CACHED = (0, 24 * MIB)          # offset and length of what is read through the page cache
STRESSED = (32 * MIB, 16 * MIB)
WRITTEN = (56 * MIB, MIB)
SEED = 5
ATTEMPTS = 6                    # to move a guest of which QEMU loses nothing
# The guest's only writer besides the device, so that no pass of the migration is the last one.
DIRTY = ('[ -e /tmp/dirty ] || while [ ! -e /tmp/clean ]; do '
         'dd if=/dev/zero of=/tmp/dirty bs=64k count=512 conv=notrunc 2>/dev/null; done & true')


class Relay(threading.Thread):
    """Stands between two QEMUs: the migration goes no further than it is let."""

    def __init__(self, path, target):
        super().__init__(daemon=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._target = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._target.connect(target)
        self._source = None

    def accept(self):
        """Waits for the source."""
        self._source, _ = self._listener.accept()

    def forward(self, size=MIB):
        """Passes on what comes, @size bytes at most; False at the end."""
        if not select.select([self._source], [], [], 0.1)[0]:
            return True
        data = self._source.recv(size)
        self._target.sendall(data)
        return bool(data)

    def run(self):
        try:
            while self.forward():
                pass
        except BrokenPipeError:
            pass                # the target has read all that it needs
        self.close()

    def close(self):
        """Ends both connections."""
        for end in (self._listener, self._source, self._target):
            if end is not None:
                end.close()


class MigrationCase(unittest.TestCase):
    """Two daemons on one image; a guest on one of them."""

    device = ''
    packed = '0'        # whether the guest's driver has accepted that layout

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), DISK_SIZE)
        data = pattern(*CACHED, SEED)
        self.image.write(CACHED[0], data)
        self.data = set(guest_ram.pages(data))
        self.daemons = [self.start_daemon() for _ in range(2)]
        self.moves = 0

    def start_daemon(self):
        """One that shares the image with others."""
        folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, folder)
        daemon = Daemon('--object', 'iothread,id=io0', '--blockdev',
                        f'file,node-name=d,filename={self.image.path},locking=off', '--export',
                        f'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={folder}/sock,'
                        'writable=on,iothread=io0', folder=folder)
        self.addCleanup(daemon.close)
        return daemon

    def start_guest(self, path, incoming=None):
        """A QEMU on the export at @path; one that waits for a guest does not run it by itself."""
        guest = QemuGuest(path, device=f',num-queues=1{self.device}', append='init_on_alloc=0',
                          extra=('-S',) if incoming else (), incoming=incoming)
        self.addCleanup(guest.close)
        return guest

    def migrate(self, source, path, during):
        """Moves the guest to a new QEMU on the export at @path; @during runs after a first pass.

        Returns that QEMU, whose guest does not run yet, and what has arrived.
        """
        self.moves += 1
        stream = os.path.join(self.folder, f'stream{self.moves}')
        target = self.start_guest(path, incoming=stream)
        relay = Relay(stream + '-relay', stream)
        self.addCleanup(relay.close)
        qmp = source.qmp
        # As long as anything is dirty it must not end. (With 0 it would, without a second look.)
        qmp.command('migrate-set-parameters', downtime_limit=1, max_bandwidth=512 * MIB)
        qmp.command('migrate', uri=f'unix:{stream}-relay')
        relay.accept()
        # So little at a time that the second pass cannot come to its end unseen.
        deadline = time.monotonic() + TIMEOUT
        while self.passes(qmp) < 2:
            self.assertTrue(relay.forward())
            self.assertLess(time.monotonic(), deadline, 'the migration stands still')
        during()
        self.assertEqual(qmp.command('query-migrate')['status'], 'active')
        qmp.command('migrate-set-parameters', downtime_limit=60000)
        relay.start()
        until(lambda: self.ended(qmp), 'the migration has ended')
        until(lambda: target.qmp.command('query-migrate').get('status') == 'completed',
              'the guest has arrived')
        for guest in (source, target):
            self.assertFalse(guest.qmp.command('query-status')['running'])
        arrival = guest_ram.compare(source, target, self.data)
        source.close()
        return target, arrival

    @staticmethod
    def passes(qmp):
        """Times that the migration has looked at what is dirty."""
        return qmp.command('query-migrate').get('ram', {}).get('dirty-sync-count', 0)

    def ended(self, qmp):
        """Whether it has; a failure of the migration is one of the test."""
        status = qmp.command('query-migrate')['status']
        self.assertNotIn(status, ('failed', 'cancelled'))
        return status == 'completed'

    def fill_cache(self, guest):
        """The device writes the guest's page cache; fd 9 keeps the kernel from dropping it."""
        guest.run('exec 9</dev/vda; echo 3 >/proc/sys/vm/drop_caches')
        guest.run(DIRTY)
        return lambda: guest.run(f'dd if=/dev/vda of=/dev/null bs=64k '
                                 f'skip={CACHED[0] // (64 * KIB)} count={CACHED[1] // (64 * KIB)} '
                                 '2>/dev/null')

    def cached(self, guest):
        """Pages of the page cache, and how many of them are wrong."""
        answer = guest.run(f'blkio verify-cached /dev/vda {CACHED[0]} {CACHED[1]} {SEED}')
        return tuple(int(number) for number in re.findall(r'=(\d+)', answer))

    def start_stress(self, guest):
        """Reads, writes and compares until end_stress()."""
        guest.run('rm -f /tmp/blkio-stop; '
                  f'blkio stress /dev/vda {STRESSED[0]} {STRESSED[1]} 4 4096 '
                  '>/tmp/blkio-answer 2>&1 & true')

    def end_stress(self, guest):
        """Every request was right."""
        guest.run('touch /tmp/blkio-stop /tmp/clean')
        guest.run('until grep -q operations /tmp/blkio-answer; do sleep 0.1; done')
        self.assertIn('errors=0', guest.run('cat /tmp/blkio-answer'))

    def check_disk(self, guest, seed):
        """Past the page cache, both ways, compared with the image."""
        guest.run(f'blkio verify /dev/vda {CACHED[0]} {CACHED[1]} {SEED}')
        guest.run(f'blkio write /dev/vda {WRITTEN[0]} {WRITTEN[1]} {seed}; blkio flush /dev/vda')
        self.assertEqual(self.image.read(*WRITTEN), pattern(*WRITTEN, seed))

    def check_arrival(self, arrival):
        """All that the device has written is there."""
        self.assertGreater(arrival.data, len(self.data) * 9 // 10)
        self.assertEqual(arrival.wrong, 0)

    def there_and_back(self):
        """Under a load that goes on all the time; False if QEMU lost what others have written."""
        guest = self.start_guest(self.daemons[0].path('sock'))
        features = guest.run('cat $(dirname $(readlink -f /sys/block/vda))/../features')
        self.assertEqual(features[Feature.RING_PACKED], self.packed)
        self.start_stress(guest)
        for number in range(2):
            during = self.fill_cache(guest)
            guest, arrival = self.migrate(guest, self.daemons[1 - number].path('sock'), during)
            print(f'# move {number + 1}: {arrival.data} pages from the disk, of which '
                  f'{arrival.wrong} are wrong; {arrival.lost} of all pages are')
            self.check_arrival(arrival)
            if arrival.lost > 0:
                guest.close()
                return False
            guest.qmp.command('cont')
            cached, differing = self.cached(guest)
            self.assertGreater(cached, len(self.data) * 9 // 10)
            self.assertEqual(differing, 0)
            self.check_disk(guest, number)
        self.end_stress(guest)
        self.assertNotRegex(guest.run('dmesg'), 'I/O error|is not a head')
        guest.close()
        return True

    def move_until_whole(self):
        """What the device has written must arrive each time; all of the rest, once."""
        if not any(self.there_and_back() for _ in range(ATTEMPTS)):
            self.skipTest('all of the device arrived, but QEMU never moved the guest whole')


class Split(MigrationCase):
    """With split rings."""

    def test_there_and_back_under_load(self):
        self.move_until_whole()

    def test_a_backend_that_does_not_log_buffers_is_noticed(self):
        path = os.path.join(self.folder, 'proxy')
        proxy = Proxy(path, self.daemons[0].path('sock'), without_logged_buffers)
        self.addCleanup(proxy.close)
        guest = self.start_guest(path)
        _, arrival = self.migrate(guest, self.daemons[1].path('sock'), self.fill_cache(guest))
        self.assertGreater(arrival.wrong, len(self.data) // 2)


class Packed(MigrationCase):
    """With packed rings."""

    device = ',packed=on'
    packed = '1'

    def test_there_and_back_under_load(self):
        self.move_until_whole()


if __name__ == '__main__':
    unittest.main()
