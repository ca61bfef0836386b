# SPDX-License-Identifier: GPL-2.0-or-later
"""A FUSE file system of a test's own that reads short, is slow, fails, or never answers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from .waiting import until


class FuseMount:
    """One mounted folder, `mountpoint`; its files are those of the folder `backing`, where the
    test makes and reads them without asking the file system. While something hangs, only the
    daemon under test may touch the mountpoint. Skips the test where nothing can be mounted.
    """

    def __init__(self, read_only=False, locks=False):
        self.folder = tempfile.mkdtemp(prefix='qsd-fuse-')
        self.backing = os.path.join(self.folder, 'backing')
        self.mountpoint = os.path.join(self.folder, 'mounted')
        os.mkdir(self.backing)
        os.mkdir(self.mountpoint)
        program = os.path.join(os.path.dirname(__file__), 'fuse_server.py')
        self.process = subprocess.Popen(
            [sys.executable, program, self.backing, self.mountpoint] + ['ro'] * read_only
            + ['locks'] * locks,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = json.loads(self.process.stdout.readline() or '{"error": "the FUSE server died"}')
        if 'error' in said:
            self.close()
            raise unittest.SkipTest(said['error'])

    def path(self, name):
        """What the daemon opens."""
        return os.path.join(self.mountpoint, name)

    def behind(self, name):
        """The same file without FUSE."""
        return os.path.join(self.backing, name)

    def add(self, name, data):
        """Makes the file, and returns what the daemon opens."""
        with open(self.behind(name), 'wb') as file:
            file.write(data)
        return self.path(name)

    def set(self, **settings):
        """Changes settings (fuse_server.py), and returns {'counts': {operation: how often},
        'held': [operation that has no answer yet, ...], 'locked': [first bytes of locks]}."""
        self.process.stdin.write(json.dumps(settings) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def count(self, operation):
        """How often it was asked for."""
        return self.set()['counts'].get(operation, 0)

    def wait_held(self, operation):
        """Until one of those hangs."""
        until(lambda: operation in self.set()['held'], f'{operation} hangs')

    def close(self):
        """Unmounts; whoever waits for an answer gets an error."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
