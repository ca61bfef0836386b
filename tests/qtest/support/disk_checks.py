# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for a disk in any guest, compared inside and outside; a mixin for test classes."""

import hashlib
import subprocess

from .image import KIB, MIB, pattern

FIRST_PARTITION = 1 * MIB


def host_fsck(path, offset):
    """Checks the ext4 file system at @offset of an image file, from outside."""
    return subprocess.run(['/sbin/e2fsck', '-fn', f'{path}?offset={offset}'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def host_file(path, offset, name):
    """The content of a file in that file system, read from outside."""
    return subprocess.run(['/sbin/debugfs', '-R', f'cat {name}', f'{path}?offset={offset}'],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


class DiskChecks:
    """Needs `guest`, `image` (at least 64 MiB) and `device` of the class that uses it."""

    guest = None
    image = None
    device = '/dev/vda'

    def test_what_the_guest_writes_is_in_the_file(self):
        for offset, length, seed in ((0, 4 * KIB, 1), (4 * MIB, 1 * MIB, 2),
                                     (self.image.size() - 64 * KIB, 64 * KIB, 3)):
            self.guest.run(f'blkio write {self.device} {offset} {length} {seed}')
            self.guest.run(f'blkio flush {self.device}')
            self.assertEqual(self.image.read(offset, length), pattern(offset, length, seed))
            self.guest.run(f'blkio verify {self.device} {offset} {length} {seed}')

    def test_what_is_in_the_file_the_guest_reads(self):
        offset, length = 6 * MIB, 512 * KIB
        self.image.write(offset, pattern(offset, length, 11))
        self.guest.run(f'blkio verify {self.device} {offset} {length} 11')
        status, _ = self.guest.run(f'blkio verify {self.device} {offset} {length} 12', check=False)
        self.assertEqual(status, 1, 'verify would not notice a difference')

    def test_discarded_blocks_are_given_back(self):
        offset, length = 8 * MIB, 4 * MIB
        self.guest.run(f'blkio write {self.device} {offset} {length} 21')
        self.guest.run(f'blkio flush {self.device}')
        before = self.image.allocated()
        self.guest.run(f'blkio discard {self.device} {offset} {length}')
        self.assertLessEqual(self.image.allocated(), before - length + 64 * KIB)
        self.assertEqual(self.image.read(offset, length), bytes(length))

    def test_write_zeroes_clears_the_range_and_no_more(self):
        offset, length = 12 * MIB, 1 * MIB
        inner, size = offset + 64 * KIB, 512 * KIB
        self.guest.run(f'blkio write {self.device} {offset} {length} 31')
        self.guest.run(f'blkio zeroes {self.device} {inner} {size}')
        self.guest.run(f'blkio verify-zeroes {self.device} {inner} {size}')
        self.guest.run(f'blkio flush {self.device}')
        expected = bytearray(pattern(offset, length, 31))
        expected[64 * KIB:64 * KIB + size] = bytes(size)
        self.assertEqual(self.image.read(offset, length), bytes(expected))

    def test_partition_and_file_system(self):
        guest, device = self.guest, self.device
        guest.run(f'printf "n\\np\\n1\\n2048\\n\\nw\\n" | fdisk -u {device} >/tmp/fdisk 2>&1; '
                  f'grep -q vd..*1$ /proc/partitions || cat /tmp/fdisk')
        guest.run('mdev -s 2>/dev/null; true')
        guest.run(f'mkfs.ext4 -q {device}1 && mount -t ext4 {device}1 /mnt')
        guest.run('for i in 1 2 3 4 5 6 7 8; do '
                  'dd if=/dev/urandom of=/mnt/file$i bs=64k count=8 2>/dev/null || exit 1; done')
        inside = guest.run('cd /mnt && sha256sum file* && cd /').splitlines()
        guest.run(f'umount /mnt && fsck.ext4 -fn {device}1')
        self.assertEqual(len(inside), 8)
        checked = host_fsck(self.image.path, FIRST_PARTITION)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        for line in inside:
            checksum, name = line.split()
            content = host_file(self.image.path, FIRST_PARTITION, name)
            self.assertEqual(len(content), 512 * KIB)
            self.assertEqual(hashlib.sha256(content).hexdigest(), checksum)

    def test_stress_from_several_threads(self):
        self.guest.run('rm -f /tmp/blkio-stop; (sleep 1; touch /tmp/blkio-stop) & true')
        answer = self.guest.run(f'blkio stress {self.device} {32 * MIB} {16 * MIB} 8 4096')
        operations = int(answer.split('operations=')[1].split()[0])
        self.assertIn('errors=0', answer)
        self.assertGreater(operations, 50)
