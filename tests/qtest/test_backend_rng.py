# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost-user-rng, and with it what every stand-alone back-end does: options, socket, threads."""

import json
import os
import shutil
import signal
import socket
import tempfile
import unittest

from support.backend import Backend, run
from support.driver import Driver
from support.vhost_user import Client
from support.waiting import TIMEOUT, until

RNG = 'vhost-user-rng'


class RngDriver(Driver):
    """A driver of a random number generator."""

    def put(self, length):
        """Asks for @length bytes; returns where they will lie."""
        buffer = self.memory.allocate(length)
        self.memory.write(buffer, bytes(length))
        self.vring.publish(self.vring.put_chain([(buffer, length, True)]))
        self.vring.kick()
        return buffer

    def get(self, length):
        """Asks, and returns what was given."""
        buffer = self.put(length)
        (_, used), = self.vring.wait_used()
        return self.memory.read(buffer, length)[:used]


class BackendCase(unittest.TestCase):
    """Starts back-ends and drivers that end with the test."""

    def backend(self, *arguments, **options):
        """A running back-end."""
        backend = Backend(RNG, *arguments, **options)
        self.addCleanup(backend.close)
        return backend

    def driver(self, path):
        """A driver on the socket @path, or on a connected socket."""
        driver = RngDriver(path)
        self.addCleanup(driver.close)
        return driver

    def folder(self):
        """A folder for the test."""
        folder = tempfile.mkdtemp(prefix='rng-')
        self.addCleanup(shutil.rmtree, folder)
        return folder


class Options(unittest.TestCase):
    """The back-end program conventions."""

    def test_capabilities_are_printed_whatever_else_is_asked(self):
        done = run(RNG, '--nonsense', '--print-capabilities', '--fd=99')
        self.assertEqual(done.returncode, 0)
        self.assertEqual(json.loads(done.stdout), {'type': 'rng', 'features': []})

    def test_help_and_version_are_told(self):
        self.assertIn('--socket-path=PATH', run(RNG, '--help').stdout)
        self.assertRegex(run(RNG, '--version').stdout, r'^vhost-user-rng .* \d+\.\d+\.\d+\n$')

    def test_wrong_options_are_named_with_their_values(self):
        for arguments, said in (
                ([], 'exactly one of --socket-path and --fd is needed'),
                (['--socket-path=/s', '--fd=3'], 'exactly one of --socket-path and --fd'),
                (['--fd=99'], '--fd=99: not a socket'),
                (['--fd=1x'], '--fd=1x: expected a number'),
                (['--fd=0', '--connect'], '--connect needs --socket-path'),
                (['--socket-path=/nonexistent/s'], "'/nonexistent/s': No such file"),
                (['--socket-path=/s', '--threads=65'], '--threads=65: expected a number from 0'),
                (['--socket-path=/s', '--threads=2', '--queue-threads=2'],
                 '--queue-threads=2: expected a number from 0 to 1'),
                (['--socket-path=/s', '--queue-threads=0,0'],
                 '--queue-threads=0,0: expected a thread for each of 1 queues'),
                (['--socket-path=/s', '--max-bytes=0'], '--max-bytes=0'),
                (['--socket-path=/s', '--filename=/nonexistent'], '/nonexistent'),
                (['--socket-path=/s', '--what'], '--what'),
                (['--socket-path=/s', 'what'], "'what'")):
            with self.subTest(arguments=arguments):
                done = run(RNG, *arguments)
                self.assertEqual(done.returncode, 1)
                self.assertIn(said, done.stderr)


