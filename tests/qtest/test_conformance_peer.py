# SPDX-License-Identifier: GPL-2.0-or-later
"""Can the conformance suite fail? It must find what is known to be wrong with QEMU's daemon."""

import os
import shutil
import tempfile
import unittest

from conformance.cases import generate
from conformance.peer import SpawnedPeer
from conformance.rows import BY_NAME
from conformance.runner import run

# What is known to be wrong with version 7.2, and what is right: cases by message.
WRONG = {
    'SET_MEM_TABLE': ['forty regions announced', '2^32 - 1 regions announced'],
    'SET_VRING_NUM': ['3 entries/need reply', '65536 entries/need reply', 'queue 4/need reply'],
    'SET_VRING_BASE': ['queue 255/need reply'],
    'GET_FEATURES': ['correct/need reply'],
    'GET_CONFIG': ['at an offset'],
}
RIGHT = {
    'GET_FEATURES': ['correct', 'repeated', 'byte by byte', 'split at every byte'],
    'SET_MEM_TABLE': ['correct', 'correct/need reply', 'eight regions'],
    'SET_VRING_NUM': ['correct', 'correct/need reply', 'size 4 GiB'],
    'SET_VRING_KICK': ['correct/need reply'],
}
KILLED_BY = 'SET_MEM_TABLE/forty regions announced'


def peer_daemon():
    """QEMU's own daemon, or None."""
    return os.environ.get('PEER_QSD') or shutil.which('qemu-storage-daemon')


@unittest.skipUnless(peer_daemon(), 'no qemu-storage-daemon of QEMU')
class KnownFaults(unittest.TestCase):
    """Some rows, against Debian's qemu-storage-daemon."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix='conformance-')
        cls.addClassCleanup(folder.cleanup)
        image = os.path.join(folder.name, 'disk.img')
        with open(image, 'wb') as file:
            file.truncate(1 << 20)
        cls.peer = SpawnedPeer(f'{peer_daemon()} --blockdev file,node-name=d,filename={image} '
                               '--export vhost-user-blk,id=e,node-name=d,addr.type=unix,'
                               'addr.path={socket},writable=on,num-queues=4', patience=60)
        cls.addClassCleanup(cls.peer.close)
        cls.peer.learn()

    def run_named(self, wanted):
        """Runs the cases that @wanted names; the Score and how many there were."""
        rows = [BY_NAME[name] for name in wanted]
        names = {f'{row}/{case}' for row, cases in wanted.items() for case in cases}
        cases = [case for case in generate(self.peer.facts, rows=rows) if case.name in names]
        self.assertEqual({case.name for case in cases}, names)
        return run(self.peer, cases), names

    def test_faults_are_found(self):
        score, names = self.run_named(WRONG)
        self.assertEqual({name for name, _ in score.failures}, names)
        self.assertEqual(score.held, 0)
        self.assertIn(f'0 of {len(names)} cases hold', score.line())

    def test_h1_kills_the_peer_which_is_started_again(self):
        score, _ = self.run_named({'SET_MEM_TABLE': ['forty regions announced', 'correct']})
        self.assertEqual(score.failures, [(KILLED_BY, 'the back-end has died')])
        self.assertEqual((score.deaths, score.held), (1, 1))

    def test_what_is_right_is_not_called_wrong(self):
        score, names = self.run_named(RIGHT)
        self.assertEqual(score.failures, [])
        self.assertEqual(score.held, len(names))


if __name__ == '__main__':
    unittest.main()
