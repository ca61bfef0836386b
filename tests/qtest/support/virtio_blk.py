# SPDX-License-Identifier: GPL-2.0-or-later
"""A small virtio-blk driver on a scripted vhost-user connection."""

import dataclasses
import socket
import struct

from .guest_memory import GuestMemory
from .vhost_user import Client, Feature, Protocol, Request, address, config, state, u64
from .vring import Vring

IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2
UNMAP = 1
SECTOR = 512
UNTOUCHED = 0xee        # what stands in a status byte that the device has not written

WANTED_FEATURES = sum(1 << bit for bit in (
    Feature.BLK_SIZE, Feature.FLUSH, Feature.TOPOLOGY, Feature.CONFIG_WCE, Feature.MQ,
    Feature.DISCARD, Feature.WRITE_ZEROES, Feature.RO, Feature.INDIRECT,
    Feature.PROTOCOL_FEATURES, Feature.VERSION_1))
WANTED_PROTOCOL = sum(1 << bit for bit in (
    Protocol.MQ, Protocol.REPLY_ACK, Protocol.BACKEND_REQ, Protocol.CONFIG, Protocol.MEM_SLOTS))


@dataclasses.dataclass
class Pending:
    """A request in the ring: where its parts lie."""
    head: int
    data: int
    data_length: int
    status: int


@dataclasses.dataclass
class Answer:
    """A completed request."""
    status: int
    data: bytes
    used: int


def segment(sector, sectors, flags=0):
    """One segment of a discard or write-zeroes request."""
    return struct.pack('<QII', sector, sectors, flags)


def cut(address_, sizes, writable):
    """Descriptors over contiguous memory, of the given sizes."""
    buffers = []
    for size in sizes:
        buffers.append((address_, size, writable))
        address_ += size
    return buffers


