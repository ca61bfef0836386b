#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the tables and plots of docs/performance.md from the results of bench.py --json.

A table stands between `<!-- bench NAME -->` and `<!-- end -->`, where NAME is a suite, or `machine`
for what was measured where. What lies outside of these stays as it is.
"""
import argparse
import json
import pathlib
import re
import sys

import svg
import tables

TOP = pathlib.Path(__file__).resolve().parents[2]
RESULTS = TOP / 'tests/bench/results.json'
DOCUMENT = TOP / 'docs/performance.md'
BLOCK = re.compile(r'(<!-- bench (\w+) -->\n).*?(<!-- end -->)', re.S)

# For each plot: its title, the contestant compared with, and those that are marked.
PLOTS = {
    'speed': ('4 KiB, random', 'peer', ('uring', 'pread', 'memcpy')),
    'direct': ('past the page cache', 'peer', ('uring',)),
    'large': ('128 KiB, sequential', 'peer', ('uring', 'pread', 'memcpy')),
    'main': ('in the main loop', 'peer', ()),
    'poll': ('one request at a time', 'peer', ('bare',)),
    'queues': ('several queues in one IOThread', 'peer', ()),
    'threads': ('several queues in two IOThreads', 'one', ('peer',)),
    'exports': ('many exports', 'peer', ()),
    'metrics': ('latency histograms', 'off', ()),
}
NAMES = {'peer': 'the peer', 'one': 'one IOThread', 'off': 'without histograms',
         'bare': 'a bare loop', 'uring': 'io_uring', 'pread': 'pread, pwrite', 'memcpy': 'memcpy'}


def table(cells):
    """Markdown; the first of the lines are the titles."""
    widths = [max(len(line[n]) for line in cells) for n in range(len(cells[0]))]
    text = ['| ' + ' | '.join(cell.rjust(width) if n else cell.ljust(width)
                              for n, (cell, width) in enumerate(zip(line, widths))) + ' |'
            for line in cells]
    rule = '|' + '|'.join('-' * (width + 1) + ('-' if n == 0 else ':')
                          for n, width in enumerate(widths)) + '|'
    return '\n'.join([text[0], rule] + text[1:])


def machine(about):
    """What was measured where."""
    how = [f'medians of {about["rounds"]} rounds of {about["seconds"]:g} s',
           f'`aio={about["aio"]}`', 'pinned' if about['pinned'] else 'not pinned']
    if about['real_time']:
        how.append('before all other processes')
    if about['awake']:
        how.append('CPUs kept awake')
    return '\n'.join([
        f'* {about["date"]}; {about["cpus"]} CPUs ({about["cpu"]}), Linux {about["kernel"]}, load '
        f'average {about["load_average"]} at the beginning and {about["load_average_after"]} at '
        'the end',
        f'* {", ".join(how)}', f'* ours: {about["ours"]}', f'* peer: {about["peer"]}'])


def plot(suite, rows):
    """The picture of a suite."""
    title, against, marks = PLOTS[suite]
    first = 'on' if suite == 'metrics' else 'ours'
    panels = []
    for key, what, better in (('kiops', 'rate', 'more'), ('cpu', 'CPU time a request', 'less')):
        if suite == 'exports' and key == 'kiops':
            continue
        used = marks if key == 'kiops' else ()
        bars = [(tables.ratio(row, first, against, key),
                 [tables.ratio(row, mark, against, key) for mark in used],
                 tables.spread(row, first, against, key)) for row in rows]
        panels.append(svg.Panel(f'{what}, {NAMES[against]} = 1', better, bars,
                                tuple(NAMES[mark] for mark in used)))
    return svg.plot(title, [row['case'] for row in rows], panels)


def section(suite, rows, about, folder):
    """What belongs between the marks of a suite; writes its plot."""
    if suite == 'machine':
        return machine(about)
    cells = [tables.header(suite)] + [line for row in rows for line in tables.lines(row)]
    text = table(cells)
    if suite in PLOTS:
        name = f'performance-{suite}.svg'
        (folder / name).write_text(plot(suite, rows), encoding='utf-8')
        text += f'\n\n![{suite}]({name})'
    return text


def main():
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', nargs='?', type=pathlib.Path, default=RESULTS,
                        help='of bench.py --json (default: tests/bench/results.json)')
    parser.add_argument('--document', type=pathlib.Path, default=DOCUMENT,
                        help='where to (default: docs/performance.md); plots go beside it')
    args = parser.parse_args()
    results = json.loads(args.results.read_text(encoding='utf-8'))
    suites = {'machine': []}
    for row in results['rows']:
        suites.setdefault(row['suite'], []).append(row)
    seen = set()

    def replace(match):
        suite = match.group(2)
        if suite not in suites:
            return match.group(0)
        seen.add(suite)
        body = section(suite, suites[suite], results['about'], args.document.parent)
        return f'{match.group(1)}{body}\n{match.group(3)}'

    text = BLOCK.sub(replace, args.document.read_text(encoding='utf-8'))
    args.document.write_text(text, encoding='utf-8')
    missing = set(suites) - seen
    if missing:
        sys.exit(f'render: {args.document} has no place for {", ".join(sorted(missing))}')


if __name__ == '__main__':
    main()
