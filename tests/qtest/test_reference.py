# SPDX-License-Identifier: GPL-2.0-or-later
"""What the reference and the manual say of options is what the program does."""

import os
import re
import shlex
import signal
import struct
import subprocess
import tempfile
import textwrap
import unittest

from support import paths
from support.daemon import Daemon
from support.virtio_blk import GET_ID, BlkDriver
from support.waiting import TIMEOUT, until

REFERENCE = os.path.join(paths.TOP, 'docs/interop/qemu-storage-daemon-qmp-ref.md')
MANUAL = os.path.join(paths.TOP, 'docs/tools/qemu-storage-daemon.md')
MEMBER = re.compile(r'^- `([\w-]+)` \(.*?\): .*\(default: (?:\'|")?([^;,)"\']+)', re.M)
UNITS = {'GiB': 1 << 30}


def read(path):
    """The text of a document."""
    with open(path, encoding='utf-8') as file:
        return file.read()


def defaults(*types):
    """Member -> the default that the reference names, of these types."""
    found = {}
    for name in types:
        section = re.search(rf'^### {name}\n(.*?)(?=^###? )', read(REFERENCE), re.M | re.S)
        found.update(MEMBER.findall(section.group(1)))
    return found


def number(text):
    """The number that a default begins with."""
    value, unit = re.match(r'(\d+) ?(\w*)', text).groups()
    return int(value) * UNITS.get(unit, 1)


def program(*arguments):
    """What the program prints."""
    return subprocess.run([paths.daemon(), *arguments], stdin=subprocess.DEVNULL, check=True,
                          capture_output=True, text=True).stdout


def kinds(option):
    """What an option knows, without what is for tests, or deprecated."""
    return set(re.findall(r'^  (\S+)$', program(option, 'help'), re.M)) - {'blkdebug', 'memory'}


