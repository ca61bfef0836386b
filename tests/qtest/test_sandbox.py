# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox: what it forbids, what still works, descriptors passed in, an unprivileged user."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from support import io_uring, paths
from support.daemon import Daemon
from support.image import MIB, pattern
from support.qmp import QmpError
from support.virtio_blk import BlkDriver
from support.waiting import TIMEOUT, until

# A leak check would have to trace the process, which the sandbox forbids.
NO_LEAK_CHECK = {'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'}
FILTERED = '2'          # of Seccomp in /proc/PID/status
NOBODY = 'nobody'


class SandboxCase(unittest.TestCase):
    """Folders for what may be used and what may not, and daemons in a sandbox."""

    def setUp(self):
        self.folders = []
        self.inside, self.outside = self.folder(), self.folder()

    def folder(self):
        """A new folder that lives as long as the test."""
        path = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def image(self, folder, name='disk', size=MIB):
        """An image with a pattern."""
        path = os.path.join(folder, name)
        with open(path, 'wb') as file:
            file.write(pattern(0, size, 1))
        return path

    def daemon(self, *arguments, sandbox='on', **options):
        """A daemon whose files are all in the inner folder."""
        daemon = Daemon('--sandbox', sandbox, *arguments, folder=self.inside, env=NO_LEAK_CHECK,
                        **options)
        self.addCleanup(daemon.close)
        return daemon

    def export(self, daemon, name, **options):
        """An export of the node @name; returns a driver on it."""
        path = os.path.join(self.inside, name + '.sock')
        daemon.qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                           addr={'type': 'unix', 'path': path}, writable=True, **options)
        driver = BlkDriver(path)
        self.addCleanup(driver.close)
        return driver

    def fails(self, daemon, text, command, /, **arguments):
        """A command fails with @text in its error, and the daemon lives."""
        with self.assertRaises(QmpError) as caught:
            daemon.qmp.command(command, **arguments)
        self.assertIn(text, caught.exception.description)
        self.assertTrue(daemon.running())
        daemon.qmp.command('query-version')

    @staticmethod
    def thread_fields(daemon, name):
        """The values of a field of the status of each thread."""
        values = set()
        for task in os.listdir(f'/proc/{daemon.pid}/task'):
            with open(f'/proc/{daemon.pid}/task/{task}/status', encoding='ascii') as file:
                values |= {line.split()[1] for line in file if line.startswith(name + ':')}
        return values


FILES = ('(the sandbox is limited to the folders that the command line names: '
         'path.N=FOLDER in --sandbox adds one)')
NETWORK = '(the sandbox has no network: network=allow in --sandbox adds it)'


