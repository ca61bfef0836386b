# SPDX-License-Identifier: GPL-2.0-or-later
"""What is neither a file nor a disk is refused by name, and nothing waits for it."""

import os
import socket
import subprocess
import sys
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.qmp import QmpError
from support.waiting import TIMEOUT


class Kinds(unittest.TestCase):
    """Of files."""

    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)

    def refused(self, driver, path, **options):
        """With the reason that the driver gives; the daemon goes on."""
        wanted = {'file': 'a regular file',
                  'host_device': 'either a character or block device'}[driver]
        for read_only in ({}, {'read_only': True}, {'auto_read_only': True}):
            with self.subTest(driver=driver, path=path, **read_only), \
                    self.assertRaises(QmpError) as caught:
                self.daemon.qmp.command('blockdev-add', node_name='d', driver=driver,
                                        filename=path, **read_only, **options)
            self.assertEqual(caught.exception.description,
                             f"'{driver}' driver requires '{path}' to be {wanted}")
        self.assertEqual(self.daemon.qmp.command('query-named-block-nodes'), [])

    def test_a_fifo_is_refused(self):
        path = self.daemon.path('fifo')
        os.mkfifo(path)
        self.refused('file', path)
        self.refused('host_device', path)
        self.refused('file', path, cache={'direct': True})

    def test_a_link_to_a_fifo_is_refused(self):
        os.mkfifo(self.daemon.path('fifo'))
        path = self.daemon.path('link')
        os.symlink('fifo', path)
        self.refused('file', path)

    def test_a_socket_is_refused(self):
        path = self.daemon.path('socket')
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        self.refused('file', path)
        self.refused('host_device', path)

    def test_a_folder_is_refused(self):
        self.refused('file', self.daemon.folder)
        self.refused('host_device', self.daemon.folder)

    def test_a_character_device_is_no_file(self):
        for path in ('/dev/null', '/dev/zero', '/dev/tty'):
            self.refused('file', path)

    def test_a_regular_file_is_no_device(self):
        self.refused('host_device', Image(self.daemon.path('disk'), MIB).path)

    def test_a_file_that_has_been_opened_waits_again(self):
        path = Image(self.daemon.path('disk'), MIB).path
        self.daemon.qmp.command('blockdev-add', node_name='d', driver='file', filename=path)
        folder = f'/proc/{self.daemon.pid}/fd'
        flags = []
        for number in os.listdir(folder):
            if os.readlink(os.path.join(folder, number)) == path:
                with open(f'/proc/{self.daemon.pid}/fdinfo/{number}', encoding='ascii') as info:
                    flags += [int(line.split()[1], 8) for line in info if line.startswith('flags')]
        self.assertEqual([number & os.O_NONBLOCK for number in flags], [0])

    def test_a_leased_file_is_opened_when_its_holder_lets_go(self):
        path = Image(self.daemon.path('disk'), MIB).path
        with open(path, 'rb') as holder:
            # The holder hears of the daemon by SIGIO, which is ignored; its end gives the lease up.
            code = ('import fcntl, os, signal\n'
                    'signal.signal(signal.SIGIO, lambda *_: os._exit(0))\n'
                    'fcntl.fcntl(0, fcntl.F_SETLEASE, fcntl.F_RDLCK)\n'
                    'print("leased", flush=True)\n'
                    'signal.pause()\n')
            with subprocess.Popen([sys.executable, '-c', code], stdin=holder,
                                  stdout=subprocess.PIPE, text=True) as process:
                self.addCleanup(process.kill)
                self.assertEqual(process.stdout.readline(), 'leased\n')
                holder.close()
                self.daemon.qmp.command('blockdev-add', node_name='d', driver='file',
                                        filename=path)
                self.assertEqual(process.wait(TIMEOUT), 0)

    def test_a_fifo_on_the_command_line_ends_the_program_with_a_reason(self):
        path = self.daemon.path('fifo')
        os.mkfifo(path)
        argument = f'file,node-name=d,read-only=on,filename={path}'
        done = subprocess.run([paths.daemon(), '--blockdev', argument], capture_output=True,
                              text=True, check=False, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"qemu-storage-daemon: --blockdev {argument}: 'file' driver "
                                      f"requires '{path}' to be a regular file\n")


if __name__ == '__main__':
    unittest.main()
