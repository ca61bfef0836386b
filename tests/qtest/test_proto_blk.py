# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-blk requests: types, layouts, statuses, ranges, used lengths."""

import struct
import unittest

from support.image import MIB, pattern
from support.proto_case import DISK_SIZE, ProtoCase
from support.virtio_blk import (DISCARD, FLUSH, GET_ID, IN, IOERR, OK, OUT, UNMAP, UNSUPP,
                                UNTOUCHED, WRITE_ZEROES, segment)

SECTORS = DISK_SIZE // 512
BARRIER = 1 << 31


class Data(ProtoCase):
    """IN, OUT, FLUSH, GET_ID."""

    def test_what_is_written_is_in_the_file_and_read_back(self):
        driver = self.driver()
        for sector, length in ((0, 512), (7, 4096), (100, 64 * 1024), (SECTORS - 1, 512)):
            data = pattern(sector * 512, length, 5)
            driver.write(sector, data)
            self.assertEqual(driver.request(FLUSH).status, OK)
            self.assertEqual(self.image.read(sector * 512, length), data)
            self.assertEqual(driver.read(sector, length), data)

    def test_used_length_is_exact(self):
        driver = self.driver()
        self.assertEqual(driver.request(IN, 0, in_length=1024).used, 1025)
        self.assertEqual(driver.request(OUT, 0, bytes(1024)).used, 1)
        self.assertEqual(driver.request(FLUSH).used, 1)
        self.assertEqual(driver.request(GET_ID, in_length=20).used, 21)
        self.assertEqual(driver.request(DISCARD, out=segment(0, 1)).used, 1)
        self.assertEqual(driver.request(77).used, 1)

    def test_ranges_outside_the_disk(self):
        driver = self.driver()
        for sector, length in ((SECTORS, 512), (SECTORS - 1, 1024), ((1 << 64) - 1, 512),
                               (1 << 55, 512), ((1 << 63) // 512, 512), (SECTORS + 1, 4096)):
            with self.subTest(sector=sector, length=length):
                self.assertEqual(driver.request(IN, sector, in_length=length).status, IOERR)
                self.assertEqual(driver.request(OUT, sector, bytes(length)).status, IOERR)
        self.assertEqual(self.image.size(), DISK_SIZE)

    def test_lengths_that_are_no_multiple_of_a_sector(self):
        driver = self.driver()
        before = self.image.read(0, 4096)
        for length in (1, 511, 513, 1000):
            with self.subTest(length=length):
                self.assertEqual(driver.request(IN, 0, in_length=length).status, IOERR)
                self.assertEqual(driver.request(OUT, 0, b'u' * length).status, IOERR)
        self.assertEqual(self.image.read(0, 4096), before)

    def test_unknown_types(self):
        driver = self.driver()
        for kind in (2, 3, 5, 10, 12, 14, 77, 0x7fffffff):
            with self.subTest(kind=kind):
                self.assertEqual(driver.request(kind, 0, in_length=512).status, UNSUPP)
                self.assertEqual(driver.request(kind, 0, bytes(512)).status, UNSUPP)

    def test_barrier_flag_is_ignored(self):
        driver = self.driver()
        self.assertEqual(driver.request(OUT | BARRIER, 3, b'b' * 512).status, OK)
        self.assertEqual(driver.request(IN | BARRIER, 3, in_length=512).data, b'b' * 512)

    def test_name_of_the_disk(self):
        driver = self.driver()
        whole = driver.request(GET_ID, in_length=20)
        self.assertEqual(whole.status, OK)
        name = whole.data.rstrip(b'\0')
        self.assertTrue(name)
        self.assertEqual(whole.data, name.ljust(20, b'\0'))
        for length in (1, 5, 19):
            self.assertEqual(driver.request(GET_ID, in_length=length).data, whole.data[:length])
        self.assertEqual(driver.request(GET_ID, in_length=64).data[:20], whole.data)

    def test_given_serial_is_the_name_of_the_disk(self):
        for serial in ('s', 'exactly twenty chars'):
            self.add('named', driver='null-co', size=MIB, export={'serial': serial})
            driver = self.driver('named')
            self.assertEqual(driver.request(GET_ID, in_length=20).data,
                             serial.encode().ljust(20, b'\0'))
            self.hang_up('named')
            self.remove('named')

    def test_read_only_export_refuses_writes(self):
        self.add('fixed', writable=False, driver='null-co', size=MIB, read_zeroes=True)
        self.addCleanup(self.remove, 'fixed')
        driver = self.driver('fixed')
        self.addCleanup(self.hang_up, 'fixed')
        self.assertEqual(driver.request(OUT, 0, bytes(512)).status, IOERR)
        self.assertNotEqual(driver.request(DISCARD, out=segment(0, 1)).status, OK)
        self.assertNotEqual(driver.request(WRITE_ZEROES, out=segment(0, 1)).status, OK)
        self.assertEqual(driver.read(0, 512), bytes(512))
        self.assertEqual(driver.request(FLUSH).status, OK)

    def test_logical_block_size_is_told(self):
        self.add('coarse', driver='null-co', size=MIB, export={'logical-block-size': 4096})
        self.addCleanup(self.remove, 'coarse')
        driver = self.driver('coarse')
        self.addCleanup(self.hang_up, 'coarse')
        self.assertEqual(struct.unpack('<I', driver.config_space(20, 4))[0], 4096)
        self.assertEqual(driver.capacity(), MIB)

    def test_every_request_of_a_full_ring_is_completed_once(self):
        driver = self.driver(size=256)
        for _ in range(5):
            pending = [driver.put(IN, number, in_length=512) for number in range(80)]
            driver.vring.publish(*(entry.head for entry in pending))
            driver.vring.kick()
            done = driver.vring.wait_used(80)
            self.assertEqual(sorted(head for head, _ in done),
                             sorted(entry.head for entry in pending))
            driver.memory.release(driver.mark)


class Layout(ProtoCase):
    """The same request in any shape."""

    def both(self, **layout):
        """A write, then a read, in one shape, direct and indirect."""
        driver = self.driver()
        for number, indirect in enumerate((False, True)):
            data = pattern(0, 1024, 40 + number)
            driver.write(20, data, indirect=indirect,
                         **{key: value for key, value in layout.items() if key == 'out_sizes'})
            self.assertEqual(self.image.read(20 * 512, 1024), data)
            self.assertEqual(driver.read(20, 1024, indirect=indirect,
                                         **{key: value for key, value in layout.items()
                                            if key == 'in_sizes'}), data)

    def test_header_and_data_in_one_data_and_status_in_one(self):
        self.both(out_sizes=[16 + 1024], in_sizes=[1024 + 1])

    def test_header_in_many_pieces(self):
        self.both(out_sizes=[1] * 16 + [1024])
        self.both(out_sizes=[4, 4, 8 + 500, 524], in_sizes=[1024, 1])

    def test_data_in_odd_pieces(self):
        self.both(out_sizes=[16, 1, 511, 3, 509], in_sizes=[7, 1000, 17, 1])
        self.both(out_sizes=[17, 1023], in_sizes=[1, 1024])

    def test_many_small_pieces(self):
        self.both(out_sizes=[16] + [16] * 64, in_sizes=[16] * 64 + [1])

    def test_indirect_table_of_two(self):
        driver = self.driver()
        driver.write(0, b'2' * 512, out_sizes=[528], indirect=True)
        self.assertEqual(driver.read(0, 512, in_sizes=[513], indirect=True), b'2' * 512)

    def test_no_room_for_a_status(self):
        driver = self.driver()
        for kind, out in ((OUT, bytes(512)), (FLUSH, b'')):
            with self.subTest(kind=kind):
                self.assertEqual(driver.request(kind, 0, out, status=False, in_sizes=[]).used, 0)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_header_that_is_too_short(self):
        driver = self.driver()
        memory, vring = driver.memory, driver.vring
        for length in (0, 1, 8, 15):
            place = memory.allocate(16)
            memory.write(place, bytes(15) + bytes([UNTOUCHED]))
            buffers = ([(place, length, False)] if length else []) + [(place + 15, 1, True)]
            vring.publish(vring.put_chain(buffers))
            vring.kick()
            (_, used), = vring.wait_used()
            self.assertIn((used, memory.read(place + 15, 1)[0]),
                          ((0, UNTOUCHED), (1, IOERR), (1, UNSUPP)))
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_a_read_with_data_to_write_and_a_write_with_data_to_read(self):
        driver = self.driver()
        before = self.image.read(0, 512)
        driver.request(OUT, 0, b'', in_length=512)
        self.assertEqual(self.image.read(0, 512), before)
        driver.request(IN, 0, bytes(512))
        self.assertEqual(len(driver.read(0, 512)), 512)


class Ranges(ProtoCase):
    """DISCARD and WRITE_ZEROES."""

    def fill(self):
        """A driver on a disk whose first MiB is all ones."""
        self.image.write(0, b'\xff' * MIB)
        return self.driver()

    def test_discard_gives_the_range_back(self):
        driver = self.fill()
        self.assertEqual(driver.request(DISCARD, out=segment(128, 256)).status, OK)
        self.assertEqual(self.image.read(0, MIB), b'\xff' * 65536 + bytes(131072) +
                         b'\xff' * (MIB - 196608))

    def test_write_zeroes_with_and_without_unmap(self):
        driver = self.fill()
        self.assertEqual(driver.request(WRITE_ZEROES, out=segment(1, 1)).status, OK)
        self.assertEqual(driver.request(WRITE_ZEROES, out=segment(3, 5, UNMAP)).status, OK)
        self.assertEqual(self.image.read(0, 9 * 512), b'\xff' * 512 + bytes(512) + b'\xff' * 512 +
                         bytes(5 * 512) + b'\xff' * 512)

    def test_nothing_at_all(self):
        driver = self.fill()
        self.assertIn(driver.request(WRITE_ZEROES, out=segment(0, 0)).status, (OK, IOERR))
        self.assertEqual(self.image.read(0, MIB), b'\xff' * MIB)

    def test_more_segments_than_advertised(self):
        driver = self.fill()
        for kind in (DISCARD, WRITE_ZEROES):
            self.assertEqual(driver.request(kind, out=segment(0, 1) * 2).status, UNSUPP)
        self.assertEqual(self.image.read(0, MIB), b'\xff' * MIB)

    def test_ranges_that_cannot_be(self):
        driver = self.fill()
        for kind in (DISCARD, WRITE_ZEROES):
            for sector, sectors in ((0, 0xffffffff), (SECTORS, 1), (SECTORS - 1, 2),
                                    ((1 << 64) - 1, 1), (1 << 55, 1)):
                with self.subTest(kind=kind, sector=sector, sectors=sectors):
                    self.assertEqual(driver.request(kind, out=segment(sector, sectors)).status,
                                     IOERR)
        self.assertEqual(self.image.read(0, MIB), b'\xff' * MIB)

    def test_flags_that_are_not_known(self):
        driver = self.fill()
        for flags in (2, 3, 1 << 31):
            self.assertEqual(driver.request(WRITE_ZEROES, out=segment(0, 1, flags)).status, UNSUPP)
        for flags in (UNMAP, 2, 1 << 31):
            self.assertEqual(driver.request(DISCARD, out=segment(0, 1, flags)).status, UNSUPP)
        self.assertEqual(self.image.read(0, MIB), b'\xff' * MIB)

    def test_segments_that_are_cut_off(self):
        driver = self.fill()
        for kind in (DISCARD, WRITE_ZEROES):
            for length in (1, 8, 15):
                answer = driver.request(kind, out=segment(0, 1)[:length])
                self.assertIn(answer.status, (IOERR, UNSUPP))
        self.assertEqual(self.image.read(0, MIB), b'\xff' * MIB)

    def test_segment_in_pieces(self):
        driver = self.fill()
        answer = driver.request(WRITE_ZEROES, out=segment(0, 2), out_sizes=[16, 3, 5, 8])
        self.assertEqual(answer.status, OK)
        self.assertEqual(self.image.read(0, 2048), bytes(1024) + b'\xff' * 1024)


if __name__ == '__main__':
    unittest.main()
