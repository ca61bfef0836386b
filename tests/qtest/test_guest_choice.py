# SPDX-License-Identifier: GPL-2.0-or-later
"""The trial that finds out whether User-Mode Linux works on a host."""

import contextlib
import io
import os
import shutil
import tempfile
import unittest
from unittest import mock

from support import guest, guest_fast, kernel
from support.guest_qemu import QemuGuest
from support.guest_uml import UmlGuest


class Choice(unittest.TestCase):
    """With programs in place of User-Mode Linux."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='choice-')
        self.addCleanup(shutil.rmtree, self.folder)
        # Initrds are costly to make: those of the real cache do.
        self.enterContext(mock.patch.dict(os.environ, {'QTEST_GUEST': ''}))
        self.runs = os.path.join(self.folder, 'runs')

    def choose(self):
        """What is chosen, and what is said about it."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), \
                mock.patch.object(guest_fast.paths, 'cache', lambda: self.folder):
            return guest_fast.kind(), said.getvalue()

    def fake(self, script, timeout=60.0):
        """A program that is called in place of the real one."""
        path = os.path.join(self.folder, 'linux')
        with open(path, 'w', encoding='ascii') as file:
            file.write(f'#!/bin/sh\necho x >>{self.runs}\n{script}\n')
        os.chmod(path, 0o755)
        self.enterContext(mock.patch.dict(os.environ, {'QTEST_UML': path}))
        self.enterContext(mock.patch.object(guest_fast.UmlGuest, 'boot_timeout', timeout))

    def tried(self):
        """How often it was called."""
        with open(self.runs, encoding='ascii') as file:
            return len(file.readlines())

    @unittest.skipUnless(os.path.exists(kernel.uml_program()), 'user-mode-linux is not installed')
    def test_a_kernel_that_panics_is_replaced_and_not_tried_again(self):
        self.fake('echo "Kernel panic - not syncing: Segfault with no mm"; exit 134')
        for _ in range(3):
            chosen, said = self.choose()
            self.assertIs(chosen, QemuGuest)
            self.assertIn('User-Mode Linux does not work here', said)
            self.assertEqual(len(said.splitlines()), 1)
        self.assertEqual(self.tried(), 1)

    @unittest.skipUnless(os.path.exists(kernel.uml_program()), 'user-mode-linux is not installed')
    def test_a_kernel_that_hangs_is_given_up(self):
        self.fake('exec sleep 1000', timeout=0.5)
        self.assertIs(self.choose()[0], QemuGuest)

    @unittest.skipUnless(os.path.exists(kernel.uml_program()), 'user-mode-linux is not installed')
    def test_another_program_is_tried_anew(self):
        self.fake('exit 1')
        self.choose()
        self.fake('exit 1 # another')
        self.choose()
        self.assertEqual(self.tried(), 2)

    def test_a_program_that_is_not_there_is_replaced(self):
        with mock.patch.dict(os.environ, {'QTEST_UML': os.path.join(self.folder, 'none')}):
            self.assertIs(self.choose()[0], QemuGuest)

    def test_the_environment_chooses_without_a_trial(self):
        self.fake('exit 1')
        for name, expected in ('uml', UmlGuest), ('qemu', QemuGuest):
            with mock.patch.dict(os.environ, {'QTEST_GUEST': name}):
                self.assertEqual(self.choose(), (expected, ''))
        self.assertFalse(os.path.exists(self.runs))

    def test_the_guest_that_was_chosen_boots(self):
        booted = guest_fast.boot()
        self.addCleanup(booted.close)
        self.assertIsInstance(booted, guest.Guest)
        self.assertEqual(booted.run('echo here'), 'here')


if __name__ == '__main__':
    unittest.main()
