# SPDX-License-Identifier: GPL-2.0-or-later
"""What a request costs the release daemon, in its own instructions: no more than it did.

Callgrind counts the instructions of two runs; the second has twice the requests of the first, so
that what starting and ending cost falls out. The count hardly depends on the machine and on how
busy it is. Waiting is by epoll and file I/O by threads, since valgrind does not get on with
io_uring; polling is off, since how long it lasts does depend on the machine. A file is written in
the main loop, which leaves it to a thread: an IOThread writes at once as long as that is quick, and
how quick it is depends on the machine, too.

If a case fails because a request has become cheaper, or dearer for a good reason, write the number
that it tells into FIGURES, in the same commit as the change.
"""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from support import attack, paths
from support.image import MIB
from support.qmp import Qmp
from support.waiting import TIMEOUT, until

REQUESTS = 5000
DEPTH = 32
DEARER, CHEAPER = 1.15, 0.7     # parts of the figure at which a case fails

MEASURED = ', with a latency histogram'
BOUNDARIES = [1000 * 4 ** n for n in range(10)]     # nanoseconds

# What a request took when it was last looked at: node and operation.
FIGURES = {
    ('null', 'read'): 1140,
    ('null', 'read' + MEASURED): 1200,
    ('null', 'write'): 1220,
    ('mapped', 'read'): 1710,
    ('file', 'read'): 3960,
    ('written', 'write'): 2540,
}


class Counted:
    """A daemon under callgrind with one export."""

    def __init__(self, folder, node):
        self.folder = folder
        os.mkdir(folder)
        with open(self.path('image'), 'wb') as image:
            image.write(b'x' * (16 * MIB))
        blockdev = {'null': f'null-co,node-name=d,size={16 * MIB},read-zeroes=off',
                    'mapped': f'file,node-name=d,filename={self.path("image")},aio=threads',
                    'file': f'file,node-name=d,filename={self.path("image")},aio=threads,'
                    'x-mapped-reads=off',
                    'written': f'file,node-name=d,filename={self.path("image")},aio=threads'}[node]
        command = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                   f'--log-file={self.path("log")}', paths.daemon(), '--trace', 'file_map',
                   '--chardev', f'socket,id=m,path={self.path("qmp")},server=on,wait=off',
                   '--monitor', 'm', '--object', 'iothread,id=io0,poll-max-ns=0',
                   '--blockdev', blockdev,
                   '--export', 'vhost-user-blk,id=e,node-name=d,writable=on,' + (
                       '' if node == 'written' else 'iothread=io0,') +
                   f'addr.type=unix,addr.path={self.path("e.sock")}',
                   '--pidfile', self.path('pid')]
        with open(self.path('trace'), 'wb') as trace:
            self.process = subprocess.Popen(command, env={**os.environ, 'AIO_FDMON': 'epoll'},
                                            stdin=subprocess.DEVNULL, stderr=trace)

    def wait(self):
        """Until it serves, or has ended."""
        until(lambda: self.process.poll() is not None or os.path.exists(self.path("pid")),
              'the daemon is up')

    def path(self, name):
        """In its folder."""
        return os.path.join(self.folder, name)

    def measure_times(self):
        """Switches a latency histogram on."""
        qmp = Qmp(self.path('qmp'))
        qmp.command('block-export-latency-histogram-set', id='e', boundaries=BOUNDARIES)
        qmp.close()

    def mapped(self):
        """Whether it has mapped its file: not on each file system, nor under a limit."""
        with open(self.path('trace'), encoding='utf-8') as trace:
            return 'file_map' in trace.read()

    def instructions(self):
        """Of its whole life, which ends."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(TIMEOUT)
        with open(self.path('log'), encoding='utf-8') as log:
            text = log.read()
        if status:
            raise AssertionError(f'the daemon ended with {status}: {text}')
        return int(re.search(r'Collected : (\d+)', text).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


class Instructions(unittest.TestCase):
    """For a request; the two runs of each case are at the same time."""

    def setUp(self):
        if paths.sanitized():
            self.skipTest('a sanitizer adds instructions of its own')
        if not shutil.which('valgrind'):
            self.skipTest('valgrind is not installed')
        self.folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, self.folder)

    def count(self, node, kind, requests):
        """Instructions of a daemon's life, and the requests that it has served."""
        with Counted(os.path.join(self.folder, str(requests)), node) as daemon:
            daemon.wait()
            if kind.endswith(MEASURED):
                daemon.measure_times()
            report = attack.load(daemon.path('e.sock'), requests, kind.split(',')[0], DEPTH)
            if node == 'mapped' and not daemon.mapped():
                self.skipTest('files are not mapped on this file system')
            return daemon.instructions(), report['requests']

    def check(self, node, kind):
        """Compares with the figure."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            (once, served_once), (twice, served_twice) = pool.map(
                lambda requests: self.count(node, kind, requests), (REQUESTS, 2 * REQUESTS))
        found = (twice - once) / (served_twice - served_once)
        figure = FIGURES[node, kind]
        print(f'# {node} {kind}: {found:.0f} instructions a request, figure {figure}', flush=True)
        self.assertLess(found, figure * DEARER, f'{node} {kind} has become dearer')
        self.assertGreater(found, figure * CHEAPER, f'{node} {kind} has become cheaper: '
                           'lower the figure in FIGURES, so that it stays so')

    def test_a_read_of_no_medium(self):
        self.check('null', 'read')

    def test_a_read_of_no_medium_whose_time_is_measured(self):
        self.check('null', 'read' + MEASURED)

    def test_a_write_to_no_medium(self):
        self.check('null', 'write')

    def test_a_read_of_what_is_cached(self):
        self.check('mapped', 'read')

    def test_a_read_of_a_file(self):
        self.check('file', 'read')

    def test_a_write_to_a_file(self):
        self.check('written', 'write')
