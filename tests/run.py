#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the tree and runs its tests; ./check is the way in."""

import argparse
import os
import shutil
import sys
import time

from runner import builds, jobs, report, suites, tap

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments():
    parser = argparse.ArgumentParser(
        prog='check', description='Installs what is needed, builds, and runs the tests. '
        'The last line is "N passed, N failed, N skipped"; the exit status is 0 if none failed.',
        epilog='Each test\'s output is kept in build/test-logs.')
    parser.add_argument('suite', nargs='*', metavar='SUITE',
                        help='what to run, of: ' + ', '.join(
                            f'{name} ({" ".join((function.__doc__ or "").split()).rstrip(".")})'
                            for name, (_, function) in suites.SUITES.items()) +
                        '; everything if none is named')
    parser.add_argument('-j', '--jobs', type=int, default=os.cpu_count(), metavar='N',
                        help='test programs at once (default: one per CPU)')
    parser.add_argument('-k', '--match', metavar='TEXT',
                        help='only test programs with TEXT in their name')
    parser.add_argument('--no-build', action='store_true',
                        help='use the build folders as they are')
    options = parser.parse_args()
    for name in options.suite:
        if name not in suites.SUITES:
            parser.error(f"no suite is called '{name}'")
    options.suite = options.suite or list(suites.SUITES)
    return options


def build(names, log_dir):
    """Makes the builds one after the other, each on all CPUs."""
    results = []
    for name in names:
        results.append(jobs.run_job(builds.job(TOP, name), log_dir))
        report.line(results[-1])
    return results


def wanted_builds(names):
    needed = {name for suite in names for name in suites.SUITES[suite][0]}
    return [name for name in builds.BUILDS if name in needed]


def collect(names, log_dir):
    """The jobs of the suites; a suite that cannot even be listed is a failure."""
    found, broken = [], []
    for name in names:
        try:
            found += suites.SUITES[name][1](TOP)
        except Exception as error:      # pylint: disable=broad-except
            log = os.path.join(log_dir, f'{name}.log')
            with open(log, 'w', encoding='utf-8') as file:
                file.write(f'{error!r}\n')
            broken.append(jobs.Result(jobs.Job(name, []),
                                      [tap.Case('is listed', tap.FAILED, str(error))], 0, log))
    return found, broken


def without_broken_builds(found, build_results):
    """What can run; a program whose build failed would only test an old one."""
    broken = {result.job.build for result in build_results if result.failed}
    left_out = [job for job in found if job.build in broken]
    if left_out:
        print(f'not run, for their build failed: {len(left_out)} test programs')
    return [job for job in found if job.build not in broken]


def main():
    options = arguments()
    started = time.monotonic()
    log_dir = os.path.join(builds.folder(TOP, 'release'), 'test-logs')
    results = []
    if not options.no_build:
        os.makedirs(builds.folder(TOP, 'release'), exist_ok=True)
        shutil.rmtree(log_dir, ignore_errors=True)
    os.makedirs(log_dir, exist_ok=True)
    if not options.no_build:
        results = build(wanted_builds(options.suite), log_dir)
    found, broken = collect(options.suite, log_dir)
    if options.match:
        found = [job for job in found if options.match in job.name]
    found = without_broken_builds(found, results)
    results += broken + jobs.run_all(found, log_dir, options.jobs, report.line)
    return 0 if report.summary(results, time.monotonic() - started) else 1


if __name__ == '__main__':
    sys.exit(main())
