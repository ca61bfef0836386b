# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that never answers: its export can be deleted, others are served, the daemon ends."""

import os
import signal
import unittest

from support.daemon import Daemon
from support.image import MIB
from support.qmp import QmpError
from support.vhost_user import Request, state
from support.virtio_blk import IN, BlkDriver
from support.waiting import TIMEOUT

NEVER = 10 ** 15        # ns: more than a week


class DeadDisk(unittest.TestCase):
    """Exports `dead`, whose requests do not end, and `alive`, in the main loop or an IOThread."""

    iothread = {}

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0')
        self.addCleanup(self.daemon.close)
        self.add('alive', 0)
        self.add('dead', NEVER)
        self.dead = BlkDriver(self.path('dead'))
        self.addCleanup(self.dead.close)
        for sector in range(3):
            self.dead.vring.publish(self.dead.put(IN, sector, in_length=512).head)
        self.dead.vring.kick_and_wait()

    def path(self, name):
        """Of an export's socket."""
        return self.daemon.path(name + '.sock')

    def add(self, name, latency):
        """A node that takes @latency ns for each request, and its export."""
        self.daemon.qmp.command('blockdev-add', node_name=name, driver='null-co', size=MIB,
                                read_zeroes=True, latency_ns=latency)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                                addr={'type': 'unix', 'path': self.path(name)}, writable=True,
                                **self.iothread)

    def exports(self):
        """What query-block-exports says: whether each is shutting down."""
        return {export['id']: export['shutting-down']
                for export in self.daemon.qmp.command('query-block-exports')}

    def other_serves(self):
        """The export beside the dead one works."""
        driver = BlkDriver(self.path('alive'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()

    def test_hard_deletion_returns(self):
        self.daemon.qmp.command('block-export-del', id='dead', mode='hard')
        self.assertEqual(self.exports(), {'alive': False, 'dead': True})
        self.assertFalse(self.dead.client.alive())
        self.assertFalse(os.path.exists(self.path('dead')))
        self.other_serves()
        for command, arguments in (('block-export-del', {'id': 'dead', 'mode': 'hard'}),
                                   ('blockdev-del', {'node_name': 'dead'})):
            with self.assertRaises(QmpError):
                self.daemon.qmp.command(command, **arguments)
        # Its place can be taken by another one on the same path.
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='next',
                                node_name='alive',
                                addr={'type': 'unix', 'path': self.path('dead')})
        driver = BlkDriver(self.path('dead'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()
        self.assertIn("export 'dead': its storage does not answer", self.daemon.stderr())

    def test_a_client_that_leaves_is_let_go(self):
        self.dead.close()
        self.other_serves()
        self.daemon.qmp.command('block-export-del', id='dead', mode='hard')
        self.other_serves()

    def test_a_queue_cannot_be_stopped_and_nothing_else_waits(self):
        client = self.dead.client
        client.send(Request.GET_VRING_BASE, state(0, 0))
        self.other_serves()
        self.assertFalse(client.readable(0.5))
        self.other_serves()

    def ends(self, number):
        """A signal ends it, with a word, and nothing stays behind."""
        self.daemon.qmp.close()
        self.assertEqual(self.daemon.terminate(number), 1)
        self.assertIn('storage does not answer: its requests are given up', self.daemon.stderr())
        self.assertEqual(os.listdir(self.daemon.folder), ['stderr'])

    def test_sigterm_ends_the_daemon(self):
        self.ends(signal.SIGTERM)

    def test_sigterm_after_deletion_ends_the_daemon(self):
        self.daemon.qmp.command('block-export-del', id='dead', mode='hard')
        self.ends(signal.SIGTERM)

    def test_quit_ends_the_daemon(self):
        self.daemon.qmp.send_text('{"execute": "quit"}')
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 1)
        self.assertEqual(os.listdir(self.daemon.folder), ['stderr'])


class DeadDiskInIOThread(DeadDisk):
    """The same with exports in an IOThread."""

    iothread = {'iothread': 'io0'}


class Late(unittest.TestCase):
    """Storage that answers after all."""

    def test_the_export_goes_when_the_last_request_has_ended(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        path = daemon.path('sock')
        daemon.qmp.command('blockdev-add', node_name='d', driver='null-co', size=MIB,
                           latency_ns=3 * 10 ** 9)
        for _ in range(2):
            daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                               addr={'type': 'unix', 'path': path}, writable=True)
            driver = BlkDriver(path)
            self.addCleanup(driver.close)
            driver.vring.publish(driver.put(IN, 0, in_length=512).head)
            driver.vring.kick_and_wait()
            daemon.qmp.command('block-export-del', id='e', mode='hard')
            daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='e')
            self.assertEqual(daemon.qmp.command('query-block-exports'), [])
        daemon.qmp.command('blockdev-del', node_name='d')


if __name__ == '__main__':
    unittest.main()
