#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compile every header alone (after osdep.h), so that it includes what it uses.

usage: check-headers.py [BUILD-FOLDER]   (for generated headers; default build)
"""
import concurrent.futures
import os
import subprocess
import sys

CC = os.environ.get('CC', 'gcc')


def flags(build):
    packages = ['glib-2.0', 'json-c', 'liburing']
    found = subprocess.run(['pkg-config', '--cflags', *packages],
                           capture_output=True, text=True, check=True).stdout.split()
    return ['-std=gnu11', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', '-DCONFIG_DEVICE_BACKENDS=1',
            '-Wall', '-Werror', '-Wno-unused-function', '-Wno-unused-variable', '-fsyntax-only',
            '-I', 'include', '-I', '.', '-I', f'{build}/include', '-I', build,
            '-I', 'subprojects/libvhost-user', *found]


def alone(header, args):
    name = header[len('include/'):] if header.startswith('include/') else header
    first = '' if header.startswith('subprojects/') else '#include "qemu/osdep.h"\n'
    # Twice: a header also guards itself.
    source = f'{first}#include "{name}"\n#include "{name}"\n'
    done = subprocess.run([CC, '-x', 'c', *args, '-I', os.path.dirname(header) or '.', '-'],
                          input=source, capture_output=True, text=True, check=False)
    return header, done.returncode, done.stderr


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build'
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.h'],
                            capture_output=True, text=True, check=True).stdout.split()
    # trace.h of a folder is only for that folder's files
    headers = [h for h in listed if not h.startswith('tests/') and os.path.basename(h) != 'trace.h']
    args = flags(build)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, status, text in pool.map(lambda h: alone(h, args), headers):
            if status:
                bad += 1
                print(f'{header} does not compile alone:\n{text}')
    print(f'{len(headers)} headers, {bad} do not compile alone')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
