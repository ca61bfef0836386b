# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages about rings: indices, sizes, addresses, start, stop, enable."""

import os
import time
import unittest

from support.proto_case import LATENCY, QUEUES, ProtoCase
from support.vhost_user import Request, address, state, u64
from support.virtio_blk import IN, OK, OUT, UNTOUCHED

BAD_INDICES = (QUEUES, 255, 1 << 16, (1 << 32) - 1)


class Messages(ProtoCase):
    """What is refused, and that the connection goes on."""

    def refused(self, driver, request, payload, descriptors=()):
        """Fails unless the request is refused and the client still served."""
        self.assertNotEqual(driver.client.ack(request, payload, descriptors), 0,
                            f'{request.name} {payload.hex()}')
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_H2_index_out_of_range_in_state_messages(self):
        driver = self.driver()
        for index in BAD_INDICES:
            for request, number in ((Request.SET_VRING_NUM, 128), (Request.SET_VRING_BASE, 0),
                                    (Request.SET_VRING_ENABLE, 1)):
                self.refused(driver, request, state(index, number))

    def test_H2_index_out_of_range_in_addresses(self):
        driver = self.driver()
        uaddr = driver.memory.regions[0].uaddr
        for index in BAD_INDICES:
            self.refused(driver, Request.SET_VRING_ADDR,
                         address(index, uaddr, uaddr + 8192, uaddr + 4096))

    def test_H2_index_out_of_range_in_descriptor_messages(self):
        driver = self.driver()
        event = os.eventfd(0)
        self.addCleanup(os.close, event)
        for index in (QUEUES, 255):
            for request in (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR):
                self.refused(driver, request, u64(index), [event])

    def test_H2_index_out_of_range_in_get_vring_base(self):
        for index in BAD_INDICES:
            client = self.client()
            client.send(Request.GET_VRING_BASE, state(index, 0))
            # The answer has no form for an error, so the client is dropped.
            client.wait_closed()

    def test_H15_ring_sizes(self):
        driver = self.driver()
        for size in (0, 3, 127, 1025, 32769, 65536, (1 << 32) - 1):
            self.refused(driver, Request.SET_VRING_NUM, state(1, size))
        for size in (1, 2, 64, 256, 1024):
            driver.expect_ack(Request.SET_VRING_NUM, state(1, size))

    def test_H15_addresses_that_cannot_be(self):
        driver = self.driver()
        base = driver.memory.regions[0].uaddr
        size = driver.memory.regions[0].size
        good = {'descriptors': base + 0x80000, 'used': base + 0x82000, 'available': base + 0x81000}
        bad = [
            {'descriptors': good['descriptors'] + 8}, {'available': good['available'] + 1},
            {'used': good['used'] + 2}, {'descriptors': base + size - 16},
            {'available': base + size - 4}, {'used': base + size - 4}, {'descriptors': 0},
            {'used': (1 << 64) - 4}, {'available': (1 << 64) - 2}, {'used': base + size + 4096},
        ]
        driver.expect_ack(Request.SET_VRING_NUM, state(1, 128))
        for change in bad:
            with self.subTest(str(change)):
                self.refused(driver, Request.SET_VRING_ADDR, address(1, **{**good, **change}))
        driver.expect_ack(Request.SET_VRING_ADDR, address(1, **good))

    def test_kick_without_ring_does_no_harm(self):
        driver = self.driver(start=False, queues=2)
        vring = driver.vrings[1]
        driver.client.ack(Request.SET_VRING_KICK, u64(1), [vring.kick_fd])
        driver.client.ack(Request.SET_VRING_ENABLE, state(1, 1))
        vring.kick()
        self.assertTrue(driver.client.alive())

    def test_messages_may_be_repeated_without_leaving_descriptors(self):
        driver = self.driver()
        driver.read(0, 512)
        before = self.daemon.descriptors()
        for _ in range(100):
            driver.expect_ack(Request.SET_VRING_CALL, u64(0), [driver.vring.call_fd])
            driver.expect_ack(Request.SET_VRING_ERR, u64(0), [driver.vring.call_fd])
            driver.expect_ack(Request.SET_VRING_KICK, u64(0), [driver.vring.kick_fd])
        self.assertLessEqual(self.daemon.descriptors(), before + 1)     # the error descriptor
        self.assertEqual(len(driver.read(0, 512)), 512)


