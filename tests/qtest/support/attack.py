# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of tests/bench: a client that attacks, and a load whose requests must not fail."""

import json
import os
import subprocess

from . import paths
from .waiting import TIMEOUT


def tool(name):
    """A program of tests/bench, of the same build as the daemon."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(paths.daemon()))),
                        'tests/bench', name)


def modes():
    """What vub-attack can do."""
    usage = subprocess.run([tool('vub-attack')], capture_output=True, text=True, timeout=TIMEOUT,
                           check=False).stderr
    return [line.split()[0] for line in usage.splitlines() if line.startswith('  ')]


class Attack:
    """vub-attack on a socket, until the end of the `with` block or of @steps."""

    def __init__(self, path, mode, steps=None, seconds=10 * TIMEOUT):
        command = [tool('vub-attack'), path, mode, str(seconds)]
        if steps is not None:
            command.append(str(steps))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != 'attacking\n':
            raise AssertionError(f'{mode} did not begin: {self.process.communicate()[1]}')

    def report(self):
        """Waits for its end; what it says of itself."""
        out, err = self.process.communicate(timeout=20 * TIMEOUT)
        if self.process.returncode:
            raise AssertionError(f'the attack ended with {self.process.returncode}: {err}')
        return json.loads(out)

    def goes_on(self):
        """True while it has not ended."""
        return self.process.poll() is None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()


def load(path, requests, kind='read', depth=4):
    """Runs @requests to their end and returns the report; fails if one fails, or they take long."""
    command = [tool('vub-load'), path, kind, str(depth), str(10 * TIMEOUT), '4096', str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * TIMEOUT,
                          check=False)
    if done.returncode:
        raise AssertionError(f'the load ended with {done.returncode}: {done.stderr}')
    return json.loads(done.stdout)
