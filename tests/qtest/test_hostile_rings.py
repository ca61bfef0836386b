# SPDX-License-Identifier: GPL-2.0-or-later
"""What hostile guests did to other back-ends by their rings and memory: without effect here.

The numbers are those of docs/interop/conformance.md; test_hostile_messages.py has the rest. A
neighbour at work on another export of the same daemon is looked at after each attack.
"""

import ctypes
import os
import random
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from support import paths
from support.guest_memory import GuestMemory, Region
from support.hostile_case import HostileCase
from support.image import MIB
from support.vhost_user import Client, Request, message, u64
from support.virtio_blk import IN, OK, OUT, UNTOUCHED, BlkDriver
from support.vring import INDIRECT, NEXT, WRITE
from support.waiting import until

NOWHERE = 1 << 45
PACKED = 34
RACES = 400             # requests whose descriptors change while they are read


def two_regions():
    """Guest memory that is contiguous for the guest and lies far apart for everybody else."""
    return GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x100000000),
                       Region(2 * MIB, MIB, uaddr=0x200000000, offset=8192))


class RingCase(HostileCase):
    """Helpers."""

    def header(self, driver, kind=IN, sector=0):
        """A request header in guest memory."""
        place = driver.memory.allocate(16)
        driver.memory.write(place, struct.pack('<IIQ', kind, 0, sector))
        return place

    def survives(self, driver, *heads):
        """Publishes chains of which anything may become; the client is served on or dropped."""
        driver.vring.publish(*heads)
        driver.vring.kick()
        driver.client.alive()
        self.neighbour_works()

    def goes_on(self, driver):
        """The malformed chain is completed, with at most a status, and the next one is served."""
        (_, used), = driver.vring.wait_used()
        self.assertLessEqual(used, 1)
        self.assertEqual(len(driver.read(0, 512)), 512)


class Borders(RingCase):
    """What lies across two regions of memory."""

    def test_h04_an_indirect_table_across_two_regions_is_walked_right(self):
        driver = self.driver(memory=two_regions())
        self.image.write(0, b'straddle' * 64)
        memory, vring = driver.memory, driver.vring
        header, status, data = self.header(driver), memory.allocate(1), memory.allocate(512)
        # The border lies between two entries, and then within one, at each word of it.
        for border in (MIB, 2 * MIB):
            for before in (16, 32, 8, 4, 14, 24, 40, 47, 1):
                at = border - before
                vring.put_descriptor(0, header, 16, NEXT, 1, at)
                vring.put_descriptor(1, data, 512, NEXT | WRITE, 2, at)
                vring.put_descriptor(2, status, 1, WRITE, 0, at)
                head, = vring.take_slots(1)
                vring.put_descriptor(head, at, 48, INDIRECT)
                memory.write(data, bytes(512))
                memory.write(status, bytes([UNTOUCHED]))
                vring.publish(head)
                vring.kick()
                self.assertEqual(vring.wait_used(), [(head, 513)], f'{before} before {border:#x}')
                self.assertEqual(memory.read(data, 512), b'straddle' * 64)
                self.assertEqual(memory.read(status, 1)[0], OK)

    def test_h09_buffers_across_regions_are_translated_piece_by_piece(self):
        driver = self.driver(memory=two_regions())
        memory = driver.memory
        header, status = self.header(driver, OUT, 8), memory.allocate(1)
        into = self.header(driver, IN, 8)
        for start, length in ((MIB - 100, 512), (2 * MIB - 512, 1024), (2 * MIB - 1, 512),
                              (MIB - 4096, MIB + 8192)):
            content = random.Random(start).randbytes(length)
            memory.write(start, content)
            for first, writable in ((header, False), (into, True)):
                driver.vring.publish(driver.vring.put_chain(
                    [(first, 16, False), (start, length, writable), (status, 1, True)]))
                driver.vring.kick()
                driver.vring.wait_used()
                self.assertEqual(memory.read(status, 1)[0], OK)
                self.assertEqual(self.image.read(8 * 512, length), content)
                self.assertEqual(memory.read(start, length), content)
                memory.write(start, bytes(length) if not writable else content)