class Forbidden(SandboxCase):
    """What fails, without any harm but to itself."""

    def test_every_thread_is_filtered(self):
        daemon = self.daemon('--object', 'iothread,id=before')
        daemon.qmp.command('object-add', qom_type='iothread', id='after')
        self.assertEqual(self.thread_fields(daemon, 'Seccomp'), {FILTERED})
        self.assertEqual(self.thread_fields(daemon, 'NoNewPrivs'), {'1'})

    def test_files_elsewhere_cannot_be_opened(self):
        daemon = self.daemon()
        node = {'driver': 'file', 'node_name': 'd', 'filename': self.image(self.outside)}
        for options in ({}, *({'aio': aio} for aio in io_uring.engines('threads')),
                        {'read_only': True}):
            self.fails(daemon, 'Permission denied', 'blockdev-add', **node, **options)
        log = os.path.join(self.outside, 'log')
        self.fails(daemon, 'Permission denied', 'chardev-add', id='c',
                   backend={'type': 'file', 'data': {'out': log}})
        self.assertFalse(os.path.exists(log))

    def test_an_error_says_that_the_sandbox_denies_it_and_what_allows_it(self):
        daemon = self.daemon('--blockdev', 'null-co,node-name=n,size=1048576')
        image, log = self.image(self.outside), os.path.join(self.outside, 'log')
        link = os.path.join(self.inside, 'link')
        os.symlink(image, link)
        for filename in (image, link):
            self.fails(daemon, f"Could not open '{filename}': Permission denied {FILES}",
                       'blockdev-add', driver='file', node_name='d', filename=filename)
        self.fails(daemon, f"Could not open '{log}': Permission denied {FILES}", 'chardev-add',
                   id='c', backend={'type': 'file', 'data': {'out': log}})
        path = os.path.join(self.outside, 'sock')
        self.fails(daemon, f"Failed to bind socket to '{path}': Permission denied {FILES}",
                   'block-export-add', type='vhost-user-blk', id='e', node_name='n',
                   addr={'type': 'unix', 'path': path})
        for server in (True, False):
            self.fails(daemon, f'Operation not permitted {NETWORK}', 'chardev-add', id='c',
                       backend={'type': 'socket', 'data': {
                           'addr': {'type': 'inet', 'data': {'host': '127.0.0.1', 'port': '1'}},
                           'server': server, **({'wait': False} if server else {})}})

    def test_what_something_else_denies_is_not_put_down_to_the_sandbox(self):
        image = self.image(self.inside)
        os.chmod(image, 0)
        user = pwd.getpwnam(NOBODY)
        if os.geteuid() == 0:
            os.chown(self.inside, user.pw_uid, user.pw_gid)
            if subprocess.run([paths.daemon(), '--version'], user=user.pw_uid, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                self.skipTest(f'the daemon is where {NOBODY} has no access')
        daemon = self.daemon(**({'user': user.pw_uid} if os.geteuid() == 0 else {}))
        with self.assertRaises(QmpError) as caught:
            daemon.qmp.command('blockdev-add', driver='file', node_name='d', filename=image)
        self.assertEqual(caught.exception.description,
                         f"Could not open '{image}': Permission denied")

    def test_sockets_cannot_be_made_elsewhere(self):
        daemon = self.daemon('--blockdev', 'null-co,node-name=d,size=1048576')
        path = os.path.join(self.outside, 'sock')
        self.fails(daemon, 'Permission denied', 'block-export-add', type='vhost-user-blk', id='e',
                   node_name='d', addr={'type': 'unix', 'path': path})
        self.assertFalse(os.path.exists(path))

    def test_network_is_closed_unless_it_is_asked_for(self):
        address = {'type': 'inet', 'data': {'host': '127.0.0.1', 'port': '0'}}
        command = {'id': 'c', 'backend': {'type': 'socket', 'data': {
            'addr': address, 'server': True, 'wait': False}}}
        self.fails(self.daemon(), 'Operation not permitted', 'chardev-add', **command)
        self.inside = self.folder()
        self.daemon(sandbox='on,network=allow').qmp.command('chardev-add', **command)
        self.inside = self.folder()
        daemon = self.daemon('--chardev', 'socket,id=n,host=127.0.0.1,port=0,server=on,wait=off')
        daemon.qmp.command('chardev-add', **command)

    def test_a_client_is_served_after_forbidden_calls(self):
        daemon = self.daemon('--blockdev', 'null-co,node-name=d,size=1048576,read-zeroes=on')
        driver = self.export(daemon, 'd')
        for _ in range(20):
            self.fails(daemon, 'Permission denied', 'blockdev-add', driver='file', node_name='x',
                       filename='/etc/passwd')
        self.assertEqual(driver.read(0, 512), bytes(512))


class Allowed(SandboxCase):
    """What goes on as ever."""

    def test_neighbours_of_an_image_can_be_opened_later(self):
        first, second = self.image(self.outside), self.image(self.outside, 'second')
        daemon = self.daemon('--blockdev', f'file,node-name=d,filename={first}')
        daemon.qmp.command('blockdev-add', driver='file', node_name='x', filename=second)
        driver = self.export(daemon, 'x')
        self.assertEqual(driver.read(0, 4096), pattern(0, 4096, 1))

    def test_named_folders_and_files_can_be_used(self):
        other = self.folder()
        image, file = self.image(self.outside), self.image(other)
        self.image(other, 'neighbour')
        daemon = self.daemon(sandbox=f'on,path.0={self.outside},path.1={file}')
        for name, path in (('a', image), ('b', file)):
            daemon.qmp.command('blockdev-add', driver='file', node_name=name, filename=path)
        self.fails(daemon, 'Permission denied', 'blockdev-add', driver='file', node_name='c',
                   filename=os.path.join(other, 'neighbour'))

    def test_an_image_behind_a_symbolic_link(self):
        link = os.path.join(self.inside, 'link')
        os.symlink(self.image(self.outside), link)
        daemon = self.daemon('--blockdev', f'file,node-name=d,filename={link}')
        daemon.qmp.command('blockdev-add', driver='file', node_name='x', filename=link)

    def test_options_in_json_are_understood(self):
        image = self.image(self.outside)
        daemon = self.daemon('--blockdev', '{"driver": "raw", "node-name": "d", "file": '
                             f'{{"driver": "file", "filename": "{image}"}}}}')
        daemon.qmp.command('blockdev-add', driver='file', node_name='x',
                           filename=self.image(self.outside, 'second'))

    def test_more_iothreads_than_rings_in_store(self):
        daemon = self.daemon('--blockdev', f'file,node-name=d,filename={self.image(self.inside)}')
        for number in range(40):
            name = f'io{number}'
            daemon.qmp.command('object-add', qom_type='iothread', id=name)
            driver = self.export(daemon, 'd', iothread=name)
            driver.write(number, bytes([number + 1]) * 512)
            self.assertEqual(driver.read(number, 512), bytes([number + 1]) * 512)
            driver.close()
            daemon.qmp.command('block-export-del', id='d', mode='hard')
            if number % 2:
                daemon.qmp.command('object-del', id=name)

    def test_the_end_is_clean(self):
        daemon = self.daemon('--blockdev', 'null-co,node-name=d,size=1048576')
        self.export(daemon, 'd')
        daemon.qmp.close()
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(os.listdir(self.inside), ['stderr'])

    def test_in_the_background(self):
        image, pidfile = self.image(self.outside), os.path.join(self.inside, 'pid')
        path = os.path.join(self.inside, 'sock')
        subprocess.run([paths.daemon(), '--daemonize', '--pidfile', 'pid', '--sandbox', 'on',
                        '--blockdev', f'file,node-name=d,filename={image}', '--export',
                        'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=sock'],
                       cwd=self.inside, check=True, timeout=TIMEOUT,
                       env={**os.environ, **NO_LEAK_CHECK})
        with open(pidfile, encoding='ascii') as file:
            pid = int(file.read())
        driver = BlkDriver(path)
        self.assertEqual(driver.read(0, 512), pattern(0, 512, 1))
        driver.close()
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.listdir(self.inside), 'the daemon has tidied up')


