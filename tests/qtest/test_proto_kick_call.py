# SPDX-License-Identifier: GPL-2.0-or-later
"""Kick and call descriptors: when the device looks, when it calls, what it is handed."""

import os
import socket
import unittest

from support.proto_case import ProtoCase
from support.vhost_user import NO_DESCRIPTOR, Request, u64
from support.virtio_blk import FLUSH, IN
from support.vring import NO_INTERRUPT
from support.waiting import until


class Call(ProtoCase):
    """When the guest is interrupted."""

    def quiet_driver(self, **options):
        """A driver with no call outstanding."""
        driver = self.driver(**options)
        driver.read(0, 512)
        driver.vring.calls()
        return driver

    def test_call_descriptor_is_signalled_once_when_it_is_set(self):
        driver = self.driver()
        self.assertEqual(driver.vring.calls(5), 1)
        driver.expect_ack(Request.SET_VRING_CALL, u64(0), [driver.vring.call_fd])
        self.assertEqual(driver.vring.calls(5), 1)

    def test_no_call_while_the_driver_wants_none(self):
        driver = self.quiet_driver()
        driver.vring.set_available_flags(NO_INTERRUPT)
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        # A message may overtake a kick; once the kick is taken, stopping waits for the request.
        driver.vring.kick_and_wait()
        self.assertEqual(driver.stop(driver.vring), 2)
        self.assertEqual(driver.vring.calls(), 0)
        self.assertEqual(len(driver.vring.take_used()), 1)

    def test_first_of_a_batch_is_announced_at_once_and_the_others_together(self):
        self.add('null', driver='null-co', size=1 << 20, read_zeroes=True)
        self.addCleanup(self.remove, 'null')
        # Without a first request: the device could still be at it when the batch comes.
        driver = self.driver(name='null')
        self.assertEqual(driver.vring.calls(5), 1)
        driver.vring.publish(*[driver.put(IN, number, in_length=512).head for number in range(8)])
        driver.vring.kick()
        calls = driver.vring.calls(5)
        while driver.vring.device_used_index() < 8 or calls < 2:
            more = driver.vring.calls(5)
            self.assertGreater(more, 0)
            calls += more
        self.assertEqual(calls, 2)

    def test_event_index_holds_calls_back_until_it_is_passed(self):
        driver = self.quiet_driver(event_idx=True)
        vring = driver.vring
        vring.set_used_event(3)         # call when the fourth completion is there
        for number in range(2):
            vring.publish(driver.put(IN, number, in_length=512).head)
            vring.kick()
        self.wait_completed(vring, 3)
        self.assertEqual(vring.calls(), 0)
        vring.publish(driver.put(IN, 0, in_length=512).head)
        vring.kick()
        self.assertEqual(vring.calls(5), 1)
        self.assertEqual(vring.device_used_index(), 4)

    def wait_completed(self, vring, index):
        """Waits for the used index without the help of a call."""
        for _ in range(10000):
            if vring.device_used_index() == index:
                return
            os.sched_yield()
            vring.calls(0.001)
        self.fail('requests were not completed')

    def test_event_index_asks_for_a_kick_at_the_next_request(self):
        driver = self.quiet_driver(event_idx=True)
        vring = driver.vring
        for _ in range(300):
            vring.set_used_event(vring.used_index)
            vring.publish(driver.put(FLUSH).head)
            vring.kick()
            vring.wait_used()
            driver.memory.release(driver.mark)
        self.wait_event(vring)

    def wait_event(self, vring):
        """The device must end up waiting for exactly the next request."""
        for _ in range(10000):
            if vring.avail_event() == vring.available_index:
                return
            os.sched_yield()
        self.fail(f'avail_event {vring.avail_event()}, next request {vring.available_index}')

    def test_call_descriptor_may_change_while_the_ring_runs(self):
        driver = self.quiet_driver()
        second = os.eventfd(0, os.EFD_NONBLOCK)
        self.addCleanup(os.close, second)
        driver.expect_ack(Request.SET_VRING_CALL, u64(0), [second])
        first, driver.vring.call_fd = driver.vring.call_fd, second
        self.addCleanup(os.close, first)
        driver.read(0, 512)
        with self.assertRaises(BlockingIOError):
            os.eventfd_read(first)
        driver.vring.call_fd = os.dup(second)

    def test_ring_without_a_call_descriptor_is_served(self):
        driver = self.quiet_driver()
        driver.expect_ack(Request.SET_VRING_CALL, u64(NO_DESCRIPTOR))
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        driver.vring.kick()
        self.wait_completed(driver.vring, 2)
        self.assertEqual(driver.vring.calls(), 0)

    def test_call_descriptor_that_cannot_be_written(self):
        for flags in (os.O_RDONLY, os.O_RDWR):
            driver = self.driver()
            number = os.open('/dev/full', flags)
            self.addCleanup(os.close, number)
            driver.client.ack(Request.SET_VRING_CALL, u64(0), [number])
            driver.vring.publish(driver.put(IN, 0, in_length=512).head)
            driver.vring.kick()
            driver.client.alive()

    def test_call_pipe_that_nobody_reads(self):
        driver = self.quiet_driver()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        try:
            while True:
                os.write(writer, bytes(4096))
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        driver.client.ack(Request.SET_VRING_CALL, u64(0), [writer])
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        driver.vring.kick()
        self.assertTrue(driver.client.alive(), 'the daemon blocks in write()')

    def test_H17_call_counter_that_is_full_and_was_made_blocking(self):
        driver = self.quiet_driver()
        number = driver.vring.call_fd
        os.eventfd_write(number, (1 << 64) - 2)
        os.set_blocking(number, True)       # the description is the daemon's as well
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        driver.vring.kick()
        self.assertTrue(driver.client.alive(), 'the daemon blocks in write()')


