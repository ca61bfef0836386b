# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's life: exports that come and go, its end under load, its rest when idle."""

import os
import signal
import struct
import time
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.load import LoadThread
from support.proto_case import ProtoCase
from support.virtio_blk import IN, OK, OUT, BlkDriver
from support.waiting import until

ROUNDS = 500
NUM_QUEUES_AT = 34      # in the config space


class ComeAndGo(ProtoCase):
    """block-export-add, use, block-export-del."""

    def one_life(self, name, number):
        """A node and an export, data through it, and its end."""
        image = self.daemon.path(name)
        self.add(name, driver='file', filename=image)
        driver = BlkDriver(self.socket(name))
        data = number.to_bytes(4, 'little') * 1024
        driver.write(number % 100, data)
        self.assertEqual(driver.read(number % 100, 4096), data)
        if number % 2:
            driver.close()              # every other client goes first, the others are cut off
        self.remove(name)
        driver.close()
        self.assertFalse(os.path.exists(self.socket(name)))

    def test_500_exports_leave_no_descriptor_and_no_memory(self):
        Image(self.daemon.path('again'), MIB)
        for number in range(50):
            self.one_life('again', number)
        descriptors, memory = self.daemon.descriptors(), self.daemon.memory()
        for number in range(ROUNDS):
            self.one_life('again', number)
        until(lambda: self.daemon.descriptors() <= descriptors, f'{descriptors} descriptors')
        self.assertLess(self.daemon.memory(), memory + self.memory_slack())

    def memory_slack(self):
        """KiB that may be added: a sanitizer keeps freed memory for a while."""
        return 65536 if paths.sanitized() else 2048

    def test_deletion_under_load_does_not_disturb_another(self):
        worker = LoadThread(self.socket())
        worker.start()
        for number in range(30):
            self.add('victim', driver='null-co', size=MIB, read_zeroes=True,
                     latency_ns=1000000)
            driver = BlkDriver(self.socket('victim'))
            driver.vring.publish(*(driver.put(IN, sector, in_length=512).head
                                   for sector in range(20)))
            driver.vring.kick()
            self.remove('victim')
            driver.close()
        worker.finish()
        self.assertIsNone(worker.error)
        self.assertGreater(worker.done, 30)

    def test_safe_deletion_is_refused_while_a_client_is_there(self):
        self.add('busy', driver='null-co', size=MIB, read_zeroes=True)
        driver = self.driver('busy')
        with self.assertRaisesRegex(Exception, 'busy'):
            self.daemon.qmp.command('block-export-del', id='busy')
        self.assertEqual(len(driver.read(0, 512)), 512)
        self.hang_up('busy')
        until(self.deleted_safely, 'the export can be deleted once its client has left')
        self.daemon.qmp.command('blockdev-del', node_name='busy')

    def deleted_safely(self):
        """True when mode=safe has worked."""
        try:
            self.daemon.qmp.command('block-export-del', id='busy', mode='safe')
        except Exception:               # pylint: disable=broad-except
            return False
        self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='busy')
        return True

    def test_hard_deletion_closes_the_client_s_connection(self):
        self.add('cut', driver='null-co', size=MIB)
        client = self.client('cut')
        self.assertTrue(client.alive())
        self.remove('cut')
        client.wait_closed()


