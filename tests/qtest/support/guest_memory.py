# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that a scripted front-end shares with a back-end, in one or more regions."""

import mmap
import os

from .vhost_user import region

PAGE = 4096
UADDR_BASE = 0x7f0000000000


class Region:
    """A memfd of its own; `offset` bytes of it lie before the region."""

    def __init__(self, gpa, size, offset=0, uaddr=None):
        self.gpa, self.size, self.offset = gpa, size, offset
        self.uaddr = UADDR_BASE + gpa if uaddr is None else uaddr
        self.fd = os.memfd_create('guest-memory')
        os.ftruncate(self.fd, offset + size)
        self.map = mmap.mmap(self.fd, offset + size)

    def payload(self):
        """As it stands in SET_MEM_TABLE and ADD_MEM_REG."""
        return region(self.gpa, self.size, self.uaddr, self.offset)

    def close(self):
        """Lets the memory go."""
        self.map.close()
        os.close(self.fd)


class GuestMemory:
    """Regions by guest physical address; reads and writes may cross their borders."""

    def __init__(self, *regions):
        self.regions = list(regions) or [Region(0, 1 << 20)]
        self._next = {id(entry): entry.gpa + PAGE for entry in self.regions}

    def close(self):
        """Lets all regions go."""
        for entry in self.regions:
            entry.close()

    def allocate(self, size, alignment=16, number=0):
        """Address of @size unused bytes in region @number."""
        entry = self.regions[number]
        start = -(-self._next[id(entry)] // alignment) * alignment
        if start + size > entry.gpa + entry.size:
            raise MemoryError('the scripted guest is out of memory')
        self._next[id(entry)] = start + size
        return start

    def mark(self):
        """The state of allocation, for release()."""
        return dict(self._next)

    def release(self, mark):
        """Forgets what was allocated since mark()."""
        self._next = dict(mark)

    def _pieces(self, gpa, length):
        while length:
            for entry in self.regions:
                if entry.gpa <= gpa < entry.gpa + entry.size:
                    break
            else:
                raise IndexError(f'no guest memory at {gpa:#x}')
            size = min(length, entry.gpa + entry.size - gpa)
            yield entry, entry.offset + gpa - entry.gpa, size
            gpa, length = gpa + size, length - size

    def write(self, gpa, data):
        """Stores bytes."""
        done = 0
        for entry, offset, size in self._pieces(gpa, len(data)):
            entry.map[offset:offset + size] = data[done:done + size]
            done += size

    def read(self, gpa, length):
        """Fetches bytes."""
        return b''.join(entry.map[offset:offset + size]
                        for entry, offset, size in self._pieces(gpa, length))

    def uaddr(self, gpa):
        """The front-end's virtual address of a guest physical one."""
        for entry in self.regions:
            if entry.gpa <= gpa < entry.gpa + entry.size:
                return entry.uaddr + gpa - entry.gpa
        raise IndexError(f'no guest memory at {gpa:#x}')
