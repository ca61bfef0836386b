# SPDX-License-Identifier: GPL-2.0-or-later
"""A small virtio-blk driver on a scripted vhost-user connection."""

import dataclasses
import struct

from .driver import RING_FEATURES, Driver
from .vhost_user import Feature, Request, config

IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2
UNMAP = 1
SECTOR = 512
UNTOUCHED = 0xee        # what stands in a status byte that the device has not written

WANTED_FEATURES = RING_FEATURES | sum(1 << bit for bit in (
    Feature.BLK_SIZE, Feature.FLUSH, Feature.TOPOLOGY, Feature.CONFIG_WCE, Feature.MQ,
    Feature.DISCARD, Feature.WRITE_ZEROES, Feature.RO))


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


class BlkDriver(Driver):
    """A driver of a disk."""

    wanted_features = WANTED_FEATURES

    def config_space(self, offset=0, size=60):
        """A part of the config space."""
        payload = self.client.ask(Request.GET_CONFIG, config(offset, size))
        return payload[12:]

    def capacity(self):
        """In bytes."""
        return struct.unpack('<Q', self.config_space(0, 8))[0] * SECTOR

    def put(self, kind, sector=0, out=b'', in_length=0, vring=None, out_sizes=None, in_sizes=None,
            indirect=False, status=True, shift=0):
        """Puts a request into a ring, not published yet.

        @out_sizes cuts header and data to be read by the device, @in_sizes cuts data and status
        to be written by it, into descriptors; without them each part has one. All of it
        begins @shift bytes after an address that is aligned.
        """
        vring = vring or self.vring
        readable = struct.pack('<IIQ', kind & 0xffffffff, 0, sector) + out
        readable_at = self.memory.allocate(len(readable) + shift) + shift
        self.memory.write(readable_at, readable)
        room = in_length + (1 if status else 0)
        writable_at = self.memory.allocate(max(room, 1) + shift) + shift
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
