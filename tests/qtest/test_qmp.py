# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP: sessions, replies line by line, several monitors, clients that do not read."""

import json
import os
import re
import socket
import unittest

from support import paths
from support.daemon import Daemon
from support.qmp import Qmp, QmpError
from support.waiting import TIMEOUT, until

COMMAND = b'{"execute": "query-commands"}'


class QmpCase(unittest.TestCase):
    """A daemon a case, and raw connections to monitors of it."""

    options = ()

    def setUp(self):
        self.daemon = Daemon(*self.options)
        self.addCleanup(self.daemon.close)

    def connect(self, name='qmp.sock', negotiate=True):
        """A new session; its greeting has been read."""
        qmp = Qmp(self.daemon.path(name), negotiate=negotiate)
        self.addCleanup(qmp.close)
        return qmp

    def fails(self, qmp, text, kind, description):
        """@text is answered with this error."""
        qmp.send_text(text)
        self.assertEqual(qmp.answer(), {'error': {'class': kind, 'desc': description}})


class Session(QmpCase):
    """From the greeting to the end of the connection."""

    def test_greeting_names_release_and_project(self):
        qmp = self.connect(negotiate=False)
        version = qmp.greeting['QMP']['version']
        self.assertEqual(version['qemu'], {'major': 10, 'minor': 2, 'micro': 0})
        self.assertIn('qemu-device-backends', version['package'])
        self.assertEqual(qmp.greeting['QMP']['capabilities'], ['oob'])

    def test_only_negotiation_before_negotiation(self):
        qmp = self.connect(negotiate=False)
        self.fails(qmp, '{"execute": "query-version"}', 'CommandNotFound',
                   "Expecting capabilities negotiation with 'qmp_capabilities'")
        qmp.send_text('{"execute": "qmp_capabilities"}')
        self.assertEqual(qmp.answer(), {'return': {}})
        self.assertEqual(qmp.command('query-version')['qemu']['major'], 10)
        qmp.send_text('{"execute": "qmp_capabilities"}')
        self.assertEqual(qmp.answer()['error']['class'], 'CommandNotFound')

    def test_capability_that_is_not_offered_is_refused(self):
        qmp = self.connect(negotiate=False)
        with self.assertRaises(QmpError) as caught:
            qmp.command('qmp_capabilities', enable=['nosuch'])
        self.assertEqual(caught.exception.kind, 'GenericError')
        qmp.command('qmp_capabilities')

    def test_out_of_band_is_there_for_those_who_ask(self):
        unexpected = "QMP input member 'exec-oob' is unexpected"
        qmp = self.connect()
        self.fails(qmp, '{"exec-oob": "query-version"}', 'GenericError', unexpected)
        qmp.close()
        qmp = self.connect(negotiate=False)
        self.fails(qmp, '{"exec-oob": "query-version"}', 'GenericError', unexpected)
        qmp.command('qmp_capabilities', enable=['oob'])
        self.fails(qmp, '{"exec-oob": "nosuch"}', 'CommandNotFound',
                   'The command nosuch has not been found')
        self.fails(qmp, '{"exec-oob": "query-version", "execute": "query-version"}',
                   'GenericError', "QMP input member 'execute' clashes with 'exec-oob'")
        qmp.send_text('{"exec-oob": "query-version", "id": 7}')
        self.assertEqual(qmp.answer(), {'id': 7, 'error': {
            'class': 'GenericError', 'desc': 'The command query-version does not support OOB'}})
        # The next client has to ask again.
        qmp.close()
        self.fails(self.connect(), '{"exec-oob": "query-version"}', 'GenericError', unexpected)

    def test_each_connection_negotiates_anew(self):
        for _ in range(3):
            qmp = self.connect(negotiate=False)
            self.assertEqual(list(qmp.greeting), ['QMP'])
            self.fails(qmp, '{"execute": "query-version"}', 'CommandNotFound',
                       "Expecting capabilities negotiation with 'qmp_capabilities'")
            qmp.close()
        self.assertTrue(self.daemon.running())

    def test_half_a_request_dies_with_its_connection(self):
        qmp = self.connect()
        qmp.send_text('{"execute": "query-')
        qmp.close()
        qmp = self.connect()
        self.assertEqual(qmp.command('query-version')['qemu']['major'], 10)

    def test_quit_is_answered_before_the_end(self):
        qmp = self.connect()
        qmp.send_text('{"execute": "quit", "id": 7}')
        self.assertEqual(qmp.receive(), {'return': {}, 'id': 7})
        self.assertIsNone(qmp.receive())
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)


