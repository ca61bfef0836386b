# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory: the table, slots added and removed, and what must be refused."""

import os
import struct
import time
import unittest

from support.guest_memory import GuestMemory, Region
from support.image import MIB
from support.proto_case import LATENCY, ProtoCase
from support.vhost_user import Closed, Feature, Request, address, region, state, u64
from support.virtio_blk import IN, OK

SLOTS = 509
FAR = 1 << 40


def table(*regions, count=None):
    """A SET_MEM_TABLE payload whose count may lie."""
    return struct.pack('<II', len(regions) if count is None else count, 0) + b''.join(regions)


class MemoryCase(ProtoCase):
    """Helpers."""

    def add_slot(self, driver, payload, *descriptors):
        """Acknowledgement of ADD_MEM_REG."""
        return driver.client.ack(Request.ADD_MEM_REG, bytes(8) + payload, descriptors)

    def file(self, size=MIB):
        """A memfd that lives as long as the test."""
        number = os.memfd_create('region')
        os.ftruncate(number, size)
        self.addCleanup(os.close, number)
        return number


class Table(MemoryCase):
    """SET_MEM_TABLE."""

    def refused_with(self, sentence, *messages):
        """A client that sends them loses its connection, and the log says why."""
        client = self.client()
        before = self.daemon.stderr().count(sentence)
        with self.assertRaises((Closed, ConnectionError)):
            for request, payload, *descriptors in messages:
                client.send(request, payload, descriptors)
            client.ask(Request.GET_FEATURES)
        self.assertEqual(self.daemon.stderr().count(sentence), before + 1)

    def test_memory_that_is_not_shared_is_refused_with_the_remedy(self):
        self.refused_with('share=on', (Request.SET_MEM_TABLE, table(region(0, MIB, 0, 0))))
        # What QEMU sends when none of its memory is shared: a table without regions, then rings.
        kick = os.eventfd(0)
        self.addCleanup(os.close, kick)
        self.refused_with('share=on', (Request.SET_MEM_TABLE, table()),
                          (Request.SET_FEATURES, u64(1 << Feature.VERSION_1)),
                          (Request.SET_VRING_NUM, state(0, 128)),
                          (Request.SET_VRING_ADDR, address(0, 0, 8192, 4096)),
                          (Request.SET_VRING_KICK, u64(0), kick))

    def test_more_queues_than_there_are_are_refused_with_the_remedy(self):
        self.refused_with('num-queues', (Request.SET_VRING_NUM, state(200, 128)))

    def test_data_in_any_of_eight_regions(self):
        regions = [Region(number * MIB, MIB, offset=number * 4096) for number in range(8)]
        driver = self.driver(memory=GuestMemory(*regions), slots=False)
        driver.write(0, bytes(range(256)) * 2)
        for number in range(8):
            place = driver.memory.allocate(512, 512, number)
            header = driver.memory.allocate(16, 16)
            driver.memory.write(header, struct.pack('<IIQ', IN, 0, 0))
            driver.memory.write(header + 8, bytes(8))
            status = driver.memory.allocate(1, 1)
            driver.vring.publish(driver.vring.put_chain(
                [(header, 16, False), (place, 512, True), (status, 1, True)]))
            driver.vring.kick()
            driver.vring.wait_used()
            self.assertEqual(driver.memory.read(place, 512), bytes(range(256)) * 2)

    def test_running_rings_survive_a_new_table(self):
        driver = self.driver(slots=False)
        driver.write(1, b'before  ' * 64)
        for _ in range(50):
            driver.share_memory()
            self.assertEqual(driver.read(1, 512), b'before  ' * 64)

    def test_rings_follow_memory_that_moves_in_the_front_end(self):
        driver = self.driver(slots=False)
        driver.write(1, b'where?  ' * 64)
        base = driver.stop(driver.vring)
        driver.memory.regions[0].uaddr += 1 << 30
        driver.share_memory()
        driver.start(driver.vring, base)
        self.assertEqual(driver.read(1, 512), b'where?  ' * 64)

    def test_H1_counts_that_the_payload_does_not_hold(self):
        entry = region(0, MIB, 0, 0)
        for count in (0, 2, 9, 40, 1 << 16, (1 << 32) - 1):
            with self.subTest(count=count):
                driver = self.driver(start=False)
                self.assertNotEqual(driver.client.ack(Request.SET_MEM_TABLE,
                                                      table(entry, count=count), [self.file()]), 0)
                self.assertTrue(driver.client.alive())

    def test_H1_forty_regions_without_an_acknowledgement(self):
        client = self.client()
        client.send(Request.SET_MEM_TABLE, table(region(0, MIB, 0, 0), count=40), [self.file()])
        client.alive()

    def test_fewer_and_more_descriptors_than_regions(self):
        two = table(region(0, MIB, 0, 0), region(MIB, MIB, MIB, 0))
        for count in (0, 1, 3, 8):
            with self.subTest(descriptors=count):
                driver = self.driver(start=False)
                self.assertNotEqual(driver.client.ack(Request.SET_MEM_TABLE, two,
                                                      [self.file() for _ in range(count)]), 0)
                self.assertTrue(driver.client.alive())

    def test_overlapping_regions(self):
        for first, second in (((0, 0), (MIB // 2, 4 * MIB)), ((0, 0), (4 * MIB, MIB // 2))):
            driver = self.driver(start=False)
            payload = table(region(first[0], MIB, first[1], 0), region(second[0], MIB, second[1], 0))
            self.assertNotEqual(driver.client.ack(Request.SET_MEM_TABLE, payload,
                                                  [self.file(), self.file()]), 0)


class Slots(MemoryCase):
    """GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG."""

    def test_509_slots_and_no_more(self):
        driver = self.driver(start=False)
        limit = driver.client.ask_u64(Request.GET_MAX_MEM_SLOTS)
        self.assertGreaterEqual(limit, SLOTS)
        number = self.file()
        for slot in range(limit):
            self.assertEqual(self.add_slot(driver, region(slot * MIB, MIB, FAR + slot * MIB, 0), number),
                             0, f'slot {slot}')
        self.assertNotEqual(self.add_slot(driver, region(limit * MIB, MIB, FAR + limit * MIB, 0),
                                     number), 0)
        self.assertTrue(driver.client.alive())

    def test_a_region_may_come_and_go_many_times(self):
        driver = self.driver()
        number = self.file()
        payload = region(FAR, MIB, FAR, 0)
        before = self.daemon.descriptors()
        for _ in range(300):
            self.assertEqual(self.add_slot(driver, payload, number), 0)
            driver.expect_ack(Request.REM_MEM_REG, bytes(8) + payload)
        self.assertLessEqual(self.daemon.descriptors(), before)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_removal_tolerates_a_descriptor_and_closes_it(self):
        driver = self.driver()
        payload = region(FAR, MIB, FAR, 0)
        before = self.daemon.descriptors()
        for _ in range(20):
            self.assertEqual(self.add_slot(driver, payload, self.file()), 0)
            driver.expect_ack(Request.REM_MEM_REG, bytes(8) + payload, [self.file()])
        self.assertLessEqual(self.daemon.descriptors(), before)

    def test_removal_of_what_is_not_there(self):
        driver = self.driver()
        for payload in (region(FAR, MIB, FAR, 0), region(0, 2 * MIB, 0, 0)):
            self.assertNotEqual(driver.client.ack(Request.REM_MEM_REG, bytes(8) + payload), 0)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_removal_ignores_the_file_offset(self):
        driver = self.driver()
        self.assertEqual(self.add_slot(driver, region(FAR, MIB, FAR, 0), self.file()), 0)
        driver.expect_ack(Request.REM_MEM_REG, bytes(8) + region(FAR, MIB, FAR, 4096))

    def test_regions_that_cannot_be(self):
        bad = {
            'empty': (FAR, 0, FAR, 0),
            'past the end of the address space': ((1 << 64) - 4096, MIB, FAR, 0),
            'past the end of the front-end': (FAR, MIB, (1 << 64) - 4096, 0),
            'offset and size overflow': (FAR, MIB, FAR, (1 << 64) - 4096),
            'longer than its file': (FAR, 64 * MIB, FAR, 0),
            'behind the end of its file': (FAR, MIB, FAR, 64 * MIB),
            'larger than any memory': (FAR, 1 << 62, FAR, 0),
            'over another region': (MIB // 2, MIB, FAR, 0),
        }
        driver = self.driver()
        for why, numbers in bad.items():
            with self.subTest(why):
                self.assertNotEqual(self.add_slot(driver, region(*numbers), self.file()), 0)
                self.assertEqual(len(driver.read(0, 512)), 512)

    def test_a_region_without_or_with_two_descriptors(self):
        driver = self.driver()
        payload = region(FAR, MIB, FAR, 0)
        self.assertNotEqual(self.add_slot(driver, payload), 0)
        self.assertNotEqual(self.add_slot(driver, payload, self.file(), self.file()), 0)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_a_descriptor_that_cannot_be_mapped(self):
        driver = self.driver()
        for path in ('/dev/null', '/'):
            number = os.open(path, os.O_RDONLY)
            self.addCleanup(os.close, number)
            self.assertNotEqual(self.add_slot(driver, region(FAR, MIB, FAR, 0), number), 0)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_removal_waits_for_requests_that_use_the_region(self):
        driver = self.driver('slow', memory=GuestMemory(Region(0, MIB), Region(MIB, MIB)))
        memory = driver.memory
        header, status = memory.allocate(16), memory.allocate(1)
        memory.write(header, struct.pack('<IIQ', IN, 0, 0))
        memory.write(status, b'\xee')
        buffer = memory.allocate(512, 512, 1)
        memory.write(buffer, b'x' * 512)
        driver.vring.publish(driver.vring.put_chain(
            [(header, 16, False), (buffer, 512, True), (status, 1, True)]))
        driver.vring.kick_and_wait()
        started = time.monotonic()
        driver.expect_ack(Request.REM_MEM_REG, bytes(8) + memory.regions[1].payload())
        self.assertGreater(time.monotonic() - started, LATENCY / 2)
        self.assertEqual(memory.read(status, 1)[0], OK)
        self.assertEqual(memory.read(buffer, 512), bytes(512))

    def test_a_ring_whose_memory_is_removed_does_no_harm(self):
        driver = self.driver()
        driver.read(0, 512)
        driver.client.ack(Request.REM_MEM_REG, bytes(8) + driver.memory.regions[0].payload())
        driver.vring.publish(0)
        driver.vring.kick()
        driver.client.alive()

    def test_H14_a_file_that_shrinks_under_its_mapping(self):
        driver = self.driver()
        driver.read(0, 512)
        os.ftruncate(driver.memory.regions[0].fd, 0)
        driver.vring.kick()
        driver.client.alive()


if __name__ == '__main__':
    unittest.main()
