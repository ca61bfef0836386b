# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection to a back-end under test, and all that is handed over on it."""

import array
import dataclasses
import fcntl
import os
import select
import socket
import struct
import termios
import time

from support.vhost_user import HEADER, VERSION, message, u64

GET_FEATURES, SET_FEATURES, SET_OWNER = 1, 2, 3
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16
F_PROTOCOL_FEATURES, F_VERSION_1, REPLY_ACK = 30, 32, 3
# Bits that change the meaning of other messages: accepted only where a case is about them.
NOT_BY_DEFAULT = 1 << 14 | 1 << 17
MOST_DESCRIPTORS = 16


class Silence(Exception):
    """Nothing came for as long as one is prepared to wait."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """How far a session is negotiated before the message of a case is sent."""
    owner: bool = True
    features: bool = True
    protocol: bool = True


READY = Stage()


@dataclasses.dataclass
class Answers:
    """What came back: messages, and how it ended."""
    messages: list      # (request, flags, payload, number of descriptors)
    end: str            # 'open': the back-end still answers; 'closed'; 'silent'


class Session:
    """A connection in a given stage; close() ends it and everything that was made for it."""

    def __init__(self, path, facts=None, patience=10.0):
        self.facts = facts
        self.patience = patience
        self._opened = []
        self._ends, self._given = [], []    # of channels: ours and theirs
        self.other_end = None   # the last of them
        self._watched = []
        self.protocol = 0
        self.received = []      # descriptors of the last message
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A full backlog makes a blocking connect() wait, any other fail.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                               struct.pack('@ll', int(patience) + 1, 0))
        try:
            self.socket.connect(path)
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(patience)

    # ---- What is handed over ----

    def keep(self, number):
        """A descriptor that lives as long as the session."""
        self._opened.append(number)
        return number

    def file(self, size):
        """A memory file."""
        number = self.keep(os.memfd_create('conformance'))
        os.ftruncate(number, size)
        return number

    def event(self):
        """An eventfd."""
        return self.keep(os.eventfd(0, os.EFD_NONBLOCK))

    def channel(self):
        """One end of a socket pair; the other one is in self.other_end."""
        self.other_end, theirs = socket.socketpair()
        self.other_end.settimeout(self.patience)
        self._ends.append(self.other_end)
        self._given.append(theirs)
        return theirs.fileno()

    def watched(self):
        """A pipe's writing end: leaks() tells whether the back-end has let go of it."""
        reader, writer = os.pipe()
        self._watched.append((self.keep(reader), writer))
        return writer

    # ---- Bytes out ----

    def send(self, data, descriptors=()):
        """Sends bytes, descriptors beside the first one; False if the other side has closed."""
        try:
            if descriptors:
                sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                     array.array('i', descriptors))])
                data = data[sent:]
            if data:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except TimeoutError:
            raise Silence('the back-end does not read') from None
        return True

    def wait_read(self):
        """Until the other side has taken all that was sent, or has closed."""
        end = time.monotonic() + self.patience
        unread = array.array('i', [1])
        while unread[0]:
            fcntl.ioctl(self.socket, termios.TIOCOUTQ, unread)
            if select.select([self.socket], [], [], 0)[0]:
                return              # an answer, or the end
            if time.monotonic() > end:
                raise Silence('the back-end does not read on')
            os.sched_yield()

    # ---- Bytes in ----

    def _exactly(self, count):
        data = b''
        while len(data) < count:
            try:
                part, descriptors, _, _ = socket.recv_fds(self.socket, count - len(data),
                                                          MOST_DESCRIPTORS)
            except ConnectionResetError:
                raise EOFError from None
            except TimeoutError:
                raise Silence('no answer') from None
            for number in descriptors:
                self.keep(number)
            self.received += descriptors
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self):
        """The next message; its descriptors are in self.received."""
        self.received = []
        request, flags, size = HEADER.unpack(self._exactly(HEADER.size))
        if size > 1 << 16:
            return request, flags, b''
        return request, flags, self._exactly(size) if size else b''

    def collect(self, probe):
        """Asks @probe, a request without payload, and returns all that comes up to its answer."""
        found = Answers([], 'open')
        try:
            self.send(message(probe))
            while True:
                answer = self.receive()
                if answer[0] == probe:
                    return found
                found.messages.append((*answer, len(self.received)))
        except EOFError:
            found.end = 'closed'
        except Silence:
            found.end = 'silent'
        return found

    def ask(self, request, payload=b'', descriptors=()):
        """A request that is answered; the answer's payload."""
        self.send(message(request, payload), descriptors)
        got, _, answer = self.receive()
        if got != request:
            raise EOFError
        return answer

    # ---- Negotiation ----

    def negotiate(self, stage=READY, features=0, protocol=0):
        """As @stage wants it; @features and @protocol are accepted besides the usual ones."""
        if stage.protocol:
            self.protocol = self.facts.protocol & (~NOT_BY_DEFAULT | protocol)
            self.send(message(SET_PROTOCOL_FEATURES, u64(self.protocol)))
        if stage.owner:
            self.send(message(SET_OWNER))
        if stage.features:
            usual = 1 << F_PROTOCOL_FEATURES | 1 << F_VERSION_1
            self.send(message(SET_FEATURES, u64(self.facts.features & (usual | features))))

    def tell(self, request, payload=b'', descriptors=()):
        """A request that nothing is said about; whoever refuses it closes."""
        self.send(message(request, payload, VERSION), descriptors)

    def acknowledges(self):
        """True if REPLY_ACK is in force."""
        return bool(self.protocol >> REPLY_ACK & 1)

    # ---- End ----

    def forget_watched(self):
        """Our copies of the watched descriptors go, once they have been sent."""
        for number, (reader, writer) in enumerate(self._watched):
            if writer is not None:
                os.close(writer)
                self._watched[number] = (reader, None)

    def hang_up(self):
        """Ends the connection, and our hold on the back-end's ends of channels."""
        self.socket.close()
        for end in self._given:
            end.close()

    def leaks(self, grace):
        """After hang_up(): how many watched descriptors the back-end still holds, @grace s later."""
        self.forget_watched()
        waiting = {reader for reader, _ in self._watched}
        end = time.monotonic() + grace
        while waiting and time.monotonic() < end:
            waiting -= set(select.select(list(waiting), [], [], 0.1)[0])
        return len(waiting)

    def close(self):
        """Lets everything go."""
        self.forget_watched()
        self.hang_up()
        for end in self._ends:
            end.close()
        while self._opened:
            os.close(self._opened.pop())
