# SPDX-License-Identifier: GPL-2.0-or-later
"""However a client lays a request out, it is done in the same way, and at once if it can be."""

import itertools
import shutil
import tempfile
import unittest

from support.daemon import Daemon
from support.image import MIB, Image, pattern
from support.virtio_blk import IN, OK, OUT, BlkDriver

LENGTH = 4096
# How the 16 bytes of the header and the data of a write are cut into descriptors...
OUT_SIZES = {
    'a descriptor each': [16, LENGTH],
    'in one': [16 + LENGTH],
    'header in two': [8, 8, LENGTH],
    'header in bytes': [1] * 16 + [LENGTH],
    'header and some data': [16 + 512, LENGTH - 512],
    'part of the header, the rest with the data': [7, 9 + LENGTH],
    'data in pages and odd pieces': [16, 1000, 24, LENGTH - 1024],
}
# ... the header of a read, and the data and the status byte of a read.
HEADER_SIZES = {'in one': [16], 'in two': [4, 12], 'in bytes': [1] * 16}
IN_SIZES = {
    'a descriptor each': [LENGTH, 1],
    'in one': [LENGTH + 1],
    'data in many': [512] * 8 + [1],
    'data in odd pieces': [1, 510, 1, LENGTH - 512, 1],
    'status with the last piece': [1024, LENGTH - 1024 + 1],
}
# What is known of real clients (any alignment: libblkio).
SHIFTS = (0, 1, 2, 4, 7, 8, 12, 15)


def spell(sizes):
    """A name for a subtest."""
    return '+'.join(map(str, sizes))


class LayoutCase(unittest.TestCase):
    """A disk that does everything at once, and one that remembers."""

    def setUp(self):
        self.daemon = Daemon('--blockdev', f'null-co,node-name=n,size={MIB},read-zeroes=on',
                             '--blockdev', 'file,node-name=f,filename=disk.img', '--export',
                             'vhost-user-blk,id=n,node-name=n,writable=on,addr.type=unix,'
                             'addr.path=n', '--export',
                             'vhost-user-blk,id=f,node-name=f,writable=on,addr.type=unix,'
                             'addr.path=f', folder=self.folder())
        self.addCleanup(self.daemon.close)

    def folder(self):
        """With an image in it."""
        folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, folder)
        self.image = Image(f'{folder}/disk.img', MIB)
        self.image.write(0, pattern(0, MIB, 1))
        return folder

    def driver(self, name):
        """A client."""
        driver = BlkDriver(self.daemon.path(name))
        self.addCleanup(driver.close)
        return driver

    def at_once(self):
        """How many requests of the disk without a memory were done so, and how many in all."""
        stats, = self.daemon.qmp.command('query-block-export-stats', id='n', queues=True)
        return (sum(queue['at-once'] for queue in stats['queues']),
                sum(operation['requests'] for operation in stats['operations']))


class Layouts(LayoutCase):
    """Every way of cutting, at every alignment, in the ring and in an indirect table."""

    def each(self, *sizes):
        """Subtests over everything."""
        for combination in itertools.product(*[table.values() for table in sizes], SHIFTS,
                                             (False, True)):
            *cuts, shift, indirect = combination
            with self.subTest(cuts=list(map(spell, cuts)), shift=shift, indirect=indirect):
                yield combination

    def test_reads(self):
        driver = self.driver('f')
        for number, (header, data, shift, indirect) in enumerate(
                self.each(HEADER_SIZES, IN_SIZES)):
            sector = number % 200
            answer = driver.request(IN, sector, in_length=LENGTH, out_sizes=header, in_sizes=data,
                                    shift=shift, indirect=indirect)
            self.assertEqual((answer.status, answer.used), (OK, LENGTH + 1))
            self.assertEqual(answer.data, pattern(sector * 512, LENGTH, 1))

    def test_writes(self):
        driver = self.driver('f')
        for number, (sizes, shift, indirect) in enumerate(self.each(OUT_SIZES)):
            sector, data = number % 200, pattern(0, LENGTH, number)
            answer = driver.request(OUT, sector, data, out_sizes=sizes, shift=shift,
                                    indirect=indirect)
            self.assertEqual((answer.status, answer.used), (OK, 1))
            self.assertEqual(self.image.read(sector * 512, LENGTH), data)

    def test_none_needs_a_coroutine(self):
        driver = self.driver('n')
        done = 0
        for header, data, shift, indirect in self.each(HEADER_SIZES, IN_SIZES):
            answer = driver.request(IN, 0, in_length=LENGTH, out_sizes=header, in_sizes=data,
                                    shift=shift, indirect=indirect)
            self.assertEqual((answer.status, answer.data), (OK, bytes(LENGTH)))
            done += 1
            self.assertEqual(self.at_once(), (done, done))
        for sizes, shift, indirect in self.each(OUT_SIZES):
            driver.write(0, bytes(LENGTH), out_sizes=sizes, shift=shift, indirect=indirect)
            done += 1
            self.assertEqual(self.at_once(), (done, done))


class Others(LayoutCase):
    """What is not done at once."""

    def test_what_is_wrong_or_no_read_or_write_is_not_counted(self):
        driver = self.driver('n')
        driver.flush()
        self.assertNotEqual(driver.request(IN, 1 << 40, in_length=512).status, OK)
        self.assertNotEqual(driver.request(IN, 0, in_length=511).status, OK)
        self.assertNotEqual(driver.request(99).status, OK)
        driver.request(IN, 0, status=False, in_length=0, in_sizes=[1])
        self.assertEqual(self.at_once()[0], 0)


if __name__ == '__main__':
    unittest.main()
