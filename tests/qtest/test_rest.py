# SPDX-License-Identifier: GPL-2.0-or-later
"""What other tests find a busy loop with finds one, however little of a processor it gets."""

import subprocess
import sys
import time
import unittest

from support.rest import rests
from support.waiting import until

BEGIN = 'import os, time; print("begun", flush=True)\n'
SPIN = 'while True: pass'
TURNS = 'while True: os.sched_yield()'
SLEEP = 'time.sleep(3600)'
TIMER = 'while True: time.sleep(0.01)'


class Rest(unittest.TestCase):
    """Processes of four kinds, each without priority."""

    def begin(self, code):
        """Starts a program and returns its number when it is at its loop."""
        process = subprocess.Popen(['nice', '-n', '19', sys.executable, '-c', BEGIN + code],
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b'begun\n')
        return process.pid

    def test_a_process_that_sleeps_rests(self):
        pid = self.begin(SLEEP)
        until(lambda: rests(pid), 'it rests')

    def test_a_process_with_a_timer_rests(self):
        pid = self.begin(TIMER)
        until(lambda: rests(pid), 'it rests')

    def test_busy_loops_do_not_rest(self):
        for code in (SPIN, TURNS):
            with self.subTest(code=code):
                pid = self.begin(code)
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    self.assertFalse(rests(pid, 0.1))


if __name__ == '__main__':
    unittest.main()
