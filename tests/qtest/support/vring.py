# SPDX-License-Identifier: GPL-2.0-or-later
"""A split ring, driver's side, by hand: a test may put any number into any field."""

import os
import select
import struct

from .waiting import TIMEOUT, until

NEXT, WRITE, INDIRECT = 1, 2, 4
DESCRIPTOR = struct.Struct('<QIHH')
NO_INTERRUPT = 1


class Vring:
    """One ring in a GuestMemory, with its kick, call and err descriptors."""

    first_base = 0

    def __init__(self, memory, index=0, size=128, region=0):
        self.memory, self.index, self.size = memory, index, size
        self.table = memory.allocate(16 * size, 16, region)
        self.available = memory.allocate(6 + 2 * size, 2, region)
        self.used = memory.allocate(6 + 8 * size, 4, region)
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.err_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.reset()

    def reset(self):
        """An empty ring, as after a device reset."""
        self.memory.write(self.available, bytes(6 + 2 * self.size))
        self.memory.write(self.used, bytes(6 + 8 * self.size))
        self.available_index = 0
        self.used_index = 0
        self._free = 0

    def close(self):
        """Closes the descriptors."""
        os.close(self.kick_fd)
        os.close(self.call_fd)
        os.close(self.err_fd)

    def put_descriptor(self, slot, address, length, flags=0, following=0, table=None):
        """Writes one descriptor of the table (or of another table)."""
        self.memory.write((self.table if table is None else table) + 16 * slot,
                          DESCRIPTOR.pack(address, length, flags, following))

    def take_slots(self, count):
        """Numbers of @count descriptors; the oldest are used again."""
        slots = [(self._free + number) % self.size for number in range(count)]
        self._free = (self._free + count) % self.size
        return slots

    def put_chain(self, buffers):
        """Writes a chain of (address, length, writable); returns its head."""
        slots = self.take_slots(len(buffers))
        self._link(buffers, slots, None)
        return slots[0]

    def put_indirect(self, buffers, region=0):
        """Writes an indirect table and one descriptor for it; returns the head."""
        table = self.memory.allocate(16 * len(buffers), 16, region)
        self._link(buffers, list(range(len(buffers))), table)
        head = self.take_slots(1)[0]
        self.put_descriptor(head, table, 16 * len(buffers), INDIRECT)
        return head

    def _link(self, buffers, slots, table):
        for number, (address, length, writable) in enumerate(buffers):
            last = number == len(buffers) - 1
            flags = (WRITE if writable else 0) | (0 if last else NEXT)
            self.put_descriptor(slots[number], address, length, flags,
                                0 if last else slots[number + 1], table)

    def publish(self, *heads):
        """Makes chains available, without a kick."""
        for head in heads:
            slot = self.available_index % self.size
            self.memory.write(self.available + 4 + 2 * slot, struct.pack('<H', head))
            self.available_index = (self.available_index + 1) % 65536
        self.set_available_index(self.available_index)

    def set_available_index(self, value):
        """Sets the index that the device reads."""
        self.memory.write(self.available + 2, struct.pack('<H', value))

    def set_available_flags(self, value):
        """Sets the flags that the device reads (1: no interrupt)."""
        self.memory.write(self.available, struct.pack('<H', value))

    def set_used_event(self, value):
        """Asks to be called when the used index passes @value (EVENT_IDX)."""
        self.memory.write(self.available + 4 + 2 * self.size, struct.pack('<H', value))

    def avail_event(self):
        """The index at which the device wants a kick (EVENT_IDX)."""
        return struct.unpack('<H', self.memory.read(self.used + 4 + 8 * self.size, 2))[0]

    def kick(self):
        """Tells the device to look."""
        os.eventfd_write(self.kick_fd, 1)

    def kick_pending(self):
        """True while the device has not taken the last kick."""
        with open(f'/proc/self/fdinfo/{self.kick_fd}', encoding='ascii') as file:
            fields = dict(line.split(':', 1) for line in file)
        return int(fields['eventfd-count'], 16) != 0

    def kick_and_wait(self):
        """Kicks and returns when the device has noticed."""
        self.kick()
        until(lambda: not self.kick_pending(), 'the kick is taken')

    def calls(self, seconds=0.0):
        """How often the device has called since the last time, waiting up to @seconds for one."""
        if not select.select([self.call_fd], [], [], seconds)[0]:
            return 0
        return os.eventfd_read(self.call_fd)

    def device_used_index(self):
        """The index that the device has written."""
        return struct.unpack('<H', self.memory.read(self.used + 2, 2))[0]

    def take_used(self):
        """Completions not taken yet: (head, length) of each."""
        found = []
        while self.used_index != self.device_used_index():
            slot = self.used_index % self.size
            found.append(struct.unpack('<II', self.memory.read(self.used + 4 + 8 * slot, 8)))
            self.used_index = (self.used_index + 1) % 65536
        return found

    def nothing_used(self):
        """True while the device has completed nothing that was not taken."""
        return self.used_index == self.device_used_index()

    def broken(self, seconds=0.0):
        """True if the device has said, within that time, that it cannot go on with the ring."""
        return bool(select.select([self.err_fd], [], [], seconds)[0])

    def wait_used(self, count=1, timeout=TIMEOUT):
        """Waits, asleep on the call descriptor, for @count completions."""
        found = self.take_used()
        while len(found) < count:
            if not self.calls(timeout) and self.nothing_used():
                raise AssertionError(f'{len(found)} of {count} requests completed')
            found += self.take_used()
        return found
