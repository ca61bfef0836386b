# SPDX-License-Identifier: GPL-2.0-or-later
"""Work grows no faster than what is asked for: the last of many costs what the first has cost.

Each case counts the daemon's instructions for the same work with FEW and with MANY things there
already, or for MANY / FEW times the work; never time.
"""

import json
import resource
import unittest

from support import steps
from support.guest_memory import GuestMemory, Region
from support.vhost_user import Client, Request, message
from support.virtio_blk import OUT, BlkDriver

FEW, MANY = 100, 800
PROBES = 16         # what is counted, at each number
KEYS = 1024
TEN_THOUSAND = 10000
EXPORT_KIB, CLIENT_KIB = 30, 70
DEARER = 1.15       # so many times as much the last may cost


def command(name, **arguments):
    """A QMP command; a_b names the argument a-b."""
    return {'execute': name, 'arguments': {key.replace('_', '-'): value
                                           for key, value in arguments.items()}}


class Case(unittest.TestCase):
    """With a counted daemon."""

    def setUp(self):
        why = steps.missing()
        if why:
            self.skipTest(why)
        self.daemon = steps.Counted()
        self.addCleanup(self.daemon.close)

    def compare(self, what, few, many, times=1):
        """Fails if @many instructions are more than @times what @few are."""
        print(f'# {what}: {few} instructions at {FEW}, {many / times:.0f} at {MANY}', flush=True)
        self.assertLess(many, few * times * DEARER, f'{what} grows with what is there')

    def grow(self, make, counted):
        """Has make(i) commands run for FEW and then MANY things; {name: (few, many)}.

        @counted is a list of names and functions of the numbers of PROBES further things, which
        give commands, or act.
        """
        made, found = 0, {}
        for number in FEW, MANY:
            self.daemon.send(*[one for i in range(made, number) for one in make(i)])
            made = number
            for name, act in counted:
                probes = range(number, number + PROBES)
                count = self.daemon.steps(lambda act=act, probes=probes: act(probes))
                found.setdefault(name, []).append(count)
        for name, (few, many) in found.items():
            with self.subTest(name):
                self.compare(name, few, many)

    def each(self, make):
        """What sends make(i) for each number i."""
        return lambda numbers: self.daemon.send(*[make(i) for i in numbers])


class Exports:
    """What there may be many of."""

    clients = ()

    def node(self, i):
        """Adds one."""
        return command('blockdev-add', driver='null-co', node_name=f'n{i}', size=1 << 20)

    def export(self, i):
        """Adds one."""
        return command('block-export-add', type='vhost-user-blk', id=f'e{i}', node_name=f'n{i}',
                       writable=True, addr={'type': 'unix', 'path': self.daemon.path(f's{i}')})

    def several(self, numbers):
        """Adds nodes and their exports."""
        self.daemon.send(*[one for i in numbers for one in (self.node(i), self.export(i))])

    def come_and_ask(self, numbers):
        """Front-ends that come, ask one question, and stay."""
        for i in numbers:
            self.clients.append(Client(self.daemon.path(f's{i}')))
            self.clients[-1].ask_u64(Request.GET_FEATURES)

    def ask_again(self, numbers):
        """One of the front-ends that are there asks, and does not wait for each answer.

        Else it would be counted how long the main loop polls before it sleeps.
        """
        self.clients[-1].send_raw(message(Request.GET_FEATURES) * len(numbers))
        for _ in numbers:
            self.clients[-1].reply(Request.GET_FEATURES)

    def have_clients(self):
        """There will be some, and they end with the case."""
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])
        resource.setrlimit(resource.RLIMIT_NOFILE, 2 * (resource.getrlimit(
            resource.RLIMIT_NOFILE)[1],))


