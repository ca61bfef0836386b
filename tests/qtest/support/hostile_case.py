# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of hostile clients and guests share: an attacked export, and a neighbour at work."""

import os
import select

from .image import MIB
from .proto_case import ProtoCase
from .vhost_user import NEED_REPLY, VERSION, Closed, Protocol, Request, u64
from .virtio_blk import BlkDriver
from .waiting import TIMEOUT

NEIGHBOUR_SIZE = 4 * MIB


class HostileCase(ProtoCase):
    """While a test attacks `disk`, a client of another export of the same daemon works.

    After the test that client still writes and reads back, besides all that ProtoCase looks at.
    """

    def setUp(self):
        super().setUp()
        path = self.daemon.path('neighbour.img')
        with open(path, 'wb') as file:
            file.truncate(NEIGHBOUR_SIZE)
        self.add('neighbour', driver='file', filename=path)
        self.neighbour = BlkDriver(self.socket('neighbour'))
        self._rounds = 0
        self.addCleanup(self._neighbour_leaves)

    def _neighbour_leaves(self):
        try:
            self.neighbour_works()
        finally:
            self.neighbour.close()
            if self.daemon.running():
                self.remove('neighbour')

    def neighbour_works(self):
        """The neighbour writes and reads back what it has not written before."""
        self._rounds += 1
        data = self._rounds.to_bytes(8, 'little') * 512
        self.neighbour.write(8 * (self._rounds % 1000), data)
        self.assertEqual(self.neighbour.read(8 * (self._rounds % 1000), 4096), data)

    def refused(self, client, request, payload=b'', descriptors=()):
        """A non-zero acknowledgement; the connection goes on, and so does the neighbour."""
        self.assertNotEqual(client.ack(request, payload, descriptors), 0,
                            f'request {int(request)} {payload[:64].hex()} is acknowledged')
        self.assertTrue(client.alive(), f'request {int(request)} ends the connection')
        self.neighbour_works()

    def dropped(self, client, request, payload=b'', descriptors=(), flags=VERSION | NEED_REPLY):
        """The connection ends without an answer, and the neighbour goes on."""
        client.send(request, payload, descriptors, flags)
        with self.assertRaises(Closed):
            self.fail(f'an answer: {client.receive()}')
        self.neighbour_works()

    def eventfd(self):
        """A descriptor that lives as long as the test."""
        number = os.eventfd(0, os.EFD_NONBLOCK)
        self.addCleanup(os.close, number)
        return number

    def memfd(self, size=MIB):
        """A memory file that lives as long as the test."""
        number = os.memfd_create('hostile')
        os.ftruncate(number, size)
        self.addCleanup(os.close, number)
        return number

    def traced_descriptors(self, count):
        """(writing ends to be sent, reading ends): those become readable when nobody holds them."""
        pairs = [os.pipe() for _ in range(count)]
        return [writer for _, writer in pairs], [reader for reader, _ in pairs]

    def let_go(self, writers, readers):
        """Closes our copies; the daemon must have closed, or close now, the ones it was sent."""
        for writer in writers:
            os.close(writer)
        for reader in readers:
            poll = select.poll()
            poll.register(reader)
            ended = poll.poll(TIMEOUT * 1000)
            os.close(reader)
            self.assertTrue(ended, 'a descriptor that was sent stays open')

    def logging_driver(self, **options):
        """A driver that may hand over a log."""
        driver = self.driver(**options)
        self.assertTrue(driver.protocol_offered >> Protocol.LOG_SHMFD & 1)
        driver.expect_ack(Request.SET_PROTOCOL_FEATURES,
                          u64(driver.protocol | 1 << Protocol.LOG_SHMFD))
        return driver

    def hand_over_log(self, driver, descriptor, size, offset=0):
        """What SET_LOG_BASE is answered with, 0 for good."""
        answer = driver.client.ask(Request.SET_LOG_BASE, u64(size) + u64(offset), [descriptor])
        return int.from_bytes(answer, 'little')
