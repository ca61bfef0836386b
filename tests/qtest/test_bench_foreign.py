# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark with a foreign client: what it reads, what it tells, and when it has no client."""

import importlib.util
import os
import subprocess
import sys
import unittest

PROGRAM = os.path.join(os.path.dirname(__file__), '../bench/foreign.py')


def load():
    """The program as a module."""
    spec = importlib.util.spec_from_file_location('foreign', PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Foreign(unittest.TestCase):
    def test_without_a_client_it_says_so(self):
        done = subprocess.run([sys.executable, PROGRAM, '--qemu', '/nonexistent'],
                              stdout=subprocess.PIPE, text=True, check=True)
        self.assertRegex(done.stdout, '^skipped: no qemu-img in /nonexistent; .*unpack-qemu.sh')

    def test_the_time_is_read(self):
        foreign = load()
        self.assertEqual(foreign.completed_seconds(
            'Sending 8000 read requests, 4096 bytes each, 32 in parallel\n'
            'Run completed in 1.250 seconds.\n'), 1.25)
        self.assertIsNone(foreign.completed_seconds('qemu-img: Could not open\n'))

    def test_the_table_tells_ranges_and_whom_a_case_is_bound_by(self):
        results = {'read-32': {'ours': [(100.0, 0.5), (300.0, 0.6), (200.0, 0.4)],
                               'unpacked': [(50.0, 0.2), (60.0, 0.2), (40.0, 0.2)]},
                   'write-1': {'ours': [(10.0, 0.95)], 'unpacked': [(10.0, 0.3)]}}
        self.assertEqual(load().table(results).splitlines(), [
            '| case | ours | unpacked | ours/unpacked |', '|---|---|---|---|',
            '| read-32 | 200.0 (100.0-300.0) | 50.0 (40.0-60.0) | 4.00 |',
            '| write-1 (client) | 10.0 (10.0-10.0) | 10.0 (10.0-10.0) | 1.00 |'])


if __name__ == '__main__':
    unittest.main()
