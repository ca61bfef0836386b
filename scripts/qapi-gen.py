#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes C code, data and the reference page from the schema."""

import argparse
import os
import sys

from qapi import (emit_commands, emit_docs, emit_events, emit_introspect, emit_types,
                  emit_visit)
from qapi.build import build_schema
from qapi.errors import SchemaError
from qapi.source import read_schema
from qapi.writer import Output, write_if_changed

EMITTERS = (emit_types, emit_visit, emit_commands, emit_events, emit_introspect)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('schema', help='the file that includes all others')
    parser.add_argument('-o', '--output-dir', default='.', help='where the C files go')
    parser.add_argument('-d', '--depfile', help='write here, for make, what was read')
    parser.add_argument('-l', '--list', action='store_true',
                        help='print the names of the C files and write nothing')
    parser.add_argument('--docs', metavar='FILE', help='write the reference page and nothing else')
    return parser.parse_args()


def write_depfile(args, output, sources):
    """Everything made depends on every file of the schema and of the generator."""
    modules = [module.__file__ for name, module in sys.modules.items() if name.startswith('qapi')]
    needed = [source.path for source in sources] + sorted(filter(None, modules))
    made = os.path.join(args.output_dir, output.names()[0])
    with open(args.depfile, 'w', encoding='utf-8') as stream:
        stream.write(f'{made}: ' + ' '.join(name.replace(' ', '\\ ') for name in needed) + '\n')


def main():
    args = parse_arguments()
    try:
        sources = read_schema(args.schema)
        schema = build_schema(sources)
    except SchemaError as err:
        print(f'{sys.argv[0]}: {err}', file=sys.stderr)
        return 1
    if args.docs:
        write_if_changed(args.docs, emit_docs.page_text(schema))
        return 0
    output = Output()
    for emitter in EMITTERS:
        emitter.emit(output, schema)
    if args.list:
        print('\n'.join(output.names()))
    else:
        output.write(args.output_dir)
        if args.depfile:
            write_depfile(args, output, sources)
    return 0


if __name__ == '__main__':
    sys.exit(main())
