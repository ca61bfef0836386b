# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system that transfers less than it was asked for: no wrong data is taken for right."""

import os
import unittest

from support import io_uring
from support.daemon import Daemon
from support.fuse import FuseMount
from support.virtio_blk import IOERR, IN, OK, OUT, BlkDriver

SIZE = 256 * 1024
DATA = bytes((i * 7 + i // 512) % 251 for i in range(SIZE))
NEW = bytes((i * 5 + i // 512 + 3) % 241 for i in range(SIZE))
NODES = [{'aio': aio, 'cache': {'direct': direct}} for direct in (False, True)
         for aio in io_uring.engines('threads')] + [{'aio': 'native', 'cache': {'direct': True}}]


class ShortTransfers(unittest.TestCase):
    def setUp(self):
        self.fuse = FuseMount()
        self.addCleanup(self.fuse.close)
        self.path = self.fuse.add('disk', DATA)
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)

    def export(self, **options):
        """The file on the daemon; returns a driver."""
        qmp = self.daemon.qmp
        qmp.command('blockdev-add', node_name='d', driver='file', filename=self.path, **options)
        qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                    addr={'type': 'unix', 'path': self.daemon.path('sock')}, writable=True)
        driver = BlkDriver(self.daemon.path('sock'))
        self.addCleanup(driver.close)
        return driver

    def remove(self, driver):
        """The export and the node."""
        driver.close()
        self.daemon.qmp.command('block-export-del', id='e', mode='hard')
        self.daemon.qmp.command('blockdev-del', node_name='d')

    def behind(self):
        """What the file holds in truth."""
        with open(self.fuse.behind('disk'), 'rb') as file:
            return file.read()

    def test_reads_go_on_after_a_short_one(self):
        for options in NODES:
            for short in (1000, 512, 65536):
                with self.subTest(options=options, short=short):
                    driver = self.export(**options)
                    self.fuse.set(short_read=short)
                    for sector, length in ((0, 512), (3, 4096), (8, 16384), (16, 131072)):
                        self.assertEqual(driver.read(sector, length),
                                         DATA[sector * 512:sector * 512 + length])
                    self.fuse.set(short_read=None)
                    self.remove(driver)

    def test_writes_go_on_after_a_short_one(self):
        for options in NODES:
            with self.subTest(options=options):
                with open(self.path, 'wb') as file:
                    file.write(DATA)
                driver = self.export(**options)
                self.fuse.set(short_write=1000)
                for sector, length in ((0, 512), (3, 4096), (16, 65536)):
                    start = sector * 512
                    answer = driver.request(OUT, sector, NEW[start:start + length])
                    self.assertEqual(answer.status, OK)
                    self.assertEqual(self.behind()[start:start + length],
                                     NEW[start:start + length])
                self.fuse.set(short_write=None)
                self.remove(driver)

    def test_nothing_read_inside_the_file_is_an_error(self):
        driver = self.export()
        self.fuse.set(short_read=0)
        self.assertEqual(driver.request(IN, 0, in_length=4096).status, IOERR)
        self.fuse.set(short_read=None)
        self.assertEqual(driver.read(0, 4096), DATA[:4096])

    def test_nothing_written_is_an_error(self):
        driver = self.export()
        self.fuse.set(short_write=0)
        self.assertEqual(driver.request(OUT, 0, NEW[:4096]).status, IOERR)
        self.fuse.set(short_write=None)
        self.assertEqual(driver.request(OUT, 0, NEW[:4096]).status, OK)
        self.assertEqual(self.behind(), NEW[:4096] + DATA[4096:])

    def test_the_rest_of_the_last_sector_is_zeroes(self):
        for options in NODES:
            with self.subTest(options=options):
                self.fuse.add('disk', DATA[:1000])
                driver = self.export(**options)
                self.fuse.set(short_read=600)
                self.assertEqual(driver.read(0, 1024), DATA[:1000] + bytes(24))
                self.fuse.set(short_read=None)
                self.remove(driver)

    def test_a_file_that_was_cut_is_an_error(self):
        driver = self.export()
        os.truncate(self.fuse.behind('disk'), 8192)
        self.assertEqual(driver.read(0, 8192), DATA[:8192])
        self.assertEqual(driver.request(IN, 8, in_length=8192).status, IOERR)
        self.assertEqual(driver.request(IN, 100, in_length=512).status, IOERR)

    def test_a_resized_file_reads_as_it_is(self):
        driver = self.export()
        self.fuse.set(short_read=1000)
        self.daemon.qmp.command('block_resize', node_name='d', size=2 * SIZE)
        self.assertEqual(driver.read(SIZE // 512 - 8, 8192), DATA[-4096:] + bytes(4096))
        self.fuse.set(short_read=0)
        self.assertEqual(driver.request(IN, SIZE // 512, in_length=4096).status, IOERR)
        self.fuse.set(short_read=1000)
        self.daemon.qmp.command('block_resize', node_name='d', size=4096)
        self.assertEqual(driver.read(0, 4096), DATA[:4096])
        self.assertEqual(driver.capacity(), 4096)

    def test_what_somebody_appends_is_not_zeroes(self):
        """The length that the daemon knows is older."""
        self.fuse.add('disk', DATA[:1000])
        driver = self.export()
        with open(self.fuse.behind('disk'), 'ab') as file:
            file.write(DATA[1000:1024])
        self.fuse.set(short_read=0)
        self.assertEqual(driver.request(IN, 1, in_length=512).status, IOERR)
        self.fuse.set(short_read=100)
        self.assertEqual(driver.read(1, 512), DATA[512:1024])


if __name__ == '__main__':
    unittest.main()
