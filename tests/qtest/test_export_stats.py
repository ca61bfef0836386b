# SPDX-License-Identifier: GPL-2.0-or-later
"""What exports tell of what they have done: counters, latencies, OpenMetrics."""

import re
import threading
import unittest

from support.daemon import Daemon
from support.image import MIB
from support.qmp import QmpError
from support.virtio_blk import (DISCARD, FLUSH, GET_ID, IN, IOERR, OK, OUT, UNSUPP, WRITE_ZEROES,
                                BlkDriver, segment)
from support.waiting import until

MS = 1000000
LATENCY = 30 * MS
SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"')


class StatsCase(unittest.TestCase):
    """A quick disk and a slow one."""

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp

    def disk(self, name='d', latency=0, num_queues=4, queues=1, **export):
        """A null disk, its export of the same name, and a driver with some of its queues."""
        self.qmp.command('blockdev-add', driver='null-co', node_name=name, size=MIB,
                         read_zeroes=True, latency_ns=latency)
        self.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                         writable=True, num_queues=num_queues,
                         addr={'type': 'unix', 'path': self.daemon.path(name)}, **export)
        driver = BlkDriver(self.daemon.path(name), queues=queues)
        self.addCleanup(driver.close)
        return driver

    def stats(self, name='d', **options):
        """What one export tells."""
        found, = self.qmp.command('query-block-export-stats', id=name, **options)
        return found

    @staticmethod
    def by_operation(stats):
        """Counters by operation: requests, failed, bytes."""
        return {entry['operation']: (entry['requests'], entry['failed'], entry['bytes'])
                for entry in stats['operations']}

    def histogram(self, name='d', **options):
        """Switches it on or off."""
        self.qmp.command('block-export-latency-histogram-set', id=name, **options)


