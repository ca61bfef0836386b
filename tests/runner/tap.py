# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads TAP, the text that test programs print: one line a test case."""

import dataclasses
import re

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'

_LINE = re.compile(r'^(?P<bad>not )?ok\b\s*(?P<number>\d+)?\s*-?\s*(?P<name>[^#]*?)\s*'
                   r'(#\s*(?P<directive>SKIP|TODO)\S*\s*(?P<reason>.*))?$', re.IGNORECASE)
_PLAN = re.compile(r'^1\.\.(\d+)(\s*#\s*SKIP\S*\s*(?P<reason>.*))?', re.IGNORECASE)


@dataclasses.dataclass
class Case:
    """One test case and how it ended."""
    name: str
    outcome: str
    reason: str = ''


def _case(match):
    skip = (match['directive'] or '').upper() == 'SKIP'
    name = match['name'] or f'#{match["number"]}'
    if skip and not match['bad']:
        return Case(name, SKIPPED, match['reason'] or 'no reason given')
    return Case(name, FAILED if match['bad'] else PASSED)


def parse(text, status):
    """Cases of one program's output.

    @status is how the program ended, '' for a good end. A program that ends early, or that
    fails without naming a case, gets a failed case of its own: nothing is lost silently.
    """
    cases, planned = [], None
    for line in text.splitlines():
        if match := _LINE.match(line):
            cases.append(_case(match))
        elif match := _PLAN.match(line):
            planned = int(match[1])
            if planned == 0:
                cases.append(Case('all', SKIPPED, match['reason'] or 'no reason given'))
                planned = 1
    if planned is None:
        cases.append(Case('ends', FAILED, status or 'no TAP plan was printed'))
    elif len(cases) < planned:
        cases.append(Case('ends', FAILED,
                          f'{len(cases)} of {planned} cases ran; {status or "then it stopped"}'))
    elif status and all(case.outcome != FAILED for case in cases):
        cases.append(Case('ends', FAILED, status))
    return cases
