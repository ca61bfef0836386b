# SPDX-License-Identifier: GPL-2.0-or-later
"""Features, protocol features, queue counts, and how requests are acknowledged."""

import struct
import unittest

from support.proto_case import QUEUES, ProtoCase
from support.vhost_user import (NEED_REPLY, REPLY, VERSION, Closed, Feature, Protocol, Request,
                                config, u64)

ALWAYS = (Feature.BLK_SIZE, Feature.FLUSH, Feature.TOPOLOGY, Feature.CONFIG_WCE, Feature.MQ,
          Feature.INDIRECT, Feature.EVENT_IDX, Feature.PROTOCOL_FEATURES, Feature.VERSION_1)


class Negotiation(ProtoCase):
    """Before any ring is started."""

    def offered(self, client):
        """The feature bits."""
        return client.ask_u64(Request.GET_FEATURES)

    def test_features_of_a_writable_disk(self):
        offered = self.offered(self.client())
        for bit in (*ALWAYS, Feature.DISCARD, Feature.WRITE_ZEROES):
            self.assertTrue(offered >> bit & 1, f'bit {bit}')
        self.assertFalse(offered >> Feature.RO & 1)

    def test_features_of_a_read_only_disk(self):
        self.add('fixed', writable=False, driver='null-co', size=1 << 20)
        self.addCleanup(self.remove, 'fixed')
        offered = self.offered(self.client('fixed'))
        for bit in ALWAYS:
            self.assertTrue(offered >> bit & 1, f'bit {bit}')
        self.assertTrue(offered >> Feature.RO & 1)

    def test_protocol_features(self):
        offered = self.client().ask_u64(Request.GET_PROTOCOL_FEATURES)
        for bit in (Protocol.MQ, Protocol.REPLY_ACK, Protocol.BACKEND_REQ, Protocol.CONFIG,
                    Protocol.MEM_SLOTS):
            self.assertTrue(offered >> bit & 1, f'bit {bit}')
        for bit in (14, 17):        # QEMU accepts both and can serve neither
            self.assertFalse(offered >> bit & 1, f'bit {bit}')

    def test_features_may_be_asked_many_times(self):
        client = self.client()
        self.assertEqual({self.offered(client) for _ in range(100)}, {self.offered(client)})

    def test_a_harmless_question_is_answered_before_its_feature_is_negotiated(self):
        for request, size in ((Request.GET_QUEUE_NUM, 8), (Request.GET_MAX_MEM_SLOTS, 8),
                              (Request.GET_CONFIG, 12 + 8)):
            for features in (None, 0, 1 << Feature.PROTOCOL_FEATURES):
                client = self.client()
                if features is not None:
                    client.send(Request.SET_FEATURES, u64(features))
                before = self.daemon.stderr().count(request.name)
                payload = config(0, 8) if request is Request.GET_CONFIG else b''
                for _ in range(3):
                    self.assertEqual(len(client.ask(request, payload)), size)
                # One line a connection.
                self.assertEqual(self.daemon.stderr().count(request.name), before + 1)
                client.close()

    def test_what_does_something_is_refused_before_its_feature_is_negotiated(self):
        for request, payload in ((Request.SET_CONFIG, config(0, 1) + b'\0'),
                                 (Request.SET_STATUS, u64(0))):
            client = self.client()
            client.send(request, payload)
            with self.assertRaises((Closed, ConnectionError)):
                client.ask(Request.GET_QUEUE_NUM)

    def test_queue_count_is_the_export_s(self):
        driver = self.driver(start=False)
        self.assertEqual(driver.client.ask_u64(Request.GET_QUEUE_NUM), QUEUES)
        self.assertEqual(struct.unpack('<H', driver.config_space(34, 2))[0], QUEUES)

    def test_queue_count_suits_a_default_front_end_when_none_is_given(self):
        self.add('open', num_queues=None, driver='null-co', size=1 << 20)
        self.addCleanup(self.remove, 'open')
        driver = self.driver('open', start=False)
        self.assertGreaterEqual(driver.client.ask_u64(Request.GET_QUEUE_NUM), 16)

    def test_reply_flags_are_exact_even_when_a_reply_is_needed(self):
        client = self.client()
        client.send(Request.GET_FEATURES, flags=VERSION | NEED_REPLY)
        request, flags, payload = client.receive()
        self.assertEqual((request, flags, len(payload)),
                         (Request.GET_FEATURES, VERSION | REPLY, 8))

    def test_a_feature_that_was_not_offered_is_refused_truthfully(self):
        driver = self.driver(start=False)
        self.assertNotEqual(driver.client.ack(Request.SET_FEATURES,
                                              u64(driver.features | 1 << 37)), 0)
        self.assertTrue(driver.client.alive())

    def test_a_protocol_feature_that_was_not_offered_is_refused_truthfully(self):
        driver = self.driver(start=False)
        self.assertNotEqual(driver.client.ack(Request.SET_PROTOCOL_FEATURES,
                                              u64(driver.protocol | 1 << 62)), 0)
        self.assertTrue(driver.client.alive())

    def test_an_unknown_request_is_refused_and_the_connection_stays(self):
        driver = self.driver(start=False)
        for number in (0, 45, 99, 1 << 31):
            self.assertNotEqual(driver.client.ack(number), 0)
        self.assertTrue(driver.client.alive())

    def test_a_good_request_is_acknowledged_with_zero(self):
        driver = self.driver(start=False)
        self.assertEqual(driver.client.ack(Request.SET_OWNER), 0)
        self.assertEqual(driver.client.ack(Request.SET_OWNER), 0)

    def test_a_wrong_payload_size_is_refused_and_the_connection_stays(self):
        driver = self.driver(start=False)
        for size in (0, 7, 9):
            self.assertNotEqual(driver.client.ack(Request.SET_FEATURES, bytes(size)), 0)
        self.assertTrue(driver.client.alive())

    def test_a_payload_of_the_largest_size_is_read_and_the_connection_stays(self):
        driver = self.driver(start=False)
        largest = 8 + 8 * 256   # VhostUserShMemConfig's
        for size in (largest - 1, largest, largest):
            self.assertNotEqual(driver.client.ack(Request.SET_FEATURES, bytes(size)), 0)
        self.assertTrue(driver.client.alive())


if __name__ == '__main__':
    unittest.main()