class Requests(QmpCase):
    """What a request may look like, and how it is answered."""

    def test_id_of_any_type_is_echoed(self):
        qmp = self.connect()
        for value in (1, -1.5, 'text', None, True, [1, [2]], {'a': {'b': None}}):
            qmp.send_text(json.dumps({'execute': 'query-jobs', 'id': value}))
            self.assertEqual(qmp.answer(), {'return': [], 'id': value})
            qmp.send_text(json.dumps({'execute': 'nosuch', 'id': value}))
            self.assertEqual(qmp.answer()['id'], value)

    def test_malformed_requests(self):
        qmp = self.connect()
        self.fails(qmp, '[]', 'GenericError', 'QMP input must be a JSON object')
        self.fails(qmp, '{}', 'GenericError', "QMP input lacks member 'execute'")
        self.fails(qmp, '{"execute": "query-jobs", "foo": 1}', 'GenericError',
                   "QMP input member 'foo' is unexpected")
        self.fails(qmp, '{"execute": "nosuch"}', 'CommandNotFound',
                   'The command nosuch has not been found')
        self.fails(qmp, '{"execute": "query-jobs", "arguments": {"foo": 1}}', 'GenericError',
                   "Parameter 'foo' is unexpected")
        self.fails(qmp, '{"execute": "blockdev-add", "arguments": {"driver": "null-co", '
                   '"node-name": "d", "read-only": 1}}', 'GenericError',
                   "Invalid parameter type for 'read-only', expected: boolean")
        self.assertEqual(qmp.command('query-jobs'), [])

    def test_text_that_is_no_json_gets_an_error_and_the_stream_goes_on(self):
        qmp = self.connect()
        for text in ('foo\n', '}\n', '{"a": }\n', '{"a" 1}\n', '\x01\n', "'\n", '"\\x"\n'):
            with self.subTest(text=text):
                qmp.send_text(text)
                self.assertIn('JSON parse error', qmp.answer()['error']['desc'])
                qmp.send_text('{"execute": "query-jobs", "id": "next"}\n')
                answer = qmp.answer()
                while 'error' in answer:
                    answer = qmp.answer()
                self.assertEqual(answer, {'return': [], 'id': 'next'})

    def test_single_quotes_are_accepted(self):
        qmp = self.connect()
        qmp.send_text("{'execute': 'query-jobs', 'id': 'a\"b'}")
        self.assertEqual(qmp.answer(), {'return': [], 'id': 'a"b'})

    def test_one_command_in_many_packets(self):
        qmp = self.connect()
        for char in '{"execute": "query-jobs", "id": "\\u00e4"}':
            qmp.send_text(char)
        self.assertEqual(qmp.answer(), {'return': [], 'id': 'ä'})

    def test_many_commands_in_one_packet_are_answered_in_order(self):
        qmp = self.connect()
        count = 3000
        qmp.send_text(''.join(json.dumps({'execute': 'query-jobs', 'id': number})
                              for number in range(count)))
        self.assertEqual([qmp.answer()['id'] for _ in range(count)], list(range(count)))

    def test_query_commands_lists_what_can_be_called(self):
        qmp = self.connect()
        names = {entry['name'] for entry in qmp.command('query-commands')}
        for name in ('qmp_capabilities', 'query-version', 'query-commands', 'query-qmp-schema',
                     'quit', 'block-export-add', 'block-export-del', 'query-block-exports',
                     'blockdev-add', 'blockdev-del', 'block_resize', 'query-named-block-nodes',
                     'query-block', 'query-blockstats', 'query-block-jobs', 'query-jobs',
                     'x-blockdev-set-iothread', 'object-add', 'object-del', 'qom-list',
                     'qom-get', 'qom-set', 'qom-list-types', 'qom-list-properties',
                     'chardev-add', 'chardev-remove', 'query-chardev'):
            self.assertIn(name, names)
        described = {entry['name'] for entry in qmp.command('query-qmp-schema')
                     if entry['meta-type'] == 'command'}
        self.assertEqual(names, described)


