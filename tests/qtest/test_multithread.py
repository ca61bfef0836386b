# SPDX-License-Identifier: GPL-2.0-or-later
"""One export whose queues are spread over several IOThreads."""

import threading
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
        if iothread is not None:
            options['iothread'] = list(iothread)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id=node,
                                node_name=node, writable=True, num_queues=QUEUES,
                                addr={'type': 'unix', 'path': self.daemon.path(node + '.sock')},
                                **options)

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

    def both_threads_work(self, driver, daemon=None):
        """Works until every thread has used some CPU time for it."""
        def ticks():
            return [(daemon or self.daemon).thread_cpu_ticks(f'IO {name}') for name in THREADS]

        before, rounds = ticks(), []

        def worked():
            self.verify(driver, len(rounds))
            rounds.append(None)
            return all(now > then for now, then in zip(ticks(), before))

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
        for number, threads in enumerate((
                'iothread.0=io0,iothread.1=io1',
                'iothread-vq-mapping.0.iothread=io0,iothread-vq-mapping.1.iothread=io1,'
                'iothread-vq-mapping.0.vqs.0=0,iothread-vq-mapping.0.vqs.1=3,'
                'iothread-vq-mapping.1.vqs.0=2,iothread-vq-mapping.1.vqs.1=1')):
            with self.subTest(threads=threads):
                self.run_command_line(number, threads)

    def run_command_line(self, number, threads):
        """A daemon with those threads, given by option."""
        path = self.daemon.path(f'cmdline{number}.sock')
        image = Image(self.daemon.path(f'cmdline{number}.img'), SIZE)
        daemon = Daemon(                # beside the one that owns the folder of the image
            '--object', 'iothread,id=io0', '--object', 'iothread,id=io1',
            '--blockdev', f'file,node-name=disk,filename={image.path}',
            '--export', f'vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path={path},'
            f'writable=on,num-queues=4,{threads}')
        self.addCleanup(daemon.close)
        self.drivers.append(BlkDriver(path, queues=QUEUES))
        self.both_threads_work(self.drivers[-1], daemon)

    def test_all_threads_write_parts_of_the_same_blocks(self):
        self.daemon.qmp.command('blockdev-add', node_name='parts', driver='blkdebug',
                                image='disk', align=BLOCK)
        self.add('parts')
        driver = self.driver('parts')
        slots, sectors = 24, BLOCK // 512 // QUEUES

        def requests(number):
            # Two sectors of a block are each queue's; and some whole blocks behind them.
            parts = [[(slot // sectors * 8 + queue * sectors + slot % sectors,
                       bytes([number, queue, slot, 2]) * 128) for slot in range(slots)]
                     for queue in range(QUEUES)]
            whole = [[((1000 + queue * 4 + slot) * 8, bytes([number, queue, slot, 3]) * 1024)
                      for slot in range(4)] for queue in range(QUEUES)]
            return [some + more for some, more in zip(parts, whole)]

        for number in range(20):
            self.on_all_queues(driver, OUT, requests(number))
            for expected, found in zip(requests(number),
                                       self.on_all_queues(driver, IN, requests(number))):
                self.assertEqual([data for _, data in expected], found)

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

    def pin(self, *threads):
        """A mapping that gives thread number n the queues in entry n."""
        return [{'iothread': name, 'vqs': list(queues)} for name, queues in threads]

    def set_iothread(self, **options):
        """Moves the export's queues."""
        self.daemon.qmp.command('block-export-set-iothread', id='disk', **options)

    def test_queues_are_pinned_to_threads(self):
        self.add(iothread=None, iothread_vq_mapping=self.pin(('io1', ()), ('io0', range(QUEUES))))
        driver = self.driver()
        self.assertEqual(self.threads_that_work(driver), ['io0'])
        self.set_iothread(iothread_vq_mapping=self.pin(('io0', (0, 3)), ('io2', (1, 2))))
        self.assertEqual(self.threads_that_work(driver), ['io0', 'io2'])

    def test_threads_of_a_mapping_cannot_be_deleted_before_it_changes(self):
        self.add(iothread=None, iothread_vq_mapping=self.pin(('io1', (3,)), ('io0', (0, 1, 2))))
        for name in THREADS:
            with self.assertRaisesRegex(Exception, 'in use'):
                self.daemon.qmp.command('object-del', id=name)
        self.set_iothread(iothread_vq_mapping=self.pin(('io2', range(QUEUES))))
        for name in THREADS:
            self.daemon.qmp.command('object-del', id=name)
        with self.assertRaisesRegex(Exception, 'in use'):
            self.daemon.qmp.command('object-del', id='io2')

    def test_a_mapping_without_queues_goes_round(self):
        self.add(iothread=None, iothread_vq_mapping=[{'iothread': 'io1'}, {'iothread': 'io2'}])
        self.assertEqual(self.threads_that_work(self.driver()), ['io1', 'io2'])

    def test_a_thread_is_free_when_the_queues_have_left_it(self):
        self.add()
        driver = self.driver()
        self.set_iothread(iothread='io2')
        self.assertEqual(self.threads_that_work(driver), ['io2'])
        for name in THREADS:
            self.daemon.qmp.command('object-del', id=name)
        with self.assertRaisesRegex(Exception, 'in use'):
            self.daemon.qmp.command('object-del', id='io2')
        self.verify(driver, 1)

    def test_moving_queues_under_load(self):
        choices = [{'iothread': 'io0'}, {'iothread': ['io1', 'io2', 'io0']},
                   {'iothread_vq_mapping': self.pin(('io2', (0,)), ('io0', (1, 2, 3)))},
                   {'iothread_vq_mapping': [{'iothread': 'io1'}]},
                   {'iothread_vq_mapping': self.pin(('io1', (3, 0)), ('io2', (2, 1)))}]
        failures = []

        def move():
            try:
                for number in range(400):
                    self.set_iothread(**choices[number % len(choices)])
            except Exception as error:          # pylint: disable=broad-except
                failures.append(error)

        self.add()
        driver = self.driver()
        mover = threading.Thread(target=move)
        mover.start()
        number = 0
        while mover.is_alive() or number < 20:
            self.verify(driver, number)
            number += 1
        mover.join()
        self.assertEqual(failures, [])

    def test_moving_the_queues_of_a_fixed_export(self):
        self.add(fixed_iothread=True)
        driver = self.driver()
        self.set_iothread(iothread='io2')
        self.assertEqual(self.threads_that_work(driver), ['io2'])
        with self.assertRaisesRegex(Exception, 'Cannot change iothread of active block backend'):
            self.daemon.qmp.command('x-blockdev-set-iothread', node_name='disk', iothread='io0',
                                    force=True)

    def test_a_wrong_mapping_is_refused_and_changes_nothing(self):
        self.add()
        driver = self.driver()
        everything = range(QUEUES)
        for mapping, message in (
                (self.pin(('io0', (0, 1)), ('io2', (1, 2, 3))), 'names queue 1 more than once'),
                (self.pin(('io0', (0, 1)), ('io2', (2,))), 'no iothread for queue 3'),
                (self.pin(('io0', everything), ('io2', (4,))), 'queue 4, but num-queues=4'),
                (self.pin(('io0', (0, 1)), ('io0', (2, 3))), '"io0" is named more than once'),
                (self.pin(('io9', everything)), '"io9" not found'),
                (self.pin(('io0', everything)) + [{'iothread': 'io2'}], "have 'vqs' or none"),
                ([], 'is needed')):
            with self.subTest(message=message):
                with self.assertRaisesRegex(Exception, message):
                    self.set_iothread(iothread_vq_mapping=mapping)
        with self.assertRaisesRegex(Exception, 'cannot be given together'):
            self.set_iothread(iothread='io0', iothread_vq_mapping=[{'iothread': 'io1'}])
        with self.assertRaisesRegex(Exception, "Export 'none' is not found"):
            self.daemon.qmp.command('block-export-set-iothread', id='none', iothread='io0')
        self.daemon.qmp.command('object-del', id='io2')
        self.both_threads_work(driver)

    def test_a_list_of_one_is_one(self):
        self.add(iothread=('io1',))
        driver = self.driver()
        self.assertEqual(self.threads_that_work(driver), ['io1'])
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name='disk', iothread='io2',
                                force=True)
        self.assertEqual(self.threads_that_work(driver), ['io2'])


if __name__ == '__main__':
    unittest.main()
