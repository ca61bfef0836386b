# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose random number generator is our vhost-user-rng."""

import os
import shutil
import struct
import tempfile
import unittest

from support.backend import Backend
from support.guest_qemu import QemuGuest

WORDS = 1 << 18         # numbers in the file: far more than the guest's kernel takes by itself


class Rng(unittest.TestCase):
    """What stands in the back-end's file is what the guest reads."""

    arguments = ()

    def setUp(self):
        folder = tempfile.mkdtemp(prefix='rng-')
        self.addCleanup(shutil.rmtree, folder)
        source = os.path.join(folder, 'words')
        with open(source, 'wb') as file:
            file.write(struct.pack(f'>{WORDS}I', *range(WORDS)))
        self.backend = Backend('vhost-user-rng', f'--filename={source}', *self.arguments)
        self.addCleanup(self.backend.close)
        self.guest = QemuGuest(others=[('vhost-user-rng-pci', self.backend.socket)])
        self.addCleanup(self.guest.close)

    def words(self):
        """64 numbers read in the guest."""
        text = self.guest.run("dd if=/dev/hwrng bs=256 count=1 iflag=fullblock 2>/dev/null"
                              " | od -An -v -tx1")
        data = bytes(int(word, 16) for word in text.split())
        self.assertEqual(len(data), 256)
        return struct.unpack('>64I', data)

    def test_the_guest_reads_the_numbers_of_the_file(self):
        self.assertEqual(self.guest.run('cat /sys/class/misc/hw_random/rng_current'),
                         'virtio_rng.0')
        first, again = self.words(), self.words()
        # The kernel reads in parts, and takes some for itself in between.
        for words in (first, again):
            self.assertLess(words[-1], WORDS)
            self.assertEqual(sorted(set(words)), list(words))
        self.assertGreater(again[0], first[-1])

    def test_the_driver_can_be_unbound_and_bound(self):
        for _ in range(3):
            self.guest.run('cd /sys/bus/virtio/drivers/virtio_rng; d=$(basename virtio*);'
                           ' echo $d > unbind; echo $d > bind')
            self.words()

    def test_the_back_end_ends_by_a_signal_and_the_guest_lives(self):
        self.words()
        self.assertEqual(self.backend.terminate(), 0)
        self.assertEqual(self.guest.run('echo alive'), 'alive')


class RngInThread(Rng):
    """The same with the queue in a thread of its own."""

    arguments = ('--threads=1',)


if __name__ == '__main__':
    unittest.main()
