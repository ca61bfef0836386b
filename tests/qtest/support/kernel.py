# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux kernels for the guests: Debian's cloud kernel for QEMU, User-Mode Linux for itself."""

import glob
import os
import re
import struct
import subprocess
import sys
import unittest

from . import paths


class Kernel:
    """An image to start and the folder of its modules."""

    def __init__(self, name, image, modules):
        self.name = name
        self.image = image
        self.modules = modules

    def module(self, name):
        """The file of module @name, or None (it is built in)."""
        found = glob.glob(f'{self.modules}/kernel/**/{name}.ko', recursive=True)
        return found[0] if found else None

    def with_dependencies(self, names):
        """Files of the modules @names and of all that they need, each after what it needs."""
        ordered = []

        def add(name):
            path = self.module(name)
            if path is None or path in ordered:
                return
            for needed in module_dependencies(path):
                add(needed)
            ordered.append(path)

        for name in names:
            add(name)
        return ordered


def module_dependencies(path):
    """What the module itself says it needs (.modinfo: depends=a,b)."""
    with open(path, 'rb') as file:
        found = re.search(rb'\0depends=([^\0]*)\0', file.read())
    names = found[1].decode() if found else ''
    return [name for name in names.split(',') if name]


def extract_vmlinux(bzimage, target):
    """Takes the ELF kernel out of a bzImage whose payload is lz4: QEMU starts it by PVH."""
    with open(bzimage, 'rb') as file:
        image = file.read()
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from('<II', image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length - 4]       # the last four bytes are the unpacked size
    plain = subprocess.run(['lz4', '-d', '-c'], input=payload, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, check=True).stdout
    if plain[:4] != b'\x7fELF':
        raise ValueError(f'{bzimage}: the payload is no ELF file')
    with open(target + '.new', 'wb') as file:
        file.write(plain)
    os.rename(target + '.new', target)


def cloud():
    """Debian's cloud kernel, downloaded and unpacked at the first call."""
    folder = paths.cache()
    image = os.path.join(folder, 'vmlinux')
    with paths.cache_lock():
        subprocess.run([os.path.join(paths.TOP, 'scripts/guest-kernel.sh'), folder], check=True,
                       stdout=sys.stderr)
        if not os.path.exists(image):
            extract_vmlinux(glob.glob(f'{folder}/kernel/boot/vmlinuz-*')[0], image)
    return Kernel('cloud', image, glob.glob(f'{folder}/kernel/lib/modules/*')[0])


def uml_program():
    """User-Mode Linux's own, unless QTEST_UML names another."""
    return os.environ.get('QTEST_UML') or '/usr/bin/linux.uml'


def user_mode():
    """The installed User-Mode Linux."""
    modules = glob.glob('/usr/lib/uml/modules/*')
    if not os.path.exists(uml_program()) or not modules:
        raise unittest.SkipTest('package user-mode-linux is not installed')
    return Kernel('uml', uml_program(), modules[0])
