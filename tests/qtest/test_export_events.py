# SPDX-License-Identifier: GPL-2.0-or-later
"""What query-block-exports and events tell of an export: its client, its socket, its errors."""

import os
import time
import unittest

from support.daemon import Daemon
from support.image import MIB
from support.virtio_blk import FLUSH, IN, IOERR, OK, OUT, BlkDriver
from support.waiting import until

CAME, GONE = 'BLOCK_EXPORT_CLIENT_CONNECTED', 'BLOCK_EXPORT_CLIENT_DISCONNECTED'
ERROR, DELETED = 'BLOCK_EXPORT_IO_ERROR', 'BLOCK_EXPORT_DELETED'


class ExportCase(unittest.TestCase):
    """A daemon with two threads."""

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp

    def add(self, name='e', node=None, **export):
        """A node and its export, both called @name."""
        self.qmp.command('blockdev-add', node_name=name,
                         **(node or {'driver': 'null-co', 'size': MIB, 'read-zeroes': True}))
        self.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                         addr={'type': 'unix', 'path': self.daemon.path(name)}, **export)

    def client(self, name='e', **options):
        """A driver of it."""
        driver = BlkDriver(self.daemon.path(name), **options)
        self.addCleanup(driver.close)
        return driver

    def info(self, name='e'):
        """What is told of the export."""
        found, = [info for info in self.qmp.command('query-block-exports') if info['id'] == name]
        return found

    def events(self, *kinds):
        """The events of these kinds so far, in order; all that was sent before has come."""
        self.qmp.command('query-version')
        return [event for event in self.qmp.events if event['event'] in kinds]


class Query(ExportCase):
    """query-block-exports."""

    def test_an_export_without_a_client(self):
        self.add(writable=True, num_queues=4, iothread=['io1', 'io0'])
        self.assertEqual(self.info(), {
            'id': 'e', 'type': 'vhost-user-blk', 'node-name': 'e', 'shutting-down': False,
            'writable': True, 'num-queues': 4, 'iothreads': ['io1', 'io0'], 'in-flight': 0,
            'addr': {'type': 'unix', 'path': self.daemon.path('e')}})

    def test_its_client(self):
        self.add()
        self.assertFalse(self.info()['writable'])
        self.assertEqual(self.info()['iothreads'], [])
        before = time.time()
        driver = self.client()
        driver.read(0, 512)
        client = self.info()['client']
        self.assertEqual(client['pid'], os.getpid())
        self.assertLess(abs(client['connected'] / 1000 - before), 60)
        self.assertLessEqual({'version-1', 'protocol-features'}, set(client['features']))
        self.assertIn('config', client['protocol-features'])
        self.assertFalse([name for name in client['features'] + client['protocol-features']
                          if name.startswith('bit-')])
        driver.close()
        until(lambda: 'client' not in self.info(), 'the client is told no more')

    def test_requests_in_flight(self):
        self.add(node={'driver': 'null-co', 'size': MIB, 'latency-ns': 3600 * 10 ** 9})
        driver = self.client()
        pending = [driver.put(IN, 0, in_length=512) for _ in range(5)]
        driver.vring.publish(*(entry.head for entry in pending))
        driver.vring.kick()
        until(lambda: self.info()['in-flight'] == 5, 'five requests are in flight')

    def test_threads_that_change(self):
        self.add(iothread='io0')
        self.qmp.command('block-export-set-iothread', id='e', iothread=['io1'])
        self.assertEqual(self.info()['iothreads'], ['io1'])


class Clients(ExportCase):
    """Events about who comes and goes."""

    def test_a_client_comes_and_goes(self):
        self.add()
        driver = self.client()
        self.assertEqual(self.qmp.wait_event(CAME)['data'], {'id': 'e', 'pid': os.getpid()})
        driver.close()
        self.assertEqual(self.qmp.wait_event(GONE)['data'], {'id': 'e', 'pid': os.getpid()})

    def test_a_client_that_is_cut_off_has_gone_before_the_export(self):
        self.add()
        self.client()
        self.qmp.wait_event(CAME)
        self.qmp.command('block-export-del', id='e', mode='hard')
        until(lambda: self.events(DELETED), 'the export is gone')
        self.assertEqual([event['event'] for event in self.events(GONE, DELETED)],
                         [GONE, DELETED])

    def test_an_export_without_clients_has_no_events(self):
        self.add()
        self.qmp.command('block-export-del', id='e')
        self.assertEqual(self.events(CAME, GONE), [])

    def test_a_flood_of_clients_is_no_flood_of_events(self):
        self.add()
        started = time.monotonic()
        for _ in range(200):
            driver = BlkDriver(self.daemon.path('e'), start=False)
            driver.close()
        until(lambda: 'client' not in self.info(), 'the last client has gone')
        # Two at the most for each tenth of a second, and for its end.
        most = 2 * (int((time.monotonic() - started) * 10) + 2)
        found = [event['event'] for event in self.events(CAME, GONE)]
        self.assertLessEqual(len(found), min(most, 300))
        until(lambda: self.events(CAME, GONE)[-1]['event'] == GONE, 'the last word is that it went')


class Errors(ExportCase):
    """Events about storage that fails."""

    def faulty(self, **rule):
        """A disk whose requests fail by @rule, and its driver."""
        self.add(writable=True, node={
            'driver': 'blkdebug', 'inject-error': [{'event': 'none', **rule}],
            'image': {'driver': 'null-co', 'size': MIB, 'read-zeroes': True}})
        return self.client()

    def test_an_error_is_told_with_its_place(self):
        driver = self.faulty(iotype='read', errno=5)
        self.assertEqual(driver.request(IN, 24, in_length=512).status, IOERR)
        self.assertEqual(self.qmp.wait_event(ERROR)['data'], {
            'id': 'e', 'node-name': 'e', 'operation': 'read', 'sector': 24, 'errno': 5,
            'reason': os.strerror(5), 'nospace': False, 'count': 1})

    def test_a_full_file_system_is_told_as_such(self):
        driver = self.faulty(iotype='write', errno=28)
        self.assertEqual(driver.request(OUT, 8, bytes(4096)).status, IOERR)
        data = self.qmp.wait_event(ERROR)['data']
        self.assertEqual((data['operation'], data['sector'], data['nospace']), ('write', 8, True))

    def test_a_flush_has_no_place(self):
        driver = self.faulty(iotype='flush', errno=5)
        self.assertEqual(driver.flush(), IOERR)
        data = self.qmp.wait_event(ERROR)['data']
        self.assertEqual(data['operation'], 'flush')
        self.assertNotIn('sector', data)

    def test_there_is_one_a_minute(self):
        driver = self.faulty(iotype='read', errno=5)
        for _ in range(50):
            driver.request(IN, 0, in_length=512)
        self.qmp.wait_event(ERROR)
        self.assertEqual(self.events(ERROR), [])

    def test_what_the_guest_does_wrong_is_no_error_of_storage(self):
        self.add(writable=True)
        driver = self.client()
        self.assertEqual(driver.request(IN, MIB, in_length=512).status, IOERR)
        self.assertEqual(driver.request(OUT, 0, bytes(100)).status, IOERR)
        self.assertNotEqual(driver.request(77).status, OK)
        self.assertEqual(driver.request(FLUSH).status, OK)
        self.assertEqual(self.events(ERROR), [])


if __name__ == '__main__':
    unittest.main()
