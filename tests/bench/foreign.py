#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures this project's daemon and QEMU's with a client that nobody here wrote.

    foreign.py --qemu FOLDER [--rounds 5] [--case read-32 ...] [--json FILE]

The client is `qemu-img bench` through libblkio, of the QEMU that unpack-qemu.sh has put into FOLDER;
its own daemon is a peer, and so is the one that is installed; `straight` is the same client with
io_uring on the file itself. Each round measures every daemon once,
beginning with another one each time. A table tells the median and the range of the rounds, and the
rates against the peers; cases in which the client takes a CPU for itself are marked, for there the
client is what is measured. Without a client there is one line that says so, and nothing is measured.
"""

import argparse
import contextlib
import glob
import json
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
FILE_SIZE = 256 * MIB
STEP = 9 * 4096             # from request to request, so that the whole file is used
OURS = 'build/storage-daemon/qemu-storage-daemon'
# name: (write, depth, bytes a request, cache.direct, requests)
CASES = {f'{"direct-" if direct else ""}{kind}-{depth}':
         (kind == 'write', depth, 4096, direct,
          (8000 if depth == 1 else 60000) // (4 if direct else 1))
         for direct in (False, True) for kind in ('read', 'write') for depth in (1, 32, 128)}
CASES['read-128k-4'] = (False, 4, 128 * 1024, False, 8000)
CASES['direct-read-4'] = (False, 4, 4096, True, 8000)
CASES['direct-read-128k-4'] = (False, 4, 128 * 1024, True, 4000)
CLIENT_BOUND = 0.9          # of a CPU


class Unpacked:
    """Programs of another release, run by their own loader."""

    def __init__(self, folder):
        self.root = os.path.join(folder, 'root')
        libraries = [os.path.join(self.root, part, f'{platform.machine()}-linux-gnu')
                     for part in ('usr/lib', 'lib')]
        self.env = {**os.environ, 'QEMU_MODULE_DIR': os.path.join(libraries[0], 'qemu')}
        loaders = glob.glob(os.path.join(libraries[0], 'ld-linux*'))
        self.loader = [*loaders[:1], '--library-path', ':'.join(libraries)]

    def command(self, name):
        """The beginning of a command line."""
        return [*self.loader, os.path.join(self.root, 'usr/bin', name)]

    def there(self):
        """Is the client in the folder?"""
        return os.path.exists(self.command('qemu-img')[-1])


def completed_seconds(text):
    """What `qemu-img bench` says that it took; None if it says nothing."""
    found = re.search(r'^Run completed in ([0-9.]+) seconds', text, re.M)
    return float(found.group(1)) if found else None


def version_of(command, env):
    """The first line of --version."""
    done = subprocess.run([*command, '--version'], stdout=subprocess.PIPE, text=True, env=env,
                          check=True)
    return done.stdout.splitlines()[0]


@contextlib.contextmanager
def served(daemon, image, path, direct):
    """A daemon that exports @image in an IOThread."""
    command, env, options = daemon
    process = subprocess.Popen(
        [*command, '--object', 'iothread,id=i', '--blockdev',
         f'file,node-name=n,filename={image},cache.direct={"on" if direct else "off"}{options}',
         '--export',
         f'vhost-user-blk,id=e,node-name=n,iothread=i,writable=on,addr.type=unix,addr.path={path}'],
        env=env)
    try:
        while process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(path) == 0:
                    break
            time.sleep(0.002)
        yield
    finally:
        process.terminate()
        process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def run_client(qemu, disk, case):
    """Requests a second in thousands, and the CPUs that the client takes; @disk: image options."""
    write, depth, size, _, count = case
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*qemu.command('qemu-img'), 'bench', *(['-w'] if write else []), '-c', str(count), '-d',
         str(depth), '-s', str(size), '-S', str(max(STEP, size)), '--image-opts', disk],
        env=qemu.env, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = completed_seconds(done.stdout)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / seconds / 1000, used / seconds


def contestants(qemu, ours, peer_aio):
    """{name: (command, environment, more options of the node)}; no command: the file itself."""
    found = {'ours': ([ours], None, '')}
    installed = shutil.which('qemu-storage-daemon')
    more = f',aio={peer_aio}' if peer_aio else ''
    if installed:
        found['installed'] = ([installed], None, more)
    found['unpacked'] = (qemu.command('qemu-storage-daemon'), qemu.env, more)
    found['straight'] = (None, qemu.env, '')
    return found


def measure_once(qemu, daemon, folder, image, case):
    """What one daemon, or none, makes of a case."""
    direct = 'on' if case[3] else 'off'
    if daemon[0] is None:
        return run_client(qemu, f'driver=io_uring,filename={image},cache.direct={direct}', case)
    path = os.path.join(folder, 'socket')
    with served(daemon, image, path, case[3]):
        return run_client(qemu, f'driver=virtio-blk-vhost-user,path={path},cache.direct=on', case)


def make_image(path, piece):
    """A file in the page cache, whose folios are as large as it was written in pieces of."""
    with open(path, 'wb', buffering=0) as file:
        for _ in range(FILE_SIZE // piece):
            file.write(os.urandom(piece))
        os.fsync(file.fileno())


def measure(qemu, daemons, names, rounds, piece=4096):
    """{case: {daemon: [(rate, client's CPUs), ...]}}"""
    results = {name: {daemon: [] for daemon in daemons} for name in names}
    with tempfile.TemporaryDirectory(prefix='bench-', dir=os.environ.get('TMPDIR')) as folder:
        image = os.path.join(folder, 'image')
        make_image(image, piece)
        for turn in range(rounds):
            for name in names:
                order = list(daemons)
                for daemon in order[turn % len(order):] + order[:turn % len(order)]:
                    results[name][daemon].append(
                        measure_once(qemu, daemons[daemon], folder, image, CASES[name]))
    return results


def row(name, by_daemon):
    """A line of the table."""
    rates = {daemon: [rate for rate, _ in values] for daemon, values in by_daemon.items()}
    median = {daemon: statistics.median(values) for daemon, values in rates.items()}
    bound = statistics.median(cpus for _, cpus in by_daemon['ours']) >= CLIENT_BOUND
    cells = [name + (' (client)' if bound else '')]
    cells += [f'{median[d]:.1f} ({min(v):.1f}-{max(v):.1f})' for d, v in rates.items()]
    cells += [f'{median["ours"] / median[d]:.2f}' for d in rates if d != 'ours']
    return '| ' + ' | '.join(cells) + ' |'


def table(results):
    """Markdown; k requests a second."""
    daemons = list(next(iter(results.values())))
    head = ['case', *daemons, *(f'ours/{d}' for d in daemons if d != 'ours')]
    return '\n'.join(['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|',
                      *(row(name, by_daemon) for name, by_daemon in results.items())])


def machine():
    """What the figures are of."""
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
        model = re.search(r'^model name\s*: (.*)$', file.read(), re.M)
    return {'cpu': model.group(1) if model else platform.machine(), 'cpus': os.cpu_count(),
            'kernel': platform.release(), 'load': os.getloadavg()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--qemu', required=True, help='folder of unpack-qemu.sh')
    parser.add_argument('--daemon', default=OURS, help='ours')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--case', action='append', choices=CASES, help='default: all')
    parser.add_argument('--peer-aio', choices=('threads', 'native', 'io_uring'),
                        help='the aio of the peers (default: their default); ours stays as it is')
    parser.add_argument('--large-folios', action='store_true',
                        help='the file is cached in large folios, as after one sequential read')
    parser.add_argument('--json', help='file that gets all figures')
    args = parser.parse_args()
    qemu = Unpacked(args.qemu)
    if not qemu.there():
        print(f'skipped: no qemu-img in {args.qemu}; tests/bench/unpack-qemu.sh puts it there')
        return 0
    daemons = contestants(qemu, args.daemon, args.peer_aio)
    about = machine()
    for name, (command, env, _) in daemons.items():
        if command:
            about[name] = version_of(command, env)
    results = measure(qemu, daemons, args.case or list(CASES), args.rounds,
                      MIB if args.large_folios else 4096)
    print(json.dumps(about, indent=2))
    print(table(results))
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump({'machine': about, 'results': results}, file, indent=1)
            file.write('\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
