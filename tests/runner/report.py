# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells the person what happened: a line a program, failures in full, one line of counts."""

from . import tap


def _count(results, outcome):
    return sum(case.outcome == outcome for result in results for case in result.cases)


def line(result):
    """One program's line, at once when it ends."""
    counts = {outcome: _count([result], outcome)
              for outcome in (tap.PASSED, tap.FAILED, tap.SKIPPED)}
    text = ', '.join(f'{number} {outcome}' for outcome, number in counts.items() if number)
    mark = 'FAIL' if result.failed else 'ok  '
    print(f'{mark} {result.job.name:<44} {text} ({result.seconds:.1f} s)', flush=True)


def _details(result):
    print(f'\n=== {result.job.name} failed; its output ({result.log}):')
    with open(result.log, encoding='utf-8', errors='replace') as log:
        print(log.read().rstrip())
    for case in result.cases:
        if case.outcome == tap.FAILED:
            print(f'--- failed: {result.job.name}: {case.name} {case.reason}'.rstrip())


def summary(results, seconds):
    """Failures in full, skips with their reason, the line of counts; True if all is well."""
    for result in results:
        if result.failed:
            _details(result)
    skips = [(result.job.name, case) for result in results for case in result.cases
             if case.outcome == tap.SKIPPED]
    if skips:
        print('\nskipped:')
        for name, case in skips:
            print(f'  {name}: {case.name}: {case.reason}')
    print(f'\n{seconds:.0f} s')
    passed, failed, skipped = (_count(results, outcome)
                               for outcome in (tap.PASSED, tap.FAILED, tap.SKIPPED))
    print(f'{passed} passed, {failed} failed, {skipped} skipped', flush=True)
    return failed == 0 and passed > 0
