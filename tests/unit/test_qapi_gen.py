# SPDX-License-Identifier: GPL-2.0-or-later
"""The generator: bad schemas get a sentence with a place, good ones the C names that users rely on."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'scripts'))
sys.dont_write_bytecode = True

from qapi import emit_docs, emit_introspect  # noqa: E402
from qapi.build import build_schema  # noqa: E402
from qapi.errors import SchemaError  # noqa: E402
from qapi.names import c_enum_const, c_name, c_string, camel_to_upper  # noqa: E402
from qapi.source import read_schema  # noqa: E402

GENERATOR = os.path.join(TOP, 'scripts/qapi-gen.py')
SCHEMA = os.path.join(TOP, 'qapi/qapi-schema.json')
PAGE = os.path.join(TOP, 'docs/interop/qemu-storage-daemon-qmp-ref.md')

ENUM = "{ 'enum': 'E', 'data': [ 'a', 'b' ] }\n"
POINT = "{ 'struct': 'Point', 'data': { 'x': 'int' } }\n"

# schema, line of the message, what it says
BAD_SCHEMAS = [
    # notation
    ('{', 1, 'expected a string, found the end of the file'),
    ("{ 'enum' }", 1, 'expected ":", found "}"'),
    ("{ 'enum': 'E', 'data': [ 'a' 'b' ] }", 1, 'expected "," or "]", found "\'b\'"'),
    ("{ 'enum': 'E'\n 'data': [] }", 2, 'expected "," or "}", found "\'data\'"'),
    ("{ 'enum': 'E', 'enum': 'F' }", 1, "key 'enum' occurs twice"),
    ("\n{ 'enum': \"E\" }", 2, "unexpected character '\"'"),
    ("{ 'enum': 1 }", 1, "unexpected character '1'"),
    ("[ 'a' ]", 1, 'expected an object, found "["'),
    # expressions
    ("{ 'foo': 'E' }", 1, "an expression begins with 'include', 'pragma', 'enum'"),
    ("{ 'struct': [], 'data': {} }", 1, 'the name of the struct must be a string'),
    ("{ 'struct': 'S' }", 1, "this struct: key 'data' is missing"),
    ("{ 'struct': 'S', 'data': {}, 'foo': 'x' }", 1, "this struct: key 'foo' is unknown"),
    ("{ 'include': 'nosuch.json' }", 1, "nosuch.json': No such file or directory"),
    ("{ 'include': 'schema.json' }", 1, "'schema.json' includes itself"),
    ("{ 'include': [] }", 1, "'include' takes the name of a file and nothing else"),
    ("{ 'pragma': { 'foo': true } }", 1, "pragma 'foo' is unknown, or of another type"),
    # names
    ("{ 'struct': 'point', 'data': {} }", 1, "'point' is not CamelCase"),
    ("{ 'struct': 'PointList', 'data': {} }", 1, "end in Kind or List are the generator's"),
    ("{ 'command': 'Foo' }", 1, "'Foo' is not lower-case-with-dashes"),
    ("{ 'command': 'foo_bar' }", 1, "'foo_bar' is not lower-case-with-dashes"),
    ("{ 'event': 'foo' }", 1, "'foo' is not UPPER_CASE"),
    (POINT + POINT, 2, "'Point' is defined already at"),
    ("{ 'struct': 'int', 'data': {} }", 1, "'int' is not CamelCase"),
    ("{ 'struct': 'S', 'data': { 'aB': 'int' } }", 1, "member 'aB' is not lower-case-with-dashes"),
    ("{ 'struct': 'S', 'data': { 'has-x': 'int' } }", 1, "member 'has-x': no valid name"),
    ("{ 'struct': 'S', 'data': { 'u': 'int' } }", 1, "member 'u': no valid name"),
    # types
    ("{ 'struct': 'S', 'data': { 'a': 'Foo' } }", 1, "member 'a': there is no type 'Foo'"),
    ("{ 'struct': 'S', 'data': { 'a': [] } }", 1, "member 'a': a list names exactly one type"),
    ("{ 'struct': 'S', 'data': { 'a': true } }", 1, "member 'a': the type must be a name"),
    ("{ 'struct': 'S', 'data': { 'a': { 'foo': 'x' } } }", 1, "member 'a': key 'type' is missing"),
    ("{ 'struct': 'S', 'data': [] }", 1, 'the members must be an object'),
    ("{ 'struct': 'S', 'base': 'int', 'data': {} }", 1, "'base': 'int' is no struct or union"),
    ("{ 'struct': 'S', 'base': 'S', 'data': {} }", 1, 'it is its own base'),
    (POINT + "{ 'struct': 'S', 'base': 'Point', 'data': { 'x': 'int' } }", 2,
     "member 'x' is there already"),
    ("{ 'struct': 'S', 'data': { 'a-b': 'int', 'a_b': 'int' } }", 1,
     "member 'a_b' is not lower-case"),
    ("{ 'enum': 'E', 'data': 'a' }", 1, "'data' must be a list"),
    ("{ 'enum': 'E', 'data': [ 'a', 'a' ] }", 1, "value 'a' occurs twice"),
    ("{ 'enum': 'E', 'data': [ 'Max' ] }", 1, "value 'Max': no valid name"),
    ("{ 'enum': 'E', 'data': [ 'a' ], 'features': [ 'x', 'x' ] }", 1,
     "feature 'x' is no valid name, or occurs twice"),
    # unions and alternates
    ("{ 'union': 'U', 'base': { 'x': 'int' }, 'discriminator': 'y', 'data': {} }", 1,
     "the base has no member 'y' to decide by"),
    ("{ 'union': 'U', 'base': { 'x': 'int' }, 'discriminator': 'x', 'data': {} }", 1,
     "the discriminator 'x' must be an enumeration that is not optional"),
    (ENUM + "{ 'union': 'U', 'base': { '*x': 'E' }, 'discriminator': 'x', 'data': {} }", 2,
     "the discriminator 'x' must be an enumeration that is not optional"),
    (ENUM + "{ 'union': 'U', 'base': { 'x': 'E' }, 'discriminator': 'x', 'data': {} }", 2,
     "'data' must be an object with a branch at least"),
    (ENUM + POINT + "{ 'union': 'U', 'base': { 't': 'E' }, 'discriminator': 't', "
     "'data': { 'c': 'Point' } }", 3, "branch 'c' is no value of 'E'"),
    (ENUM + POINT + "{ 'union': 'U', 'base': { 't': 'E', 'x': 'int' }, 'discriminator': 't', "
     "'data': { 'a': 'Point' } }", 3, "member 'x' of branch 'a' is there already"),
    (ENUM + "{ 'union': 'U', 'base': { 't': 'E' }, 'discriminator': 't', 'data': { 'a': 'str' } }",
     2, "branch 'a': 'str' is no struct or union"),
    ("{ 'alternate': 'A', 'data': { 'a': 'str', 'b': 'str' } }", 1,
     "branch 'b' cannot be told from branch 'a'"),
    ("{ 'alternate': 'A', 'data': { 'a': 'int', 'b': 'number' } }", 1,
     "branch 'b' cannot be told from branch 'a'"),
    ("{ 'alternate': 'A', 'data': { 'a': 'any' } }", 1, "branch 'a' cannot be of type 'any'"),
    # commands and events
    ("{ 'command': 'c', 'boxed': true, 'data': { 'a': 'int' } }", 1,
     "'boxed' needs the name of a type as 'data'"),
    (ENUM + POINT + "{ 'union': 'U', 'base': { 't': 'E' }, 'discriminator': 't', 'data': "
     "{ 'a': 'Point' } }\n{ 'command': 'c', 'data': 'U' }", 4, "a union as 'data' needs 'boxed'"),
    ("{ 'command': 'c', 'gen': 'no' }", 1, "'gen' must be true or false"),
    ("{ 'command': 'c', 'returns': 'str' }", 1,
     "'returns' must be an object, or a list of objects"),
    ("{ 'command': 'c', 'data': 'int' }", 1, "'data': 'int' is no struct or union"),
    # documentation
    ("{ 'pragma': { 'doc-required': true } }\n" + POINT, 2, 'documentation is missing'),
    ('##\n# @Foo:\n#\n# text\n##\n' + POINT, 6, "the documentation above it is of 'Foo'"),
    ('##\n# @Point:\n#\n# text\n##\n' + POINT, 6, "'@x' is not documented"),
    ('##\n# @Point:\n#\n# @x: a\n#\n# @y: b\n##\n' + POINT, 8,
     "the documentation describes '@y', which is not there"),
    ('##\n# @Point:\n#\n# @x: a\n#\n# @x: b\n##\n' + POINT, 1, "'@x' is described twice"),
    ('##\n# @Point:\n#\n# @x: a\n#\n# Since: 1\n#\n# Since: 2\n##\n' + POINT, 1,
     "section 'Since' occurs twice"),
    ('##\n# @Point:\n#\n# @x: a\n#\n# Features:\n#\n# @f: b\n##\n' + POINT, 10,
     "the documentation describes feature 'f', which is not there"),
    ("##\n# @S:\n##\n{ 'struct': 'S', 'data': {}, 'features': [ 'f' ] }", 4,
     "feature 'f' is not documented"),
    ('##\n# @Point:\n#\n# @x: a\n##\n', 1, "documentation of 'Point' without definition"),
    ('##\n# text\n##\n' + POINT, 1, "documentation begins with '@NAME:' or with '= HEADING'"),
    ('##\n#\n##\n' + POINT, 1, 'empty documentation'),
]


class SchemaCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, 'schema.json')

    def schema(self, text):
        with open(self.path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        return build_schema(read_schema(self.path))

    def generate(self, *arguments):
        return subprocess.run([sys.executable, '-B', GENERATOR, *arguments], check=False,
                              capture_output=True, text=True)

    def made(self, name):
        with open(os.path.join(self.folder, name), encoding='utf-8') as stream:
            return stream.read()


class BadSchemas(SchemaCase):
    def test_every_rule_has_its_sentence(self):
        for text, line, sentence in BAD_SCHEMAS:
            with self.subTest(text=text):
                with self.assertRaises(SchemaError) as caught:
                    self.schema(text)
                self.assertIn(sentence, str(caught.exception))
                self.assertTrue(str(caught.exception).startswith(f'{self.path}:{line}: '),
                                f'{caught.exception} is not at line {line}')

    def test_place_is_in_the_included_file(self):
        with open(os.path.join(self.folder, 'inner.json'), 'w', encoding='utf-8') as stream:
            stream.write('\n\n{ }')
        with self.assertRaises(SchemaError) as caught:
            self.schema("{ 'include': 'inner.json' }")
        self.assertIn('inner.json:3: ', str(caught.exception))

    def test_program_fails_without_a_traceback(self):
        with self.assertRaises(SchemaError):
            self.schema('{')
        result = self.generate(self.path, '-o', self.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn('schema.json:1: expected', result.stderr)
        self.assertNotIn('Traceback', result.stderr)
        self.assertEqual(os.listdir(self.folder), ['schema.json'])


class Names(unittest.TestCase):
    def test_c_names(self):
        for name, expected in [('num-queues', 'num_queues'), ('unix', 'q_unix'),
                               ('default', 'q_default'), ('errno', 'q_errno'), ('null', 'null'),
                               ('3des', 'q_3des'), ('__com.example_x', '__com_example_x')]:
            self.assertEqual(c_name(name), expected)

    def test_enumeration_constants(self):
        for enum, value, expected in [
                ('BlockExportType', 'vhost-user-blk', 'BLOCK_EXPORT_TYPE_VHOST_USER_BLK'),
                ('OnOffAuto', 'auto', 'ON_OFF_AUTO_AUTO'), ('JSONType', 'int', 'JSON_TYPE_INT'),
                ('BlkdebugIOType', 'read', 'BLKDEBUG_IO_TYPE_READ'),
                ('BlockdevAioOptions', 'io_uring', 'BLOCKDEV_AIO_OPTIONS_IO_URING')]:
            self.assertEqual(c_enum_const(enum, value), expected)
        self.assertEqual(camel_to_upper('QMPCapability'), 'QMP_CAPABILITY')

    def test_strings(self):
        self.assertEqual(c_string('a"b\\c\u00e9\n'), '"a\\"b\\\\c\\303\\251\\012"')


class Generated(SchemaCase):
    def test_optional_members_have_flags_unless_they_are_pointers(self):
        self.schema(POINT + "{ 'struct': 'S', 'data': { '*n': 'int', '*s': 'str', '*p': 'Point', "
                    "'*l': [ 'str' ], '*a': 'any', 'm': 'int' } }")
        self.assertEqual(self.generate(self.path, '-o', self.folder).returncode, 0)
        text = self.made('qapi-types-schema.h')
        flags = re.findall(r'bool has_(\w+);', text)
        self.assertEqual(flags, ['n', 'l'])
        self.assertIn('    int64_t m;\n', text)
        self.assertIn('    Point *p;\n', text)

    def test_prototypes_of_commands(self):
        self.schema(POINT + "{ 'command': 'make-it', 'data': { 'name': 'str', '*size': 'size', "
                    "'*point': 'Point' }, 'returns': [ 'Point' ] }\n"
                    "{ 'command': 'box-it', 'data': 'Point', 'boxed': true }\n"
                    "{ 'command': 'run-it', 'coroutine': true }\n"
                    "{ 'command': 'no-code', 'gen': false }")
        self.assertEqual(self.generate(self.path, '-o', self.folder).returncode, 0)
        text = self.made('qapi-commands-schema.h')
        self.assertIn('PointList *qmp_make_it(const char *name, bool has_size, uint64_t size, '
                      'Point *point, Error **errp);', text)
        self.assertIn('void qmp_box_it(Point *arg, Error **errp);', text)
        self.assertIn('coroutine_mixed_fn void qmp_run_it(Error **errp);', text)
        self.assertNotIn('no_code', text)
        self.assertIn('QCO_COROUTINE', self.made('qapi-init-commands.c'))

    def test_unchanged_files_keep_their_time(self):
        self.schema(POINT)
        self.generate(self.path, '-o', self.folder)
        header = os.path.join(self.folder, 'qapi-types-schema.h')
        os.utime(header, (1, 1))
        self.generate(self.path, '-o', self.folder)
        self.assertEqual(os.stat(header).st_mtime, 1)

    def test_list_names_what_is_written(self):
        self.schema(POINT)
        listed = self.generate(self.path, '-l').stdout.split()
        self.generate(self.path, '-o', self.folder)
        self.assertEqual(sorted(listed), sorted(set(os.listdir(self.folder)) - {'schema.json'}))


class Introspection(SchemaCase):
    def test_types_follow_their_first_use(self):
        schema = self.schema(
            ENUM + POINT + "{ 'union': 'U', 'base': { 't': 'E' }, 'discriminator': 't', "
            "'data': { 'b': 'Point' } }\n{ 'command': 'c', 'data': { '*l': [ 'U' ] } }")
        self.assertEqual(emit_introspect.describe(schema), [
            {'name': 'c', 'meta-type': 'command', 'arg-type': '1', 'ret-type': '0'},
            {'name': '1', 'meta-type': 'object',
             'members': [{'name': 'l', 'type': '[2]', 'default': None}]},
            {'name': '0', 'meta-type': 'object', 'members': []},
            {'name': '2', 'meta-type': 'object', 'members': [{'name': 't', 'type': '3'}],
             'tag': 't', 'variants': [{'case': 'a', 'type': '0'}, {'case': 'b', 'type': '4'}]},
            {'name': '[2]', 'meta-type': 'array', 'element-type': '2'},
            {'name': '3', 'meta-type': 'enum', 'members': [{'name': 'a'}, {'name': 'b'}],
             'values': ['a', 'b']},
            {'name': '4', 'meta-type': 'object', 'members': [{'name': 'x', 'type': 'int'}]},
            {'name': 'int', 'meta-type': 'builtin', 'json-type': 'int'},
        ])


class ReferencePage(unittest.TestCase):
    def test_page_is_that_of_the_schema(self):
        with open(PAGE, encoding='utf-8') as stream:
            kept = stream.read()
        self.assertEqual(kept, emit_docs.page_text(build_schema(read_schema(SCHEMA))),
                         'run "ninja qmp-ref" in the build folder')

    def test_links_lead_somewhere(self):
        with open(PAGE, encoding='utf-8') as stream:
            text = stream.read()
        headings = {line[4:].lower() for line in text.splitlines() if line.startswith('### ')}
        for target in re.findall(r'\]\(#([^)]+)\)', text):
            self.assertIn(target, headings)


if __name__ == '__main__':
    unittest.main()
