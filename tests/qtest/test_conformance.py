# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole protocol, case by case: tests/qtest/conformance against our daemon, one test a message."""

import os
import re
import unittest

from conformance.cases import generate
from conformance.peer import Peer
from conformance.rows import ACCESS_PLATFORM, IN_ORDER, ROWS, UNKNOWN
from conformance.runner import run
from support import paths
from support.backend import Backend
from support.proto_case import ProtoCase
from support.virtio_blk import BlkDriver
from support.waiting import TIMEOUT


class Conformance(ProtoCase):
    """While one export is tried, a client of another one reads after each case."""

    def setUp(self):
        super().setUp()
        self.peer = Peer(self.socket(), patience=TIMEOUT)
        self.peer.grace = TIMEOUT
        self.peer.learn()
        self.add('witness', driver='null-co', size=1 << 20, read_zeroes=True)
        self.witness = BlkDriver(self.socket('witness'))
        self.addCleanup(self.gone)

    def gone(self):
        """The witness hangs up."""
        self.witness.close()
        self.remove('witness')

    def conforms(self, row):
        """Runs all cases of one row."""
        cases = list(generate(self.peer.facts, rows=[row]))
        self.assertGreater(len(cases), 10)
        score = run(self.peer, cases, lambda: self.witness.read(0, 512))
        self.assertEqual(score.failures, [], score.line())
        self.assertEqual(score.held, len(cases))


def _test_of(row):
    def test(self):
        self.conforms(row)
    return test


for _row in ROWS:
    setattr(Conformance, f'test_{_row.number:02}_{_row.name}', _test_of(_row))
for _row in UNKNOWN:
    setattr(Conformance, f'test_{_row.name.replace(" ", "_")}_is_unknown', _test_of(_row))


class OtherBackends(ProtoCase):
    """What the block device of the tests above does not offer."""

    def all_hold(self, path, device, *offered):
        """Runs everything against the back-end on @path, which must offer some virtio features."""
        peer = Peer(path, device, TIMEOUT)
        peer.grace = TIMEOUT
        peer.learn()
        for feature in offered:
            self.assertTrue(peer.facts.has(feature))
        score = run(peer, generate(peer.facts, device))
        self.assertEqual(score.failures, [], score.line())
        self.assertGreater(score.total, 2000)

    def test_a_disk_behind_an_iommu(self):
        self.add('iommu', driver='null-co', size=1 << 20, export={'access-platform': True})
        self.addCleanup(self.remove, 'iommu')
        self.all_hold(self.socket('iommu'), 'blk', ACCESS_PLATFORM)

    def test_a_disk_that_is_read_only_and_in_order(self):
        self.add('order', driver='null-co', size=1 << 20, writable=False,
                 export={'in-order': True})
        self.addCleanup(self.remove, 'order')
        self.all_hold(self.socket('order'), 'blk', IN_ORDER)

    def test_a_random_number_generator(self):
        backend = Backend('vhost-user-rng')
        self.addCleanup(backend.close)
        self.all_hold(backend.socket, 'rng')
        self.assertEqual(backend.terminate(), 0, backend.stderr())


class Table(unittest.TestCase):
    """The table itself."""

    def test_has_a_row_for_each_message_of_the_header(self):
        header = os.path.join(paths.TOP, 'subprojects/libvhost-user/vu-protocol.h')
        with open(header, encoding='ascii') as file:
            body = re.search(r'typedef enum VhostUserRequest {(.*?)}', file.read(), re.S).group(1)
        numbers = {name: int(number)
                   for name, number in re.findall(r'VHOST_USER_(\w+) = (\d+),', body)}
        del numbers['NONE']
        self.assertEqual({row.name: row.number for row in ROWS}, numbers)

    def test_names_of_cases_are_unique(self):
        class Everything:
            """A back-end that offers everything."""
            features = protocol = (1 << 64) - 1
            queues = 4
            offers = has = staticmethod(lambda _bit: True)
        names = [case.name for case in generate(Everything)]
        self.assertEqual(len(names), len(set(names)))


if __name__ == '__main__':
    unittest.main()
