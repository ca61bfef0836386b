#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/check-house.py measures in a small house, and what it says when a number moves."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'check-house.py'
STRUCTS = 'typedef struct VuServer {\n    int a;\n} VuServer;\nstruct VuVirtq {\n    int a;\n};\n'


class House(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        self.put('scripts/empty', '')
        self.put('include/structs.h', STRUCTS)

    def put(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_it(self, *args):
        done = subprocess.run([sys.executable, SCRIPT, *args], cwd=self.top, capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def known(self):
        return json.loads((self.top / 'scripts/house.json').read_text())

    def measured(self, name):
        """The number of that name, in a house that remembers nothing yet."""
        (self.top / 'scripts/house.json').unlink(missing_ok=True)
        status, said = self.run_it('--write')
        self.assertEqual(status, 0, said)
        return self.known()[name]

    def calls(self, name, *others, folder='util'):
        uses = ''.join(f'    {other}_do();\n' for other in others)
        self.put(f'{folder}/{name}.c', f'void {name}_do(void)\n{{\n{uses}}}\n')

    def circle(self, folder='util'):
        return self.measured(f'largest circle of .c files in {folder}')

    def test_a_chain_of_calls_is_no_circle(self):
        self.calls('a', 'b')
        self.calls('b', 'c')
        self.calls('c')
        self.assertEqual(self.circle(), 0)

    def test_the_largest_circle_is_counted(self):
        self.calls('a', 'b')
        self.calls('b', 'c')
        self.calls('c', 'a', 'd')
        self.calls('d', 'e')
        self.calls('e', 'd')
        self.assertEqual(self.circle(), 3)

    def test_circles_are_counted_for_each_folder(self):
        self.calls('a', 'b', folder='block')
        self.calls('b', 'a', folder='block/export')
        self.calls('c', 'd', folder='block/export/deep')
        self.calls('d', 'c', folder='block/export')
        self.assertEqual((self.circle('block'), self.circle('block/export')), (0, 2))

    def test_a_part_that_is_included_counts_for_its_file(self):
        self.calls('a')
        self.put('util/b.c', 'void b_do(void)\n{\n}\n#include "b.c.inc"\n')
        self.put('util/b.c.inc', 'static void part(void)\n{\n    a_do();\n}\n')
        self.assertEqual(self.circle(), 0)
        self.calls('a', 'b')
        self.assertEqual(self.circle(), 2)

    def test_a_function_handed_over_by_name_is_used(self):
        self.calls('a', 'b')
        self.put('util/b.c', 'void b_do(void)\n{\n    later(a_do);\n}\n')
        self.assertEqual(self.circle(), 2)

    def test_what_only_looks_like_a_use_is_none(self):
        self.calls('a', 'b')
        self.put('util/b.c', '/* a_do() */\n#define X a_do()\nvoid b_do(void)\n{\n'
                 '    x->a_do("a_do()"); // a_do()\n    x.a_do();\n}\n')
        self.assertEqual(self.circle(), 0)

    def test_static_functions_of_one_name_tie_nothing(self):
        self.put('util/a.c', 'static int same(void)\n{\n}\nint a_do(void)\n{\n    same();\n}\n')
        self.put('util/b.c', 'static int same(void)\n{\n}\nint b_do(void)\n{\n    same(); a_do();\n}\n')
        self.assertEqual(self.circle(), 0)

    def test_headers_that_include_each_other_are_a_circle(self):
        self.put('include/x/a.h', '#include "x/b.h"\n')
        self.put('include/x/b.h', '#include "structs.h"\n')
        self.assertEqual(self.measured('largest circle of headers'), 0)
        self.put('include/x/b.h', '#include "a.h"\n')
        self.assertEqual(self.measured('largest circle of headers'), 2)

    def test_members_are_counted_as_declared(self):
        self.put('include/structs.h', """struct VuVirtq {
            int a, *b;               /* bool in; a; comment */
            bool c, d : 1;
            volatile bool e;
            void (*f)(bool x, bool y);
            QLIST_HEAD(, Some) g;
            struct {
                bool h;
                union { int i; char j[4]; } k;
            } l;
            boolean m;
        } __attribute__((aligned(64)));
        typedef struct VuServer { int a; } VuServer;""")
        self.assertEqual(self.measured('members of struct VuVirtq'), 13)
        self.assertEqual(self.measured('bool members of struct VuVirtq'), 4)
        self.assertEqual(self.measured('members of struct VuServer'), 1)

    def test_a_struct_that_is_nowhere_is_asked_for(self):
        self.put('include/structs.h', 'struct VuVirtq { int a; };')
        status, said = self.run_it('--write')
        self.assertNotEqual(status, 0)
        self.assertIn('no struct VuServer', said)

    def test_lines_that_ask_for_the_switch_are_counted(self):
        self.put('util/a.c', '#ifdef CONFIG_DEVICE_BACKENDS\n#endif\n#ifndef CONFIG_DEVICE_BACKENDS\n'
                 '#elif X && defined(CONFIG_DEVICE_BACKENDS)\n#endif /* CONFIG_DEVICE_BACKENDS */\n')
        self.put('util/a.h', '# if defined CONFIG_DEVICE_BACKENDS\n#ifdef CONFIG_DEVICE_BACKENDS_X\n')
        for name, count in (('lines that', 4), ('files that', 2), ('most lines of one file that', 3)):
            self.assertEqual(self.measured(f'{name} ask for CONFIG_DEVICE_BACKENDS'), count)

    def test_a_number_that_rose_is_named_and_not_written(self):
        self.calls('a', 'b')
        self.calls('b', 'a')
        self.assertEqual(self.circle(), 2)
        self.assertEqual(self.run_it()[0], 0)
        self.calls('b', 'c')
        self.calls('c', 'a')
        for args in ((), ('--write',)):
            status, said = self.run_it(*args)
            self.assertEqual(status, 1)
            self.assertIn('largest circle of .c files in util: 2 before, 3 now', said)
            self.assertIn('util/c.c', said)
            self.assertEqual(self.known()['largest circle of .c files in util'], 2)

    def test_a_number_that_fell_is_to_be_written(self):
        name = 'members of struct VuServer'
        self.put('include/structs.h', STRUCTS.replace('int a', 'int a, b', 1))
        self.assertEqual(self.measured(name), 2)
        self.put('include/structs.h', STRUCTS)
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn(f'{name}: 2 before, 1 now', said)
        self.assertIn('--write', said)
        self.assertEqual(self.run_it('--write')[0], 0)
        self.assertEqual(self.known()[name], 1)
        self.assertEqual(self.run_it()[0], 0)

    def test_what_rose_keeps_nothing_else_from_being_written(self):
        self.put('include/structs.h', STRUCTS.replace('int a', 'bool a, b', 1))
        self.measured('members of struct VuServer')
        self.put('include/structs.h', STRUCTS.replace('int a', 'int a, b, c', 1))
        self.assertEqual(self.run_it('--write')[0], 1)
        self.assertEqual(self.known()['members of struct VuServer'], 2)
        self.assertEqual(self.known()['bool members of struct VuServer'], 0)

    def test_numbers_that_are_not_remembered_or_not_measured_are_named(self):
        self.measured('members of struct VuServer')
        known = self.known()
        del known['members of struct VuServer']
        known['members of struct Gone'] = 7
        self.put('scripts/house.json', json.dumps(known))
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn('members of struct VuServer: unknown before', said)
        self.assertIn('members of struct Gone: 7 before, not measured now', said)


if __name__ == '__main__':
    unittest.main()
