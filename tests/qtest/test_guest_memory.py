# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose memory is not what it was: behind an IOMMU, or plugged in and out while they run."""

import os
import shutil
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.guest_qemu import QemuGuest
from support.image import MIB, Image, pattern

ACCESS_PLATFORM = 33
DIMMS = 10
DIMM_MIB = 128          # what x86 Linux takes at once
FIRST_MIB = 256


class Case(unittest.TestCase):
    """A daemon with one disk of two queues, each in an IOThread of its own."""

    def start_daemon(self, **export):
        """The daemon and the image."""
        folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, folder)
        image = Image(os.path.join(folder, 'disk'), 64 * MIB)
        daemon = Daemon('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')
        self.addCleanup(daemon.close)
        daemon.qmp.command('blockdev-add', driver='file', node_name='d', filename=image.path)
        daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                           addr={'type': 'unix', 'path': daemon.path('sock')}, writable=True,
                           iothread=['io0', 'io1'], **{'num-queues': 2}, **export)
        return daemon, image

    def stress_begin(self, guest):
        """Reads and writes of several threads behind the first 8 MiB until stress_end()."""
        guest.run('rm -f /tmp/blkio-stop; '
                  f'blkio stress /dev/vda {32 * MIB} {16 * MIB} 4 4096 >/tmp/stress 2>&1 & true')

    def stress_end(self, guest):
        """Fails unless there were some and none failed."""
        guest.run('touch /tmp/blkio-stop; until grep -q operations /tmp/stress; do sleep 0.1; done')
        answer = guest.run('cat /tmp/stress')
        self.assertIn('errors=0', answer)
        self.assertGreater(int(answer.split('operations=')[1].split()[0]), 20)


class BehindAnIommu(Case):
    """iommu_platform=on and Intel's IOMMU; the disk is in a slot of its own, for ATS."""

    def start_guest(self, daemon, append):
        """A guest whose driver talks to the disk through the IOMMU."""
        guest = QemuGuest(
            daemon.path('sock'), machine='q35', smp=2, append=f'intel_iommu=on {append}',
            extra=('-device', 'intel-iommu,device-iotlb=on', '-device', 'pcie-root-port,id=port0'),
            device=',bus=port0,iommu_platform=on,ats=on,disable-legacy=on,num-queues=2')
        self.addCleanup(guest.close)
        self.assertEqual(guest.run('cat /sys/block/vda/device/features')[ACCESS_PLATFORM], '1')
        self.assertIn('iommu_groups', guest.run('readlink /sys/block/vda/device/../iommu_group'))
        return guest

    def use(self, guest, image):
        """Writes and reads of all sizes; compares with the file outside."""
        for seed, size in enumerate((512, 4096, 65536, MIB, 8 * MIB)):
            guest.run(f'blkio write /dev/vda {MIB} {size} {seed} && blkio flush /dev/vda')
            self.assertEqual(image.read(MIB, size), pattern(MIB, size, seed))
            guest.run(f'blkio verify /dev/vda {MIB} {size} {seed}')
        self.stress_begin(guest)
        guest.run('sleep 1')
        self.stress_end(guest)

    def test_every_mapping_is_taken_away_at_once(self):
        daemon, image = self.start_daemon(**{'access-platform': True})
        self.use(self.start_guest(daemon, 'iommu.strict=1'), image)

    def test_all_mappings_are_taken_away_together_rings_included(self):
        daemon, image = self.start_daemon(**{'access-platform': True})
        guest = self.start_guest(daemon, 'iommu.strict=0')
        self.use(guest, image)
        driver = '/sys/bus/virtio/drivers/virtio_blk'
        for seed in range(3):
            name = guest.run(f'basename {driver}/virtio*')
            guest.run(f'echo {name} >{driver}/unbind; [ ! -e /sys/block/vda ]')
            guest.run(f'echo {name} >{driver}/bind; [ -e /sys/block/vda ]')
            guest.run(f'blkio write /dev/vda 0 {MIB} {seed} && blkio flush /dev/vda')
            self.assertEqual(image.read(0, MIB), pattern(0, MIB, seed))

    def test_guest_that_was_not_promised_it_does_not_get_it(self):
        daemon, _ = self.start_daemon()
        guest = QemuGuest(daemon.path('sock'), smp=2, device=',num-queues=2')
        self.addCleanup(guest.close)
        self.assertEqual(guest.run('cat /sys/block/vda/device/features')[ACCESS_PLATFORM], '0')


class HotPlug(Case):
    """More DIMMs than SET_MEM_TABLE has room for come and go while the disk is in use."""

    def start_guest(self, daemon):
        """A guest with room for DIMMs, which its kernel takes into use by itself."""
        guest = QemuGuest(daemon.path('sock'), smp=2, memory=f'{FIRST_MIB}M', device=',num-queues=2',
                          limits=f',slots={DIMMS},maxmem=4G')
        self.addCleanup(guest.close)
        guest.run('echo online_movable >/sys/devices/system/memory/auto_online_blocks')
        return guest

    def total_mib(self, guest):
        """What the guest's kernel has."""
        return int(guest.run("sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")) // 1024

    def plug(self, guest, number):
        """One more DIMM."""
        guest.qmp.command('object-add', **{'qom-type': 'memory-backend-memfd', 'id': f'm{number}',
                                           'size': DIMM_MIB * MIB, 'share': True})
        guest.qmp.command('device_add', driver='pc-dimm', id=f'dimm{number}', memdev=f'm{number}')

    def wait_total(self, guest, least):
        """Until the guest's kernel has more than @least MiB."""
        guest.run(f"until [ $(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) -gt "
                  f'{least * 1024} ]; do sleep 0.1; done')

    def unplug(self, guest, number):
        """Takes a DIMM that has been put off line."""
        guest.qmp.command('device_del', id=f'dimm{number}')
        guest.qmp.wait_event('DEVICE_DELETED', device=f'dimm{number}')
        guest.qmp.command('object-del', id=f'm{number}')

    def test_ten_dimms_come_and_go_under_load(self):
        daemon, image = self.start_daemon()
        guest = self.start_guest(daemon)
        before = self.total_mib(guest)
        self.stress_begin(guest)
        for number in range(DIMMS):
            self.plug(guest, number)
            self.wait_total(guest, before + (number + 1) * DIMM_MIB * 9 // 10)
        # Buffers in the new memory: a file in memory that is larger than the first one.
        guest.run('mount -t tmpfs -o size=900M none /mnt && '
                  'dd if=/dev/urandom of=/mnt/seed bs=1M count=8 2>/dev/null && '
                  'for n in $(seq 50); do cat /mnt/seed; done >/mnt/big')
        guest.run(f'blkio write /dev/vda 0 {8 * MIB} 5 && blkio flush /dev/vda && '
                  f'blkio verify /dev/vda 0 {8 * MIB} 5')
        self.assertEqual(image.read(0, 8 * MIB), pattern(0, 8 * MIB, 5))
        guest.run('umount /mnt; sync; echo 3 >/proc/sys/vm/drop_caches')
        for number in reversed(range(DIMMS)):
            self.unplug(guest, number)
        self.assertLess(self.total_mib(guest), before + 10)
        self.stress_end(guest)
        guest.run(f'blkio verify /dev/vda 0 {8 * MIB} 5')


if __name__ == '__main__':
    unittest.main()
