# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a process rest, or does it go round in circles? However busy the machine is.

How much of a processor a busy loop gets depends on what else runs, and so does how long the work
takes that had to be done first. But a busy loop never stops by itself.
"""

import dataclasses
import os
import time

TICKS = os.sysconf('SC_CLK_TCK')
PREEMPTIONS = 3         # more than it has stopped by itself; other loads than a loop have some
STOPS = 1000            # in a second; no timer of ours is that fast


@dataclasses.dataclass
class Look:
    """At a process, over all its threads."""
    asleep: bool = True
    seconds: float = 0      # of processor time
    stopped: int = 0        # by itself
    preempted: int = 0


def _read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding='ascii', errors='replace') as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ''           # the thread has ended


def look(pid):
    """What the process does now, and has done."""
    result = Look()
    for task in os.listdir(f'/proc/{pid}/task'):
        folder = f'/proc/{pid}/task/{task}'
        fields = _read(folder, 'stat').rpartition(')')[2].split()
        status = dict(line.split(':', 1) for line in _read(folder, 'status').splitlines())
        if fields and status:
            result.asleep &= fields[0] != 'R'
            result.seconds += (int(fields[11]) + int(fields[12])) / TICKS
            result.stopped += int(status['voluntary_ctxt_switches'])
            result.preempted += int(status['nonvoluntary_ctxt_switches'])
    return result


def rests(pid, seconds=0.3):
    """True if it sleeps, but for little work now and then, for @seconds; to be tried repeatedly."""
    before = look(pid)
    if not before.asleep:
        return False
    time.sleep(seconds)
    after = look(pid)
    stopped = after.stopped - before.stopped
    return (after.asleep and after.seconds - before.seconds < seconds / 3 and
            stopped < STOPS * seconds and
            after.preempted - before.preempted <= stopped + PREEMPTIONS)