class Objects(QmpCase):
    """object-add, object-del and the qom commands."""

    def refused(self, name, description, kind='GenericError', **arguments):
        with self.assertRaises(QmpError) as caught:
            self.daemon.qmp.command(name, **arguments)
        self.assertEqual((caught.exception.kind, caught.exception.description),
                         (kind, description))

    def test_life_of_an_iothread(self):
        qmp = self.daemon.qmp
        qmp.command('object-add', qom_type='iothread', id='io0', poll_max_ns=5)
        self.assertEqual(qmp.command('qom-list', path='/objects'),
                         [{'name': 'io0', 'type': 'child<iothread>'},
                          {'name': 'type', 'type': 'string'}])
        get = {'path': '/objects/io0', 'property': 'poll-max-ns'}
        self.assertEqual(qmp.command('qom-get', **get), 5)
        qmp.command('qom-set', value=7, **get)
        self.assertEqual(qmp.command('qom-get', path='io0', property='poll-max-ns'), 7)
        self.assertEqual(qmp.command('qom-get', path='/objects', property='io0'), '/objects/io0')
        self.assertEqual(qmp.command('qom-get', path='io0', property='type'), 'iothread')
        qmp.command('object-del', id='io0')
        self.refused('qom-get', "Device '/objects/io0' not found", 'DeviceNotFound', **get)

    def test_refusals(self):
        add = {'qom_type': 'iothread', 'id': 'io0'}
        self.daemon.qmp.command('object-add', **add)
        self.refused('object-add', "attempt to add duplicate property 'io0' to object "
                     "(type 'container')", **add)
        self.refused('object-add', "Parameter 'id' expects an identifier",
                     qom_type='iothread', id='1a')
        self.refused('object-add', "Parameter 'qom-type' does not accept value 'x'",
                     qom_type='x', id='a')
        self.refused('object-del', "object 'nosuch' not found", id='nosuch')
        self.refused('qom-get', "Property 'iothread.foo' not found", path='io0', property='foo')
        self.refused('qom-set', "Property 'iothread.type' is not writable", path='io0',
                     property='type', value='x')
        self.refused('qom-list-properties', "Class 'nosuch' not found", 'DeviceNotFound',
                     typename='nosuch')

    def test_object_in_use_stays(self):
        qmp = self.daemon.qmp
        qmp.command('object-add', qom_type='iothread', id='io0')
        qmp.command('blockdev-add', driver='null-co', node_name='d', size=512)
        qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                    iothread='io0', addr={'type': 'unix', 'path': self.daemon.path('e.sock')})
        self.refused('object-del', "object 'io0' is in use, can not be deleted", id='io0')
        qmp.command('block-export-del', id='e')
        qmp.command('blockdev-del', node_name='d')
        qmp.command('object-del', id='io0')

    def test_types_and_properties_are_listed(self):
        qmp = self.daemon.qmp
        types = qmp.command('qom-list-types', implements='user-creatable')
        self.assertIn({'name': 'iothread', 'parent': 'object'}, types)
        names = [entry['name'] for entry in
                 qmp.command('qom-list-properties', typename='iothread')]
        self.assertIn('poll-max-ns', names)
        self.assertEqual(names, sorted(names))
        self.assertEqual(qmp.command('qom-list-properties', typename='object'),
                         [{'name': 'type', 'type': 'string'}])


