# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test run is made of: suites, the builds they need, the jobs they give."""

import dataclasses
import glob
import os
import sys

from . import builds
from .jobs import Job

# Unit tests with cases that a sanitizer's own mappings would spoil.
PLAIN = {'test-address-space', 'test-coroutine', 'test-vu-mapping'}
DAEMON = 'storage-daemon/qemu-storage-daemon'
# Protocol tests that run once more on a daemon in a sandbox.
SANDBOXED = ('test_hostile_rings', 'test_lifecycle', 'test_moving', 'test_multithread',
             'test_proto_blk', 'test_proto_memory', 'test_proto_stream', 'test_qmp',
             'test_qtest_forms')
# Those that have cases for which a sanitizer has no room: on the release daemon as well.
ROOMY = {'test_limits'}
# Those that are about what threads do: on the daemon with the thread sanitizer as well.
RACING = {'test_racing_moves'}
# Those that measure the daemon as it is shipped.
MEASURING = {'test_instructions', 'test_scale'}
# Those that run once more on a daemon whose system calls are interrupted and do less than asked.
INJECTED = ('test_hostile_messages', 'test_hostile_rings', 'test_moving', 'test_multithread',
            'test_proto_blk', 'test_proto_memory', 'test_proto_stream', 'test_qmp')


def _tap(top, path):
    """The command that runs a Python test file."""
    return [sys.executable, os.path.join(top, 'tests/qtest/tap.py'), path]


def _belongs(name, suite):
    in_guest = name.startswith('test_guest_') or name in MEASURING
    return {'guest': in_guest or name in ROOMY, 'unit': name in RACING}.get(suite, not in_guest)


def _python_tests(top, suite, build, timeout, weight):
    """A job for each Python test file of @suite, against the daemon of @build."""
    jobs = []
    daemon = os.environ.get('QSD') or os.path.join(builds.folder(top, build), DAEMON)
    env = {
        **builds.SANITIZER_ENV,
        'QSD': daemon,
        'QTEST_CACHE': os.path.join(builds.folder(top, 'release'), 'guest'),
        'PYTHONDONTWRITEBYTECODE': '1',
    }
    for path in sorted(glob.glob(os.path.join(top, 'tests/qtest/test_*.py'))):
        name = os.path.splitext(os.path.basename(path))[0]
        if not _belongs(name, suite):
            continue
        jobs.append(Job(f'{suite}/{name}', _tap(top, path), env=env, build=build, timeout=timeout,
                        weight=weight))
    return jobs


def style(top):
    """Layers, sizes, headers, format."""
    return [Job('style', [os.path.join(top, 'scripts/check-style.sh')],
                build='release', weight=3)]


def unit(top):
    """Unit tests under both sanitizer builds."""
    runner = Job('unit/runner', _tap(top, os.path.join(top, 'tests/runner/test_runner.py')))
    return [runner, *builds.unit_tests(top, 'asan'), *builds.unit_tests(top, 'tsan'),
            *builds.unit_tests(top, 'release', PLAIN),
            *_python_tests(top, 'unit', 'tsan', 600, 4)]


def _wrapped(top, jobs, wrapper, names):
    """Those of @jobs that are to run again, on a daemon that tests/qtest/@wrapper starts."""
    path = os.path.join(top, 'tests/qtest', wrapper)
    return [dataclasses.replace(job, name=f'{job.name}-{wrapper}',
                                env={**job.env, 'QSD': path,
                                     f'QSD_{wrapper.upper()}': job.env['QSD']})
            for job in jobs if os.path.basename(job.name) in names]


def proto(top):
    """A scripted client over a socket, and the daemon's own life, under ASan and UBSan."""
    jobs = _python_tests(top, 'proto', 'asan', 600, 4)
    return (jobs + _wrapped(top, jobs, 'sandboxed', SANDBOXED) +
            _wrapped(top, jobs, 'injected', INJECTED))


def guest(top):
    """Real guests on the daemon as it is shipped."""
    return _python_tests(top, 'guest', 'release', 600, 9)


# name -> the builds it needs, what gives its jobs
SUITES = {
    'style': (['release'], style),
    'unit': (['release', 'asan', 'tsan', 'clang'], unit),
    'proto': (['asan'], proto),
    'guest': (['release'], guest),
}
