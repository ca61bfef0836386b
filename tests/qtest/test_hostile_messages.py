# SPDX-License-Identifier: GPL-2.0-or-later
"""What hostile clients did to other back-ends by messages: each must stay without effect here.

The numbers h01 to h18 are those of docs/interop/conformance.md; test_hostile_rings.py has the
rest. A neighbour at work on another export of the same daemon is looked at after each attack.
"""

import os
import socket
import struct
import unittest

from support.guest_memory import GuestMemory, Region
from support.hostile_case import HostileCase
from support.image import MIB
from support.proto_case import QUEUES
from support.vhost_user import (NEED_REPLY, NO_DESCRIPTOR, VERSION, Client, Feature, Request,
                                address, config, message, region, state, u64)
from support.virtio_blk import BlkDriver

GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
BAD_INDICES = (QUEUES, 255, 1 << 16, (1 << 32) - 1)
LAST_PAGE = (1 << 64) - 4096
BLK_CONFIG_SIZE = 96


def table(count, *regions):
    """A SET_MEM_TABLE whose count may lie."""
    return struct.pack('<II', count, 0) + b''.join(region(*entry) for entry in regions)


class Tables(HostileCase):
    """Counts, indices, acknowledgements."""

    def test_h01_mem_table_with_forty_regions_is_refused_and_other_exports_live(self):
        eight = [(number * MIB, MIB, number * MIB, 0) for number in range(8)]
        driver = self.driver()
        for count in (40, 9, 1 << 16, (1 << 32) - 1):
            for regions in (eight, eight[:1]):
                self.refused(driver.client, Request.SET_MEM_TABLE, table(count, *regions),
                             [self.memfd() for _ in regions])
                self.assertEqual(len(driver.read(0, 512)), 512)
        self.dropped(driver.client, Request.SET_MEM_TABLE, table(40, *eight),
                     [self.memfd() for _ in range(8)], VERSION)

    def test_h02_queue_numbers_beyond_the_last_queue_are_refused_in_each_message(self):
        driver = self.driver()
        start = driver.memory.regions[0].uaddr
        for index in BAD_INDICES:
            for request, payload in (
                    (Request.SET_VRING_NUM, state(index, 128)),
                    (Request.SET_VRING_BASE, state(index, 0)),
                    (Request.SET_VRING_ENABLE, state(index, 1)),
                    (Request.SET_VRING_ADDR, address(index, start, start + 8192, start + 4096))):
                self.refused(driver.client, request, payload)
        for index in (QUEUES, 254, 255):
            for request in (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR):
                self.refused(driver.client, request, u64(index), [self.eventfd()])
                self.refused(driver.client, request, u64(index | NO_DESCRIPTOR))
        self.assertEqual(len(driver.read(0, 512)), 512)
        for index in BAD_INDICES:
            self.dropped(self.driver().client, Request.GET_VRING_BASE, state(index, 0))

    def test_h03_acknowledgements_tell_the_truth_and_a_refusal_changes_nothing(self):
        driver = self.driver()
        driver.expect_ack(Request.SET_VRING_NUM, state(1, 64))
        wrong = (
            (Request.SET_VRING_NUM, state(1, 3), []),
            (Request.SET_VRING_ADDR, address(1, 1, 2, 3), []),
            (Request.SET_VRING_BASE, state(1, 1 << 31), []),
            (Request.SET_FEATURES, u64(1 << 63), []),
            (Request.SET_PROTOCOL_FEATURES, u64(1 << 63), []),
            (Request.SET_CONFIG, config(0, 8), []),
            (Request.REM_MEM_REG, bytes(8) + region(1 << 40, MIB, 1 << 40, 0), []),
            (Request.ADD_MEM_REG, bytes(8) + driver.memory.regions[0].payload(), [self.memfd()]),
            (Request.SET_MEM_TABLE, table(1, (0, 0, 0, 0)), [self.memfd()]),
            (Request.SET_OWNER, b'x', []),
            (99, b'', []),
        )
        for request, payload, descriptors in wrong:
            self.refused(driver.client, request, payload, descriptors)
            self.assertEqual(len(driver.read(0, 512)), 512, f'after request {int(request)}')
        right = ((Request.SET_OWNER, b''), (Request.SET_VRING_NUM, state(1, 64)),
                 (Request.SET_FEATURES, u64(driver.features)))
        for request, payload in right:
            self.assertEqual(driver.client.ack(request, payload), 0)