class Chardevs(QmpCase):
    """chardev-add and its like."""

    def test_life_of_a_chardev(self):
        qmp = self.daemon.qmp
        self.assertEqual(qmp.command('chardev-add', id='r', backend={
            'type': 'ringbuf', 'data': {'size': 16}}), {})
        labels = [entry['label'] for entry in qmp.command('query-chardev')]
        self.assertEqual(sorted(labels), ['qmp', 'r'])
        with self.assertRaises(QmpError) as caught:
            qmp.command('chardev-remove', id='qmp')
        self.assertEqual(caught.exception.description, "Chardev 'qmp' is busy")
        qmp.command('chardev-remove', id='r')
        with self.assertRaises(QmpError) as caught:
            qmp.command('chardev-remove', id='r')
        self.assertEqual(caught.exception.description, "Chardev 'r' not found")

    def test_refusals_name_the_chardev(self):
        file = {'type': 'file', 'data': {'out': '/nosuch/x'}}
        for name, backend, text in (
                ('c', file, "Failed to add chardev 'c': Could not open '/nosuch/x': "
                 'No such file or directory'),
                ('qmp', file, "Chardev with id 'qmp' already exists"),
                ('c', {'type': 'nosuch', 'data': {}},
                 "Parameter 'type' does not accept value 'nosuch'")):
            with self.subTest(name=name), self.assertRaises(QmpError) as caught:
                self.daemon.qmp.command('chardev-add', id=name, backend=backend)
            self.assertEqual(caught.exception.description, text)

    def test_ringbuf_is_written_and_read(self):
        self.daemon.qmp.command('chardev-add', id='r',
                                backend={'type': 'ringbuf', 'data': {'size': 8}})
        self.daemon.qmp.command('chardev-add', id='n', backend={'type': 'null', 'data': {}})
        self.assertEqual(self.daemon.qmp.command('ringbuf-read', device='r', size=5), '')
        self.daemon.qmp.command('ringbuf-write', device='r', data='hallo')
        self.assertEqual(self.daemon.qmp.command('ringbuf-read', device='r', size=2), 'ha')
        self.daemon.qmp.command('ringbuf-write', device='r', data='AP9B', format='base64')
        self.assertEqual(self.daemon.qmp.command('ringbuf-read', device='r', size=2 ** 62,
                                                 format='base64'), 'bGxvAP9B')
        self.daemon.qmp.command('ringbuf-write', device='r', data='0123456789')
        self.assertEqual(self.daemon.qmp.command('ringbuf-read', device='r', size=100), '23456789')
        self.daemon.qmp.command('ringbuf-write', device='r', data='/0E=', format='base64')
        self.assertEqual(self.daemon.qmp.command('ringbuf-read', device='r', size=100), '\ufffdA')
        self.daemon.qmp.command('ringbuf-write', device='r', data='', format='base64')
        for command, arguments, message in (
                ('ringbuf-read', {'device': 'x', 'size': 1}, "Device 'x' not found"),
                ('ringbuf-read', {'device': 'n', 'size': 1}, 'n is not a ringbuf device'),
                ('ringbuf-read', {'device': 'r', 'size': 0}, 'size must be greater than zero'),
                ('ringbuf-read', {'device': 'r', 'size': -1}, 'size must be greater than zero'),
                ('ringbuf-write', {'device': 'r', 'data': 'A?==', 'format': 'base64'},
                 "Base64 data 'A?==' is not valid")):
            with self.assertRaisesRegex(QmpError, re.escape(message)):
                self.daemon.qmp.command(command, **arguments)

    def test_pty_says_where_it_is(self):
        path = self.daemon.qmp.command('chardev-add', id='p', backend={
            'type': 'pty', 'data': {}})['pty']
        self.assertTrue(os.path.exists(path))

    def test_socket_file_comes_and_goes(self):
        qmp, path = self.daemon.qmp, self.daemon.path('extra.sock')
        backend = {'type': 'socket', 'data': {
            'addr': {'type': 'unix', 'data': {'path': path}}, 'server': True, 'wait': False}}
        qmp.command('chardev-add', id='s', backend=backend)
        self.assertTrue(os.path.exists(path))
        qmp.command('chardev-remove', id='s')
        self.assertFalse(os.path.exists(path))


