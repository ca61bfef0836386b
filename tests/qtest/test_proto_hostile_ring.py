# SPDX-License-Identifier: GPL-2.0-or-later
"""Rings that a guest has filled with lies: the request or the client fails, nothing else."""

import struct
import unittest

from support.guest_memory import GuestMemory, Region
from support.image import MIB
from support.proto_case import ProtoCase
from support.virtio_blk import GET_ID, IN, OK, OUT, UNTOUCHED
from support.vring import INDIRECT, NEXT, WRITE

NOWHERE = 1 << 45


class HostileCase(ProtoCase):
    """Helpers."""

    def header(self, driver, kind=IN, sector=0):
        """A request header in guest memory."""
        place = driver.memory.allocate(16)
        driver.memory.write(place, struct.pack('<IIQ', kind, 0, sector))
        return place

    def lie(self, driver, head=0):
        """Publishes a chain; whatever becomes of it, the daemon must live."""
        driver.vring.publish(head)
        driver.vring.kick()
        driver.client.alive()

    def goes_on(self, driver):
        """After a lie that hurts one chain only, the queue serves the next one."""
        (_, used), = driver.vring.wait_used()
        self.assertLessEqual(used, 1)
        self.assertEqual(len(driver.read(0, 512)), 512)


class Chains(HostileCase):
    """Descriptor chains."""

    def test_H9_buffers_across_two_regions_are_served_piece_by_piece(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x100000000),
                             Region(2 * MIB, MIB, uaddr=0x200000000))
        driver = self.driver(memory=memory)
        header, status = self.header(driver, OUT, 8), memory.allocate(1)
        for start, length in ((MIB - 100, 512), (2 * MIB - 512, 1024), (2 * MIB - 1, 512)):
            memory.write(start, bytes(number % 251 for number in range(length)))
            driver.vring.publish(driver.vring.put_chain(
                [(header, 16, False), (start, length, False), (status, 1, True)]))
            driver.vring.kick()
            driver.vring.wait_used()
            self.assertEqual(memory.read(status, 1)[0], OK)
            self.assertEqual(self.image.read(8 * 512, length), memory.read(start, length))

    def test_H4_indirect_table_across_two_regions(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x100000000))
        driver = self.driver(memory=memory)
        self.image.write(0, b'straddle' * 64)
        header, status, data = self.header(driver), memory.allocate(1), memory.allocate(512)
        for first in (1, 2):
            table = MIB - 16 * first
            vring = driver.vring
            vring.put_descriptor(0, header, 16, NEXT, 1, table)
            vring.put_descriptor(1, data, 512, NEXT | WRITE, 2, table)
            vring.put_descriptor(2, status, 1, WRITE, 0, table)
            head = vring.take_slots(1)[0]
            vring.put_descriptor(head, table, 48, INDIRECT)
            memory.write(data, bytes(512))
            vring.publish(head)
            vring.kick()
            vring.wait_used()
            self.assertEqual(memory.read(data, 512), b'straddle' * 64)

    def test_a_table_that_straddles_in_the_middle_of_a_descriptor(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x100000000))
        driver = self.driver(memory=memory)
        header, status = self.header(driver, GET_ID), memory.allocate(32)
        table = MIB - 24
        vring = driver.vring
        vring.put_descriptor(0, header, 16, NEXT, 1, table)
        vring.put_descriptor(1, status, 21, WRITE, 0, table)
        vring.put_descriptor(0, table, 32, INDIRECT)
        vring.publish(0)
        vring.kick()
        vring.wait_used()
        self.assertEqual(memory.read(status + 20, 1)[0], OK)

    def test_H12_addresses_outside_memory(self):
        for address, length in ((NOWHERE, 512), (MIB - 16, 512), ((1 << 64) - 8, 512),
                                (0x1000, (1 << 32) - 1), (NOWHERE, 0)):
            with self.subTest(address=address, length=length):
                driver = self.driver()
                header, status = self.header(driver), driver.memory.allocate(1)
                driver.memory.write(status, bytes([UNTOUCHED]))
                self.lie(driver, driver.vring.put_chain(
                    [(header, 16, False), (address, length, True), (status, 1, True)]))
                self.goes_on(driver)

    def test_H10_circular_chains(self):
        for loop in ((0, 0), (0, 1), (1, 1)):
            with self.subTest(loop=loop):
                driver = self.driver()
                header = self.header(driver)
                driver.vring.put_descriptor(0, header, 16, NEXT, loop[0] or loop[1])
                driver.vring.put_descriptor(1, header, 16, NEXT, loop[0])
                self.lie(driver)

    def test_H10_circular_indirect_table(self):
        driver = self.driver()
        header, table = self.header(driver), driver.memory.allocate(32, 16)
        driver.vring.put_descriptor(0, header, 16, NEXT, 1, table)
        driver.vring.put_descriptor(1, header, 16, NEXT, 0, table)
        driver.vring.put_descriptor(0, table, 32, INDIRECT)
        self.lie(driver)

    def test_H10_chain_longer_than_the_queue(self):
        driver = self.driver(size=8)
        header = self.header(driver)
        count = 4096
        table = driver.memory.allocate(16 * count, 16)
        for number in range(count):
            driver.vring.put_descriptor(number, header, 16, NEXT, (number + 1) % count, table)
        driver.vring.put_descriptor(0, table, 16 * count, INDIRECT)
        self.lie(driver)

    def test_next_outside_the_table(self):
        for following in (128, 1000, 65535):
            driver = self.driver()
            driver.vring.put_descriptor(0, self.header(driver), 16, NEXT, following)
            self.lie(driver)

    def test_indirect_tables_that_cannot_be(self):
        for address, length, flags in ((0x8000, 0, 0), (0x8000, 15, 0), (0x8000, 17, 0),
                                       (NOWHERE, 32, 0), (MIB - 16, 32, 0), (0x8000, 32, NEXT),
                                       (0x8000, (1 << 32) - 16, 0), ((1 << 64) - 16, 32, 0)):
            with self.subTest(address=address, length=length, flags=flags):
                driver = self.driver()
                driver.vring.put_descriptor(0, address, length, INDIRECT | flags, 1)
                self.lie(driver)

    def test_indirect_in_indirect(self):
        driver = self.driver()
        table = driver.memory.allocate(32, 16)
        driver.vring.put_descriptor(0, table, 32, INDIRECT, 0, table)
        driver.vring.put_descriptor(0, table, 32, INDIRECT)
        self.lie(driver)

    def test_readable_after_writable(self):
        driver = self.driver()
        header, status = self.header(driver), driver.memory.allocate(1)
        self.lie(driver, driver.vring.put_chain([(status, 1, True), (header, 16, False)]))

    def test_empty_descriptors(self):
        for readable, writable in ((True, False), (False, True), (True, True)):
            driver = self.driver()
            buffers = [(self.header(driver, GET_ID), 0, False)] if readable else []
            buffers += [(driver.memory.allocate(21), 0, True)] if writable else []
            self.lie(driver, driver.vring.put_chain(buffers))

    def test_sizes_whose_sum_overflows(self):
        driver = self.driver()
        header = self.header(driver)
        huge = [(0x1000, (1 << 32) - 512, True)] * 100
        self.lie(driver, driver.vring.put_chain([(header, 16, False), *huge]))


