# SPDX-License-Identifier: GPL-2.0-or-later
"""A command that waits for storage holds up nobody: other monitors, exports, signals."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import unittest

from support import paths
from support.daemon import Daemon
from support.fuse import FuseMount
from support.image import MIB, Image
from support.qmp import Qmp, QmpError
from support.virtio_blk import IN, OK, OUT, BlkDriver
from support.waiting import TIMEOUT, until

NEVER = 10 ** 15        # ns: more than a week
EVERYTHING = ['lookup', 'getattr', 'setattr', 'open', 'read', 'write', 'statfs', 'flush',
              'release', 'fsync', 'fallocate', 'create', 'unlink', 'access', 'opendir', 'readdir']
LIMIT = 1               # s, of any answer; tried several times where the machine is busy


class Case(unittest.TestCase):
    """A daemon with two monitors and an export that always works."""

    options = ()

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0', '--object', 'throttle-group,id=tg0',
                             '--chardev', 'socket,id=m2,path=m2,server=on,wait=off',
                             '--monitor', 'm2', *self.options)
        self.addCleanup(self.daemon.close)
        self.qmp = self.daemon.qmp
        self.second = Qmp(self.daemon.path('m2'))
        self.addCleanup(self.second.close)
        self.qmp.command('blockdev-add', node_name='alive', driver='null-co', size=MIB,
                         read_zeroes=True)
        self.add_export('alive')
        self.alive = self.driver('alive')

    def add_export(self, node, **options):
        """An export of the same name."""
        self.qmp.command('block-export-add', type='vhost-user-blk', id=node, node_name=node,
                         addr={'type': 'unix', 'path': self.daemon.path(node + '.sock')},
                         writable=True, **options)

    def driver(self, node):
        """Of its export."""
        driver = BlkDriver(self.daemon.path(node + '.sock'))
        self.addCleanup(driver.close)
        return driver

    def others_go_on(self):
        """The second monitor and the other export."""
        self.second.command('query-version')
        self.assertEqual(self.alive.read(0, 512), bytes(512))

    def refused(self, qmp, name, what, **arguments):
        """Runs a command that fails; returns the message, which has @what in it."""
        with self.assertRaises(QmpError) as caught:
            qmp.command(name, **arguments)
        self.assertIn(what, caught.exception.description)
        return caught.exception.description

    # Every command of the schema; what is not here fails the test.
    def commands(self, more):
        """[(name, arguments)]; @more: a node on the dead storage, if it can be made."""
        sock = {'type': 'unix', 'path': self.daemon.path('n.sock')}
        return [
            ('blockdev-add', {'node_name': 'n', **more}),
            ('blockdev-add', {'node_name': 'r', 'driver': 'raw', 'file': 'dead'}),
            ('blockdev-add', {'node_name': 't', 'driver': 'throttle', 'throttle_group': 'tg0',
                              'file': more}),
            ('blockdev-del', {'node_name': 'r'}), ('blockdev-del', {'node_name': 'dead'}),
            ('blockdev-del', {'node_name': 'd2'}),
            ('block_resize', {'node_name': 'dead', 'size': 2 * MIB}),
            ('x-blockdev-set-iothread', {'node_name': 'dead', 'iothread': 'io0', 'force': True}),
            ('block-export-add', {'type': 'vhost-user-blk', 'id': 'n', 'node_name': 'dead',
                                  'addr': sock}),
            ('block-export-set-iothread', {'id': 'dead', 'iothread': 'io0'}),
            ('block-export-latency-histogram-set', {'id': 'dead'}),
            ('query-block-export-stats', {}), ('query-openmetrics', {}),
            ('query-block-exports', {}), ('query-block', {}), ('query-named-block-nodes', {}),
            ('query-blockstats', {'query_nodes': True}), ('query-block-jobs', {}),
            ('query-jobs', {}), ('query-chardev', {}), ('query-chardev-backends', {}),
            ('chardev-add', {'id': 'c', 'backend': {'type': 'null', 'data': {}}}),
            ('chardev-add', {'id': 'f', 'backend': {'type': 'file', 'data': {
                'out': self.daemon.path('log')}}}),
            ('chardev-add', {'id': 'ring', 'backend': {'type': 'ringbuf', 'data': {}}}),
            ('ringbuf-write', {'device': 'ring', 'data': 'x'}),
            ('ringbuf-read', {'device': 'ring', 'size': 1}),
            ('chardev-remove', {'id': 'c'}),
            ('query-version', {}), ('query-commands', {}), ('query-qmp-schema', {}),
            ('qom-list', {'path': '/objects'}),
            ('qom-get', {'path': '/objects/tg0', 'property': 'limits'}),
            ('qom-set', {'path': '/objects/tg0', 'property': 'limits',
                         'value': {'iops-total': 1000}}),
            ('qom-list-types', {}), ('qom-list-properties', {'typename': 'iothread'}),
            ('object-add', {'qom_type': 'iothread', 'id': 'io1'}),
            ('object-del', {'id': 'io1'}), ('qmp_capabilities', {}),
            ('block-export-del', {'id': 'n', 'mode': 'hard'}),
            ('block-export-del', {'id': 'dead', 'mode': 'hard'}),
            ('quit', None)]

    def answered(self, name, arguments):
        """Seconds that it took, whatever the answer is."""
        begin = time.monotonic()
        with contextlib.suppress(QmpError):
            self.second.command(name, **arguments)
        return time.monotonic() - begin

    def every_command(self, more):
        """Tries all of them from the second monitor, beside the node and export `dead`."""
        schema = self.second.command('query-qmp-schema')
        names = {entry['name'] for entry in schema if entry['meta-type'] == 'command'}
        slow = {}
        for name, arguments in self.commands(more):
            names.discard(name)
            if arguments is None:
                continue
            # On a busy machine one try says little; what is held up is so each time.
            tries = 10
            while (took := self.answered(name, arguments)) > LIMIT and tries > 1:
                tries -= 1
            if took > LIMIT:
                slow[name] = took
            self.assertEqual(self.alive.read(0, 512), bytes(512))
        self.assertEqual(slow, {})
        self.assertEqual(names, set(), 'to be tried, too')


class DeadRequests(Case):
    """A node whose requests do not end."""

    def setUp(self):
        super().setUp()
        self.qmp.command('blockdev-add', node_name='dead', driver='null-co', size=MIB,
                         latency_ns=NEVER)
        self.add_export('dead')
        self.dead = self.driver('dead')
        self.dead.vring.publish(self.dead.put(IN, 0, in_length=512).head)
        self.dead.vring.kick_and_wait()

    def test_a_drain_gives_up_and_names_the_node(self):
        for name, arguments in (
                ('block_resize', {'node_name': 'dead', 'size': 2 * MIB}),
                ('x-blockdev-set-iothread', {'node_name': 'dead', 'iothread': 'io0',
                                             'force': True}),
                ('block-export-set-iothread', {'id': 'dead', 'iothread': 'io0'}),
                ('block-export-add', {'type': 'vhost-user-blk', 'id': 'x', 'node_name': 'dead',
                                      'iothread': 'io0',
                                      'addr': {'type': 'unix', 'path': self.daemon.path('x')}}),
                ('block-export-latency-histogram-set', {'id': 'dead'})):
            with self.subTest(name):
                self.refused(self.qmp, name, "'dead' does not answer", **arguments)
                self.others_go_on()
        # Nothing has changed, and new requests are taken.
        self.assertEqual([e['id'] for e in self.qmp.command('query-block-exports')],
                         ['dead', 'alive'])

    def test_every_command_is_answered(self):
        self.every_command({'driver': 'null-co'})

    def test_others_go_on_while_a_command_waits(self):
        done = threading.Event()

        def wait():
            with contextlib.suppress(QmpError):
                self.qmp.command('block_resize', node_name='dead', size=2 * MIB)
            done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        times = 0
        while not done.is_set():
            self.others_go_on()
            times += 1
        thread.join()
        self.assertGreater(times, 1)

    def test_a_second_command_for_the_node_is_refused(self):
        self.qmp.send_text('{"execute": "block_resize", "arguments": {"node-name": "dead", '
                           '"size": 2097152}}')
        until(lambda: self.tries_second(), 'a command finds the node in use')
        self.assertIn('does not answer', self.qmp.answer()['error']['desc'])

    def tries_second(self):
        """Whether it was told of the first one; else it has waited like that."""
        try:
            self.second.command('block_resize', node_name='dead', size=2 * MIB)
        except QmpError as error:
            if 'in use by another command' in error.description:
                return True
            self.assertIn('does not answer', error.description)
            self.qmp.answer()
            self.qmp.send_text('{"execute": "block_resize", "arguments": {"node-name": "dead", '
                               '"size": 2097152}}')
        return False

    def test_out_of_band_is_answered_first(self):
        self.second.close()
        self.second = Qmp(self.daemon.path('m2'), negotiate=False)
        self.addCleanup(self.second.close)
        self.second.command('qmp_capabilities', enable=['oob'])
        resize = ('{"execute": "block_resize", "arguments": {"node-name": "dead", "size": '
                  '2097152}, "id": "resize"}')
        many = ''.join(f'{{"execute": "query-version", "id": {i}}}' for i in range(20))
        self.second.send_text(resize + '{"execute": "query-version", "id": "waits"}'
                              '{"exec-oob": "nosuch", "id": "oob"}' + many)
        order = [self.second.answer()['id'] for _ in range(23)]
        self.assertEqual(order, ['oob', 'resize', 'waits', *range(20)])

    def test_a_client_that_leaves_gets_no_answer_later(self):
        self.second.send_text('{"execute": "block_resize", "arguments": {"node-name": "dead", '
                              '"size": 2097152}, "id": "old"}')
        self.second.close()
        self.second = Qmp(self.daemon.path('m2'))
        self.addCleanup(self.second.close)
        for _ in range(20):
            self.assertIn('qemu', self.second.command('query-version'))
            time.sleep(0.05)

    def test_a_signal_ends_it_while_a_command_waits(self):
        self.qmp.send_text('{"execute": "block_resize", "arguments": {"node-name": "dead", '
                           '"size": 2097152}}')
        self.others_go_on()
        self.assertEqual(self.daemon.terminate(signal.SIGTERM), 1)
        self.assertIn('does not answer: its requests are given up', self.daemon.stderr())


class Races(Case):
    """Commands of two monitors for one thing: each may be overtaken while it waits."""

    def both(self, first, second):
        """Sends both at once; returns how many succeeded."""
        self.qmp.send_text(json.dumps(first))
        self.second.send_text(json.dumps(second))
        return sum('return' in qmp.answer() for qmp in (self.qmp, self.second))

    def test_one_of_two_deletions_deletes(self):
        for _ in range(50):
            self.qmp.command('blockdev-add', node_name='n', driver='null-co', size=MIB)
            self.add_export('n')
            delete = {'execute': 'block-export-del', 'arguments': {'id': 'n', 'mode': 'hard'}}
            self.assertEqual(self.both(delete, delete), 1)
            delete = {'execute': 'blockdev-del', 'arguments': {'node-name': 'n'}}
            self.assertEqual(self.both(delete, delete), 1)

    def test_a_thread_that_goes_while_a_node_moves_there(self):
        self.qmp.command('blockdev-add', node_name='n', driver='null-co', size=MIB)
        for i in range(50):
            self.qmp.command('object-add', qom_type='iothread', id=f't{i}')
            self.both({'execute': 'x-blockdev-set-iothread',
                       'arguments': {'node-name': 'n', 'iothread': f't{i}'}},
                      {'execute': 'object-del', 'arguments': {'id': f't{i}'}})
            self.qmp.command('x-blockdev-set-iothread', node_name='n', iothread=None)
        self.others_go_on()

    def test_one_of_two_nodes_of_a_name_is_made(self):
        image = Image(self.daemon.path('image'), MIB)
        add = {'execute': 'blockdev-add', 'arguments': {
            'driver': 'file', 'node-name': 'n', 'filename': image.path, 'read-only': True}}
        for _ in range(50):
            self.assertEqual(self.both(add, add), 1)
            self.qmp.command('blockdev-del', node_name='n')


class Slow(Case):
    """Storage that takes its time."""

    def test_a_drain_waits_for_as_long_as_requests_end(self):
        self.qmp.command('blockdev-add', node_name='slow', driver='null-co', size=MIB,
                         latency_ns=300 * 10 ** 6)
        self.qmp.command('blockdev-add', node_name='tg', driver='throttle', file='slow',
                         throttle_group='tg0')
        self.add_export('tg')
        slow = self.driver('tg')
        entries = [slow.put(OUT, sector, b's' * 512) for sector in range(8)]
        slow.vring.publish(*(entry.head for entry in entries))
        slow.vring.kick_and_wait()
        self.qmp.command('x-blockdev-set-iothread', node_name='slow', iothread='io0', force=True)
        slow.vring.wait_used(8)
        for entry in entries:
            self.assertEqual(slow.memory.read(entry.status, 1)[0], OK)


class DeadServer(Case):
    """A file system whose server does not answer."""

    def setUp(self):
        self.fuse = FuseMount()
        self.addCleanup(self.fuse.close)
        self.path = self.fuse.add('disk', bytes(MIB))
        super().setUp()
        # The kernel does not let a process go that waits for a server.
        self.addCleanup(self.hang)
        self.qmp.command('blockdev-add', node_name='dead', driver='file', filename=self.path)
        self.add_export('dead')

    def hang(self, *operations):
        """From now on they get no answer."""
        self.fuse.set(hang=list(operations))

    def test_every_command_is_answered(self):
        self.qmp.command('blockdev-add', node_name='d2', driver='file',
                         filename=self.fuse.add('disk2', bytes(MIB)))
        dead = self.driver('dead')
        self.hang(*EVERYTHING)
        dead.vring.publish(dead.put(OUT, 0, b'x' * 512).head)
        dead.vring.kick_and_wait()
        self.fuse.wait_held('write')
        self.every_command({'driver': 'file', 'filename': self.path})

    def test_what_does_not_answer_is_named(self):
        dead = self.driver('dead')
        self.hang(*EVERYTHING)
        dead.vring.publish(dead.put(IN, 0, in_length=512).head)
        dead.vring.kick_and_wait()
        self.fuse.wait_held('read')
        self.refused(self.qmp, 'block_resize', "'dead' does not answer", node_name='dead',
                     size=2 * MIB)
        self.refused(self.qmp, 'blockdev-add', "'n': its storage does not answer", node_name='n',
                     driver='file', filename=self.path)
        self.refused(self.qmp, 'blockdev-add', "'r': its storage does not answer", node_name='r',
                     driver='raw', file={'driver': 'file', 'filename': self.path})
        self.hang()
        dead.vring.wait_used(1)
        self.qmp.command('block_resize', node_name='dead', size=2 * MIB)
        self.qmp.command('blockdev-add', node_name='n', driver='file', filename=self.path,
                         read_only=True)

    def test_a_file_that_takes_long_to_open_is_waited_for(self):
        for operation in ('open', 'getattr'):
            with self.subTest(operation):
                path = self.fuse.add('late-' + operation, bytes(MIB))
                self.hang(operation)
                self.qmp.send_text('{"execute": "blockdev-add", "arguments": {"driver": "file", '
                                   f'"node-name": "{operation}", "filename": "{path}"}}}}')
                self.fuse.wait_held(operation)
                for _ in range(3):
                    self.others_go_on()
                self.hang()
                self.assertEqual(self.qmp.answer(), {'return': {}})

    def test_a_resize_that_takes_long_is_waited_for(self):
        self.hang('setattr', 'fallocate')
        self.qmp.send_text('{"execute": "block_resize", "arguments": {"node-name": "dead", '
                           '"size": 2097152}}')
        until(lambda: self.fuse.set()['held'], 'the file is made longer')
        self.others_go_on()
        self.refused(self.second, 'block_resize', 'in use by another command', node_name='dead',
                     size=4 * MIB)
        self.hang()
        self.assertEqual(self.qmp.answer(), {'return': {}})
        self.second.command('block_resize', node_name='dead', size=4 * MIB)

    def test_locks_are_waited_for_no_longer_than_that(self):
        fuse = FuseMount(locks=True)
        self.addCleanup(fuse.close)
        self.addCleanup(fuse.set, hang=[])
        self.qmp.command('blockdev-add', node_name='locked', driver='file',
                         filename=fuse.add('disk', bytes(MIB)))
        unused = fuse.set()['locked']
        fuse.set(hang=['setlk', 'getlk'])
        for _ in range(2):
            self.refused(self.qmp, 'block-export-add', 'its storage does not answer',
                         type='vhost-user-blk', id='locked', node_name='locked', writable=True,
                         addr={'type': 'unix', 'path': self.daemon.path('locked.sock')})
            self.others_go_on()
        fuse.set(hang=[])
        until(lambda: not fuse.set()['held'], 'it is answered')

        def added():
            with contextlib.suppress(QmpError):
                self.qmp.command('block-export-add', type='vhost-user-blk', id='r',
                                 node_name='locked',
                                 addr={'type': 'unix', 'path': self.daemon.path('r')})
                return True
            return False

        until(added, 'the file can be locked again')
        # What the change that came too late has locked is not forgotten: that somebody writes.
        self.assertNotIn(101, fuse.set()['locked'])
        self.add_export('locked')
        self.assertIn(101, fuse.set()['locked'])
        self.assertEqual(self.driver('locked').read(0, 512), bytes(512))
        for name in 'locked', 'r':
            self.qmp.command('block-export-del', id=name, mode='hard')
        self.assertEqual(fuse.set()['locked'], unused)

    def test_a_node_is_closed_though_nobody_answers(self):
        self.qmp.command('block-export-del', id='dead')
        self.hang('flush', 'release')
        self.qmp.command('blockdev-del', node_name='dead')
        self.others_go_on()
        self.assertNotIn('dead', [node['node-name'] for node in
                                  self.qmp.command('query-named-block-nodes')])

    def test_names_of_others_can_be_asked_for(self):
        self.hang(*EVERYTHING)
        for _ in range(3):
            nodes = {node['node-name']: node for node in
                     self.qmp.command('query-named-block-nodes')}
            self.assertEqual(set(nodes), {'alive', 'dead'})
            self.others_go_on()

    def test_its_requests_do_not_take_the_threads_of_others(self):
        other = FuseMount()
        self.addCleanup(other.close)
        self.qmp.command('blockdev-add', node_name='other', driver='file',
                         filename=other.add('disk', b'o' * MIB))
        self.add_export('other')
        dead, driver = self.driver('dead'), self.driver('other')
        self.hang('read')
        # As many as a ring holds, more than there are threads.
        dead.vring.publish(*(dead.put(IN, sector, in_length=512, indirect=True).head
                             for sector in range(100)))
        dead.vring.kick_and_wait()
        self.fuse.wait_held('read')
        self.assertEqual(driver.read(0, 512), b'o' * 512)
        driver.write(8, b'n' * 512)
        self.hang()
        dead.vring.wait_used(100)

    def test_signals_are_heard_during_startup(self):
        self.hang('open')
        socket = self.daemon.path('other')
        with subprocess.Popen([paths.daemon(), '--chardev',
                               f'socket,id=c,path={socket},server=on,wait=off', '--blockdev',
                               f'file,node-name=d,filename={self.path}']) as process:
            try:
                self.fuse.wait_held('open')
                self.assertTrue(os.path.exists(socket))
                process.send_signal(signal.SIGTERM)
                until(lambda: not os.path.exists(socket), 'everything is tidied up')
            finally:
                self.hang()     # the kernel waits for that
                self.assertEqual(process.wait(TIMEOUT), 0)


class End(unittest.TestCase):
    """The end of the program."""

    def test_nodes_are_flushed_side_by_side(self):
        fuse = FuseMount()
        self.addCleanup(fuse.close)
        daemon = Daemon()
        self.addCleanup(daemon.close)
        for i in range(40):
            daemon.qmp.command('blockdev-add', node_name=f'd{i}', driver='raw', file={
                'driver': 'file', 'filename': fuse.add(f'disk{i}', bytes(4096))})
        fuse.set(delay={'fsync': 0.4})
        # One after the other would take more than the ten seconds that there are.
        self.assertEqual(daemon.terminate(), 0, daemon.stderr())
        self.assertEqual(fuse.count('fsync'), 40)

    def test_a_failed_flush_is_told(self):
        fuse = FuseMount()
        self.addCleanup(fuse.close)
        daemon = Daemon('--blockdev', f'file,node-name=d,filename={fuse.add("disk", bytes(4096))}')
        self.addCleanup(daemon.close)
        fuse.set(error={'fsync': 'EIO'})
        daemon.terminate()
        self.assertIn("node 'd': flush at close failed", daemon.stderr())

    def test_the_limit_can_be_chosen(self):
        daemon = Daemon('--shutdown-timeout', '1', '--blockdev',
                        f'null-co,node-name=d,latency-ns={NEVER}', '--export',
                        'vhost-user-blk,id=d,node-name=d,addr.type=unix,addr.path=s')
        self.addCleanup(daemon.close)
        driver = BlkDriver(daemon.path('s'))
        self.addCleanup(driver.close)
        driver.vring.publish(driver.put(IN, 0, in_length=512).head)
        driver.vring.kick_and_wait()
        begin = time.monotonic()
        self.assertEqual(daemon.terminate(), 1)
        # By default it takes ten seconds; a busy machine is no reason for less.
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertIn('its requests are given up', daemon.stderr())

    def test_a_bad_limit_is_refused(self):
        for text in ('0', '-1', '1.5', 'x', '', '86401', '99999999999999999999'):
            done = subprocess.run([paths.daemon(), '--shutdown-timeout', text],
                                  stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"from 1 to 86400, not '{text}'", done.stderr)


if __name__ == '__main__':
    unittest.main()