class Shared(QmpCase):
    """Two monitors on one device, and a monitor by datagrams."""

    options = ('--chardev', 'socket,id=c,path=c.sock,server=on,wait=off,mux=on',
               '--monitor', 'c,pretty=on', '--monitor', 'c')

    def test_keys_choose_the_monitor(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        self.addCleanup(connection.close)
        connection.connect(self.daemon.path('c.sock'))

        def read_until(end):
            text = b''
            while not text.endswith(end):
                text += connection.recv(4096)
            return text

        # That of the first monitor is indented.
        read_until(b'}}\r\n')
        connection.sendall(b'{"execute": "qmp_capabilities"}')
        self.assertEqual(read_until(b'\n'), b'{"return": {}}\r\n')
        connection.sendall(b'\x01c{"execute": "qmp_capabilities"}')
        self.assertEqual(json.loads(read_until(b'\n}\r\n')), {'return': {}})
        connection.sendall(b'\x01c{"execute": "query-status"}')
        self.assertIn(b'CommandNotFound', read_until(b'\n'))

    def test_a_key_ends_the_program(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(self.daemon.path('c.sock'))
            connection.sendall(b'\x01x')
            self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)

    def test_monitor_by_datagrams(self):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.settimeout(TIMEOUT)
        peer.bind(('127.0.0.1', 0))
        daemon = Daemon('--chardev', f'udp,id=u,host=127.0.0.1,port={peer.getsockname()[1]}',
                        '--monitor', 'u')
        self.addCleanup(daemon.close)
        # A line may come in several datagrams.
        greeting, address = peer.recvfrom(65536)
        while not greeting.endswith(b'\n'):
            greeting += peer.recv(65536)
        self.assertIn('QMP', json.loads(greeting))
        for command in 'qmp_capabilities', 'query-chardev':
            peer.sendto(json.dumps({'execute': command}).encode(), address)
            answer = b''
            while not answer.endswith(b'\n'):
                answer += peer.recv(65536)
            self.assertIn('return', json.loads(answer), command)


class Several(QmpCase):
    """Two monitors and their events."""

    options = ('--chardev', 'socket,id=two,path=two.sock,server=on,wait=off',
               '--monitor', 'two,pretty=on')

    def add_export(self, name):
        qmp = self.daemon.qmp
        qmp.command('blockdev-add', driver='null-co', node_name=name, size=512)
        qmp.command('block-export-add', type='vhost-user-blk', id=name, node_name=name,
                    addr={'type': 'unix', 'path': self.daemon.path(name + '.s')})

    def del_export(self, name):
        qmp = self.daemon.qmp
        qmp.command('block-export-del', id=name)
        qmp.command('blockdev-del', node_name=name)

    def pretty(self, negotiate=True):
        """A connection to the second monitor; the text that it sends."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        self.addCleanup(connection.close)
        connection.connect(self.daemon.path('two.sock'))
        if negotiate:
            connection.sendall(b'{"execute": "qmp_capabilities"}')
        return connection

    def test_pretty_replies_are_indented(self):
        connection = self.pretty()
        text = b''
        while text.count(b'\n}') < 2:
            text += connection.recv(4096)
        self.assertIn(b'{\r\n    "QMP": {\r\n', text)
        self.assertEqual(text.count(b'\n'), text.count(b'\r\n'))

    def test_event_goes_to_negotiated_sessions_only_and_before_the_reply(self):
        new = self.pretty(negotiate=False)
        self.add_export('e')
        qmp = self.daemon.qmp
        qmp.send_text('{"execute": "block-export-del", "arguments": {"id": "e"}}')
        event = qmp.receive()
        self.assertEqual((event['event'], event['data']), ('BLOCK_EXPORT_DELETED', {'id': 'e'}))
        self.assertEqual(sorted(event['timestamp']), ['microseconds', 'seconds'])
        self.assertEqual(qmp.receive(), {'return': {}})
        new.sendall(b'{"execute": "qmp_capabilities"}')
        text = b''
        while b'"return"' not in text:
            text += new.recv(4096)
        self.assertNotIn(b'BLOCK_EXPORT_DELETED', text)

    def stall(self):
        """A client that sends until nothing more goes and reads nothing; and how much it sent."""
        stalled = self.pretty()
        stalled.setblocking(False)
        sent = 0

        def full():
            nonlocal sent
            try:
                sent += stalled.send(COMMAND * 64)
            except BlockingIOError:
                return True
            return False
        until(full, 'the daemon reads no more')
        return stalled, sent

    def test_client_that_does_not_read_hurts_nobody(self):
        self.assertEqual(self.daemon.qmp.command('query-jobs'), [])
        memory = self.daemon.memory()
        stalled, sent = self.stall()
        for _ in range(100):
            self.assertEqual(self.daemon.qmp.command('query-jobs'), [])
        # A sanitizer keeps freed memory for a while.
        slack = 65536 if paths.sanitized() else 4096
        self.assertLess(self.daemon.memory(), memory + slack)
        # It gets all it asked for once it reads on.
        stalled.setblocking(True)
        stalled.settimeout(TIMEOUT)
        wanted, stream = sent // len(COMMAND), stalled.makefile('rb')
        while wanted:
            line = stream.readline()
            self.assertTrue(line)
            wanted -= line == b'    "return": [\r\n'

    def test_sigterm_sends_events_and_then_the_end(self):
        self.add_export('e')
        self.daemon.process.terminate()
        event = self.daemon.qmp.receive()
        self.assertEqual((event['event'], event['data']), ('BLOCK_EXPORT_DELETED', {'id': 'e'}))
        self.assertIsNone(self.daemon.qmp.receive())
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)

    def test_quit_sends_events_before_the_reply(self):
        self.add_export('e')
        qmp = self.daemon.qmp
        qmp.send_text('{"execute": "quit"}')
        self.assertEqual(qmp.receive()['event'], 'BLOCK_EXPORT_DELETED')
        self.assertEqual(qmp.receive(), {'return': {}})
        self.assertIsNone(qmp.receive())
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)

    def test_sigterm_does_not_wait_for_a_stalled_client(self):
        self.stall()
        self.daemon.process.terminate()
        self.assertEqual(self.daemon.process.wait(TIMEOUT), 0)


if __name__ == '__main__':
    unittest.main()
