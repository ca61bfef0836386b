# SPDX-License-Identifier: GPL-2.0-or-later
"""What `meson install` gives an operator, and that each piece of it works."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import BlkDriver
from support.waiting import TIMEOUT, until

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(paths.daemon())))
PREFIX = 'usr/local'
FILES = {
    'bin/qemu-storage-daemon', 'bin/qsd-top', 'bin/vhost-user-rng', 'libexec/vhost-user-blk',
    'lib/systemd/system/qemu-storage-daemon@.service',
    'lib/systemd/system/qemu-storage-daemon@.socket',
    'lib/sysusers.d/qemu-storage-daemon.conf', 'lib/tmpfiles.d/qemu-storage-daemon.conf',
    'share/bash-completion/completions/qemu-storage-daemon',
    'share/man/man1/qemu-storage-daemon.1', 'share/man/man1/qsd-top.1',
    'share/man/man1/vhost-user-blk.1', 'share/man/man1/vhost-user-rng.1',
    'share/man/man7/qemu-storage-daemon-qmp-ref.7',
    'share/qemu-device-backends/grafana/qemu-storage-daemon.json',
    'share/qemu/vhost-user/50-vhost-user-blk.json', 'share/qemu/vhost-user/50-vhost-user-rng.json',
}
# For authors of devices elsewhere: test_library.py builds with them. The archives' folder is the
# distribution's.
LIBRARY = {
    'include/libvhost-user/libvhost-user-glib.h', 'include/libvhost-user/libvhost-user.h',
    'include/libvhost-user/vu-gpu.h', 'include/libvhost-user/vu-protocol.h',
    'LIBDIR/libvhost-user-glib.a', 'LIBDIR/libvhost-user.a',
    'LIBDIR/pkgconfig/libvhost-user-glib.pc', 'LIBDIR/pkgconfig/libvhost-user.pc',
}
DOCUMENTS = 'share/doc/qemu-device-backends/'


def run(*command, **options):
    """What a command that succeeds prints."""
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=5 * TIMEOUT, **options)
    if result.returncode:
        raise AssertionError(f'{command}: status {result.returncode}\n{result.stdout}')
    return result.stdout


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, 'build.ninja')),
                     'the daemon under test does not lie in a build folder')
class InstallCase(unittest.TestCase):
    """The build folder of the daemon under test, installed below a folder of its own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='install-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', cls.folder)

    def installed(self, name):
        """The path of a file."""
        return os.path.join(self.folder, PREFIX, name)

    def text(self, name):
        """Its contents."""
        with open(self.installed(name), encoding='utf-8') as file:
            return file.read()

    def scratch(self):
        """A folder for one test."""
        folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, folder)
        return folder


class Files(InstallCase):
    """What is there."""

    def test_everything_an_operator_needs_is_there(self):
        found = set()
        for folder, _, names in os.walk(self.folder):
            found |= {os.path.relpath(os.path.join(folder, name), self.installed(''))
                      for name in names}
        documents = {name for name in found if name.startswith(DOCUMENTS)}
        named = {re.sub(r'^lib(/[^/]*-linux-[^/]*|64)?/(?=libvhost|pkgconfig)', 'LIBDIR/', name)
                 for name in found - documents}
        self.assertEqual(named, FILES | LIBRARY)
        self.assertLessEqual({DOCUMENTS + name for name in (
            'README.md', 'CHANGELOG.md', 'SECURITY.md', 'example.conf')}, documents)

    def test_man_pages_have_a_name_and_a_synopsis(self):
        for name in FILES:
            page = re.fullmatch(r'share/man/man(\d)/(.*)\.\1', name)
            if page:
                text = self.text(name)
                self.assertRegex(text, rf'(?m)^\.TH "?{page[2]}"? "?{page[1]}"? ')
                if page[1] == '1':
                    self.assertRegex(text, r'(?s)\.SH NAME.*\.SH SYNOPSIS.*\.SH OPTIONS')

    def test_no_path_of_the_build_is_left_in_what_is_text(self):
        for name in FILES - {'bin/qemu-storage-daemon', 'bin/vhost-user-rng'}:
            self.assertNotIn(BUILD, self.text(name), name)
            self.assertNotRegex(self.text(name), r'@\w+dir@', name)

    def test_descriptor_files_name_programs_that_are_there(self):
        for kind in 'blk', 'rng':
            found = json.loads(self.text(f'share/qemu/vhost-user/50-vhost-user-{kind}.json'))
            self.assertTrue(os.access(self.folder + found['binary'], os.X_OK), found)
            capabilities = json.loads(run(self.folder + found['binary'], '--print-capabilities'))
            self.assertEqual(capabilities['type'], found['type'])


