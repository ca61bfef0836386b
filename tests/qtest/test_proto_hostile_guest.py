# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile guest, in both ring layouts: each lie of support/lies.py, and those with a story.

After each: the guest has its answer where the rules allow one, the ring goes on or is reported
broken, another export's client is served, and the daemon lives.
"""

import fcntl
import os
import struct
import threading
import unittest

from support.guest_memory import GuestMemory, Region
from support.image import MIB
from support.lies import ANYTHING, BROKEN, GIVEN_BACK, LIES, Liar
from support.proto_case import ProtoCase
from support.vhost_user import Request, address, config, region, state
from support.virtio_blk import IN, OK, UNTOUCHED, BlkDriver
from support.vring import NEXT, WRITE
from support.waiting import TIMEOUT, until


F_SEAL_FUTURE_WRITE = 0x10      # linux/fcntl.h


class HostileGuest(ProtoCase):
    """What both layouts have in common."""

    packed = False

    @classmethod
    def start(cls):
        super().start()
        cls.add('calm', driver='null-co', size=16 * MIB, read_zeroes=True)
        cls.baseline = cls.settled_descriptors()

    def liar(self):
        """A hostile driver, which hangs up at the end of the test."""
        self.hang_up()
        return self._instead('disk', Liar(self.socket(), self.packed))

    def driver(self, name='disk', **options):
        return super().driver(name, packed=self.packed, **options)

    def neighbour_is_served(self):
        """Another export's client connects and reads."""
        driver = BlkDriver(self.socket('calm'))
        self.assertEqual(driver.read(0, 512), bytes(512))
        driver.close()

    def goes_on(self, guest):
        """The ring serves the next request."""
        self.assertFalse(guest.vring.broken(), 'the ring is not broken')
        self.assertEqual(len(guest.read(0, 512)), 512)

    def starts_anew(self, guest):
        """The ring is reported broken, and serves after it was set up again."""
        self.assertTrue(guest.vring.broken(TIMEOUT), 'the broken ring is reported')
        guest.stop(guest.vring)
        guest.vring.reset()
        guest.start(guest.vring)
        self.assertEqual(len(guest.read(0, 512)), 512)

    def check(self, row):
        """One lie and what must come of it."""
        outcome = row.packed if self.packed else row.split
        guest = self.liar()
        head = row.write(guest)
        if head is not None:
            guest.vring.publish(head)
        guest.vring.kick()
        if outcome == BROKEN:
            self.starts_anew(guest)
        elif outcome == ANYTHING:
            self.assertTrue(guest.client.alive())
        else:
            self.completed(guest, head, outcome)
            self.goes_on(guest)
        self.neighbour_is_served()

    def completed(self, guest, head, outcome):
        """The chain came back, with the status that it deserves."""
        (used_head, used), = guest.vring.wait_used()
        status = guest.memory.read(guest.status_at, 1)[0]
        self.assertEqual(used_head, head)
        if outcome == GIVEN_BACK:
            self.assertEqual((used, status), (0, UNTOUCHED))
        else:
            self.assertEqual(status, outcome)
            self.assertGreaterEqual(used, 1)


