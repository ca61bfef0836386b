# SPDX-License-Identifier: GPL-2.0-or-later
"""Correct payloads, one builder for each message, and the steps that must come before.

A builder gets the Session and returns (payload, descriptors). Memory begins at GPA 1 MiB, and user
addresses are equal to guest physical ones, so that GPA_ADDRESSES changes nothing.
"""

import os
import struct

from support.vhost_user import address, config, region, state, u64

SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 5, 8, 9, 10
SET_BACKEND_REQ_FD, GET_INFLIGHT_FD, ADD_MEM_REG = 21, 31, 37
POSTCOPY_ADVISE = 28
BASE, SIZE = 1 << 20, 1 << 18
FAR = 1 << 32           # of what is not there by then
RING_SIZE = 128
TABLE, AVAILABLE, USED = BASE + 0x1000, BASE + 0x2000, BASE + 0x3000
WCE = 32                # offset in the config space of a block device
CONFIG_SIZE = 8         # of which every device has so much
READ_WRITE, UPDATE = 3, 2
UUID = bytes(range(16))
MAC = b'\x52\x54\x00\x12\x34\x56\0\0'


def nothing(_session):
    """A message without payload."""
    return b'', []


def number(value):
    """A U64."""
    return lambda _session: (u64(value), [])


def ring_state(index, value):
    """A STATE."""
    return lambda _session: (state(index, value), [])


def vring_file(value):
    """A U64 with an eventfd."""
    return lambda session: (u64(value), [session.event()])


def features(session):
    """SET_FEATURES: what usual front-ends accept."""
    return u64(session.facts.features & (1 << 30 | 1 << 32)), []


def protocol_features(session):
    """SET_PROTOCOL_FEATURES: what is in force anyway, or REPLY_ACK alone."""
    return u64(session.protocol or session.facts.protocol & 1 << 3), []


def mem_table(session):
    """Two regions."""
    regions = [region(BASE, SIZE, BASE, 0), region(BASE + SIZE, SIZE, BASE + SIZE, 0)]
    return struct.pack('<II', 2, 0) + b''.join(regions), [session.file(SIZE), session.file(SIZE)]


def log_base(session):
    """A log of one page: 32768 pages of the guest."""
    return struct.pack('<QQ', 4096, 0), [session.file(4096)]


def ring_addresses(index, **changes):
    """Where SET_VRING_ADDR puts a ring; @changes are other addresses."""
    where = {'descriptors': TABLE, 'used': USED, 'available': AVAILABLE, **changes}
    return lambda _session: (address(index, **where), [])


def backend_channel(session):
    """SET_BACKEND_REQ_FD."""
    return b'', [session.channel()]


def iotlb(kind=UPDATE, iova=FAR, size=4096, target=BASE, perm=READ_WRITE):
    """An IOTLB_MSG."""
    return lambda _session: (struct.pack('<QQQBB6x', iova, size, target, perm, kind), [])


def get_config(offset=0, size=CONFIG_SIZE, flags=0, data=None):
    """A GET_CONFIG."""
    return lambda _session: (config(offset, size, flags, data), [])


def set_config(offset=WCE, data=b'\1', flags=0):
    """A SET_CONFIG; by default the write cache of a block device."""
    return lambda _session: (config(offset, len(data), flags, data), [])


def inflight_size(mmap_size=0, offset=0, queues=1, size=RING_SIZE):
    """An INFLIGHT payload."""
    return struct.pack('<QQHH4x', mmap_size, offset, queues, size)


def set_inflight(session):
    """Back to the back-end what GET_INFLIGHT_FD gave."""
    try:
        answer = session.ask(GET_INFLIGHT_FD, inflight_size())
    except EOFError:
        answer = b''
    if len(answer) == 24 and session.received:
        return answer, session.received[:1]
    return inflight_size(2112), [session.file(4096)]


def shared_object(_session):
    """A UUID that nobody has registered."""
    return UUID, []


def device_state(direction=0, phase=0):
    """SET_DEVICE_STATE_FD with a socket for the state."""
    return lambda session: (struct.pack('<II', direction, phase), [session.channel()])


def memory_region(gpa=FAR, size=SIZE, uaddr=None, offset=0, there=SIZE):
    """A MEMREG with a file of @there bytes."""
    def build(session):
        user = gpa if uaddr is None else uaddr
        return bytes(8) + region(gpa, size, user, offset), [session.file(there)]
    return build


def without_descriptors(build):
    """The same payload alone."""
    return lambda session: (build(session)[0], [])


def with_descriptor(build):
    """The same payload and an eventfd."""
    return lambda session: (build(session)[0], [session.event()])


def with_device_node(build):
    """The same payload with something that cannot be mapped and is no socket."""
    return lambda session: (build(session)[0], [session.keep(_null())])


def _null():
    with open('/dev/null', 'r+b', buffering=0) as file:
        return os.dup(file.fileno())


def table_of(count, *regions, descriptors=None):
    """A SET_MEM_TABLE whose count may lie."""
    def build(session):
        files = len(regions) if descriptors is None else descriptors
        return (struct.pack('<II', count, 0) + b''.join(region(*entry) for entry in regions),
                [session.file(SIZE) for _ in range(files)])
    return build


# ---- What must come before ----

def step(request, build):
    """A step that sends one message."""
    def run(session):
        payload, descriptors = build(session)
        session.tell(request, payload, descriptors)
    return run


SHARE_MEMORY = step(SET_MEM_TABLE, mem_table)
NAME_SIZE = step(SET_VRING_NUM, ring_state(0, RING_SIZE))
NAME_BASE = step(SET_VRING_BASE, ring_state(0, 7))
NAME_ADDRESSES = step(SET_VRING_ADDR, ring_addresses(0))
GIVE_CHANNEL = step(SET_BACKEND_REQ_FD, backend_channel)
ADD_REGION = step(ADD_MEM_REG, memory_region())
RING = (SHARE_MEMORY, NAME_SIZE, NAME_ADDRESSES)


def advise(session):
    """Post-copy is announced; the answer is taken away."""
    session.ask(POSTCOPY_ADVISE)