class Resources(HostileCase):
    """Descriptors, mappings, memory."""

    def test_h07_in_flight_regions_that_were_not_offered_are_refused_and_closed(self):
        inflight = struct.pack('<QQHH4x', 1 << 40, LAST_PAGE, 65535, 65535)
        for request, count in ((GET_INFLIGHT_FD, 0), (GET_INFLIGHT_FD, 3), (SET_INFLIGHT_FD, 1),
                               (SET_INFLIGHT_FD, 0), (SET_INFLIGHT_FD, 8)):
            driver = self.driver()
            self.assertFalse(driver.protocol >> 12 & 1)
            writers, readers = self.traced_descriptors(count)
            driver.client.send(request, inflight, writers, VERSION | NEED_REPLY)
            number, flags, payload = driver.client.receive()
            self.assertEqual((number, flags), (request, 5))
            if request == GET_INFLIGHT_FD:
                self.assertEqual(payload[:8], bytes(8), 'a region of more than 0 bytes')
            else:
                self.assertNotEqual(payload, bytes(8))
            self.let_go(writers, readers)
            self.assertEqual(len(driver.read(0, 512)), 512)
            self.neighbour_works()

    def test_h08_a_log_that_overflows_is_refused_and_one_that_is_short_is_not_left(self):
        driver = self.logging_driver(start=False)
        for size, offset in ((LAST_PAGE, 8192), (4096, LAST_PAGE), (1 << 63, 1 << 63), (0, 0),
                             ((1 << 64) - 1, 1), ((1 << 64) - 1, 4095)):
            self.assertNotEqual(self.hand_over_log(driver, self.memfd(8192), size, offset), 0)
            self.neighbour_works()
        offset, size = 4096, 1          # one byte: the first eight pages of the guest
        log = self.memfd(3 * 4096)
        self.assertEqual(self.hand_over_log(driver, log, size, offset), 0)
        driver.expect_ack(Request.SET_FEATURES, u64(driver.features | 1 << Feature.LOG_ALL))
        driver.share_memory()
        driver.start(driver.vring)
        for page in (2, 9, 100, 255):   # in and behind what the log covers
            self.read_into(driver, page * 4096 - 256)
        content = os.pread(log, 3 * 4096, 0)
        self.assertEqual(content[offset] & 0b110, 0b110)
        self.assertFalse(any(content[:offset]), 'a write before the log')
        self.assertFalse(any(content[offset + size:]), 'a write behind the log')

    def read_into(self, driver, place):
        """A read of 512 bytes to a guest physical address."""
        header, status = driver.memory.allocate(16), driver.memory.allocate(1)
        driver.memory.write(header, bytes(16))
        driver.vring.publish(driver.vring.put_chain(
            [(header, 16, False), (place, 512, True), (status, 1, True)]))
        driver.vring.kick()
        driver.vring.wait_used()

    def mappings(self):
        """How many memory files the daemon has mapped."""
        with open(f'/proc/{self.daemon.pid}/maps', encoding='ascii') as file:
            return sum('memfd:' in line for line in file)

    def test_h11_repeated_messages_release_what_they_replace(self):
        driver = self.logging_driver(slots=False)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        event, file, log = self.eventfd(), self.memfd(), self.memfd()
        inflight = struct.pack('<QQHH4x', 4096, 0, 1, 128)

        def once():
            driver.share_memory()
            client = driver.client
            self.assertEqual(self.hand_over_log(driver, log, 4096), 0)
            for request, payload, descriptor in (
                    (Request.SET_LOG_FD, b'', event), (Request.SET_VRING_KICK, u64(1), event),
                    (Request.SET_VRING_CALL, u64(1), event), (Request.SET_VRING_ERR, u64(1), event),
                    (Request.SET_BACKEND_REQ_FD, b'', theirs.fileno())):
                client.ack(request, payload, [descriptor])
            for payload in (inflight, inflight[:4]):
                client.send(GET_INFLIGHT_FD, payload, flags=VERSION | NEED_REPLY)
                client.receive()
                self.assertNotEqual(client.ack(SET_INFLIGHT_FD, payload, [file]), 0)
            client.ask(Request.GET_CONFIG, config(0, 60))

        once()
        descriptors, mappings = self.daemon.descriptors(), self.mappings()
        for _ in range(300):
            once()
        self.assertLessEqual(self.daemon.descriptors(), descriptors)
        self.assertLessEqual(self.mappings(), mappings)
        self.assertEqual(len(driver.read(0, 512)), 512)