class Unprivileged(SandboxCase):
    """Descriptors instead of rights, and rights that are given up."""

    def setUp(self):
        super().setUp()
        if os.getuid() != 0:
            self.skipTest('only root can pass on what the daemon may not open')
        for folder in (self.inside, self.outside):
            os.chmod(folder, 0o755)
        self.user = pwd.getpwnam(NOBODY)
        try:
            subprocess.run([paths.daemon(), '--version'], user=self.user.pw_uid, check=True,
                           stdout=subprocess.DEVNULL)
        except PermissionError:
            self.skipTest(f'the daemon is where {NOBODY} has no access')

    def test_images_and_sockets_as_descriptors(self):
        image = self.image(self.outside)
        os.chmod(image, 0o600)
        os.chown(self.inside, self.user.pw_uid, self.user.pw_gid)
        path = os.path.join(self.outside, 'sock')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        self.addCleanup(listener.close)
        disk = os.open(image, os.O_RDWR)
        self.addCleanup(os.close, disk)
        for name in ('/dev/fd/', '/proc/self/fd/'):
            daemon = self.daemon(
                '--blockdev', f'file,node-name=d,filename={name}{disk}', '--export',
                f'vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str={listener.fileno()},'
                'writable=on', pass_fds=(disk, listener.fileno()), user=self.user.pw_uid,
                group=self.user.pw_gid)
            driver = BlkDriver(path)
            self.assertEqual(driver.read(8, 512), pattern(4096, 512, 1))
            driver.write(8, b'x' * 512)
            self.assertEqual(driver.read(8, 512), b'x' * 512)
            driver.write(8, pattern(4096, 512, 1))
            driver.close()
            daemon.close()

    def test_a_read_only_descriptor_is_not_written_to(self):
        image = self.image(self.outside)
        os.chmod(image, 0o600)
        os.chown(self.inside, self.user.pw_uid, self.user.pw_gid)
        disk = os.open(image, os.O_RDONLY)
        self.addCleanup(os.close, disk)
        daemon = self.daemon(pass_fds=(disk,), user=self.user.pw_uid, group=self.user.pw_gid)
        node = {'driver': 'file', 'filename': f'/dev/fd/{disk}'}
        self.fails(daemon, 'Permission denied', 'blockdev-add', node_name='d', **node)
        daemon.qmp.command('blockdev-add', node_name='d', read_only=True, **node)

    def test_privileges_are_dropped_when_everything_is_set_up(self):
        image = self.image(self.outside)
        os.chmod(image, 0o600)
        for user in (NOBODY, f'{self.user.pw_uid}:{self.user.pw_gid}'):
            self.inside = self.folder()
            path = os.path.join(self.inside, 'sock')
            daemon = self.daemon('--object', 'iothread,id=io0', '--run-with', f'user={user}',
                                 '--blockdev', f'file,node-name=d,filename={image}', '--export',
                                 f'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={path}')
            daemon.qmp.command('query-version')     # set-up is over
            self.assertEqual(self.thread_fields(daemon, 'Uid'), {str(self.user.pw_uid)})
            self.assertEqual(self.thread_fields(daemon, 'Gid'), {str(self.user.pw_gid)})
            self.assertEqual(self.thread_fields(daemon, 'CapEff'), {'0' * 16})
            self.fails(daemon, 'Permission denied', 'blockdev-add', driver='file', node_name='x',
                       filename=image)
            driver = BlkDriver(path)
            self.assertEqual(driver.read(8, 512), pattern(4096, 512, 1))
            driver.close()

    def test_an_unknown_user_is_refused(self):
        for user in ('no-such-user', '1', '1:', 'x:1', '4294967295:0'):
            done = subprocess.run([paths.daemon(), '--run-with', f'user={user}'], check=False,
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"qemu-storage-daemon: --run-with user={user}: User "
                             f"'{user}' does not exist and is not UID:GID\n")


class Options(unittest.TestCase):
    """Which forms of --sandbox are refused."""

    def test_what_makes_no_sense_is_refused(self):
        for text, message in (
                ('on,spawn=allow', "'spawn=allow' is not supported: this program starts no "
                 'programs'),
                ('on,obsolete=allow', "'obsolete=allow' is not supported: this program uses no "
                 'obsolete system calls'),
                ('on,elevateprivileges=allow', "'elevateprivileges=allow' is not supported: this "
                 'program never gains privileges'),
                ('on,resourcecontrol=allow', "'resourcecontrol=allow' is not supported: this "
                 'program changes no priorities, affinities or limits'),
                ('on,path.0=/no/such', "Could not find '/no/such': No such file or directory"),
                ('maybe', "Parameter 'enable' expects 'on' or 'off'"),
                ('on,spawn=children', "Parameter 'spawn' does not accept value 'children'"),
                ('on,foo=1', "Parameter 'foo' is unexpected")):
            done = subprocess.run([paths.daemon(), '--sandbox', text], check=False,
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f'qemu-storage-daemon: --sandbox {text}: {message}\n')


if __name__ == '__main__':
    unittest.main()
