# SPDX-License-Identifier: GPL-2.0-or-later
"""What an export's options say about its rings: size, order of completion, the guest's IOMMU."""

import unittest

from support.proto_case import LATENCY, ProtoCase
from support.vhost_user import Request, state
from support.virtio_blk import GET_ID, IN, OK, WANTED_FEATURES, BlkDriver
from support.vring import Vring

ACCESS_PLATFORM, IN_ORDER = 33, 35


class InOrderDriver(BlkDriver):
    """A driver that takes completions in order if it may."""

    wanted_features = WANTED_FEATURES | 1 << IN_ORDER


class Options(ProtoCase):
    """Each test adds an export that it wants, of a disk that takes its time."""

    def export(self, **options):
        """An export called `own`."""
        self.add('own', export=options, driver='null-co', size=16 << 20, read_zeroes=True,
                 latency_ns=int(LATENCY * 1e9))
        self.addCleanup(self.remove, 'own')

    def own_driver(self, kind=BlkDriver, **options):
        """A driver of it."""
        driver = kind(self.socket('own'), **options)
        self.addCleanup(driver.close)
        return driver

    def slow_and_fast(self):
        """Heads of a read, which takes its time, and a GET_ID, which does not; published."""
        driver = self.own_driver(InOrderDriver)
        slow = driver.put(IN, 0, in_length=512)
        fast = driver.put(GET_ID, in_length=20)
        driver.vring.publish(slow.head, fast.head)
        driver.vring.kick()
        return driver, slow, fast

    def test_completions_overtake_each_other_unless_asked_otherwise(self):
        self.export()
        driver, slow, fast = self.slow_and_fast()
        self.assertFalse(driver.offered >> IN_ORDER & 1)
        self.assertEqual([head for head, _ in driver.vring.wait_used(2)], [fast.head, slow.head])

    def test_completions_in_order_share_one_entry(self):
        self.export(**{'in-order': True})
        driver, slow, fast = self.slow_and_fast()
        self.assertTrue(driver.features >> IN_ORDER & 1)
        used = driver.vring.wait_used(2)
        self.assertEqual(driver.vring.device_used_index(), 2)
        self.assertEqual(used[0], (fast.head, 21))
        self.assertEqual(used[1], (0, 0), 'the entry that is skipped was written')
        for pending in (slow, fast):
            self.assertEqual(driver.answer(pending, 0).status, OK)

    def test_iommu_is_offered_only_where_it_is_asked_for(self):
        self.assertFalse(self.driver(start=False).offered >> ACCESS_PLATFORM & 1)
        self.export(**{'access-platform': True})
        self.assertTrue(self.own_driver(start=False).offered >> ACCESS_PLATFORM & 1)

    def identify(self, driver, vring):
        """Runs a request of two descriptors, which takes no time."""
        answer = driver.request(GET_ID, in_length=20, in_sizes=[21], vring=vring)
        self.assertEqual((answer.status, answer.used), (OK, 21))

    def test_ring_of_32768_entries(self):
        self.export(**{'queue-size': 32768})
        driver = self.own_driver(start=False)
        driver.share_memory()
        self.assertNotEqual(driver.client.ack(Request.SET_VRING_NUM, state(0, 65536)), 0)
        large = Vring(driver.memory, 1, 32768)
        self.addCleanup(large.close)
        driver.mark = driver.memory.mark()
        driver.start(large)
        for slots in (0, 16000, 32768 - 16000 - 5, 0, 0):
            large.take_slots(slots)     # the last one's descriptors are the last and the first
            self.identify(driver, large)

    def test_ring_is_started_anew_with_another_size_while_others_run(self):
        self.export(**{'queue-size': 4096})
        driver = self.own_driver(queues=2)
        other = driver.vrings[1]
        for size in (4096, 2, 512, 64):
            pending = driver.put(IN, 0, in_length=512, vring=other)
            other.publish(pending.head)
            other.kick()
            driver.stop(driver.vrings[0])
            driver.vrings[0].close()
            driver.vrings[0] = Vring(driver.memory, 0, size)
            driver.mark = driver.memory.mark()
            driver.start(driver.vrings[0])
            self.identify(driver, driver.vrings[0])
            self.assertEqual([head for head, _ in other.wait_used(1)], [pending.head])


if __name__ == '__main__':
    unittest.main()
