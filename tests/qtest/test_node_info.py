# SPDX-License-Identifier: GPL-2.0-or-later
"""What query-named-block-nodes and query-blockstats tell of the files below nodes."""

import array
import fcntl
import os
import shutil
import struct
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import DISCARD, OK, BlkDriver, segment

FS_IOC_FSGETXATTR = 0x801c581f


class NodeInfo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), MIB)
        self.daemon = Daemon('--blockdev', f'file,node-name=f,filename={self.image.path},'
                             'discard=unmap', '--blockdev',
                             'raw,node-name=r,file=f,discard=unmap')
        self.addCleanup(self.daemon.close)

    def node(self, name):
        """Its `image`."""
        for node in self.daemon.qmp.command('query-named-block-nodes'):
            if node['node-name'] == name:
                return node['image']
        raise KeyError(name)

    def stats(self, name):
        """What query-blockstats says about the node."""
        for stats in self.daemon.qmp.command('query-blockstats', query_nodes=True):
            if stats['node-name'] == name:
                return stats
        raise KeyError(name)

    def test_limits(self):
        limits = self.node('f')['limits']
        self.assertEqual(limits['request-alignment'], 1)
        self.assertEqual(limits['min-mem-alignment'], 1)
        self.assertEqual(limits['max-iov'], 1024)
        self.assertEqual(limits['opt-mem-alignment'], os.sysconf('SC_PAGE_SIZE'))
        self.assertNotIn('max-discard', limits)
        self.assertNotIn('opt-transfer', limits)
        self.assertEqual(self.node('r')['limits']['request-alignment'], 1)

    def test_limits_past_the_page_cache(self):
        try:
            os.close(os.open(self.image.path, os.O_RDWR | os.O_DIRECT))
        except OSError as err:
            self.skipTest(f'no O_DIRECT here: {err}')
        self.daemon.qmp.command('blockdev-add', node_name='d', driver='file', locking='off',
                                filename=self.image.path, cache={'direct': True})
        limits = self.node('d')['limits']
        self.assertIn(limits['request-alignment'], [2 ** n for n in range(9, 17)])
        self.assertGreater(limits['min-mem-alignment'], 1)

    def test_the_extent_size_hint_is_the_file_systems(self):
        with open(self.image.path, 'rb') as file:
            attributes = array.array('B', bytes(28))
            try:
                fcntl.ioctl(file, FS_IOC_FSGETXATTR, attributes)
                expected = {'extent-size-hint': struct.unpack_from('<I', attributes, 4)[0]}
            except OSError:
                expected = {}
        for name in ('f', 'r'):
            self.assertEqual(self.node(name)['format-specific'], {'type': 'file', 'data': expected})

    def test_discards_are_counted(self):
        self.assertEqual(self.stats('f')['driver-specific'],
                         {'driver': 'file', 'discard-nb-ok': 0, 'discard-nb-failed': 0,
                          'discard-bytes-ok': 0})
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='r',
                                addr={'type': 'unix', 'path': self.daemon.path('sock')},
                                writable=True)
        driver = BlkDriver(self.daemon.path('sock'))
        self.addCleanup(driver.close)
        for sector, sectors in ((0, 8), (64, 16)):
            self.assertEqual(driver.request(DISCARD, out=segment(sector, sectors)).status, OK)
        stats = self.stats('f')['driver-specific']
        self.assertEqual(stats.pop('discard-nb-ok') + stats.pop('discard-nb-failed'), 2)
        self.assertIn(stats, [{'driver': 'file', 'discard-bytes-ok': n} for n in (24 * 512, 0)])
        self.assertEqual(self.stats('r')['parent']['driver-specific'],
                         self.stats('f')['driver-specific'])

    def test_other_drivers_have_nothing_of_their_own(self):
        self.daemon.qmp.command('blockdev-add', node_name='n', driver='null-co')
        self.assertNotIn('format-specific', self.node('n'))
        self.assertNotIn('driver-specific', self.stats('n'))
        self.assertNotIn('driver-specific', self.stats('r'))
        self.assertEqual(self.node('n')['limits']['max-iov'], 1024)


if __name__ == '__main__':
    unittest.main()
