# SPDX-License-Identifier: GPL-2.0-or-later
"""Every driver over every driver, before and after nodes have moved between threads."""

import itertools
import unittest

from support.daemon import Daemon
from support.image import MIB, Image
from support.qmp import QmpError
from support.virtio_blk import BlkDriver
from support.waiting import until

BASES = {
    'file': {'filename': 'disk.img'},
    'null-co': {'size': MIB, 'read-zeroes': True},
    'null-aio': {'size': MIB, 'read-zeroes': True},
}
# What lies over another node, and the name of the option for that.
UPPER = {
    'raw': ('file', {}),
    'raw-part': ('file', {'offset': 4096}),
    'throttle': ('file', {'throttle-group': 't'}),
    'blkdebug': ('image', {}),
}
# Where the lowest node is when others are put over it.
PLACES = ('main', 'export', 'placed', 'drained')


def name_of(driver):
    """The driver's own name."""
    return driver.split('-part')[0]


def options_of(driver, name, below):
    """For blockdev-add; @below is a node's name or the options of one."""
    child, more = UPPER[driver]
    return {'driver': name_of(driver), 'node-name': name, child: below, **more}


class Stacks(unittest.TestCase):
    """A stack is a base and up to two nodes over it."""

    def setUp(self):
        self.daemon = Daemon('--object', 'iothread,id=io0', '--object', 'iothread,id=io1',
                             '--object', 'throttle-group,id=t')
        self.addCleanup(self.daemon.close)
        self.image = Image(self.daemon.path('disk.img'), MIB)

    def qmp(self, name, arguments):
        """A command whose arguments have QMP's own names."""
        return self.daemon.qmp.command(name, **{key.replace('-', '_'): value
                                                for key, value in arguments.items()})

    def export(self, name, node, **more):
        """An export of @node, at a socket of its name."""
        self.qmp('block-export-add', {'type': 'vhost-user-blk', 'id': name, 'node-name': node,
                                      'writable': True, **more,
                                      'addr': {'type': 'unix', 'path': self.daemon.path(name)}})

    def move(self, node, iothread):
        """The node, and what is connected to it, to another thread."""
        self.daemon.qmp.command('x-blockdev-set-iothread', node_name=node, iothread=iothread,
                                force=True)

    def works(self, name, remembers):
        """I/O through an export."""
        driver = BlkDriver(self.daemon.path(name))
        driver.write(8, b'abcdefgh' * 64)
        data = driver.read(8, 512)
        driver.flush()
        driver.close()
        self.assertEqual(data, b'abcdefgh' * 64 if remembers else bytes(512))

    def unexport(self, name):
        """The export goes; its last client may not have been noticed to be gone."""
        self.daemon.qmp.command('block-export-del', id=name, mode='hard')
        until(lambda: name not in [export['id'] for export in
                                   self.daemon.qmp.command('query-block-exports')],
              'the export is gone')

    def base(self, driver, place):
        """The lowest node at its place, in use where it is in an export's thread."""
        self.qmp('blockdev-add', {'driver': driver, 'node-name': 'n0', **BASES[driver]})
        if place == 'export':
            self.export('e0', 'n0', iothread='io0')
            self.works('e0', driver == 'file')
        elif place in ('placed', 'drained'):
            self.move('n0', 'io0')
        if place == 'drained':
            # A parent that goes in the same moment drains what it leaves.
            self.qmp('blockdev-add', options_of('raw', 'gone', 'n0'))
            self.daemon.qmp.command('blockdev-del', node_name='gone')

    def run_stack(self, base, uppers, place):
        """Builds, uses, moves, uses and takes away."""
        self.base(base, place)
        for level, upper in enumerate(uppers, 1):
            self.qmp('blockdev-add', options_of(upper, f'n{level}', f'n{level - 1}'))
        top = f'n{len(uppers)}'
        self.export('top', top)
        for target in 'io1', None, 'io0':
            self.works('top', base == 'file')
            self.move(top, target)
            self.daemon.qmp.command('query-named-block-nodes')
        self.works('top', base == 'file')
        if place == 'export':
            self.works('e0', base == 'file')
            self.unexport('e0')
        self.unexport('top')
        for level in range(len(uppers), -1, -1):
            self.daemon.qmp.command('blockdev-del', node_name=f'n{level}')
        self.assertEqual(self.daemon.qmp.command('query-named-block-nodes'), [])

    def test_nodes_over_nodes_by_name(self):
        for base, place, first in itertools.product(BASES, PLACES, UPPER):
            for uppers in [(first,), *((first, second) for second in UPPER)]:
                with self.subTest(base=base, place=place, uppers=uppers):
                    self.run_stack(base, uppers, place)

    def test_nodes_inside_of_nodes(self):
        for base, place, first, second in itertools.product(BASES, PLACES, UPPER, UPPER):
            with self.subTest(base=base, place=place, first=first, second=second):
                self.base(base, place)
                inner = options_of(first, 'n1', 'n0')
                self.qmp('blockdev-add', options_of(second, 'n2', inner))
                self.export('top', 'n2', iothread='io1')
                self.works('top', base == 'file')
                self.unexport('top')
                self.daemon.qmp.command('blockdev-del', node_name='n2')
                if place == 'export':
                    self.works('e0', base == 'file')
                    self.unexport('e0')
                self.daemon.qmp.command('blockdev-del', node_name='n0')

    def test_what_fails_to_open_over_a_node_in_a_thread_leaves_it_alone(self):
        for base, place, upper in itertools.product(BASES, PLACES, UPPER):
            with self.subTest(base=base, place=place, upper=upper):
                self.base(base, place)
                inner = options_of(upper, 'n1', 'n0')
                # The outer one finds its own fault after its child is attached, or before.
                for outer in ({'driver': 'raw', 'file': inner, 'offset': 2 * MIB, 'size': 0},
                              {'driver': 'throttle', 'file': inner, 'throttle-group': 'nosuch'},
                              {'driver': 'raw', 'file': inner, 'size': 2 * MIB}):
                    with self.assertRaises(QmpError):
                        self.qmp('blockdev-add', {**outer, 'node-name': 'n2'})
                if place == 'export':
                    self.works('e0', base == 'file')
                    self.unexport('e0')
                self.daemon.qmp.command('blockdev-del', node_name='n0')


class CommandLine(unittest.TestCase):
    """The same in the order of options."""

    def test_a_throttle_node_over_a_node_that_an_export_has_in_a_thread(self):
        for driver, (child, more) in UPPER.items():
            options = ','.join(f'{key}={value}' for key, value in more.items())
            daemon = Daemon('--object', 'iothread,id=i', '--object', 'throttle-group,id=t',
                            '--blockdev', f'null-co,node-name=c,size={MIB},read-zeroes=on',
                            '--export', 'vhost-user-blk,id=e,node-name=c,iothread=i,'
                            'addr.type=unix,addr.path=s',
                            '--blockdev', f'{name_of(driver)},node-name=b,{child}=c,{options}')
            self.addCleanup(daemon.close)
            client = BlkDriver(daemon.path('s'))
            self.assertEqual(client.read(0, 512), bytes(512))
            client.close()
            self.assertEqual(daemon.terminate(), 0)


if __name__ == '__main__':
    unittest.main()