class BlkDriver:
    """Negotiates, sets up rings, runs requests. Each step is a method of its own for tests."""

    def __init__(self, path, memory=None, queues=1, size=128, event_idx=False, start=True,
                 slots=True):
        self._closed = False
        self.client = Client(path)
        self.memory = memory or GuestMemory()
        self.event_idx = event_idx
        self.slots = slots
        self.backend_channel = None
        self.negotiate()
        self.vrings = [Vring(self.memory, index, size) for index in range(queues)]
        if start:
            self.share_memory()
            for vring in self.vrings:
                self.start(vring)
        self.mark = self.memory.mark()

    @property
    def vring(self):
        """The first ring."""
        return self.vrings[0]

    def close(self):
        """Hangs up and lets everything go."""
        if self._closed:
            return
        self._closed = True
        self.client.close()
        if self.backend_channel is not None:
            self.backend_channel.close()
        for vring in self.vrings:
            vring.close()
        self.memory.close()

    def negotiate(self):
        """Features, as a front-end does when it starts."""
        client = self.client
        self.offered = client.ask_u64(Request.GET_FEATURES)
        self.protocol_offered = client.ask_u64(Request.GET_PROTOCOL_FEATURES)
        self.protocol = self.protocol_offered & WANTED_PROTOCOL
        client.send(Request.SET_PROTOCOL_FEATURES, u64(self.protocol))
        client.send(Request.SET_OWNER)
        wanted = WANTED_FEATURES | (1 << Feature.EVENT_IDX if self.event_idx else 0)
        self.features = self.offered & wanted
        self.expect_ack(Request.SET_FEATURES, u64(self.features))

    def expect_ack(self, request, payload=b'', descriptors=()):
        """Sends a request that must be acknowledged with 0."""
        status = self.client.ack(request, payload, descriptors)
        if status != 0:
            raise AssertionError(f'{Request(request).name} was refused with {status}')

    def share_memory(self):
        """Tells the back-end about the memory: slot by slot, or in a table."""
        if self.slots:
            for entry in self.memory.regions:
                self.expect_ack(Request.ADD_MEM_REG, bytes(8) + entry.payload(), [entry.fd])
        else:
            table = struct.pack('<II', len(self.memory.regions), 0)
            self.expect_ack(Request.SET_MEM_TABLE,
                            table + b''.join(entry.payload() for entry in self.memory.regions),
                            [entry.fd for entry in self.memory.regions])

    def open_backend_channel(self):
        """Gives the back-end its channel; returns a Client that reads our end of it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.expect_ack(Request.SET_BACKEND_REQ_FD, descriptors=[theirs.fileno()])
        self.backend_channel = Client(stream=ours)
        return self.backend_channel

    def configure(self, vring, base=0):
        """Size, base and addresses of a ring."""
        self.expect_ack(Request.SET_VRING_NUM, state(vring.index, vring.size))
        self.expect_ack(Request.SET_VRING_BASE, state(vring.index, base))
        uaddr = self.memory.uaddr
        self.expect_ack(Request.SET_VRING_ADDR,
                        address(vring.index, uaddr(vring.table), uaddr(vring.used),
                                uaddr(vring.available)))

    def start(self, vring, base=0, enable=True):
        """Everything up to a running ring; the call that follows SET_VRING_CALL is taken."""
        self.configure(vring, base)
        self.expect_ack(Request.SET_VRING_CALL, u64(vring.index), [vring.call_fd])
        self.expect_ack(Request.SET_VRING_KICK, u64(vring.index), [vring.kick_fd])
        if enable:
            self.expect_ack(Request.SET_VRING_ENABLE, state(vring.index, 1))

    def stop(self, vring):
        """Stops a ring; returns where it stood."""
        payload = self.client.ask(Request.GET_VRING_BASE, state(vring.index, 0))
        index, base = struct.unpack('<II', payload)
        if index != vring.index:
            raise AssertionError(f'GET_VRING_BASE of ring {vring.index} answered for {index}')
        return base

    def config_space(self, offset=0, size=60):
        """A part of the config space."""
        payload = self.client.ask(Request.GET_CONFIG, config(offset, size))
        return payload[12:]

    def capacity(self):
        """In bytes."""
        return struct.unpack('<Q', self.config_space(0, 8))[0] * SECTOR

    def put(self, kind, sector=0, out=b'', in_length=0, vring=None, out_sizes=None, in_sizes=None,
            indirect=False, status=True):
        """Puts a request into a ring, not published yet.

        @out_sizes cuts header and data to be read by the device, @in_sizes cuts data and status
        to be written by it, into descriptors; without them each part has one.
        """
        vring = vring or self.vring
        readable = struct.pack('<IIQ', kind & 0xffffffff, 0, sector) + out
        readable_at = self.memory.allocate(len(readable))
        self.memory.write(readable_at, readable)
        room = in_length + (1 if status else 0)
        writable_at = self.memory.allocate(max(room, 1))
        self.memory.write(writable_at, bytes([UNTOUCHED]) * room)
        out_sizes = out_sizes or ([16, len(out)] if out else [16])
        in_sizes = in_sizes or [size for size in (in_length, int(status)) if size]
        buffers = cut(readable_at, out_sizes, False) + cut(writable_at, in_sizes, True)
        put = vring.put_indirect if indirect else vring.put_chain
        return Pending(put(buffers), writable_at, in_length, writable_at + in_length)

    def answer(self, pending, used):
        """What the device has made of a request."""
        return Answer(self.memory.read(pending.status, 1)[0],
                      self.memory.read(pending.data, pending.data_length), used)

    def request(self, kind, sector=0, out=b'', in_length=0, vring=None, **layout):
        """Runs one request to its end."""
        vring = vring or self.vring
        pending = self.put(kind, sector, out, in_length, vring, **layout)
        vring.publish(pending.head)
        vring.kick()
        (head, used), = vring.wait_used(1)
        if head != pending.head:
            raise AssertionError(f'request {pending.head} was completed as {head}')
        answer = self.answer(pending, used)
        self.memory.release(self.mark)
        return answer

    def read(self, sector, length, **options):
        """Reads; returns the data."""
        answer = self.request(IN, sector, in_length=length, **options)
        if answer.status != OK:
            raise AssertionError(f'read of sector {sector} failed with {answer.status}')
        return answer.data

    def write(self, sector, data, **options):
        """Writes."""
        answer = self.request(OUT, sector, data, **options)
        if answer.status != OK:
            raise AssertionError(f'write of sector {sector} failed with {answer.status}')

    def flush(self):
        """Flushes the device's cache."""
        return self.request(FLUSH).status
