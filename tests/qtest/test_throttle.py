# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits: throttle-group objects, and the throttle nodes that share them."""

import time
import unittest

from support.daemon import Daemon
from support.image import MIB
from support.qmp import QmpError
from support.virtio_blk import IN, OK, OUT, BlkDriver

BLOCK = 4096
NO_LIMITS = {name + suffix: 1 if suffix.endswith('length') else 0
             for name in ('iops-total', 'iops-read', 'iops-write',
                          'bps-total', 'bps-read', 'bps-write')
             for suffix in ('', '-max', '-max-length')} | {'iops-size': 0}


class ThrottleCase(unittest.TestCase):
    """Null disks behind limits."""

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp

    def group(self, name='limits', **limits):
        """A group with these limits, whose names have _ for -."""
        given = {key.replace('_', '-'): value for key, value in limits.items()}
        self.qmp.command('object-add', qom_type='throttle-group', id=name,
                         **({'limits': given} if given else {}))

    def set_limits(self, name='limits', **limits):
        """Changes some limits."""
        self.qmp.command('qom-set', path=f'/objects/{name}', property='limits',
                         value={key.replace('_', '-'): value for key, value in limits.items()})

    def get_limits(self, name='limits'):
        """What is set."""
        return self.qmp.command('qom-get', path=f'/objects/{name}', property='limits')

    def disk(self, name, num_queues=1, below=False, **export):
        """A limited disk, exported; or one that is not, but has a limited one below it."""
        node = {'driver': 'throttle', 'throttle-group': 'limits',
                'file': {'driver': 'null-co', 'size': MIB, 'read-zeroes': True}}
        if below:
            node = {'driver': 'raw', 'file': node}
        self.qmp.command('blockdev-add', node_name=name, **node)
        self.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                         writable=True, num_queues=num_queues,
                         addr={'type': 'unix', 'path': self.daemon.path(name)}, **export)
        driver = BlkDriver(self.daemon.path(name), queues=num_queues)
        self.addCleanup(driver.close)
        return driver

    def start(self, driver, kind, count, length=BLOCK):
        """Puts requests into every ring."""
        for vring in driver.vrings:
            entries = [driver.put(kind, 0, bytes(length) if kind == OUT else b'',
                                  length if kind == IN else 0, vring) for _ in range(count)]
            vring.publish(*(entry.head for entry in entries))
            vring.kick_and_wait()

    def finish(self, driver, count):
        """Waits for as many of every ring."""
        for vring in driver.vrings:
            self.assertEqual(len(vring.wait_used(count)), count)

    def refused(self, message, call, *arguments, **options):
        """@call fails and says why."""
        with self.assertRaisesRegex(QmpError, message):
            call(*arguments, **options)


class Objects(ThrottleCase):
    """throttle-group objects."""

    def test_limits_are_what_was_given(self):
        self.group(iops_total=100, iops_total_max=500, iops_total_max_length=3, bps_read=1 << 20,
                   iops_size=8192)
        self.assertEqual(self.get_limits(), NO_LIMITS | {
            'iops-total': 100, 'iops-total-max': 500, 'iops-total-max-length': 3,
            'bps-read': 1 << 20, 'iops-size': 8192})

    def test_a_change_leaves_the_other_limits(self):
        self.group(iops_read=10, bps_total=1000)
        self.set_limits(iops_read=20)
        self.assertEqual(self.get_limits(), NO_LIMITS | {'iops-read': 20, 'bps-total': 1000})
        self.qmp.command('qom-set', path='/objects/limits', property='x-bps-total', value=0)
        self.assertEqual(self.get_limits(), NO_LIMITS | {'iops-read': 20})
        self.assertEqual(self.qmp.command('qom-get', path='/objects/limits',
                                          property='x-iops-read'), 20)

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        self.group(iops_total=10)
        for limits, message in (
                ({'iops_read': 5}, 'cannot be used at the same time'),
                ({'iops_total': -1}, 'iops-total must not be negative: -1'),
                ({'iops_total_max': 5}, 'cannot be lower than'),
                ({'bps_total_max': 5}, 'require corresponding'),
                ({'iops_total_max_length': 5}, 'burst length set without burst rate'),
                ({'iops_total_max': 20, 'iops_total_max_length': 0}, 'burst length cannot be 0'),
                ({'bps_read': 1 << 60}, 'must be within')):
            with self.subTest(limits=limits):
                self.refused(message, self.set_limits, **limits)
                self.refused(message, self.group, 'other', **({'iops_total': 10} | limits))
        self.assertEqual(self.get_limits(), NO_LIMITS | {'iops-total': 10})
        self.group('other')

    def test_options_of_the_command_line(self):
        for text in ('throttle-group,id=tg,x-iops-total=5,x-iops-total-max=7',
                     'throttle-group,id=tg,limits.iops-total=5,limits.iops-total-max=7'):
            with self.subTest(text=text):
                daemon = Daemon('--object', text, '--blockdev',
                                'throttle,node-name=t,throttle-group=tg,file.driver=null-co')
                self.addCleanup(daemon.close)
                found = daemon.qmp.command('qom-get', path='/objects/tg', property='limits')
                self.assertEqual(found, NO_LIMITS | {'iops-total': 5, 'iops-total-max': 7})
                self.assertEqual(daemon.terminate(), 0)

    def test_a_group_in_use_cannot_be_deleted(self):
        self.group(iops_total=1)
        self.qmp.command('blockdev-add', driver='throttle', node_name='t', throttle_group='limits',
                         file={'driver': 'null-co'})
        self.refused("object 'limits' is in use", self.qmp.command, 'object-del', id='limits')
        self.qmp.command('blockdev-del', node_name='t')
        self.qmp.command('object-del', id='limits')
        self.refused("Throttle group 'limits' does not exist", self.qmp.command, 'blockdev-add',
                     driver='throttle', node_name='t', throttle_group='limits',
                     file={'driver': 'null-co'})


