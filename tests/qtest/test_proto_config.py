# SPDX-License-Identifier: GPL-2.0-or-later
"""The config space: offsets, sizes, what may be written, and the notice that it changed."""

import socket
import struct
import unittest

from support.image import MIB
from support.proto_case import DISK_SIZE, ProtoCase
from support.vhost_user import CONFIG_CHANGE, VERSION, Request, config
from support.virtio_blk import DISCARD, FLUSH, OK, OUT, WRITE_ZEROES, segment

WCE = 32


class Config(ProtoCase):
    """GET_CONFIG, SET_CONFIG, CONFIG_CHANGE."""

    def field(self, driver, offset, layout):
        """One field, asked for alone."""
        return struct.unpack(layout, driver.config_space(offset, struct.calcsize(layout)))[0]

    def test_fields_asked_one_by_one_are_those_of_the_whole(self):
        driver = self.driver(start=False)
        whole = driver.config_space(0, 60)
        self.assertEqual(len(whole), 60)
        for offset in range(60):
            for size in (1, 2, 8):
                if offset + size <= 60:
                    self.assertEqual(driver.config_space(offset, size),
                                     whole[offset:offset + size])

    def test_fields_are_true(self):
        driver = self.driver(start=False)
        self.assertEqual(self.field(driver, 0, '<Q'), DISK_SIZE // 512)
        self.assertEqual(self.field(driver, 20, '<I'), 512)
        self.assertEqual(self.field(driver, WCE, '<B'), 1)
        self.assertGreater(self.field(driver, 12, '<I'), 0)             # seg_max
        self.assertGreater(self.field(driver, 36, '<I'), 0)             # max_discard_sectors
        self.assertEqual(self.field(driver, 40, '<I'), 1)               # max_discard_seg
        self.assertGreater(self.field(driver, 48, '<I'), 0)             # max_write_zeroes_sectors
        self.assertEqual(self.field(driver, 52, '<I'), 1)               # max_write_zeroes_seg

    def test_advertised_limits_are_served(self):
        driver = self.driver()
        most = min(self.field(driver, 36, '<I'), DISK_SIZE // 512)
        self.assertEqual(driver.request(DISCARD, out=segment(0, most)).status, OK)
        most = min(self.field(driver, 48, '<I'), DISK_SIZE // 512)
        self.assertEqual(driver.request(WRITE_ZEROES, out=segment(0, most)).status, OK)
        pieces = min(self.field(driver, 12, '<I'), 100)
        driver.write(0, b'z' * 512 * pieces, out_sizes=[16] + [512] * pieces)

    def test_H16_more_than_there_is(self):
        driver = self.driver(start=False)
        for offset, size in ((0, 96), (0, 256), (90, 60), (95, 1), (96, 1), (200, 56),
                             ((1 << 32) - 1, 8), (0, 0)):
            with self.subTest(offset=offset, size=size):
                answer = driver.client.ask(Request.GET_CONFIG, config(offset, size))
                self.assertIn(len(answer), (0, 12 + size))
                if answer and offset >= 96:
                    self.assertEqual(answer[12:], bytes(size))

    def test_H16_sizes_that_lie(self):
        for size in (257, 4096, (1 << 32) - 1):
            driver = self.driver(start=False)
            driver.client.send(Request.GET_CONFIG, struct.pack('<III', 0, size, 0) + bytes(8))
            driver.client.send(Request.GET_CONFIG, struct.pack('<II', 0, size))

    def test_write_cache_can_be_switched(self):
        driver = self.driver()
        for value in (0, 1, 0, 1):
            driver.expect_ack(Request.SET_CONFIG, config(WCE, 1, data=bytes([value])))
            self.assertEqual(self.field(driver, WCE, '<B'), value)
            driver.write(0, bytes([value + 1]) * 512)
            self.assertEqual(driver.request(FLUSH).status, OK)
            self.assertEqual(self.image.read(0, 1), bytes([value + 1]))

    def test_read_only_fields_cannot_be_written(self):
        driver = self.driver()
        before = driver.config_space(0, 60)
        for offset, data in ((0, bytes(8)), (20, b'\1'), (34, b'\xff\xff'), (31, b'\0\0'),
                             (WCE, b'\0\0'), (96, b'\0'), ((1 << 32) - 1, b'\0')):
            with self.subTest(offset=offset):
                self.assertNotEqual(driver.client.ack(
                    Request.SET_CONFIG, config(offset, len(data), data=data)), 0)
                self.assertEqual(driver.config_space(0, 60), before)

    def test_front_end_is_told_of_a_new_size(self):
        driver = self.driver()
        channel = driver.open_backend_channel()
        for size in (DISK_SIZE + MIB, DISK_SIZE + 2 * MIB, DISK_SIZE):
            self.daemon.qmp.command('block_resize', node_name='disk', size=size)
            request, flags, payload = channel.receive()
            self.assertEqual((request, flags & 3, payload), (CONFIG_CHANGE, VERSION, b''))
            self.assertEqual(driver.capacity(), size)
        self.assertEqual(driver.request(OUT, DISK_SIZE // 512, bytes(512)).status, 1)

    def test_new_size_without_a_channel_is_silent_and_right(self):
        driver = self.driver()
        before = self.daemon.stderr()
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE + MIB)
        self.addCleanup(self.daemon.qmp.command, 'block_resize', node_name='disk', size=DISK_SIZE)
        self.assertEqual(driver.capacity(), DISK_SIZE + MIB)
        driver.write(DISK_SIZE // 512, b'n' * 512)
        self.assertEqual(self.image.read(DISK_SIZE, 512), b'n' * 512)
        self.assertEqual(self.daemon.stderr(), before)

    def test_new_size_without_a_client(self):
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE + MIB)
        self.assertEqual(self.driver().capacity(), DISK_SIZE + MIB)
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE)

    def test_front_end_that_closed_its_channel(self):
        driver = self.driver()
        driver.open_backend_channel().close()
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE + MIB)
        self.assertEqual(driver.capacity(), DISK_SIZE + MIB)
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE)

    def test_channel_that_is_no_unix_stream_is_refused(self):
        driver = self.driver()
        with open('/dev/null', 'r+b') as null, socket.socket() as tcp, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            for wrong in (null, tcp, datagrams):
                self.assertNotEqual(driver.client.ack(Request.SET_BACKEND_REQ_FD,
                                                      descriptors=[wrong.fileno()]), 0)
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE + MIB)
        self.daemon.qmp.command('block_resize', node_name='disk', size=DISK_SIZE)

    def test_channel_may_be_replaced_without_leaving_descriptors(self):
        driver = self.driver()
        driver.open_backend_channel()
        before = self.daemon.descriptors()
        for _ in range(50):
            driver.backend_channel.close()
            driver.open_backend_channel()
        self.assertLessEqual(self.daemon.descriptors(), before)


if __name__ == '__main__':
    unittest.main()