class Reference(unittest.TestCase):
    """One daemon with everything at its defaults."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon('--object', 'iothread,id=i', '--object', 'throttle-group,id=t',
                            '--blockdev', 'null-co,node-name=n', '--export',
                            'vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=e.sock')
        cls.addClassCleanup(cls.daemon.close)

    def test_defaults_of_objects(self):
        thread = defaults('EventLoopBaseProperties', 'IothreadProperties')
        self.assertEqual(len(thread), 7)
        for name, text in thread.items():
            with self.subTest(name):
                value = self.daemon.qmp.command('qom-get', path='/objects/i', property=name)
                self.assertEqual(value, number(text))
        limits = defaults('ThrottleLimits')
        self.assertEqual({name: number(text) for name, text in limits.items()},
                         self.daemon.qmp.command('qom-get', path='/objects/t', property='limits'))

    def test_defaults_of_nodes(self):
        node = self.daemon.qmp.command('query-named-block-nodes')[0]
        null = defaults('BlockdevOptionsNull')
        self.assertEqual(node['image']['virtual-size'], number(null['size']))
        common = defaults('BlockdevOptions', 'BlockdevCacheOptions')
        for name, value in (('active', node['active']), ('read-only', node['ro']),
                            ('direct', node['cache']['direct']),
                            ('no-flush', node['cache']['no-flush']),
                            ('detect-zeroes', node['detect_zeroes'])):
            with self.subTest(name):
                self.assertEqual(str(value).lower(), common[name])

    def test_defaults_of_exports(self):
        wanted = defaults('BlockExportOptions', 'BlockExportOptionsVhostUserBlk')
        info = self.daemon.qmp.command('query-block-exports')[0]
        self.assertEqual(info['num-queues'], number(wanted['num-queues']))
        self.assertEqual(str(info['writable']).lower(), wanted['writable'])
        driver = BlkDriver(self.daemon.path('e.sock'))
        self.addCleanup(driver.close)
        space = driver.config_space(0, 60)
        for name, offset in (('logical-block-size', 20), ('max-discard-segments', 40),
                             ('max-write-zeroes-segments', 52)):
            with self.subTest(name):
                self.assertEqual(struct.unpack_from('<I', space, offset)[0], number(wanted[name]))
        serial = driver.request(GET_ID, in_length=20).data
        self.assertEqual(serial.rstrip(b'\0').decode(), wanted['serial'])
        # A write is answered before it is stable unless "writethrough" is on.
        self.assertEqual((wanted['writethrough'], space[32]), ('false', 1))

    def test_the_manual_has_every_option(self):
        manual = read(MANUAL)
        options = set(re.findall(r'^  (?:-\w, )?(-[-\w]+)', program('--help'), re.M))
        self.assertGreater(len(options), 10)
        for option in options:
            self.assertTrue(re.search(rf'(?m)^\*\*.*{option}\*\*', manual), option)
        for line in re.findall(r'^\*\*.*', manual, re.M):
            for option in re.findall(r'\*\*(--[-\w]+)\*\*', line):
                self.assertIn(option, options)

    def test_the_manual_has_every_kind_and_its_keys(self):
        # What is named by the option itself, what does nothing here, and what is deprecated.
        left_out = {'driver', 'type', 'active', 'allow-inactive', 'aio-max-batch', 'drop-cache',
                    'x-check-cache-dropped', 'reconnect'}
        manual = read(MANUAL)
        seen = 0
        for option, kind in ((o, k) for o in ('--blockdev', '--export', '--chardev')
                             for k in kinds(o)):
            with self.subTest(f'{option} {kind}'):
                self.assertTrue(re.search(rf'`{kind}`|\]{kind},', manual))
            shown = program(option, f'{kind},help')
            for key in set(re.findall(r'^  ([\w-]+)[.=]', shown, re.M)) - left_out:
                seen += 1
                with self.subTest(f'{option} {kind}: {key}'):
                    self.assertTrue(re.search(rf'[`,]{key}[`.=]', manual))
        self.assertGreater(seen, 100)


def command_lines(path):
    """Those of the program that a document shows, as lists of words."""
    blocks = re.findall(r'(?:^ {4}.*\n)+', read(path), re.M)
    for block in blocks:
        text = textwrap.dedent(block).replace('\\\n', '')
        for line in text.splitlines():
            if re.match(r'\S*qemu-storage-daemon +--', line):
                yield shlex.split(line)[1:]


def direct_works(path):
    """Whether this file system reads past the page cache."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


class Examples(unittest.TestCase):
    """Command lines that people copy."""

    def end(self, folder):
        """Ends what has left its number there."""
        with open(os.path.join(folder, 'qsd.pid'), encoding='ascii') as file:
            os.kill(int(file.read()), signal.SIGTERM)
        until(lambda: not os.path.exists(os.path.join(folder, 'qsd.pid')), 'it has ended')

    def carry_out(self, words):
        """Runs it until everything works, elsewhere than it says."""
        with tempfile.TemporaryDirectory(prefix='qsd-') as folder:
            disk = os.path.join(folder, 'disk.img')
            with open(disk, 'wb') as image:
                image.truncate(1 << 20)
            words = [word.replace('/tmp', folder) for word in words]
            if not direct_works(disk):
                words = [word.replace(',cache.direct=on', '') for word in words]
            if '--pidfile' not in words:
                words += ['--pidfile', 'qsd.pid']
            if '--daemonize' not in words:
                words.append('--daemonize')
            done = subprocess.run([paths.daemon(), *words], stdin=subprocess.DEVNULL, cwd=folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  timeout=TIMEOUT, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.end(folder)

    def test_examples_work(self):
        for document, least in ((os.path.join(paths.TOP, 'README.md'), 1), (MANUAL, 2)):
            lines = list(command_lines(document))
            self.assertGreaterEqual(len(lines), least)
            for words in lines:
                with self.subTest(' '.join(words)):
                    self.carry_out(words)


if __name__ == '__main__':
    unittest.main()
