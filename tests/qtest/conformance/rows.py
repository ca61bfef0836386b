# SPDX-License-Identifier: GPL-2.0-or-later
"""What the protocol says about each message of a front-end: one row a message."""

import dataclasses
import typing

from . import payloads as p
from . import verdict as v
from .verdict import Expect

NUMBER, ANY = 8, ...
STATE, ADDR, LOG, IOTLB, MEMREG, INFLIGHT, UUID, DEVSTATE = 8, 40, 16, 32, 40, 24, 16, 8
TABLE_LEAST, TABLE_MOST = 8, 8 + 32 * 8
CONFIG_LEAST, CONFIG_MOST = 12, 12 + 256
CRYPTO, SHMCFG = 1072, 2056

# Protocol feature bits.
(MQ, LOG_SHMFD, RARP, _, MTU, BACKEND_REQ, CROSS_ENDIAN, CRYPTO_SESSION, PAGEFAULT, CONFIG_BIT, _,
 _, INFLIGHT_SHMFD, RESET_DEVICE, INBAND, MEM_SLOTS, STATUS, _, SHARED_OBJECT,
 DEVICE_STATE) = range(20)
SHMEM = 22
# Virtio feature bits.
CONFIG_WCE, ACCESS_PLATFORM, IN_ORDER = 11, 33, 35


def size_of(count):
    """A reply of always so many bytes; ANY: of any number."""
    return lambda _sent: count


@dataclasses.dataclass(frozen=True)
class Row:
    """A message.

    `sizes` and `descriptors` are (least, most) of a correct one; `index`: where the queue's number
    lies ('state' 32 bits, 'file' 8 bits of 64, or None); `gate`: the protocol feature it needs;
    `feature`: the virtio feature; `device`: the only kind of device it is for. `reply` gives the
    payload size of its own reply from what was sent, None: it is only acknowledged; `error` tells a
    reply by which it is refused; `truth` says what is untrue in a reply, or None. `build` makes a
    correct one, after the steps of `before`; `result` is what becomes of it, `again` of the second
    one, `longer` of one with a byte too much. `question`: it only asks, so a back-end that offers
    the feature may answer before that was accepted.
    """
    number: int
    name: str
    sizes: tuple
    descriptors: tuple
    index: typing.Optional[str]
    gate: typing.Optional[int]
    reply: typing.Optional[typing.Callable]
    build: typing.Callable
    before: tuple = ()
    feature: typing.Optional[int] = None
    device: typing.Optional[str] = None
    error: typing.Callable = v.by_dropping
    truth: typing.Optional[typing.Callable] = None
    result: Expect = Expect.ACCEPT
    again: typing.Optional[Expect] = None
    longer: Expect = Expect.DENY
    question: bool = False

    def offered(self, facts, device):
        """True if the back-end says that it serves this message."""
        return (self.gate is None or facts.offers(self.gate)) and \
            (self.feature is None or facts.has(self.feature)) and \
            self.device in (None, device)


def same_start(count):
    """The reply repeats the first @count bytes of the request."""
    def truth(sent, reply):
        return None if reply[:count] == sent[:count] else 'a reply about something else'
    return truth


def config_size(sent):
    """A CONFIG of the size that was asked for, whatever came with the question."""
    return CONFIG_LEAST + int.from_bytes(sent[4:8], 'little')


def base_is_told(sent, reply):
    """GET_VRING_BASE of a ring that was never started: what SET_VRING_BASE said."""
    if reply[:4] != sent[:4]:
        return 'a base of another ring'
    return None if reply[4:] == b'\7\0\0\0' else 'a base that was never set'


def is_zero(_sent, reply):
    """An answer that is a status."""
    return None if not any(reply) else 'an error'


