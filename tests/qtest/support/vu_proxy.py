# SPDX-License-Identifier: GPL-2.0-or-later
"""A man in the middle of a vhost-user connection, who may change what the front-end says."""

import array
import os
import select
import socket
import struct
import threading

from .vhost_user import HEADER, MAX_DESCRIPTORS, Feature, Request


class Stream:
    """One end, message by message."""

    def __init__(self, stream):
        self.socket = stream

    def _exactly(self, size, descriptors):
        """So many bytes; what came beside them is appended to @descriptors."""
        data = b''
        while len(data) < size:
            part, ancillary, _, _ = self.socket.recvmsg(
                size - len(data), socket.CMSG_SPACE(4 * MAX_DESCRIPTORS), socket.MSG_CMSG_CLOEXEC)
            for _, _, content in ancillary:
                descriptors += array.array('i', content[:len(content) // 4 * 4])
            if not part:
                raise ConnectionResetError('the end of the stream')
            data += part
        return data

    def receive(self):
        """The next message: request, flags, payload, descriptors."""
        descriptors = []
        request, flags, size = HEADER.unpack(self._exactly(HEADER.size, descriptors))
        return request, flags, self._exactly(size, descriptors), descriptors

    def send(self, request, flags, payload, descriptors=()):
        """Sends one message and lets the descriptors go."""
        data = HEADER.pack(request, flags, len(payload)) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', descriptors))]
        sent = self.socket.sendmsg([data], rights if descriptors else [])
        self.socket.sendall(data[sent:])
        for descriptor in descriptors:
            os.close(descriptor)


class Proxy(threading.Thread):
    """Listens on @path and serves one front-end with the back-end on @target.

    @change: called with each message of the front-end; returns the request, flags and payload to
    pass on instead.
    """

    def __init__(self, path, target, change):
        super().__init__(daemon=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._target = target
        self._change = change
        self.start()

    def run(self):
        front, _ = self._listener.accept()
        with front, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as back:
            back.connect(self._target)
            try:
                self._serve(Stream(front), Stream(back))
            except OSError:
                pass            # one of them has gone

    def _serve(self, front, back):
        while True:
            ready, _, _ = select.select([front.socket, back.socket], [], [])
            if front.socket in ready:
                *message, descriptors = front.receive()
                back.send(*self._change(*message), descriptors)
            if back.socket in ready:
                front.send(*back.receive())

    def close(self):
        """Nobody can connect any more."""
        self._listener.close()


def without_logged_buffers(request, flags, payload):
    """A change for Proxy: the back-end is never told that it is to log what it writes into buffers.

    It still logs its rings, by the flag of their addresses: a guest that finds old ones crashes.
    """
    if request == Request.SET_FEATURES:
        features, = struct.unpack('<Q', payload)
        payload = struct.pack('<Q', features & ~(1 << Feature.LOG_ALL))
    return request, flags, payload
