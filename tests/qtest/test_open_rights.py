# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file, its mount, its device and its descriptor allow is asked of them."""

import array
import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.fuse import FuseMount
from support.image import MIB, Image, pattern
from support.qmp import QmpError
from support.virtio_blk import BlkDriver

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL, FS_APPEND_FL = 0x80086601, 0x40086602, 16, 32
LOOP_SET_FD, LOOP_CLR_FD, LOOP_CTL_GET_FREE = 0x4c00, 0x4c01, 0x4c82
FILTERS = {
    'raw': {'driver': 'raw', 'file': 'd'},
    'throttle': {'driver': 'throttle', 'throttle-group': 't', 'file': 'd'},
    'blkdebug': {'driver': 'blkdebug', 'image': 'd'},
}


class Rights(unittest.TestCase):
    """Of an image of one mebibyte that somebody does not want to be written to."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=paths.cache())
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = Image(os.path.join(self.folder, 'disk'), MIB)
        self.image.write(0, pattern(0, MIB, 1))
        self.expected = pattern(4096, 4096, 1)    # at 4096
        self.daemon = None

    def start(self, **process):
        """The daemon."""
        self.daemon = Daemon('--object', 'throttle-group,id=t', **process)
        self.addCleanup(self.daemon.close)

    def fails(self, command, **arguments):
        """Returns the description of the error."""
        with self.assertRaises(QmpError) as caught:
            self.daemon.qmp.command(command, **arguments)
        return caught.exception.description

    def export(self, node, writable):
        """Its arguments."""
        return {'type': 'vhost-user-blk', 'id': 'e', 'node_name': node, 'writable': writable,
                'addr': {'type': 'unix', 'path': self.daemon.path('sock')}}

    def serves_reads(self, node):
        """Through an export that is not writable."""
        self.daemon.qmp.command('block-export-add', **self.export(node, False))
        driver = BlkDriver(self.daemon.path('sock'))
        self.assertEqual(driver.read(8, 4096), self.expected)
        driver.close()
        self.daemon.qmp.command('block-export-del', id='e', mode='hard')

    def check(self, path, reason, driver='file'):
        """It cannot be written to, and @reason is told whoever wants to."""
        if not self.daemon:
            self.start()
        qmp = self.daemon.qmp
        file = {'driver': driver, 'filename': path}
        reason = f"Could not open '{path}': {reason}"
        self.assertEqual(self.fails('blockdev-add', node_name='d', **file), reason)
        qmp.command('blockdev-add', node_name='d', auto_read_only=True, **file)
        self.assertEqual(self.fails('block-export-add', **self.export('d', True)),
                         f'Cannot export read-only node as writable: {reason}')
        self.serves_reads('d')
        for name, options in FILTERS.items():
            with self.subTest(name):
                qmp.command('blockdev-add', node_name=name, auto_read_only=True, **options)
                self.assertEqual(self.fails('block-export-add', **self.export(name, True)),
                                 f'Cannot export read-only node as writable: {reason}')
                self.serves_reads(name)
                qmp.command('blockdev-del', node_name=name)
        qmp.command('blockdev-del', node_name='d')
        qmp.command('blockdev-add', node_name='d', read_only=True, **file)
        self.assertEqual(self.fails('block-export-add', **self.export('d', True)),
                         'Cannot export read-only node as writable')
        qmp.command('blockdev-del', node_name='d')

    def test_a_read_only_mount(self):
        fuse = FuseMount(read_only=True)
        self.addCleanup(fuse.close)
        self.check(fuse.add('disk', pattern(0, MIB, 1)), 'Read-only file system')

    def test_a_running_executable(self):
        sleep = os.path.join(self.folder, 'sleep')
        shutil.copy(shutil.which('sleep'), sleep)
        with open(sleep, 'rb') as file:
            self.expected = file.read()[4096:8192]
        process = subprocess.Popen([sleep, '1000000'])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.check(sleep, 'Text file busy')

    def attribute(self, flag):
        """Sets an attribute of the file until the test has ended."""
        def change(mask, on):
            with open(self.image.path, 'rb') as file:
                flags = array.array('l', [0])
                fcntl.ioctl(file, FS_IOC_GETFLAGS, flags)
                flags[0] = flags[0] | mask if on else flags[0] & ~mask
                fcntl.ioctl(file, FS_IOC_SETFLAGS, flags)
        try:
            change(flag, True)
        except OSError as err:
            self.skipTest(f'no attributes of files here: {err}')
        self.addCleanup(change, flag, False)

    def test_an_immutable_file(self):
        self.attribute(FS_IMMUTABLE_FL)
        self.check(self.image.path, 'Operation not permitted')

    def test_a_file_that_is_only_appended_to(self):
        self.attribute(FS_APPEND_FL)
        self.check(self.image.path, 'Operation not permitted')

    def test_a_device_that_is_read_only(self):
        with contextlib.ExitStack() as stack:
            try:
                control = os.open('/dev/loop-control', os.O_RDWR)
                stack.callback(os.close, control)
                path = f'/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}'
                device = os.open(path, os.O_RDWR)
                stack.callback(os.close, device)
                with open(self.image.path, 'rb') as file:
                    fcntl.ioctl(device, LOOP_SET_FD, file.fileno())
            except OSError as err:
                self.skipTest(f'no loop device can be had: {err}')
            stack.callback(fcntl.ioctl, device, LOOP_CLR_FD)
            self.start()
            said = self.fails('blockdev-add', node_name='d', driver='host_device', filename=path)
            # Some kernels say it themselves.
            self.check(path, said.removeprefix(f"Could not open '{path}': "), 'host_device')
            self.assertIn(said, [f"Could not open '{path}': {why}" for why in (
                'the device is read-only', os.strerror(errno.EACCES), os.strerror(errno.EROFS))])
            self.daemon.close()

    def descriptor(self, fd, reason):
        """As check(), of one that the daemon inherits."""
        self.addCleanup(os.close, fd)
        self.start(pass_fds=(fd,))
        self.check(f'/dev/fd/{fd}', reason.format(fd))

    def test_a_descriptor_that_may_only_read(self):
        self.descriptor(os.open(self.image.path, os.O_RDONLY),
                        'descriptor {} is not open for writing: Permission denied')

    def test_a_descriptor_that_may_only_append(self):
        self.descriptor(os.open(self.image.path, os.O_RDWR | os.O_APPEND),
                        'descriptor {} is not open for writing elsewhere than at the end: '
                        'Permission denied')

    def test_a_descriptor_that_may_only_write(self):
        fd = os.open(self.image.path, os.O_WRONLY)
        self.addCleanup(os.close, fd)
        self.start(pass_fds=(fd,))
        for options in ({}, {'auto_read_only': True}, {'read_only': True}):
            self.assertEqual(
                self.fails('blockdev-add', node_name='d', driver='file', filename=f'/dev/fd/{fd}',
                           **options),
                f"Could not open '/dev/fd/{fd}': descriptor {fd} is not open for reading: "
                'Permission denied')

    def test_a_descriptor_that_is_a_place_is_opened(self):
        fd = os.open(self.image.path, os.O_PATH)
        self.addCleanup(os.close, fd)
        self.start(pass_fds=(fd,))
        self.daemon.qmp.command('blockdev-add', node_name='d', driver='file',
                                filename=f'/proc/self/fd/{fd}')
        self.daemon.qmp.command('block-export-add', **self.export('d', True))
        driver = BlkDriver(self.daemon.path('sock'))
        driver.write(0, bytes(512))
        self.assertEqual(self.image.read(0, 1024), bytes(512) + pattern(512, 512, 1))
        driver.close()

    def test_a_sealed_memory_file(self):
        fd = os.memfd_create('disk', os.MFD_ALLOW_SEALING)
        os.write(fd, pattern(0, MIB, 1))
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        self.descriptor(fd, 'the file is sealed against writes')

    def test_a_missing_file_is_missing(self):
        self.start()
        for options in ({}, {'auto_read_only': True}, {'read_only': True}):
            self.assertEqual(self.fails('blockdev-add', node_name='d', driver='file',
                                        filename='/nonexistent/disk', **options),
                             "Could not open '/nonexistent/disk': No such file or directory")


if __name__ == '__main__':
    unittest.main()
