# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors and address space run out: clear errors, no harm to who is served, recovery."""

import os
import resource
import socket
import unittest

from support import paths
from support.daemon import Daemon
from support.guest_memory import GuestMemory, Region
from support.image import MIB
from support.qmp import QmpError
from support.virtio_blk import BlkDriver

EXPORTS = 4
HEADROOM = 256 * MIB


class Limits(unittest.TestCase):
    """A daemon with some exports, of which the first has a client."""

    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        for number in range(EXPORTS):
            self.add(f'e{number}')
        self.first = BlkDriver(self.path('e0'))
        self.addCleanup(self.first.close)
        self.assertEqual(self.first.read(0, 512), bytes(512))

    def path(self, name):
        """Of an export's socket."""
        return self.daemon.path(name + '.sock')

    def add(self, name):
        """A node and an export of the same name."""
        self.daemon.qmp.command('blockdev-add', driver='null-co', node_name=name, size=MIB,
                                read_zeroes=True)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                                addr={'type': 'unix', 'path': self.path(name)}, num_queues=2)

    def limit(self, what, value):
        """Sets a soft limit of the daemon; the old one comes back by restore()."""
        old = resource.prlimit(self.daemon.pid, what)
        resource.prlimit(self.daemon.pid, what, (value, old[1]))
        return lambda: resource.prlimit(self.daemon.pid, what, old)

    def no_more_descriptors(self):
        """None is left above those in use."""
        highest = max(int(name) for name in os.listdir(f'/proc/{self.daemon.pid}/fd'))
        return self.limit(resource.RLIMIT_NOFILE, highest + 1)

    def test_without_descriptors_commands_say_so(self):
        restore = self.no_more_descriptors()
        command = self.daemon.qmp.command
        for name, arguments in (
                ('block-export-add', {'type': 'vhost-user-blk', 'id': 'x', 'node-name': 'e0',
                                      'addr': {'type': 'unix', 'path': self.path('x')}}),
                ('blockdev-add', {'driver': 'file', 'node-name': 'x',
                                  'filename': self.daemon.stderr_path}),
                ('object-add', {'qom-type': 'iothread', 'id': 'x'})):
            with self.assertRaisesRegex(QmpError, 'Too many open files'):
                command(name, **arguments)
        self.assertEqual(self.first.read(0, 512), bytes(512))
        restore()
        command('object-add', qom_type='iothread', id='x')
        self.add('late')
        driver = BlkDriver(self.path('late'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()

    def test_clients_wait_for_descriptors_and_cost_nothing(self):
        restore = self.no_more_descriptors()
        waiting = []
        for number in range(1, EXPORTS):
            waiting.append(socket.socket(socket.AF_UNIX))
            self.addCleanup(waiting[-1].close)
            waiting[-1].connect(self.path(f'e{number}'))
        before = self.daemon.cpu_seconds()
        self.assertFalse(self.first.client.readable(2))         # two seconds of nothing
        self.assertLess(self.daemon.cpu_seconds() - before, 0.5)
        self.assertEqual(self.first.read(0, 512), bytes(512))
        restore()
        for client in waiting:
            client.close()
        for number in range(1, EXPORTS):
            driver = BlkDriver(self.path(f'e{number}'))
            self.assertEqual(driver.read(0, 512), bytes(512))
            driver.close()

    def test_memory_that_does_not_fit_is_refused(self):
        if paths.sanitized():
            self.skipTest('a sanitizer has more address space than any limit')
        with open(f'/proc/{self.daemon.pid}/statm', encoding='ascii') as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        restore = self.limit(resource.RLIMIT_AS, used + HEADROOM)
        big = GuestMemory(Region(0, MIB), Region(1 << 40, 2 * HEADROOM, offset=0))
        with self.assertRaises((AssertionError, OSError, EOFError)):
            BlkDriver(self.path('e1'), memory=big)
        self.assertTrue(self.daemon.running())
        self.assertEqual(self.first.read(0, 512), bytes(512))
        restore()
        driver = BlkDriver(self.path('e1'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()


if __name__ == '__main__':
    unittest.main()
