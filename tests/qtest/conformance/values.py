# SPDX-License-Identifier: GPL-2.0-or-later
"""Payloads whose size is right and whose content is not, or is at its limit: by message."""

import dataclasses
import struct
import typing

from support.vhost_user import NO_DESCRIPTOR, address, config, u64

from . import payloads as p
from .rows import CONFIG_WCE
from .verdict import Expect

ACCEPT, REFUSE, DENY, EITHER = Expect.ACCEPT, Expect.REFUSE, Expect.DENY, Expect.EITHER
LAST = (1 << 64) - 4096
NOWHERE = 1 << 50


@dataclasses.dataclass(frozen=True)
class Value:
    """One such payload.

    `feature`: virtio bit without which it may also be refused; `truth` gets the session and the
    reply's payload, and says what is untrue in it, or None.
    """
    name: str
    expect: Expect
    build: typing.Callable
    feature: typing.Optional[int] = None
    truth: typing.Optional[typing.Callable] = None


def not_offered(bit):
    """What is offered, and a bit that is not."""
    return lambda _session: (u64(1 << bit), [])


def all_features(session):
    """Everything that is offered."""
    return u64(session.facts.features), []


def ring_file(value, count):
    """A U64 with @count eventfds."""
    return lambda session: (u64(value), [session.event() for _ in range(count)])


def config_that_lies(size, data):
    """A CONFIG whose size field differs from what comes."""
    return lambda _session: (struct.pack('<III', 0, size, 0) + data, [])


def log(size, offset, build=p.log_base):
    """A LOG of a file of 4096 bytes."""
    return lambda session: (struct.pack('<QQ', size, offset), build(session)[1])


def inflight(**fields):
    """A SET_INFLIGHT_FD with a file of 4096 bytes."""
    return lambda session: (p.inflight_size(**fields), [session.file(4096)])


def ask_inflight(**fields):
    """A GET_INFLIGHT_FD."""
    return lambda _session: (p.inflight_size(**fields), [])


def later_bytes(session):
    """A GET_CONFIG of the second half of what one at offset 0 has told."""
    session.config = session.ask(24, config(0, 8))[12:]
    return config(4, 4), []


def second_half(session, reply):
    """True only if the offset was obeyed."""
    return None if reply[12:] == session.config[4:] else 'the offset is not obeyed'


ONE = (p.BASE, p.SIZE, p.BASE, 0)
TWO = (p.BASE + p.SIZE, p.SIZE, p.BASE + p.SIZE, 0)
NINE = tuple((p.BASE + k * p.SIZE, p.SIZE, p.BASE + k * p.SIZE, 0) for k in range(9))

TABLES = (
    Value('no regions', EITHER, p.table_of(0)),
    Value('eight regions', ACCEPT, p.table_of(8, *NINE[:8])),
    Value('nine regions', DENY, p.table_of(9, *NINE, descriptors=8)),
    Value('forty regions announced', REFUSE, p.table_of(40, ONE)),
    Value('2^32 - 1 regions announced', REFUSE, p.table_of((1 << 32) - 1, ONE)),
    Value('one region less announced', REFUSE, p.table_of(1, ONE, TWO)),
    Value('one region more announced', REFUSE, p.table_of(3, ONE, TWO)),
    Value('fewer descriptors than regions', REFUSE, p.table_of(2, ONE, TWO, descriptors=1)),
    Value('more descriptors than regions', DENY, p.table_of(2, ONE, TWO, descriptors=3)),
    Value('regions that overlap', REFUSE,
          p.table_of(2, ONE, (p.BASE + 4096, p.SIZE, p.BASE + p.SIZE, 0))),
    Value('user addresses that overlap', REFUSE,
          p.table_of(2, ONE, (p.BASE + p.SIZE, p.SIZE, p.BASE + 4096, 0))),
    Value('a region that wraps', REFUSE, p.table_of(1, (LAST, p.SIZE, p.BASE, 0))),
    Value('user addresses that wrap', REFUSE, p.table_of(1, (p.BASE, p.SIZE, LAST, 0))),
    Value('a file offset that wraps', REFUSE, p.table_of(1, (p.BASE, p.SIZE, p.BASE, LAST))),
    Value('a region of 2^62 bytes', REFUSE, p.table_of(1, (p.BASE, 1 << 62, p.BASE, 0))),
    Value('a region behind its file', EITHER, p.table_of(1, (p.BASE, p.SIZE, p.BASE, NOWHERE))),
    Value('what cannot be mapped', REFUSE,
          lambda session: (p.table_of(1, ONE)(session)[0],
                           p.with_device_node(p.nothing)(session)[1])),
)

