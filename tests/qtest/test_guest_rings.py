# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with every layout of the rings: what QEMU's options ask for, what UML takes by itself."""

import os
import re
import shutil
import tempfile
import unittest

from support import guest_fast, paths
from support.daemon import Daemon
from support.disk_checks import DiskChecks
from support.guest_qemu import QemuGuest
from support.image import MIB, Image
from test_guest_qemu import Life, OneDisk

INDIRECT, EVENT_IDX, ACCESS_PLATFORM, PACKED, IN_ORDER = 28, 29, 33, 34, 35


class RingChecks:
    """Needs `guest`, `daemon`, and what was asked for."""

    layout = 'split'
    size = 128
    num_queues = 1
    features = {}

    def test_layout_is_the_one_that_was_asked_for(self):
        rings = re.findall(r'queue (\d+) (split|packed) value 0x([0-9a-f]+)', self.daemon.stderr())
        # The firmware was there before the driver.
        last = {int(queue): (layout, int(size, 16)) for queue, layout, size in rings}
        self.assertEqual(last, dict.fromkeys(range(self.num_queues), (self.layout, self.size)))

    def test_driver_accepted_the_features(self):
        bits = self.guest.run('cat $(dirname $(readlink -f /sys/block/vda))/../features')
        self.assertEqual({bit: bits[bit] for bit in self.features}, self.features)


class OneExport(DiskChecks, RingChecks):
    """A daemon with one disk on the socket `sock`; subclasses boot the guest."""

    export_options = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=paths.cache())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.image = Image(os.path.join(cls.folder, 'disk'), 64 * MIB)
        cls.daemon = Daemon('--trace', 'vu_server_event', '--blockdev',
                            f'file,node-name=d,filename={cls.image.path},discard=unmap')
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                               addr={'type': 'unix', 'path': cls.daemon.path('sock')},
                               writable=True, **{'num-queues': 1, **cls.export_options})


class UmlTakesWhatIsOffered(OneExport, unittest.TestCase):
    """It sets the base of a packed ring to 0, as of a split one, and accepts the rest."""

    layout = 'packed'
    size = 256
    features = {INDIRECT: '1', EVENT_IDX: '1', PACKED: '1', IN_ORDER: '0'}

    export_options = {'in-order': True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # QEMU's guest does not take it by itself, but that is what it is about there.
        cls.guest = guest_fast.boot(cls.daemon.path('sock'),
                                    device=',num-queues=1,packed=on,queue-size=256')
        cls.addClassCleanup(cls.guest.close)


class Rings(RingChecks, OneDisk):
    """Subclasses say what is asked for; a guest silently goes without what it is not offered."""

    features = {INDIRECT: '1', EVENT_IDX: '1', PACKED: '0'}
    objects = ('--trace', 'vu_server_event')


class Packed(Rings, Life, unittest.TestCase):
    """The packed layout, everything else as usual."""

    layout = 'packed'
    features = {INDIRECT: '1', EVENT_IDX: '1', PACKED: '1'}
    device_options = ',packed=on'


class PackedInOneIOThread(Rings, Life, unittest.TestCase):
    """The packed layout with two queues in an IOThread."""

    layout = 'packed'
    smp = 2
    num_queues = 2
    features = Packed.features
    device_options = ',packed=on'
    objects = (*Rings.objects, '--object', 'iothread,id=io0')
    export_options = ',iothread=io0'


class LargeAndMany(Rings, unittest.TestCase):
    """Eight queues of 1024."""

    smp = 8
    num_queues = 8
    size = 1024
    device_options = ',queue-size=1024'


class PackedLargeAndMany(LargeAndMany):
    """The same packed."""

    layout = 'packed'
    features = Packed.features
    device_options = ',queue-size=1024,packed=on'


class NoEventIndex(Rings, unittest.TestCase):
    """Flags say whether to notify."""

    features = {INDIRECT: '1', EVENT_IDX: '0', PACKED: '0'}
    device_options = ',event_idx=off'


class NoIndirect(Rings, unittest.TestCase):
    """Chains lie in the ring."""

    features = {INDIRECT: '0', EVENT_IDX: '1', PACKED: '0'}
    device_options = ',indirect_desc=off'


class PackedNoEventIndexNoIndirect(Rings, unittest.TestCase):
    """Chains of several slots in the ring, flags say whether to notify."""

    layout = 'packed'
    features = {INDIRECT: '0', EVENT_IDX: '0', PACKED: '1'}
    device_options = ',packed=on,event_idx=off,indirect_desc=off'


class PackedBehindAnIommu(OneExport, unittest.TestCase):
    """The parts of a packed ring are found through the guest's IOMMU as well."""

    layout = 'packed'
    features = {INDIRECT: '1', EVENT_IDX: '1', ACCESS_PLATFORM: '1', PACKED: '1'}

    export_options = {'access-platform': True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = QemuGuest(
            cls.daemon.path('sock'), machine='q35', append='intel_iommu=on iommu.strict=1',
            extra=('-device', 'intel-iommu,device-iotlb=on', '-device', 'pcie-root-port,id=port0'),
            device=',bus=port0,iommu_platform=on,ats=on,disable-legacy=on,num-queues=1,packed=on')
        cls.addClassCleanup(cls.guest.close)


if __name__ == '__main__':
    unittest.main()
