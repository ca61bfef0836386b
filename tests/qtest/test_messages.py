# SPDX-License-Identifier: GPL-2.0-or-later
"""Where messages go, and that nobody waits for them to be read."""

import fcntl
import os
import re
import signal
import subprocess
import unittest

from support import paths
from support.folder import FolderCase
from support.qmp import Qmp
from support.waiting import TIMEOUT, until

MONITOR = ('--chardev', 'socket,id=m,path=m.sock,server=on,wait=off', '--monitor', 'm')
TIME = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z'
# What makes one message each.
TERMINAL = {'type': 'pty', 'data': {}}


class Case(FolderCase):
    """A private folder, where the program runs."""

    def read(self, name):
        with open(self.path(name), encoding='utf-8') as file:
            return file.read()

    def refused(self, *arguments):
        result = subprocess.run([paths.daemon(), *arguments], cwd=self.folder, text=True,
                                capture_output=True, timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 1)
        return result.stderr

    def start(self, *arguments, stderr=subprocess.DEVNULL, **process):
        """A program that serves, and its monitor."""
        program = subprocess.Popen([paths.daemon(), *MONITOR, *arguments, '--pidfile', 'pid'],
                                   cwd=self.folder, stdin=subprocess.DEVNULL, stderr=stderr,
                                   **process)
        self.addCleanup(program.wait, TIMEOUT)
        self.addCleanup(program.kill)
        until(lambda: os.path.exists(self.path('pid')) and self.read('pid'), 'it is up')
        return program, self.qmp()

    def qmp(self):
        qmp = Qmp(self.path('m.sock'))
        self.addCleanup(qmp.close)
        return qmp

    def full_pipe(self):
        """Two ends of a pipe with room for nothing."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b'x')
        except BlockingIOError:
            os.set_blocking(writer, True)
        return reader, writer


class Targets(Case):
    """--log, -D, --msg."""

    def test_a_file_gets_time_level_and_text(self):
        for words in (('-D', 'log'), ('--log', 'file,file=log'),
                      ('--log', 'target=file,file=log,level=info')):
            with self.subTest(words=words):
                program, qmp = self.start(*words)
                qmp.command('chardev-add', id='a', backend=TERMINAL)
                until(lambda: 'label a' in self.read('log'), 'the message arrives')
                self.assertRegex(self.read('log'),
                                 rf'^{TIME} info: char device redirected to \S+ \(label a\)\n')
                program.terminate()
                self.assertEqual(program.wait(TIMEOUT), 0)
                os.unlink(self.path('log'))

    def test_a_daemon_writes_to_its_file(self):
        subprocess.run([paths.daemon(), *MONITOR, '--daemonize', '-D', 'log', '--pidfile', 'pid'],
                       cwd=self.folder, check=True, timeout=TIMEOUT)
        pid = int(self.read('pid'))
        self.addCleanup(until, lambda: not os.path.exists(self.path('pid')), 'it ends')
        self.addCleanup(os.kill, pid, signal.SIGTERM)
        self.qmp().command('chardev-add', id='a', backend=TERMINAL)
        until(lambda: 'label a' in self.read('log'), 'the message arrives')

    def test_a_file_keeps_what_it_has_and_several_get_all(self):
        with open(self.path('log'), 'w', encoding='ascii') as file:
            file.write('old\n')
        _, qmp = self.start('-D', 'log', '--log', 'file,file=other', '--sandbox', 'on')
        qmp.command('chardev-add', id='a', backend={'type': 'null', 'data': {}})
        qmp.command('chardev-add', id='b', backend=TERMINAL)
        for name in ('log', 'other'):
            until(lambda name=name: 'label b' in self.read(name), 'the message arrives')
        self.assertTrue(self.read('log').startswith('old\n'))

    def test_a_level_leaves_out_what_is_less_grave(self):
        _, qmp = self.start('--log', 'file,file=errors,level=warning', '--log', 'file,file=all')
        qmp.command('chardev-add', id='a', backend=TERMINAL)
        until(lambda: 'label a' in self.read('all'), 'the message arrives')
        self.assertEqual(self.read('errors'), '')

    def test_a_start_that_fails_tells_the_caller(self):
        self.assertRegex(self.refused('-D', 'log', '--object', 'x,id=a'), "--object x,id=a: .*'x'")
        self.assertIn("Could not open log file '/nonexistent/log': No such file",
                      self.refused('-D', '/nonexistent/log'))
        for words, fault in (('file', 'is missing'), ('file,file=', 'is empty'),
                             ('syslog,file=x', 'belongs to target=file'),
                             ('stderr,file=x', 'belongs to target=file')):
            self.assertIn(f"Parameter 'file' {fault}", self.refused('--log', words))
        self.assertIn("does not accept value 'x'", self.refused('--log', 'x'))
        self.assertIn('name of the log file is empty', self.refused('-D', ''))

    def test_time_stamps(self):
        text = self.refused('--msg', 'timestamp=on', '--object', 'x,id=a')
        self.assertRegex(text, rf'^{TIME} qemu-storage-daemon: --object x,id=a: ')
        self.assertRegex(self.refused('--msg', 'timestamp', '--object', 'x,id=a'), f'^{TIME} ')
        self.assertRegex(self.refused('--msg', 'timestamp=off', '--object', 'x,id=a'), '^qemu-')
        self.assertIn("'stamp' is unexpected", self.refused('--msg', 'stamp=on'))
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        _, qmp = self.start('--msg', 'timestamp=on', stderr=writer)
        os.close(writer)
        qmp.command('chardev-add', id='a', backend=TERMINAL)
        self.assertRegex(os.read(reader, 4096).decode(), rf'^{TIME} char device redirected')

    def test_the_journal_is_told_the_level(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        st = os.fstat(writer)
        _, qmp = self.start(stderr=writer, env={
            **os.environ, 'JOURNAL_STREAM': f'{st.st_dev}:{st.st_ino}'})
        os.close(writer)
        qmp.command('chardev-add', id='a', backend=TERMINAL)
        self.assertTrue(os.read(reader, 4096).startswith(b'<6>char device redirected'))


class Blocked(Case):
    """Standard error leads to a full pipe."""

    def test_nobody_waits_and_what_is_lost_is_counted(self):
        reader, writer = self.full_pipe()
        program, qmp = self.start(stderr=writer)
        for number in range(3000):
            qmp.command('chardev-add', id=f'c{number}', backend=TERMINAL)
            qmp.command('chardev-remove', id=f'c{number}')
        text = []
        os.set_blocking(reader, False)

        def drained():
            try:
                text.append(os.read(reader, 65536))
            except BlockingIOError:
                pass
            return re.search(rb'(\d+) messages were lost here', b''.join(text))
        lost = until(drained, 'the count is told')
        lines = b''.join(text).count(b'char device redirected')
        self.assertGreater(int(lost[1]), 0)
        self.assertGreaterEqual(lines, 1)
        program.terminate()
        self.assertEqual(program.wait(TIMEOUT), 0)

    def test_the_end_does_not_wait_for_a_reader(self):
        _, writer = self.full_pipe()
        program, qmp = self.start(stderr=writer)
        qmp.command('chardev-add', id='a', backend=TERMINAL)
        program.terminate()
        self.assertEqual(program.wait(TIMEOUT), 0)

    def test_other_targets_get_what_one_cannot(self):
        _, writer = self.full_pipe()
        _, qmp = self.start('--log', 'stderr', '-D', 'log', stderr=writer)
        qmp.command('chardev-add', id='a', backend=TERMINAL)
        until(lambda: 'label a' in self.read('log'), 'the message arrives')


if __name__ == '__main__':
    unittest.main()
