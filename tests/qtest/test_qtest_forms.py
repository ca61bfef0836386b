# SPDX-License-Identifier: GPL-2.0-or-later
"""The command lines and QMP that QEMU's own vhost-user-blk tests give to the daemon."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from support import paths
from support.guest_memory import GuestMemory, Region
from support.image import MIB, Image
from support.qmp import Qmp
from support.vhost_user import Request
from support.virtio_blk import (DISCARD, IOERR, OK, UNMAP, UNSUPP, WRITE_ZEROES, BlkDriver,
                                segment)
from support.waiting import TIMEOUT, until

QTEST_SIZE = 64 * MIB


class FormCase(unittest.TestCase):
    """A folder, and processes that are ended with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        """A path in the folder."""
        return os.path.join(self.folder, name)

    def spawn(self, command, **options):
        """A process that does not outlive the test."""
        process = subprocess.Popen(command, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        """Kills what still runs."""
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        if process.poll() is None:
            process.kill()
        process.wait()


class Qtest(FormCase):
    """As QEMU's qtest starts it: a shell, descriptors 0 and 1 on /dev/null, sockets inherited."""

    def start(self, disks, queues):
        """Disks on listening sockets made here; returns the process."""
        words, listeners = ['exec', paths.daemon()], []
        for number in range(disks):
            Image(self.path(f'disk{number}'), QTEST_SIZE)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(self.path(f'sock{number}'))
            listener.listen(0)
            listeners.append(listener)
            name = f'disk{number}'
            words += ['--blockdev', f'driver=file,node-name={name},filename={self.path(name)}',
                      '--export', f'type=vhost-user-blk,id={name},addr.type=fd,'
                      f'addr.str={listener.fileno()},node-name={name},writable=on,'
                      f'num-queues={queues}']
        process = self.spawn(['sh', '-c', ' '.join(shlex.quote(word) for word in words)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             pass_fds=[listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()
        return process

    def driver(self, number, **options):
        """Memory as QEMU hands it over: two regions, slot by slot."""
        memory = GuestMemory(Region(0, 640 * 1024), Region(MIB, MIB, offset=MIB))
        driver = BlkDriver(self.path(f'sock{number}'), memory=memory, **options)
        self.addCleanup(driver.close)
        return driver

    def ends_well(self, process):
        """SIGTERM is answered with status 0."""
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_one_queue_and_eight(self):
        for queues in (1, 8):
            process = self.start(1, queues)
            driver = self.driver(0, queues=queues)
            self.assertEqual(driver.client.ask_u64(Request.GET_QUEUE_NUM), queues)
            self.assertEqual(driver.capacity(), QTEST_SIZE)
            for number, vring in enumerate(driver.vrings):
                driver.write(number, bytes([number + 1]) * 512, vring=vring)
            for number, vring in enumerate(driver.vrings):
                self.assertEqual(driver.read(number, 512, vring=vring), bytes([number + 1]) * 512)
            driver.close()
            self.ends_well(process)
            # Who has made an inherited socket also removes it; QEMU's daemon does it unasked.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path('sock0'))

    def test_several_disks_in_one_command_line(self):
        process = self.start(3, 1)
        drivers = [self.driver(number) for number in range(3)]
        for number, driver in enumerate(drivers):
            driver.write(0, bytes([number + 1]) * 512)
        drivers[1].close()                      # as unplugging does
        again = self.driver(1)
        self.assertEqual(again.read(0, 512), b'\2' * 512)
        self.assertEqual(drivers[2].read(0, 512), b'\3' * 512)
        self.ends_well(process)

    def test_an_interrupt_comes_before_the_first_request(self):
        self.start(1, 1)
        self.assertEqual(self.driver(0).vring.calls(TIMEOUT), 1)

    def test_discard_and_write_zeroes_as_the_test_expects_them(self):
        self.start(1, 1)
        driver = self.driver(0)
        driver.write(0, b'\xff' * 1024)
        for kind in (WRITE_ZEROES, DISCARD):
            self.assertEqual(driver.request(kind, out=segment(0, 1) * 2).status, UNSUPP)
            self.assertEqual(driver.request(kind, out=segment(0, 0xffffffff)).status, IOERR)
            self.assertEqual(driver.request(kind, out=segment(QTEST_SIZE // 512, 1)).status, IOERR)
            self.assertEqual(driver.request(kind, out=segment(0, 1, UNMAP << 1)).status, UNSUPP)
            self.assertEqual(driver.request(kind, out=segment(0, 1)).status, OK)
        self.assertEqual(driver.read(0, 1024), bytes(512) + b'\xff' * 512)

    def test_sigterm_after_the_client_was_killed(self):
        process = self.start(2, 1)
        self.driver(0).close()
        self.ends_well(process)


class Iotests(FormCase):
    """As QEMU's iotests start it."""

    def daemonize(self, *options):
        """Returns the process id of a daemon in the background."""
        done = subprocess.run([paths.daemon(), *options, '--pidfile', self.path('pid'),
                               '--daemonize'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(self.path('pid'), encoding='ascii') as file:
            pid = int(file.read())
        self.addCleanup(self.kill, pid)
        return pid

    @staticmethod
    def kill(pid):
        """Ends a daemon that is still there."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def export(self, image):
        """The options of one export."""
        return ('--blockdev', f'driver=file,node-name=d,filename={image.path}',
                '--export', 'type=vhost-user-blk,id=e,node-name=d,writable=on,addr.type=unix,'
                f'addr.path={self.path("sock")}')

    def test_files_of_many_sizes_one_connection_each(self):
        for size in (512, 1000, 513, 4096, MIB + 1, 6 << 30):
            image = Image(self.path('image'), size)
            pid = self.daemonize(*self.export(image))
            self.check_disk(size, image)
            os.kill(pid, signal.SIGTERM)
            until(lambda: not os.path.exists(self.path('pid')), 'the pid file is removed')
            until(lambda: not os.path.exists(self.path('sock')), 'the socket is removed')

    def check_disk(self, size, image):
        """The first and the last whole sector; what is behind is no part of the disk."""
        for _ in range(3):
            driver = BlkDriver(self.path('sock'))
            sectors = driver.capacity() // 512
            self.assertIn(sectors, (size // 512, -(-size // 512)))
            last = size // 512 - 1
            driver.write(0, b'f' * 512)
            driver.write(last, b'l' * 512)
            self.assertEqual(driver.read(last, 512), b'l' * 512)
            driver.flush()
            driver.close()
            self.assertEqual(image.read(last * 512, 512), b'l' * 512)

    def test_many_connections(self):
        self.daemonize(*self.export(Image(self.path('image'), MIB)))
        for number in range(200):
            driver = BlkDriver(self.path('sock'))
            driver.write(number, bytes([number % 256]) * 512)
            self.assertEqual(driver.read(number, 512), bytes([number % 256]) * 512)
            driver.close()

    def test_an_error_reaches_the_one_who_started_it(self):
        done = subprocess.run(
            [paths.daemon(), '--blockdev', f'driver=file,node-name=d,filename={self.path("no")}',
             '--pidfile', self.path('pid'), '--daemonize'], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('No such file or directory', done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_monitor_on_a_socket_that_the_test_listens_on(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.path('qmp'))
            listener.listen(1)
            process = self.spawn([paths.daemon(), '--chardev',
                                  f'socket,id=qmp-sock,path={self.path("qmp")}', '--monitor',
                                  'qmp-sock'], stdin=subprocess.DEVNULL)
            listener.settimeout(TIMEOUT)
            connection, _ = listener.accept()
        with connection, connection.makefile('rwb') as stream:
            self.assertIn('QMP', json.loads(stream.readline()))
            self.talk(stream)
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_monitor_on_standard_input_and_output(self):
        process = self.spawn([paths.daemon(), '--chardev', 'stdio,id=m', '--monitor', 'm'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        class Both:
            """Two pipes as one stream."""
            write, flush, readline = (process.stdin.write, process.stdin.flush,
                                      process.stdout.readline)

        self.assertIn('QMP', json.loads(process.stdout.readline()))
        self.talk(Both)
        self.assertEqual(process.stdout.read(), b'')
        self.assertEqual(process.wait(TIMEOUT), 0)

    def talk(self, stream):
        """The life of an export, line by line; the daemon quits in the end."""
        Image(self.path('image'), MIB)
        address = {'type': 'unix', 'path': self.path('sock')}
        export = {'type': 'vhost-user-blk', 'id': 'e', 'node-name': 'd', 'addr': address}
        deleted = {'event': 'BLOCK_EXPORT_DELETED', 'data': {'id': 'e'}}
        listed = [{'id': 'e', 'type': 'vhost-user-blk', 'node-name': 'd', 'shutting-down': False}]
        script = [
            ('qmp_capabilities', {}, [{'return': {}}]),
            ('blockdev-add', {'driver': 'file', 'node-name': 'd', 'filename': self.path('image')},
             [{'return': {}}]),
            ('block-export-add', export, [{'return': {}}]),
            ('query-block-exports', {}, [{'return': listed}]),
            ('block-export-del', {'id': 'e'}, [deleted, {'return': {}}]),
            ('query-block-exports', {}, [{'return': []}]),
            ('block-export-add', export, [{'return': {}}]),
            ('quit', {}, [deleted, {'return': {}}]),
        ]
        for name, arguments, expected in script:
            stream.write(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
            stream.flush()
            for answer in expected:
                got = json.loads(stream.readline())
                got.pop('timestamp', None)
                if name == 'query-block-exports':
                    # There is more, which QEMU does not tell.
                    got['return'] = [{key: export[key] for key in listed[0]}
                                     for export in got['return']]
                self.assertEqual(got, answer, name)


class Hotplug(FormCase):
    """A second export while the first one is in use, by QMP."""

    def test_second_export_comes_and_goes_on_a_connection_of_its_own(self):
        self.spawn([paths.daemon(), '--chardev',
                    f'socket,id=m,path={self.path("qmp")},server=on,wait=off', '--monitor',
                    'chardev=m', '--blockdev', 'null-co,node-name=a,size=1048576,read-zeroes=on',
                    '--export', 'vhost-user-blk,id=a,node-name=a,addr.type=unix,'
                    f'addr.path={self.path("a")}', '--pidfile', self.path('pid')],
                   stdin=subprocess.DEVNULL)
        until(lambda: os.path.exists(self.path('pid')), 'the export listens')
        first = BlkDriver(self.path('a'))
        self.addCleanup(first.close)
        qmp = Qmp(self.path('qmp'))
        self.addCleanup(qmp.close)
        for _ in range(3):
            qmp.command('blockdev-add', driver='null-co', node_name='b', size=MIB)
            qmp.command('block-export-add', type='vhost-user-blk', id='b', node_name='b',
                        addr={'type': 'unix', 'path': self.path('b')})
            second = BlkDriver(self.path('b'))
            second.read(0, 512)
            self.assertEqual(first.read(0, 512), bytes(512))
            second.close()
            qmp.command('block-export-del', id='b', mode='hard')
            qmp.wait_event('BLOCK_EXPORT_DELETED', id='b')
            qmp.command('blockdev-del', node_name='b')


if __name__ == '__main__':
    unittest.main()
