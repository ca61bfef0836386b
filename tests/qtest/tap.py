#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the unittest cases of one file and prints TAP: tap.py FILE [CLASS[.METHOD]...]"""

import os
import sys
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class TapResult(unittest.TestResult):
    """Prints each case's line as it ends."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.failures_seen = 0
        self.started = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def _line(self, good, test, directive=''):
        self.number += 1
        self.failures_seen += not good
        name = '.'.join(test.id().split('.')[-2:])
        seconds = time.monotonic() - self.started
        print(f'{"ok" if good else "not ok"} {self.number} {name}{directive}', flush=True)
        print(f'# {seconds:.2f} s', flush=True)

    def _failure(self, test, err):
        for line in ''.join(traceback.format_exception(*err)).splitlines():
            print(f'# {line}', flush=True)
        self._line(False, test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line(True, test)

    def addError(self, test, err):
        super().addError(test, err)
        self._failure(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failure(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(True, test, f' # SKIP {reason}')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f'# in {subtest}')
            self._failure(test, err)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(__doc__)
        return 0 if len(sys.argv) > 1 else 1
    sys.path[:0] = [os.path.dirname(os.path.abspath(sys.argv[1])), HERE]
    module = os.path.splitext(os.path.basename(sys.argv[1]))[0]
    names = [f'{module}.{name}' for name in sys.argv[2:]] or [module]
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = TapResult()
    suite.run(result)
    print(f'1..{result.number}')
    return 1 if result.failures_seen else 0


if __name__ == '__main__':
    sys.exit(main())