class Limits(ThrottleCase):
    """Requests wait, and go on. No upper bound of a time is a test here."""

    def least(self, seconds):
        """Measures from now; the result tells whether at least that has passed."""
        start = time.monotonic()
        return lambda: self.assertGreaterEqual(time.monotonic() - start, seconds)

    def test_requests_of_one_disk_wait(self):
        self.group(iops_total=100)
        driver = self.disk('d')
        # A tenth of a second's worth is free.
        check = self.least(0.28)
        self.start(driver, OUT, 40)
        self.finish(driver, 40)
        check()

    def test_disks_of_one_group_share_its_limits(self):
        self.group(bps_write=100 * BLOCK)
        drivers = [self.disk(name, iothread=thread)
                   for name, thread in (('a', 'io0'), ('b', 'io1'), ('c', 'io1'))]
        check = self.least(0.45)
        for driver in drivers:
            self.start(driver, OUT, 20)
        for driver in drivers:
            self.finish(driver, 20)
        check()

    def test_queues_in_several_threads_share_the_limits_of_their_disk(self):
        self.group(iops_read=100)
        driver = self.disk('d', num_queues=4, iothread=['io0', 'io1'])
        check = self.least(0.45)
        self.start(driver, IN, 15)
        self.finish(driver, 15)
        check()

    def test_what_is_not_limited_does_not_wait(self):
        self.group(iops_write=1)
        self.start(self.disk('writer'), OUT, 5)
        reader = self.disk('reader')
        for _ in range(50):
            self.assertEqual(len(reader.read(0, 512)), 512)

    def test_a_burst_is_let_through(self):
        self.group(iops_total=1, iops_total_max=60)
        driver = self.disk('d')
        self.start(driver, IN, 60)
        # At the average alone this would take a minute.
        self.finish(driver, 60)
        self.start(driver, IN, 2)
        driver.vring.wait_used(1)
        self.assertEqual(driver.vring.take_used(), [])

    def test_who_waits_goes_on_when_the_limit_is_lifted(self):
        self.group(iops_total=1)
        driver = self.disk('d', num_queues=2, iothread=['io0', 'io1'])
        self.start(driver, OUT, 50)
        self.set_limits(iops_total=0)
        self.finish(driver, 50)

    def test_limits_change_while_several_threads_work(self):
        self.group(iops_total=100)
        driver = self.disk('d', num_queues=4, iothread=['io0', 'io1'])
        for number in range(30):
            self.start(driver, (IN, OUT)[number % 2], 8)
            self.set_limits(iops_total=(0, 100000, 50, 2000)[number % 4])
            self.set_limits(iops_total=0)
            self.finish(driver, 8)
            driver.memory.release(driver.mark)

    def test_who_waits_goes_on_when_the_disk_moves(self):
        self.group(iops_total=1)
        driver = self.disk('d', num_queues=2)
        for number in range(6):
            self.start(driver, OUT, 8)
            self.qmp.command('x-blockdev-set-iothread', node_name='d', force=True,
                             iothread=('io0', 'io1', None)[number % 3])
            self.finish(driver, 8)
            driver.memory.release(driver.mark)

    def test_a_group_without_limits_costs_nothing_but_itself(self):
        self.group()
        driver = self.disk('d')
        self.start(driver, OUT, 60)
        self.finish(driver, 60)
        answer = driver.request(IN, 0, in_length=BLOCK)
        self.assertEqual((answer.status, answer.data), (OK, bytes(BLOCK)))

    def test_a_disk_with_waiting_requests_can_be_deleted(self):
        self.group(iops_total=1)
        # At this rate the requests would take far longer than any test.
        self.set_limits(iops_size=1)
        for below in (False, True):
            with self.subTest(below=below):
                driver = self.disk('d', num_queues=2, below=below, iothread=['io0', 'io1'])
                self.start(driver, OUT, 50)
                self.qmp.command('block-export-del', id='d', mode='hard')
                self.qmp.wait_event('BLOCK_EXPORT_DELETED', id='d')
                driver.client.wait_closed()
                self.qmp.command('blockdev-del', node_name='d')
        self.qmp.command('object-del', id='limits')

    def test_the_daemon_ends_while_requests_wait(self):
        self.group(iops_total=1, iops_size=1)
        self.start(self.disk('d', iothread='io0'), OUT, 50)
        self.assertEqual(self.daemon.terminate(), 0)


if __name__ == '__main__':
    unittest.main()
