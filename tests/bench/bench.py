#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our storage daemon against a peer: the same file, the same client, in turns.

usage: bench.py [--build build] [--peer qemu-storage-daemon] [--rounds 5]
                [--seconds 2] [--case NAME] [--json FILE]

Each case runs both daemons once a round, alternating; the figures are medians
over the rounds: thousands of requests a second, CPU seconds of the daemon for a
million requests, and the ratio ours / peer of each.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FILE_BYTES = 256 << 20
CASES = [(node, op, depth) for node in ('null', 'file') for op in ('read', 'write')
         for depth in (1, 32, 128)]


def cpu_seconds(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def start(program, folder, node):
    """Start @program with one export of @node; returns the process and the socket's path."""
    sock = os.path.join(folder, 'bench.sock')
    if os.path.exists(sock):
        os.unlink(sock)
    image = os.path.join(folder, 'bench.img')
    blockdev = {'null': f'null-co,node-name=d,size={FILE_BYTES},read-zeroes=off',
                'file': f'file,node-name=d,filename={image}'}[node]
    process = subprocess.Popen(
        [program, '--object', 'iothread,id=io0', '--blockdev', blockdev, '--export',
         f'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={sock},writable=on,'
         'iothread=io0'])
    deadline = time.monotonic() + 10
    while not os.path.exists(sock):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f'bench: {program} did not start')
        time.sleep(0.005)
    return process, sock


def measure(program, load, folder, case, seconds):
    """One run: (requests a second, CPU seconds a million requests)."""
    node, op, depth = case
    process, sock = start(program, folder, node)
    try:
        subprocess.run([load, sock, op, str(depth), '0.2'], check=True, stdout=subprocess.DEVNULL)
        before = cpu_seconds(process.pid)
        out = subprocess.run([load, sock, op, str(depth), str(seconds)], check=True,
                             capture_output=True, text=True).stdout
        used = cpu_seconds(process.pid) - before
        result = json.loads(out)
        return result['iops'], used / result['requests'] * 1e6
    finally:
        process.terminate()
        process.wait()


def run_case(args, load, folder, case):
    runs = {'ours': [], 'peer': []}
    programs = {'ours': f'{args.build}/storage-daemon/qemu-storage-daemon', 'peer': args.peer}
    for number in range(args.rounds):
        order = ('ours', 'peer') if number % 2 else ('peer', 'ours')
        for who in order:
            runs[who].append(measure(programs[who], load, folder, case, args.seconds))
    row = {'case': f'{case[0]} {case[1]} depth {case[2]}'}
    for who, values in runs.items():
        row[f'{who}_kiops'] = statistics.median(v[0] for v in values) / 1000
        row[f'{who}_cpu'] = statistics.median(v[1] for v in values)
    row['iops_ratio'] = row['ours_kiops'] / row['peer_kiops']
    row['cpu_ratio'] = row['ours_cpu'] / row['peer_cpu']
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--build', default='build')
    parser.add_argument('--peer', default=shutil.which('qemu-storage-daemon') or '')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=2)
    parser.add_argument('--case', action='append', help='only cases that begin with this')
    parser.add_argument('--json')
    args = parser.parse_args()
    if not args.peer:
        sys.exit("bench: no peer: install Debian's package that has qemu-storage-daemon "
                 '(scripts/install-deps.sh) or name one by --peer')
    load = f'{args.build}/tests/bench/vub-load'
    rows = []
    print(f'{"case":24} {"ours k/s":>9} {"peer k/s":>9} {"ratio":>6} '
          f'{"ours cpu":>9} {"peer cpu":>9} {"ratio":>6}')
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'bench.img'), 'wb') as image:
            for _ in range(FILE_BYTES >> 20):
                image.write(os.urandom(1 << 20))
        for case in CASES:
            name = ' '.join(map(str, case))
            if args.case and not any(name.startswith(c) for c in args.case):
                continue
            row = run_case(args, load, folder, case)
            rows.append(row)
            print(f'{row["case"]:24} {row["ours_kiops"]:9.1f} {row["peer_kiops"]:9.1f} '
                  f'{row["iops_ratio"]:6.2f} {row["ours_cpu"]:9.2f} {row["peer_cpu"]:9.2f} '
                  f'{row["cpu_ratio"]:6.2f}', flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
