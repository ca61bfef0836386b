# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments by option, secure erase, lifetime, geometry: features, config space and requests agree."""

import struct
import unittest

from support.image import MIB, Image
from support.proto_case import ProtoCase
from support.qmp import QmpError
from support.vhost_user import Request
from support.virtio_blk import (DISCARD, IOERR, OK, UNSUPP, WANTED_FEATURES, WRITE_ZEROES,
                                BlkDriver, segment)

GEOMETRY, LIFETIME, SECURE_ERASE, ZONED = 4, 15, 16, 17
GET_LIFETIME, ERASE = 10, 14
ZONE_REQUESTS = (15, 16, 18, 20, 22, 24, 26)
SIZE = MIB
OPTIONS = {
    'max-discard-segments': 4,
    'max-write-zeroes-segments': 40,
    'max-secure-erase-segments': 3,
    'geometry': {'cyls': 1000, 'heads': 16, 'secs': 63},
}


class Driver(BlkDriver):
    """A driver that takes whatever a disk may offer."""

    wanted_features = WANTED_FEATURES | sum(1 << bit for bit in (
        GEOMETRY, LIFETIME, SECURE_ERASE, ZONED))

    def offers(self):
        """The feature bits of the disk."""
        return struct.unpack('<Q', self.client.ask(Request.GET_FEATURES))[0]


