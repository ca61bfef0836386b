# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors and address space run out: clear errors, no harm to who is served, recovery."""

import itertools
import os
import resource
import socket
import struct
import unittest

from support import paths
from support.daemon import Daemon
from support.guest_memory import GuestMemory, Region
from support.image import MIB
from support.qmp import QmpError
from support.vhost_user import Request, u64
from support.virtio_blk import IN, OK, BlkDriver
from support.waiting import until

EXPORTS = 4
HEADROOM = 256 * MIB        # what a client's mappings leave of RLIMIT_AS
RESERVE = 64 * MIB          # what requests leave, but for the only one of a queue
LAST_RESERVE = 16 * MIB     # what that one leaves
LATENCY_NS = 2000000


class LimitCase(unittest.TestCase):
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

    def add(self, name, num_queues=2, iothread=None, **node):
        """A node and an export of the same name."""
        self.daemon.qmp.command('blockdev-add', driver='null-co', node_name=name, size=MIB,
                                read_zeroes=True, **node)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                                addr={'type': 'unix', 'path': self.path(name)},
                                num_queues=num_queues,
                                **({'iothread': iothread} if iothread else {}))

    def limit(self, what, value):
        """Sets a soft limit of the daemon; the old one comes back by restore()."""
        old = resource.prlimit(self.daemon.pid, what)
        resource.prlimit(self.daemon.pid, what, (value, old[1]))
        return lambda: resource.prlimit(self.daemon.pid, what, old)


class Descriptors(LimitCase):
    """RLIMIT_NOFILE"""

    def no_more_descriptors(self):
        """None is left above those in use."""
        highest = max(int(name) for name in os.listdir(f'/proc/{self.daemon.pid}/fd'))
        return self.limit(resource.RLIMIT_NOFILE, highest + 1)

    def leave_descriptors(self, number):
        """The process can have @number more; the old limit comes back by what is returned."""
        used = {int(name) for name in os.listdir(f'/proc/{self.daemon.pid}/fd')}
        free = (fd for fd in itertools.count() if fd not in used)
        return self.limit(resource.RLIMIT_NOFILE, next(itertools.islice(free, number, None)))

    def messages_with_descriptors(self):
        """Requests and payloads that must come with so many descriptors."""
        regions = [Region(number * MIB, MIB) for number in range(8)]
        self.addCleanup(lambda: [entry.close() for entry in regions])
        table = struct.pack('<II', len(regions), 0) + b''.join(r.payload() for r in regions)
        return ((Request.SET_MEM_TABLE, table, 8),
                (Request.ADD_MEM_REG, bytes(8) + regions[0].payload(), 1),
                (Request.SET_LOG_BASE, struct.pack('<QQ', 4096, 0), 1),
                (Request.SET_VRING_KICK, u64(0), 1), (Request.SET_VRING_CALL, u64(0), 1),
                (Request.SET_VRING_ERR, u64(0), 1), (Request.SET_BACKEND_REQ_FD, b'', 1))

    def test_a_message_that_loses_descriptors_ends_its_client_only(self):
        before = self.daemon.descriptors()
        file = os.memfd_create('region')
        self.addCleanup(os.close, file)
        os.ftruncate(file, MIB)
        for request, payload, number in self.messages_with_descriptors():
            for left in range(0, number, 3):
                with self.subTest(request=request.name, left=left):
                    victim = BlkDriver(self.path('e2'), start=False)
                    restore = self.leave_descriptors(left)
                    said = len(self.daemon.stderr_lines())
                    victim.client.send(request, payload, [file] * number)
                    victim.client.wait_closed()
                    self.assertEqual(self.first.read(0, 512), bytes(512))
                    line, = self.daemon.stderr_lines()[said:]
                    self.assertRegex(line, r'e2\.sock.*descriptors.*: Too many open files')
                    until(lambda: self.daemon.descriptors() == before, f'{before} descriptors')
                    restore()
                    victim.close()
        again = BlkDriver(self.path('e2'))
        self.assertEqual(again.read(0, 512), bytes(512))
        again.close()

    def test_messages_without_descriptors_are_answered(self):
        driver = BlkDriver(self.path('e2'))
        self.addCleanup(driver.close)
        restore = self.leave_descriptors(0)
        self.assertTrue(driver.client.alive())
        self.assertEqual(driver.capacity(), MIB)
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.stop(driver.vring)
        restore()
        driver.vring.reset()
        driver.start(driver.vring)
        self.assertEqual(driver.read(0, 512), bytes(512))

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
        self.daemon.comes_to_rest()
        self.assertFalse(self.first.client.readable(0))
        self.assertEqual(self.first.read(0, 512), bytes(512))
        restore()
        for client in waiting:
            client.close()
        for number in range(1, EXPORTS):
            driver = BlkDriver(self.path(f'e{number}'))
            self.assertEqual(driver.read(0, 512), bytes(512))
            driver.close()


