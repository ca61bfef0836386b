# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk behind a scripted IOMMU: questions, answers, invalidations, on a running daemon."""

import struct
import unittest

from support.image import pattern
from support.iommu import (ACCESS_FAIL, BOTH, INVALIDATE, IOTLB_MSG, MISS, PAGE, READ, UPDATE,
                           WRITE, IommuCase, IommuDriver)
from support.proto_case import DISK_SIZE, LATENCY
from support.vhost_user import Request, state
from support.virtio_blk import GET_ID, IN, OK, OUT
from support.waiting import until


class Iotlb(IommuCase):
    """Besides: `tardy`, which takes its time, and `data`, another export of the disk."""

    more = ('tardy', 'data')

    @classmethod
    def start_more(cls):
        cls.add('tardy', driver='null-co', size=DISK_SIZE, read_zeroes=True,
                latency_ns=int(LATENCY * 1e9), export={'access-platform': True})
        cls.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='data',
                               node_name='disk', writable=True, **{'access-platform': True},
                               addr={'type': 'unix', 'path': cls.socket('data')})

    def test_data_of_many_pages(self):
        driver = self.iommu_driver('data')
        for seed, size in enumerate((512, PAGE, 64 * 1024, 200 * 1024)):
            data = pattern(0, size, seed)
            driver.write(8, data, indirect=bool(seed & 1))
            self.assertEqual(driver.read(8, size, indirect=bool(seed & 1)), data)
            self.assertEqual(driver.told(INVALIDATE, 0, 0), 0)
        kinds = {permission for _, _, permission in driver.questions}
        self.assertEqual(kinds, {READ, WRITE})

    def test_everything_is_invalidated_between_requests_of_two_threads(self):
        driver = self.iommu_driver('virtual', queues=2)
        for number in range(60):
            heads = []
            for vring in driver.vrings:
                pending = driver.put(IN, 0, in_length=16384, vring=vring)
                vring.publish(pending.head)
                vring.kick()
                heads.append(pending.head)
            if number % 3 == 0:
                driver.tell(INVALIDATE, 0, 0)
                self.assertEqual(struct.unpack('<Q', driver.client.reply(IOTLB_MSG))[0], 0)
            for vring, head in zip(driver.vrings, heads):
                self.assertEqual([used for used, _ in driver.finish(1, vring)], [head])
            driver.memory.release(driver.mark)

    def test_invalidation_is_answered_after_the_requests_that_use_it(self):
        driver = self.iommu_driver('tardy')
        pending = driver.put(IN, 0, in_length=512)
        driver.vring.publish(pending.head)
        driver.vring.kick()
        until(lambda: driver.serve() or len({iova // PAGE for _, iova, _ in driver.questions} &
                                            {pending.data // PAGE}) == 1, 'the buffer is asked for')
        driver.serve()
        # The last answer made the disk look; only then does it read the next message.
        self.assertEqual(driver.told(INVALIDATE, pending.data // PAGE * PAGE, PAGE), 0)
        self.assertEqual(driver.vring.device_used_index(), 1)
        self.assertEqual(driver.memory.read(pending.status, 1)[0], OK)
        self.assertEqual(driver.vring.wait_used(1)[0][0], pending.head)

    def withheld(self, driver):
        """Questions about the page that is not translated."""
        return [iova for _, iova, _ in driver.questions if iova // PAGE == driver.withheld]

    def test_unanswered_question_holds_up_its_queue_alone(self):
        driver = self.iommu_driver('virtual', queues=2)
        first, second = driver.vrings
        driver.request(GET_ID, in_length=20, vring=first)
        driver.request(GET_ID, in_length=20, vring=second)
        driver.withheld = 0x80000 // PAGE
        second.publish(second.put_chain([(0x80000, 16, False), (0x80010, 512, True)]))
        second.kick()
        until(driver.backend_channel.readable, 'the page is asked for')
        self.assertEqual(driver.question()[:2], (MISS, 0x80000))
        for _ in range(20):
            second.kick_and_wait()
            self.assertEqual(driver.request(GET_ID, in_length=20, vring=first).status, OK)
        until(lambda: driver.serve() or len(self.withheld(driver)) > 1, 'all of it is asked for')
        self.assertEqual(self.withheld(driver), [0x80000, 0x80010])
        self.assertEqual(second.device_used_index(), 1)
        self.assertEqual(driver.stop(second) & 0xffff, 1)

    def test_permission_is_kept_to(self):
        driver = self.iommu_driver('data')
        driver.request(GET_ID, in_length=20)
        page = 0x90000
        self.assertEqual(driver.told(UPDATE, page, PAGE, READ), 0)
        driver.memory.write(page, struct.pack('<IIQ', IN, 0, 0) + b'\x55' * 600)
        vring = driver.vring
        head = vring.put_chain([(page, 16, False), (page + 16, 513, True)])
        vring.publish(head)
        vring.kick()
        until(driver.backend_channel.readable, 'leave to write is asked for')
        self.assertEqual(driver.question(), (MISS, page + 16, WRITE))
        self.assertEqual(driver.told(UPDATE, page, PAGE, READ), 0)
        self.assertEqual(driver.question(), (ACCESS_FAIL, page + 16, WRITE))
        self.assertEqual(vring.wait_used(1), [(head, 0)])
        self.assertEqual(driver.memory.read(page + 16, 600), b'\x55' * 600)
        self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)

    def test_nonsense_is_refused_and_the_connection_goes_on(self):
        driver = self.iommu_driver('virtual')
        self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)
        target = driver.memory.target(0)
        for kind, iova, size, permission, where in (
                (UPDATE, 0, 0, BOTH, target), (UPDATE, 0, 1 << 20, 4, target),
                (UPDATE, (1 << 64) - 1, 2, BOTH, target), (UPDATE, 0, (1 << 64) - 1, BOTH, target),
                (UPDATE, 0, PAGE, BOTH, target - 1), (UPDATE, 0, (1 << 20) + 1, BOTH, target),
                (MISS, 0, PAGE, BOTH, 0), (ACCESS_FAIL, 0, PAGE, BOTH, 0), (0, 0, 0, 0, 0),
                (5, 0, 0, 0, 0), (255, 0, 0, 0, 0)):
            with self.subTest(kind=kind, iova=iova, size=size, permission=permission):
                self.assertNotEqual(driver.told(kind, iova, size, permission, target=where), 0)
        self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)

    def test_thousands_of_translations_do_no_harm(self):
        driver = self.iommu_driver('virtual')
        target = driver.memory.target(0)
        for number in range(200):
            for page in range(100):
                driver.tell(UPDATE, (1 << 32) + (number * 100 + page) * PAGE, PAGE, target=target)
            for _ in range(100):
                self.assertEqual(driver.client.reply(IOTLB_MSG), bytes(8))
        self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)

    def test_a_client_may_leave_at_any_time(self):
        for number in range(10):
            driver = IommuDriver(self.socket('tardy'))
            self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)
            pending = driver.put(OUT if number & 1 else IN, 0, bytes(512) if number & 1 else b'',
                                 0 if number & 1 else 512)
            driver.vring.publish(pending.head)
            driver.vring.kick()
            if number % 3 == 0:
                driver.serve()
            if number % 2 == 0:
                driver.tell(INVALIDATE, 0, 0)
            driver.close()
        self.assertTrue(self.daemon.running())

    def test_ring_that_waits_can_be_stopped(self):
        driver = self.iommu_driver('virtual')
        self.assertEqual(driver.stop(driver.vring), 0)
        driver.start(driver.vring, base=5)
        self.assertEqual(driver.stop(driver.vring), 5)
        self.assertEqual(driver.client.ack(Request.SET_VRING_ENABLE, state(0, 0)), 0)


if __name__ == '__main__':
    unittest.main()
