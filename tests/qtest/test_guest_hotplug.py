# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that come and go under a running guest, and a daemon that does."""

import unittest

from support.daemon import Daemon
from support.guest_qemu import QemuGuest
from support.image import MIB, Image, pattern
from support.waiting import until


def add_disk(daemon, name, size=64 * MIB):
    """An image, a node and an export called @name; returns the image."""
    image = Image(daemon.path(name), size)
    daemon.qmp.command('blockdev-add', driver='file', node_name=name, filename=image.path)
    add_export(daemon, name)
    return image


def add_export(daemon, name):
    """The export alone."""
    daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                       addr={'type': 'unix', 'path': daemon.path(name + '.sock')}, writable=True)


def remove_export(daemon, name, mode='hard'):
    """Deletes the export and waits until it is gone."""
    daemon.qmp.command('block-export-del', id=name, mode=mode)
    daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id=name)


class HotPlug(unittest.TestCase):
    """A second disk beside one that is in use."""

    def test_three_times(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        first = add_disk(daemon, 'a')
        guest = QemuGuest(daemon.path('a.sock'))
        self.addCleanup(guest.close)
        for number in range(3):
            second = add_disk(daemon, 'b', (16 + number) * MIB)
            guest.plug('second', daemon.path('b.sock'))
            guest.run('until [ -b /dev/vdb ]; do sleep 0.05; done')
            self.assertEqual(guest.run('blkio capacity /dev/vdb'), f'{(16 + number) * MIB} 512')
            guest.run(f'blkio write /dev/vdb 0 {MIB} {number} && blkio flush /dev/vdb')
            self.assertEqual(second.read(0, MIB), pattern(0, MIB, number))
            guest.unplug('second')
            guest.run('[ ! -e /sys/block/vdb ]')
            remove_export(daemon, 'b')
            daemon.qmp.command('blockdev-del', node_name='b')
            second.remove()
        guest.run(f'blkio write /dev/vda 0 {MIB} 9 && blkio flush /dev/vda')
        self.assertEqual(first.read(0, MIB), pattern(0, MIB, 9))


class Reconnect(unittest.TestCase):
    """QEMU with reconnect=1; nothing is in flight when the connection ends."""

    def write_and_compare(self, guest, image, seed):
        """One round of data through the disk."""
        guest.run(f'blkio write /dev/vda 0 {MIB} {seed} && blkio flush /dev/vda')
        self.assertEqual(image.read(0, MIB), pattern(0, MIB, seed))
        guest.run(f'blkio verify /dev/vda 0 {MIB} {seed}')

    def test_export_is_deleted_and_added_again(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        image = add_disk(daemon, 'a')
        guest = QemuGuest(daemon.path('a.sock'), reconnect=True)
        self.addCleanup(guest.close)
        for seed in range(3):
            self.write_and_compare(guest, image, seed)
            remove_export(daemon, 'a')
            add_export(daemon, 'a')
        self.write_and_compare(guest, image, 99)

    def test_daemon_is_ended_and_started_again(self):
        daemon = Daemon()
        self.addCleanup(daemon.close)
        image = add_disk(daemon, 'a')
        guest = QemuGuest(daemon.path('a.sock'), reconnect=True)
        self.addCleanup(guest.close)
        self.write_and_compare(guest, image, 1)
        self.assertEqual(daemon.terminate(), 0)
        options = ('--blockdev', f'file,node-name=a,filename={image.path}', '--export',
                   'vhost-user-blk,id=a,node-name=a,writable=on,addr.type=unix,'
                   f'addr.path={daemon.path("a.sock")}')
        second = Daemon(*options, folder=daemon.folder)
        self.addCleanup(second.close)
        self.write_and_compare(guest, image, 2)
        self.assertEqual(second.terminate(), 0)
        until(lambda: not second.running(), 'the second daemon has ended')


if __name__ == '__main__':
    unittest.main()
