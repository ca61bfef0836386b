# SPDX-License-Identifier: GPL-2.0-or-later
"""What protocol tests share: a daemon with two exports, and what must hold after each test."""

import unittest

from .daemon import Daemon
from .image import MIB, Image
from .vhost_user import Client
from .virtio_blk import BlkDriver
from .waiting import until

QUEUES = 4
DISK_SIZE = 16 * MIB
LATENCY = 0.3           # seconds that the slow disk takes


class ProtoCase(unittest.TestCase):
    """Exports: `disk` (a file, writable), `slow` (each request takes LATENCY seconds).

    After each test both exports serve, the daemon is the same process, and it has as many
    descriptors as before.
    """

    daemon_options = ()
    daemon_env = None       # variables besides ours

    @classmethod
    def setUpClass(cls):
        cls.start()

    @classmethod
    def start(cls):
        """Starts the daemon; again if a test has brought it down."""
        cls.daemon = Daemon(*cls.daemon_options, env=cls.daemon_env)
        cls.addClassCleanup(cls.daemon.close)
        cls.image = Image(cls.daemon.path('disk.img'), DISK_SIZE)
        cls.add('disk', driver='file', filename=cls.image.path, discard='unmap')
        cls.add('slow', driver='null-co', size=DISK_SIZE, read_zeroes=True,
                latency_ns=int(LATENCY * 1e9))
        cls.baseline = cls.settled_descriptors()

    @classmethod
    def add(cls, name, num_queues=QUEUES, writable=True, export=None, **node):
        """A node and its export, both called @name, on the socket `name.sock`."""
        options = dict(export or {})
        if num_queues is not None:
            options['num-queues'] = num_queues
        cls.daemon.qmp.command('blockdev-add', node_name=name, **node)
        cls.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                               addr={'type': 'unix', 'path': cls.socket(name)}, writable=writable,
                               **options)

    @classmethod
    def remove(cls, name):
        """Takes what add() made away again."""
        cls.daemon.qmp.command('block-export-del', id=name, mode='hard')
        cls.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id=name)
        cls.daemon.qmp.command('blockdev-del', node_name=name)

    @classmethod
    def socket(cls, name='disk'):
        """The path of an export's socket."""
        return cls.daemon.path(name + '.sock')

    @classmethod
    def settled_descriptors(cls):
        """Descriptors of the daemon after it has served and lost a client of each export."""
        for name in ('disk', 'slow'):
            driver = BlkDriver(cls.socket(name))
            driver.read(0, 512)
            driver.close()
        counts = []

        def settled():
            counts.append(cls.daemon.descriptors())
            return len(counts) > 5 and len(set(counts[-5:])) == 1

        until(settled, 'the daemon lets go of its last client')
        return counts[-1]

    def setUp(self):
        self._connections = {}
        if not self.daemon.running():
            self.start()
        self.addCleanup(self._check_daemon)     # the first one in is the last one out

    def _instead(self, name, connection):
        """An export has one client at a time: a test's second one ends its first one."""
        self.addCleanup(connection.close)
        self._connections[name] = connection
        return connection

    def hang_up(self, name='disk'):
        """Ends the test's connection to an export."""
        if name in self._connections:
            self._connections.pop(name).close()

    def driver(self, name='disk', **options):
        """A driver on an export, until the next one or the end of the test."""
        self.hang_up(name)
        return self._instead(name, BlkDriver(self.socket(name), **options))

    def client(self, name='disk'):
        """A bare connection to an export, until the next one or the end of the test."""
        self.hang_up(name)
        return self._instead(name, Client(self.socket(name)))

    def _check_daemon(self):
        self.assertTrue(self.daemon.running(), self.daemon.stderr())
        driver = BlkDriver(self.socket())
        self.assertEqual(len(driver.read(0, 512)), 512)
        driver.close()
        client = Client(self.socket('slow'))
        self.assertTrue(client.alive())
        client.close()
        until(lambda: self.daemon.descriptors() <= self.baseline,
              f'{self.baseline} descriptors as before the test')
