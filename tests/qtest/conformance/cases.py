# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried with each message: generated from its row, so that nothing is forgotten."""

import dataclasses
import typing

from support.vhost_user import NEED_REPLY, REPLY, VERSION, message, u64

from .rows import ROWS, UNKNOWN, Row, config_size
from .session import READY, Stage
from .values import VALUES
from .verdict import Expect

LARGEST = (272, 4096)           # payloads beyond what any message holds
FOUR_GIB = (1 << 32) - 1
FRAME_DESCRIPTORS = 8           # more than these can come with no message
SHORT = 80                      # messages up to this length are split at every byte


@dataclasses.dataclass
class Attempt:
    """One message as it will be sent."""
    payload: bytes
    descriptors: list
    flags: int = VERSION
    size: typing.Optional[int] = None

    def bytes(self, number):
        """As it goes over the wire."""
        return message(number, self.payload, self.flags, self.size)


def whole(session, data, descriptors):
    """In one piece."""
    session.send(data, descriptors)


def byte_by_byte(session, data, descriptors):
    """Each byte alone, the next one when it has been read."""
    for number in range(len(data)):
        if not session.send(data[number:number + 1], descriptors if number == 0 else ()):
            return
        session.wait_read()


def split_at(offset):
    """In two pieces, the second one when the first one has been read."""
    def send(session, data, descriptors):
        session.send(data[:offset], descriptors)
        session.wait_read()
        session.send(data[offset:])
    return send


@dataclasses.dataclass(frozen=True)
class Case:
    """A message, what is special about it, and what must become of it.

    `alter` turns the correct Attempt into this case's, `build` replaces the row's builder;
    `times`: it is sent so often, and only the last one is judged; `sendings`: the case is run
    anew with each.
    """
    name: str
    row: Row
    expect: Expect
    alter: typing.Callable = lambda session, attempt: None
    build: typing.Optional[typing.Callable] = None
    stage: Stage = READY
    times: int = 1
    sendings: tuple = (whole,)
    truth: typing.Optional[typing.Callable] = None
    need_reply: bool = False

    def attempt(self, session):
        """The message of this case."""
        payload, descriptors = (self.build or self.row.build)(session)
        attempt = Attempt(payload, list(descriptors))
        if self.need_reply:
            attempt.flags |= NEED_REPLY
        self.alter(session, attempt)
        return attempt


def in_order(row):
    """Correct use; repeated; before this or that was agreed upon."""
    yield Case('correct', row, row.result)
    yield Case('repeated', row, row.again or row.result, times=2)
    yield Case('before SET_OWNER', row, Expect.EITHER, stage=Stage(owner=False))
    before_features = Expect.DENY if row.feature is not None else Expect.EITHER
    yield Case('before SET_FEATURES', row, before_features, stage=Stage(features=False))
    before_protocol = Expect.EITHER if row.question else Expect.DENY
    if row.gate is None and row.feature is None:
        before_protocol = row.result
    yield Case('before SET_PROTOCOL_FEATURES', row, before_protocol, stage=Stage(protocol=False))
    yield Case('before anything', row, Expect.DENY if before_protocol is Expect.DENY
               else Expect.EITHER, stage=Stage(False, False, False))


def resized(count):
    """The payload cut or filled up to @count bytes, and a header that says so."""
    def alter(_session, attempt):
        attempt.payload = attempt.payload[:count].ljust(count, b'\0')
    return alter


def changed_by(difference):
    """The payload longer or shorter by so many bytes."""
    def alter(session, attempt):
        resized(max(len(attempt.payload) + difference, 0))(session, attempt)
    return alter


def announced(size):
    """A header that promises more than follows."""
    def alter(_session, attempt):
        attempt.size = size
    return alter


def sizes(row):
    """Wrong sizes; one that is right for this message is none."""
    least, most = row.sizes
    if least > 0:
        yield Case('size 0', row, Expect.DENY, resized(0))
        shorter = Expect.EITHER if row.reply is config_size else Expect.DENY
        yield Case('size one less', row, shorter, changed_by(-1))
    if least == most or most > 64:
        yield Case('size one more', row, row.longer, changed_by(1))
    for size in LARGEST:
        if size > most:
            yield Case(f'size {size}', row, Expect.DENY, resized(size))
    yield Case('size 4 GiB', row, Expect.DROP, announced(FOUR_GIB))


