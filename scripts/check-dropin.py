#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the drop-in set needs nothing that a QEMU 10.2 tree does not have.

The set (docs/devel/architecture.md) is compiled as QEMU would, without
CONFIG_DEVICE_BACKENDS; then its #includes and the symbols that its objects
leave undefined are compared with scripts/dropin-names.txt.

usage: check-dropin.py [BUILD-FOLDER]   (for generated headers; default build)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SET = ['util/vhost-user-server.c', 'util/vhost-user-server-budget.c',
       'util/vhost-user-server-channel.c', 'util/vhost-user-server-log.c',
       'util/vhost-user-server-queue.c', 'util/vhost-user-server-transfer.c',
       'block/export/vhost-user-blk-options.c', 'block/export/vhost-user-blk-queue.c',
       'block/export/vhost-user-blk-server.c', 'block/export/virtio-blk-handler.c']
HEADERS = ['include/qemu/vhost-user-server.h', 'util/vhost-user-server-private.h',
           'block/export/vhost-user-blk-options.h', 'block/export/vhost-user-blk-queue.h',
           'block/export/vhost-user-blk-server.h',
           'block/export/virtio-blk-handler.h']
# What looks like a part of the set, but is only ours.
OURS = ['block/export/vhost-user-blk-query.c', 'block/export/vhost-user-blk-query.h']
PLACES = ['include/qemu/vhost-user-server*.h', 'util/vhost-user-server*',
          'block/export/vhost-user-blk-*', 'block/export/virtio-blk-handler*']
# The warnings that QEMU is compiled with, as errors, but for those that are about headers not of the set.
WARNINGS = ['-Wall', '-Werror', '-Wempty-body', '-Wendif-labels', '-Wexpansion-to-defined',
            '-Wformat-security', '-Wformat-y2k', '-Wignored-qualifiers', '-Wimplicit-fallthrough=2',
            '-Winit-self', '-Wmissing-format-attribute', '-Wmissing-prototypes', '-Wnested-externs',
            '-Wold-style-definition', '-Wshadow=local', '-Wstrict-prototypes',
            '-Wtype-limits', '-Wundef', '-Wvla', '-Wwrite-strings',
            '-Wno-unknown-warning-option', '-Wno-ignored-attributes']
CC = os.environ.get('CC', 'gcc')


def names():
    """The two lists of dropin-names.txt: headers and symbols."""
    lists = {'headers': set(), 'symbols': set()}
    current = None
    for line in pathlib.Path('scripts/dropin-names.txt').read_text(encoding='utf-8').splitlines():
        line = line.split('#')[0].strip()
        if line.startswith('[') and line.endswith(']'):
            current = lists[line[1:-1]]
        elif line:
            current.add(line)
    return lists


def check_includes(path, allowed, complaints):
    text = pathlib.Path(path).read_text(encoding='utf-8')
    text = re.sub(r'#ifdef CONFIG_DEVICE_BACKENDS\n.*?#(?:else|endif)', '', text, flags=re.S)
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
        if name not in allowed:
            complaints.append(f'{path}: "{name}" is no header of a QEMU tree')


def check_list(complaints):
    """The set is all that lies at its places; docs/devel/compatibility.md names it, and nothing else."""
    found = {path.as_posix() for place in PLACES for top in pathlib.Path('.').glob(place)
             for path in [top, *top.rglob('*')] if path.is_file()}
    for name in sorted(found - set(SET + HEADERS + OURS)):
        complaints.append(f'{name}: of the drop-in set, or OURS? scripts/check-dropin.py does not say')
    for name in sorted(set(SET + HEADERS + OURS) - found):
        complaints.append(f'{name}: scripts/check-dropin.py names it, but there is no such file')
    text = pathlib.Path('docs/devel/compatibility.md').read_text(encoding='utf-8')
    text = text[text.index('## The drop-in set'):]
    listed = set(re.findall(r'^    (\S+\.[ch])$', text, re.M))
    for name in sorted(listed ^ set(SET + HEADERS)):
        complaints.append(f'docs/devel/compatibility.md and scripts/check-dropin.py: {name} is only in one')


def undefined(path, build, folder):
    """Symbols that the object of @path leaves undefined."""
    packages = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], capture_output=True,
                              text=True, check=True).stdout.split()
    obj = os.path.join(folder, os.path.basename(path) + '.o')
    subprocess.run([CC, '-c', '-O2', '-std=gnu11', *WARNINGS, '-D_GNU_SOURCE',
                    '-D_FILE_OFFSET_BITS=64', '-I', 'include', '-I', '.', '-I', build,
                    '-I', 'subprojects/libvhost-user', *packages, '-o', obj, path], check=True)
    out = subprocess.run(['nm', '-u', obj], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split('@')[0] for line in out.splitlines()}


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build'
    allowed = names()
    complaints = []
    check_list(complaints)
    for path in SET + HEADERS:
        check_includes(path, allowed['headers'], complaints)
    with tempfile.TemporaryDirectory() as folder:
        for path in SET:
            for symbol in sorted(undefined(path, build, folder)):
                if symbol not in allowed['symbols'] and not symbol.startswith(
                        ('_GLOBAL_OFFSET_TABLE_', 'vu_', 'vhost_user_server_', 'virtio_blk_', 'g_', '__')):
                    complaints.append(f'{path}: {symbol} is no symbol of a QEMU tree')
    print('\n'.join(complaints) if complaints else 'the drop-in set uses only names of a QEMU tree')
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
