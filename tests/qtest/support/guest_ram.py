# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's memory before and after it has moved, compared while nobody runs.

A page that differs was written after it had been sent, and nobody marked that.
"""

import collections
import os

PAGE = 4096

# How much of what the test has the device write is there, in pages; how many pages of that differ;
# how many differ at all.
Arrival = collections.namedtuple('Arrival', 'data wrong lost')


def read(guest):
    """All of it, as QEMU and the device see it."""
    folder = f'/proc/{guest.process.pid}/fd'
    for number in os.listdir(folder):
        path = os.path.join(folder, number)
        try:
            if os.readlink(path).startswith('/memfd:memory-backend'):
                with open(path, 'rb') as file:
                    return file.read()
        except FileNotFoundError:
            pass            # closed meanwhile
    raise AssertionError('the guest has no memory that can be looked at')


def pages(data):
    """@data cut into pages."""
    return [data[place:place + PAGE] for place in range(0, len(data), PAGE)]


def compare(source, target, data):
    """@source has stopped, @target not begun. @data: what only the device writes, a set of pages.

    Copies of such a page count as it does, but for how much there is.
    """
    pairs = list(zip(pages(read(source)), pages(read(target))))
    differing = [old for old, new in pairs if old != new]
    return Arrival(len(data.intersection(old for old, _ in pairs)),
                   sum(old in data for old in differing), len(differing))