class Things(Exports, Case):
    """Nodes, exports, objects."""

    def test_the_last_export_costs_what_the_first_does(self):
        one = f'e{FEW // 2}'
        self.grow(lambda i: (self.node(i), self.export(i)), [
            ('a command', self.each(lambda i: command('query-jobs'))),
            ('adding a node', self.each(self.node)),
            ('adding an export', self.each(self.export)),
            ('naming a node', self.each(lambda i: command('blockdev-add', driver='raw',
                                                          node_name=f'r{i}', file=f'n{i}',
                                                          read_only=True))),
            ('no longer', self.each(lambda i: command('blockdev-del', node_name=f'r{i}'))),
            ('naming an export', self.each(lambda i: command(
                'block-export-latency-histogram-set', id=one, boundaries=[1000, 2000]))),
            ('removing an export', self.each(lambda i: command('block-export-del', id=f'e{i}'))),
            ('removing a node', self.each(lambda i: command('blockdev-del', node_name=f'n{i}'))),
        ])

    def test_parents_of_one_node_are_not_compared_with_each_other(self):
        def name(i):
            return command('blockdev-add', driver='raw', node_name=f'r{i}', file='n0',
                           read_only=True)

        self.daemon.send(self.node(0))
        few, many = (self.daemon.steps(lambda part=part: self.daemon.send(*map(name, part)))
                     for part in (range(FEW), range(FEW, 9 * FEW)))
        self.compare('parents of one node', few, many, MANY / FEW)

    def test_a_message_costs_the_same_however_many_have_come(self):
        self.have_clients()
        for number, found in (FEW, few := []), (MANY, many := []):
            made = len(self.clients)
            self.several(range(made, number + PROBES))
            self.come_and_ask(range(made, number))
            found.append(self.daemon.steps(lambda n=number: self.come_and_ask(
                range(n, n + PROBES))))
            found.append(min(self.daemon.steps(lambda: self.ask_again(range(8 * PROBES)))
                             for _ in range(3)))
        self.compare('a client', few[0], many[0])
        self.compare('a message', few[1], many[1])

    def test_the_last_object_costs_what_the_first_does(self):
        def add(i):
            return command('object-add', qom_type='throttle-group', id=f'g{i}')

        self.grow(lambda i: (add(i),), [
            ('adding an object', self.each(add)),
            ('naming an object', self.each(lambda i: command(
                'qom-get', path=f'/objects/g{i}', property='type'))),
            ('removing an object', self.each(lambda i: command('object-del', id=f'g{i}'))),
        ])


class Guests(Exports, Case):
    """What a guest can have many of at once."""

    def guest(self, *nodes):
        """A driver of a disk whose node, the last of @nodes, is called n."""
        for node in nodes:
            self.daemon.send(command('blockdev-add', **node))
        self.daemon.send(command('block-export-add', type='vhost-user-blk', id='e', node_name='n',
                                 writable=True, addr={'type': 'unix',
                                                      'path': self.daemon.path('s')}))
        driver = BlkDriver(self.daemon.path('s'), GuestMemory(Region(0, 1 << 25)),
                           size=1024)
        self.addCleanup(driver.close)
        return driver

    def test_members_of_a_group_that_do_not_wait_cost_nothing(self):
        def node(name):
            return {'driver': 'throttle', 'node_name': name, 'throttle_group': 'g',
                    'file': {'driver': 'null-co', 'size': 1 << 30}}

        self.daemon.send(command('object-add', qom_type='throttle-group', id='g',
                                 limits={'iops-total': 2000}))
        driver = self.guest(node('n'))
        # Nothing waits for the limits before the first ones have gone.
        self.ask(driver, FEW, lambda i: (i, 512))
        made, found = 0, []
        for number in FEW, MANY:
            self.daemon.send(*[command('blockdev-add', **node(f't{i}'))
                               for i in range(made, number)])
            made = number
            found.append(self.daemon.steps(lambda: self.ask(driver, FEW, lambda i: (i, 512))))
        self.compare('a group', *found)

    def ask(self, driver, number, write):
        """Has @number writes done at once; write(i) gives sector and bytes."""
        heads = [driver.put(OUT, sector, bytes(length), indirect=True).head
                 for sector, length in map(write, range(number))]
        driver.vring.publish(*heads)
        driver.vring.kick()
        driver.vring.wait_used(number)
        driver.memory.release(driver.mark)

    def check(self, driver, what, write):
        """Eight times the writes cost eight times as much."""
        self.ask(driver, FEW, write)
        few, many = (self.daemon.steps(lambda n=n: self.ask(driver, n, write))
                     for n in (FEW, MANY))
        self.compare(what, few, many, MANY / FEW)

    def test_overlapping_writes_are_not_woken_to_look_again(self):
        driver = self.guest({'driver': 'null-co', 'node_name': 'm', 'size': 1 << 30,
                             'latency_ns': 100000},
                            {'driver': 'blkdebug', 'node_name': 'n', 'image': 'm', 'align': 4096})
        for what, write in (
                ('parts of one block', lambda i: (i % 8, 512)),
                ('parts of neighbours', lambda i: (4 * i + 1, 4096)),
                ('parts and whole blocks', lambda i: (0, 16384) if i % 2 else (i % 32, 512))):
            with self.subTest(what):
                self.check(driver, what, write)


