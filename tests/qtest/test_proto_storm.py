# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile connections, and then an orderly end: a sanitizer finds what was forgotten."""

import unittest

from support.attack import Attack
from support.image import MIB
from support.proto_case import ProtoCase
from support.virtio_blk import BlkDriver


class Storm(ProtoCase):
    """The daemon ends by itself; the next test would start another one."""

    def _check_daemon(self):
        self.assertFalse(self.daemon.running())

    def test_nothing_is_lost_of_hostile_connections(self):
        self.add('stormy', driver='null-co', size=16 * MIB, read_zeroes=True)
        for name in ('disk', 'stormy'):
            with Attack(self.socket(name), 'mix', 360) as attack:
                self.assertEqual(attack.report()['connections'], 360)
            driver = BlkDriver(self.socket(name))
            self.assertEqual(len(driver.read(0, 512)), 512)
            driver.close()
        self.assertEqual(self.daemon.terminate(), 0, self.daemon.stderr())
        self.assertNotIn('Sanitizer', self.daemon.stderr())


if __name__ == '__main__':
    unittest.main()
