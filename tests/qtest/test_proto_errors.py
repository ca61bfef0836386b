# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk whose storage fails, or waits: what the guest is told, and what goes on meanwhile."""

import unittest

from support.image import MIB, Image
from support.proto_case import ProtoCase
from support.vhost_user import Request, config
from support.virtio_blk import (DISCARD, FLUSH, IN, IOERR, OK, OUT, WRITE_ZEROES, segment)

KINDS = {
    'read': lambda driver: driver.request(IN, 0, in_length=512),
    'write': lambda driver: driver.request(OUT, 0, b'w' * 512),
    'flush': lambda driver: driver.request(FLUSH),
    'discard': lambda driver: driver.request(DISCARD, out=segment(0, 8)),
    'write-zeroes': lambda driver: driver.request(WRITE_ZEROES, out=segment(0, 8)),
}
WCE = 32


class Errors(ProtoCase):
    """blkdebug between the export and a file."""

    def faulty(self, *rules, export=None, **options):
        """A driver on a disk whose requests fail by @rules."""
        self.content = Image(self.daemon.path('faulty.img'), MIB)
        self.add('faulty', driver='blkdebug', export=export, discard='unmap', **options, **{
            'inject-error': [{'event': 'none', **rule} for rule in rules],
            'image': {'driver': 'file', 'filename': self.content.path, 'discard': 'unmap'}})
        self.addCleanup(self.gone)
        return self.driver('faulty')

    def gone(self):
        """The disk is taken away, if that has not happened yet."""
        self.hang_up('faulty')
        exports = self.daemon.qmp.command('query-block-exports')
        if 'faulty' in [export['id'] for export in exports]:
            self.remove('faulty')

    def test_each_kind_of_request_fails_alone(self):
        for failing in KINDS:
            driver = self.faulty({'iotype': failing})
            for kind, request in KINDS.items():
                self.assertEqual(request(driver).status, IOERR if kind == failing else OK,
                                 f'{kind} while {failing} fails')
            self.gone()

    def test_an_error_that_happens_once(self):
        driver = self.faulty({'iotype': 'write', 'once': True})
        self.assertEqual(driver.request(OUT, 0, b'1' * 512).status, IOERR)
        self.assertEqual(driver.request(OUT, 0, b'2' * 512).status, OK)
        self.assertEqual(self.content.read(0, 512), b'2' * 512)

    def test_an_error_of_one_sector_fails_one_of_many_requests(self):
        driver = self.faulty({'iotype': 'read', 'sector': 5})
        pending = [driver.put(IN, sector, in_length=512) for sector in range(10)]
        driver.vring.publish(*(entry.head for entry in pending))
        driver.vring.kick()
        driver.vring.wait_used(10)
        self.assertEqual([driver.answer(entry, 0).status for entry in pending],
                         [IOERR if sector == 5 else OK for sector in range(10)])

    def test_no_space_is_an_error_too(self):
        driver = self.faulty({'iotype': 'write', 'errno': 28})
        self.assertEqual(driver.request(OUT, 0, bytes(512)).status, IOERR)
        self.assertEqual(driver.request(IN, 0, in_length=512).status, OK)

    def test_a_slow_request_does_not_hold_up_the_next_ones(self):
        driver = self.faulty({'iotype': 'read', 'sector': 0, 'errno': 0, 'delay-ns': 300000000})
        slow = driver.put(IN, 0, in_length=512)
        quick = [driver.put(IN, sector, in_length=512) for sector in range(8, 16)]
        driver.vring.publish(slow.head, *(entry.head for entry in quick))
        driver.vring.kick()
        order = [head for head, _ in driver.vring.wait_used(9)]
        self.assertEqual(order[-1], slow.head)
        self.assertEqual(driver.answer(slow, 0).status, OK)

    # Zeroes, because a write of data may be made stable without a flush of its own.

    def test_a_write_through_export_flushes_before_it_answers(self):
        driver = self.faulty({'iotype': 'flush'}, export={'writethrough': True})
        self.assertEqual(driver.config_space(WCE, 1), b'\0')
        self.assertEqual(driver.request(WRITE_ZEROES, out=segment(0, 8)).status, IOERR)

    def test_a_front_end_that_switches_the_write_cache_off_gets_flushed_writes(self):
        driver = self.faulty({'iotype': 'flush'})
        for value, expected in ((1, OK), (0, IOERR), (1, OK)):
            driver.expect_ack(Request.SET_CONFIG, config(WCE, 1, data=bytes([value])))
            self.assertEqual(driver.request(WRITE_ZEROES, out=segment(0, 8)).status, expected)

    def test_storage_with_large_blocks_is_read_modified_and_written(self):
        driver = self.faulty(align=4096)
        self.content.write(0, b'\xaa' * 16384)
        driver.write(3, b'x' * 512)
        driver.write(15, b'y' * 1024)
        expected = bytearray(b'\xaa' * 16384)
        expected[3 * 512:4 * 512] = b'x' * 512
        expected[15 * 512:17 * 512] = b'y' * 1024
        self.assertEqual(self.content.read(0, 16384), bytes(expected))
        self.assertEqual(driver.read(14, 2048), bytes(expected[14 * 512:18 * 512]))


if __name__ == '__main__':
    unittest.main()
