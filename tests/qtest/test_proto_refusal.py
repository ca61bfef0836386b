# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions to the IOMMU that the front-end refuses, and what else comes on the channel."""

import socket
import unittest

from support.iommu import INVALIDATE, IOTLB, PAGE, UPDATE, IommuCase, IommuDriver
from support.proto_case import DISK_SIZE
from support.vhost_user import NEED_REPLY, REPLY, VERSION, Request, message, u64
from support.virtio_blk import GET_ID, OK
from support.waiting import until

BACKEND_IOTLB = 1
NOWHERE = 0x80000       # a page that is not translated


class RefusingDriver(IommuDriver):
    """Acknowledges what it is asked; refuses questions about `withheld`, now or later."""

    silent = False      # until speak()

    def __init__(self, *arguments, **options):
        self.owed = []
        super().__init__(*arguments, **options)

    def serve(self):
        while self.backend_channel.readable():
            _, flags, payload = self.backend_channel.receive()
            iova, _, _, permission, kind = IOTLB.unpack(payload)
            self.questions.append((kind, iova, permission))
            refused = iova // PAGE == self.withheld
            if not refused:
                page = iova // PAGE * PAGE
                if self.told(UPDATE, page, PAGE) != 0:
                    raise AssertionError(f'the translation of {iova:#x} was refused')
            if flags & NEED_REPLY:
                self.owed.append(refused)
        if not self.silent:
            self.speak()

    def speak(self):
        """Sends the acknowledgements, in the order of the questions."""
        self.silent = False
        for refused in self.owed:
            self.backend_channel.socket.sendall(
                message(BACKEND_IOTLB, u64(refused), VERSION | REPLY))
        self.owed.clear()

    def put_nowhere(self, vring):
        """A request whose data lies in the page that is not translated; its head."""
        self.withheld = NOWHERE // PAGE
        head = vring.put_chain([(0x40000, 16, False), (NOWHERE, 512, True), (0x41000, 1, True)])
        vring.publish(head)
        vring.kick()
        return head


class Refusal(IommuCase):
    """A disk behind an IOMMU, in a thread or on the move, with a neighbour."""

    Driver = RefusingDriver
    more = ('mobile',)

    @classmethod
    def start_more(cls):
        cls.add('mobile', driver='null-co', size=DISK_SIZE, read_zeroes=True,
                export={'access-platform': True})

    def asked(self, driver):
        """Until the page that is not translated has been asked for."""
        until(lambda: driver.serve() or any(where // PAGE == driver.withheld
                                            for _, where, _ in driver.questions),
              'the page is asked for')

    def move(self, iothread):
        """Moves the disk `mobile`; None is the main loop."""
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name='mobile', iothread=iothread,
                                force=True)

    def test_refused_request_ends_and_the_queue_goes_on(self):
        driver = self.iommu_driver('virtual', queues=2)
        for vring in driver.vrings:
            driver.request(GET_ID, in_length=20, vring=vring)
        for vring in driver.vrings * 3:
            head = driver.put_nowhere(vring)
            self.assertEqual(driver.finish(1, vring), [(head, 0)])
            self.assertEqual(driver.request(GET_ID, in_length=20, vring=vring).status, OK)

    def test_refused_later_while_another_queue_works(self):
        driver = self.iommu_driver('virtual', queues=2)
        driver.silent = True
        first, second = driver.vrings
        for vring in driver.vrings:
            driver.request(GET_ID, in_length=20, vring=vring)
        head = driver.put_nowhere(second)
        self.asked(driver)
        self.assertEqual(driver.request(GET_ID, in_length=20, vring=first).status, OK)
        self.assertEqual(second.take_used(), [])
        driver.speak()
        self.assertEqual(driver.finish(1, second), [(head, 0)])

    def test_refused_after_the_disk_has_moved(self):
        driver = self.iommu_driver('mobile')
        driver.request(GET_ID, in_length=20)
        for iothread in ('io0', 'io1', None):
            driver.silent = True
            driver.questions.clear()
            head = driver.put_nowhere(driver.vring)
            self.asked(driver)
            self.move(iothread)
            driver.speak()
            self.assertEqual(driver.finish(1), [(head, 0)])
            self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)

    def test_refused_on_a_new_channel(self):
        driver = self.iommu_driver('virtual')
        driver.silent = True
        driver.request(GET_ID, in_length=20)
        head = driver.put_nowhere(driver.vring)
        self.asked(driver)
        old = driver.backend_channel
        driver.open_backend_channel()
        self.assertEqual(old.socket.recv(1), b'')
        old.close()
        driver.owed.clear()
        driver.silent = False
        self.assertEqual(driver.finish(1), [(head, 0)])

    def test_channel_costs_no_cpu_whatever_its_state(self):
        for what, act in (
                ('half an answer', lambda s: s.sendall(b'\1\0\0\0\5')),
                ('an end', lambda s: s.shutdown(socket.SHUT_WR)),
                ('noise', lambda s: s.sendall(b'\xff' * 4096)),
                ('an end of both', lambda s: s.shutdown(socket.SHUT_RDWR))):
            with self.subTest(what=what):
                driver = self.iommu_driver('virtual')
                driver.request(GET_ID, in_length=20)
                act(driver.backend_channel.socket)
                self.assertEqual(driver.client.ask_u64(Request.GET_QUEUE_NUM), 2)
                self.daemon.comes_to_rest()
                self.assertFalse(driver.client.readable(0))
                driver.backend_channel.close()
                driver.open_backend_channel()
                self.assertEqual(driver.told(INVALIDATE, 0, 0), 0)
                self.assertEqual(driver.request(GET_ID, in_length=20).status, OK)
                driver.close()


if __name__ == '__main__':
    unittest.main()
