# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a guest's first file system: a cpio archive of busybox, modules and our test program."""

import hashlib
import os
import re
import shutil
import stat
import subprocess

from . import paths

MODULES = ['virtio_pci', 'virtio_blk', 'virtio_mmio', 'virtio_console', 'virtio-rng']
TOOLS = {'/sbin/mke2fs': 'sbin/mkfs.ext4', '/sbin/e2fsck': 'sbin/fsck.ext4'}


class Archive:
    """A cpio archive in the "newc" form, written in memory."""

    def __init__(self):
        self._parts = []
        self._seen = set()
        self._inode = 0

    def _entry(self, name, mode, data=b''):
        self._inode += 1
        encoded = name.encode() + b'\0'
        numbers = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        header = b'070701' + b''.join(b'%08x' % number for number in numbers)
        for part in (header + encoded, data):
            self._parts.append(part + b'\0' * (-len(part) % 4))

    def folder(self, name):
        """Adds a folder and the folders above it."""
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        if name not in self._seen:
            self._seen.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        """Adds a file."""
        self.folder(os.path.dirname(name))
        if name not in self._seen:
            self._seen.add(name)
            self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, path, name=None):
        """Adds the host's file @path, at the same place if no @name is given."""
        with open(path, 'rb') as file:
            self.file(name or path.lstrip('/'), file.read())

    def program(self, path, name):
        """Adds a program of the host as @name, with its shared libraries."""
        self.copy(path, name)
        listed = subprocess.run(['ldd', path], stdout=subprocess.PIPE, text=True, check=True)
        for library in re.findall(r'(/\S+) \(0x', listed.stdout):
            self.copy(library)

    def bytes(self):
        """The finished archive."""
        self._entry('TRAILER!!!', 0)
        return b''.join(self._parts)


def _compile(source, target):
    subprocess.run(['gcc', '-O2', '-Wall', '-static', '-pthread', '-o', target, source], check=True)


def _fill(archive, kernel, program):
    archive.copy(shutil.which('busybox'), 'bin/busybox')
    archive.folder('sbin')
    for script in ('init', 'demo'):
        archive.copy(os.path.join(paths.GUEST_SOURCES, script), script)
    for folder in ('proc', 'sys', 'dev', 'tmp', 'mnt', 'etc'):
        archive.folder(folder)
    archive.copy(program, 'bin/blkio')
    for path, name in TOOLS.items():
        archive.program(path, name)
    if os.path.exists('/etc/mke2fs.conf'):
        archive.copy('/etc/mke2fs.conf')
    modules = kernel.with_dependencies(MODULES)
    for module in modules:
        archive.copy(module, 'modules/' + os.path.basename(module))
    order = ''.join(os.path.basename(module) + '\n' for module in modules)
    archive.file('modules/order', order.encode())


def _fingerprint(kernel):
    digest = hashlib.sha256(kernel.modules.encode())
    sources = [os.path.join(paths.GUEST_SOURCES, name)
               for name in sorted(os.listdir(paths.GUEST_SOURCES))]
    for path in sources + [__file__]:
        with open(path, 'rb') as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def make(kernel):
    """The initrd for @kernel; made anew only when what goes into it has changed."""
    path = os.path.join(paths.cache(), f'initrd-{kernel.name}-{_fingerprint(kernel)}')
    with paths.cache_lock():
        if not os.path.exists(path):
            program = os.path.join(paths.cache(), 'blkio')
            _compile(os.path.join(paths.GUEST_SOURCES, 'blkio.c'), program)
            archive = Archive()
            _fill(archive, kernel, program)
            with open(path + '.new', 'wb') as file:
                file.write(archive.bytes())
            os.rename(path + '.new', path)
    return path
