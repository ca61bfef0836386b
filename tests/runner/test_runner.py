# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner itself: nothing that fails may get lost on its way to the last line."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runner import jobs, tap        # noqa: E402 pylint: disable=wrong-import-position


def outcomes(text, status=''):
    """The outcomes that parse() finds."""
    return [case.outcome for case in tap.parse(text, status)]


class Parsing(unittest.TestCase):
    """TAP to cases."""

    def test_each_line_is_a_case(self):
        self.assertEqual(outcomes('1..3\nok 1 /a\nnot ok 2 - /b\nok 3 /c # SKIP no such thing\n',
                                  'exit status 1'),
                         [tap.PASSED, tap.FAILED, tap.SKIPPED])

    def test_reason_of_a_skip_is_kept(self):
        case, = tap.parse('1..1\nok 1 /c # SKIP no such thing\n', '')
        self.assertEqual((case.name, case.reason), ('/c', 'no such thing'))

    def test_a_plan_that_skips_all(self):
        case, = tap.parse('1..0 # SKIP not here\n', '')
        self.assertEqual((case.outcome, case.reason), (tap.SKIPPED, 'not here'))

    def test_a_program_that_stops_early_fails(self):
        self.assertEqual(outcomes('1..3\nok 1 /a\n'), [tap.PASSED, tap.FAILED])
        self.assertEqual(outcomes('ok 1 /a\n'), [tap.PASSED, tap.FAILED])
        self.assertEqual(outcomes(''), [tap.FAILED])

    def test_a_bad_status_without_a_failed_case_fails(self):
        self.assertEqual(outcomes('ok 1 /a\n1..1\n', 'exit status 66'), [tap.PASSED, tap.FAILED])

    def test_failed_skips_are_failures(self):
        self.assertEqual(outcomes('1..1\nnot ok 1 /a # SKIP\n', 'exit status 1'), [tap.FAILED])

    def test_other_output_is_no_case(self):
        self.assertEqual(outcomes('# ok 1\nokay\nnothing ok\nok 1 /a\n1..1\n'), [tap.PASSED])


class Running(unittest.TestCase):
    """Programs to results."""

    def run_script(self, script, **options):
        """The result of a shell script."""
        with tempfile.TemporaryDirectory() as folder:
            return jobs.run_job(jobs.Job('script', ['sh', '-c', script], **options), folder)

    def test_good_end(self):
        self.assertFalse(self.run_script('echo 1..1; echo ok 1 a').failed)

    def test_signal(self):
        result = self.run_script('echo 1..1; echo ok 1 a; kill -SEGV $$')
        self.assertIn('SIGSEGV', result.cases[-1].reason)

    def test_too_long_and_its_children_too(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, 'fifo')
            os.mkfifo(fifo)
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            script = f'echo 1..1; sleep 100 >{fifo} & wait'
            result = jobs.run_job(jobs.Job('long', ['sh', '-c', script], timeout=0.2), folder)
            os.set_blocking(reader, True)
            self.assertEqual(os.read(reader, 1), b'', 'the child holds its end open')
            os.close(reader)
        self.assertIn('not finished', result.cases[-1].reason)

    def test_no_such_program(self):
        with tempfile.TemporaryDirectory() as folder:
            result = jobs.run_job(jobs.Job('none', ['/nonexistent/program']), folder)
        self.assertTrue(result.failed)


if __name__ == '__main__':
    unittest.main()
