# SPDX-License-Identifier: GPL-2.0-or-later
"""The device status, and resets of a disk that is at work."""

import unittest

from support.proto_case import ProtoCase
from support.vhost_user import CONFIG_CHANGE, Feature, Protocol, Request, u64
from support.virtio_blk import IN, OK
from support.waiting import TIMEOUT

ALIVE, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 3, 4, 8, 0x40
WORKING = ALIVE | DRIVER_OK | FEATURES_OK


class Status(ProtoCase):
    """SET_STATUS, GET_STATUS, RESET_DEVICE."""

    def accept(self, driver, *bits):
        """Accepts more protocol features."""
        for bit in bits:
            self.assertTrue(driver.protocol_offered >> bit & 1, f'bit {bit} is offered')
            driver.protocol |= 1 << bit
        driver.expect_ack(Request.SET_PROTOCOL_FEATURES, u64(driver.protocol))

    def device(self, name='disk', **options):
        """A driver that has both features."""
        driver = self.driver(name, **options)
        self.accept(driver, Protocol.STATUS, Protocol.RESET_DEVICE)
        return driver

    def status(self, driver):
        """What GET_STATUS answers."""
        return driver.client.ask_u64(Request.GET_STATUS)

    def begin_again(self, driver):
        """Features and rings from the beginning, and a request."""
        driver.expect_ack(Request.SET_FEATURES, u64(driver.features))
        for vring in driver.vrings:
            vring.reset()
            driver.start(vring)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_status_is_what_the_driver_said(self):
        driver = self.device()
        self.assertEqual(self.status(driver), 0)
        for value in (1, ALIVE, ALIVE | FEATURES_OK, WORKING):
            driver.expect_ack(Request.SET_STATUS, u64(value))
            self.assertEqual(self.status(driver), value)
        self.assertNotEqual(driver.client.ack(Request.SET_STATUS, u64(256)), 0)
        self.assertEqual(self.status(driver), WORKING)

    def test_features_that_were_refused_are_not_ok(self):
        driver = self.device()
        self.assertNotEqual(driver.client.ack(Request.SET_FEATURES,
                                              u64(driver.features | 1 << 63)), 0)
        driver.expect_ack(Request.SET_STATUS, u64(ALIVE | FEATURES_OK))
        self.assertEqual(self.status(driver), ALIVE)
        driver.expect_ack(Request.SET_FEATURES, u64(driver.features))
        driver.expect_ack(Request.SET_STATUS, u64(ALIVE | FEATURES_OK))
        self.assertEqual(self.status(driver), ALIVE | FEATURES_OK)

    def test_reset_waits_for_requests_in_flight(self):
        for request, payload in ((Request.RESET_DEVICE, b''), (Request.SET_STATUS, u64(0))):
            driver = self.device('slow', queues=2)
            pending = [driver.put(IN, 0, in_length=512, vring=vring) for vring in driver.vrings]
            for vring, entry in zip(driver.vrings, pending):
                vring.publish(entry.head)
                vring.kick_and_wait()
            driver.expect_ack(request, payload)
            self.assertEqual([vring.device_used_index() for vring in driver.vrings], [1, 1])
            self.assertEqual([driver.answer(entry, 0).status for entry in pending], [OK] * 2)
            self.begin_again(driver)

    def test_reset_keeps_the_memory_and_forgets_the_rings(self):
        driver = self.device()
        driver.read(0, 512)
        driver.expect_ack(Request.RESET_DEVICE)
        for vring in driver.vrings:
            self.assertNotEqual(driver.client.ack(Request.SET_VRING_KICK, u64(vring.index),
                                                  [vring.kick_fd]), 0)
        for _ in range(50):
            self.begin_again(driver)
            driver.expect_ack(Request.RESET_DEVICE)
        self.begin_again(driver)

    def test_where_a_ring_stood_is_known_after_a_status_of_zero(self):
        driver = self.device()
        for _ in range(3):
            driver.read(0, 512)
        driver.expect_ack(Request.SET_STATUS, u64(0))
        self.assertEqual(driver.stop(driver.vring), 3)
        driver.expect_ack(Request.SET_FEATURES, u64(driver.features))
        driver.start(driver.vring, base=3)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_broken_ring_shows_until_the_reset(self):
        driver = self.device()
        channel = driver.open_backend_channel()
        driver.expect_ack(Request.SET_STATUS, u64(WORKING))
        driver.vring.set_available_index(1000)
        driver.vring.kick()
        self.assertTrue(driver.vring.broken(TIMEOUT))
        request, _, payload = channel.receive()
        self.assertEqual((request, payload), (CONFIG_CHANGE, b''))
        self.assertEqual(self.status(driver), WORKING | NEEDS_RESET)
        driver.expect_ack(Request.SET_STATUS, u64(WORKING))
        self.assertEqual(self.status(driver), WORKING | NEEDS_RESET)
        driver.expect_ack(Request.SET_STATUS, u64(0))
        self.assertEqual(self.status(driver), 0)
        self.begin_again(driver)

    def test_reset_without_features_leaves_none(self):
        driver = self.device(event_idx=True)
        self.assertTrue(driver.features >> Feature.EVENT_IDX & 1)
        driver.expect_ack(Request.RESET_DEVICE)
        # The ring works without the features of before.
        driver.event_idx = False
        driver.features &= ~(1 << Feature.EVENT_IDX)
        self.begin_again(driver)

    def test_client_may_hang_up_during_a_reset(self):
        driver = self.device('slow')
        entry = driver.put(IN, 0, in_length=512)
        driver.vring.publish(entry.head)
        driver.vring.kick_and_wait()
        driver.client.send(Request.RESET_DEVICE)
        self.hang_up('slow')
        self.assertEqual(len(self.device('slow').read(0, 512)), 512)


if __name__ == '__main__':
    unittest.main()
