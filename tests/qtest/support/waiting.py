# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition, with an end."""

import os
import time

TIMEOUT = float(os.environ.get('QTEST_TIMEOUT', '60'))  # reached only when something is broken


def until(condition, what, timeout=TIMEOUT):
    """Returns @condition()'s first true value; fails with the name of @what after @timeout s."""
    end = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'after {timeout:.0f} s still not: {what}')
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
