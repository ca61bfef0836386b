# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder for each case, which stays when the daemon that it started there ends."""

import os
import shutil
import tempfile
import unittest


class FolderCase(unittest.TestCase):
    """A case with a private folder."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        """A path in it."""
        return os.path.join(self.folder, name)
