# SPDX-License-Identifier: GPL-2.0-or-later
"""The channel of the back-end's messages: conformance/backend.py against our daemon."""

import os
import re
import unittest

from conformance.backend import BACKEND_ROWS, REACTIONS, generate
from conformance.peer import Peer
from conformance.runner import run
from support import paths
from support.proto_case import DISK_SIZE, ProtoCase
from support.waiting import TIMEOUT


class BackendChannel(ProtoCase):
    """One test for each message that a disk sends."""

    def peer(self, name):
        """An export as a back-end under test."""
        peer = Peer(self.socket(name), patience=TIMEOUT)
        peer.grace = TIMEOUT
        peer.learn()
        return peer

    def all_hold(self, peer):
        """All reactions to one message."""
        cases = list(generate(peer))
        self.assertEqual(len(cases), len(REACTIONS))
        score = run(peer, cases)
        self.assertEqual(score.failures, [], score.line())

    def test_02_CONFIG_CHANGE_MSG(self):
        peer = self.peer('disk')
        sizes = [DISK_SIZE, DISK_SIZE + 4096]

        def resize():
            sizes.reverse()
            self.daemon.qmp.command('block_resize', node_name='disk', size=sizes[0])

        peer.change_config = resize
        self.all_hold(peer)

    def test_01_IOTLB_MSG(self):
        self.add('iommu', driver='null-co', size=1 << 20, export={'access-platform': True})
        self.addCleanup(self.remove, 'iommu')
        self.all_hold(self.peer('iommu'))


class Table(unittest.TestCase):
    """The table itself."""

    def test_has_a_row_for_each_message_of_the_header(self):
        header = os.path.join(paths.TOP, 'subprojects/libvhost-user/vu-protocol.h')
        with open(header, encoding='ascii') as file:
            body = re.search(r'enum VhostUserBackendRequest {(.*?)}', file.read(), re.S).group(1)
        numbers = {name: int(number)
                   for name, number in re.findall(r'VHOST_USER_BACKEND_(\w+) = (\d+),', body)}
        del numbers['NONE']
        self.assertEqual({row.name: row.number for row in BACKEND_ROWS}, numbers)


if __name__ == '__main__':
    unittest.main()
