#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our storage daemon against a peer: the same file, the same client, in turns.

Each case runs both daemons once a round, alternating. The figures are medians over the rounds:
thousands of requests a second, the daemon's CPU microseconds for a request, and of each the ratio
ours / peer: above 1 is better for the first, below 1 for the second. The last rows are the time
from the start to the first answer on the socket, and the memory that belongs to the idle daemon
alone.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

FILE_BYTES = 256 << 20
WARM_UP = 0.2           # seconds before each measurement
START_TIMEOUT = 10      # seconds until the socket must be there
HOMES = ('iothread', 'main')
CASES = [f'{node} {op} {depth} {home}' for home in HOMES for node in ('null', 'file')
         for op in ('read', 'write') for depth in (1, 32, 128)]
QUICK = ['null read 1 iothread', 'null read 32 iothread', 'file read 1 iothread',
         'file read 32 iothread', 'file write 32 iothread', 'file read 32 main']


class BenchError(Exception):
    """Something that the user can do something about."""


class Daemon:
    """A storage daemon that exports one node, until the end of the `with` block."""

    def __init__(self, args, who, folder, node, home):
        self.path = os.path.join(folder, f'{who}.sock')
        image = os.path.join(folder, 'bench.img')
        aio = '' if args.aio == 'default' else f',aio={args.aio}'
        blockdev = {'null': f'null-co,node-name=d,size={FILE_BYTES},read-zeroes=off',
                    'file': f'file,node-name=d,filename={image}{aio}'}[node]
        command = [args.programs[who], '--object', 'iothread,id=io0', '--blockdev', blockdev,
                   '--export', f'vhost-user-blk,id=e,node-name=d,addr.type=unix,'
                   f'addr.path={self.path},writable=on' +
                   (',iothread=io0' if home == 'iothread' else '')]
        begin = time.monotonic()
        self.process = subprocess.Popen(pinned(args, 0) + command, stdin=subprocess.DEVNULL)
        try:
            self.wait_answer(begin + START_TIMEOUT)
        except BenchError:
            self.close()
            raise
        self.start_ms = (time.monotonic() - begin) * 1e3

    def wait_answer(self, deadline):
        """Until the socket accepts a connection."""
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(self.path) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f'{self.process.args[-7]} did not start')
            time.sleep(0.0002)

    def cpu_seconds(self):
        """Of all its threads, also of those that have ended."""
        stat = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text(encoding='ascii')
        fields = stat.rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def private_mib(self):
        """Resident memory that no other process shares."""
        rollup = pathlib.Path(f'/proc/{self.process.pid}/smaps_rollup')
        kib = sum(int(line.split()[1]) for line in rollup.read_text(encoding='ascii').splitlines()
                  if line.startswith('Private_'))
        return kib / 1024

    def close(self):
        """Ends it, and removes its socket."""
        self.process.terminate()
        try:
            self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        pathlib.Path(self.path).unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def pinned(args, cpu):
    """What to put before a command to keep it on one CPU, and before what else wants to run."""
    return (['chrt', '-f', '10'] if args.real_time else []) + \
        (['taskset', '-c', str(cpu)] if args.pin else [])


def load(args, path, op, depth, seconds):
    """Runs the client; its report."""
    command = pinned(args, 1) + [args.load, path, op, depth, str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30,
                              check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f'{path}: the daemon stopped answering') from None
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or f'the client ended with {done.returncode}')
    return json.loads(done.stdout)


def measure(args, who, folder, case):
    """One run of one daemon: a sample."""
    node, op, depth, home = case.split()
    with Daemon(args, who, folder, node, home) as daemon:
        load(args, daemon.path, op, depth, WARM_UP)
        before = daemon.cpu_seconds()
        result = load(args, daemon.path, op, depth, args.seconds)
        used = daemon.cpu_seconds() - before
    return {'kiops': result['iops'] / 1e3, 'cpu': used / max(result['requests'], 1) * 1e6,
            'kicks': result['kicks'] / max(result['requests'], 1),
            'sleeps': result['sleeps'] / max(result['requests'], 1)}


def measure_start(args, who, folder, _):
    """One start: milliseconds, and MiB a moment later."""
    with Daemon(args, who, folder, 'null', 'iothread') as daemon:
        time.sleep(0.1)
        return {'start_ms': daemon.start_ms, 'private_mib': daemon.private_mib()}


def compare(args, folder, case, function):
    """A row: the samples of both, their medians and ratios."""
    samples = {'ours': [], 'peer': []}
    for number in range(args.rounds):
        for who in (('ours', 'peer') if number % 2 else ('peer', 'ours')):
            samples[who].append(function(args, who, folder, case))
    row = {'case': case, 'samples': samples, 'median': {}, 'ratio': {}}
    for who, values in samples.items():
        row['median'][who] = {key: statistics.median(v[key] for v in values) for key in values[0]}
    for key, ours in row['median']['ours'].items():
        peer = row['median']['peer'][key]
        row['ratio'][key] = ours / peer if peer else None
    return row