class AddressSpace(LimitCase):
    """RLIMIT_AS"""

    def setUp(self):
        if paths.sanitized():
            self.skipTest('a sanitizer has more address space than any limit')
        super().setUp()

    def leave(self, left):
        """Only @left bytes more can be mapped; the old limit comes back by what is returned."""
        with open(f'/proc/{self.daemon.pid}/statm', encoding='ascii') as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        return self.limit(resource.RLIMIT_AS, used + left)

    def slow_driver(self, queues, depth, threads=0):
        """A driver of a new export whose requests take their time; two descriptors for each."""
        names = [f'io{number}' for number in range(threads)]
        for name in names:
            self.daemon.qmp.command('object-add', qom_type='iothread', id=name)
        self.add('slow', num_queues=queues, iothread=names, latency_ns=LATENCY_NS)
        driver = BlkDriver(self.path('slow'), GuestMemory(Region(0, 32 * MIB)), queues, 2 * depth)
        self.addCleanup(driver.close)
        return driver

    def begin_reads(self, driver, depth):
        """Fills all queues of @driver."""
        begun = []
        for vring in driver.vrings:
            entries = [driver.put(IN, slot, in_length=512, vring=vring, in_sizes=[513])
                       for slot in range(depth)]
            vring.publish(*(entry.head for entry in entries))
            begun.append((vring, entries))
        for vring in driver.vrings:
            vring.kick()
        return begun

    def end_reads(self, driver, begun):
        """Waits for every one of them."""
        for vring, entries in begun:
            self.assertEqual(sorted(head for head, _ in vring.wait_used(len(entries))),
                             sorted(entry.head for entry in entries))
            answers = {(answer.status, answer.data)
                       for answer in (driver.answer(entry, 0) for entry in entries)}
            self.assertEqual(answers, {(OK, bytes(512))})
        driver.memory.release(driver.mark)

    def check_service(self):
        """A new client and the old one are served."""
        self.assertTrue(self.daemon.running(), self.daemon.stderr())
        self.assertEqual(self.first.read(0, 512), bytes(512))
        driver = BlkDriver(self.path('e1'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()

    def test_memory_that_does_not_fit_is_refused(self):
        restore = self.leave(2 * HEADROOM)
        big = GuestMemory(Region(0, MIB), Region(1 << 40, 2 * HEADROOM, offset=0))
        with self.assertRaises((AssertionError, OSError, EOFError)):
            BlkDriver(self.path('e1'), memory=big)
        self.check_service()
        restore()
        self.check_service()

    def fill(self, driver):
        """Adds region after region until one is refused; returns those that were not."""
        regions = []
        self.addCleanup(lambda: [entry.close() for entry in regions])
        for number in range(1, 200):
            entry = Region(number << 32, 32 * MIB)
            regions.append(entry)
            if driver.client.ack(Request.ADD_MEM_REG, bytes(8) + entry.payload(), [entry.fd]):
                return regions[:-1]
        self.fail('no region was refused')

    def test_regions_are_refused_before_others_suffer(self):
        driver = self.slow_driver(4, 128)
        greedy = BlkDriver(self.path('e1'))
        self.addCleanup(greedy.close)
        restore = self.leave(HEADROOM + 400 * MIB)
        regions = self.fill(greedy)
        self.assertIn(len(regions), (11, 12))
        self.assertRegex(self.daemon.stderr(), r'could not map a region .*RLIMIT_AS')
        for _ in range(10):
            self.end_reads(driver, self.begin_reads(driver, 128))
        self.assertEqual(greedy.read(0, 512), bytes(512))
        last = regions[-1]
        self.assertEqual(greedy.client.ack(Request.REM_MEM_REG, bytes(8) + last.payload()), 0)
        self.assertEqual(greedy.read(0, 512), bytes(512))
        greedy.close()
        self.check_service()
        again = BlkDriver(self.path('e1'))
        self.addCleanup(again.close)
        self.assertGreaterEqual(len(self.fill(again)), 1)
        again.close()
        restore()
        self.check_service()

    def test_deep_queues_get_by_with_few_stacks(self):
        self.get_by_with_few_stacks(self.slow_driver(16, 128))

    def test_deep_queues_of_threads_get_by_with_few_stacks(self):
        self.get_by_with_few_stacks(self.slow_driver(16, 128, threads=3))

    def get_by_with_few_stacks(self, driver):
        """Many requests in each queue, at lower and lower limits."""
        for left in (RESERVE + 100 * MIB, RESERVE + MIB, RESERVE // 2):
            restore = self.leave(left)
            with self.subTest(left=left):
                self.end_reads(driver, self.begin_reads(driver, 128))
            restore()
            self.check_service()

    def test_without_any_stack_requests_wait_and_cost_nothing(self):
        driver = self.slow_driver(16, 128)
        restore = self.leave(LAST_RESERVE // 2)
        begun = self.begin_reads(driver, 128)
        self.daemon.comes_to_rest()
        self.assertFalse(all(len(entries) == vring.device_used_index()
                             for vring, entries in begun))
        restore()
        self.end_reads(driver, begun)
        self.check_service()

    def test_a_drain_and_an_end_do_not_wait_for_stacks(self):
        driver = self.slow_driver(16, 128)
        restore = self.leave(LAST_RESERVE // 2)
        self.begin_reads(driver, 128)
        self.daemon.qmp.command('block_resize', node_name='slow', size=2 * MIB)
        self.daemon.qmp.command('block-export-del', id='slow', mode='hard')
        self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='slow')
        restore()
        self.check_service()

    def test_clients_wait_for_address_space(self):
        restore = self.leave(RESERVE // 2)
        waiting = socket.socket(socket.AF_UNIX)
        self.addCleanup(waiting.close)
        waiting.connect(self.path('e1'))
        self.daemon.comes_to_rest()
        self.assertFalse(self.first.client.readable(0))
        self.assertEqual(self.first.read(0, 512), bytes(512))
        restore()
        waiting.close()
        self.check_service()


if __name__ == '__main__':
    unittest.main()