class Stories:
    """Lies that take more than one chain; for both layouts."""

    def test_a_table_that_was_not_negotiated(self):
        guest = self.liar()
        self.hang_up()
        wanted = Liar.wanted_features
        Liar.wanted_features = wanted & ~(1 << 28)
        self.addCleanup(setattr, Liar, 'wanted_features', wanted)
        guest = self.liar()
        head = guest.raw(guest.table(*guest.good()))
        guest.vring.publish(head)
        guest.vring.kick()
        self.completed(guest, head, GIVEN_BACK)
        self.goes_on(guest)

    def test_a_chain_that_is_made_available_again_while_it_is_served(self):
        driver = self.driver('slow')
        pending = driver.put(IN, 0, in_length=512)
        driver.vring.publish(pending.head)
        driver.vring.kick()
        if self.packed:
            driver.vring.put_raw([(0x1000, 16, 0)], buffer_id=pending.head)
        driver.vring.publish(pending.head)
        driver.vring.kick()
        self.assertTrue(driver.vring.broken(TIMEOUT))
        driver.stop(driver.vring)
        self.assertEqual(driver.answer(pending, 0).status, OK)
        driver.vring.reset()
        driver.start(driver.vring)
        self.assertEqual(len(driver.read(0, 512)), 512)

    def test_rings_whose_parts_lie_on_each_other_are_refused(self):
        driver = self.driver(start=False)
        driver.share_memory()
        uaddr, vring = driver.memory.uaddr, driver.vring
        driver.expect_ack(Request.SET_VRING_NUM, state(0, vring.size))
        table, used, available = (uaddr(part) for part in
                                  (vring.table, vring.used, vring.available))
        for parts in ((table, table, available), (table, used, table), (table, used, used),
                      (table, available, available), (table, table, table)):
            self.assertNotEqual(
                driver.client.ack(Request.SET_VRING_ADDR, address(0, *parts)), 0)
        driver.start(vring)
        self.goes_on(driver)

    def test_a_ring_in_memory_that_was_taken_away(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x10000000))
        driver = self.driver(memory=memory, start=False)
        driver.share_memory()
        ring = type(driver.vring)(memory, 0, 64, region=1)
        driver.vrings[0].close()
        driver.vrings[0] = ring
        driver.start(ring)
        self.goes_on(driver)
        second = memory.regions[1]
        payload = bytes(8) + region(second.gpa, second.size, second.uaddr, 0)
        driver.expect_ack(Request.REM_MEM_REG, payload)
        pending = driver.put(IN, 0, in_length=512)
        ring.publish(pending.head)
        ring.kick()
        self.assertTrue(driver.client.alive())
        self.assertTrue(ring.nothing_used())
        self.neighbour_is_served()
        driver.expect_ack(Request.ADD_MEM_REG, bytes(8) + second.payload(), [second.fd])
        self.assertEqual([head for head, _ in ring.wait_used()], [pending.head])

    def test_memory_taken_away_from_requests_in_flight(self):
        memory = GuestMemory(Region(0, MIB), Region(MIB, MIB, uaddr=0x10000000))
        driver = self.driver('slow', memory=memory)
        heads = []
        for number in range(8):
            header = memory.allocate(16)
            memory.write(header, struct.pack('<IIQ', IN, 0, number))
            heads.append(driver.vring.put_chain([
                (header, 16, False), (MIB + 4096 * number, 512, True),
                (MIB + 4096 * number + 512, 1, True)]))
        driver.vring.publish(*heads)
        driver.vring.kick()
        second = memory.regions[1]
        until(lambda: not driver.vring.kick_pending(), 'the requests are taken')
        driver.client.send(Request.REM_MEM_REG, bytes(8) + second.payload())
        self.neighbour_is_served()
        self.assertTrue(driver.client.alive())
        used = driver.vring.wait_used(8)
        self.assertEqual(sorted(head for head, _ in used), sorted(heads))
        self.goes_on(driver)

    def test_memory_that_cannot_be_written_is_refused(self):
        driver = self.driver(start=False)
        sealed = os.memfd_create('sealed', os.MFD_ALLOW_SEALING)
        os.ftruncate(sealed, MIB)
        read_only = os.open(f'/proc/self/fd/{sealed}', os.O_RDONLY)
        fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
        payload = bytes(8) + region(1 << 30, MIB, 1 << 30, 0)
        for file in (sealed, read_only):
            self.assertNotEqual(driver.client.ack(Request.ADD_MEM_REG, payload, [file]), 0)
            os.close(file)
        driver.share_memory()
        driver.start(driver.vring)
        self.goes_on(driver)

    def test_config_reads_beyond_the_end(self):
        client = self.driver().client
        for offset, size in ((0, 256), (59, 2), (60, 4), (255, 1), (256, 1), (256, 0), (0, 0),
                             (1 << 31, 4), ((1 << 32) - 1, 1), ((1 << 32) - 4, 8)):
            with self.subTest(offset=offset, size=size):
                client.send(Request.GET_CONFIG, config(offset, size))
                answer = client.reply(Request.GET_CONFIG)
                if answer:
                    self.assertEqual(struct.unpack('<II', answer[:8]), (offset, size))
                    self.assertEqual(len(answer), 12 + size)
        self.assertTrue(client.alive())

    def test_descriptors_that_change_while_they_are_read(self):
        """The racing guest: a thread flips a chain between lies while the device serves it."""
        guest = self.liar()
        vring, good = guest.vring, guest.good()
        head = guest.chain(*good)
        where = vring.table
        honest = guest.memory.read(where, 48)
        lies = [struct.pack('<QIHH', 1 << 45, 512, 0, 0),
                struct.pack('<QIHH', 0x1000, 0xffffffff, WRITE | NEXT, 65535),
                struct.pack('<QIHH', 0, 16, 0xffff, 0xffff), bytes(16)]

        def flip():
            for number in range(3000):
                at = where + 16 * (number % 3)
                guest.memory.write(at, lies[number % 4][:12])
                guest.memory.write(at, honest[16 * (number % 3):][:12])

        racer = threading.Thread(target=flip)
        racer.start()
        vring.publish(head)
        while racer.is_alive():
            vring.kick()
            if vring.broken() or not vring.nothing_used():
                guest.stop(vring)
                vring.reset()
                guest.memory.write(where, honest)
                guest.start(vring)
                if self.packed:
                    guest.memory.write(where, honest)
                    guest.memory.write(where + 14, struct.pack('<H', 0x80 | NEXT))
                else:
                    vring.publish(head)
        racer.join()
        self.neighbour_is_served()
        guest.stop(vring)
        vring.reset()
        guest.start(vring)
        self.goes_on(guest)


def with_lies(case):
    """Gives a test case a method for each row of the table."""
    for row in LIES:
        if (row.packed if case.packed else row.split) is not False:
            def test(self, row=row):
                self.check(row)
            setattr(case, f'test_{row.name}', test)
    return case


@with_lies
class Split(Stories, HostileGuest):
    """The split layout."""


@with_lies
class Packed(Stories, HostileGuest):
    """The packed layout."""

    packed = True


del HostileGuest        # it has no tests of its own


if __name__ == '__main__':
    unittest.main()
