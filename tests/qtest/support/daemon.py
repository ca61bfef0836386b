# SPDX-License-Identifier: GPL-2.0-or-later
"""A qemu-storage-daemon under test, in a private folder of its own."""

import os
import shutil
import signal
import subprocess
import tempfile

from . import paths
from .qmp import Qmp
from .rest import rests
from .waiting import TIMEOUT, until


class Daemon:
    """One process. `arguments` come after a QMP monitor and a pid file that it always has;
    `process` is for subprocess.Popen.
    """

    def __init__(self, *arguments, folder=None, env=None, **process):
        self._own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix='qsd-')
        self.stderr_path = self.path('stderr')
        self._qmp = None
        self._monitor = self.path('qmp.sock')
        self._pidfile = self.path('qsd.pid')
        command = [paths.daemon(),
                   '--chardev', f'socket,id=qmp,path={self._monitor},server=on,wait=off',
                   '--monitor', 'qmp', *arguments, '--pidfile', self._pidfile]
        with open(self.stderr_path, 'ab') as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=stderr,
                                            cwd=self.folder,
                                            env={**os.environ, **(env or {})}, **process)
        self.pid = self.process.pid
        until(self._is_up, 'the daemon is up', TIMEOUT)

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f'the daemon ended with {self.process.returncode} at its start:'
                                 f'\n{self.stderr()}')
        return os.path.exists(self._pidfile) and os.path.getsize(self._pidfile) > 0

    def path(self, name):
        """A path in the private folder."""
        return os.path.join(self.folder, name)

    @property
    def qmp(self):
        """The monitor, connected at the first use."""
        if self._qmp is None:
            self._qmp = Qmp(self._monitor)
        return self._qmp

    def stderr(self):
        """What it has written to its standard error, without the noise of a sanitizer's stacks."""
        with open(self.stderr_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def stderr_lines(self):
        """The same, line by line."""
        return self.stderr().splitlines()

    def running(self):
        """True while the process lives."""
        return self.process.poll() is None

    def descriptors(self):
        """How many file descriptors it has open."""
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def _status_field(self, name):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            for line in file:
                if line.startswith(name + ':'):
                    return int(line.split()[1])
        raise KeyError(name)

    def memory(self):
        """Resident anonymous memory, in KiB: what it has allocated and touched."""
        return self._status_field('RssAnon')

    def footprint(self):
        """What it holds: memory of its own in KiB, descriptors, mappings."""
        with open(f'/proc/{self.pid}/smaps_rollup', encoding='ascii') as file:
            memory = sum(int(line.split()[1]) for line in file if line.startswith('Anonymous:'))
        with open(f'/proc/{self.pid}/maps', encoding='ascii') as file:
            mappings = sum(1 for _ in file)
        return memory, self.descriptors(), mappings

    def cpu_seconds(self):
        """CPU time used so far."""
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def comes_to_rest(self):
        """Fails if it goes round in circles; what must be done first may take its time."""
        until(lambda: rests(self.pid), 'the daemon comes to rest')

    def thread_cpu_ticks(self, name):
        """CPU time that the threads called @name have used so far, in clock ticks."""
        total = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/stat', encoding='ascii') as file:
                found, fields = file.read().split('(', 1)[1].rsplit(')', 1)
            if found == name:
                total += sum(int(field) for field in fields.split()[11:13])
        return total

    def thread_wakeups(self, name=None):
        """How often the threads called @name, or all, have gone to sleep so far."""
        total = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/status', encoding='ascii') as file:
                fields = dict(line.rstrip('\n').split(':\t', 1) for line in file)
            if name in (None, fields['Name']):
                total += int(fields['voluntary_ctxt_switches'])
        return total

    def terminate(self, number=signal.SIGTERM, timeout=TIMEOUT):
        """Sends a signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self):
        """Ends it without a chance to tidy up."""
        return self.terminate(signal.SIGKILL)

    def close(self):
        """Ends the process if it lives and removes the folder."""
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        if self.running():
            self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