class Races(RingCase):
    """Memory that changes while the device reads it."""

    def test_h05_descriptors_that_change_while_they_are_read_harm_nobody(self):
        driver = self.driver()
        memory, vring = driver.memory, driver.vring
        table = memory.allocate(64, 16)
        header, data = self.header(driver), memory.allocate(4096)
        status = memory.allocate(1)
        for entry, (place, length, flags) in enumerate(
                ((header, 16, NEXT), (data, 512, NEXT | WRITE), (status, 1, WRITE))):
            vring.put_descriptor(entry, place, length, flags, entry + 1, table)
        vring.put_descriptor(0, table, 48, INDIRECT)
        lies = [(vring.table + 8, 48, 0x7ffffff0), (vring.table + 12, INDIRECT, INDIRECT | NEXT),
                (table + 24, 512, 0xfffffe00), (table + 16, data, NOWHERE & 0xffffffff),
                (table + 28, NEXT | WRITE | 2 << 16, NEXT | 0xffff << 16)]
        words = (ctypes.c_uint32 * (memory.regions[0].size // 4)).from_buffer(
            memory.regions[0].map)
        stop = threading.Event()

        def flip():
            while not stop.is_set():
                for place, truth, lie in lies:
                    words[place // 4] = lie
                    words[place // 4] = truth

        flipper = threading.Thread(target=flip)
        flipper.start()
        try:
            for _ in range(RACES):
                vring.publish(0)
                vring.kick()
                vring.wait_used()
        finally:
            stop.set()
            flipper.join()
            del words
        self.neighbour_works()
        self.assertEqual(len(driver.read(0, 512)), 512)


class Chains(RingCase):
    """Chains and indices."""

    def test_h06_heads_beyond_the_ring_and_indices_that_jump_are_bounded(self):
        for head in (128, 129, 32768, 65535):
            self.survives(self.driver(), head)
        for jump in (129, 1000, 32768, 65535):
            driver = self.driver()
            driver.read(0, 512)
            driver.vring.set_available_index((driver.vring.available_index + jump) % 65536)
            driver.vring.kick()
            driver.client.alive()
            self.neighbour_works()
            self.assertEqual(driver.vring.device_used_index(), 1, 'requests were replayed')

    def test_h06_packed_buffer_ids_beyond_the_ring_are_not_used(self):
        available, size = 1 << 7, 8
        for number in (size, 255, 32768, 65535):
            driver = self.driver(start=False, size=size)
            vring, memory = driver.vring, driver.memory
            driver.expect_ack(Request.SET_FEATURES, u64(driver.features | 1 << PACKED))
            driver.share_memory()
            driver.start(vring, base=0x80008000)
            header, status = self.header(driver), memory.allocate(1)
            memory.write(status, bytes([UNTOUCHED]))
            # A packed descriptor ends with id and flags, where a split one has flags and next.
            vring.put_descriptor(1, status, 1, number, available | WRITE)
            vring.put_descriptor(0, header, 16, number, available | NEXT)
            before = memory.read(vring.table, 16 * size)
            self.survives(driver)
            self.assertEqual(memory.read(vring.table, 16 * size), before)
            self.assertEqual(memory.read(status, 1)[0], UNTOUCHED)

    def test_h10_chains_that_never_end_are_left_after_one_round(self):
        for first, second, length in ((0, 0, 16), (1, 0, 16), (1, 1, 16),
                                      (0, 0, 0), (1, 0, 0), (1, 1, 0)):
            driver = self.driver()
            header = self.header(driver)
            driver.vring.put_descriptor(0, header, length, NEXT, first)
            driver.vring.put_descriptor(1, header, length, NEXT, second)
            self.survives(driver, *[0] * 100)
            self.daemon.comes_to_rest()

    def test_h10_tables_that_never_end_are_left_after_one_round(self):
        for count, following, length in ((2, 0, 16), (2, 1, 16), (4096, 0, 16), (4096, 4095, 16),
                                         (2, 0, 0), (2, 1, 0), (4096, 0, 0), (4096, 4095, 0)):
            driver = self.driver(size=8)
            header, table = self.header(driver), driver.memory.allocate(16 * count, 16)
            for entry in range(count):
                driver.vring.put_descriptor(entry, header, length, NEXT,
                                            entry + 1 if entry + 1 < count else following, table)
            driver.vring.put_descriptor(0, table, 16 * count, INDIRECT)
            self.survives(driver, *[0] * 8)

    def test_h12_malformed_chains_are_completed_and_the_queue_goes_on(self):
        def outside(driver, header, status):
            return [(header, 16, False), (NOWHERE, 512, True), (status, 1, True)]

        def wraps(driver, header, status):
            return [(header, 16, False), ((1 << 64) - 8, 512, True), (status, 1, True)]

        def past_the_end(driver, header, status):
            return [(header, 16, False), (MIB - 16, 512, True), (status, 1, True)]

        def readable_last(driver, header, status):
            return [(status, 1, True), (header, 16, False)]

        def huge(driver, header, status):
            return [(header, 16, False), (0x1000, (1 << 32) - 1, True), (status, 1, True)]

        def header_outside(driver, header, status):
            return [(NOWHERE, 16, False), (status, 1, True)]

        for build in (outside, wraps, past_the_end, readable_last, huge, header_outside):
            with self.subTest(build.__name__):
                driver = self.driver()
                header, status = self.header(driver), driver.memory.allocate(1)
                for _ in range(3):
                    self.survives(driver, driver.vring.put_chain(build(driver, header, status)))
                    self.goes_on(driver)

    def test_h12_a_queue_that_cannot_go_on_says_so_and_the_others_do(self):
        driver = self.driver(queues=2)
        errors = self.eventfd()
        driver.expect_ack(Request.SET_VRING_ERR, u64(0), [errors])
        driver.vring.set_available_index(1000)
        driver.vring.kick()
        until(lambda: self.signalled(errors), 'the error descriptor is signalled')
        self.assertEqual(len(driver.read(0, 512, vring=driver.vrings[1])), 512)

    def signalled(self, number):
        """True once the eventfd has been written."""
        try:
            return os.eventfd_read(number) > 0
        except BlockingIOError:
            return False


class Memory(RingCase):
    """Files that shrink under their mapping."""

    def test_h14_files_that_shrink_under_ring_buffer_or_table_kill_nobody(self):
        for region, place in ((1, 'buffer'), (1, 'table'), (0, 'ring')):
            with self.subTest(place):
                driver = self.driver(memory=two_regions())
                memory, vring = driver.memory, driver.vring
                header, status = self.header(driver), memory.allocate(1)
                memory.write(status, bytes([UNTOUCHED]))
                target = memory.allocate(512, 512, 1)
                vring.put_descriptor(0, header, 16, NEXT, 1)
                vring.put_descriptor(1, target, 512, NEXT | WRITE, 2)
                vring.put_descriptor(2, status, 1, WRITE)
                if place == 'table':
                    vring.put_descriptor(0, target, 48, INDIRECT)
                vring.publish(0)
                os.ftruncate(memory.regions[region].fd, 0)
                vring.kick()
                driver.client.alive()
                self.neighbour_works()

    def test_h14_a_log_that_shrinks_kills_nobody(self):
        driver = self.logging_driver(start=False)
        log = self.memfd(4096)
        self.assertEqual(self.hand_over_log(driver, log, 4096), 0)
        driver.expect_ack(Request.SET_FEATURES, u64(driver.features | 1 << 26))
        driver.share_memory()
        driver.start(driver.vring)
        driver.read(0, 512)
        os.ftruncate(log, 0)
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        driver.vring.kick()
        driver.client.alive()
        self.neighbour_works()


class Ends(RingCase):
    """Connections that break off, with a daemon that cannot close twice unnoticed."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix='preload-')
        cls.addClassCleanup(folder.cleanup)
        library = os.path.join(folder.name, 'strict-close.so')
        subprocess.run(['gcc', '-O2', '-Wall', '-shared', '-fPIC', '-o', library,
                        os.path.join(paths.TOP, 'tests/qtest/preload/strict-close.c')], check=True)
        sanitizer = os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'
        cls.daemon_env = {'LD_PRELOAD': library, 'ASAN_OPTIONS': sanitizer}
        super().setUpClass()

    def bad_closes(self):
        """What the preloaded library has found."""
        return [line for line in self.daemon.stderr_lines() if line.startswith('strict-close')]

    def test_h13_a_descriptor_is_closed_once_however_a_client_leaves(self):
        for number in range(60):
            driver = BlkDriver(self.socket())
            channel = driver.open_backend_channel() if number % 2 else None
            driver.vring.publish(driver.put(IN, number, in_length=512).head)
            driver.vring.kick()
            if number % 3 == 0:
                driver.client.socket.shutdown(socket.SHUT_RDWR)
            elif number % 3 == 1:
                driver.client.send_raw(message(Request.SET_MEM_TABLE, bytes(40))[:number % 40 + 1],
                                       [driver.vring.call_fd])
            if channel is not None:
                channel.close()
            driver.close()
            self.neighbour_works()
        client = Client(self.socket())
        self.assertTrue(client.alive())
        client.close()
        self.assertEqual(self.bad_closes(), [])


if __name__ == '__main__':
    unittest.main()
