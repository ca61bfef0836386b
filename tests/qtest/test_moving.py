# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that moves between IOThreads, or grows, while its client works."""

import unittest

from support.image import MIB
from support.proto_case import DISK_SIZE, ProtoCase
from support.vhost_user import Request, config
from support.virtio_blk import IN
from support.load import LoadThread

MOVES = 150


class Moving(ProtoCase):
    """x-blockdev-set-iothread, block_resize and messages, all at once."""

    daemon_options = ('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')

    def move(self, node, iothread):
        """Moves a node; None is the main loop."""
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name=node, iothread=iothread,
                                force=True)

    def move_about(self, node):
        """From the main loop through both IOThreads and back, many times."""
        for number in range(MOVES):
            self.move(node, ('io0', 'io1', None)[number % 3])
        self.move(node, None)

    def test_under_load_no_request_is_lost_or_torn(self):
        load = LoadThread(self.socket())
        load.start()
        self.move_about('disk')
        load.finish()
        self.assertIsNone(load.error)
        self.assertGreater(load.done, 20)

    def test_with_slow_requests_under_way(self):
        driver = self.driver('slow')
        for iothread in ('io0', 'io1', None):
            pending = [driver.put(IN, number, in_length=512) for number in range(8)]
            driver.vring.publish(*(entry.head for entry in pending))
            driver.vring.kick()
            self.move('slow', iothread)
            self.assertEqual(len(driver.vring.wait_used(8)), 8)
            driver.memory.release(driver.mark)

    def test_in_the_middle_of_a_message(self):
        driver = self.driver(start=False)
        data = Request.GET_CONFIG.to_bytes(4, 'little') + bytes([1, 0, 0, 0, 72, 0, 0, 0]) + \
            config(0, 60)
        for offset in range(1, len(data)):
            driver.client.send_raw(data[:offset])
            self.move('disk', ('io0', 'io1', None)[offset % 3])
            driver.client.send_raw(data[offset:])
            self.assertEqual(len(driver.client.reply(Request.GET_CONFIG)), 72, f'at {offset}')
        self.move('disk', None)

    def test_growing_under_load(self):
        load = LoadThread(self.socket())
        load.start()
        for number in range(50):
            self.daemon.qmp.command('block_resize', node_name='disk',
                                    size=DISK_SIZE + (number % 2) * MIB)
        load.finish()
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE)
        self.assertIsNone(load.error)
        self.assertGreater(load.done, 10)

    def test_an_iothread_in_use_cannot_be_deleted(self):
        self.move('disk', 'io0')
        with self.assertRaisesRegex(Exception, 'in use'):
            self.daemon.qmp.command('object-del', id='io0')
        self.assertEqual(len(self.driver().read(0, 512)), 512)
        self.hang_up()
        self.move('disk', None)

    def export_own(self, name, **options):
        """Exports the node 'own'."""
        address = {'type': 'unix', 'path': self.daemon.path(name)}
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name,
                                node_name='own', addr=address, **options)

    def test_an_iothread_stays_while_a_second_export_runs_in_it(self):
        qmp = self.daemon.qmp
        qmp.command('blockdev-add', driver='null-co', node_name='own', size=MIB)
        self.export_own('first', iothread='io0')
        self.export_own('second', fixed_iothread=True)
        qmp.command('block-export-del', id='first')
        with self.assertRaisesRegex(Exception, 'in use'):
            qmp.command('object-del', id='io0')
        qmp.command('block-export-del', id='second')
        qmp.command('blockdev-del', node_name='own')

    def test_a_refused_export_leaves_others_where_they_were(self):
        qmp = self.daemon.qmp
        qmp.command('object-add', qom_type='iothread', id='io2')
        qmp.command('blockdev-add', driver='null-co', node_name='own', size=MIB)
        self.export_own('first')
        with self.assertRaisesRegex(Exception, 'num-queues'):
            self.export_own('second', iothread='io2', num_queues=0)
        qmp.command('object-del', id='io2')
        qmp.command('block-export-del', id='first')
        qmp.command('blockdev-del', node_name='own')

    def test_a_refused_export_leaves_a_node_where_the_monitor_put_it(self):
        qmp = self.daemon.qmp
        for name in ('io2', 'io3'):
            qmp.command('object-add', qom_type='iothread', id=name)
        qmp.command('blockdev-add', driver='null-co', node_name='own', size=MIB)
        qmp.command('x-blockdev-set-iothread', node_name='own', iothread='io2')
        with self.assertRaisesRegex(Exception, 'num-queues'):
            self.export_own('refused', iothread='io3', num_queues=0)
        with self.assertRaisesRegex(Exception, 'in use'):
            qmp.command('object-del', id='io2')
        # As before, it stays there without a user too.
        self.export_own('first')
        qmp.command('block-export-del', id='first')
        with self.assertRaisesRegex(Exception, 'in use'):
            qmp.command('object-del', id='io2')
        qmp.command('object-del', id='io3')
        qmp.command('blockdev-del', node_name='own')
        qmp.command('object-del', id='io2')


if __name__ == '__main__':
    unittest.main()
