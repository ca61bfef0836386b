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


if __name__ == '__main__':
    unittest.main()
