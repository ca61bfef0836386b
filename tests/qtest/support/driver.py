# SPDX-License-Identifier: GPL-2.0-or-later
"""What a driver of any kind does on a scripted vhost-user connection."""

import socket
import struct

from .guest_memory import GuestMemory
from .packed_vring import PackedVring
from .vhost_user import Client, Feature, Protocol, Request, address, state, u64
from .vring import Vring

RING_FEATURES = sum(1 << bit for bit in (
    Feature.INDIRECT, Feature.PROTOCOL_FEATURES, Feature.VERSION_1))
WANTED_PROTOCOL = sum(1 << bit for bit in (
    Protocol.MQ, Protocol.REPLY_ACK, Protocol.BACKEND_REQ, Protocol.CONFIG, Protocol.MEM_SLOTS))


class Driver:
    """Negotiates, sets up rings, runs requests. Each step is a method of its own for tests.

    @path: of the back-end's socket, or a connected socket.
    """

    wanted_features = RING_FEATURES

    def __init__(self, path, memory=None, queues=1, size=128, event_idx=False, start=True,
                 slots=True, packed=False):
        self._closed = False
        self.client = Client(path) if isinstance(path, str) else Client(stream=path)
        self.memory = memory or GuestMemory()
        self.event_idx = event_idx
        self.slots = slots
        self.packed = packed
        self.backend_channel = None
        self.negotiate()
        ring = PackedVring if packed else Vring
        self.vrings = [ring(self.memory, index, size) for index in range(queues)]
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
        wanted = (self.wanted_features | (1 << Feature.EVENT_IDX if self.event_idx else 0) |
                  (1 << Feature.RING_PACKED if self.packed else 0))
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

    def configure(self, vring, base=None):
        """Size, base and addresses of a ring; None: the base of a new one."""
        base = vring.first_base if base is None else base
        self.expect_ack(Request.SET_VRING_NUM, state(vring.index, vring.size))
        self.expect_ack(Request.SET_VRING_BASE, state(vring.index, base))
        uaddr = self.memory.uaddr
        self.expect_ack(Request.SET_VRING_ADDR,
                        address(vring.index, uaddr(vring.table), uaddr(vring.used),
                                uaddr(vring.available)))

    def start(self, vring, base=None, enable=True):
        """Everything up to a running ring; the call that follows SET_VRING_CALL is taken."""
        self.configure(vring, base)
        self.expect_ack(Request.SET_VRING_CALL, u64(vring.index), [vring.call_fd])
        self.expect_ack(Request.SET_VRING_ERR, u64(vring.index), [vring.err_fd])
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