REGIONS = (
    Value('empty', DENY, p.memory_region(size=0)),
    Value('that wraps', REFUSE, p.memory_region(gpa=LAST, uaddr=p.FAR)),
    Value('user addresses that wrap', REFUSE, p.memory_region(uaddr=LAST)),
    Value('a file offset that wraps', REFUSE, p.memory_region(offset=LAST)),
    Value('a length that is small once it is rounded', REFUSE,
          p.memory_region(gpa=0, size=(1 << 64) - 1, offset=4095)),
    Value('2^62 bytes', REFUSE, p.memory_region(size=1 << 62)),
    Value('longer than its file', EITHER, p.memory_region(there=4096)),
    Value('what cannot be mapped', REFUSE, p.with_device_node(p.memory_region())),
)

ADDRESSES = tuple(
    Value(name, REFUSE, p.ring_addresses(0, **change)) for name, change in (
        ('descriptors not aligned', {'descriptors': p.TABLE + 8}),
        ('available ring not aligned', {'available': p.AVAILABLE + 1}),
        ('used ring not aligned', {'used': p.USED + 2}),
        ('descriptors outside memory', {'descriptors': NOWHERE}),
        ('available ring outside memory', {'available': NOWHERE}),
        ('used ring outside memory', {'used': NOWHERE}),
        ('descriptors past the end', {'descriptors': p.BASE + 2 * p.SIZE - 16}),
        ('available ring past the end', {'available': p.BASE + 2 * p.SIZE - 4}),
        ('used ring past the end', {'used': p.BASE + 2 * p.SIZE - 4}),
        ('descriptors that wrap', {'descriptors': (1 << 64) - 16}),
        ('used ring that wraps', {'used': (1 << 64) - 4}))
) + (Value('flags that do not exist', EITHER,
           lambda _session: (address(0, p.TABLE, p.USED, p.AVAILABLE, flags=0xfffffffe), [])),)

VRING_FILES = (
    Value('no descriptor, and it says so', ACCEPT, ring_file(NO_DESCRIPTOR, 0)),
    Value('no descriptor, and it does not say so', REFUSE, ring_file(0, 0)),
    Value('a descriptor, and it says there is none', DENY, ring_file(NO_DESCRIPTOR, 1)),
    Value('unknown bits', EITHER, ring_file(1 << 9 | 1 << 63, 1)),
)

LOGS = (
    Value('empty', REFUSE, log(0, 0)),
    Value('longer than its file', EITHER, log(1 << 40, 0)),
    Value('an offset that wraps', REFUSE, log(4096, LAST)),
    Value('a size and offset that wrap', REFUSE, log(LAST, 4096)),
    Value('a length that is small once it is rounded', REFUSE, log((1 << 64) - 1, 4095)),
    Value('2^63 bytes', REFUSE, log(1 << 63, 0)),
    Value('what cannot be mapped', REFUSE, log(4096, 0, p.with_device_node(p.nothing))),
)

TRANSLATIONS = (
    Value('invalidate', ACCEPT, p.iotlb(kind=3, perm=0)),
    Value('invalidate everything', ACCEPT, p.iotlb(kind=3, iova=0, size=(1 << 64) - 1, perm=0)),
    Value('a miss', REFUSE, p.iotlb(kind=1)),
    Value('a failed access', REFUSE, p.iotlb(kind=4)),
    Value('type 0', REFUSE, p.iotlb(kind=0)),
    Value('type 255', REFUSE, p.iotlb(kind=255)),
    Value('no permission', EITHER, p.iotlb(perm=0)),
    Value('unknown permission', EITHER, p.iotlb(perm=0xfc)),
    Value('no bytes', EITHER, p.iotlb(size=0)),
    Value('addresses that wrap', REFUSE, p.iotlb(iova=LAST, size=8192)),
    Value('a target that wraps', REFUSE, p.iotlb(target=LAST, size=8192)),
    Value('a target outside memory', EITHER, p.iotlb(target=NOWHERE)),
)

CONFIGS = (
    Value('at an offset', ACCEPT, later_bytes, truth=second_half),
    Value('256 bytes', EITHER, p.get_config(size=256)),
    Value('no bytes', EITHER, p.get_config(size=0)),
    Value('at the last offset', EITHER, p.get_config(offset=(1 << 32) - 1)),
    Value('more than comes', DENY, config_that_lies(256, bytes(8))),
    Value('less than comes', EITHER, config_that_lies(4, bytes(8))),
    Value('2^32 - 1 bytes', DENY, config_that_lies((1 << 32) - 1, bytes(8))),
)

CONFIG_WRITES = (
    Value('the write cache', ACCEPT, p.set_config(), CONFIG_WCE),
    Value('a field that cannot be written', REFUSE, p.set_config(offset=0, data=bytes(8))),
    Value('at the last offset', REFUSE, p.set_config(offset=(1 << 32) - 1, data=bytes(8))),
    Value('256 bytes', REFUSE, p.set_config(offset=0, data=bytes(256))),
    Value('flags that do not exist', EITHER, p.set_config(flags=0xffffffff)),
    Value('no bytes', EITHER, p.set_config(data=b'')),
    Value('more than comes', DENY, lambda _session: (config(p.WCE, 256, data=b'\1'), [])),
    Value('2^32 - 1 bytes', DENY, config_that_lies((1 << 32) - 1, bytes(8))),
)