def descriptors_of(count):
    """So many descriptors: of the right ones, then of pipes."""
    def alter(session, attempt):
        kept = attempt.descriptors[:count]
        attempt.descriptors = kept + [session.watched() for _ in range(count - len(kept))]
    return alter


def descriptors(row):
    """Wrong numbers of descriptors; what is surplus must at least be closed."""
    least, most = row.descriptors
    for count in sorted({0, 1, least - 1, most + 1, FRAME_DESCRIPTORS, FRAME_DESCRIPTORS + 1}):
        if count < 0 or least <= count <= most:
            continue
        surplus = Expect.DENY if count > FRAME_DESCRIPTORS else Expect.EITHER
        name = 'no descriptor' if count == 0 else \
            f'{count} descriptor{"" if count == 1 else "s"}'
        yield Case(name, row, Expect.DENY if count < least else surplus, descriptors_of(count))


def index_is(row, number):
    """Another queue."""
    def alter(_session, attempt):
        head = u64(number) if row.index == 'file' else number.to_bytes(4, 'little')
        attempt.payload = head + attempt.payload[len(head):]
    return alter


def indices(row, facts):
    """Queues that do not exist."""
    if row.index is None:
        return
    for number in sorted({facts.queues, 255, FOUR_GIB}):
        if number >= facts.queues and not (row.index == 'file' and 255 < number < FOUR_GIB):
            name = '2^32 - 1' if number == FOUR_GIB else number
            yield Case(f'queue {name}', row, Expect.REFUSE, index_is(row, number))


def flags_are(flags):
    """Another flags word."""
    def alter(_session, attempt):
        attempt.flags = attempt.flags & NEED_REPLY | flags
    return alter


def framing(row):
    """Headers that no request has."""
    yield Case('version 0', row, Expect.DENY, flags_are(0))
    yield Case('version 2', row, Expect.DENY, flags_are(2))
    yield Case('marked as a reply', row, Expect.DENY, flags_are(VERSION | REPLY))


def pieces(row, facts):
    """The same message in pieces."""
    yield Case('byte by byte', row, row.result, sendings=(byte_by_byte,))
    length = 12 + max(row.sizes[0], 8 + 2 * 32 if row.name == 'SET_MEM_TABLE' else 0)
    if length <= SHORT and row.offered(facts, None):
        yield Case('split at every byte', row, row.result,
                   sendings=tuple(split_at(offset) for offset in range(1, length)))


def contents(row, facts):
    """Contents that are wrong, or at a limit."""
    for value in VALUES.get(row.name, ()):
        sure = value.feature is None or facts.has(value.feature)
        yield Case(value.name, row, value.expect if sure else Expect.EITHER, build=value.build,
                   truth=value.truth)


def _of_row(row, facts, device):
    offered = row.offered(facts, device)
    for case in (*in_order(row), *sizes(row), *descriptors(row), *indices(row, facts),
                 *framing(row), *pieces(row, facts), *contents(row, facts)):
        if not offered and case.expect is not Expect.DROP:
            case = dataclasses.replace(case, expect=Expect.DENY)
        for need_reply, suffix in ((False, ''), (True, '/need reply')):
            yield dataclasses.replace(case, name=f'{row.name}/{case.name}{suffix}',
                                      need_reply=need_reply)


def _of_unknown(row):
    for case in (Case('correct', row, Expect.DENY), *sizes(row), *descriptors(row)):
        expect = case.expect if case.expect is Expect.DROP else Expect.DENY
        for need_reply, suffix in ((False, ''), (True, '/need reply')):
            yield dataclasses.replace(case, name=f'{row.name}/{case.name}{suffix}', expect=expect,
                                      need_reply=need_reply)


def generate(facts, device='blk', rows=ROWS + UNKNOWN):
    """All cases for a back-end of that kind which offers @facts."""
    for row in rows:
        yield from _of_unknown(row) if row in UNKNOWN else _of_row(row, facts, device)
