# SPDX-License-Identifier: GPL-2.0-or-later
"""A character device that waits for whatever it leads to holds up nobody else."""

import os
import signal
import socket
import subprocess
import threading
import unittest

from support import paths
from support.daemon import Daemon
from support.fuse import FuseMount
from support.qmp import Qmp, QmpError
from support.waiting import TIMEOUT, until


class Waits(unittest.TestCase):
    """chardev-add."""

    def setUp(self):
        self.daemon = Daemon('--chardev', 'socket,id=m2,path=m2,server=on,wait=off',
                             '--monitor', 'm2')
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp
        self.second = Qmp(self.daemon.path('m2'))
        self.addCleanup(self.second.close)

    def add(self, kind, name='c', **data):
        """Adds a device; what came of it can be asked when nobody waits any more."""
        answers = []

        def run():
            try:
                answers.append(self.qmp.command('chardev-add', id=name,
                                                backend={'type': kind, 'data': data}))
            except QmpError as error:
                answers.append(error.description)
            except EOFError:
                answers.append('the end')
        thread = threading.Thread(target=run)
        thread.start()
        return thread, answers

    def does_not_come(self, what, kind, **data):
        """Others go on until the command gives up; then the name is free."""
        thread, answers = self.add(kind, **data)
        asked = 0
        while thread.is_alive():
            self.second.command('query-version')
            asked += 1
        self.assertGreater(asked, 1)
        self.assertIn(what, answers[0])
        self.assertNotIn('c', [chardev['label'] for chardev in self.qmp.command('query-chardev')])

    def test_pipe_that_nobody_reads(self):
        fifo = self.daemon.path('fifo')
        os.mkfifo(fifo)
        timed_out = f"Could not open '{fifo}': Connection timed out"
        self.does_not_come(timed_out, 'file', out=fifo)
        self.does_not_come(f'Unable to open logfile {fifo}: Connection timed out', 'null',
                           logfile=fifo)
        # Whoever comes later is met by nobody: what was given up is closed.
        with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), 'rb') as reader:
            until(lambda: reader.read() == b'', 'the writers have gone')

    def test_pipe_that_nobody_writes(self):
        fifo = self.daemon.path('fifo')
        os.mkfifo(fifo)
        self.does_not_come(f"Could not open '{fifo}': Connection timed out", 'file',
                           **{'in': fifo, 'out': self.daemon.path('out')})

    def test_file_on_a_server_that_does_not_answer(self):
        fuse = FuseMount()
        self.addCleanup(fuse.close)
        path = fuse.add('x', b'')
        fuse.set(hang=['lookup', 'open', 'create', 'getattr', 'setattr'])
        self.addCleanup(fuse.set, hang=[])
        for kind, data in (('file', {'out': path}), ('pipe', {'device': path}),
                           ('null', {'logfile': path})):
            with self.subTest(kind):
                self.does_not_come('Connection timed out', kind, **data)

    def test_server_that_accepts_nobody(self):
        path = self.daemon.path('full')
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as one:
            listener.bind(path)
            listener.listen(0)
            one.connect(path)
            thread, answers = self.add('socket', server=False,
                                       addr={'type': 'unix', 'data': {'path': path}})
            self.second.command('query-version')
            # A client of an AF_UNIX socket waits for a place; here there is one.
            listener.accept()[0].close()
            thread.join(TIMEOUT)
            self.assertEqual(answers, [{}])

    def come(self, path):
        """A client of a server that may not listen yet."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        until(lambda: client.connect_ex(path) == 0, 'it listens')
        return client

    def test_client_that_is_waited_for(self):
        path = self.daemon.path('server')
        thread, answers = self.add('socket', wait=True,
                                   addr={'type': 'unix', 'data': {'path': path}})
        until(lambda: os.path.exists(path), 'it listens')
        for _ in range(3):
            self.second.command('query-version')
        # Somebody else may take the name meanwhile.
        self.second.command('chardev-add', id='c', backend={'type': 'null', 'data': {}})
        self.come(path)
        thread.join(TIMEOUT)
        self.assertEqual(answers,
                         ["Failed to add chardev 'c': Chardev with id 'c' already exists"])
        self.second.command('chardev-remove', id='c')
        thread, answers = self.add('socket', wait=True,
                                   addr={'type': 'unix', 'data': {'path': path}})
        self.come(path)
        thread.join(TIMEOUT)
        self.assertEqual(answers, [{}])

    def test_program_ends_while_a_command_waits(self):
        thread, answers = self.add('socket', wait=True, addr={
            'type': 'unix', 'data': {'path': self.daemon.path('server')}})
        until(lambda: os.path.exists(self.daemon.path('server')), 'it listens')
        self.second.command('quit')
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)
        thread.join(TIMEOUT)
        self.assertEqual(answers, ['the end'])


class Start(unittest.TestCase):
    """--chardev."""

    def test_signals_are_heard(self):
        daemon = Daemon()       # for its folder
        self.addCleanup(daemon.close)
        fifo = daemon.path('fifo')
        os.mkfifo(fifo)
        with subprocess.Popen([paths.daemon(), '--pidfile', daemon.path('pid'), '--chardev',
                               f'file,id=c,path={fifo}'], stderr=subprocess.PIPE) as process:
            until(lambda: process.poll() is not None or self.waits(process.pid), 'it waits')
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(TIMEOUT), 0)

    def waits(self, pid):
        """For the pipe, in a thread for storage."""
        tasks = f'/proc/{pid}/task'
        for task in os.listdir(tasks):
            with open(f'{tasks}/{task}/comm', encoding='ascii') as file:
                if file.read().startswith('storage'):
                    return True
        return False


if __name__ == '__main__':
    unittest.main()
