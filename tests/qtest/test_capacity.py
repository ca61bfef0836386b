# SPDX-License-Identifier: GPL-2.0-or-later
"""The capacity that a guest sees is what it can read and write, whatever the length under it is."""

import struct
import unittest

from support.daemon import Daemon
from support.image import MIB, Image, pattern
from support.qmp import QmpError
from support.virtio_blk import (DISCARD, IN, IOERR, OK, OUT, SECTOR, UNMAP, WRITE_ZEROES, BlkDriver,
                                segment)

BLOCK = 4096


class Capacity(unittest.TestCase):
    """A file of any length, nodes over it, an export, a client that tries both sides of the end."""

    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp
        self.block = SECTOR

    def disk(self, length, over=None, block=SECTOR, writable=True, **options):
        """A client of the node 'd', which is @over a file of @length bytes, or the file itself."""
        self.image = Image(self.daemon.path('disk.img'), length)
        self.block = block
        file = {'driver': 'file', 'filename': self.image.path, 'discard': 'unmap', **options}
        if over:
            child = 'image' if over['driver'] == 'blkdebug' else 'file'
            file = {**over, child: {'node-name': 'f', **file}}
        self.qmp.command('blockdev-add', node_name='d', **file)
        self.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                         writable=writable, logical_block_size=block,
                         addr={'type': 'unix', 'path': self.daemon.path('s')})
        return self.client()

    def client(self):
        """One that has just come."""
        client = BlkDriver(self.daemon.path('s'))
        self.addCleanup(client.close)
        return client

    def drop(self, client):
        """All that disk() has made goes."""
        client.close()
        self.qmp.command('block-export-del', id='e', mode='hard')
        self.qmp.wait_event('BLOCK_EXPORT_DELETED', id='e')
        self.qmp.command('blockdev-del', node_name='d')

    def check_end(self, client, capacity, start=0):
        """Exactly @capacity can be used; the file, in which the disk begins at @start, stays."""
        sector, block, size = capacity // SECTOR, self.block, self.image.size()
        self.assertEqual(client.capacity(), capacity)
        if capacity:
            last = sector - block // SECTOR
            data = pattern(0, block, 5)
            self.assertEqual(len(client.read(last, block)), block)
            client.write(last, data)
            self.assertEqual(client.read(last, block), data)
            self.assertEqual(self.image.read(start + capacity - block, block), data)
            for kind in (WRITE_ZEROES, DISCARD):
                client.write(last, data)
                answer = client.request(kind, out=segment(last, block // SECTOR))
                self.assertEqual(answer.status, OK)
                if kind == WRITE_ZEROES:
                    self.assertEqual(client.read(last, block), bytes(block))
        self.refused(client, sector)
        self.assertLessEqual(self.image.size(), max(size, start + capacity))

    def refused(self, client, sector):
        """Nothing behind the end can be used, alone or together with what is before it."""
        block = self.block
        for first, length in ((sector, block), (sector, SECTOR), (sector - block // SECTOR,
                                                                  2 * block)):
            if first < 0:
                continue
            self.assertEqual(client.request(IN, first, in_length=length).status, IOERR)
            self.assertEqual(client.request(OUT, first, bytes(length)).status, IOERR)
            for kind, flags in ((DISCARD, 0), (WRITE_ZEROES, 0), (WRITE_ZEROES, UNMAP)):
                out = segment(first, length // SECTOR, flags)
                self.assertEqual(client.request(kind, out=out).status, IOERR)

    def test_a_file_that_ends_within_a_sector(self):
        for length in (1, 511, 512, 513, 1000, 1024, MIB - 1, MIB + 1):
            with self.subTest(length=length):
                client = self.disk(length)
                self.image.write(length - 1, b'x')
                rounded = -(-length // SECTOR) * SECTOR
                # The rest of the last sector reads as zeroes, and comes into being when written.
                last = client.read(rounded // SECTOR - 1, SECTOR)
                self.assertEqual(last.rstrip(b'\0')[-1:], b'x')
                self.assertEqual(self.image.size(), length)
                self.check_end(client, rounded)
                self.drop(client)

    def test_a_raw_node_that_begins_within_a_sector(self):
        for offset, size in ((1000, None), (1, None), (511, None), (513, None), (MIB - 1, None),
                             (1000, 64 * 1024), (1000, MIB - 1024), (512, None)):
            with self.subTest(offset=offset, size=size):
                window = {'driver': 'raw', 'offset': offset, **({'size': size} if size else {})}
                client = self.disk(MIB, window)
                self.check_end(client, size or (MIB - offset) // SECTOR * SECTOR, offset)
                self.assertEqual(self.image.size(), MIB)
                self.drop(client)

    def test_blocks_of_the_guest_that_do_not_fill_the_disk(self):
        for length in (MIB, MIB + SECTOR, MIB + BLOCK - 1, BLOCK, 1000, MIB + 1000):
            with self.subTest(length=length):
                client = self.disk(length, block=BLOCK)
                # A block is whole if its last sector has begun.
                self.check_end(client, -(-length // SECTOR) * SECTOR // BLOCK * BLOCK)
                self.drop(client)

    def test_a_resize_to_any_length(self):
        client = self.disk(MIB)
        for length in (1000, MIB + 1, 512, 0, 2 * MIB - 1, MIB):
            with self.subTest(length=length):
                self.qmp.command('block_resize', node_name='d', size=length)
                self.assertEqual(self.image.size(), length)
                self.check_end(client, -(-length // SECTOR) * SECTOR)

    def test_a_resize_below_requests_that_need_an_alignment(self):
        client = self.disk(MIB, {'driver': 'blkdebug', 'align': BLOCK})
        for node in ('d', 'f'):
            for length in (MIB + SECTOR, MIB + BLOCK - 1, 2 * MIB, 1000, MIB):
                with self.subTest(node=node, length=length):
                    self.qmp.command('block_resize', node_name=node, size=length)
                    self.check_end(client, -(-length // SECTOR) * SECTOR // BLOCK * BLOCK)

    def test_a_resize_of_what_a_raw_node_lies_in(self):
        client = self.disk(MIB, {'driver': 'raw', 'offset': 1000})
        for length in (MIB + 1, MIB + 1000, 64 * 1024):
            with self.subTest(length=length):
                self.qmp.command('block_resize', node_name='d', size=length)
                self.assertEqual(self.image.size(), 1000 + length)
                # The file ends with a whole sector, the disk with one that is inside of the file.
                end = -(-(1000 + length) // SECTOR) * SECTOR
                self.check_end(client, (end - 1000) // SECTOR * SECTOR, 1000)

    def test_a_guest_with_larger_blocks_is_told_of_a_resize(self):
        client = self.disk(MIB, block=BLOCK)
        for length in (MIB + SECTOR, MIB + BLOCK, MIB - 1):
            self.qmp.command('block_resize', node_name='d', size=length)
            self.check_end(client, -(-length // SECTOR) * SECTOR // BLOCK * BLOCK)

    def test_a_disk_that_is_only_read_shows_all_of_its_sectors(self):
        client = self.disk(MIB + 1000, {'driver': 'blkdebug', 'align': BLOCK}, writable=False,
                           **{'read-only': True})
        self.image.write(MIB, b'y' * 1000)
        self.assertEqual(client.capacity(), MIB + 1024)
        self.assertEqual(client.read(MIB // SECTOR, 1024), b'y' * 1000 + bytes(24))
        self.assertEqual(client.request(IN, MIB // SECTOR + 2, in_length=SECTOR).status, IOERR)
        self.assertEqual(client.request(OUT, 0, bytes(SECTOR)).status, IOERR)
        self.assertEqual(self.image.size(), MIB + 1000)

    def test_a_file_that_changes_behind_our_back(self):
        client = self.disk(MIB + 1000)
        with open(self.image.path, 'r+b') as file:
            file.truncate(2 * MIB)
        self.assertEqual(client.capacity(), MIB + 1024)
        self.refused(client, (MIB + 1024) // SECTOR)
        with open(self.image.path, 'r+b') as file:
            file.truncate(1000)
        # What is gone cannot be read; what is written is there again.
        self.assertEqual(client.request(IN, MIB // SECTOR, in_length=SECTOR).status, IOERR)
        client.write((MIB + 1024) // SECTOR - 1, bytes(SECTOR))
        self.check_end(client, MIB + 1024)
        self.assertEqual(self.image.size(), MIB + 1024)

    def test_the_last_sector_is_too_short_for_a_writer_with_an_alignment(self):
        with self.assertRaisesRegex(QmpError, 'not a multiple of request alignment'):
            self.disk(MIB + SECTOR, {'driver': 'blkdebug', 'align': BLOCK})

    def test_a_partition_table_keeps_its_copy_at_the_end(self):
        client = self.disk(MIB, {'driver': 'raw', 'offset': 1000})
        last = client.capacity() // SECTOR - 1
        header = b'EFI PART' + struct.pack('<Q', last) + bytes(SECTOR - 16)
        client.write(last, header)
        client.write(1, header)
        self.assertEqual(self.client_again(client).read(last, SECTOR), header)

    def client_again(self, client):
        """The same, after it has been away."""
        client.close()
        return self.client()


if __name__ == '__main__':
    unittest.main()
