# SPDX-License-Identifier: GPL-2.0-or-later
"""What is removed at the end, and which descriptors a number may mean: only what is the program's
own, or what it was given.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import unittest

from support import paths
from support.daemon import Daemon
from support.folder import FolderCase
from support.qmp import QmpError
from support.vhost_user import Client, Request
from support.waiting import TIMEOUT

NODE = ('--blockdev', 'null-co,node-name=d,size=1048576')
# Runs a program as a service manager does: its sockets from 3 on, with names.
MANAGER = """
import os, sys
names, fds, program = sys.argv[1], sys.argv[2].split(','), sys.argv[3:]
high = [os.dup(int(fd)) for fd in fds]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(program[0], program)
"""


class Case(FolderCase):
    """A daemon for each case, and a folder that stays when it ends."""

    def daemon(self, *arguments, **process):
        daemon = Daemon(*arguments, folder=self.folder, **process)
        self.addCleanup(daemon.close)
        return daemon

    def listener(self, name):
        """A bound socket of ours."""
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.bind(self.path(name))
        return sock


class Files(Case):
    """What somebody has put in the place of a file of the program's stays."""

    def replace(self, name):
        os.rename(self.path(name), self.path('away'))
        with open(self.path(name), 'w', encoding='ascii') as file:
            file.write('of others')

    def is_of_others(self, name):
        with open(self.path(name), encoding='ascii') as file:
            return file.read() == 'of others'

    def test_a_pid_file_of_somebody_else_stays(self):
        daemon = self.daemon()
        self.replace('qsd.pid')
        self.assertEqual(daemon.terminate(), 0)
        self.assertTrue(self.is_of_others('qsd.pid'))

    def test_a_link_to_our_pid_file_stays(self):
        daemon = self.daemon()
        os.rename(self.path('qsd.pid'), self.path('away'))
        os.symlink('away', self.path('qsd.pid'))
        self.assertEqual(daemon.terminate(), 0)
        self.assertTrue(os.path.islink(self.path('qsd.pid')))

    def test_a_pid_file_behind_a_link_is_removed_and_the_link_stays(self):
        os.symlink('real.pid', self.path('qsd.pid'))
        daemon = self.daemon()
        self.assertTrue(os.path.exists(self.path('real.pid')))
        self.assertEqual(daemon.terminate(), 0)
        self.assertFalse(os.path.exists(self.path('real.pid')))
        self.assertTrue(os.path.islink(self.path('qsd.pid')))

    def test_a_pid_file_that_cannot_be_written_is_removed(self):
        result = subprocess.run(
            [paths.daemon(), '--pidfile', 'pid'], cwd=self.folder, capture_output=True, text=True,
            timeout=TIMEOUT, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
        self.assertIn("Failed to write pid file 'pid'", result.stderr)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_socket_of_somebody_else_stays(self):
        daemon = self.daemon(*NODE, '--export', 'vhost-user-blk,id=e,node-name=d,addr.type=unix,'
                                                'addr.path=e.sock')
        self.replace('e.sock')
        self.assertEqual(daemon.terminate(), 0)
        self.assertTrue(self.is_of_others('e.sock'))

    def test_a_link_of_a_terminal_is_removed_if_it_is_ours(self):
        daemon = self.daemon('--chardev', 'pty,id=ours,path=ours', '--chardev',
                             'pty,id=link,path=link', '--chardev', 'pty,id=file,path=file')
        self.replace('file')
        # The number of the one that goes is free then, for a file system to use at once.
        os.unlink(self.path('link'))
        os.symlink('elsewhere', self.path('link'))
        daemon.qmp.command('chardev-remove', id='link')
        self.assertEqual(os.readlink(self.path('link')), 'elsewhere')
        self.assertEqual(daemon.terminate(), 0)
        self.assertTrue(self.is_of_others('file'))
        self.assertFalse(os.path.lexists(self.path('ours')))


class Descriptors(Case):
    """addr.type=fd and its like."""

    def refused(self, daemon, number, message, command='block-export-add', **arguments):
        if command == 'block-export-add':
            arguments = {'type': 'vhost-user-blk', 'id': 'thief', 'node-name': 'd',
                         'addr': {'type': 'fd', 'str': str(number)}}
        with self.assertRaises(QmpError) as caught:
            daemon.qmp.command(command, **arguments)
        self.assertIn(str(number), caught.exception.description)
        self.assertIn(message, caught.exception.description)

    def reach(self, name):
        client = Client(self.path(name))
        self.addCleanup(client.close)
        self.assertTrue(client.ask_u64(Request.GET_FEATURES))

    def export(self, daemon, name, text):
        daemon.qmp.command('block-export-add', **{
            'type': 'vhost-user-blk', 'id': name, 'node-name': 'd',
            'addr': {'type': 'fd', 'str': text}})

    def test_no_descriptor_of_the_programs_own_can_be_meant(self):
        daemon = self.daemon(*NODE, '--object', 'iothread,id=io0', '--metrics',
                             'addr.type=unix,addr.path=m.sock', '--export',
                             'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=e.sock')
        self.assertTrue(daemon.qmp.command('query-version'))
        for fd in sorted(int(fd) for fd in os.listdir(f'/proc/{daemon.pid}/fd')):
            if fd > 2:
                with self.subTest(fd=os.readlink(f'/proc/{daemon.pid}/fd/{fd}')):
                    self.refused(daemon, fd, 'was not handed over to this program')
                    self.refused(daemon, fd, 'was not handed over', 'chardev-add', id='c', backend={
                        'type': 'socket', 'data': {
                            'addr': {'type': 'fd', 'data': {'str': str(fd)}}, 'wait': False}})
                    self.refused(daemon, fd, 'Could not open', 'blockdev-add', driver='file',
                                 **{'node-name': 'n', 'filename': f'/dev/fd/{fd}'})
        self.refused(daemon, 1 << 20, 'was not handed over to this program')
        self.refused(daemon, 'nobody', 'neither the number nor the name')
        self.reach('e.sock')

    def test_a_descriptor_is_used_once(self):
        sock = self.listener('l.sock')
        daemon = self.daemon(*NODE, pass_fds=[sock.fileno()])
        self.export(daemon, 'first', str(sock.fileno()))
        self.refused(daemon, sock.fileno(), 'is in use already')
        self.reach('l.sock')
        daemon.qmp.command('block-export-del', id='first', mode='hard')
        # The number may be another socket's by now.
        self.export_by_path(daemon)
        self.refused(daemon, sock.fileno(), 'is in use already, or was')
        self.assertTrue(os.path.exists(self.path('e.sock')))
        self.assertTrue(os.path.exists(self.path('l.sock')))

    def export_by_path(self, daemon):
        daemon.qmp.command('block-export-add', **{
            'type': 'vhost-user-blk', 'id': 'path', 'node-name': 'd',
            'addr': {'type': 'unix', 'path': 'e.sock'}})

    def test_what_is_no_socket_is_not_taken(self):
        with open(self.path('file'), 'w+b') as file:
            file.truncate(512)
            daemon = self.daemon(*NODE, pass_fds=[file.fileno()])
            self.refused(daemon, file.fileno(), 'is not a socket')
            daemon.qmp.command('blockdev-add', driver='file', **{
                'node-name': 'n', 'read-only': True, 'filename': f'/dev/fd/{file.fileno()}'})

    def test_sockets_are_found_by_a_service_managers_names(self):
        socks = [self.listener(name) for name in ('a.sock', 'b.sock', 'c.sock', 'q.sock')]
        for sock in socks:
            sock.listen()
        process = subprocess.Popen(
            [sys.executable, '-c', MANAGER, 'one:two:two:qmp',
             ','.join(str(sock.fileno()) for sock in socks), paths.daemon(), *NODE, '--export',
             'vhost-user-blk,id=b,node-name=d,addr.type=fd,addr.str=two', '--export',
             'vhost-user-blk,id=c,node-name=d,addr.type=fd,addr.str=two', '--export',
             'vhost-user-blk,id=a,node-name=d,addr.type=fd,addr.str=one', '--chardev',
             'socket,id=m,server=on,wait=off,fd=qmp', '--monitor', 'm'],
            pass_fds=[sock.fileno() for sock in socks], cwd=self.folder)
        self.addCleanup(process.wait, TIMEOUT)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        for name in ('a.sock', 'b.sock', 'c.sock'):
            self.reach(name)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path('q.sock'))
            self.assertTrue(client.makefile().readline().startswith('{"QMP"'))

    def test_names_for_another_process_do_not_count(self):
        sock = self.listener('a.sock')
        result = subprocess.run(
            [paths.daemon(), *NODE, '--export',
             'vhost-user-blk,id=a,node-name=d,addr.type=fd,addr.str=one'],
            env={**os.environ, 'LISTEN_PID': '1', 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': 'one'},
            pass_fds=[sock.fileno()], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertIn("'one' is neither the number nor the name", result.stderr)
        self.assertEqual(result.returncode, 1)


if __name__ == '__main__':
    unittest.main()
