#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client of one export notices while another export of the same daemon is attacked.

For each attack of vub-attack and each place of the attacked export (in the IOThread of the
neighbour, in another IOThread, both in the main loop) the load runs three times a round: alone,
with the attack on another daemon (the machine is as busy, this daemon is not attacked), and with
the attack on its own daemon. The figures are medians over the rounds; the ratios compare the third
with the second: rate (above 1 is better), p99.9 and longest request (below 1 is better).
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from common import BenchError, machine, make_image, pinned

START_TIMEOUT = 10
SIZE = 256 << 20
PLACES = {'same thread': ('io0', 'io0'), 'other thread': ('io0', 'io1'), 'main loop': (None, None)}
KEYS = ('iops', 'p999_us', 'max_us')


def export(name, folder, thread):
    """The option that exports a node."""
    return ['--export', f'vhost-user-blk,id={name},node-name={name},addr.type=unix,'
            f'addr.path={folder}/{name}.sock,writable=on' +
            (f',iothread={thread}' if thread else '')]


class Daemon:
    """With a neighbour and a target, each in its thread; ends with the `with` block."""

    def __init__(self, args, folder, threads, measured=True):
        self.folder = folder
        image = os.path.join(os.path.dirname(folder), 'bench.img')
        command = [args.daemon, '--object', 'iothread,id=io0', '--object', 'iothread,id=io1',
                   '--blockdev', f'null-co,node-name=calm,size={SIZE},read-zeroes=off',
                   '--blockdev', f'file,node-name=target,filename={image},aio={args.aio}',
                   *export('calm', folder, threads[0]), *export('target', folder, threads[1])]
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, 'log'), 'wb') as log:
            self.process = subprocess.Popen((pinned(args, 0) if measured else []) + command,
                                            stdin=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.listens('target'):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f'the daemon did not start: see {folder}/log')
            time.sleep(0.001)

    def path(self, name):
        """A socket."""
        return os.path.join(self.folder, name + '.sock')

    def listens(self, name):
        """The socket may be there before anybody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path(name)) == 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()
        for name in ('calm', 'target'):
            pathlib.Path(self.path(name)).unlink(missing_ok=True)


def run_load(args, path):
    """The neighbour's client; its report. A failed request ends the benchmark."""
    command = pinned(args, 1) + [args.load, path, 'read', str(args.depth), str(args.seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=args.seconds + 60)
    except subprocess.TimeoutExpired:
        raise BenchError('the neighbour stood still for a minute') from None
    if done.returncode:
        raise BenchError(done.stderr.strip())
    return json.loads(done.stdout)


def attacked(args, mode, victim, load_path):
    """A load while @victim is attacked."""
    with subprocess.Popen([args.attack, victim.path('target'), mode, '3600'], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as attack:
        try:
            if attack.stdout.readline() != 'attacking\n':
                raise BenchError(f'{mode}: {attack.stderr.read()}')
            return run_load(args, load_path)
        finally:
            attack.kill()


def measure(args, folder, mode, place):
    """One round: the three reports."""
    threads = PLACES[place]
    with Daemon(args, os.path.join(folder, 'a'), threads) as daemon:
        run_load(args, daemon.path('calm'))
        alone = run_load(args, daemon.path('calm'))
        with Daemon(args, os.path.join(folder, 'b'), threads, measured=False) as other:
            elsewhere = attacked(args, mode, other, daemon.path('calm'))
        beside = attacked(args, mode, daemon, daemon.path('calm'))
    return {'alone': alone, 'elsewhere': elsewhere, 'beside': beside}


def compare(args, folder, mode, place):
    """A row: medians of all rounds and the ratios."""
    samples = [measure(args, folder, mode, place) for _ in range(args.rounds)]
    row = {'mode': mode, 'place': place, 'samples': samples}
    for when in ('alone', 'elsewhere', 'beside'):
        row[when] = {key: statistics.median(sample[when][key] for sample in samples)
                     for key in KEYS}
    row['ratio'] = {key: row['beside'][key] / row['elsewhere'][key] for key in KEYS}
    return row


def print_row(row):
    """One line."""
    cells = [f'{row[when]["iops"] / 1e3:7.1f} {row[when]["p999_us"]:8.0f} {row[when]["max_us"]:8.0f}'
             for when in ('alone', 'elsewhere', 'beside')]
    ratio = row['ratio']
    print(f'{row["mode"]:9} {row["place"]:12} ' + ' |'.join(cells) +
          f' | {ratio["iops"]:5.2f} {ratio["p999_us"]:6.2f} {ratio["max_us"]:6.2f}', flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build', help='our build folder (default: build)')
    parser.add_argument('--mode', action='append', help='only this attack; repeatable')
    parser.add_argument('--place', action='append', choices=PLACES, help='only there; repeatable')
    parser.add_argument('--rounds', type=int, default=3, help='of each row (default: 3)')
    parser.add_argument('--seconds', type=float, default=1, help='of each load (default: 1)')
    parser.add_argument('--depth', type=int, default=4, help='requests in flight (default: 4)')
    parser.add_argument('--aio', default='io_uring', choices=('io_uring', 'threads'),
                        help='how the attacked file is accessed (default: io_uring)')
    parser.add_argument('--pin', action='store_true', help='daemons on CPU 0, the load on CPU 1')
    parser.add_argument('--real-time', action='store_true', help='daemons and load before all '
                        'others (SCHED_FIFO; needs the right to), for a busy machine')
    parser.add_argument('--json', help='write all samples there')
    args = parser.parse_args()
    args.daemon = f'{args.build}/storage-daemon/qemu-storage-daemon'
    args.load = f'{args.build}/tests/bench/vub-load'
    args.attack = f'{args.build}/tests/bench/vub-attack'
    for program in (args.daemon, args.load, args.attack):
        if not os.access(program, os.X_OK):
            parser.error(f'{program} is not there; build first: ninja -C {args.build}')
    usage = subprocess.run([args.attack], capture_output=True, text=True, check=False).stderr
    modes = [line.split()[0] for line in usage.splitlines() if line.startswith('  ')]
    args.modes = [mode for mode in modes if not args.mode or mode in args.mode]
    args.places = [place for place in PLACES if not args.place or place in args.place]
    return args


def main():
    args = parse_arguments()
    about = machine()
    print(f'{about["cpus"]} x {about["cpu"]}, Linux {about["kernel"]}, load average '
          f'{about["load_average"]:.2f}')
    print(f'{"":22} {"alone":^25}  {"attack elsewhere":^25}  {"attack beside":^25}  '
          f'beside / elsewhere')
    head = f'{"k/s":>7} {"p99.9":>8} {"max us":>8}'
    print(f'{"attack":9} {"place":12} {head} |{head} |{head} |  rate  p99.9    max')
    rows = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            make_image(folder)
            for place in args.places:
                for mode in args.modes:
                    rows.append(compare(args, folder, mode, place))
                    print_row(rows[-1])
    except BenchError as err:
        sys.exit(f'neighbour: {err}')
    except KeyboardInterrupt:
        sys.exit(130)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({'machine': about, 'rows': rows}, indent=1) +
                                           '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
