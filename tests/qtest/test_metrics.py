# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics over HTTP (--metrics): what is answered, and that nobody is held up by who asks."""

import http.client
import os
import socket
import subprocess
import unittest

from support import paths
from support.daemon import Daemon
from support.virtio_blk import BlkDriver
from support.waiting import until

MAX_CLIENTS = 16
TIMEOUT = 60


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path):
        super().__init__('localhost', timeout=TIMEOUT)
        self._path = path

    def connect(self):
        self.sock = connect(self._path)


def connect(path):
    """A plain connection."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.settimeout(TIMEOUT)
    return sock


def rest_of(sock):
    """What comes until the other side closes."""
    return b''.join(iter(lambda: sock.recv(65536), b''))


class MetricsCase(unittest.TestCase):
    """A daemon with an export and metrics at a UNIX socket."""

    ARGUMENTS = ()

    def setUp(self):
        self.daemon = Daemon('--blockdev', 'null-co,node-name=n,size=1048576,read-zeroes=on',
                             '--export', 'vhost-user-blk,id=e,node-name=n,addr.type=unix,'
                             'addr.path=e.sock',
                             '--metrics', 'addr.type=unix,addr.path=metrics.sock',
                             *self.ARGUMENTS)
        self.addCleanup(self.daemon.close)
        self.path = self.daemon.path('metrics.sock')

    def client(self):
        """A connection that says nothing by itself."""
        sock = connect(self.path)
        self.addCleanup(sock.close)
        return sock

    def ask(self, method='GET', target='/metrics'):
        """The response, and its body."""
        connection = UnixConnection(self.path)
        self.addCleanup(connection.close)
        connection.request(method, target)
        response = connection.getresponse()
        return response, response.read().decode()

    def raw(self, data):
        """The status that bytes are answered with."""
        client = self.client()
        client.sendall(data)
        return rest_of(client).split(b'\r\n', 1)[0]


class Answers(MetricsCase):
    """What is asked right and wrong."""

    def test_a_scrape_is_what_qmp_tells(self):
        driver = BlkDriver(self.daemon.path('e.sock'))
        self.addCleanup(driver.close)
        driver.read(0, 512)
        response, body = self.ask()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.getheader('Content-Type'),
                         'application/openmetrics-text; version=1.0.0; charset=utf-8')
        self.assertEqual(body, self.daemon.qmp.command('query-openmetrics')['text'])
        self.assertIn('block_export_requests_total{export="e",node="n",queue="0",'
                      'operation="read"} 1\n', body)

    def test_head_has_the_length_and_no_body(self):
        response, body = self.ask('HEAD')
        self.assertEqual((response.status, body), (200, ''))
        self.assertEqual(int(response.getheader('Content-Length')), len(self.ask()[1]))

    def test_a_question_mark_ends_the_path(self):
        self.assertEqual(self.ask(target='/metrics?name=x')[0].status, 200)

    def test_other_paths_are_not_found(self):
        for target in '/', '/metricsx', '/metrics/x', '//metrics', '*':
            self.assertEqual(self.ask(target=target)[0].status, 404, target)

    def test_other_methods_are_named_in_the_answer(self):
        response, _ = self.ask('POST')
        self.assertEqual((response.status, response.getheader('Allow')), (405, 'GET, HEAD'))

    def test_what_is_not_http_is_a_bad_request(self):
        for data in (b'GET /metrics\r\n\r\n', b'\r\n\r\n', b'GET  /metrics HTTP/1.1\r\n\r\n',
                     b'GET /metrics FTP/1.1\r\n\r\n', b'GET\0/metrics HTTP/1.1\r\n\r\n',
                     b'\x16\x03\x01\r\n\r\n', b'a b c d e\n\n'):
            self.assertEqual(self.raw(data), b'HTTP/1.1 400 Bad Request', data)

    def test_a_head_that_does_not_end_is_too_large(self):
        self.assertEqual(self.raw(b'GET /metrics HTTP/1.1\r\n' + b'x' * 8192),
                         b'HTTP/1.1 431 Request Header Fields Too Large')

    def test_bytes_may_come_one_by_one(self):
        client = self.client()
        for byte in b'GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n':
            client.sendall(bytes([byte]))
        self.assertTrue(rest_of(client).endswith(b'# EOF\n'))


class SandboxedAnswers(Answers):
    """The same inside of the sandbox."""

    ARGUMENTS = ('--sandbox', 'on')


class Clients(MetricsCase):
    """Clients that stay, leave early, or do not read."""

    def test_silent_clients_hold_nobody_up(self):
        silent = [self.client() for _ in range(MAX_CLIENTS - 1)]
        self.assertEqual(self.ask()[0].status, 200)
        self.assertEqual(len(silent), MAX_CLIENTS - 1)

    def test_a_client_beyond_the_limit_waits_for_its_turn(self):
        silent = [self.client() for _ in range(MAX_CLIENTS)]
        late = self.client()
        late.sendall(b'GET /metrics HTTP/1.1\r\n\r\n')
        self.daemon.comes_to_rest()
        silent[0].close()
        self.assertTrue(rest_of(late).endswith(b'# EOF\n'))

    def test_a_silent_client_is_cut_off_in_the_end(self):
        self.assertEqual(rest_of(self.client()), b'')

    def test_clients_leave_nothing_behind(self):
        self.ask()
        self.daemon.comes_to_rest()
        before = self.daemon.descriptors()
        for _ in range(100):
            client = self.client()
            client.sendall(b'GET /metrics HTTP/1.1\r\n')
            client.close()
        until(lambda: self.daemon.descriptors() == before, 'all connections are closed')

    def test_the_program_ends_with_clients_connected(self):
        self.client().sendall(b'GET /')
        self.client()
        self.daemon.comes_to_rest()
        self.assertEqual(self.daemon.terminate(), 0)
        self.assertFalse(os.path.exists(self.path))


class Addresses(unittest.TestCase):
    """Where it may listen."""

    def listener(self, host):
        """A TCP socket that listens at any free port, to be inherited."""
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.bind((host, 0))
        sock.listen()
        os.set_inheritable(sock.fileno(), True)
        return sock

    def refused(self, *arguments, **process):
        """What the program says when it does not start."""
        result = subprocess.run([paths.daemon(), *arguments], stderr=subprocess.PIPE, check=False,
                                timeout=TIMEOUT, **process)
        self.assertEqual(result.returncode, 1)
        return result.stderr.decode()

    def test_a_loopback_address_that_is_inherited(self):
        sock = self.listener('127.0.0.1')
        daemon = Daemon('--metrics', f'addr.type=fd,addr.str={sock.fileno()}',
                        pass_fds=[sock.fileno()])
        self.addCleanup(daemon.close)
        connection = http.client.HTTPConnection(*sock.getsockname(), timeout=TIMEOUT)
        self.addCleanup(connection.close)
        connection.request('GET', '/metrics')
        self.assertTrue(connection.getresponse().read().endswith(b'# EOF\n'))

    def test_an_address_that_others_reach_is_refused(self):
        self.assertIn("Metrics are not encrypted: '0.0.0.0' is neither a UNIX socket nor a "
                      'loopback address',
                      self.refused('--metrics', 'addr.type=inet,addr.host=0.0.0.0,addr.port=0'))
        sock = self.listener('0.0.0.0')
        self.assertIn("'0.0.0.0' is neither",
                      self.refused('--metrics', f'addr.type=fd,addr.str={sock.fileno()}',
                                   pass_fds=[sock.fileno()]))

    def test_there_is_one(self):
        address = 'addr.type=inet,addr.host=127.0.0.1,addr.port=0'
        self.assertIn('There are metrics at an address already',
                      self.refused('--metrics', address, '--metrics', address))

    def test_help_lists_the_keys(self):
        result = subprocess.run([paths.daemon(), '--metrics', 'help'], stdout=subprocess.PIPE,
                                check=True, timeout=TIMEOUT)
        self.assertIn(b'addr.type', result.stdout)


if __name__ == '__main__':
    unittest.main()
