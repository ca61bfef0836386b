#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A FUSE file system that misbehaves as it is told, spoken straight to /dev/fuse.

    fuse_server.py FOLDER MOUNTPOINT [ro] [locks]

mounts the regular files of FOLDER, which may be read and written there meanwhile, for all users.
With `locks` it is asked for locks, and grants all.
It says `{"mounted": true}` or `{"error": ...}` in a line of JSON, and then answers each line of
JSON from its standard input, which changes settings, with one of counters. At the end of the input
it unmounts and ends; what it has not answered then fails with ENOTCONN.

    direct_io    files are opened past the page cache (at first true)
    short_read   a read gives no more bytes than this, 0 too (null: as many as were asked for)
    short_write  the same for a write
    error        {operation: name of an errno}
    delay        {operation: seconds}, which hold up no other operation
    hang         [operation, ...] that get no answer until a later setting takes them off the list

Operations are `lookup`, `getattr`, `setattr`, `open`, `read`, `write`, `statfs`, `flush`,
`release`, `fsync`, `fallocate`, `create`, `unlink`, `access`, `opendir`, `readdir`, `getlk`,
`setlk`.
"""

import ctypes
import errno
import json
import os
import stat
import struct
import sys
import threading

MAX_WRITE = 128 * 1024
ROOT = 1
MS_RDONLY, MS_NOSUID, MS_NODEV, MNT_DETACH = 1, 2, 4, 2
FATTR_MODE, FATTR_SIZE = 1, 8
FOPEN_DIRECT_IO = 1
POSIX_LOCKS, F_UNLCK = 2, 2
INIT, INTERRUPT = 26, 36
NO_REPLY = {2, INTERRUPT, 42}   # FORGET, BATCH_FORGET

LIBC = ctypes.CDLL(None, use_errno=True)


def mount(folder, fd, flags):
    """Raises OSError."""
    options = f'fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other'
    if LIBC.mount(b'misbehaving', os.fsencode(folder), b'fuse', flags, options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Server:
    """Serves one connection."""

    # operation: (name, method)
    OPERATIONS = {1: 'lookup', 3: 'getattr', 4: 'setattr', 10: 'unlink', 14: 'open', 15: 'read',
                  16: 'write', 17: 'statfs', 18: 'release', 20: 'fsync', 25: 'flush',
                  27: 'opendir', 28: 'readdir', 29: 'release', 34: 'access', 35: 'create',
                  31: 'getlk', 32: 'setlk', 33: 'setlk', 43: 'fallocate'}

    def __init__(self, fd, folder, flags):
        self.fd = fd
        self.flags = flags
        self.folder = folder
        self.names = {}             # of nodes
        self.lock = threading.Lock()
        self.held = []              # (operation, request) without an answer
        self.counts = {}
        self.locked = set()         # first bytes of locks
        self.settings = {'direct_io': True, 'short_read': None, 'short_write': None, 'error': {},
                         'delay': {}, 'hang': []}

    def node(self, name):
        """The number of the file of that name."""
        for number, known in self.names.items():
            if known == name:
                return number
        number = ROOT + 1 + len(self.names)
        self.names[number] = name
        return number

    def path(self, node):
        """Where the file is that a node stands for."""
        return self.folder if node == ROOT else os.path.join(self.folder, self.names[node])

    def attr(self, node):
        """struct fuse_attr"""
        st = os.stat(self.path(node))
        return struct.pack('<6Q10I', node, st.st_size, st.st_blocks, int(st.st_atime),
                           int(st.st_mtime), int(st.st_ctime), 0, 0, 0, st.st_mode, st.st_nlink,
                           st.st_uid, st.st_gid, 0, 4096, 0)

    def entry(self, name):
        """struct fuse_entry_out, which is not to be cached"""
        os.stat(os.path.join(self.folder, name))
        node = self.node(name)
        return struct.pack('<4Q2I', node, 0, 0, 0, 0, 0) + self.attr(node)

    def opened(self):
        """struct fuse_open_out"""
        return struct.pack('<Q2I', 0, FOPEN_DIRECT_IO if self.settings['direct_io'] else 0, 0)

    def do_lookup(self, _node, body):
        return self.entry(body.rstrip(b'\0').decode())

    def do_getattr(self, node, _body):
        return struct.pack('<Q2I', 0, 0, 0) + self.attr(node)

    def do_setattr(self, node, body):
        valid, _, _, size = struct.unpack_from('<2I2Q', body)
        if valid & FATTR_SIZE:
            os.truncate(self.path(node), size)
        if valid & FATTR_MODE:
            os.chmod(self.path(node), stat.S_IMODE(struct.unpack_from('<I', body, 68)[0]))
        return self.do_getattr(node, body)

    def do_unlink(self, _node, body):
        os.unlink(os.path.join(self.folder, body.rstrip(b'\0').decode()))
        return b''

    def do_open(self, _node, _body):
        return self.opened()

    def do_opendir(self, _node, _body):
        return struct.pack('<Q2I', 0, 0, 0)

    def do_readdir(self, _node, body):
        _, offset = struct.unpack_from('<2Q', body)
        if offset:
            return b''
        reply = b''
        for i, name in enumerate(sorted(os.listdir(self.folder))):
            raw = name.encode()
            reply += struct.pack('<2Q2I', self.node(name), i + 1, len(raw), 0) + raw
            reply += bytes(-len(raw) % 8)
        return reply

    def do_create(self, _node, body):
        name = body[16:].rstrip(b'\0').decode()
        with open(os.path.join(self.folder, name), 'ab'):
            pass
        return self.entry(name) + self.opened()

    def limit(self, which, size):
        """@size, or less by the setting @which."""
        short = self.settings[which]
        return size if short is None else min(size, short)

    def do_read(self, node, body):
        _, offset, size = struct.unpack_from('<2QI', body)
        with open(self.path(node), 'rb') as file:
            return os.pread(file.fileno(), self.limit('short_read', size), offset)

    def do_write(self, node, body):
        _, offset, size = struct.unpack_from('<2QI', body)
        size = self.limit('short_write', size)
        with open(self.path(node), 'r+b') as file:
            return struct.pack('<2I', os.pwrite(file.fileno(), body[40:40 + size], offset), 0)

    def do_fallocate(self, node, body):
        _, offset, length, mode = struct.unpack_from('<3QI', body)
        with open(self.path(node), 'r+b') as file:
            if LIBC.fallocate(file.fileno(), mode, ctypes.c_int64(offset),
                              ctypes.c_int64(length)):
                raise OSError(ctypes.get_errno(), '')
        return b''

    def do_statfs(self, _node, _body):
        st = os.statvfs(self.folder)
        return struct.pack('<5Q4I6I', st.f_blocks, st.f_bfree, st.f_bavail, st.f_files, st.f_ffree,
                           4096, 255, 4096, 0, *[0] * 6)

    def do_nothing(self, _node, _body):
        return b''

    def do_getlk(self, _node, body):
        start, end = struct.unpack_from('<2Q', body, 16)
        return struct.pack('<2Q2I', start, end, F_UNLCK, 0)

    def do_setlk(self, _node, body):
        start, _, kind = struct.unpack_from('<2QI', body, 16)
        (self.locked.discard if kind == F_UNLCK else self.locked.add)(start)
        return b''

    do_release = do_fsync = do_flush = do_access = do_nothing

    def reply(self, unique, data=b'', error=0):
        """Of an operation that was interrupted nobody wants to know."""
        try:
            os.write(self.fd, struct.pack('<IiQ', 16 + len(data), -error, unique) + data)
        except OSError as err:
            if err.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def answer(self, name, request):
        """Does what is asked for."""
        unique, node = struct.unpack_from('<2Q', request, 8)
        try:
            if name is None:
                raise OSError(errno.ENOSYS, '')
            if name in self.settings['error']:
                raise OSError(getattr(errno, self.settings['error'][name]), '')
            self.reply(unique, getattr(self, 'do_' + name)(node, request[40:]))
        except OSError as err:
            self.reply(unique, error=err.errno)

    def start(self, name, request):
        """Answers now, or later, or not yet."""
        with self.lock:
            if name in self.settings['hang']:
                self.held.append((name, request))
                return
            delay = self.settings['delay'].get(name)
        if delay:
            threading.Timer(delay, self.answer, (name, request)).start()
        else:
            self.answer(name, request)

    def serve(self):
        """Until it is unmounted."""
        while True:
            try:
                request = os.read(self.fd, MAX_WRITE + 4096)
            except OSError as err:
                if err.errno in (errno.ENOENT, errno.EINTR):
                    continue
                return
            opcode, unique = struct.unpack_from('<IQ', request, 4)
            if opcode == INIT:
                self.reply(unique, struct.pack('<4I2H2I2H8I', 7, 31, 0, self.flags, 16, 12,
                                               MAX_WRITE, 1, 0, 0, *[0] * 8))
            elif opcode not in NO_REPLY:
                name = self.OPERATIONS.get(opcode)
                self.counts[name] = self.counts.get(name, 0) + 1
                self.start(name, request)

    def change(self, settings):
        """What hung and is not to hang any longer is answered."""
        with self.lock:
            self.settings.update(settings)
            held, self.held = self.held, []
        for name, request in held:
            self.start(name, request)
        counts = {str(name): count for name, count in self.counts.items()}
        return {'counts': counts, 'held': [name for name, _ in self.held],
                'locked': sorted(self.locked)}


def say(value):
    """A line of JSON."""
    print(json.dumps(value), flush=True)


def main():
    folder, mountpoint = sys.argv[1:3]
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if 'ro' in sys.argv[3:] else 0)
    try:
        fd = os.open('/dev/fuse', os.O_RDWR | os.O_CLOEXEC)
        mount(mountpoint, fd, flags)
    except OSError as err:
        say({'error': f'no FUSE file system can be mounted: {err}'})
        return
    server = Server(fd, folder, POSIX_LOCKS if 'locks' in sys.argv[3:] else 0)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        say({'mounted': True})
        for line in sys.stdin:
            say(server.change(json.loads(line)))
    finally:
        LIBC.umount2(os.fsencode(mountpoint), MNT_DETACH)
        os._exit(0)     # no thread is waited for; the connection ends with the descriptor


if __name__ == '__main__':
    main()
