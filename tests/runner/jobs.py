# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs test programs, a bounded number at once, each with its output in a file of its own."""

import concurrent.futures
import dataclasses
import os
import signal
import subprocess
import time

from . import tap


@dataclasses.dataclass
class Job:
    """A program to run: what it is called, how long it may take, how costly it is."""
    name: str
    command: list
    env: dict = dataclasses.field(default_factory=dict)
    cwd: str = None
    build: str = None               # what it needs
    timeout: float = 300
    weight: int = 1                 # the heaviest start first
    speaks_tap: bool = True


@dataclasses.dataclass
class Result:
    """How a job ended."""
    job: Job
    cases: list
    seconds: float
    log: str

    @property
    def failed(self):
        return any(case.outcome == tap.FAILED for case in self.cases)


def _describe(returncode):
    if returncode == 0:
        return ''
    if returncode < 0:
        return f'ended by signal {signal.Signals(-returncode).name}'
    return f'exit status {returncode}'


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _wait(process, timeout):
    """Waits for the program, ends what it leaves behind, says how it ended."""
    try:
        status = _describe(process.wait(timeout=timeout))
    except subprocess.TimeoutExpired:
        status = f'not finished after {timeout:.0f} s'
    _end_group(process)
    process.wait()
    return status


def run_job(job, log_dir):
    """Runs one job to its end."""
    path = os.path.join(log_dir, job.name.replace('/', '-') + '.log')
    started = time.monotonic()
    with open(path, 'wb') as log:
        try:
            process = subprocess.Popen(job.command, cwd=job.cwd, env={**os.environ, **job.env},
                                       stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            status = str(error)
        else:
            status = _wait(process, job.timeout)
    seconds = time.monotonic() - started
    if job.speaks_tap:
        with open(path, encoding='utf-8', errors='replace') as log:
            cases = tap.parse(log.read(), status)
    else:
        cases = [tap.Case('', tap.FAILED if status else tap.PASSED, status)]
    return Result(job, cases, seconds, path)


def run_all(jobs, log_dir, at_once, report):
    """Runs all jobs, @at_once together, and calls @report with each result as it comes."""
    results = []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        heaviest_first = sorted(jobs, key=lambda job: -job.weight)
        futures = [pool.submit(run_job, job, log_dir) for job in heaviest_first]
        for future in concurrent.futures.as_completed(futures):
            results.append(future.result())
            report(results[-1])
    return results
