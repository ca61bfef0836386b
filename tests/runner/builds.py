# SPDX-License-Identifier: GPL-2.0-or-later
"""The build folders of a test run, and the unit tests that a build folder knows."""

import json
import os
import subprocess

from .jobs import Job

# name -> folder, meson options, environment
BUILDS = {
    'release': ('build', [], {}),
    'asan': ('build-asan', ['-Db_sanitize=address,undefined', '-Db_lundef=false'], {}),
    # gcc warns that its thread sanitizer does not see fences.
    'tsan': ('build-tsan', ['-Db_sanitize=thread', '-Db_lundef=false', '-Dc_args=-Wno-tsan'], {}),
    'clang': ('build-clang', [], {'CC': 'clang'}),
}

SANITIZER_ENV = {
    # A small quarantine, so that tests can see memory that is not given back.
    'ASAN_OPTIONS': 'detect_leaks=1:quarantine_size_mb=16',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'TSAN_OPTIONS': 'second_deadlock_stack=1:halt_on_error=1',
    'G_DEBUG': 'gc-friendly',
}


def folder(top, name):
    """The folder of build @name."""
    return os.path.join(top, BUILDS[name][0])


def job(top, name):
    """Configures and compiles build @name with warnings as errors."""
    path = folder(top, name)
    _, options, env = BUILDS[name]
    configured = os.path.exists(os.path.join(path, 'build.ninja'))
    setup = ['meson', *(['configure', path] if configured else ['setup', path, top]),
             '-Dwerror=true', '-Dman=enabled', *options]
    script = '"$@" && exec ninja -C "$0"'
    return Job(f'build-{name}', ['sh', '-c', script, path, *setup], env=env, cwd=top,
               build=name, timeout=900, speaks_tap=False)


def unit_tests(top, name, only=None):
    """A job for each unit test of build @name, or for those whose names are in @only."""
    path = folder(top, name)
    listed = subprocess.run(['meson', 'introspect', '--tests', path], check=True,
                            stdout=subprocess.PIPE)
    jobs = []
    for test in json.loads(listed.stdout):
        if 'unit' not in [suite.split(':')[-1] for suite in test['suite']]:
            continue
        if only is not None and test['name'] not in only:
            continue
        jobs.append(Job(f'unit-{name}/{test["name"]}', test['cmd'],
                        env={**SANITIZER_ENV, **test['env']}, cwd=test['workdir'] or path,
                        build=name, timeout=max(test['timeout'], 30)))
    return jobs
