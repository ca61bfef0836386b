# SPDX-License-Identifier: GPL-2.0-or-later
"""The channel of the back-end's own messages: what it sends there, and what it must bear.

A trigger makes the back-end send a message; the reactions are what a front-end may do then, from
the right answer to noise. Whatever it is: the message has the right form, the main connection goes
on or ends, new clients are served, and a well-behaved front-end gets the next message too.
"""

import dataclasses
import socket
import struct
import typing

from support.vhost_user import HEADER, NEED_REPLY, REPLY, VERSION, message, state, u64

from . import payloads as p
from .rows import ACCESS_PLATFORM, BACKEND_REQ, CONFIG_BIT, INBAND, SHARED_OBJECT, SHMEM
from .session import GET_FEATURES, Silence

CONFIG_CHANGE, IOTLB = 2, 1
HOST_NOTIFIER = 11
MISS = 1
IOTLB_MSG, SET_VRING_KICK, SET_VRING_ENABLE = 22, 12, 18
SHIFT = p.FAR           # rings are at user address + SHIFT for the device
NOISE = bytes((number * 167 + 13) % 256 for number in range(1 << 16))


@dataclasses.dataclass(frozen=True)
class BackendRow:
    """A message of the back-end: its payload size, (least, most) descriptors, and its gate."""
    number: int
    name: str
    size: int
    descriptors: tuple
    gate: typing.Optional[int]


BACKEND_ROWS = (
    BackendRow(1, 'IOTLB_MSG', 32, (0, 0), None),
    BackendRow(2, 'CONFIG_CHANGE_MSG', 0, (0, 0), CONFIG_BIT),
    BackendRow(3, 'VRING_HOST_NOTIFIER_MSG', 24, (0, 1), HOST_NOTIFIER),
    BackendRow(4, 'VRING_CALL', 8, (0, 0), INBAND),
    BackendRow(5, 'VRING_ERR', 8, (0, 0), INBAND),
    BackendRow(6, 'SHARED_OBJECT_ADD', 16, (0, 0), SHARED_OBJECT),
    BackendRow(7, 'SHARED_OBJECT_REMOVE', 16, (0, 0), SHARED_OBJECT),
    BackendRow(8, 'SHARED_OBJECT_LOOKUP', 16, (0, 0), SHARED_OBJECT),
    BackendRow(9, 'SHMEM_MAP', 40, (1, 1), SHMEM),
    BackendRow(10, 'SHMEM_UNMAP', 40, (0, 0), SHMEM),
)


class Wrong(Exception):
    """What is wrong, in a few words."""


class Channel:
    """The front-end's end of the channel."""

    def __init__(self, session):
        self.session, self.socket = session, session.other_end

    def receive(self, number):
        """The next message, which must be of that number and form; (flags, payload)."""
        row = BACKEND_ROWS[number - 1]
        data = b''
        while len(data) < HEADER.size + row.size:
            try:
                part = self.socket.recv(HEADER.size + row.size - len(data))
            except (TimeoutError, ConnectionResetError):
                raise Wrong(f'no {row.name} comes') from None
            if not part:
                raise Wrong(f'the channel ends instead of a {row.name}')
            data += part
        got, flags, size = HEADER.unpack(data[:HEADER.size])
        if (got, size) != (row.number, row.size):
            raise Wrong(f'message {got} of {size} bytes instead of a {row.name}')
        if flags & ~NEED_REPLY != VERSION:
            raise Wrong(f'a {row.name} with flags {flags:#x}')
        return flags, data[HEADER.size:]

    def send(self, data, descriptors=()):
        """Sends bytes; False if the back-end has closed, or does not read (it need not)."""
        self.socket.settimeout(0.2)
        try:
            if descriptors:
                socket.send_fds(self.socket, [data], descriptors)
            else:
                self.socket.sendall(data)
        except (TimeoutError, OSError):
            return False
        finally:
            self.socket.settimeout(self.session.patience)
        return True


# ---- Triggers ----

def change_config(peer, session):
    """Somebody changes the device's configuration."""
    peer.change_config()
    return CONFIG_CHANGE


def start_untranslated(_peer, session):
    """A ring starts at addresses that the IOMMU has not told of yet."""
    for step in (p.SHARE_MEMORY, p.NAME_SIZE):
        step(session)
    where = {'descriptors': p.TABLE + SHIFT, 'available': p.AVAILABLE + SHIFT,
             'used': p.USED + SHIFT}
    p.step(9, p.ring_addresses(0, **where))(session)
    session.tell(SET_VRING_KICK, u64(0), [session.event()])
    session.tell(SET_VRING_ENABLE, state(0, 1))
    return IOTLB


def check_miss(payload):
    """A question about the ring that was started."""
    iova, _, _, perm, kind = struct.unpack('<QQQBB6x', payload)
    if kind != MISS or perm not in (1, 2, 3):
        raise Wrong(f'an IOTLB_MSG of type {kind} and permission {perm}')
    if not p.TABLE + SHIFT <= iova < p.USED + SHIFT + 4096:
        raise Wrong(f'a miss of {iova:#x}, where no ring is')


