# SPDX-License-Identifier: GPL-2.0-or-later
"""Queues move between threads, thousands of times, while everything else changes too.

A load on all queues compares what it reads with what it has written; meanwhile, in an order that is
drawn by lot, the export's queues are spread anew over the threads, and nodes, exports, clients,
threads and limits come and go. It runs on the daemon with the thread sanitizer as well.
"""

import os
import random
import threading
import time
import unittest

from support import paths
from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import IN, OK, OUT, BlkDriver

SIZE = 16 * MIB
BLOCK = 4096
QUEUES = 4
DEPTH = 8
THREADS = ('io0', 'io1', 'io2')
MOVES = int(os.environ.get('MOVES', '3000'))
# With the other sanitizer or none, less shows as much.
SECONDS = float(os.environ.get('MOVES_SECONDS') or ('30' if 'tsan' in paths.daemon() else '8'))


class Load(threading.Thread):
    """Writes on every queue and reads back on its neighbour, until told to finish."""

    def __init__(self, path):
        super().__init__()
        self.driver = BlkDriver(path, queues=QUEUES)
        self.rounds = 0
        self.error = None
        self._end = threading.Event()

    def run(self):
        try:
            while not self._end.is_set():
                self._round()
                self.rounds += 1
        except Exception as error:      # pylint: disable=broad-except
            self.error = error

    def _round(self):
        written = [[((queue * DEPTH + slot) * BLOCK // 512,
                     self.rounds.to_bytes(7, 'little') * 16 + bytes([queue, slot]) * 1992)
                    for slot in range(DEPTH)] for queue in range(QUEUES)]
        self._all_queues(OUT, written)
        turned = written[1:] + written[:1]
        if self._all_queues(IN, turned) != [[data for _, data in queue] for queue in turned]:
            raise AssertionError('read something else than was written')

    def _all_queues(self, kind, requests):
        """Requests of (sector, data), a list for each queue; returns what was read."""
        begun = []
        for vring, wanted in zip(self.driver.vrings, requests):
            entries = [self.driver.put(kind, sector, data if kind == OUT else b'',
                                       len(data) if kind == IN else 0, vring)
                       for sector, data in wanted]
            vring.publish(*(entry.head for entry in entries))
            vring.kick()
            begun.append((vring, entries))
        found = []
        for vring, entries in begun:
            heads = sorted(head for head, _ in vring.wait_used(len(entries)))
            if heads != sorted(entry.head for entry in entries):
                raise AssertionError(f'requests {entries} were completed as {heads}')
            answers = [self.driver.answer(entry, 0) for entry in entries]
            if any(answer.status != OK for answer in answers):
                raise AssertionError('a request failed')
            found.append([answer.data for answer in answers])
        self.driver.memory.release(self.driver.mark)
        return found

    def finish(self):
        """Ends the load."""
        self._end.set()
        self.join()
        self.driver.close()


