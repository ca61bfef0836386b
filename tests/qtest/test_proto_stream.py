# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte stream itself: pieces, ends, garbage, slow clients, second clients."""

import os
import socket
import struct
import time
import unittest

from support.proto_case import ProtoCase
from support.vhost_user import (NEED_REPLY, VERSION, Client, Request, address, config, message,
                                region, state, u64)
from support.waiting import until

ACK = VERSION | NEED_REPLY


def every_message():
    """One whole message of each kind, as (name, bytes, number of descriptors)."""
    table = struct.pack('<II', 2, 0) + region(0, 4096, 0, 0) + region(4096, 4096, 4096, 0)
    kinds = [
        (Request.GET_FEATURES, b'', 0), (Request.SET_FEATURES, u64(1 << 32 | 1 << 30), 0),
        (Request.SET_OWNER, b'', 0), (Request.RESET_OWNER, b'', 0),
        (Request.SET_MEM_TABLE, table, 2), (Request.SET_VRING_NUM, state(0, 128), 0),
        (Request.SET_VRING_ADDR, address(0, 0, 8192, 4096), 0),
        (Request.SET_VRING_BASE, state(0, 0), 0), (Request.GET_VRING_BASE, state(0, 0), 0),
        (Request.SET_VRING_KICK, u64(0), 1), (Request.SET_VRING_CALL, u64(0), 1),
        (Request.SET_VRING_ERR, u64(0), 1), (Request.GET_PROTOCOL_FEATURES, b'', 0),
        (Request.SET_PROTOCOL_FEATURES, u64(0x8229), 0), (Request.GET_QUEUE_NUM, b'', 0),
        (Request.SET_VRING_ENABLE, state(0, 1), 0), (Request.SET_BACKEND_REQ_FD, b'', 1),
        (Request.GET_CONFIG, config(0, 60), 0), (Request.SET_CONFIG, config(32, 1), 0),
        (Request.GET_MAX_MEM_SLOTS, b'', 0),
        (Request.ADD_MEM_REG, bytes(8) + region(0, 4096, 0, 0), 1),
        (Request.REM_MEM_REG, bytes(8) + region(0, 4096, 0, 0), 0),
    ]
    return [(request.name, message(request, payload, ACK), descriptors)
            for request, payload, descriptors in kinds]


class StreamCase(ProtoCase):
    """Helpers."""

    def files(self, count):
        """Descriptors to send: memory files, which every message takes for good or for bad."""
        numbers = []
        for _ in range(count):
            number = os.memfd_create('sent')
            os.ftruncate(number, 1 << 16)
            self.addCleanup(os.close, number)
            numbers.append(number)
        return numbers


class Pieces(StreamCase):
    """Messages that do not come in one piece."""

    def test_H18_a_message_split_at_every_offset_is_answered(self):
        whole = message(Request.GET_CONFIG, config(0, 60))
        client = self.driver(start=False).client
        for offset in range(1, len(whole)):
            client.send_raw(whole[:offset])
            client.socket.send(b'')
            client.send_raw(whole[offset:])
            self.assertEqual(len(client.reply(Request.GET_CONFIG)), 72, f'split at {offset}')

    def test_H18_a_message_sent_byte_by_byte_is_answered(self):
        client = self.driver(start=False).client
        for _ in range(3):
            for byte in message(Request.GET_CONFIG, config(0, 60)):
                client.send_raw(bytes([byte]))
                time.sleep(0.0005)          # so that the pieces do not melt into one
            self.assertEqual(len(client.reply(Request.GET_CONFIG)), 72)

    def test_many_messages_in_one_piece_are_answered_in_order(self):
        client = self.driver(start=False).client
        client.send_raw(message(Request.GET_FEATURES) * 200 + message(Request.GET_QUEUE_NUM))
        for _ in range(200):
            client.reply(Request.GET_FEATURES)
        client.reply(Request.GET_QUEUE_NUM)

    def test_H18_a_client_may_take_its_time_and_costs_no_cpu(self):
        client = self.driver(start=False).client
        whole = message(Request.GET_CONFIG, config(0, 60))
        for offset in (5, 12, 40):
            client.send_raw(whole[:offset])
            self.daemon.comes_to_rest()
            self.assertFalse(client.readable(0))
            client.send_raw(whole[offset:])
            client.reply(Request.GET_CONFIG)

    def test_H17_a_client_that_does_not_read_costs_no_cpu_and_stops_nobody(self):
        client = self.client()
        client.socket.setblocking(False)
        data = message(Request.GET_FEATURES) * 1000
        try:
            while True:
                client.socket.send(data)
        except BlockingIOError:
            pass
        other = self.driver('slow')
        self.assertEqual(len(other.read(0, 512)), 512)
        self.daemon.comes_to_rest()
        self.assertFalse(other.client.readable(0))


