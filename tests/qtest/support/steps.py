# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon whose instructions are counted by phases.

Callgrind writes down what it has counted whenever the daemon answers query-version, so a phase lies
between two such commands. The count hardly depends on the machine and on how busy it is. Waiting is
by epoll, since valgrind does not get on with io_uring.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from . import paths
from .qmp import Qmp
from .waiting import TIMEOUT, until


def missing():
    """Why steps cannot be counted here, or None."""
    if paths.sanitized():
        return 'a sanitizer adds instructions of its own'
    if not shutil.which('valgrind'):
        return 'valgrind is not installed'
    return None


class Counted:
    """A daemon under callgrind with a monitor, and a folder for sockets."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix='qsd-')
        self.dumps = 0
        command = [*self.counter(), paths.daemon(), '--chardev',
                   f'socket,id=m,path={self.path("qmp")},server=on,wait=off', '--monitor', 'm',
                   '--pidfile', self.path('pid'), *options]
        self.process = subprocess.Popen(command, env={**os.environ, 'AIO_FDMON': 'epoll'},
                                        stdin=subprocess.DEVNULL)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            until(lambda: self.process.poll() is not None or os.path.exists(self.path('pid')),
                  'the daemon is up')
            self.qmp = Qmp(self.path('qmp'))     # its greeting tells the version too
            self.dumps += 1
            undo.pop_all()

    def counter(self):
        """The command that the daemon's is for."""
        return ['valgrind', '--tool=callgrind', f'--callgrind-out-file={self.path("count")}',
                '--dump-before=qmp_query_version', f'--log-file={self.path("log")}']

    def path(self, name):
        """In its folder."""
        return os.path.join(self.folder, name)

    def send(self, *commands):
        """Many commands, several at once; each must succeed."""
        for start in range(0, len(commands), 8):
            batch = commands[start:start + 8]
            self.qmp.send_text(''.join(json.dumps(command) + '\n' for command in batch))
            for command in batch:
                answer = self.qmp.answer()
                if 'return' not in answer:
                    raise AssertionError(f'{command}: {answer}')

    def _mark(self):
        self.qmp.command('query-version')
        self.dumps += 1
        dump = f'{self.path("count")}.{self.dumps}'
        until(lambda: os.path.exists(dump), 'callgrind has written down its count')
        with open(dump, encoding='utf-8') as file:
            return int(re.search(r'^(?:totals|summary): (\d+)', file.read(), re.M).group(1))

    def steps(self, action):
        """Instructions that the daemon executes for @action()."""
        self._mark()
        action()
        return self._mark()

    def close(self):
        """Ends it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)
        shutil.rmtree(self.folder)


class Bare(Counted):
    """The same daemon without anybody who counts its instructions."""

    def counter(self):
        """Nobody."""
        return []

    def memory(self):
        """KiB that are its own."""
        with open(f'/proc/{self.process.pid}/smaps_rollup', encoding='ascii') as file:
            return int(re.search(r'^Anonymous: +([0-9]+) kB', file.read(), re.M).group(1))
