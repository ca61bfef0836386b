# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples: one run of one contestant of a case, as a dictionary of figures.

kiops     thousands of requests a second
cpu       the daemon's CPU microseconds for a request
busy      how many CPUs the daemon used
client    how much of a CPU each thread of the client used, one a queue; near 1: it is the bound
p50, p99  microseconds that a request took
"""

import time

from common import BenchError, make_dirty, pinned, settle
from daemon import Clients, Daemon, client_command, image_of, report_of

WARM_UP = 0.15          # seconds before each measurement
ATTACH_REQUESTS = 64    # of a client that is idle afterwards
IDLE_SECONDS = 2
BOUNDARIES = [1000 * 4 ** n for n in range(10)]     # of a latency histogram, nanoseconds
PAIRS = 4               # of runs with and without histograms, in each daemon


def _rounded(sample):
    return {key: float(f'{value:.5g}') for key, value in sample.items()}


def _loaded(args, case, daemon):
    """One run of the client."""
    command = client_command(args, case, daemon.sockets[0], args.seconds)
    before = daemon.cpu_seconds()
    report = report_of(command, args.seconds)
    used = daemon.cpu_seconds() - before
    requests = max(report['requests'], 1)
    return _rounded({'kiops': report['iops'] / 1e3, 'cpu': used / requests * 1e6,
                     'busy': used / report['seconds'],
                     'client': report['cpu_seconds'] / report['seconds'] / case.queues,
                     'p50': report['p50_us'], 'p99': report['p99_us'],
                     'kicks': report['kicks'] / requests, 'sleeps': report['sleeps'] / requests})


def _warmed(args, case, daemon):
    report_of(client_command(args, case, daemon.sockets[0], WARM_UP), WARM_UP)


def limit(args, who, folder, case):
    """The same pattern straight on the file."""
    command = [*pinned(args, 0), args.limit, *(['--sequential'] if case.sequential else []),
               *(['--direct'] if case.node == 'direct' else []), image_of(folder, case.node), who,
               case.op, str(case.depth * case.queues), str(args.seconds), str(case.block)]
    report = report_of(command, args.seconds)
    return _rounded({'kiops': report['iops'] / 1e3,
                     'cpu': report['cpu_seconds'] / max(report['requests'], 1) * 1e6})


def bare(args, case):
    """A client and a thread that answers."""
    command = [*pinned(args, 0)[:3 * args.real_time], args.wake, 'poll' if case.poll_us else 'sleep',
               str(args.seconds), *(['0', '1'] if args.pin else [])]
    return _rounded({'kiops': report_of(command, args.seconds)['iops'] / 1e3})


def load(args, who, folder, case):
    """As much as a client can get."""
    if case.node != 'null':
        settle(image_of(folder, case.node))
    if case.node == 'file' and case.op != 'read':
        make_dirty(image_of(folder, case.node))
    if who == 'bare':
        return bare(args, case)
    if who not in ('ours', 'one', 'peer'):
        return limit(args, who, folder, case)
    with Daemon(args, who, folder, case) as daemon:
        _warmed(args, case, daemon)
        return _loaded(args, case, daemon)


def exports(args, who, folder, case):
    """Many clients that ask for little."""
    seconds = max(args.seconds, 1)
    with Daemon(args, who, folder, case) as daemon, \
            Clients(args, case, daemon, seconds + 1) as clients:
        time.sleep(0.5)
        before, woken = daemon.cpu_seconds(), daemon.wakeups()
        time.sleep(seconds)
        used, woken = daemon.cpu_seconds() - before, daemon.wakeups() - woken
        private, _ = daemon.memory_kib()
        rate = sum(report['iops'] for report in clients.reports())
    return _rounded({'kiops': rate / 1e3, 'cpu': used / seconds / rate * 1e6,
                     'busy': used / seconds, 'wakeups': woken / seconds / rate,
                     'private_mib': private / 1024})


def idle(args, who, folder, case, seconds=IDLE_SECONDS):
    """Clients that have done something, and nothing any more."""
    with Daemon(args, who, folder, case) as daemon, \
            Clients(args, case, daemon, 60, '--linger', requests=ATTACH_REQUESTS) as clients:
        clients.reports()
        time.sleep(0.5)
        before, woken = daemon.cpu_seconds(), daemon.wakeups()
        time.sleep(seconds)
        used, woken = daemon.cpu_seconds() - before, daemon.wakeups() - woken
        private, resident = daemon.memory_kib()
    return _rounded({'wakeups': woken, 'cpu_ms': used * 1e3, 'private_kib': private,
                     'resident_kib': resident})


def further(args, who, folder, case):
    """KiB that each export but the first takes, with its node and client."""
    one, many = (idle(args, who, folder, type(case)(case.suite, exports=number, kind='idle'), 0)
                 for number in (1, case.exports))
    return _rounded({key: (many[key] - one[key]) / (case.exports - 1)
                     for key in ('private_kib', 'resident_kib')})


def start(args, who, folder, case):
    """One start: milliseconds, and memory a moment later."""
    with Daemon(args, who, folder, case) as daemon:
        time.sleep(0.1)
        private, resident = daemon.memory_kib()
        return _rounded({'start_ms': daemon.start_ms, 'private_kib': private,
                         'resident_kib': resident})


def metrics(args, folder, case):
    """Lists of samples of one daemon, with histograms and without, in turns."""
    samples = {'on': [], 'off': []}
    with Daemon(args, 'ours', folder, case) as daemon:
        _warmed(args, case, daemon)
        for number in range(2 * PAIRS):
            state = ('on', 'off', 'off', 'on')[number % 4]
            boundaries = {'boundaries': BOUNDARIES} if state == 'on' else {}
            daemon.qmp('block-export-latency-histogram-set', id='e0', **boundaries)
            samples[state].append(_loaded(args, case, daemon))
    return samples


def round_of(args, folder, case, number):
    """One round of all contestants, whose order changes: a list of samples for each."""
    if case.kind == 'metrics':
        return metrics(args, folder, case)
    function = {'load': load, 'exports': exports, 'idle': idle, 'further': further,
                'start': start}.get(case.kind)
    if function is None:
        raise BenchError(f'{case.kind}: no such measurement')
    turn = number % len(case.who)
    return {who: [function(args, who, folder, case)]
            for who in case.who[turn:] + case.who[:turn]}


def estimate(args, case):
    """Seconds of a round, about."""
    dirty = 0.3 if case.node == 'file' and case.op != 'read' else 0
    per_run = {'load': args.seconds + WARM_UP + 0.15 + dirty, 'exports': max(args.seconds, 1) + 1.5,
               'idle': IDLE_SECONDS + 1, 'further': 2, 'start': 0.2,
               'metrics': PAIRS * (args.seconds + 0.1)}[case.kind]
    return per_run * len(case.who)
