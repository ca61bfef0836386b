#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/tracetool.py accepts, what it makes of it, and what it refuses by name and line."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'tracetool.py'


def run(text, kind='h'):
    """The tool's status, what it wrote, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        events = pathlib.Path(folder) / 'trace-events'
        output = pathlib.Path(folder) / 'out'
        events.write_text(text)
        done = subprocess.run([sys.executable, TOOL, '--group', 'x_y', '--format', kind,
                               events, output], capture_output=True, text=True, check=False)
        return (done.returncode, output.read_text() if output.exists() else '',
                done.stderr.replace(folder, ''))


class TraceTool(unittest.TestCase):
    def test_events_become_functions(self):
        status, header, _ = run('# c\n\nab(int x, const char *s) "x %d s %s"\nvoid_one(void) ""\n')
        self.assertEqual(status, 0)
        self.assertIn('static inline void trace_ab(int x, const char *s)', header)
        self.assertIn('trace_print_ab(x, s);', header)
        self.assertIn('static inline void trace_void_one(void)', header)
        self.assertIn('#define TRACE_AB trace_event_ab', header)

    def test_formats_may_join_macros(self):
        status, source, _ = run('ab(uint64_t x) "x 0x%" PRIx64 " end"\n', 'c')
        self.assertEqual(status, 0)
        self.assertIn('trace_event_print(&trace_event_ab, "x 0x%" PRIx64 " end", x);', source)
        self.assertIn('#include "trace/trace-x_y.h"', source)

    def test_a_wrong_line_is_named(self):
        for line in ('ab(int x)', 'ab int x "x"', 'Ab() "x"', 'ab(int x) x'):
            status, output, said = run('ok() "x"\n' + line + '\n')
            self.assertNotEqual(status, 0, line)
            self.assertEqual(output, '')
            self.assertIn('trace-events:2: not of the form', said)

    def test_an_argument_needs_type_and_name(self):
        self.assertIn("'x' is not a type and a name", run('ab(int a, x) "y"\n')[2])

    def test_an_event_is_defined_once(self):
        status, _, said = run('ab() "x"\nab() "y"\n')
        self.assertNotEqual(status, 0)
        self.assertIn(":2: event 'ab' is there already", said)


if __name__ == '__main__':
    unittest.main()