class Ends(StreamCase):
    """Clients that go away."""

    def test_H18_killed_at_every_offset_of_every_message(self):
        for name, whole, count in every_message():
            numbers = self.files(count)
            for offset in range(1, len(whole)):
                client = Client(self.socket())
                client.send_raw(whole[:offset], numbers)
                client.close()
            client = Client(self.socket())
            self.assertTrue(client.alive(), name)
            client.close()

    def test_killed_after_every_message_of_a_session(self):
        driver = self.driver()
        for name, whole, count in every_message():
            client = Client(self.socket('slow'))
            client.send_raw(whole, self.files(count))
            client.close()
            self.assertEqual(len(driver.read(0, 512)), 512, name)

    def test_half_closed(self):
        client = self.client()
        client.socket.shutdown(socket.SHUT_WR)
        client.wait_closed()

    def test_gone_while_requests_are_under_way(self):
        for _ in range(5):
            driver = self.driver('slow')
            pending = [driver.put(0, number, in_length=4096) for number in range(16)]
            driver.vring.publish(*(entry.head for entry in pending))
            driver.vring.kick_and_wait()

    def test_a_thousand_connections_leave_nothing_behind(self):
        for _ in range(50):
            Client(self.socket()).close()
        self.assertTrue(self.client().alive())
        self.hang_up()
        before = self.daemon.descriptors()
        for number in range(1000):
            client = Client(self.socket())
            if number % 4 == 0:
                self.assertTrue(client.alive())
            client.close()
        self.assertTrue(self.client().alive())
        self.hang_up()
        until(lambda: self.daemon.descriptors() <= before, f'{before} descriptors as before')


class Garbage(StreamCase):
    """What is no vhost-user at all."""

    def dropped(self, data, descriptors=()):
        """The client is dropped with one line in the log, and the next one is served."""
        lines = len(self.daemon.stderr_lines())
        client = self.client()
        try:
            client.send_raw(data, descriptors)
        except (BrokenPipeError, ConnectionResetError):
            pass
        client.wait_closed()
        self.assertTrue(self.client().alive())
        said = self.daemon.stderr_lines()[lines:]
        self.assertEqual(len(said), 1, said)

    def test_text(self):
        self.dropped(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

    def test_noise(self):
        self.dropped(bytes((number * 167 + 13) % 256 for number in range(8192)))

    def test_a_payload_that_is_larger_than_any(self):
        for size in (4097, 1 << 20, (1 << 32) - 1):
            self.dropped(message(Request.GET_FEATURES, b'', size=size))

    def test_a_wrong_version(self):
        for flags in (0, 2, 3):
            self.dropped(message(Request.SET_OWNER, flags=flags))

    def test_H18_nine_descriptors(self):
        driver = self.driver()
        driver.read(0, 512)
        self.hang_up()
        for count in (9, 20, 200):
            client = self.client()
            try:
                client.send_raw(message(Request.SET_MEM_TABLE, bytes(8)), self.files(count))
                client.alive()
            except (BrokenPipeError, ConnectionResetError):
                pass

    def test_H18_descriptors_on_messages_that_take_none(self):
        driver = self.driver(start=False)
        before = self.daemon.descriptors()
        for _ in range(20):
            driver.client.ack(Request.SET_OWNER, descriptors=self.files(8))
            driver.client.ack(99, descriptors=self.files(3))
        self.assertTrue(driver.client.alive())
        self.assertLessEqual(self.daemon.descriptors(), before)

    def test_H18_a_descriptor_on_a_question(self):
        for _ in range(20):
            client = self.client()
            client.send(Request.GET_FEATURES, descriptors=self.files(1))
            client.alive()          # answered or dropped: nothing may be left open


class Second(StreamCase):
    """Two clients for one export."""

    def test_is_logged_once_and_served_when_the_first_one_leaves(self):
        first = self.driver()
        lines = len(self.daemon.stderr_lines())
        second = Client(self.socket())
        self.addCleanup(second.close)
        second.send(Request.GET_FEATURES)
        until(lambda: len(self.daemon.stderr_lines()) > lines, 'the second client is reported')
        for _ in range(20):
            self.assertEqual(len(first.read(0, 512)), 512)
        said = self.daemon.stderr_lines()[lines:]
        self.assertEqual(len(said), 1, said)
        self.assertIn('disk', said[0])
        self.assertFalse(second.readable())
        first.close()
        self.assertEqual(len(second.reply(Request.GET_FEATURES)), 8)

    def test_other_exports_are_not_concerned(self):
        self.driver()
        self.assertTrue(self.client('slow').alive())


if __name__ == '__main__':
    unittest.main()
