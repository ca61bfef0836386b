# SPDX-License-Identifier: GPL-2.0-or-later
"""The front-end's side of the vhost-user wire, every byte of which a test may choose."""

import array
import enum
import select
import socket
import struct

from .waiting import TIMEOUT

VERSION, REPLY, NEED_REPLY = 1, 4, 8
NO_DESCRIPTOR = 1 << 8
HEADER = struct.Struct('<III')
MAX_DESCRIPTORS = 64


class Request(enum.IntEnum):
    """Messages of the front-end."""
    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SET_BACKEND_REQ_FD = 21
    GET_CONFIG = 24
    SET_CONFIG = 25
    RESET_DEVICE = 34
    VRING_KICK = 35
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38
    SET_STATUS = 39
    GET_STATUS = 40


class Feature:
    """Virtio feature bits."""
    RO, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ = 5, 6, 9, 10, 11, 12
    DISCARD, WRITE_ZEROES = 13, 14
    LOG_ALL, INDIRECT, EVENT_IDX, PROTOCOL_FEATURES, VERSION_1 = 26, 28, 29, 30, 32
    ACCESS_PLATFORM, RING_PACKED, IN_ORDER = 33, 34, 35


class Protocol:
    """Protocol feature bits."""
    MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG, MEM_SLOTS = 0, 1, 3, 5, 9, 15
    RESET_DEVICE, STATUS = 13, 16


CONFIG_CHANGE = 2       # a message of the back-end


def u64(value):
    """A u64 payload."""
    return struct.pack('<Q', value)


def state(index, number):
    """A vring state payload."""
    return struct.pack('<II', index, number)


def address(index, descriptors, used, available, flags=0, log=0):
    """A vring address payload."""
    return struct.pack('<IIQQQQ', index, flags, descriptors, used, available, log)


def region(gpa, size, uaddr, offset):
    """One memory region as it lies in a payload."""
    return struct.pack('<QQQQ', gpa, size, uaddr, offset)


def config(offset, size, flags=0, data=None):
    """A config space payload."""
    return struct.pack('<III', offset, size, flags) + (bytes(size) if data is None else data)


def message(request, payload=b'', flags=VERSION, size=None):
    """A whole message as bytes."""
    return HEADER.pack(request, flags, len(payload) if size is None else size) + payload


class Closed(Exception):
    """The back-end closed the connection."""


class Client:
    """One connection to a back-end."""

    def __init__(self, path=None, stream=None):
        self.socket = stream or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if path is not None:
            # A full backlog makes a blocking connect() wait, any other fail.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                                   struct.pack('@ll', int(TIMEOUT), 0))
            self.socket.connect(path)
        self.socket.settimeout(TIMEOUT)

    def close(self):
        """Hangs up."""
        self.socket.close()

    def send_raw(self, data, descriptors=()):
        """Sends bytes, with descriptors beside them."""
        if descriptors:
            sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                 array.array('i', descriptors))])
            data = data[sent:]
        if data:
            self.socket.sendall(data)

    def send(self, request, payload=b'', descriptors=(), flags=VERSION, size=None):
        """Sends a message; @size may lie."""
        self.send_raw(message(request, payload, flags, size), descriptors)

    def _exactly(self, count):
        data = b''
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError as error:
                raise Closed from error
            if not part:
                raise Closed
            data += part
        return data

    def receive(self):
        """The next message: request, flags, payload."""
        request, flags, size = HEADER.unpack(self._exactly(HEADER.size))
        return request, flags, self._exactly(size)

    def reply(self, request):
        """The payload of the reply to @request, whose header is checked."""
        got, flags, payload = self.receive()
        if (got, flags) != (request, VERSION | REPLY):
            raise AssertionError(f'reply {got} with flags {flags:#x} to request {request}')
        return payload

    def ask(self, request, payload=b'', descriptors=()):
        """A request that has an answer of its own; returns the answer's payload."""
        self.send(request, payload, descriptors)
        return self.reply(request)

    def ask_u64(self, request, payload=b''):
        """The same, for an answer that is one number."""
        return struct.unpack('<Q', self.ask(request, payload))[0]

    def ack(self, request, payload=b'', descriptors=()):
        """A request with NEED_REPLY; returns what it is acknowledged with, 0 for good."""
        self.send(request, payload, descriptors, VERSION | NEED_REPLY)
        return struct.unpack('<Q', self.reply(request))[0]

    def readable(self, seconds=0.0):
        """True if something (perhaps the end) can be read within that time."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def wait_closed(self):
        """Reads until the back-end has closed; fails if it does not."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError as error:
            raise AssertionError('the back-end does not close the connection') from error

    def alive(self):
        """True if the back-end still answers."""
        try:
            return len(self.ask(Request.GET_FEATURES)) == 8
        except (Closed, BrokenPipeError, ConnectionResetError):
            return False
