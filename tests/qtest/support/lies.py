# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile guest writes into its ring: one table of lies for both layouts.

A lie is a function of a Liar: it writes a chain and returns its head, to be published, or None if
it has done all of it itself. Its row says what must become of it:

  GIVEN_BACK    completed with a used length of 0, the status byte untouched; the ring goes on
  OK, IOERR...  completed with that status; the ring goes on
  BROKEN        reported by the err descriptor; the ring serves again after a new start
  ANYTHING      the rules do not say; the connection and the daemon live
"""

import collections
import struct

from .guest_memory import GuestMemory, Region
from .image import MIB
from .virtio_blk import (DISCARD, GET_ID, IN, IOERR, OK, OUT, UNSUPP, UNTOUCHED, WRITE_ZEROES,
                         BlkDriver, segment)
from .vring import INDIRECT, NEXT, WRITE

GIVEN_BACK, BROKEN, ANYTHING = 'given back', 'broken', 'anything'
SIZE = 64               # of the ring
NOWHERE = 1 << 45
BORDER = MIB            # between two regions that are far apart for the daemon
MEMORY = 3 * MIB
LARGEST = (1 << 32) - 1

Lie = collections.namedtuple('Lie', 'name write split packed')
LIES = []


def lie(split, packed=None):
    """A row; @packed is the outcome in that layout if it is another one, False: no such lie."""
    def add(function):
        LIES.append(Lie(function.__name__, function, split, split if packed is None else packed))
        return function
    return add


class Liar(BlkDriver):
    """A driver with memory in two regions, and short names for what lies are made of."""

    def __init__(self, path, packed):
        memory = GuestMemory(Region(0, BORDER), Region(BORDER, MEMORY - BORDER, uaddr=0x10000000))
        super().__init__(path, memory=memory, size=SIZE, packed=packed)
        self.status_at = self.memory.allocate(1)
        self.memory.write(self.status_at, bytes([UNTOUCHED]))

    def header(self, kind=IN, sector=0):
        """A header as a buffer."""
        at = self.memory.allocate(16)
        self.memory.write(at, struct.pack('<IIQ', kind, 0, sector))
        return at, 16, 0

    def out(self, data):
        """Data for the device."""
        at = self.memory.allocate(max(len(data), 1))
        self.memory.write(at, data)
        return at, len(data), 0

    def room(self, length):
        """Room for data from the device."""
        return self.memory.allocate(max(length, 1)), length, WRITE

    def status(self):
        """The status byte."""
        return self.status_at, 1, WRITE

    def raw(self, *descriptors):
        """A chain of descriptors whose flags are taken as they are; returns its head."""
        if self.packed:
            return self.vring.put_raw(descriptors)
        slots = self.vring.take_slots(len(descriptors))
        for number, (address, length, flags) in enumerate(descriptors):
            following = slots[number + 1] if number + 1 < len(slots) else slots[0]
            self.vring.put_descriptor(slots[number], address, length, flags, following)
        return slots[0]

    def chain(self, *buffers):
        """A chain that is linked as it should be."""
        return self.raw(*[(address, length, flags | (NEXT if number + 1 < len(buffers) else 0))
                          for number, (address, length, flags) in enumerate(buffers)])

    def fill_table(self, table, buffers):
        """Writes an indirect table that is linked as it should be."""
        for number, (address, length, flags) in enumerate(buffers):
            more = number + 1 < len(buffers)
            if self.packed:
                self.vring.put_descriptor(number, address, length, flags, 0, table)
            else:
                self.vring.put_descriptor(number, address, length, flags | (NEXT if more else 0),
                                          number + 1 if more else 0, table)

    def table(self, *buffers, at=None):
        """The same, as a buffer that is a table."""
        at = self.memory.allocate(16 * len(buffers), 16) if at is None else at
        self.fill_table(at, buffers)
        return at, 16 * len(buffers), INDIRECT

    def good(self):
        """The buffers of an honest request."""
        return self.header(), self.room(512), self.status()


# ---- Buffers ----

@lie(GIVEN_BACK)
def buffer_outside_memory(guest):
    return guest.chain(guest.header(), (NOWHERE, 512, WRITE), guest.status())


@lie(GIVEN_BACK)
def header_outside_memory(guest):
    return guest.chain((NOWHERE, 16, 0), guest.room(512), guest.status())


@lie(GIVEN_BACK)
def status_outside_memory(guest):
    return guest.chain(guest.header(), guest.room(512), (NOWHERE, 1, WRITE))


@lie(GIVEN_BACK)
def buffer_ends_outside_memory(guest):
    return guest.chain(guest.header(), (MEMORY - 511, 512, WRITE), guest.status())


@lie(GIVEN_BACK)
def buffer_wraps_around(guest):
    return guest.chain(guest.header(), ((1 << 64) - 256, 512, WRITE), guest.status())


@lie(GIVEN_BACK)
def buffer_larger_than_memory(guest):
    return guest.chain(guest.header(), (0, LARGEST, WRITE), guest.status())


@lie(IOERR)
def more_data_than_the_disk_has(guest):
    return guest.chain(guest.header(), *[(0x1000, 2 * MIB, WRITE)] * (SIZE - 2), guest.status())


@lie(OK)
def buffer_over_two_regions(guest):
    return guest.chain(guest.header(), (BORDER - 100, 512, WRITE), guest.status())


@lie(OK)
def header_over_two_regions(guest):
    guest.memory.write(BORDER - 5, struct.pack('<IIQ', IN, 0, 0))
    return guest.chain((BORDER - 5, 16, 0), guest.room(512), guest.status())


@lie(GIVEN_BACK)
def readable_after_writable(guest):
    header, data, status = guest.good()
    return guest.chain(data, header, status)


@lie(GIVEN_BACK)
def nothing_to_write_to(guest):
    return guest.chain(guest.header(), guest.out(bytes(512)))


@lie(GIVEN_BACK)
def nothing_but_empty_buffers(guest):
    return guest.chain((0x1000, 0, 0), (0x1000, 0, WRITE))


@lie(IOERR)
def empty_header(guest):
    return guest.chain((0x1000, 0, 0), guest.room(512), guest.status())


@lie(OK)
def empty_buffers_between_others(guest):
    header, data, status = guest.good()
    return guest.chain(header, (NOWHERE, 0, 0), data, (0, 0, WRITE), status, (NOWHERE, 0, WRITE))


# ---- Chains ----

@lie(GIVEN_BACK, packed=False)
def chain_of_one_that_loops(guest):
    return guest.raw((*guest.header()[:2], NEXT))


@lie(GIVEN_BACK, packed=False)
def chain_of_two_that_loops(guest):
    at, size, _ = guest.header()
    return guest.raw((at, size, NEXT), (at, size, NEXT))


@lie(GIVEN_BACK, packed=False)
def loop_of_empty_buffers(guest):
    return guest.raw((0x1000, 0, NEXT), (0x1000, 0, NEXT))


@lie(GIVEN_BACK, packed=BROKEN)
def chain_through_the_whole_ring_without_end(guest):
    return guest.raw(*[(0x1000, 16, NEXT)] * SIZE)


@lie(GIVEN_BACK, packed=False)
def next_just_outside_the_ring(guest):
    guest.vring.put_descriptor(0, 0x1000, 16, NEXT, SIZE)
    return 0


@lie(GIVEN_BACK, packed=False)
def next_far_outside_the_ring(guest):
    guest.vring.put_descriptor(0, 0x1000, 16, NEXT, 65535)
    return 0


@lie(IOERR)
def chain_as_long_as_the_ring(guest):
    return guest.chain(guest.header(), *[guest.room(1)] * (SIZE - 2), guest.status())


# ---- Indirect tables ----

@lie(OK)
def table_over_two_regions(guest):
    return guest.raw(guest.table(*guest.good(), at=BORDER - 32))


@lie(OK)
def table_entry_over_two_regions(guest):
    return guest.raw(guest.table(*guest.good(), at=BORDER - 24))


@lie(OK)
def table_that_is_not_aligned(guest):
    return guest.raw(guest.table(*guest.good(), at=0x8003))


@lie(OK)
def table_longer_than_the_ring(guest):
    return guest.raw(guest.table(guest.header(), *[guest.room(512)] * (2 * SIZE), guest.status()))


@lie(GIVEN_BACK)
def table_with_more_buffers_than_a_request_may_have(guest):
    return guest.raw(guest.table(guest.header(), *[guest.room(1)] * 1100, guest.status()))


@lie(GIVEN_BACK)
def table_of_no_bytes(guest):
    return guest.raw((0x8000, 0, INDIRECT))


@lie(GIVEN_BACK)
def table_of_15_bytes(guest):
    return guest.raw((guest.table(*guest.good())[0], 15, INDIRECT))


@lie(GIVEN_BACK)
def table_of_49_bytes(guest):
    return guest.raw((guest.table(*guest.good())[0], 49, INDIRECT))


@lie(GIVEN_BACK)
def table_of_almost_4_gib(guest):
    return guest.raw((0x8000, (1 << 32) - 16, INDIRECT))


@lie(GIVEN_BACK)
def table_outside_memory(guest):
    return guest.raw((NOWHERE, 48, INDIRECT))


@lie(GIVEN_BACK)
def table_that_ends_outside_memory(guest):
    at = MEMORY - 32
    guest.fill_table(at, [guest.header(), guest.room(512)])
    if not guest.packed:
        guest.vring.put_descriptor(1, at, 512, WRITE | NEXT, 2, at)
    return guest.raw((at, 48, INDIRECT))


@lie(GIVEN_BACK)
def table_that_wraps_around(guest):
    return guest.raw(((1 << 64) - 16, 48, INDIRECT))


@lie(GIVEN_BACK, packed=ANYTHING)
def table_within_a_table(guest):
    inner = guest.table(*guest.good())
    return guest.raw(guest.table(inner))


@lie(GIVEN_BACK, packed=ANYTHING)
def table_at_the_end_of_a_table(guest):
    inner = guest.table(guest.status())
    return guest.raw(guest.table(guest.header(), guest.room(512), inner))


@lie(GIVEN_BACK)
def table_that_claims_to_go_on(guest):
    at, size, flags = guest.table(*guest.good())
    return guest.raw((at, size, flags | NEXT), (0x1000, 16, 0))


@lie(GIVEN_BACK, packed=False)
def table_that_loops(guest):
    at, size, flags = guest.table(*guest.good())
    guest.vring.put_descriptor(1, 0x1000, 0, NEXT, 0, at)
    return guest.raw((at, size, flags))


@lie(GIVEN_BACK, packed=False)
def table_whose_next_lies_outside(guest):
    at, size, flags = guest.table(*guest.good())
    guest.vring.put_descriptor(1, 0x1000, 512, NEXT | WRITE, 3, at)
    return guest.raw((at, size, flags))


# ---- Requests ----

def cut_header(guest, *sizes):
    """A read request whose header lies in descriptors of these sizes."""
    at, _, _ = guest.header()
    buffers = []
    for size in sizes:
        buffers.append((at, size, 0))
        at += size
    return guest.chain(*buffers, guest.room(512), guest.status())


def _header_cuts():
    for first in range(1, 16):
        def cut(guest, first=first):
            return cut_header(guest, first, 16 - first)
        cut.__name__ = f'header_cut_after_{first}'
        lie(OK)(cut)


_header_cuts()


@lie(OK)
def header_in_bytes(guest):
    return cut_header(guest, *[1] * 16)


@lie(IOERR)
def header_of_15_bytes(guest):
    return cut_header(guest, 15)


@lie(OK)
def header_with_data_behind_it(guest):
    at, _, _ = guest.out(struct.pack('<IIQ', OUT, 0, 8) + bytes(512))
    return guest.chain((at, 528, 0), guest.status())


@lie(OK)
def status_behind_the_data(guest):
    at, _, _ = guest.room(512)
    guest.status_at = at + 512
    return guest.chain(guest.header(), (at, 513, WRITE))


def _data_sizes():
    for kind, name in ((IN, 'read'), (OUT, 'write')):
        for size in (1, 511, 513, 1023):
            def odd(guest, kind=kind, size=size):
                data = guest.room(size) if kind == IN else guest.out(bytes(size))
                return guest.chain(guest.header(kind), data, guest.status())
            odd.__name__ = f'{name}_of_{size}_bytes'
            lie(IOERR)(odd)


_data_sizes()


def _sectors():
    last = 16 * MIB // 512 - 1
    for name, sector, size in (('at_the_end', last + 1, 512), ('over_the_end', last, 1024),
                               ('at_2_63', 1 << 63, 512), ('at_2_55', 1 << 55, 512),
                               ('at_the_last_number', (1 << 64) - 1, 512)):
        for kind, word in ((IN, 'read'), (OUT, 'write')):
            def beyond(guest, kind=kind, sector=sector, size=size):
                data = guest.room(size) if kind == IN else guest.out(bytes(size))
                return guest.chain(guest.header(kind, sector), data, guest.status())
            beyond.__name__ = f'{word}_{name}'
            lie(IOERR)(beyond)


_sectors()


def _types():
    for number in (2, 3, 5, 6, 7, 9, 10, 12, 99, 0x7fffffff):
        def unknown(guest, number=number):
            return guest.chain(guest.header(number), guest.room(512), guest.status())
        unknown.__name__ = f'type_{number}'
        lie(UNSUPP)(unknown)


_types()


def _segments():
    for kind, name in ((DISCARD, 'discard'), (WRITE_ZEROES, 'write_zeroes')):
        for what, data, outcome in (
                ('of_nothing', b'', IOERR), ('of_15_bytes', bytes(15), IOERR),
                ('of_17_bytes', bytes(17), IOERR),
                ('with_unknown_flags', segment(0, 8, 1 << 31), UNSUPP),
                ('beyond_the_end', segment(1 << 40, 8), IOERR),
                ('that_overflows', segment((1 << 64) - 1, 8), IOERR),
                ('larger_than_the_disk', segment(0, LARGEST), IOERR),
                ('of_too_many_segments', segment(0, 8) * 40, UNSUPP)):
            def bad(guest, kind=kind, data=data):
                return guest.chain(guest.header(kind), guest.out(data), guest.status())
            bad.__name__ = f'{name}_{what}'
            lie(outcome)(bad)


_segments()


@lie(OK)
def serial_into_one_byte(guest):
    return guest.chain(guest.header(GET_ID), guest.room(1), guest.status())


@lie(ANYTHING)
def read_into_the_ring_itself(guest):
    ring = guest.vring
    return guest.chain(guest.header(), (ring.table, 512, WRITE), guest.status())


@lie(ANYTHING)
def read_over_the_driver_area(guest):
    return guest.chain(guest.header(), (guest.vring.available & ~511, 512, WRITE), guest.status())


@lie(ANYTHING)
def status_in_the_device_area(guest):
    return guest.chain(guest.header(), guest.room(512), (guest.vring.used, 1, WRITE))


# ---- Rings ----

def _jumps():
    for jump in (SIZE + 1, 1000, 32768, 65535, 65535 - SIZE):
        def jumps(guest, jump=jump):
            vring = guest.vring
            vring.set_available_index((vring.available_index + jump) % 65536)
        jumps.__name__ = f'available_index_jumps_by_{jump}'
        lie(BROKEN, packed=False)(jumps)


_jumps()


def _heads():
    for head in (SIZE, SIZE + 1, 32768, 65535):
        def outside(guest, head=head):
            if guest.packed:
                buffer_id = guest.vring.put_raw([(0x1000, 16, 0)], buffer_id=head)
                guest.vring.publish(buffer_id)
            else:
                guest.vring.publish(head)
        outside.__name__ = f'head_or_id_{head}'
        lie(BROKEN)(outside)


_heads()