class Units(InstallCase):
    """The files for systemd."""

    SERVICE = 'lib/systemd/system/qemu-storage-daemon@.service'
    SOCKET = 'lib/systemd/system/qemu-storage-daemon@.socket'

    def test_systemd_accepts_them(self):
        folder = self.scratch()
        for name in self.SERVICE, self.SOCKET:
            text = self.text(name).replace(f'/{PREFIX}/bin', self.installed('bin'))
            with open(os.path.join(folder, os.path.basename(name)), 'w', encoding='utf-8') as file:
                file.write(text)
        units = [os.path.join(folder, f'qemu-storage-daemon@x.{kind}')
                 for kind in ('service', 'socket')]
        self.assertEqual(run('systemd-analyze', 'verify', '--man=no', *units), '')
        # In tenths of its ten points of exposure; services without any such lines have 9.6.
        run('systemd-analyze', 'security', '--offline=yes', '--threshold=20', units[0])

    def test_the_user_and_the_folder_of_the_units_are_made(self):
        user = re.search(r'^User=(.*)$', self.text(self.SERVICE), re.M)[1]
        self.assertRegex(self.text('lib/sysusers.d/qemu-storage-daemon.conf'),
                         rf'(?m)^u {user} - ".*" /var/lib/qemu-storage-daemon$')
        self.assertRegex(self.text('lib/tmpfiles.d/qemu-storage-daemon.conf'),
                         rf'(?m)^d /var/lib/qemu-storage-daemon 0750 {user} {user} -$')

    def example(self, folder):
        """The words of the service's command with the example's options, files in @folder."""
        line, = re.findall(r'^ExecStart=(.*)$', self.text(self.SERVICE), re.M)
        options, = re.findall(r'^OPTIONS=(.*)$', self.text(DOCUMENTS + 'example.conf'), re.M)
        words = line.replace(f'/{PREFIX}/bin/qemu-storage-daemon', paths.daemon()) \
                    .replace('$OPTIONS', options)
        return words.replace('/run/qemu-storage-daemon/example', folder).split()

    def test_the_service_with_the_example_serves_and_tells_the_manager(self):
        folder = self.scratch()
        Image(os.path.join(folder, 'disk0.img'), MIB)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(os.path.join(folder, 'notify'))
        manager.settimeout(TIMEOUT)
        # A leak check at the end would have to trace the process, which the sandbox forbids.
        leaks = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
        with subprocess.Popen(self.example(folder), cwd=folder,
                              env={**os.environ, 'ASAN_OPTIONS': leaks,
                                   'NOTIFY_SOCKET': f'{folder}/notify'}) as process:
            self.addCleanup(process.kill)
            self.assertEqual(manager.recv(100), b'READY=1')
            # Sockets are there as soon as the manager has been told.
            driver = BlkDriver(os.path.join(folder, 'disk0.sock'))
            driver.write(0, b'x' * 512)
            driver.close()
            self.assertTrue(os.path.exists(os.path.join(folder, 'metrics.sock')))
            process.terminate()
            self.assertEqual(manager.recv(100), b'STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000')
            self.assertEqual(process.wait(TIMEOUT), 0)

    def test_an_abstract_address_of_the_manager(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(b'')       # the kernel chooses an abstract one
        manager.settimeout(TIMEOUT)
        name = '@' + manager.getsockname()[1:].decode()
        daemon = Daemon(env={'NOTIFY_SOCKET': name})
        self.addCleanup(daemon.close)
        self.assertEqual(manager.recv(100), b'READY=1')

    def test_a_manager_that_is_not_there_is_done_without(self):
        for path in '/nonexistent/notify', 'vsock:2:3', '', '/' + 'x' * 200:
            daemon = Daemon(env={'NOTIFY_SOCKET': path})
            self.addCleanup(daemon.close)
            self.assertIn(f"NOTIFY_SOCKET='{path}' cannot be told anything", daemon.stderr())
            self.assertEqual(daemon.terminate(), 0)


class Completion(InstallCase):
    """Completion in bash."""

    def complete(self, line):
        """What is offered at the end of @line."""
        script = ('PATH="$1:$PATH"; . "$2"; COMP_LINE=$3; COMP_POINT=${#3}; '
                  'COMP_WORDBREAKS=$\' \\t\\n"\\\'><=;|&(:\'; '
                  '_qemu_storage_daemon qemu-storage-daemon; printf "%s\\n" "${COMPREPLY[@]}"')
        return run('bash', '-c', script, 'bash', os.path.dirname(paths.daemon()),
                   self.installed('share/bash-completion/completions/qemu-storage-daemon'),
                   line).split()

    def test_options_kinds_keys_and_values(self):
        for line, expected in {
                '--blo': ['--blockdev'],
                '--me': ['--metrics'],
                '--blockdev nul': ['null-aio', 'null-co'],
                '--blockdev file,node-name=d,disc': ['d,discard='],
                '--blockdev file,discard=u': ['unmap'],
                '--blockdev driver=file,read-only=o': ['on', 'off'],
                '--export vhost-user-blk,num-q': ['vhost-user-blk,num-queues='],
                '--object io': ['iothread'],
                '--object iothread,poll-m': ['iothread,poll-max-ns='],
                '--chardev rin': ['ringbuf'],
                '--daemonize --pidf': ['--pidfile'],
                '--blockdev nosuch,x': [],
        }.items():
            self.assertEqual(self.complete(f'qemu-storage-daemon {line}'), expected, line)

    def test_every_option_of_the_help_is_offered(self):
        offered = self.complete('qemu-storage-daemon ')
        named = set(re.findall(r'(?m)^  (?:-\w, )?(--[a-z-]+)', run(paths.daemon(), '--help')))
        self.assertEqual(set(offered), named)

    def test_files_are_offered_for_paths(self):
        folder = self.scratch()
        Image(os.path.join(folder, 'disk.img'), MIB)
        self.assertEqual(self.complete(f'qemu-storage-daemon --blockdev file,filename={folder}/d'),
                         [f'{folder}/disk.img'])


class BackendProgram(InstallCase):
    """vhost-user-blk: the daemon under the options of back-end programs."""

    def setUp(self):
        self.scratch_folder = self.scratch()
        self.image = os.path.join(self.scratch_folder, 'a,b=c d.img')
        Image(self.image, MIB)
        self.socket = os.path.join(self.scratch_folder, 's,o')

    def start(self, *arguments, **options):
        """The program, until the end of the test."""
        process = subprocess.Popen(     # pylint: disable=consider-using-with
            [self.installed('libexec/vhost-user-blk'), *arguments],
            env={**os.environ, 'QEMU_STORAGE_DAEMON': paths.daemon()}, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_it_serves_a_file_at_a_path(self):
        process = self.start(f'--socket-path={self.socket}', '--blk-file', self.image)
        until(lambda: os.path.exists(self.socket), 'it listens')
        driver = BlkDriver(self.socket)
        self.addCleanup(driver.close)
        driver.write(0, b'x' * 512)
        with open(self.image, 'rb') as file:
            self.assertEqual(file.read(512), b'x' * 512)
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_it_serves_read_only_at_a_descriptor(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(self.socket)
        listener.listen()
        self.start(f'--fd={listener.fileno()}', f'--blk-file={self.image}', '--read-only',
                   pass_fds=[listener.fileno()])
        driver = BlkDriver(self.socket)
        self.addCleanup(driver.close)
        self.assertEqual(driver.read(0, 512), bytes(512))
        self.assertTrue(driver.features & 1 << 5)       # VIRTIO_BLK_F_RO

    def test_what_is_missing_is_named(self):
        for arguments, message in (
                (['--socket-path=x'], '--blk-file is needed'),
                (['--blk-file=x'], 'exactly one of --socket-path and --fd is needed'),
                (['--blk-file=x', '--fd=3', '--socket-path=x'],
                 'exactly one of --socket-path and --fd is needed'),
                (['--blk-file'], '--blk-file: its value is missing'),
                (['--nosuch'], "unrecognized option '--nosuch' (try --help)")):
            process = self.start(*arguments, stderr=subprocess.PIPE)
            self.assertEqual(process.stderr.read().decode(), f'vhost-user-blk: {message}\n')
            process.stderr.close()
            self.assertEqual(process.wait(TIMEOUT), 1)


if __name__ == '__main__':
    unittest.main()