def _rows():
    none, state, file = None, 'state', 'file'
    number, same = size_of(NUMBER), len
    accept, refuse, either = Expect.ACCEPT, Expect.REFUSE, Expect.EITHER
    u64, nil, no_fd, one_fd = (NUMBER, NUMBER), (0, 0), (0, 0), (1, 1)
    return (
        Row(1, 'GET_FEATURES', nil, no_fd, none, none, number, p.nothing),
        Row(2, 'SET_FEATURES', u64, no_fd, none, none, none, p.features),
        Row(3, 'SET_OWNER', nil, no_fd, none, none, none, p.nothing, again=either),
        Row(4, 'RESET_OWNER', nil, no_fd, none, none, none, p.nothing),
        Row(5, 'SET_MEM_TABLE', (TABLE_LEAST, TABLE_MOST), (2, 2), none, none, none, p.mem_table,
            longer=either),     # front-ends with a fixed number of regions send them all
        Row(6, 'SET_LOG_BASE', (LOG, LOG), one_fd, none, LOG_SHMFD, size_of(ANY), p.log_base,
            error=v.by_number, result=either),      # a number that is not 0 may mean anything
        Row(7, 'SET_LOG_FD', (0, NUMBER), one_fd, none, none, none, p.with_descriptor(p.nothing)),
        Row(8, 'SET_VRING_NUM', (STATE, STATE), no_fd, state, none, none, p.ring_state(0, 128)),
        Row(9, 'SET_VRING_ADDR', (ADDR, ADDR), no_fd, state, none, none, p.ring_addresses(0),
            before=(p.SHARE_MEMORY, p.NAME_SIZE)),
        Row(10, 'SET_VRING_BASE', (STATE, STATE), no_fd, state, none, none, p.ring_state(0, 7)),
        Row(11, 'GET_VRING_BASE', (STATE, STATE), no_fd, state, none, same, p.ring_state(0, 0),
            before=(p.NAME_BASE,), truth=base_is_told),
        Row(12, 'SET_VRING_KICK', u64, (1, 1), file, none, none, p.vring_file(0), before=p.RING),
        Row(13, 'SET_VRING_CALL', u64, (1, 1), file, none, none, p.vring_file(0)),
        Row(14, 'SET_VRING_ERR', u64, (1, 1), file, none, none, p.vring_file(0)),
        Row(15, 'GET_PROTOCOL_FEATURES', nil, no_fd, none, none, number, p.nothing),
        Row(16, 'SET_PROTOCOL_FEATURES', u64, no_fd, none, none, none, p.protocol_features),
        Row(17, 'GET_QUEUE_NUM', nil, no_fd, none, MQ, number, p.nothing, question=True),
        Row(18, 'SET_VRING_ENABLE', (STATE, STATE), no_fd, state, none, none, p.ring_state(0, 1)),
        Row(19, 'SEND_RARP', u64, no_fd, none, RARP, none, lambda _session: (p.MAC, [])),
        Row(20, 'NET_SET_MTU', u64, no_fd, none, MTU, none, p.number(1500)),
        Row(21, 'SET_BACKEND_REQ_FD', (0, NUMBER), one_fd, none, BACKEND_REQ, none,
            p.backend_channel),
        Row(22, 'IOTLB_MSG', (IOTLB, IOTLB), no_fd, none, none, number, p.iotlb(),
            before=(p.SHARE_MEMORY, p.GIVE_CHANNEL), feature=ACCESS_PLATFORM, error=v.by_number,
            truth=is_zero),
        Row(23, 'SET_VRING_ENDIAN', (STATE, STATE), no_fd, state, CROSS_ENDIAN, none,
            p.ring_state(0, 0)),
        Row(24, 'GET_CONFIG', (CONFIG_LEAST, CONFIG_MOST), no_fd, none, CONFIG_BIT,
            config_size, p.get_config(), error=v.by_nothing, truth=same_start(12), longer=either,
            question=True),
        Row(25, 'SET_CONFIG', (CONFIG_LEAST, CONFIG_MOST), no_fd, none, CONFIG_BIT, none,
            p.set_config(), result=either),
        Row(26, 'CREATE_CRYPTO_SESSION', (CRYPTO, CRYPTO), no_fd, none, CRYPTO_SESSION, same,
            lambda _session: (bytes(CRYPTO), []), error=v.by_negative_end, result=either),
        Row(27, 'CLOSE_CRYPTO_SESSION', u64, no_fd, none, CRYPTO_SESSION, none, p.number(0),
            result=either),
        Row(28, 'POSTCOPY_ADVISE', nil, no_fd, none, PAGEFAULT, size_of(0), p.nothing,
            error=v.by_no_descriptor, again=either),
        Row(29, 'POSTCOPY_LISTEN', nil, no_fd, none, PAGEFAULT, none, p.nothing,
            before=(p.advise,), again=either),
        Row(30, 'POSTCOPY_END', nil, no_fd, none, PAGEFAULT, number, p.nothing,
            before=(p.advise,), error=v.by_number, truth=is_zero, again=either),
        Row(31, 'GET_INFLIGHT_FD', (INFLIGHT, INFLIGHT), no_fd, none, INFLIGHT_SHMFD, same,
            lambda _session: (p.inflight_size(), []), error=v.by_no_descriptor),
        Row(32, 'SET_INFLIGHT_FD', (INFLIGHT, INFLIGHT), one_fd, none, INFLIGHT_SHMFD, none,
            p.set_inflight),
        Row(33, 'GPU_SET_SOCKET', (0, NUMBER), one_fd, none, none, none, p.backend_channel,
            device='gpu'),
        Row(34, 'RESET_DEVICE', nil, no_fd, none, RESET_DEVICE, none, p.nothing),
        Row(35, 'VRING_KICK', (STATE, STATE), no_fd, state, INBAND, none, p.ring_state(0, 0),
            before=p.RING),
        Row(36, 'GET_MAX_MEM_SLOTS', nil, no_fd, none, MEM_SLOTS, number, p.nothing, question=True),
        Row(37, 'ADD_MEM_REG', (MEMREG, MEMREG), one_fd, none, MEM_SLOTS, none,
            p.memory_region(), again=refuse),
        Row(38, 'REM_MEM_REG', (MEMREG, MEMREG), (0, 1), none, MEM_SLOTS, none,
            p.without_descriptors(p.memory_region()), before=(p.ADD_REGION,), again=refuse),
        Row(39, 'SET_STATUS', u64, no_fd, none, STATUS, none, p.number(1)),
        Row(40, 'GET_STATUS', nil, no_fd, none, STATUS, number, p.nothing, question=True),
        Row(41, 'GET_SHARED_OBJECT', (UUID, UUID), no_fd, none, SHARED_OBJECT, size_of(ANY),
            p.shared_object, error=v.by_no_descriptor, result=either),
        Row(42, 'SET_DEVICE_STATE_FD', (DEVSTATE, DEVSTATE), one_fd, none, DEVICE_STATE, number,
            p.device_state(), error=v.by_number, result=either),
        Row(43, 'CHECK_DEVICE_STATE', nil, no_fd, none, DEVICE_STATE, number, p.nothing,
            error=v.by_number, result=either),
        Row(44, 'GET_SHMEM_CONFIG', nil, no_fd, none, SHMEM, size_of(SHMCFG), p.nothing,
            error=v.by_zeroes, question=True),
    )


ROWS = _rows()
BY_NAME = {row.name: row for row in ROWS}
# Numbers that are no message; the protocol knows nothing of them.
UNKNOWN = tuple(Row(number, f'request {number}', (0, 0), (0, 0), None, None, None, p.nothing,
                    result=Expect.DENY, again=Expect.DENY)
                for number in (0, 45, 99, 1006, 1 << 31, (1 << 32) - 1))
