#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Is docs/interop/conformance.md complete?

Every message and protocol feature of vu-protocol.h must have its row (| number | name | ...), and
every test that the page names must exist: `test_x` is tests/qtest/test_x.py, `test-x` is
tests/unit/test-x.c, and a row of an attack (h01 to h18) names a file with a test that is called so.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = 'docs/interop/conformance.md'
HEADER = 'subprojects/libvhost-user/vu-protocol.h'
# enum -> what its names begin with, and the heading above its table
ENUMS = {
    'VhostUserRequest': ('VHOST_USER_', 'Messages of the front-end'),
    'VhostUserBackendRequest': ('VHOST_USER_BACKEND_', 'Messages of the back-end'),
    'VhostUserProtocolFeature': ('VHOST_USER_PROTOCOL_F_', 'Protocol features'),
}
ATTACKS = [f'h{number:02}' for number in range(1, 19)]


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def members(text, enum, prefix):
    """{number: name} of an enum whose values are all written out."""
    body = re.search(rf'enum {enum} {{(.*?)}}', text, re.S).group(1)
    return {int(number): name for name, number in re.findall(rf'{prefix}(\w+) = (\d+),', body)
            if name != 'NONE'}


def section(page, heading):
    """The text below a heading, up to the next one."""
    found = re.search(rf'^## {heading}$(.*?)(?=^## |\Z)', page, re.S | re.M)
    return found.group(1) if found else ''


def rows(text):
    """{number: name} of the table in a section."""
    return {int(number): name.strip()
            for number, name in re.findall(r'^\| *(\d+) *\|([^|]*)\|', text, re.M)}


def path_of(test):
    """Where a test that the page names is."""
    return f'tests/unit/{test}.c' if test.startswith('test-') else f'tests/qtest/{test}.py'


def check_tables(page, header):
    for enum, (prefix, heading) in ENUMS.items():
        wanted, found = members(header, enum, prefix), rows(section(page, heading))
        for number, name in wanted.items():
            if found.get(number) != name:
                yield f'"{heading}" has no row | {number} | {name} |'
        for number in set(found) - set(wanted):
            yield f'"{heading}" has a row {number}, which {HEADER} has not'


def check_tests(page):
    for test in sorted(set(re.findall(r'`(test[-_][\w-]+)`', page))):
        if not os.path.exists(os.path.join(TOP, path_of(test))):
            yield f'`{test}` does not exist'


def check_attacks(page):
    lines = re.findall(r'^\| (h\d\d) \|.*$', page, re.M)
    for attack in ATTACKS:
        if attack not in lines:
            yield f'there is no row of attack {attack}'
    for line in re.findall(r'^\| h\d\d \|.*$', page, re.M):
        attack, tests = line[2:5], re.findall(r'`(test[-_][\w-]+)`', line)
        if not tests:
            yield f'attack {attack} has no test'
        for test in tests:
            if os.path.exists(os.path.join(TOP, path_of(test))) and \
                    not re.search(rf'(def test_|/){attack}_', read(path_of(test))):
                yield f'`{test}` has no test that begins with {attack}'


def main():
    page, header = read(PAGE), read(HEADER)
    wrong = [*check_tables(page, header), *check_tests(page), *check_attacks(page)]
    for line in wrong:
        print(f'{PAGE}: {line}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