class Layout(HostileCase):
    """Rings and configuration as messages describe them."""

    def test_h15_ring_sizes_and_places_that_cannot_be_are_refused(self):
        driver = self.driver()
        for size in (0, 3, 127, 1 << 15 | 1, 1 << 16, (1 << 32) - 1):
            self.refused(driver.client, Request.SET_VRING_NUM, state(1, size))
        driver.expect_ack(Request.SET_VRING_NUM, state(1, 128))
        start, size = driver.memory.regions[0].uaddr, driver.memory.regions[0].size
        good = {'descriptors': start + 0x80000, 'used': start + 0x82000,
                'available': start + 0x81000}
        for change in ({'descriptors': good['descriptors'] + 8}, {'used': good['used'] + 2},
                       {'available': good['available'] + 1}, {'used': start + size - 4},
                       {'descriptors': start + size - 16}, {'available': start + size - 4},
                       {'used': start + size + MIB}, {'used': (1 << 64) - 4}):
            self.refused(driver.client, Request.SET_VRING_ADDR, address(1, **{**good, **change}))
        driver.expect_ack(Request.SET_VRING_ADDR, address(1, **good))

    def test_h15_rings_in_memory_that_cannot_be_written_are_refused(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB))
        driver = self.driver(memory=memory, start=False)
        read_only = os.open(f'/proc/self/fd/{memory.regions[1].fd}', os.O_RDONLY)
        self.addCleanup(os.close, read_only)
        self.refused(driver.client, Request.ADD_MEM_REG, bytes(8) + memory.regions[1].payload(),
                     [read_only])
        driver.expect_ack(Request.ADD_MEM_REG, bytes(8) + memory.regions[0].payload(),
                          [memory.regions[0].fd])
        driver.expect_ack(Request.SET_VRING_NUM, state(0, 128))
        uaddr = memory.uaddr
        used = uaddr(MIB + 8192)        # in the region that was refused
        self.refused(driver.client, Request.SET_VRING_ADDR,
                     address(0, uaddr(8192), used, uaddr(4096 * 4)))

    def test_h16_more_config_than_there_is_reads_as_zeroes_or_is_refused(self):
        driver = self.driver(start=False)
        for offset, size in ((0, 97), (0, 256), (95, 2), (96, 1), (200, 56), ((1 << 32) - 1, 1),
                             ((1 << 32) - 1, 256)):
            answer = driver.client.ask(Request.GET_CONFIG, config(offset, size))
            self.assertIn(len(answer), (0, 12 + size), f'{size} bytes at {offset}')
            self.assertFalse(any(answer[12 + max(BLK_CONFIG_SIZE - offset, 0):]))
            self.neighbour_works()
        for size in (257, 4096, (1 << 32) - 1):
            self.assertEqual(driver.client.ask(Request.GET_CONFIG,
                                               struct.pack('<III', 0, size, 0) + bytes(256)), b'')
        memory = self.daemon.memory()
        for _ in range(2000):
            driver.client.ask(Request.GET_CONFIG, config(0, 256))
        self.assertLess(self.daemon.memory() - memory, 8192)    # KiB


