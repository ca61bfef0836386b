# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP client: commands, their answers, and events, over a UNIX socket."""

import json
import socket

from .waiting import TIMEOUT


class QmpError(Exception):
    """The other side answered a command with an error."""

    def __init__(self, error):
        super().__init__(f'{error["class"]}: {error["desc"]}')
        self.kind = error['class']
        self.description = error['desc']


class Qmp:
    """One monitor connection; capabilities are negotiated unless told otherwise."""

    def __init__(self, path, negotiate=True):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect(path)
        self._file = self._socket.makefile('rb')
        self.events = []
        self.greeting = self.receive()
        if negotiate:
            self.command('qmp_capabilities')

    def receive(self):
        """The next JSON line, None at the end of the stream."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def send_text(self, text):
        """Sends bytes as they are."""
        self._socket.sendall(text.encode())

    def answer(self):
        """The next answer; events on the way are kept."""
        while True:
            message = self.receive()
            if message is None:
                raise EOFError('the monitor was closed')
            if 'event' not in message:
                return message
            self.events.append(message)

    def command(self, name, /, **arguments):
        """Runs a command; returns its value or raises QmpError. a_b names the argument a-b."""
        message = {'execute': name}
        if arguments:
            message['arguments'] = {key.replace('_', '-'): value
                                    for key, value in arguments.items()}
        self.send_text(json.dumps(message) + '\n')
        answer = self.answer()
        if 'error' in answer:
            raise QmpError(answer['error'])
        return answer['return']

    def wait_event(self, name, **data):
        """The next event called @name whose data contain @data; it is taken off the list."""
        while True:
            for event in self.events:
                if event['event'] == name and data.items() <= event.get('data', {}).items():
                    self.events.remove(event)
                    return event
            message = self.receive()
            if message is None:
                raise EOFError(f'the monitor was closed before event {name}')
            self.events.append(message)

    def close(self):
        """Ends the connection."""
        self._file.close()
        self._socket.close()
