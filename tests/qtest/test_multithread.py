# SPDX-License-Identifier: GPL-2.0-or-later
"""One export whose queues are spread over several IOThreads."""

import unittest

from support.daemon import Daemon
from support.image import MIB, Image
from support.virtio_blk import IN, OK, OUT, BlkDriver
from support.waiting import until

SIZE = 16 * MIB
BLOCK = 4096
THREADS = ('io0', 'io1')
QUEUES = 4
DEPTH = 8


class MultiThread(unittest.TestCase):
    """A writable disk with four queues in two threads, given on the command line."""

    def setUp(self):
        objects = [part for name in THREADS for part in ('--object', f'iothread,id={name}')]
        self.daemon = Daemon(
            *objects, '--object', 'iothread,id=io2',
            '--blockdev', 'null-co,node-name=slow,size=1048576,latency-ns=20000000')
        self.addCleanup(self.daemon.close)
        self.image = Image(self.daemon.path('disk.img'), SIZE)
        self.daemon.qmp.command('blockdev-add', node_name='disk', driver='file',
                                filename=self.image.path)
        self.drivers = []
        self.addCleanup(self.hang_up)

    def add(self, node='disk', iothread=THREADS, **options):
        """block-export-add under the node's name."""
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=node,
                                node_name=node, writable=True,
                                addr={'type': 'unix', 'path': self.daemon.path(node + '.sock')},
                                iothread=list(iothread), **{'num-queues': QUEUES}, **options)

    def driver(self, node='disk'):
        """A driver with all queues started."""
        self.drivers.append(BlkDriver(self.daemon.path(node + '.sock'), queues=QUEUES))
        return self.drivers[-1]

    def hang_up(self):
        """Ends every connection."""
        while self.drivers:
            self.drivers.pop().close()

    def on_all_queues(self, driver, kind, requests):
        """Runs @requests of (sector, data) on every queue at once; returns what was read."""
        pending = []
        for vring in driver.vrings:
            entries = [driver.put(kind, sector, data if kind == OUT else b'',
                                  len(data) if kind == IN else 0, vring)
                       for sector, data in requests[vring.index]]
            vring.publish(*(entry.head for entry in entries))
            pending.append(entries)
        for vring in driver.vrings:
            vring.kick()
        found = []
        for vring, entries in zip(driver.vrings, pending):
            self.assertEqual({head for head, _ in vring.wait_used(len(entries))},
                             {entry.head for entry in entries})
            answers = [driver.answer(entry, 0) for entry in entries]
            self.assertEqual({answer.status for answer in answers}, {OK})
            found.append([answer.data for answer in answers])
        driver.memory.release(driver.mark)
        return found

    def verify(self, driver, number):
        """Each queue writes blocks of its own and reads back those of its neighbour."""
        written = []
        for queue in range(QUEUES):
            written.append([((queue * DEPTH + slot) * BLOCK // 512,
                             bytes([number % 256, queue, slot, 1]) * (BLOCK // 4))
                            for slot in range(DEPTH)])
        self.on_all_queues(driver, OUT, written)
        turned = written[1:] + written[:1]
        for expected, found in zip(turned, self.on_all_queues(driver, IN, turned)):
            self.assertEqual([data for _, data in expected], found)

    def ticks(self):
        """CPU time of each of the export's threads."""
        return [self.daemon.thread_cpu_ticks(f'IO {name}') for name in THREADS]

    def both_threads_work(self, driver):
        """Works until every thread has used some CPU time for it."""
        before, rounds = self.ticks(), []

        def worked():
            self.verify(driver, len(rounds))
            rounds.append(None)
            return all(now > then for now, then in zip(self.ticks(), before))

        until(worked, f'{THREADS} both work')

    def threads_that_work(self, driver):
        """Which IOThreads go to sleep and wake up, round after round."""
        names = (*THREADS, 'io2')
        rounds = 30
        before = [self.daemon.thread_wakeups(f'IO {name}') for name in names]
        for number in range(rounds):
            self.verify(driver, number)
        return [name for name, then in zip(names, before)
                if self.daemon.thread_wakeups(f'IO {name}') - then >= rounds // 2]

    def refused(self, message, **options):
        """An export that cannot be."""
        with self.assertRaisesRegex(Exception, message):
            self.add(**options)

    def test_every_thread_works_and_data_is_right(self):
        self.add()
        self.both_threads_work(self.driver())

    def test_on_the_command_line(self):
        path = self.daemon.path('cmdline.sock')
        image = Image(self.daemon.path('cmdline.img'), SIZE)
        self.daemon = Daemon(           # beside the one that owns the folder of the image
            '--object', 'iothread,id=io0', '--object', 'iothread,id=io1',
            '--blockdev', f'file,node-name=disk,filename={image.path}',
            '--export', f'vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path={path},'
            'writable=on,num-queues=4,iothread.0=io0,iothread.1=io1')
        self.addCleanup(self.daemon.close)
        self.drivers.append(BlkDriver(path, queues=QUEUES))
        self.both_threads_work(self.drivers[-1])

    def test_its_threads_cannot_be_deleted_while_it_is_there(self):
        self.add()
        for name in THREADS:
            with self.assertRaisesRegex(Exception, 'in use'):
                self.daemon.qmp.command('object-del', id=name)
        self.verify(self.driver(), 1)
        self.hang_up()
        self.daemon.qmp.command('block-export-del', id='disk', mode='hard')
        self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='disk')
        self.daemon.qmp.command('object-del', id='io1')

    def test_deleted_and_added_again(self):
        for number in range(20):
            self.add()
            driver = self.driver()
            self.verify(driver, number)
            if number % 2:
                driver.put(OUT, 0, bytes(BLOCK))
                self.daemon.qmp.command('block-export-del', id='disk', mode='hard')
                self.hang_up()
            else:
                self.hang_up()
                self.daemon.qmp.command('block-export-del', id='disk', mode='hard')
            self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='disk')

    def test_deleted_with_requests_in_every_thread(self):
        self.add('slow')
        driver = self.driver('slow')
        for vring in driver.vrings:
            entries = [driver.put(IN, slot, in_length=512, vring=vring) for slot in range(DEPTH)]
            vring.publish(*(entry.head for entry in entries))
            vring.kick_and_wait()
        self.daemon.qmp.command('block-export-del', id='slow', mode='hard')
        self.daemon.qmp.wait_event('BLOCK_EXPORT_DELETED', id='slow')
        self.assertTrue(self.daemon.running())

    def test_moving_the_node_keeps_the_queues_threads(self):
        self.add()
        driver = self.driver()
        for number in range(60):
            self.daemon.qmp.command('x-blockdev-set-iothread', node_name='disk',
                                    iothread=('io2', 'io0', None, 'io1')[number % 4], force=True)
            self.verify(driver, number)
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name='disk', iothread='io2',
                                force=True)
        self.both_threads_work(driver)

    def test_growing_under_load(self):
        self.add()
        driver = self.driver()
        for number in range(50):
            entries = []
            for vring in driver.vrings:
                entry = driver.put(IN, 0, in_length=BLOCK, vring=vring)
                vring.publish(entry.head)
                vring.kick()
                entries.append(entry)
            self.daemon.qmp.command('block_resize', node_name='disk',
                                    size=SIZE + number % 2 * MIB)
            for vring in driver.vrings:
                vring.wait_used(1)
            self.assertEqual({driver.answer(entry, 0).status for entry in entries}, {OK})
            driver.memory.release(driver.mark)

    def test_what_is_refused(self):
        self.refused('The set of I/O threads must not be empty', iothread=())
        self.refused('iothread "io0" is named more than once', iothread=('io0', 'io1', 'io0'))
        self.refused('iothread "io9" not found', iothread=('io0', 'io9'))
        # Nothing was kept in use by what was refused.
        for name in (*THREADS, 'io2'):
            self.daemon.qmp.command('object-del', id=name)

    def test_a_list_of_one_is_one(self):
        self.add(iothread=('io1',))
        driver = self.driver()
        self.assertEqual(self.threads_that_work(driver), ['io1'])
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name='disk', iothread='io2',
                                force=True)
        self.assertEqual(self.threads_that_work(driver), ['io2'])


if __name__ == '__main__':
    unittest.main()
