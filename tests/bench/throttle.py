#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How well throttle groups keep to their limits: throttle.py [--seconds N] [BUILD]

Two exports in two IOThreads share a group; each has a client that asks for as much as it can. For
each limit the table shows what the group let through in all, against what it may: the average times
the seconds, and the burst once.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

BLOCK = 4096
DEPTH = 16
# Limits as options of the group; what they allow in so many seconds, in requests.
CASES = [
    ('x-iops-total=500', lambda s: 500 * s + 50),
    ('x-iops-total=20000', lambda s: 20000 * s + 2000),
    ('x-iops-write=2000', lambda s: 2000 * s + 200),
    (f'x-bps-total={4 << 20}', lambda s: ((4 << 20) * s + (4 << 20) / 10) / BLOCK),
    ('x-iops-total=500,x-iops-total-max=5000', lambda s: 500 * s + 5000),
    ('x-iops-total=500,x-iops-total-max=2000,x-iops-total-max-length=5',
     # The level fills by what comes in less what leaks; at full burst it is full after so long.
     lambda s: min(2000 * s + 200, 500 * s + 10000)),
]


def wait_for(path, process):
    """Until the daemon listens there."""
    while not os.path.exists(path):
        if process.poll() is not None:
            raise SystemExit('the daemon did not start')
        time.sleep(0.005)


def measure(build, limits, seconds, folder):
    """Requests that both clients got through together."""
    sockets = [os.path.join(folder, name) for name in ('a', 'b')]
    command = [f'{build}/storage-daemon/qemu-storage-daemon',
               '--object', f'throttle-group,id=tg,{limits}']
    for number, path in enumerate(sockets):
        command += ['--object', f'iothread,id=io{number}', '--blockdev',
                    f'throttle,node-name=d{number},throttle-group=tg,file.driver=null-co,'
                    'file.size=1073741824', '--export',
                    f'vhost-user-blk,id=e{number},node-name=d{number},addr.type=unix,'
                    f'addr.path={path},writable=on,iothread=io{number}']
    with subprocess.Popen(command) as daemon:
        for path in sockets:
            wait_for(path, daemon)
        clients = [subprocess.Popen([f'{build}/tests/bench/vub-load', path, 'write', str(DEPTH),
                                     str(seconds), str(BLOCK)], stdout=subprocess.PIPE, text=True)
                   for path in sockets]
        done = 0
        for client in clients:
            output, _ = client.communicate()
            if client.returncode:
                raise SystemExit(f'a client failed: {output}')
            done += json.loads(output)['requests']
        daemon.terminate()
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--seconds', type=int, default=10)
    parser.add_argument('build', nargs='?', default='build')
    args = parser.parse_args()
    print(f'{"limits":66} {"allowed":>9} {"done":>9} {"ratio":>6}')
    for limits, allowed in CASES:
        with tempfile.TemporaryDirectory() as folder:
            done = measure(args.build, limits, args.seconds, folder)
        may = allowed(args.seconds)
        print(f'{limits:66} {may:9.0f} {done:9} {done / may:6.3f}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