class Rings(HostileCase):
    """The available ring."""

    def test_H6_heads_outside_the_table(self):
        for head in (128, 129, 32768, 65535):
            driver = self.driver()
            self.lie(driver, head)

    def test_H10_available_index_that_jumps(self):
        for jump in (129, 1000, 32768, 65535):
            with self.subTest(jump=jump):
                driver = self.driver()
                driver.read(0, 512)
                vring = driver.vring
                vring.set_available_index((vring.available_index + jump) % 65536)
                vring.kick()
                driver.client.alive()

    def test_available_index_that_goes_back(self):
        driver = self.driver()
        for _ in range(3):
            driver.read(0, 512)
        driver.vring.set_available_index(1)
        driver.vring.kick()
        driver.client.alive()

    def test_the_same_chain_published_many_times(self):
        driver = self.driver()
        pending = driver.put(IN, 0, in_length=512)
        driver.vring.publish(*[pending.head] * 100)
        driver.vring.kick()
        driver.client.alive()
        driver.vring.wait_used(1)
        self.assertLessEqual(driver.vring.device_used_index(), 100)

    def test_rings_on_top_of_each_other_are_refused(self):
        driver = self.driver(start=False)
        driver.share_memory()
        vring = driver.vring
        driver.configure(vring)
        uaddr = driver.memory.uaddr
        parts = [uaddr(vring.table), uaddr(vring.used), uaddr(vring.available)]
        for over, under in ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)):
            moved = list(parts)
            moved[over] = parts[under]
            self.assertNotEqual(driver.client.ack(9, struct.pack('<IIQQQQ', 0, 0, *moved, 0)), 0)
        driver.start(vring)
        driver.write(0, bytes(512))

    def test_ring_content_of_noise(self):
        noise = bytes((number * number * 31 + 7) % 256 for number in range(4096))
        for shift in range(16):
            driver = self.driver()
            driver.memory.write(driver.vring.table, noise[shift:shift + 2048])
            driver.memory.write(driver.vring.available + 4, noise[100 + shift:356 + shift])
            driver.vring.set_available_index(100)
            driver.vring.kick()
            driver.client.alive()

    def test_lies_of_one_client_do_not_disturb_another_export(self):
        honest = self.driver('slow')
        for head in (200, 300, 400, 500):
            self.lie(self.driver(), head)
            self.assertEqual(len(honest.read(0, 512)), 512)


if __name__ == '__main__':
    unittest.main()
