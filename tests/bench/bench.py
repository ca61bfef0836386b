#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our storage daemon against a peer and against what the kernel can give.

The same files, the same client; contestants take turns within each round. Figures are medians over
the rounds: thousands of requests a second, the daemon's CPU microseconds for a request, and ratios
of ours to the others: of rates, above 1 is better; of CPU time and memory, below 1. Cases, suites
and contestants are those of cases.py; render.py makes tables and plots of the results.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

import cases
import measure
import tables
from common import BenchError, awake, knows_direct, machine, make_image, version


def print_cells(cells, width=40):
    """One line."""
    print(f'{cells[0]:{width}}' + ''.join(f' {cell:>12}' for cell in cells[1:]), flush=True)


def measure_case(args, folder, case):
    """A row of the results."""
    samples = {who: [] for who in case.who}
    for number in range(args.rounds):
        for who, found in measure.round_of(args, folder, case, number).items():
            samples[who] += found
    return {'suite': case.suite, 'case': case.name, 'samples': samples}


def run(args, folder):
    """All rows; prints them as they come."""
    rows, suite = [], None
    for case in args.cases:
        if case.suite != suite:
            suite = case.suite
            print()
            print_cells([suite] + tables.header(suite)[1:])
        rows.append(measure_case(args, folder, case))
        for cells in tables.lines(rows[-1]):
            print_cells(cells)
    return rows


def save(path, about, rows):
    """Compact, and yet a line a row."""
    text = ',\n'.join(json.dumps(row, separators=(',', ':')) for row in rows)
    pathlib.Path(path).write_text(f'{{"about": {json.dumps(about)},\n"rows": [\n{text}\n]}}\n',
                                  encoding='utf-8')


def add_arguments(parser):
    """Options."""
    parser.add_argument('--build', default='build', help='our build folder (default: build)')
    parser.add_argument('--peer', default=shutil.which('qemu-storage-daemon'),
                        help='the other daemon (default: qemu-storage-daemon of the PATH)')
    parser.add_argument('--rounds', type=int,
                        help='runs of each contestant (default: 5, quick: 2)')
    parser.add_argument('--seconds', type=float, help='of each run (default: 0.5, quick: 0.2)')
    parser.add_argument('--quick', action='store_true', help='some cases, about a minute')
    parser.add_argument('--suite', action='append', choices=cases.SUITES,
                        help='only this suite; repeatable')
    parser.add_argument('--case', action='append', metavar='WORDS',
                        help='only cases that have all these words, as "null read 1"; repeatable')
    parser.add_argument('--list', action='store_true', help='only list the cases')
    parser.add_argument('--aio', default='io_uring', choices=('io_uring', 'threads', 'default'),
                        help='how both access the file (default: io_uring)')
    parser.add_argument('--pin', action='store_true',
                        help='daemon on CPU 0, client on CPU 1, where both have one thread')
    parser.add_argument('--real-time', action='store_true',
                        help='before all other processes (SCHED_FIFO; root only): for a machine '
                        'that is busy with something else')
    parser.add_argument('--awake', action='store_true',
                        help='keep the CPUs from sleeping: on a virtual machine each wake-up '
                        'from a halt may take its host many times what all else here takes')
    parser.add_argument('--folder', help='where to put two files of 256 MiB (default: a new one '
                        'among the temporary ones)')
    parser.add_argument('--json', help='write all samples there')


def parse_arguments():
    """Options and what follows from them."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.2 if args.quick else 0.5)
    args.programs = {'ours': f'{args.build}/storage-daemon/qemu-storage-daemon', 'peer': args.peer}
    args.load = f'{args.build}/tests/bench/vub-load'
    args.limit = f'{args.build}/tests/bench/vub-limit'
    args.wake = f'{args.build}/tests/bench/vub-wake'
    args.cases = cases.choose(args.suite, args.case, args.quick)
    if args.list:
        for case in args.cases:
            print(f'{case.suite:8} {case.name:30} {" ".join(case.who)}')
        sys.exit(0)
    if not args.cases:
        parser.error('no case has these words; --list shows all')
    if not args.peer:
        parser.error("no peer: install Debian's qemu-system-common, which has a "
                     'qemu-storage-daemon, or name one by --peer')
    for program in (*args.programs.values(), args.load, args.limit, args.wake):
        if not os.access(program, os.X_OK):
            parser.error(f'{program} is not there; build first: ninja -C {args.build}')
    return args


def introduce(args):
    """Prints what is measured where; returns it for the results."""
    about = {'date': time.strftime('%Y-%m-%d'), **machine(),
             **{who: version(program) for who, program in args.programs.items()},
             'rounds': args.rounds, 'seconds': args.seconds, 'aio': args.aio, 'pinned': args.pin,
             'real_time': args.real_time, 'awake': args.awake}
    print(f'{about["cpus"]} x {about["cpu"]}, Linux {about["kernel"]}, load average '
          f'{about["load_average"]:.2f}')
    for who in args.programs:
        print(f'{who}: {about[who]}')
    minutes = sum(measure.estimate(args, case) for case in args.cases) * args.rounds / 60
    print(f'{len(args.cases)} cases, {args.rounds} rounds of {args.seconds:g} s, aio={args.aio}: '
          f'about {minutes:.1f} minutes', flush=True)
    return about


def make_images(args, folder):
    """Those that the cases need."""
    make_image(folder)
    if any(case.node == 'direct' for case in args.cases):
        path = os.path.join(folder, 'direct.img')
        make_image(folder, 'direct.img')
        if not knows_direct(path):
            raise BenchError(f'{folder} has no direct I/O: name another one by --folder')


def main():
    """Everything."""
    args = parse_arguments()
    about = introduce(args)
    try:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            make_images(args, folder)
            with awake(args):
                rows = run(args, folder)
    except BenchError as err:
        sys.exit(f'bench: {err}')
    except KeyboardInterrupt:
        sys.exit(130)
    about['load_average_after'] = round(os.getloadavg()[0], 2)
    print(f'\nload average at the end: {about["load_average_after"]:.2f}')
    if args.json:
        save(args.json, about, rows)


if __name__ == '__main__':
    main()