class Streams(HostileCase):
    """The byte stream and its end."""

    def test_h17_a_client_that_does_not_read_stops_nobody_and_costs_no_cpu(self):
        client = self.client()
        client.socket.setblocking(False)
        flood = message(Request.GET_CONFIG, config(0, 256)) * 100
        client.send(Request.SET_PROTOCOL_FEATURES, u64(1 << 9))
        sent, quiet = 0, 0
        while quiet < 20:               # the daemon has taken all that it takes
            try:
                sent += client.socket.send(flood)
                quiet = 0
            except BlockingIOError:
                self.neighbour_works()
                quiet += 1
        self.assertGreater(sent, 65536)
        self.daemon.comes_to_rest()
        self.daemon.qmp.command('query-block-exports')
        self.neighbour_works()

    def test_h18_a_client_may_stop_in_the_middle_of_a_message_and_costs_no_cpu(self):
        whole = message(Request.GET_CONFIG, config(0, 60))
        client = self.driver(start=False).client
        for offset in (1, 11, 12, 13, 24, len(whole) - 1):
            client.send_raw(whole[:offset])
            self.daemon.comes_to_rest()
            self.assertFalse(client.readable(0))
            self.neighbour_works()
            for byte in whole[offset:]:
                client.send_raw(bytes([byte]))
            self.assertEqual(len(client.reply(Request.GET_CONFIG)), 72)

    def test_h18_surplus_descriptors_are_closed_on_every_message(self):
        for request, payload in ((Request.GET_FEATURES, b''), (Request.SET_OWNER, b''),
                                 (Request.SET_VRING_NUM, state(0, 128)), (99, b''),
                                 (Request.SET_MEM_TABLE, table(0)), (Request.SET_LOG_FD, b''),
                                 (Request.SET_VRING_CALL, u64(NO_DESCRIPTOR))):
            for count in (2, 8, 9, 64, 200):
                client = self.driver(start=False).client
                writers, readers = self.traced_descriptors(count)
                try:
                    client.send_raw(message(request, payload, VERSION | NEED_REPLY), writers)
                    client.alive()
                except (BrokenPipeError, ConnectionResetError, AssertionError):
                    pass                # an acknowledgement, or the end: either will do
                self.hang_up()
                self.let_go(writers, readers)
            self.neighbour_works()


class Exit(HostileCase):
    """Nothing may be lost even by the sanitizer's account, which is made at the exit."""

    def test_h11_no_memory_is_lost_when_the_daemon_ends_after_an_attack(self):
        for number in range(50):
            driver = BlkDriver(self.socket())
            driver.client.ack(Request.SET_MEM_TABLE, table(40), [self.memfd()])
            driver.client.ack(SET_INFLIGHT_FD, bytes(24), [self.memfd()])
            driver.client.ack(Request.SET_LOG_FD, b'', [self.eventfd()])
            driver.client.send_raw(message(Request.SET_MEM_TABLE, table(1))[:number])
            driver.client.close()
            driver.close()
        client = Client(self.socket())
        self.assertTrue(client.alive())
        client.close()
        self.neighbour.close()
        self.assertEqual(self.daemon.terminate(), 0, self.daemon.stderr())
        type(self).start()              # for what comes after a test
        self._again()

    def _again(self):
        """A new neighbour in the new daemon."""
        self.add('neighbour', driver='null-co', size=8 * MIB)
        self.neighbour = BlkDriver(self.socket('neighbour'))
        self.neighbour_works = lambda: None     # null-co keeps nothing


if __name__ == '__main__':
    unittest.main()