def print_row(name, row, key, scale='9.2f'):
    ours, peer, ratio = (row['median']['ours'][key], row['median']['peer'][key], row['ratio'][key])
    print(f'{name:24} {ours:{scale}} {peer:{scale}} ' +
          (f'{ratio:6.2f}' if ratio is not None else f'{"-":>6}'), end='')


def run(args, folder):
    rows = []
    print(f'{"case":24} {"ours k/s":>9} {"peer k/s":>9} {"ratio":>6}'
          f' {"ours us":>8} {"peer us":>8} {"ratio":>6}')
    for case in args.cases:
        row = compare(args, folder, case, measure)
        rows.append(row)
        print_row(case, row, 'kiops', '9.1f')
        median, ratio = row['median'], row['ratio']['cpu']
        print(f' {median["ours"]["cpu"]:8.2f} {median["peer"]["cpu"]:8.2f} ' +
              (f'{ratio:6.2f}' if ratio is not None else f'{"-":>6}'), flush=True)
    row = compare(args, folder, 'start', measure_start)
    rows.append(row)
    for key, name in (('start_ms', 'start, ms'), ('private_mib', 'private memory, MiB')):
        print_row(name, row, key)
        print()
    return rows


def version(program):
    done = subprocess.run([program, '--version'], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.stdout.split('\n')[0]


def machine():
    """What the figures were measured on; no names."""
    model = [line.split(':', 1)[1].strip()
             for line in pathlib.Path('/proc/cpuinfo').read_text(encoding='ascii').splitlines()
             if line.startswith('model name')]
    return {'cpu': model[0] if model else platform.machine(), 'cpus': os.cpu_count(),
            'kernel': platform.release(), 'load_average': os.getloadavg()[0]}


def make_image(folder):
    """In the page cache, and on the disk already, so that no measurement writes it back."""
    with open(os.path.join(folder, 'bench.img'), 'wb') as image:
        for _ in range(FILE_BYTES >> 20):
            image.write(os.urandom(1 << 20))
        os.fsync(image.fileno())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build', help='our build folder (default: build)')
    parser.add_argument('--peer', default=shutil.which('qemu-storage-daemon'),
                        help='the other daemon (default: qemu-storage-daemon of the PATH)')
    parser.add_argument('--rounds', type=int, help='runs of each daemon (default: 5, quick: 3)')
    parser.add_argument('--seconds', type=float, help='of each run (default: 1, quick: 0.3)')
    parser.add_argument('--quick', action='store_true', help='six cases, half a minute')
    parser.add_argument('--case', action='append', metavar='WORDS',
                        help='only cases that have all these words, as "null read 1"; repeatable')
    parser.add_argument('--aio', default='io_uring', choices=('io_uring', 'threads', 'default'),
                        help='how both access the file (default: io_uring)')
    parser.add_argument('--pin', action='store_true', help='daemon on CPU 0, client on CPU 1')
    parser.add_argument('--real-time', action='store_true',
                        help='before all other processes (SCHED_FIFO; root only): for a machine '
                        'that is busy with something else')
    parser.add_argument('--folder', help='where to put the file of 256 MiB (default: a new one '
                        'among the temporary ones)')
    parser.add_argument('--json', help='write all samples there')
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.seconds = args.seconds or (0.3 if args.quick else 1)
    args.programs = {'ours': f'{args.build}/storage-daemon/qemu-storage-daemon', 'peer': args.peer}
    args.load = f'{args.build}/tests/bench/vub-load'
    args.cases = [case for case in (QUICK if args.quick else CASES)
                  if not args.case or any(set(words.split()) <= set(case.split())
                                          for words in args.case)]
    if not args.cases:
        parser.error(f'no case has these words; a case is one of: {", ".join(CASES)}')
    if not args.peer:
        parser.error("no peer: install Debian's qemu-system-common, which has a "
                     'qemu-storage-daemon, or name one by --peer')
    for program in (*args.programs.values(), args.load):
        if not os.access(program, os.X_OK):
            parser.error(f'{program} is not there; build first: ninja -C {args.build}')
    return args


def main():
    args = parse_arguments()
    about = machine()
    print(f'{about["cpus"]} x {about["cpu"]}, Linux {about["kernel"]}, load average '
          f'{about["load_average"]:.2f}')
    for who, program in args.programs.items():
        about[who] = version(program)
        print(f'{who}: {about[who]}')
    runs = 2 * args.rounds * len(args.cases)
    print(f'{len(args.cases)} cases, {args.rounds} rounds of {args.seconds:g} s, aio={args.aio}: '
          f'about {runs * (args.seconds + WARM_UP + 0.1) / 60:.1f} minutes', flush=True)
    try:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            make_image(folder)
            rows = run(args, folder)
    except BenchError as err:
        sys.exit(f'bench: {err}')
    except KeyboardInterrupt:
        sys.exit(130)
    about['load_average_after'] = os.getloadavg()[0]
    print(f'load average at the end: {about["load_average_after"]:.2f}')
    if args.json:
        pathlib.Path(args.json).write_text(
            json.dumps({'machine': about, 'aio': args.aio, 'pinned': args.pin,
                        'real_time': args.real_time, 'rows': rows}, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