class Memory(Exports, unittest.TestCase):
    """Of an export, and of one with a client, as they are by default."""

    def test_exports_take_memory_when_they_are_used(self):
        why = steps.missing()
        if why:
            self.skipTest(why)
        self.daemon = steps.Bare()
        self.addCleanup(self.daemon.close)
        self.have_clients()
        self.several(range(FEW))
        alone = self.daemon.memory()
        self.several(range(FEW, MANY))
        idle = self.daemon.memory()
        self.come_and_ask(range(MANY))
        used = self.daemon.memory()
        each = (idle - alone) / (MANY - FEW)
        with_client = each + (used - idle) / MANY
        print(f'# {each:.1f} KiB an export, {with_client:.1f} with a client', flush=True)
        self.assertLess(each, EXPORT_KIB)
        self.assertLess(with_client, CLIENT_KIB)

    def test_ten_thousand_exports_are_in_one_process(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit < TEN_THOUSAND + 1000:
            resource.setrlimit(resource.RLIMIT_NOFILE, (TEN_THOUSAND + 1000,) * 2)
        self.daemon = steps.Bare()
        self.addCleanup(self.daemon.close)
        before = self.daemon.memory()
        self.several(range(TEN_THOUSAND))
        each = (self.daemon.memory() - before) / TEN_THOUSAND
        print(f'# {each:.1f} KiB an export', flush=True)
        self.assertEqual(len(self.daemon.qmp.command('query-block-exports')), TEN_THOUSAND)
        for i in (0, TEN_THOUSAND // 2, TEN_THOUSAND - 1):
            client = Client(self.daemon.path(f's{i}'))
            self.addCleanup(client.close)
            self.assertTrue(client.ask_u64(Request.GET_FEATURES))


class Keys(Case):
    """Of tables, that somebody outside chooses."""

    def keys(self, number):
        """Different ones that have one hash in GLib."""
        return [''.join('Ez' if i >> bit & 1 else 'FY' for bit in range(14))
                for i in range(number)]

    def refused(self, text):
        """Sends a command that is an error as a whole."""
        self.daemon.qmp.send_text(text + '\n')
        self.assertIn('error', self.daemon.qmp.answer())

    def check(self, text):
        """Eight times the keys cost eight times as much."""
        few, many = (self.daemon.steps(lambda n=n: self.refused(text(self.keys(n))))
                     for n in (KEYS, 8 * KEYS))
        self.compare('keys of one hash', few, many, 8)

    def test_members_of_one_hash_cost_what_others_do(self):
        self.check(lambda keys: json.dumps(command('query-jobs', **dict.fromkeys(keys, 1))))

    def test_members_of_one_hash_deep_inside(self):
        self.check(lambda keys: json.dumps(command(
            'blockdev-add', driver='null-co', node_name='n', size=dict.fromkeys(keys, 'x'))))

    def test_nodes_of_one_hash_cost_what_others_do(self):
        names = self.keys(FEW + 8 * FEW)
        few, many = (self.daemon.steps(lambda part=part: self.daemon.send(*[
            command('blockdev-add', driver='null-co', node_name=name) for name in part]))
                     for part in (names[:FEW], names[FEW:]))
        self.compare('nodes of one hash', few, many, 8)


if __name__ == '__main__':
    unittest.main()
