#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the names of our interface with those of QEMU's storage daemon.

Fails if docs/interop/differences.md is not what the schema and scripts/peer-names.json come to;
--write writes it. --record PROGRAM [ARG...] asks a storage daemon of QEMU's for its names, over QMP
and by its help, and keeps them in scripts/peer-names.json: names only.
"""
import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
PEER = os.path.join(HERE, 'peer-names.json')
PAGE = os.path.join(TOP, 'docs/interop/differences.md')
sys.path.insert(0, HERE)
from qapi.build import build_schema         # noqa: E402 pylint: disable=wrong-import-position
from qapi.source import read_schema         # noqa: E402 pylint: disable=wrong-import-position

# Heading, key, what one should know.
SUBJECTS = (
    ('Options of the command line', 'options', ''),
    ('Commands', 'commands', 'No block job exists yet, so neither do the commands about jobs, but '
     'for the two queries, which answer with empty lists.'),
    ('Events', 'events', 'Of storage that fails a request, QEMU tells by BLOCK_IO_ERROR in the '
     'virtual machine\'s process, ours by BLOCK_EXPORT_IO_ERROR where the request was.'),
    ('Block drivers', 'drivers', ''),
    ('Types of exports', 'exports', ''),
    ('Objects', 'objects', ''),
    ('Character devices', 'chardevs', 'For monitors.'),
)

INTRO = """<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
<!-- Made by scripts/check-differences.py --write from the schema and scripts/peer-names.json. -->
# What differs from QEMU's storage daemon

The program takes the command lines and the QMP of QEMU's program of that name as far as the
functions exist here. This page lists by name what only one of them has, compared with
{version}. What both have behaves alike, but for what is marked as ours in the
[reference](qemu-storage-daemon-qmp-ref.md), and for the following, which is on purpose:

* An object in use is not deleted; a node, path or id in use is refused by name; `mode=safe` does not
  cut a client off; a live listener's path is not taken over.
* `query-block-exports` and other queries tell more members than QEMU's.
* `--version` shows our own version first.
* An export may have several IOThreads, for which QEMU's program answers that vhost-user-blk does not
  support multi-threading.
"""


def ours():
    """Our names, from the schema and the sources of the option table."""
    sources = read_schema(os.path.join(TOP, 'qapi/qapi-schema.json'))
    build_schema(sources)                   # refuses what is no schema
    text = ''.join(open(source.path, encoding='utf-8').read() for source in sources)
    text = re.sub(r"(?m)^#.*$|, 'features': \[[^\]]*\]", '', text)

    def named(kind):
        return sorted(re.findall(rf"(?m)^\{{ '{kind}': '([^']+)'", text))

    def values(enum):
        data = re.search(rf"'enum': '{enum}',[^\[]*\[([^\]]*)\]", text)[1]
        return sorted(re.findall(r"'([^']+)'", re.sub(r"'(if|name)':", '', data)))

    with open(os.path.join(TOP, 'storage-daemon/options.c'), encoding='utf-8') as file:
        options = re.findall(r'(?m)^        \.name = "([a-z-]+)"', file.read())
    return {'options': sorted(set(options) - {'nbd-server'}), 'commands': named('command'),
            'events': named('event'), 'drivers': values('BlockdevDriver'),
            'exports': values('BlockExportType'), 'objects': values('ObjectType'),
            'chardevs': values('ChardevBackendKind')}


class Peer:
    """A running daemon of QEMU's."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen([*command, '--chardev', 'stdio,id=c', '--monitor', 'c'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.greeting = json.loads(self.process.stdout.readline())
        self.ask('qmp_capabilities')

    def ask(self, name):
        """What a command returns."""
        self.process.stdin.write(json.dumps({'execute': name}) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline()).get('return')

    def help(self, *option):
        """Names that are indented in the help of an option."""
        text = subprocess.run([*self.command, *option], stdout=subprocess.PIPE, text=True,
                              check=False).stdout
        return sorted(set(re.findall(r'(?m)^  ([a-zA-Z0-9_-]+)$', text)))

    def names(self):
        """All that is compared."""
        schema = self.ask('query-qmp-schema')
        entries = {entry['name']: entry for entry in schema}

        def tags(command, member=None):
            entry = entries[entries[command]['arg-type']]
            if member:
                entry = entries[next(m['type'] for m in entry['members'] if m['name'] == member)]
            tag = next(m['type'] for m in entry['members'] if m['name'] == entry['tag'])
            return sorted(entries[tag]['values'])

        usage = subprocess.run([*self.command, '--help'], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
        version = self.greeting['QMP']['version']['qemu']
        return {
            'version': f'QEMU {version["major"]}.{version["minor"]}',
            'options': sorted(set(re.findall(r'(?m)^ +(?:-\w, )?--([a-z-]+)', usage))),
            'commands': sorted(e['name'] for e in schema if e['meta-type'] == 'command'),
            'events': sorted(e['name'] for e in schema if e['meta-type'] == 'event'),
            'drivers': tags('blockdev-add'), 'exports': tags('block-export-add'),
            'objects': self.help('--object', 'help'),
            'chardevs': self.help('--chardev', 'help')}


def record(command):
    """Keeps a peer's names."""
    peer = Peer(command)
    names = peer.names()
    peer.ask('quit')
    peer.process.wait()
    with open(PEER, 'w', encoding='utf-8') as file:
        json.dump(names, file, indent=1)
        file.write('\n')


def listed(names):
    """A paragraph."""
    return ', '.join(f'`{name}`' for name in names) if names else 'nothing'


def page():
    """The text."""
    with open(PEER, encoding='utf-8') as file:
        peer = json.load(file)
    mine = ours()
    parts = [INTRO.format(version=peer['version'])]
    for heading, key, remark in SUBJECTS:
        theirs, own = set(peer[key]), set(mine[key])
        parts.append(f'## {heading}\n\n' + (f'{remark}\n\n' if remark else '') +
                     f'Only QEMU\'s program: {listed(sorted(theirs - own))}.\n\n'
                     f'Only ours: {listed(sorted(own - theirs))}.\n')
    return '\n'.join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--record', nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record)
    text = page()
    if arguments.write or arguments.record:
        with open(PAGE, 'w', encoding='utf-8') as file:
            file.write(text)
        return 0
    with open(PAGE, encoding='utf-8') as file:
        if file.read() == text:
            return 0
    print(f'{os.path.relpath(PAGE, TOP)} is out of date: run scripts/check-differences.py --write')
    return 1


if __name__ == '__main__':
    sys.exit(main())