class RacingMoves(unittest.TestCase):
    """Two writable disks: `disk` is moved about, `still` is not, and shares its threads."""

    def setUp(self):
        objects = [part for name in THREADS for part in ('--object', f'iothread,id={name}')]
        self.daemon = Daemon(*objects, '--object', 'throttle-group,id=limits')
        self.addCleanup(self.daemon.close)
        self.command = self.daemon.qmp.command
        self.seed = int(os.environ.get('MOVES_SEED', str(time.time_ns() % 1000000)))
        self.rng = random.Random(self.seed)
        self.loads = []
        for name in ('disk', 'still'):
            self.add_disk(name)
        self.others = []

    def add_disk(self, name):
        """A file, exported in all threads, with a load on it; one of the two behind limits."""
        image = Image(self.daemon.path(name + '.img'), SIZE)
        # Behind limits each request is a coroutine; without, most reads are done at once.
        node = {'driver': 'raw'} if name == 'disk' else {'driver': 'throttle',
                                                         'throttle_group': 'limits'}
        self.command('blockdev-add', node_name=name, **node,
                     file={'driver': 'file', 'filename': image.path, 'node-name': name + '-file'})
        self.export(name, name, writable=True, iothread=list(THREADS), num_queues=QUEUES)
        self.loads.append(Load(self.daemon.path(name + '.sock')))
        self.addCleanup(self.loads[-1].finish)

    def export(self, name, node, **options):
        """An export on a socket of its own."""
        self.command('block-export-add', type='vhost-user-blk', id=name, node_name=node,
                     addr={'type': 'unix', 'path': self.daemon.path(name + '.sock')}, **options)

    def unexport(self, name):
        """It goes, whoever is connected."""
        self.command('block-export-del', id=name, mode='hard')
        self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id=name)

    def spread(self):
        """The queues of `disk` go to other threads, by lot."""
        queues = list(range(QUEUES))
        self.rng.shuffle(queues)
        cut = self.rng.randrange(1, QUEUES)
        first, second = self.rng.sample(THREADS, 2)
        self.command('block-export-set-iothread', id='disk', **self.rng.choice((
            {'iothread': first}, {'iothread': [first, second]},
            {'iothread_vq_mapping': [{'iothread': first, 'vqs': queues[:cut]},
                                     {'iothread': second, 'vqs': queues[cut:]}]})))

    def move_node(self):
        """The home of what a client says."""
        self.command('x-blockdev-set-iothread', node_name='disk', force=True,
                     iothread=self.rng.choice((*THREADS, None)))

    def resize(self):
        """Larger or smaller, but not by what the load uses."""
        self.command('block_resize', node_name='disk', size=self.rng.randrange(4, 32) * MIB)

    def change_limits(self):
        """Of the other disk; never so low that it would take long."""
        self.command('qom-set', path='/objects/limits', property='limits',
                     value={'iops-total': self.rng.choice((0, 20000, 50000))})

    def node_above(self):
        """A node on top of the disk comes and goes, with an export for a while."""
        self.command('blockdev-add', node_name='above', driver='raw', file='disk-file',
                     read_only=True)
        self.export('above', 'above', iothread=self.rng.choice(THREADS))
        client = BlkDriver(self.daemon.path('above.sock'))
        self.assertEqual(len(client.read(0, BLOCK)), BLOCK)
        if self.rng.randrange(2):
            client.close()
        self.unexport('above')
        client.close()
        self.command('blockdev-del', node_name='above')

    def other_export(self):
        """One more export of a node that is being used, or one of a node of its own."""
        if self.others:
            name = self.others.pop()
            self.unexport(name)
            self.command('blockdev-del', node_name=name)
        else:
            self.others.append('other')
            self.command('blockdev-add', node_name='other', driver='null-co', size=MIB)
            self.export('other', 'other', iothread=self.rng.sample(THREADS, 2), num_queues=2)
            client = BlkDriver(self.daemon.path('other.sock'), queues=2)
            client.read(0, BLOCK, vring=client.vrings[1])
            client.close()

    def new_thread(self):
        """A thread that the queues visit, and that goes when they have left."""
        self.command('object-add', qom_type='iothread', id='guest')
        self.command('block-export-set-iothread', id='disk', iothread=['guest', 'io0'])
        self.command('block-export-set-iothread', id='disk', iothread='io1')
        self.command('object-del', id='guest')

    def look(self):
        """What a monitor asks for."""
        self.command('query-block-exports')
        self.command('query-block-export-stats')

    def test_everything_changes_while_the_load_is_verified(self):
        others = (self.move_node, self.resize, self.change_limits, self.node_above,
                  self.other_export, self.new_thread, self.look)
        for load in self.loads:
            load.start()
        end = time.monotonic() + SECONDS
        moves = 0
        while moves < MOVES and time.monotonic() < end and self.daemon.running():
            self.spread()
            moves += 1
            if self.rng.randrange(8) == 0:
                self.rng.choice(others)()
            self.assertEqual([load.error for load in self.loads], [None, None], self.told())
        before = [load.rounds for load in self.loads]
        for load in self.loads:
            load.finish()
        self.assertEqual([load.error for load in self.loads], [None, None], self.told())
        self.assertTrue(all(rounds > 0 for rounds in before))
        self.assertNotIn('ThreadSanitizer', self.daemon.stderr())
        self.assertTrue(self.daemon.running(), self.told())
        print(f'# {moves} moves, {sum(before)} rounds of the load, seed {self.seed}')

    def told(self):
        """For a failure: how to have it again, and what the daemon said."""
        return f'MOVES_SEED={self.seed}\n{self.daemon.stderr()[-4000:]}'


if __name__ == '__main__':
    unittest.main()
