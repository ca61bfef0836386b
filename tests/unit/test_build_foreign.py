#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/build-foreign-test.sh makes programs of tests that know nothing of this tree."""
import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = TOP / 'scripts' / 'build-foreign-test.sh'
FOREIGN = TOP / 'tests' / 'unit' / 'foreign'


class BuildForeign(unittest.TestCase):
    def test_a_thread_of_its_own_goes_by_the_name_of_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / 'contexts'
            built = subprocess.run(
                ['sh', SCRIPT, '-b', os.environ['BUILD'], '-o', program, FOREIGN / 'contexts.c',
                 FOREIGN / 'iothread.c', '--', '-Wall', '-Werror'],
                capture_output=True, text=True, check=False)
            self.assertEqual(built.returncode, 0, built.stderr)
            ran = subprocess.run([program, '--tap'], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(ran.stdout.count('\nok '), 2, ran.stdout)

    def test_atomics_want_complete_types_as_qemus_do(self):
        text = """#include "qemu/osdep.h"
            #include "qemu/atomic.h"
            struct Nowhere;
            struct Nowhere *where;
            int main(void) { return %s ? 0 : 1; }"""
        for use, good in (('qatomic_read(&where) == NULL', True),
                          ('qatomic_load_acquire((void **)&where) == NULL', True),
                          ('qatomic_load_acquire(&where) == NULL', False),
                          ('qatomic_rcu_read(&where) == NULL', False),
                          ('qatomic_cmpxchg(&where, NULL, NULL) == NULL', False)):
            with self.subTest(use), tempfile.TemporaryDirectory() as folder:
                source = pathlib.Path(folder) / 'use.c'
                source.write_text(text % use)
                built = subprocess.run(['sh', SCRIPT, '-b', os.environ['BUILD'], '-o',
                                        source.with_suffix(''), source],
                                       capture_output=True, text=True, check=False)
                self.assertEqual(built.returncode == 0, good, built.stderr)


if __name__ == '__main__':
    unittest.main()
