# SPDX-License-Identifier: GPL-2.0-or-later
"""What both kinds of guest have in common: a shell inside, reached over a socket."""

import ctypes
import os
import select
import signal
import socket

from .waiting import TIMEOUT


class GuestError(AssertionError):
    """A command in the guest failed, or the guest does not answer."""


PR_SET_PDEATHSIG = 1


def die_with_the_test():
    """For a new process, before its program: a test that is killed leaves no guest behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Shell:
    """Runs commands in the guest; init in tests/qtest/guest is the other end."""

    def __init__(self, stream, console):
        self._socket = stream
        self._console = console
        self._pending = b''

    def _line(self, timeout):
        while b'\n' not in self._pending:
            ready, _, _ = select.select([self._socket], [], [], timeout)
            data = self._socket.recv(65536) if ready else b''
            if not data:
                why = 'closed its console' if ready else f'was silent for {timeout:.0f} s'
                raise GuestError(f'the guest {why}; its kernel says:\n{self._console()}')
            self._pending += data
        line, self._pending = self._pending.split(b'\n', 1)
        return line.rstrip(b'\r').decode(errors='replace')

    def wait_ready(self, timeout=TIMEOUT):
        """Waits until the guest has booted."""
        while self._line(timeout) != '@ready':
            pass

    def run(self, command, check=True, timeout=TIMEOUT):
        """Runs one line of shell; returns its output (and the status, if not @check)."""
        self._socket.sendall(command.encode() + b'\n')
        while self._line(timeout) != '@begin':
            pass
        lines = []
        while not (line := self._line(timeout)).startswith('@end '):
            lines.append(line)
        output = '\n'.join(lines).rstrip('\n')
        status = int(line.split()[1])
        if not check:
            return status, output
        if status != 0:
            raise GuestError(f'in the guest: {command}\nstatus {status}: {output}\n'
                             f'its kernel says:\n{self._console()}')
        return output

    def close(self):
        """Closes our end."""
        self._socket.close()


class Guest:
    """A booted guest: `run` executes a command inside."""

    boot_timeout = TIMEOUT
    hears_of_resize = True      # from its front-end, while its driver is bound

    def __init__(self):
        self.process = None
        self.shell = None
        self.console_path = None

    def console(self):
        """The last lines of what its kernel printed, and how it ended if it did."""
        with open(self.console_path, encoding='utf-8', errors='replace') as file:
            said = '\n'.join(file.read().splitlines()[-40:])
        status = self.process.poll()
        return said if status is None else f'{said}\n(its process has ended with {status})'

    def attach_shell(self, stream, boots=True):
        """Takes the socket and waits until the guest answers, if it @boots."""
        self.shell = Shell(stream, self.console)
        if boots:
            self.shell.wait_ready(self.boot_timeout)

    def run(self, command, **options):
        """Runs a command in the guest."""
        return self.shell.run(command, **options)

    def close(self):
        """Ends the guest and everything it started."""
        if self.shell is not None:
            self.shell.close()
            self.shell = None
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None


def connect(path):
    """A stream socket connected to @path."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(path)
    return stream
