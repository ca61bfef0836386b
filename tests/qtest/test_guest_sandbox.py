# SPDX-License-Identifier: GPL-2.0-or-later
"""User-Mode Linux on a disk whose daemon is in a sandbox."""

import os
import shutil
import tempfile
import unittest

from support import guest_fast, paths
from support.daemon import Daemon
from support.disk_checks import DiskChecks
from support.image import MIB, Image


class Sandboxed(DiskChecks):
    """Everything is on the command line; subclasses add options."""

    objects = ()
    node_options = ''
    export_options = ''

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=paths.cache())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.image = Image(os.path.join(cls.folder, 'disk'), 64 * MIB)
        socket = os.path.join(cls.folder, 'sock')
        cls.daemon = Daemon(
            '--sandbox', 'on', *cls.objects,
            '--blockdev', f'file,node-name=d,filename={cls.image.path},discard=unmap'
            f'{cls.node_options}',
            '--export', f'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={socket},'
            f'writable=on{cls.export_options}')
        cls.addClassCleanup(cls.daemon.close)
        cls.guest = guest_fast.boot(socket)
        cls.addClassCleanup(cls.guest.close)

    def test_the_daemon_is_filtered(self):
        with open(f'/proc/{self.daemon.pid}/status', encoding='ascii') as file:
            self.assertIn('Seccomp:\t2\n', file.read())


class Rings(Sandboxed, unittest.TestCase):
    """The disk is read and written by io_uring, in an IOThread."""

    objects = ('--object', 'iothread,id=io0')
    export_options = ',iothread=io0'


class ThreadPool(Sandboxed, unittest.TestCase):
    """The disk is read and written by threads."""

    node_options = ',aio=threads'


if __name__ == '__main__':
    unittest.main()
