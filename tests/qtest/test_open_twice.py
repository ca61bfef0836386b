# SPDX-License-Identifier: GPL-2.0-or-later
"""An image that two daemons have open where no lock keeps them apart: the second says so, once."""

import os
import shutil
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image

WARNING = 'is open for writing elsewhere, and no lock keeps that apart from this: data may be lost'


class Twice(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), MIB)

    def daemon(self, options, serve=True):
        """One that has the image open, and exports it writable."""
        export = 'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=sock,writable=on'
        daemon = Daemon('--blockdev', f'file,node-name=d,filename={self.image.path}{options}',
                        *(('--export', export) if serve else ()))
        self.addCleanup(daemon.close)
        return daemon

    def second_warns(self, first, second, **options):
        """How often it does."""
        self.assertEqual(self.daemon(first).stderr(), '')
        said = self.daemon(second, **options).stderr()
        self.assertEqual(said.count('\n'), said.count(f"'{self.image.path}' {WARNING}"), said)
        return said.count(WARNING)

    def test_the_second_does_not_lock(self):
        self.assertEqual(self.second_warns('', ',locking=off'), 1)

    def test_the_second_only_reads(self):
        self.assertEqual(self.second_warns('', ',locking=off,read-only=on', serve=False), 1)

    def test_the_first_does_not_lock(self):
        self.assertEqual(self.second_warns(',locking=off', ''), 1)

    def test_neither_locks(self):
        self.assertEqual(self.second_warns(',locking=off', ',locking=off'), 1)

    def test_sharing_that_was_asked_for_needs_no_warning(self):
        self.assertEqual(
            self.second_warns('', ',read-only=on,force-share=on', serve=False), 0)

    def test_readers_are_harmless(self):
        first = Daemon('--blockdev', f'file,node-name=d,filename={self.image.path},locking=off,'
                       'read-only=on')
        self.addCleanup(first.close)
        self.assertEqual(self.daemon(',locking=off').stderr(), '')


if __name__ == '__main__':
    unittest.main()
