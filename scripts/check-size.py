#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure files and functions against the sizes of docs/devel/style.md.

Fails on a function over 80 lines, a file over 800 lines, a function with
more than 6 parameters, or a 90th percentile of function lengths over 45.
With --report it also lists what is past the aims.
"""
import re
import statistics
import subprocess
import sys

MAX_FUNCTION, AIM_P90, MAX_FILE, ALARM_FILE, MAX_PARAMETERS = 80, 45, 800, 600, 6
# Signatures that are not ours to choose (QEMU's public ones).
FOREIGN = {'qemu_chr_fe_set_handlers', 'object_property_try_add', 'object_property_add',
           'object_class_property_add', 'aio_set_fd_handler', 'vu_init', 'qio_channel_socket_connect_async',
           'qio_channel_socket_listen_async', 'qio_channel_readv_full', 'qio_channel_writev_full',
           'qio_channel_set_aio_fd_handler', 'iov_send_recv', 'throttle_timers_init',
           'qio_channel_readv_full_all_eof', 'qio_channel_writev_full_all',
           'error_set_internal', 'error_setg_errno_internal', 'qemu_iovec_init_extended',
           'timer_init_full', 'aio_timer_init_with_attrs', 'qio_channel_socket_dgram_async', 'qio_channel_util_set_aio_fd_handler'}
# The transfer methods of a QIOChannelClass.
FOREIGN_METHOD = re.compile(r'\w+_(readv|writev)')

NAME = re.compile(r'([A-Za-z_]\w*)\s*\(([^;{}]*)\)[^(){};]*$', re.S)


def functions(lines):
    """Yield (name, parameters, first line, lines) of each function in K&R layout."""
    start = None
    for number, line in enumerate(lines):
        if line.startswith('{'):
            start = number
        elif line.startswith('}') and start is not None:
            head = start
            while head > 0 and lines[head - 1].strip() and lines[head - 1][0] not in '#/}' \
                    and not lines[head - 1].startswith(' *'):
                head -= 1
            signature = NAME.search(' '.join(lines[head:start]))
            if signature:
                yield (signature.group(1), parameters(signature.group(2)), head + 1,
                       number - start + 1)
            start = None


def parameters(text):
    text = re.sub(r'\([^()]*\)', '', text).strip()
    return 0 if text in ('', 'void') else text.count(',') + 1


def judge(path, lines, lengths, errors, notes):
    if len(lines) > MAX_FILE:
        errors.append(f'{path}: {len(lines)} lines; the limit is {MAX_FILE}')
    elif len(lines) > ALARM_FILE:
        notes.append(f'{path}: {len(lines)} lines')
    for name, count, line, length in functions(lines):
        lengths.append(length)
        if length > MAX_FUNCTION:
            errors.append(f'{path}:{line}: {name}() has {length} lines; the limit is {MAX_FUNCTION}')
        elif length > AIM_P90:
            notes.append(f'{path}:{line}: {name}() has {length} lines')
        if count > MAX_PARAMETERS and name not in FOREIGN \
                and not FOREIGN_METHOD.fullmatch(name):
            errors.append(f'{path}:{line}: {name}() has {count} parameters; pass a struct')


def main():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.c', '*.h', '*.py'],
                            capture_output=True, text=True, check=True).stdout.split()
    lengths, errors, notes = [], [], []
    for path in listed:
        with open(path, encoding='utf-8', errors='replace') as source:
            lines = source.read().splitlines()
        if path.endswith('.py'):
            if len(lines) > MAX_FILE:
                errors.append(f'{path}: {len(lines)} lines; the limit is {MAX_FILE}')
            continue
        judge(path, lines, lengths, errors, notes)
    lengths.sort()
    if lengths:
        p90 = lengths[int(len(lengths) * 0.9)]
        print(f'{len(lengths)} functions: median {statistics.median(lengths):.0f} lines, p90 {p90}, '
              f'longest {lengths[-1]}; {len(listed)} files')
        if p90 > AIM_P90:
            errors.append(f'the 90th percentile of function lengths is {p90}; the aim is {AIM_P90}')
    if '--report' in sys.argv[1:]:
        print('\n'.join(notes))
    if errors:
        print('\n'.join(errors))
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