class Counters(StatsCase):
    """Requests by kind, by queue."""

    def test_an_export_that_did_nothing_tells_nothing(self):
        self.disk().close()
        found = self.stats(queues=True)
        # A queue was looked at when it was started.
        self.assertEqual([entry['operations'] for entry in found.pop('queues')], [[]])
        self.assertEqual(found, {'id': 'd', 'node-name': 'd', 'operations': []})

    def test_each_kind_of_request_is_counted_with_its_bytes(self):
        driver = self.disk()
        for _ in range(3):
            self.assertEqual(driver.request(IN, 0, in_length=4096).status, OK)
        self.assertEqual(driver.request(OUT, 0, bytes(8192)).status, OK)
        self.assertEqual(driver.request(FLUSH).status, OK)
        self.assertEqual(driver.request(DISCARD, 0, segment(0, 8)).status, OK)
        self.assertEqual(driver.request(WRITE_ZEROES, 0, segment(0, 8)).status, OK)
        self.assertEqual(driver.request(GET_ID, 0, in_length=20).status, OK)
        self.assertEqual(driver.request(99).status, UNSUPP)
        found = self.by_operation(self.stats())
        self.assertEqual(found, {'read': (3, 0, 3 * 4096), 'write': (1, 0, 8192),
                                 'flush': (1, 0, 0), 'discard': (1, 0, 0),
                                 'write-zeroes': (1, 0, 0), 'other': (2, 1, 20)})

    def test_a_request_that_failed_is_counted_as_such_and_moved_nothing(self):
        driver = self.disk()
        self.assertEqual(driver.request(IN, MIB // 512, in_length=512).status, IOERR)
        self.assertEqual(self.by_operation(self.stats()), {'read': (1, 1, 0)})

    def test_queues_are_told_apart(self):
        driver = self.disk(queues=3, iothread=['io0', 'io1'])
        for queue, count in ((0, 2), (2, 5)):
            for _ in range(count):
                self.daemon.comes_to_rest()     # else one turn may still take the next request
                driver.request(IN, 0, in_length=512, vring=driver.vrings[queue])
        found = self.stats(queues=True)
        self.assertEqual(self.by_operation(found), {'read': (7, 0, 7 * 512)})
        used = {entry['queue']: entry for entry in found['queues'] if entry['operations']}
        self.assertEqual({queue: self.by_operation(entry) for queue, entry in used.items()},
                         {0: {'read': (2, 0, 1024)}, 2: {'read': (5, 0, 2560)}})
        self.assertEqual([used[2][key] for key in ('notifications', 'in-flight')], [5, 0])
        self.assertGreaterEqual(used[2]['turns'], 5)

    def test_what_is_under_way_is_told(self):
        driver = self.disk(latency=3600 * 1000 * MS)
        driver.vring.publish(*(driver.put(IN, 0, in_length=512).head for _ in range(6)))
        driver.vring.kick()
        until(lambda: self.stats(queues=True)['queues'][0]['in-flight'] == 6, 'six are taken')
        self.assertEqual(self.stats()['operations'], [])
        self.daemon.kill()

    def test_counters_outlive_clients_and_end_with_the_export(self):
        first = self.disk()
        first.read(0, 512)
        first.close()
        again = BlkDriver(self.daemon.path('d'))
        self.addCleanup(again.close)
        again.read(0, 512)
        self.assertEqual(self.by_operation(self.stats()), {'read': (2, 0, 1024)})
        self.qmp.command('block-export-del', id='d', mode='hard')
        with self.assertRaisesRegex(QmpError, "Export 'd' is not found"):
            self.stats()
        self.assertEqual(self.qmp.command('query-block-export-stats'), [])


class Latencies(StatsCase):
    """Histograms with the user's boundaries."""

    def times(self, name='d', operation='read'):
        """What is told of one kind."""
        entry, = (entry for entry in self.stats(name)['operations']
                  if entry['operation'] == operation)
        return entry

    def test_nothing_is_measured_unless_asked_for(self):
        self.disk().read(0, 512)
        self.assertNotIn('histogram', self.times())
        self.assertNotIn('total-time-ns', self.times())

    def test_a_request_falls_into_the_bin_of_its_time(self):
        driver = self.disk(latency=LATENCY)
        self.histogram(boundaries=[1, LATENCY, 3600 * 1000 * MS])
        for _ in range(4):
            driver.read(0, 512)
        entry = self.times()
        self.assertEqual(entry['histogram'], {'boundaries': [1, LATENCY, 3600 * 1000 * MS],
                                              'bins': [0, 0, 4, 0]})
        self.assertEqual(entry['measured'], 4)
        self.assertGreaterEqual(entry['total-time-ns'], 4 * LATENCY)

    def test_the_last_bin_has_no_end(self):
        driver = self.disk(latency=LATENCY)
        self.histogram(boundaries=[LATENCY])
        driver.read(0, 512)
        self.assertEqual(self.times()['histogram']['bins'], [0, 1])

    def test_new_boundaries_begin_with_empty_bins(self):
        driver = self.disk()
        self.histogram(boundaries=[10 ** 15])
        driver.read(0, 512)
        self.assertEqual(self.times()['histogram']['bins'], [1, 0])
        self.histogram(boundaries=[1, 10 ** 15])
        self.assertEqual(self.times()['histogram'], {'boundaries': [1, 10 ** 15],
                                                     'bins': [0, 0, 0]})
        self.assertEqual((self.times()['requests'], self.times()['measured']), (1, 0))
        driver.read(0, 512)
        self.assertEqual(self.times()['histogram']['bins'], [0, 1, 0])
        self.histogram()
        self.assertNotIn('histogram', self.times())
        driver.read(0, 512)
        self.assertEqual(self.times()['requests'], 3)

    def test_an_export_may_measure_from_the_beginning(self):
        driver = self.disk(latency_boundaries=[1, 10 ** 15], queues=2)
        driver.read(0, 512)
        driver.read(0, 512, vring=driver.vrings[1])
        self.assertEqual(self.times()['histogram'], {'boundaries': [1, 10 ** 15],
                                                     'bins': [0, 2, 0]})
        daemon = Daemon('--blockdev', 'null-co,node-name=n,size=1048576', '--export',
                        'vhost-user-blk,id=n,node-name=n,addr.type=unix,addr.path=n,'
                        'latency-boundaries.0=10000,latency-boundaries.1=100000')
        self.addCleanup(daemon.close)
        driver = BlkDriver(daemon.path('n'))
        self.addCleanup(driver.close)
        driver.read(0, 512)
        stats, = daemon.qmp.command('query-block-export-stats')
        self.assertEqual(stats['operations'][0]['histogram']['boundaries'], [10000, 100000])

    def test_requests_of_all_queues_are_measured_while_boundaries_change(self):
        driver = self.disk(queues=4, iothread=['io0', 'io1'])
        stop = threading.Event()

        def load():
            while not stop.is_set():
                for vring in driver.vrings:
                    vring.publish(*(driver.put(OUT, 0, bytes(512), vring=vring).head
                                    for _ in range(8)))
                    vring.kick()
                for vring in driver.vrings:
                    vring.wait_used(8)
                driver.memory.release(driver.mark)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for number in range(100):
                self.histogram(**({'boundaries': list(range(1, number + 2))} if number % 4 else {}))
            self.histogram(boundaries=[1, 10 ** 15])
        finally:
            stop.set()
            thread.join()
        entry = self.times(operation='write')
        self.assertEqual(sum(entry['histogram']['bins']), entry['measured'])
        self.assertEqual(entry['histogram']['bins'][::2], [0, 0])

    def test_what_cannot_be_is_refused(self):
        self.disk()
        for boundaries, message in (([], 'must not be empty'), ([0], '0 after 0'),
                                    ([5, 5], '5 after 5'), ([7, 3], '3 after 7'),
                                    (list(range(1, 1002)), 'no more than 1000')):
            with self.subTest(boundaries=boundaries[:3]):
                with self.assertRaisesRegex(QmpError, message):
                    self.histogram(boundaries=boundaries)
                if boundaries:
                    with self.assertRaisesRegex(QmpError, message):
                        self.qmp.command('block-export-add', type='vhost-user-blk', id='x',
                                         node_name='d', latency_boundaries=boundaries,
                                         addr={'type': 'unix', 'path': self.daemon.path('x')})
        with self.assertRaisesRegex(QmpError, "Export 'none' is not found"):
            self.histogram('none', boundaries=[1])


class Metrics(StatsCase):
    """The OpenMetrics text."""

    def metrics(self):
        """Samples by metric: name -> {labels: value}. Checks the form on the way."""
        text = self.qmp.command('query-openmetrics')['text']
        self.assertTrue(text.endswith('\n# EOF\n') or text == '# EOF\n')
        family, found = None, {}
        for line in text[:-len('# EOF\n')].splitlines():
            if line.startswith('# TYPE '):
                family, kind = line.split()[2:]
                self.assertNotIn(family, found)
                self.assertIn(kind, ('counter', 'gauge', 'histogram'))
                found[family] = {}
                continue
            if line.startswith(('# UNIT ', '# HELP ')):
                self.assertEqual(line.split()[2], family)
                continue
            name, labels, value = SAMPLE.fullmatch(line).groups()
            suffix = name[len(family):]
            self.assertTrue(name.startswith(family), line)
            self.assertIn(suffix, {'counter': ('_total',), 'gauge': ('',),
                                   'histogram': ('_bucket', '_count', '_sum')}[kind])
            key = (suffix, *LABEL.findall(labels))
            self.assertNotIn(key, found[family])
            found[family][key] = float(value)
        return found

    @staticmethod
    def above_zero(samples):
        """Those that count something."""
        return {key: value for key, value in samples.items() if value}

    def test_what_did_not_happen_yet_is_there_as_zero(self):
        self.disk('unused').close()
        self.disk('idle').read(0, 512)
        found = self.metrics()
        for export in 'unused', 'idle':
            for family in 'requests', 'failed_requests', 'bytes':
                seen = [dict(key[1:])['operation'] for key in found[f'block_export_{family}']
                        if ('export', export) in key and ('queue', '0') in key]
                self.assertEqual(seen, ['read', 'write', 'flush', 'discard', 'write-zeroes',
                                        'other'], (export, family))
            self.assertEqual(found['block_export_in_flight_requests'][
                ('', ('export', export), ('node', export), ('queue', '0'))], 0)
        self.assertEqual(len(self.above_zero(found['block_export_requests'])), 1)

    def test_an_export_without_a_client_is_there_as_zero(self):
        self.qmp.command('blockdev-add', driver='null-co', node_name='d')
        self.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                         addr={'type': 'unix', 'path': self.daemon.path('e')})
        found = self.metrics()
        self.assertEqual(len(found['block_export_requests']), 6)
        self.assertEqual(self.above_zero(found['block_export_requests']), {})

    def test_counters_by_export_queue_and_operation(self):
        driver = self.disk('one')
        self.disk('two', queues=2).read(0, 512)
        for _ in range(3):
            driver.read(0, 1024)
        found = self.metrics()
        read = ('queue', '0'), ('operation', 'read')
        self.assertEqual(self.above_zero(found['block_export_requests']), {
            ('_total', ('export', 'one'), ('node', 'one'), *read): 3.0,
            ('_total', ('export', 'two'), ('node', 'two'), *read): 1.0})
        self.assertEqual(sum(found['block_export_bytes'].values()), 3 * 1024 + 512)
        self.assertEqual(sum(found['block_export_failed_requests'].values()), 0)

    def test_bins_are_cumulative_and_in_seconds(self):
        driver = self.disk(latency=LATENCY)
        self.histogram(boundaries=[MS, 3600 * 1000 * MS])
        for _ in range(2):
            driver.read(0, 512)
        found = self.metrics()['block_export_latency_seconds']
        bins = {dict(key[1:])['le']: value for key, value in found.items() if key[0] == '_bucket'}
        self.assertEqual(bins, {'0.001000000': 0, '3600.000000000': 2, '+Inf': 2})
        rest = {key[0]: value for key, value in found.items() if key[0] != '_bucket'}
        self.assertEqual(rest['_count'], 2)
        self.assertGreaterEqual(rest['_sum'], 2 * LATENCY / 1e9)

    def test_without_exports_there_are_no_samples(self):
        self.assertEqual({len(samples) for samples in self.metrics().values()}, {0})


if __name__ == '__main__':
    unittest.main()