class Connection(BackendCase):
    """How it comes by a front-end."""

    def test_it_serves_one_front_end_after_the_other(self):
        backend = self.backend()
        for _ in range(5):
            driver = self.driver(backend.socket)
            self.assertEqual(len(driver.get(64)), 64)
            driver.close()

    def test_it_ends_with_its_first_front_end_if_it_is_to_serve_once(self):
        backend = self.backend('--once')
        driver = self.driver(backend.socket)
        self.assertEqual(len(driver.get(64)), 64)
        driver.close()
        self.assertEqual(backend.wait(), 0)
        self.assertFalse(os.path.exists(backend.socket))

    def test_it_ends_by_a_signal_while_a_front_end_is_connected(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number):
                backend = self.backend('--threads=1')
                self.driver(backend.socket).get(16)
                backend.process.send_signal(number)
                self.assertEqual(backend.wait(), 0)
                self.assertFalse(os.path.exists(backend.socket))
                self.assertEqual(backend.stderr(), '')

    def test_a_connected_descriptor_is_served_until_its_end(self):
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            backend = self.backend(f'--fd={number}', listen=False, pass_fds=[number])
        driver = self.driver(ours)
        self.assertEqual(len(driver.get(64)), 64)
        driver.close()
        self.assertEqual(backend.wait(), 0)

    def test_a_listening_descriptor_is_served_for_ever(self):
        path = os.path.join(self.folder(), 's')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            number = listener.fileno()
            backend = self.backend(f'--fd={number}', listen=False, pass_fds=[number])
        for _ in range(3):
            driver = self.driver(path)
            self.assertEqual(len(driver.get(64)), 64)
            driver.close()
        self.assertEqual(backend.terminate(), 0)

    def test_it_connects_to_a_front_end_and_again_when_that_comes_back(self):
        path = os.path.join(self.folder(), 's')
        backend = self.backend(f'--socket-path={path}', '--connect', listen=False)
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.settimeout(TIMEOUT)
                listener.bind(path)
                listener.listen()
                stream, _ = listener.accept()
                os.unlink(path)
            driver = self.driver(stream)
            self.assertEqual(len(driver.get(64)), 64)
            driver.close()
        self.assertEqual(backend.terminate(), 0)

    def test_a_client_that_sends_garbage_does_not_end_it(self):
        backend = self.backend()
        client = Client(backend.socket)
        client.send_raw(b'garbage' * 100)
        client.wait_closed()
        client.close()
        self.assertEqual(len(self.driver(backend.socket).get(64)), 64)


class Device(BackendCase):
    """What the guest gets."""

    arguments = ()

    def test_bytes_come_from_the_file(self):
        path = os.path.join(self.folder(), 'source')
        with open(path, 'wb') as file:
            file.write(bytes(range(256)))
        driver = self.driver(self.backend(f'--filename={path}', *self.arguments).socket)
        self.assertEqual(driver.get(100), bytes(range(100)))
        self.assertEqual(driver.get(50), bytes(range(100, 150)))

    def test_a_request_of_several_buffers_is_filled_in_order(self):
        path = os.path.join(self.folder(), 'source')
        with open(path, 'wb') as file:
            file.write(b'a' * 10 + b'b' * 20 + b'c' * 30)
        driver = self.driver(self.backend(f'--filename={path}', *self.arguments).socket)
        buffers = [driver.memory.allocate(size) for size in (10, 20, 30)]
        driver.vring.publish(driver.vring.put_chain(
            [(buffer, size, True) for buffer, size in zip(buffers, (10, 20, 30))]))
        driver.vring.kick()
        self.assertEqual([used for _, used in driver.vring.wait_used()], [60])
        self.assertEqual([driver.memory.read(buffer, 10) for buffer in buffers],
                         [b'a' * 10, b'b' * 10, b'c' * 10])

    def test_a_request_that_offers_nothing_to_write_is_completed_empty(self):
        driver = self.driver(self.backend(*self.arguments).socket)
        buffer = driver.memory.allocate(16)
        driver.vring.publish(driver.vring.put_chain([(buffer, 16, False)]))
        driver.vring.kick()
        self.assertEqual([used for _, used in driver.vring.wait_used()], [0])
        self.assertEqual(len(driver.get(16)), 16)

    def test_requests_wait_while_the_source_has_nothing(self):
        path = os.path.join(self.folder(), 'pipe')
        os.mkfifo(path)
        backend = self.backend(f'--filename={path}', *self.arguments)
        with open(path, 'wb', buffering=0) as pipe:
            driver = self.driver(backend.socket)
            for number in range(20):
                buffer = driver.put(8)
                until(lambda: not driver.vring.kick_pending(), 'the kick is taken')
                pipe.write(bytes([number]) * 8)
                self.assertEqual([used for _, used in driver.vring.wait_used()], [8])
                self.assertEqual(driver.memory.read(buffer, 8), bytes([number]) * 8)

    def test_no_more_than_the_budget_is_given_in_a_period(self):
        backend = self.backend('--max-bytes=24', '--period=3600000', *self.arguments)
        driver = self.driver(backend.socket)
        self.assertEqual(len(driver.get(16)), 16)
        self.assertEqual(len(driver.get(16)), 8)
        driver.put(16)
        until(lambda: not driver.vring.kick_pending(), 'the kick is taken')
        self.assertEqual(driver.stop(driver.vring), 2)
        self.assertEqual(driver.vring.take_used(), [])

    def test_a_new_period_answers_what_waits(self):
        backend = self.backend('--max-bytes=8', '--period=1', *self.arguments)
        driver = self.driver(backend.socket)
        for _ in range(20):
            self.assertEqual(len(driver.get(8)), 8)


class DeviceInThread(Device):
    """The same with the queue in a thread of its own."""

    arguments = ('--threads=1', '--queue-threads=0')


if __name__ == '__main__':
    unittest.main()
