# SPDX-License-Identifier: GPL-2.0-or-later
"""What all benchmarks need: the machine, the files, where programs run."""

import contextlib
import os
import pathlib
import platform
import subprocess

FILE_BYTES = 256 << 20
PAGE = 4096


class BenchError(Exception):
    """Something that the user can do something about."""


def pinned(args, cpu):
    """What to put before a command to keep it on one CPU, and before what else wants to run."""
    return (['chrt', '-f', '10'] if args.real_time else []) + \
        (['taskset', '-c', str(cpu)] if args.pin else [])


@contextlib.contextmanager
def awake(args):
    """Keeps all CPUs from sleeping, by what runs only when nobody else wants to (SCHED_IDLE)."""
    spin = ['sh', '-c', 'while :; do :; done']
    spinners = [subprocess.Popen(['chrt', '-i', '0', 'taskset', '-c', str(cpu), *spin])
                for cpu in range(os.cpu_count())] if args.awake else []
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def version(program):
    """What a program says of itself."""
    done = subprocess.run([program, '--version'], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.stdout.split('\n')[0]


def machine():
    """What the figures were measured on; no names."""
    model = [line.split(':', 1)[1].strip()
             for line in pathlib.Path('/proc/cpuinfo').read_text(encoding='ascii').splitlines()
             if line.startswith('model name')]
    return {'cpu': model[0] if model else platform.machine(), 'cpus': os.cpu_count(),
            'kernel': platform.release(), 'load_average': round(os.getloadavg()[0], 2)}


def make_image(folder, name='bench.img'):
    """In the page cache, and on the disk already, so that no measurement writes it back.

    It is written page by page: what comes in large writes is cached in large folios, and ext4 looks
    at all blocks of a folio for each small write to it.
    """
    with open(os.path.join(folder, name), 'wb', buffering=0) as image:
        for _ in range(FILE_BYTES >> 20):
            chunk = memoryview(os.urandom(1 << 20))
            for begin in range(0, 1 << 20, PAGE):
                image.write(chunk[begin:begin + PAGE])
        os.fsync(image.fileno())


def settle(path):
    """Writes back what the measurement before has left, so that it does not cost the next one."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def make_dirty(path):
    """Overwrites all of it in the page cache: the first write to a clean page costs much more."""
    with open(path, 'r+b') as image:
        chunk = os.urandom(1 << 20)
        for _ in range(FILE_BYTES >> 20):
            image.write(chunk)


def knows_direct(path):
    """Whether the file can be read past the page cache."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True
