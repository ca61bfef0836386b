# SPDX-License-Identifier: GPL-2.0-or-later
"""What one client does to the daemon costs the other exports' clients nothing but time."""

import os
import struct
import threading
import time
import unittest

from support.attack import Attack, load, modes
from support.image import MIB
from support.proto_case import LATENCY, ProtoCase
from support.qmp import QmpError
from support.vhost_user import Client, Request, message, region, u64
from support.virtio_blk import IN, OK, BlkDriver
from support.waiting import until


class Flood(threading.Thread):
    """Sends the same bytes for ever, and never reads."""

    def __init__(self, path, data):
        super().__init__()
        self.client = Client(path)
        self.data = data
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.client.send_raw(self.data)
        except OSError:
            pass

    def finish(self):
        """Ends it."""
        self.stopping.set()
        self.client.socket.shutdown(2)
        self.join()
        self.client.close()


class Neighbours(ProtoCase):
    """Attacks on `disk`; `calm` and QMP, in the same event loop, must go on."""

    @classmethod
    def start(cls):
        super().start()
        cls.add('calm', driver='null-co', size=16 * MIB, read_zeroes=True)
        cls.baseline = cls.settled_descriptors()

    def serves(self, requests=50):
        """The neighbour's client connects, works, and QMP answers."""
        driver = BlkDriver(self.socket('calm'))
        for number in range(requests):
            self.assertEqual(driver.read(number, 512), bytes(512))
        driver.close()
        self.daemon.qmp.command('query-block-exports')

    def flood(self, data):
        """The neighbour is served while @data is sent without a pause."""
        flood = Flood(self.socket(), data)
        flood.start()
        try:
            self.serves()
            self.assertTrue(flood.is_alive(), 'the attack has ended')
        finally:
            flood.finish()

    def test_a_flood_of_messages_that_need_no_answer(self):
        self.flood(message(Request.SET_OWNER) * 5000)

    def test_a_flood_of_messages_in_pieces(self):
        self.flood(message(Request.SET_VRING_CALL, u64(1 << 8)) * 3000)

    def test_a_client_cannot_take_all_addresses(self):
        """Sparse files cost it nothing; where addresses ran out, the daemon would end."""
        driver = self.driver(start=False)
        place, total, slots = 1 << 50, 0, 0
        for bits in range(46, 29, -1):
            answer = 0
            while answer == 0 and slots < 500:
                file = os.memfd_create('sparse')
                os.ftruncate(file, 1 << bits)
                answer = driver.client.ack(Request.ADD_MEM_REG,
                                           bytes(8) + region(place, 1 << bits, place, 0), [file])
                os.close(file)
                if answer == 0:
                    place, total, slots = place + (1 << bits), total + (1 << bits), slots + 1
        self.assertLessEqual(total, 16 << 40)
        self.serves()
        self.addCleanup(self.remove, 'new')
        self.add('new', driver='null-co', size=MIB)

    def provoke(self, name):
        """A client about which there is something to say."""
        client = Client(self.socket(name))
        client.send_raw(struct.pack('<III', 77, 0, 1 << 31))
        client.wait_closed()
        client.close()

    def test_clients_cannot_fill_the_log(self):
        self.add('noisy', driver='null-co', size=MIB)
        self.addCleanup(self.remove, 'noisy')
        before = len(self.daemon.stderr())
        for _ in range(400):
            self.provoke('noisy')
        said = self.daemon.stderr()[before:].splitlines()
        self.assertIn('dropped the client: message 77', said[0])
        self.assertLess(len(said), 200)
        until(lambda: self.provoke('noisy') or 'were not shown' in self.daemon.stderr(),
              'what was left out is counted')


class Attacks(ProtoCase):
    """Each mode of vub-attack on one export, a load on another one that shares its thread."""

    daemon_options = ('--object', 'iothread,id=io0')
    requests = 5000

    @classmethod
    def start(cls):
        super().start()
        for place, options in (('thread', {'iothread': 'io0'}), ('main', {})):
            cls.add(f'{place}-near', driver='file', filename=cls.image.path,
                    num_queues=64, export=options)
            cls.add(f'{place}-calm', driver='null-co', size=16 * MIB, read_zeroes=False,
                    export=options)
        cls.baseline = cls.settled_descriptors()

    def attack(self, mode, place):
        """No request of the load fails, and it comes to its end, while the attack goes on."""
        with Attack(self.socket(f'{place}-near'), mode) as attack:
            report = load(self.socket(f'{place}-calm'), self.requests)
            self.assertGreaterEqual(report['requests'], self.requests)
            self.assertTrue(attack.goes_on(), 'the attack has ended')
        self.assertTrue(self.daemon.running(), self.daemon.stderr())


def with_attacks(case):
    """Gives a test case a method for each mode and place."""
    for place in ('thread', 'main'):
        for mode in modes():
            def test(self, mode=mode, place=place):
                self.attack(mode, place)
            setattr(case, f'test_{mode}_beside_a_load_in_the_{place}', test)
    return case


with_attacks(Attacks)


class InFlight(ProtoCase):
    """What a guest can have under way at once."""

    def test_what_is_beyond_the_limit_waits_in_the_ring(self):
        self.add('narrow', driver='null-co', size=MIB, latency_ns=int(LATENCY * 1e9),
                 num_queues=1, export={'max-in-flight': 4})
        self.addCleanup(self.remove, 'narrow')
        driver = self.driver('narrow')
        pending = [driver.put(IN, number, in_length=512) for number in range(20)]
        begin = time.monotonic()
        driver.vring.publish(*[request.head for request in pending])
        driver.vring.kick()
        used = driver.vring.wait_used(20)
        self.assertGreaterEqual(time.monotonic() - begin, 5 * LATENCY * 0.9)
        self.assertEqual(sorted(head for head, _ in used),
                         sorted(request.head for request in pending))
        for request in pending:
            self.assertEqual(driver.answer(request, 0).status, OK)

    def test_a_limit_of_nothing_is_refused(self):
        with self.assertRaisesRegex(QmpError, 'max-in-flight must be greater than 0'):
            self.add('none', driver='null-co', size=MIB, export={'max-in-flight': 0})
        self.daemon.qmp.command('blockdev-del', node_name='none')


if __name__ == '__main__':
    unittest.main()