class End(unittest.TestCase):
    """Signals."""

    def start(self, latency_ns=0):
        """A daemon with a file and a slow disk."""
        daemon = Daemon()
        self.addCleanup(daemon.close)
        image = Image(daemon.path('disk'), 16 * MIB)
        for name, node in (('file', {'driver': 'file', 'filename': image.path}),
                           ('slow', {'driver': 'null-co', 'size': MIB, 'read-zeroes': True,
                                     'latency-ns': latency_ns})):
            daemon.qmp.command('blockdev-add', node_name=name, **node)
            daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                               addr={'type': 'unix', 'path': daemon.path(name + '.sock')},
                               writable=True)
        return daemon, image

    def driver(self, daemon, name):
        """A driver that is closed in the end."""
        driver = BlkDriver(daemon.path(name + '.sock'))
        self.addCleanup(driver.close)
        return driver

    def ended_well(self, daemon, number=signal.SIGTERM):
        """Status 0, which is not what a daemon ends with that waits in vain, and nothing left."""
        self.assertEqual(daemon.terminate(number), 0, daemon.stderr())
        left = sorted(os.listdir(daemon.folder))
        self.assertEqual(left, ['disk', 'stderr'])

    def test_each_signal_ends_it_with_status_0(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            daemon, _ = self.start()
            self.ended_well(daemon, number)

    def test_with_a_client_connected(self):
        daemon, image = self.start()
        driver = self.driver(daemon, 'file')
        driver.write(5, b'kept' * 128)
        self.ended_well(daemon)
        self.assertEqual(image.read(5 * 512, 512), b'kept' * 128)
        driver.client.wait_closed()

    def test_with_requests_outstanding(self):
        daemon, image = self.start(latency_ns=300000000)
        slow, file = self.driver(daemon, 'slow'), self.driver(daemon, 'file')
        waiting = [slow.put(IN, number, in_length=512) for number in range(8)]
        slow.vring.publish(*(entry.head for entry in waiting))
        slow.vring.kick_and_wait()
        written = [file.put(OUT, number, bytes([number + 1]) * 512) for number in range(32)]
        file.vring.publish(*(entry.head for entry in written))
        file.vring.kick()
        self.ended_well(daemon)
        done = dict(file.vring.take_used())
        for number, entry in enumerate(written):
            if entry.head in done and file.answer(entry, 0).status == OK:
                self.assertEqual(image.read(number * 512, 512), bytes([number + 1]) * 512)

    def test_after_its_client_was_killed(self):
        daemon, _ = self.start()
        driver = self.driver(daemon, 'file')
        driver.vring.publish(driver.put(OUT, 0, bytes(4096)).head)
        driver.vring.kick()
        driver.close()
        self.ended_well(daemon)

    def test_a_monitor_sees_the_exports_go_and_then_the_end(self):
        daemon, _ = self.start()
        qmp = daemon.qmp
        self.driver(daemon, 'file')
        self.ended_well(daemon)
        for name in ('file', 'slow'):
            qmp.wait_event('BLOCK_EXPORT_DELETED', id=name)
        with self.assertRaises(EOFError):
            qmp.wait_event('BLOCK_EXPORT_DELETED')

    def test_quit_answers_first(self):
        daemon, _ = self.start()
        daemon.qmp.command('quit')
        self.assertEqual(daemon.process.wait(10), 0)


class Idle(unittest.TestCase):
    """What it costs while nothing happens."""

    def start(self):
        """A daemon with two busy exports a while ago: one in the main loop, one in an IOThread."""
        daemon = Daemon('--object', 'iothread,id=io0')
        self.addCleanup(daemon.close)
        drivers = []
        for name, options in (('a', {}), ('b', {'iothread': 'io0'})):
            daemon.qmp.command('blockdev-add', node_name=name, driver='null-co', size=MIB,
                               read_zeroes=True)
            daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                               addr={'type': 'unix', 'path': daemon.path(name)}, **options)
            drivers.append(BlkDriver(daemon.path(name)))
            self.addCleanup(drivers[-1].close)
        for driver in drivers:
            self.assertEqual(struct.unpack_from('<H', driver.config_space(), NUM_QUEUES_AT)[0], 64)
            # Long enough for the IOThread to begin to poll busily.
            for number in range(500):
                driver.read(number % 8, 512)
        return daemon, drivers

    def test_no_wake_ups_and_no_cpu_with_a_client_attached(self):
        daemon, drivers = self.start()
        self.settle(daemon)
        wakeups, cpu = daemon.thread_wakeups(), daemon.cpu_seconds()
        drivers[0].client.readable(2)           # two seconds of nothing
        self.assertEqual(daemon.thread_wakeups() - wakeups, 0)
        self.assertLessEqual(daemon.cpu_seconds() - cpu, 0.01)

    def settle(self, daemon):
        """Until a tenth of a second has passed without a wake-up."""
        counts = [-1]

        def quiet():
            counts.append(daemon.thread_wakeups())
            time.sleep(0.1)
            return counts[-1] == counts[-2]

        until(quiet, 'the daemon rests')


if __name__ == '__main__':
    unittest.main()
