# SPDX-License-Identifier: GPL-2.0-or-later
"""The quickest guest that works on this host.

User-Mode Linux takes a second, but its kernels panic on some processors (those with AMX, whose
extended state is larger than its buffer), and nothing else tells: so one is booted without any disk,
once for a host, and where that fails QEMU's guests take its place in the same cases.

QTEST_GUEST=uml or qemu in the environment chooses without a trial.
"""

import hashlib
import json
import os
import platform
import unittest

from . import kernel, paths
from .guest_qemu import QemuGuest
from .guest_uml import UmlGuest


def _host():
    """What a trial holds for: this processor, this kernel, this User-Mode Linux."""
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        lines = [line for line in file if line.startswith(('model name', 'flags'))]
    program = os.stat(kernel.uml_program())
    seen = (sorted(set(lines)), platform.release(), kernel.uml_program(), program.st_mtime_ns,
            program.st_size)
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def _try_uml():
    """Boots one; '' or what is wrong with it."""
    try:
        guest = UmlGuest()
        try:
            guest.run('true')
        finally:
            guest.close()
    except (AssertionError, OSError) as error:
        return str(error).strip().splitlines()[-1]
    return ''


def why_not_uml():
    """'' if User-Mode Linux works on this host, else why not; tried once for all test programs."""
    record = os.path.join(paths.cache(), 'uml-trial.json')
    try:
        host = _host()
        kernel.user_mode()
    except (OSError, unittest.SkipTest) as error:
        return str(error)
    with paths.cache_lock('uml-trial.lock'):
        try:
            with open(record, encoding='utf-8') as file:
                known = json.load(file)
        except (OSError, ValueError):
            known = {}
        if host not in known:
            known = {host: _try_uml()}
            with open(record + '.new', 'w', encoding='utf-8') as file:
                json.dump(known, file)
            os.rename(record + '.new', record)
    return known[host]


def kind():
    """UmlGuest or QemuGuest; says so in a line if it is not the first."""
    wanted = os.environ.get('QTEST_GUEST')
    if wanted:
        return {'uml': UmlGuest, 'qemu': QemuGuest}[wanted]
    reason = why_not_uml()
    if not reason:
        return UmlGuest
    print(f'# User-Mode Linux does not work here ({reason}): a guest of QEMU\'s instead',
          flush=True)
    return QemuGuest


def boot(*sockets, device=',num-queues=1'):
    """A guest with a disk for each socket; @device: properties of the disks, if it is QEMU's."""
    chosen = kind()
    return chosen(*sockets) if chosen is UmlGuest else chosen(*sockets, device=device)