class Medium(ProtoCase):
    """An export `rich` that has all of it, beside the plain ones."""

    @classmethod
    def start(cls):
        super().start()
        cls.rich = Image(cls.daemon.path('rich.img'), SIZE)
        cls.add('rich', driver='blkdebug', discard='unmap', max_secure_erase=65536,
                opt_secure_erase=4096, export=OPTIONS,
                lifetime={'pre-eol-info': 1, 'typ-a': 3, 'typ-b': 11},
                image={'driver': 'file', 'filename': cls.rich.path, 'discard': 'unmap'})
        cls.baseline = cls.settled_descriptors()

    def disk(self, name='rich', **options):
        """A driver on an export; the rich one's image is all ones."""
        if name == 'rich':
            self.rich.write(0, b'\xff' * SIZE)
        self.hang_up(name)
        return self._instead(name, Driver(self.socket(name), **options))

    def wiped(self, *places):
        """The image is all ones but for zeroes at these (offset, length)."""
        expected = bytearray(b'\xff' * SIZE)
        for offset, length in places:
            expected[offset:offset + length] = bytes(length)
        self.assertEqual(self.rich.read(0, SIZE), bytes(expected))

    def test_features_and_config_space_agree(self):
        driver = self.disk(start=False)
        offers = driver.offers()
        for bit in (GEOMETRY, LIFETIME, SECURE_ERASE):
            self.assertTrue(offers >> bit & 1, bit)
        space = driver.config_space(0, 96)
        self.assertEqual(struct.unpack_from('<HBB', space, 16), (1000, 16, 63))
        self.assertEqual(struct.unpack_from('<I', space, 40)[0], 4)
        self.assertEqual(struct.unpack_from('<I', space, 52)[0], 40)
        self.assertEqual(struct.unpack_from('<III', space, 60), (128, 3, 8))

    def test_plain_disk_offers_none_of_it(self):
        driver = self.disk('disk', start=False)
        offers = driver.offers()
        for bit in (GEOMETRY, LIFETIME, SECURE_ERASE):
            self.assertFalse(offers >> bit & 1, bit)
        space = driver.config_space(0, 96)
        self.assertEqual(space[16:20], bytes(4))
        self.assertEqual(space[60:96], bytes(36))
        driver = self.disk('disk')
        self.assertEqual(driver.request(ERASE, out=segment(0, 8)).status, UNSUPP)
        self.assertEqual(driver.request(GET_LIFETIME, in_length=24).status, UNSUPP)

    def test_zones_are_not_offered_and_not_served(self):
        for name in ('disk', 'rich'):
            driver = self.disk(name)
            self.assertFalse(driver.offers() >> ZONED & 1)
            self.assertEqual(driver.config_space(92, 1), b'\0')     # the model: no zones
            for kind in ZONE_REQUESTS:
                self.assertEqual(driver.request(kind, in_length=64).status, UNSUPP)

    def test_every_segment_of_a_discard_is_discarded(self):
        driver = self.disk()
        out = segment(8, 8) + segment(32, 8) + segment(64, 16) + segment(128, 8)
        self.assertEqual(driver.request(DISCARD, out=out).status, OK)
        self.wiped((4096, 4096), (16384, 4096), (32768, 8192), (65536, 4096))

    def test_every_segment_of_a_write_zeroes_is_zeroed(self):
        driver = self.disk()
        out = b''.join(segment(2 * i, 1, i % 2) for i in range(40))
        self.assertEqual(driver.request(WRITE_ZEROES, out=out).status, OK)
        self.wiped(*((1024 * i, 512) for i in range(40)))

    def test_one_segment_more_than_advertised_does_nothing(self):
        driver = self.disk()
        for kind, most in ((DISCARD, 4), (WRITE_ZEROES, 40), (ERASE, 3)):
            self.assertEqual(driver.request(kind, out=segment(0, 8) * (most + 1)).status, UNSUPP)
        self.wiped()

    def test_secure_erase_erases_its_segments(self):
        driver = self.disk()
        out = segment(8, 8) + segment(128, 128) + segment(512, 8)
        answer = driver.request(ERASE, out=out)
        self.assertEqual((answer.status, answer.used), (OK, 1))
        self.wiped((4096, 4096), (65536, 65536), (262144, 4096))

    def test_secure_erase_refuses_what_it_cannot_erase_wholly(self):
        driver = self.disk()
        for sector, sectors in ((1, 8), (8, 7), (8, 9), (0, 136), (SIZE // 512, 8),
                                (SIZE // 512 - 8, 16), ((1 << 64) - 8, 8)):
            with self.subTest(sector=sector, sectors=sectors):
                self.assertEqual(driver.request(ERASE, out=segment(sector, sectors)).status, IOERR)
        for flags in (1, 2, 1 << 31):
            self.assertEqual(driver.request(ERASE, out=segment(0, 8, flags)).status, UNSUPP)
        self.assertEqual(driver.request(ERASE, out=segment(0, 8)[:15]).status, IOERR)
        self.assertEqual(driver.request(ERASE).status, IOERR)
        self.wiped()

    def test_lifetime_is_told(self):
        driver = self.disk()
        answer = driver.request(GET_LIFETIME, in_length=24)
        self.assertEqual((answer.status, answer.used), (OK, 25))
        self.assertEqual(answer.data, struct.pack('<HHH', 1, 3, 11) + bytes(18))

    def test_lifetime_goes_into_as_much_room_as_there_is(self):
        driver = self.disk()
        for room in (0, 1, 5, 6, 24, 100):
            answer = driver.request(GET_LIFETIME, in_length=room)
            self.assertEqual((answer.status, answer.used), (OK, min(room, 24) + 1))
            self.assertEqual(answer.data[:min(room, 6)], struct.pack('<HHH', 1, 3, 11)[:room])

    def test_read_only_export_does_not_offer_to_erase(self):
        self.daemon.qmp.command('blockdev-add', node_name='ro', driver='raw', file='rich',
                                discard='unmap')
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='ro', node_name='ro',
                                addr={'type': 'unix', 'path': self.socket('ro')}, writable=False)
        driver = self.disk('ro')
        self.assertFalse(driver.offers() >> SECURE_ERASE & 1)
        self.assertTrue(driver.offers() >> LIFETIME & 1)
        self.assertIn(driver.request(ERASE, out=segment(0, 8)).status, (UNSUPP, IOERR))
        self.hang_up('ro')
        self.remove('ro')

    def test_options_that_cannot_be_are_refused(self):
        for name, value, word in (('max-discard-segments', 0, 'greater than 0'),
                                  ('max-secure-erase-segments', 0, 'greater than 0'),
                                  ('geometry', {'cyls': 0, 'heads': 1, 'secs': 1}, 'geometry.cyls'),
                                  ('geometry', {'cyls': 1, 'heads': 0, 'secs': 1}, 'geometry.heads'),
                                  ('geometry', {'cyls': 1, 'heads': 1, 'secs': 0}, 'geometry.secs'),
                                  ('geometry', {'cyls': 1, 'heads': 256, 'secs': 1}, 'heads')):
            with self.subTest(option=name, value=value), self.assertRaises(QmpError) as caught:
                self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='x',
                                        node_name='disk', **{name: value},
                                        addr={'type': 'unix', 'path': self.socket('x')})
            self.assertIn(word, str(caught.exception))


if __name__ == '__main__':
    unittest.main()