class Kick(ProtoCase):
    """What the device may be given to wait on."""

    def test_kick_through_a_pipe(self):
        driver = self.driver()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        driver.expect_ack(Request.SET_VRING_KICK, u64(0), [reader])
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        os.write(writer, b'12345678')
        driver.vring.wait_used()

    def test_one_kick_for_many_requests(self):
        driver = self.driver()
        pending = [driver.put(IN, number, in_length=512) for number in range(30)]
        driver.vring.publish(*(entry.head for entry in pending))
        driver.vring.kick()
        done = driver.vring.wait_used(30)
        self.assertEqual({head for head, _ in done}, {entry.head for entry in pending})

    def test_many_kicks_for_no_request(self):
        driver = self.driver()
        for _ in range(200):
            driver.vring.kick()
        self.assertEqual(len(driver.read(0, 512)), 512)
        self.assertEqual(driver.vring.device_used_index(), 1)

    def test_kick_descriptor_that_cannot_be_waited_on(self):
        for path in ('/dev/null', '/dev/zero', self.image.path, '/'):
            with self.subTest(path):
                driver = self.driver()
                number = os.open(path, os.O_RDONLY)
                self.addCleanup(os.close, number)
                self.assertNotEqual(
                    driver.client.ack(Request.SET_VRING_KICK, u64(0), [number]), 0)

    def test_kick_descriptor_that_never_falls_silent_costs_no_cpu(self):
        driver = self.driver()
        number = os.eventfd(0, os.EFD_SEMAPHORE)
        self.addCleanup(os.close, number)
        os.eventfd_write(number, (1 << 64) - 2)
        driver.expect_ack(Request.SET_VRING_KICK, u64(0), [number])
        until(lambda: 'readable all the time' in self.daemon.stderr(), 'it is given up')
        self.daemon.comes_to_rest()
        self.assertFalse(driver.client.readable(0))
        driver.expect_ack(Request.SET_VRING_KICK, u64(0), [driver.vring.kick_fd])
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_kick_descriptor_whose_other_end_is_closed_costs_no_cpu(self):
        driver = self.driver()
        ours, theirs = socket.socketpair()
        with theirs:
            driver.client.ack(Request.SET_VRING_KICK, u64(0), [theirs.fileno()])
        ours.close()
        driver.client.alive()
        self.daemon.comes_to_rest()


if __name__ == '__main__':
    unittest.main()