def translate_all(session, _channel, _flags, _payload):
    """All pages of the ring are told; each update is acknowledged."""
    answer = session.ask(IOTLB_MSG, struct.pack('<QQQBB6x', p.BASE + SHIFT, p.SIZE, p.BASE,
                                                p.READ_WRITE, p.UPDATE))
    if answer != bytes(8):
        raise Wrong('a translation that was asked for is refused')


# ---- Reactions: (session, channel, flags, payload) ----

def answer(number=None, value=bytes(8), flags=VERSION | REPLY, size=None, times=1):
    """An acknowledgement, as right as the arguments."""
    def react(_session, channel, _flags, _payload):
        channel.send(message(number or channel.last, value, flags, size) * times)
    return react


def answer_if_asked(value=bytes(8)):
    """The acknowledgement that is due, or nothing."""
    def react(session, channel, flags, payload):
        if flags & NEED_REPLY:
            answer(value=value)(session, channel, flags, payload)
    return react


def with_descriptors(count):
    """An acknowledgement and descriptors, which must be closed at the latest with the client."""
    def react(session, channel, _flags, _payload):
        channel.send(message(channel.last, bytes(8), VERSION | REPLY),
                     [session.watched() for _ in range(count)])
    return react


def in_pieces(_session, channel, _flags, _payload):
    """An acknowledgement byte by byte."""
    for byte in message(channel.last, bytes(8), VERSION | REPLY):
        channel.send(bytes([byte]))


def half(_session, channel, _flags, _payload):
    """Half of it, and the end."""
    channel.send(message(channel.last, bytes(8), VERSION | REPLY)[:9])
    channel.socket.close()


def close(_session, channel, _flags, _payload):
    """The end."""
    channel.socket.close()


def noise(_session, channel, _flags, _payload):
    """What is no vhost-user."""
    channel.send(NOISE)


REACTIONS = {
    'answered if asked': answer_if_asked(),
    'refused if asked': answer_if_asked(u64(1)),
    'never answered': lambda *_: None,
    'answered in any case': answer(),
    'answered twice': answer(times=2),
    'answered as another message': answer(number=9),
    'answered as a message that does not exist': answer(number=(1 << 32) - 1),
    'answer of no bytes': answer(value=b''),
    'answer of 7 bytes': answer(value=bytes(7)),
    'answer of 9 bytes': answer(value=bytes(9)),
    'answer of 4096 bytes': answer(value=bytes(4096)),
    'answer of 4 GiB': answer(size=(1 << 32) - 1),
    'answer without the reply flag': answer(flags=VERSION),
    'answer that wants a reply': answer(flags=VERSION | REPLY | NEED_REPLY),
    'answer of another version': answer(flags=2 | REPLY),
    'answer with a descriptor': with_descriptors(1),
    'answer with 8 descriptors': with_descriptors(8),
    'answer with 9 descriptors': with_descriptors(9),
    'answer byte by byte': in_pieces,
    'half an answer': half,
    'channel closed': close,
    'noise': noise,
}
GOOD = ('answered if asked',)


@dataclasses.dataclass(frozen=True)
class BackendCase:
    """A trigger and a reaction."""
    name: str
    trigger: typing.Callable
    react: typing.Callable
    good: bool
    features: int

    def run(self, peer):
        """None, or what is wrong."""
        session = peer.session()
        try:
            return self._run(peer, session)
        except (Wrong, Silence) as error:
            return str(error)
        except EOFError:
            return 'the connection ended too early'
        finally:
            session.close()

    def _run(self, peer, session):
        session.negotiate(features=self.features)
        p.GIVE_CHANNEL(session)
        session.ask(GET_FEATURES)
        number = self.trigger(peer, session)
        session.ask(GET_FEATURES)
        channel = Channel(session)
        flags, payload = channel.receive(number)
        channel.last = number
        if number == IOTLB:
            check_miss(payload)
        self.react(session, channel, flags, payload)
        session.forget_watched()
        answers = session.collect(GET_FEATURES)
        if answers.messages or answers.end == 'silent' or (self.good and answers.end != 'open'):
            return f'the main connection suffers: {answers}'
        if self.good:
            self._again(peer, session, channel)
        session.hang_up()
        return 'descriptors stay open after the connection has ended' \
            if session.leaks(peer.grace) else None

    def _again(self, peer, session, channel):
        """The next message of the kind, or what was asked for."""
        if self.trigger is change_config:
            channel.receive(change_config(peer, session))
        else:
            translate_all(session, channel, 0, b'')


def generate(peer):
    """Cases for the messages that can be triggered: of a peer that can change_config()."""
    facts = peer.facts
    triggers = {}
    if facts.offers(BACKEND_REQ) and facts.offers(CONFIG_BIT) and hasattr(peer, 'change_config'):
        triggers['CONFIG_CHANGE_MSG'] = (change_config, 0)
    if facts.offers(BACKEND_REQ) and facts.has(ACCESS_PLATFORM):
        triggers['back-end IOTLB_MSG'] = (start_untranslated, 1 << ACCESS_PLATFORM)
    for name, (trigger, features) in triggers.items():
        for how, react in REACTIONS.items():
            yield BackendCase(f'{name}/{how}', trigger, react, how in GOOD, features)
