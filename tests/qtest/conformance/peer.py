# SPDX-License-Identifier: GPL-2.0-or-later
"""The back-end under test: where it listens, what it offers, how it comes back after a death."""

import dataclasses
import os
import shlex
import struct
import subprocess
import tempfile
import time

from support.vhost_user import message, u64

from .session import (F_PROTOCOL_FEATURES, GET_FEATURES, GET_PROTOCOL_FEATURES,
                      SET_PROTOCOL_FEATURES, Session, Silence)

F_MQ, GET_QUEUE_NUM = 0, 17
START_PATIENCE = 30


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a back-end offers."""
    features: int
    protocol: int
    queues: int

    def offers(self, protocol_bit):
        """True if it offers that protocol feature."""
        return bool(self.protocol >> protocol_bit & 1)

    def has(self, feature_bit):
        """True if it offers that virtio feature."""
        return bool(self.features >> feature_bit & 1)


class Peer:
    """A back-end on a socket that somebody else has started and keeps alive."""

    def __init__(self, path, name=None, patience=10.0):
        self.path, self.patience = path, patience
        self.grace = patience / 20      # until it has noticed that a client has gone
        self.name = name or path
        self.facts = None

    def session(self):
        """A new connection."""
        return Session(self.path, self.facts, self.patience)

    def learn(self):
        """Asks what it offers; how many queues it has only if it can tell."""
        session = self.session()
        try:
            features, = struct.unpack('<Q', session.ask(GET_FEATURES))
            protocol, queues = 0, 1
            if features >> F_PROTOCOL_FEATURES & 1:
                protocol, = struct.unpack('<Q', session.ask(GET_PROTOCOL_FEATURES))
                session.send(message(SET_PROTOCOL_FEATURES, u64(protocol & 1 << F_MQ)))
                if protocol >> F_MQ & 1:
                    queues, = struct.unpack('<Q', session.ask(GET_QUEUE_NUM))
        finally:
            session.close()
        self.facts = Facts(features, protocol, queues)

    def running(self):
        """True as far as one can know."""
        return True

    def revive(self):
        """Called after a death; False if that is not in our power."""
        return False

    def serves(self):
        """None if a new client gets the same answers as ever; else what is wrong."""
        if not self.running():
            return 'the back-end has died'
        try:
            session = self.session()
        except OSError as error:
            return f'the back-end takes no new client: {error.strerror or error}'
        try:
            same = struct.unpack('<Q', session.ask(GET_FEATURES))[0] == self.facts.features and \
                struct.unpack('<Q', session.ask(GET_PROTOCOL_FEATURES))[0] == self.facts.protocol
        except (EOFError, Silence, struct.error):
            return 'the back-end has died' if not self.running() else 'a new client is not served'
        finally:
            session.close()
        return None if same else 'a new client is offered something else'

    def close(self):
        """Nothing to end."""


class SpawnedPeer(Peer):
    """A back-end that we start: a command in which {socket} is where it shall listen."""

    def __init__(self, command, name=None, patience=10.0):
        self._folder = tempfile.TemporaryDirectory(prefix='conformance-')
        super().__init__(os.path.join(self._folder.name, 'socket'),
                         name or os.path.basename(shlex.split(command)[0]), patience)
        self.command = [word.replace('{socket}', self.path).replace('{folder}', self._folder.name)
                        for word in shlex.split(command)]
        self._process = None
        self._start()

    def _start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        with open(os.path.join(self._folder.name, 'log'), 'ab') as log:
            self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log)
        end = time.monotonic() + START_PATIENCE
        while True:
            try:
                self.session().close()
                return
            except OSError:
                if not self.running() or time.monotonic() > end:
                    self.close()
                    raise
            time.sleep(0.005)

    def running(self):
        return self._process.poll() is None

    def revive(self):
        self._end()
        self._start()
        return True

    def _end(self):
        if self.running():
            self._process.kill()
        self._process.wait()

    def close(self):
        self._end()
        self._folder.cleanup()
