# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-alone back-end of contrib/ under test, in a private folder of its own."""

import os
import shutil
import subprocess
import tempfile

from . import paths
from .waiting import TIMEOUT, until


class Backend:
    """One process of contrib/NAME, listening on `socket` unless @arguments say otherwise."""

    def __init__(self, name, *arguments, listen=True, folder=None, pass_fds=()):
        self._own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix='backend-')
        self.socket = os.path.join(self.folder, 'socket')
        self._stderr_path = os.path.join(self.folder, 'stderr')
        own = [f'--socket-path={self.socket}'] if listen else []
        with open(self._stderr_path, 'ab') as stderr:
            self.process = subprocess.Popen([paths.contrib(name), *own, *arguments],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=stderr, pass_fds=pass_fds)
        if listen:
            until(self._is_up, f'{name} listens')

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f'the back-end ended with {self.process.returncode} at its '
                                 f'start:\n{self.stderr()}')
        with open('/proc/net/unix', encoding='ascii', errors='replace') as table:
            return any(line.endswith(' ' + self.socket + '\n') and line.split()[3] == '00010000'
                       for line in table)

    def stderr(self):
        """What it has written to its standard error."""
        with open(self._stderr_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def wait(self):
        """Its exit status, once it has ended by itself."""
        return self.process.wait(TIMEOUT)

    def terminate(self):
        """Sends SIGTERM and returns the exit status."""
        self.process.terminate()
        return self.wait()

    def close(self):
        """Ends the process if it lives and removes the folder."""
        if self.process.poll() is None:
            self.process.kill()
            self.wait()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def run(name, *arguments):
    """Runs contrib/NAME to its end, which must come by itself."""
    return subprocess.run([paths.contrib(name), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
