# SPDX-License-Identifier: GPL-2.0-or-later
"""A packed ring, driver's side, by hand; what vring.Vring is for a split one."""

import os
import struct

from .vring import DESCRIPTOR, INDIRECT, NEXT, WRITE, Vring

AVAIL, USED = 1 << 7, 1 << 15
EVENT_DISABLE = 1
FIRST_BASE = 0x80008000         # slot 0 with the wrap counter set, for both sides


class PackedVring(Vring):
    """The same calls as a Vring has; a chain is known by its buffer id instead of its head."""

    first_base = FIRST_BASE

    def __init__(self, memory, index=0, size=128, region=0):
        self.memory, self.index, self.size = memory, index, size
        self.table = memory.allocate(16 * size, 16, region)
        self.available = memory.allocate(4, 4, region)      # the driver's event
        self.used = memory.allocate(4, 4, region)           # the device's event
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.err_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.reset()

    def reset(self):
        self.memory.write(self.table, bytes(16 * self.size))
        self.memory.write(self.available, bytes(4))
        self.memory.write(self.used, bytes(4))
        self._next, self._wrap = 0, True
        self._used, self._used_wrap = 0, True
        self._id = 0
        self._chains = {}       # id: (slot of the head, its flags, descriptors)

    def put_descriptor(self, slot, address, length, flags=0, following=0, table=None):
        """@following is the buffer id here."""
        self.memory.write((self.table if table is None else table) + 16 * slot,
                          struct.pack('<QIHH', address, length, following, flags))

    def available_flags(self):
        """What makes a descriptor at the next slot available."""
        return AVAIL if self._wrap else USED

    def put_raw(self, descriptors, buffer_id=None):
        """Writes (address, length, flags) into the next slots; the first is not available yet.

        The flags are taken as they are, but for the wrap bits. Returns the id.
        """
        if buffer_id is None:
            buffer_id = self._id
            self._id = (self._id + 1) % self.size
        head = None
        for address, length, flags in descriptors:
            flags |= self.available_flags()
            if head is None:
                head = (self._next, flags, len(descriptors))
                flags ^= AVAIL | USED
            self.put_descriptor(self._next, address, length, flags, buffer_id)
            self._next += 1
            if self._next == self.size:
                self._next, self._wrap = 0, not self._wrap
        self._chains[buffer_id] = head
        return buffer_id

    def put_chain(self, buffers):
        last = len(buffers) - 1
        return self.put_raw([(address, length, (WRITE if writable else 0) |
                              (NEXT if number < last else 0))
                             for number, (address, length, writable) in enumerate(buffers)])

    def put_indirect(self, buffers, region=0):
        table = self.memory.allocate(16 * len(buffers), 16, region)
        for number, (address, length, writable) in enumerate(buffers):
            self.put_descriptor(number, address, length, WRITE if writable else 0, 0, table)
        return self.put_raw([(table, 16 * len(buffers), INDIRECT)])

    def publish(self, *heads):
        for buffer_id in heads:
            slot, flags, _ = self._chains[buffer_id]
            self.memory.write(self.table + 16 * slot + 14, struct.pack('<H', flags))

    def set_available_flags(self, value):
        self.memory.write(self.available + 2, struct.pack('<H', EVENT_DISABLE if value else 0))

    def nothing_used(self):
        """True while the device has completed nothing that was not taken."""
        flags, = struct.unpack('<H', self.memory.read(self.table + 16 * self._used + 14, 2))
        bits = AVAIL | USED if self._used_wrap else 0
        return flags & (AVAIL | USED) != bits

    def take_used(self):
        found = []
        while not self.nothing_used():
            _, length, buffer_id, _ = DESCRIPTOR.unpack(
                self.memory.read(self.table + 16 * self._used, 16))
            found.append((buffer_id, length))
            self._used += self._chains.pop(buffer_id)[2]
            if self._used >= self.size:
                self._used, self._used_wrap = self._used - self.size, not self._used_wrap
        return found
