# SPDX-License-Identifier: GPL-2.0-or-later
"""A quick guest (User-Mode Linux, where it works) on our disks: data, sizes, read-only, serial, resize, the daemon's layouts."""

import os
import shutil
import tempfile
import unittest

from support import guest_fast, paths
from support.daemon import Daemon
from support.disk_checks import DiskChecks
from support.image import KIB, MIB, Image, pattern
from support.waiting import until


class OneDisk(DiskChecks):
    """A guest with one writable disk; subclasses say how the daemon serves it."""

    node_options = ''
    export_options = ''
    objects = ()

    @classmethod
    def setUpClass(cls):
        # On the build's file system: /tmp may be one that knows no O_DIRECT.
        cls.folder = tempfile.mkdtemp(dir=paths.cache())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.image = Image(os.path.join(cls.folder, 'disk'), 64 * MIB)
        cls.daemon = Daemon(
            *cls.objects, '--blockdev',
            f'driver=file,node-name=d,filename={cls.image.path},discard=unmap{cls.node_options}')
        cls.addClassCleanup(cls.daemon.close)
        socket = cls.daemon.path('sock')
        cls.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                               addr={'type': 'unix', 'path': socket}, writable=True,
                               **cls.export_arguments())
        cls.guest = guest_fast.boot(socket)
        cls.addClassCleanup(cls.guest.close)

    @classmethod
    def export_arguments(cls):
        """More arguments of block-export-add."""
        return {}


class MainLoop(OneDisk, unittest.TestCase):
    """The daemon serves the disk in its main loop."""


class InOneIOThread(OneDisk, unittest.TestCase):
    """The daemon serves the disk in an IOThread."""

    objects = ('--object', 'iothread,id=io0')

    @classmethod
    def export_arguments(cls):
        return {'iothread': 'io0'}

    def test_the_iothread_did_the_work(self):
        before = self.daemon.thread_wakeups('IO io0')
        self.guest.run(f'blkio write {self.device} 0 {MIB} 5')
        self.assertGreater(self.daemon.thread_wakeups('IO io0'), before)


class CacheDirect(OneDisk, unittest.TestCase):
    """The daemon reads and writes the file around the page cache."""

    node_options = ',cache.direct=on'


class ThreadPool(OneDisk, unittest.TestCase):
    """The daemon reads and writes the file with threads, not io_uring."""

    node_options = ',aio=threads'


class SeveralDisks(unittest.TestCase):
    """One guest, four disks of different kinds on one daemon."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.close)
        cls.images, sockets = {}, []
        for name, options in (('plain', {'writable': True}), ('fixed', {}),
                              ('coarse', {'writable': True, 'logical-block-size': 4096}),
                              ('named', {'writable': True, 'serial': 'a serial 12345'})):
            sockets.append(cls._export(name, options))
        cls.content = pattern(0, 1 * MIB, 77)
        cls.images['fixed'].write(0, cls.content)
        cls.guest = guest_fast.boot(*sockets)
        cls.addClassCleanup(cls.guest.close)

    @classmethod
    def _export(cls, name, options):
        image = cls.images[name] = Image(cls.daemon.path(name), 16 * MIB)
        cls.daemon.qmp.command('blockdev-add', driver='file', node_name=name, filename=image.path,
                               read_only='writable' not in options)
        socket = cls.daemon.path(name + '.sock')
        cls.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e-' + name,
                               node_name=name, addr={'type': 'unix', 'path': socket}, **options)
        return socket

    def sysfs(self, disk, name):
        """An attribute of the guest's disk."""
        return self.guest.run(f'cat /sys/block/{disk}/{name}')

    def test_capacity_is_the_file_s(self):
        self.assertEqual(self.guest.run('blkio capacity /dev/vda'), f'{16 * MIB} 512')

    def test_read_only_disk_can_be_read(self):
        self.assertEqual(self.sysfs('vdb', 'ro'), '1')
        self.guest.run(f'blkio verify /dev/vdb 0 {MIB} 77')

    def test_read_only_disk_refuses_writes_and_nothing_is_written(self):
        self.assertEqual(self.sysfs('vda', 'ro'), '0')
        status, said = self.guest.run('blkio write /dev/vdb 0 4096 1', check=False)
        self.assertNotEqual(status, 0, said)
        status, said = self.guest.run('dd if=/dev/zero of=/dev/vdb bs=4k count=1 conv=fsync',
                                      check=False)
        self.assertNotEqual(status, 0, said)
        self.assertEqual(self.images['fixed'].read(0, MIB), self.content)
        self.assertEqual(self.images['fixed'].read(MIB, 15 * MIB), bytes(15 * MIB))

    def test_logical_blocks_of_4_KiB(self):
        self.assertEqual(self.guest.run('blkio capacity /dev/vdc'), f'{16 * MIB} 4096')
        self.guest.run(f'blkio write /dev/vdc {64 * KIB} {MIB} 8')
        self.guest.run('blkio flush /dev/vdc')
        self.assertEqual(self.images['coarse'].read(64 * KIB, MIB), pattern(64 * KIB, MIB, 8))
        status, said = self.guest.run('blkio verify-zeroes /dev/vdc 0 512', check=False)
        self.assertEqual((status, said), (1, 'read: Invalid argument'))

    def test_serial_is_what_the_export_was_given(self):
        self.assertEqual(self.sysfs('vdd', 'serial'), 'a serial 12345')

    def test_write_cache_is_on_by_default(self):
        self.assertEqual(self.sysfs('vda', 'queue/write_cache'), 'write back')

    def test_guest_watches_its_disk_grow(self):
        self.daemon.qmp.command('block_resize', node_name='plain', size=24 * MIB)
        if not self.guest.hears_of_resize:
            driver = '/sys/bus/virtio/drivers/virtio_blk'
            name = self.guest.run('basename $(dirname $(dirname $(readlink -f /sys/block/vda)))')
            self.guest.run(f'echo {name} >{driver}/unbind; echo {name} >{driver}/bind')
        until(lambda: self.guest.run('blkio capacity /dev/vda') == f'{24 * MIB} 512',
              'the guest sees the new size')
        self.guest.run(f'blkio write /dev/vda {20 * MIB} {MIB} 9 && blkio flush /dev/vda')
        self.assertEqual(self.images['plain'].size(), 24 * MIB)
        self.assertEqual(self.images['plain'].read(20 * MIB, MIB), pattern(20 * MIB, MIB, 9))
        self.assertEqual(self.guest.run('blkio capacity /dev/vdc'), f'{16 * MIB} 4096')


if __name__ == '__main__':
    unittest.main()
