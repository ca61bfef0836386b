# SPDX-License-Identifier: GPL-2.0-or-later
"""qsd-top, the view of exports in a terminal; and the dashboard, which shows the same."""

import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import unittest
from fcntl import ioctl

from support.daemon import Daemon
from support.load import LoadThread
from support.waiting import TIMEOUT, until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QSD_TOP = os.path.join(TOP, 'contrib/qsd-top/qsd-top')
DASHBOARD = os.path.join(TOP, 'contrib/grafana/qemu-storage-daemon.json')
INTERVAL = ('--interval', '0.2')


class TopCase(unittest.TestCase):
    """A daemon with a disk that is used, and one that is not."""

    def setUp(self):
        self.daemon = self.start('used', 'idle')
        self.load = LoadThread(self.daemon.path('used'))
        self.addCleanup(self.load.finish)
        self.load.start()
        self.socket = self.daemon.path('top.sock')

    def start(self, *names):
        """A daemon with an export of each name, at a socket of that name."""
        arguments = ['--chardev', 'socket,id=top,path=top.sock,server=on,wait=off',
                     '--monitor', 'top']
        for name in names:
            arguments += ['--blockdev', f'file,node-name={name}-node,filename={name}.img',
                          '--export', f'vhost-user-blk,id={name},node-name={name}-node,'
                          f'writable=on,addr.type=unix,addr.path={name}']
        folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, folder)
        for name in names:
            with open(os.path.join(folder, f'{name}.img'), 'wb') as file:
                file.truncate(1 << 20)
        daemon = Daemon(*arguments, folder=folder)
        self.addCleanup(daemon.close)
        return daemon

    @staticmethod
    def top(*arguments, status=0):
        """What it prints."""
        result = subprocess.run([QSD_TOP, *INTERVAL, *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False,
                                timeout=2 * TIMEOUT)
        if result.returncode != status:
            raise AssertionError(f'status {result.returncode}: {result.stdout}')
        return result.stdout

    def view(self, *arguments, status=0):
        """The last JSON line: exports by name, errors by socket."""
        last = json.loads(self.top('--json', '--count', '2', *arguments,
                                   status=status).splitlines()[-1])
        return {entry['export']: entry for entry in last['exports']}, last['errors']

    def busy_view(self, *arguments, key='reads', status=0):
        """One in which the load had a turn."""
        def attempt():
            found = self.view(*arguments, status=status)
            return found if found[0].get('used', {}).get(key) else None

        return until(attempt, f'{key} of the export in use')


class Values(TopCase):
    """What is told."""

    def test_rates_are_those_of_the_load(self):
        done = self.load.done
        exports, errors = self.busy_view(self.socket)
        most = (self.load.done - done + 1) / 0.2        # all of it in one interval
        used = exports['used']
        self.assertEqual(errors, {})
        self.assertLessEqual(used['reads'], most)
        self.assertAlmostEqual(used['read-bytes'], used['reads'] * 4096, delta=1)
        self.assertAlmostEqual(used['write-bytes'], used['writes'] * 4096, delta=1)
        self.assertEqual((used['node'], used['queues'], used['failed']), ('used-node', 1, 0))
        self.assertEqual(used['client-pid'], os.getpid())

    def test_an_idle_export_is_there_at_zero(self):
        idle = self.view(self.socket)[0]['idle']
        self.assertEqual([idle[key] for key in ('iops', 'reads', 'writes', 'in-flight')],
                         [0, 0, 0, 0])
        self.assertIsNone(idle['latency-ns'])

    def test_latencies_are_measured_when_asked_for(self):
        self.assertIsNone(self.view(self.socket)[0]['used']['latency-p99-ns'])
        used = self.busy_view('--latency', self.socket, key='latency-ns')[0]['used']
        self.assertGreater(used['latency-p99-ns'], 0)

    def test_an_export_that_comes_and_goes(self):
        self.daemon.qmp.command('block-export-del', id='idle')
        self.assertEqual(set(self.view(self.socket)[0]), {'used'})

    def test_a_table_for_people(self):
        lines = self.top('--batch', '--count', '1', self.socket).splitlines()
        self.assertRegex(lines[0], r'^\d\d:\d\d:\d\d$')
        self.assertRegex(lines[1], r'^EXPORT +NODE +CLIENT +QUEUES +R/S +W/S .* FAIL/S$')
        self.assertEqual([line.split()[0] for line in lines[2:4]], ['idle', 'used'])

    def test_the_order_is_chosen(self):
        def busiest():
            lines = self.top('--batch', '--count', '1', '--sort', 'iops', self.socket).splitlines()
            return [line.split()[0] for line in lines[2:4]] == ['used', 'idle']

        until(busiest, 'the export in use is the first')


class SeveralDaemons(TopCase):
    """Some of which do not answer."""

    def test_exports_of_all_are_shown(self):
        other = self.start('other')
        self.assertEqual(set(self.view(self.socket, other.path('top.sock'))[0]),
                         {'used', 'idle', 'other'})

    def test_one_that_is_not_there_is_named(self):
        missing = self.daemon.path('missing')
        exports, errors = self.view(self.socket, missing, status=1)
        self.assertEqual(set(exports), {'used', 'idle'})
        self.assertEqual(errors, {missing: 'No such file or directory'})

    def test_one_that_does_not_answer_holds_nobody_up(self):
        other = self.start('other')
        other.process.send_signal(signal.SIGSTOP)
        self.addCleanup(other.process.send_signal, signal.SIGCONT)
        _, errors = self.busy_view('--timeout', '0.5', self.socket, other.path('top.sock'),
                                   status=1)
        self.assertRegex(errors[other.path('top.sock')], '^does not answer')


class Screen(TopCase):
    """On a terminal."""

    def test_it_shows_exports_and_ends_by_q(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0))
        with subprocess.Popen([QSD_TOP, *INTERVAL, self.socket], stdin=slave, stdout=slave,
                              env={**os.environ, 'TERM': 'xterm'}) as process:
            os.close(slave)
            self.addCleanup(process.kill)
            seen = b''
            while b'idle' not in seen or b'used' not in seen:
                self.assertTrue(select.select([master], [], [], TIMEOUT)[0], seen)
                seen += os.read(master, 65536)
            os.write(master, b'q')
            try:
                while os.read(master, 65536):
                    pass
            except OSError:
                pass                    # the other side of the terminal is closed
            self.assertEqual(process.wait(TIMEOUT), 0)


class Dashboard(TopCase):
    """The file for Grafana."""

    def test_every_metric_that_it_draws_exists(self):
        self.daemon.qmp.command('block-export-latency-histogram-set', id='used',
                                boundaries=[1000, 1000000])
        text = self.daemon.qmp.command('query-openmetrics')['text']
        exist = set(re.findall(r'(?m)^([a-z_]+)\{', text))
        with open(DASHBOARD, encoding='utf-8') as file:
            dashboard = json.load(file)
        expressions = [target['expr'] for panel in dashboard['panels']
                       for target in panel['targets']]
        drawn = {name for text in expressions for name in re.findall(r'block_export_[a-z_]+', text)}
        self.assertLessEqual(drawn, exist)
        self.assertGreater(len(drawn), 6)


if __name__ == '__main__':
    unittest.main()
