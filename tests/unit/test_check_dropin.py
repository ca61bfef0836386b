#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/check-dropin.py misses in a drop-in set, and what it does not compile."""
import contextlib
import importlib.util
import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location('check_dropin', TOP / 'scripts' / 'check-dropin.py')
check_dropin = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_dropin)

MANUAL = 'docs/devel/compatibility.md'


@contextlib.contextmanager
def standing_in(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class DropIn(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def put(self, name, text=''):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def put_set(self):
        names = check_dropin.SET + check_dropin.HEADERS
        for name in names + check_dropin.OURS:
            self.put(name)
        self.put(MANUAL, '## The drop-in set\n\n' + ''.join(f'    {name}\n' for name in names))

    def complaints(self):
        complaints = []
        with standing_in(self.folder):
            check_dropin.check_list(complaints)
        return complaints

    def test_the_whole_set_is_fine(self):
        self.put_set()
        self.assertEqual(self.complaints(), [])

    def test_a_file_that_nobody_names_is_missed(self):
        for name in ('util/vhost-user-server-new.c', 'util/vhost-user-server-new.h',
                     'util/vhost-user-server/new.c', 'include/qemu/vhost-user-server-new.h',
                     'block/export/vhost-user-blk-new.c', 'block/export/virtio-blk-handler-new.h'):
            with self.subTest(name):
                self.put_set()
                self.put(name)
                self.assertIn(name, '\n'.join(self.complaints()))
                (self.folder / name).unlink()

    def test_a_file_that_has_gone_is_named(self):
        self.put_set()
        (self.folder / 'util/vhost-user-server.c').unlink()
        self.assertIn('util/vhost-user-server.c', '\n'.join(self.complaints()))

    def test_a_manual_that_lacks_a_file_or_has_too_many_is_named(self):
        self.put_set()
        text = (self.folder / MANUAL).read_text()
        self.put(MANUAL, text.replace('    util/vhost-user-server.c\n', ''))
        self.assertIn('util/vhost-user-server.c', '\n'.join(self.complaints()))
        self.put(MANUAL, text + '    util/more.c\n')
        self.assertIn('util/more.c', '\n'.join(self.complaints()))

    def compiles(self, body):
        self.put('x.c', '#include "qemu/osdep.h"\n#include "qemu/atomic.h"\n'
                 'typedef struct Nowhere Nowhere;\nint try_it(Nowhere **p, int n);\n'
                 'int try_it(Nowhere **p, int n)\n{\n' + body + '\n}\n')
        try:
            with standing_in(TOP), open(os.devnull, 'w') as nothing:
                saved = os.dup(2)
                os.dup2(nothing.fileno(), 2)
                try:
                    check_dropin.undefined(self.folder / 'x.c', os.environ['BUILD'], self.folder)
                finally:
                    os.dup2(saved, 2)
                    os.close(saved)
        except subprocess.CalledProcessError:
            return False
        return True

    def test_what_qemu_does_not_compile_is_not_compiled(self):
        for body, good in (('return qatomic_read(p) != NULL;', True),
                           ('return qatomic_load_acquire((void **)p) != NULL;', True),
                           ('return qatomic_load_acquire(p) != NULL;', False),
                           ('return qatomic_rcu_read(p) != NULL;', False),
                           ('return qatomic_cmpxchg(p, NULL, *p) != NULL;', False),
                           # clang has no -Wshadow=local
                           ('{ int n = 3; (void)n; } return n;', 'clang' in check_dropin.CC),
                           ('int a[n]; a[0] = n; return a[0];', False)):
            with self.subTest(body):
                self.assertEqual(self.compiles(body), good)


if __name__ == '__main__':
    unittest.main()