INFLIGHT_QUESTIONS = (
    Value('no queues', EITHER, ask_inflight(queues=0)),
    Value('65535 queues', REFUSE, ask_inflight(queues=65535)),
    Value('a ring of no entries', EITHER, ask_inflight(size=0)),
    Value('a ring of 65535 entries', EITHER, ask_inflight(size=65535)),
)

INFLIGHT_REGIONS = (
    Value('65535 queues', REFUSE, inflight(mmap_size=2112, queues=65535)),
    Value('a region too small', REFUSE, inflight(mmap_size=64)),
    Value('longer than its file', REFUSE, inflight(mmap_size=1 << 40)),
    Value('an offset that wraps', REFUSE, inflight(mmap_size=2112, offset=LAST)),
    Value('a size and offset that wrap', REFUSE, inflight(mmap_size=LAST, offset=8192)),
)

VALUES = {
    'SET_FEATURES': (Value('everything that is offered', ACCEPT, all_features),
                     Value('nothing', ACCEPT, p.number(0)),
                     Value('a bit that is not offered', REFUSE, not_offered(63))),
    'SET_MEM_TABLE': TABLES,
    'SET_LOG_BASE': LOGS,
    'SET_VRING_NUM': (Value('1 entry', EITHER, p.ring_state(0, 1)),
                      *(Value(f'{size} entries', REFUSE, p.ring_state(0, size))
                        for size in (0, 3, 127, 32769, 65536, (1 << 32) - 1))),
    'SET_VRING_ADDR': ADDRESSES,
    'SET_VRING_BASE': (Value('65535', EITHER, p.ring_state(0, 65535)),
                       Value('65536', REFUSE, p.ring_state(0, 65536)),
                       Value('2^32 - 1', REFUSE, p.ring_state(0, (1 << 32) - 1))),
    'SET_VRING_KICK': (Value('no descriptor, and it says so', EITHER, ring_file(NO_DESCRIPTOR, 0)),
                       *VRING_FILES[1:],
                       Value('what cannot be waited on', EITHER,
                             p.with_device_node(p.number(0)))),
    'SET_VRING_CALL': VRING_FILES,
    'SET_VRING_ERR': VRING_FILES,
    'SET_PROTOCOL_FEATURES': (Value('nothing', ACCEPT, p.number(0)),
                              Value('a bit that is not offered', REFUSE, not_offered(63))),
    'SET_VRING_ENABLE': (Value('0', ACCEPT, p.ring_state(0, 0)),
                         Value('2', EITHER, p.ring_state(0, 2)),
                         Value('2^32 - 1', EITHER, p.ring_state(0, (1 << 32) - 1))),
    'SET_BACKEND_REQ_FD': (Value('what is no socket', EITHER, p.with_device_node(p.nothing)),),
    'IOTLB_MSG': TRANSLATIONS,
    'GET_CONFIG': CONFIGS,
    'SET_CONFIG': CONFIG_WRITES,
    'SET_VRING_ENDIAN': (Value('big', EITHER, p.ring_state(0, 1)),
                         Value('2', REFUSE, p.ring_state(0, 2))),
    'NET_SET_MTU': (Value('0', EITHER, p.number(0)),
                    Value('2^64 - 1', REFUSE, p.number((1 << 64) - 1))),
    'CLOSE_CRYPTO_SESSION': (Value('one that was never opened', EITHER,
                                   p.number((1 << 64) - 1)),),
    'GET_INFLIGHT_FD': INFLIGHT_QUESTIONS,
    'SET_INFLIGHT_FD': INFLIGHT_REGIONS,
    'ADD_MEM_REG': REGIONS,
    'REM_MEM_REG': (Value('one that is not there', REFUSE,
                          p.without_descriptors(p.memory_region(gpa=NOWHERE))),
                    Value('of another size', REFUSE,
                          p.without_descriptors(p.memory_region(size=4096))),
                    Value('another file offset', ACCEPT,
                          p.without_descriptors(p.memory_region(offset=4096))),
                    Value('with a descriptor', ACCEPT, p.memory_region())),
    'SET_STATUS': (Value('reset', ACCEPT, p.number(0)),
                   Value('256', EITHER, p.number(256)),
                   Value('2^64 - 1', EITHER, p.number((1 << 64) - 1))),
    'SET_DEVICE_STATE_FD': (Value('direction 2', REFUSE, p.device_state(direction=2)),
                            Value('phase 1', REFUSE, p.device_state(phase=1))),
}