class Life(ProtoCase):
    """Start, stop, enable, disable."""

    def rests(self, driver, used_index):
        """The daemon is awake and has had time, and the ring still stands where it stood."""
        self.assertTrue(driver.client.alive())
        self.assertFalse(driver.client.readable(0.1))
        self.assertEqual(driver.vring.device_used_index(), used_index)

    def test_stopped_ring_says_where_it_stood_and_starts_there_again(self):
        driver = self.driver()
        for count in range(1, 4):
            for sector in range(5):
                driver.write(sector, bytes([count]) * 512)
            base = driver.stop(driver.vring)
            self.assertEqual(base, count * 5)
            driver.start(driver.vring, base)
        self.assertEqual(driver.read(4, 512), bytes([3]) * 512)

    def test_ring_starts_at_any_base(self):
        for base in (1, 127, 128, 65535):
            driver = self.driver(start=False)
            self.check_base(driver, driver.vring, base)

    def check_base(self, driver, vring, base):
        """Starts a ring at @base and stops it six requests later."""
        driver.share_memory()
        vring.available_index = vring.used_index = base
        vring.set_available_index(base)
        driver.memory.write(vring.used + 2, base.to_bytes(2, 'little'))
        driver.start(vring, base)
        for sector in range(3):
            driver.write(sector, b'%8d' % base * 64)
            self.assertEqual(driver.read(sector, 512), b'%8d' % base * 64)
        self.assertEqual(driver.stop(vring), (base + 6) % 65536)

    def test_disabled_ring_is_not_executed(self):
        self.image.write(0, bytes(512))
        driver = self.driver(start=False)
        driver.share_memory()
        driver.start(driver.vring, enable=False)
        pending = driver.put(OUT, 0, b'forbidden' + bytes(503))
        driver.vring.publish(pending.head)
        driver.vring.kick()
        self.rests(driver, 0)
        self.assertEqual(self.image.read(0, 512), bytes(512))
        driver.expect_ack(Request.SET_VRING_ENABLE, state(0, 1))
        (head, _), = driver.vring.wait_used()       # without another kick
        self.assertEqual(head, pending.head)
        self.assertEqual(driver.answer(pending, 1).status, OK)
        self.assertEqual(self.image.read(0, 9), b'forbidden')

    def test_running_ring_that_is_disabled_rests_until_it_is_enabled(self):
        driver = self.driver()
        driver.read(0, 512)
        for _ in range(5):
            driver.expect_ack(Request.SET_VRING_ENABLE, state(0, 0))
            pending = driver.put(IN, 0, in_length=512)
            driver.vring.publish(pending.head)
            driver.vring.kick()
            self.rests(driver, driver.vring.used_index)
            self.assertEqual(driver.memory.read(pending.status, 1)[0], UNTOUCHED)
            driver.expect_ack(Request.SET_VRING_ENABLE, state(0, 1))
            driver.vring.wait_used()
            self.assertEqual(driver.answer(pending, 0).status, OK)

    def test_requests_that_wait_before_the_start_are_served_without_a_kick(self):
        driver = self.driver(start=False)
        driver.share_memory()
        pending = driver.put(IN, 0, in_length=512)
        driver.vring.publish(pending.head)
        driver.start(driver.vring)
        driver.vring.wait_used()
        self.assertEqual(driver.answer(pending, 0).status, OK)

    def test_get_vring_base_waits_for_the_requests_of_its_ring(self):
        driver = self.driver('slow', queues=2)
        pending = [driver.put(IN, number, in_length=512) for number in range(4)]
        driver.vring.publish(*(entry.head for entry in pending))
        driver.vring.kick_and_wait()
        started = time.monotonic()
        base = driver.stop(driver.vring)
        self.assertGreater(time.monotonic() - started, LATENCY / 2)
        self.assertEqual(base, 4)
        self.assertEqual(driver.vring.device_used_index(), 4)
        self.assertEqual([driver.answer(entry, 0).status for entry in pending], [OK] * 4)

    def test_stopped_ring_is_left_alone(self):
        driver = self.driver()
        driver.write(0, bytes(512))
        driver.stop(driver.vring)
        used = driver.memory.read(driver.vring.used, 64)
        driver.vring.publish(driver.put(OUT, 0, b'x' * 512).head)
        driver.vring.kick()
        self.rests(driver, driver.vring.used_index)
        self.assertEqual(driver.memory.read(driver.vring.used, 64), used)
        self.assertEqual(self.image.read(0, 512), bytes(512))

    def test_one_ring_stops_while_another_works(self):
        driver = self.driver(queues=2)
        for _ in range(20):
            base = driver.stop(driver.vring)
            driver.read(0, 512, vring=driver.vrings[1])
            driver.start(driver.vring, base)
            driver.read(0, 512)

    def test_reset_owner_does_not_break_the_connection(self):
        driver = self.driver()
        driver.client.send(Request.RESET_OWNER)
        self.assertTrue(driver.client.alive())


if __name__ == '__main__':
    unittest.main()
