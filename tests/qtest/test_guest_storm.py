# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile connections by the thousand, on the daemon as it is shipped: nothing of them stays.

Their number in a second is limited for each export, so several are stormed at once. STORM=100000 in the environment says how many (default: 20000, or what comes in 20 seconds).
"""

import contextlib
import os
import time
import unittest

from support.attack import Attack
from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import BlkDriver
from support.waiting import until

CONNECTIONS = int(os.environ.get('STORM', '20000'))
SECONDS = 20 if CONNECTIONS <= 20000 else 3600
WARM_UP = 1200          # each kind of connection a hundred times
LEAST = 1000            # fewer on a busy machine would show nothing
EXPORTS = 4
GROWTH = 256            # KiB; a leak of 16 bytes a connection is more


class Storm(unittest.TestCase):
    """One daemon, one thread."""

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0')
        self.addCleanup(self.daemon.close)
        self.sockets = [self.export(f'disk{i}') for i in range(EXPORTS)]

    def export(self, name):
        """Exports a file; returns the socket."""
        image = Image(self.daemon.path(name + '.img'), 16 * MIB)
        socket = self.daemon.path(name + '.sock')
        self.daemon.qmp.command('blockdev-add', driver='file', node_name=name,
                                filename=image.path)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name,
                                node_name=name, iothread='io0', writable=True,
                                addr={'type': 'unix', 'path': socket})
        return socket

    def attack(self, steps):
        """So many connections of all kinds; returns how many there were."""
        with contextlib.ExitStack() as stack:
            attacks = [stack.enter_context(Attack(socket, 'mix', steps // EXPORTS, SECONDS))
                       for socket in self.sockets]
            # Somebody reads the events: else they wait in the daemon, up to a limit.
            while any(attack.goes_on() for attack in attacks):
                self.daemon.qmp.command('query-block-exports')
                time.sleep(0.1)
            return sum(attack.report()['connections'] for attack in attacks)

    def no_client(self):
        """Has every export let go of its client?"""
        exports = self.daemon.qmp.command('query-block-exports')
        return not any('client' in export for export in exports)

    def settled(self):
        """What the daemon holds once it has let go of the last client."""
        seen = []

        def same():
            for socket in self.sockets:
                driver = BlkDriver(socket)
                driver.read(0, 512)
                driver.close()
            until(self.no_client, 'the exports have no client')
            seen.append(self.daemon.footprint())
            return len(seen) > 5 and len(set(seen[-5:])) == 1

        until(same, 'the daemon lets go of its last client')
        return seen[-1]

    def test_hostile_connections_leave_nothing_behind(self):
        self.attack(WARM_UP)
        memory, descriptors, mappings = self.settled()
        count = self.attack(CONNECTIONS)
        self.assertGreaterEqual(count, LEAST)
        self.assertTrue(self.daemon.running(), self.daemon.stderr())
        memory_now, descriptors_now, mappings_now = self.settled()
        print(f'# {count} connections: memory {memory} -> {memory_now} KiB, descriptors '
              f'{descriptors} -> {descriptors_now}, mappings {mappings} -> {mappings_now}')
        self.assertLessEqual(memory_now, memory + GROWTH)
        self.assertEqual(descriptors_now, descriptors)
        self.assertLessEqual(mappings_now, mappings + 4)


if __name__ == '__main__':
    unittest.main()
