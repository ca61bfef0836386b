# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk behind a scripted IOMMU: its driver, and what tests of it share."""

import select
import struct

from .guest_memory import GuestMemory, Region
from .proto_case import DISK_SIZE, ProtoCase
from .vhost_user import Feature, region
from .virtio_blk import WANTED_FEATURES, BlkDriver
from .waiting import TIMEOUT

IOTLB_MSG = 22
MISS, UPDATE, INVALIDATE, ACCESS_FAIL = 1, 2, 3, 4
READ, WRITE, BOTH = 1, 2, 3
IOTLB = struct.Struct('<QQQBB6x')
PAGE = 4096
FAR = 1 << 40           # between what the device sees and where the guest has it


class FarRegion(Region):
    """Memory that the device sees at `gpa`, and the guest has elsewhere."""

    def payload(self):
        return region(self.gpa + FAR, self.size, self.uaddr, self.offset)


class IovaMemory(GuestMemory):
    """All addresses that the driver names, those of rings too, are the device's."""

    def uaddr(self, gpa):
        return gpa

    def target(self, iova):
        """The front-end's address."""
        return super().uaddr(iova)


class IommuDriver(BlkDriver):
    """Answers questions while it waits for the disk."""

    wanted_features = WANTED_FEATURES | 1 << Feature.ACCESS_PLATFORM

    def __init__(self, path, queues=1, memory=None):
        self.questions = []
        self.withheld = None    # a page that is not translated
        super().__init__(path, memory or IovaMemory(FarRegion(0, 1 << 20)), queues, start=False)
        self.open_backend_channel()
        self.share_memory()
        for vring in self.vrings:
            self.start(vring)

    def tell(self, kind, iova, size, permission=BOTH, target=None):
        """Sends an IOTLB message without reading the answer."""
        if kind == UPDATE and target is None:
            target = self.memory.target(iova)
        self.client.send(IOTLB_MSG, IOTLB.pack(iova, size, target or 0, permission, kind))

    def told(self, *message, **options):
        """Sends an IOTLB message; returns the answer."""
        self.tell(*message, **options)
        return struct.unpack('<Q', self.client.reply(IOTLB_MSG))[0]

    def question(self):
        """The next message on the channel: (type, address, permission)."""
        request, _, payload = self.backend_channel.receive()
        iova, _, _, permission, kind = IOTLB.unpack(payload)
        if request != 1:
            raise AssertionError(f'message {request} on the channel')
        self.questions.append((kind, iova, permission))
        return self.questions[-1]

    def serve(self):
        """Answers what has been asked by now."""
        while self.backend_channel.readable():
            kind, iova, _ = self.question()
            if kind != MISS:
                raise AssertionError(f'message of type {kind} on the channel')
            if iova // PAGE == self.withheld:
                continue
            if self.told(UPDATE, iova // PAGE * PAGE, PAGE) != 0:
                raise AssertionError(f'the translation of {iova:#x} was refused')

    def finish(self, count=1, vring=None):
        """Waits for @count completions, answering questions meanwhile."""
        vring = vring or self.vring
        found = vring.take_used()
        while len(found) < count:
            ready, _, _ = select.select([vring.call_fd, self.backend_channel.socket], [], [],
                                        TIMEOUT)
            if not ready:
                raise AssertionError(f'{len(found)} of {count} requests completed')
            self.serve()
            vring.calls()
            found += vring.take_used()
        return found

    def request(self, kind, sector=0, out=b'', in_length=0, vring=None, **layout):
        vring = vring or self.vring
        pending = self.put(kind, sector, out, in_length, vring, **layout)
        vring.publish(pending.head)
        vring.kick()
        (_, used), = self.finish(1, vring)
        answer = self.answer(pending, used)
        self.memory.release(self.mark)
        return answer


class IommuCase(ProtoCase):
    """An export of its own: `virtual` on two IOThreads."""

    daemon_options = ('--object', 'iothread,id=io0', '--object', 'iothread,id=io1')
    Driver = IommuDriver
    more = ()           # exports that start_more() adds

    @classmethod
    def start(cls):
        super().start()
        cls.add('virtual', num_queues=2, driver='null-co', size=DISK_SIZE, read_zeroes=True,
                export={'access-platform': True, 'iothread': ['io0', 'io1']})
        cls.start_more()
        for name in ('virtual', *cls.more):
            driver = cls.Driver(cls.socket(name))
            driver.read(0, 512)
            driver.close()
        cls.baseline = cls.settled_descriptors()

    @classmethod
    def start_more(cls):
        """For a family of tests with more exports behind an IOMMU."""

    def iommu_driver(self, name, **options):
        """A driver of an export, until the end of the test."""
        driver = self.Driver(self.socket(name), **options)
        self.addCleanup(driver.close)
        return driver
