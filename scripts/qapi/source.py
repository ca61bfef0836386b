# SPDX-License-Identifier: GPL-2.0-or-later
"""A schema file as a list of expressions, each with its place and its documentation.

The notation is JSON with strings in single quotes, and comments that begin with '#'. A comment block
that stands between two lines '##' documents the expression that follows it.
"""

import os
import re

from .docs import parse_doc
from .errors import Place, SchemaError

TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+)
  | (?P<newline>\n)
  | (?P<doc>\#\#\n(?:[ ]*\#(?!\#).*\n|[ ]*\#\n)*?[ ]*\#\#(?=\n|$))
  | (?P<comment>\#[^\n]*)
  | (?P<string>'[^'\n]*')
  | (?P<word>true|false)
  | (?P<mark>[{}\[\]:,])
""", re.VERBOSE)

END = ('end', '', 0)


class Expression:
    """One top-level object of a schema file."""

    def __init__(self, value, place, doc):
        self.value = value
        self.place = place
        self.doc = doc


class SourceFile:
    """The expressions and free texts of one file."""

    def __init__(self, path, text):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self._tokens = list(self._split(text))
        self._at = 0
        self.items = []
        self._parse()

    def _place(self, line):
        return Place(self.path, line)

    def _split(self, text):
        line, pos = 1, 0
        while pos < len(text):
            match = TOKEN.match(text, pos)
            if not match:
                raise SchemaError(self._place(line), f'unexpected character {text[pos]!r}')
            kind = match.lastgroup
            if kind in ('doc', 'string', 'word', 'mark'):
                yield (kind, match.group(), line)
            line += match.group().count('\n')
            pos = match.end()

    def _peek(self):
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _next(self):
        token = self._peek()
        self._at += 1
        return token

    def _fail(self, token, wanted):
        line = token[2] or (self._tokens[-1][2] if self._tokens else 1)
        found = 'the end of the file' if token is END else f'"{token[1].splitlines()[0]}"'
        raise SchemaError(self._place(line), f'expected {wanted}, found {found}')

    def _expect_mark(self, mark):
        token = self._next()
        if token[:2] != ('mark', mark):
            self._fail(token, f'"{mark}"')
        return token

    def _parse(self):
        doc = None
        while self._peek() is not END:
            kind, text, line = self._peek()
            if kind == 'doc':
                self._next()
                if doc and doc.name:
                    raise SchemaError(doc.place, f"documentation of '{doc.name}' without definition")
                doc = parse_doc(text, self._place(line))
                if not doc.name:
                    self.items.append(doc)
                    doc = None
                continue
            if text != '{':
                self._fail(self._peek(), 'an object')
            self.items.append(Expression(self._object(), self._place(line), doc))
            doc = None
        if doc:
            raise SchemaError(doc.place, f"documentation of '{doc.name}' without definition")

    def _value(self):
        token = self._next()
        kind, text, _ = token
        if kind == 'string':
            return text[1:-1]
        if kind == 'word':
            return text == 'true'
        if text == '{' and kind == 'mark':
            self._at -= 1
            return self._object()
        if text == '[' and kind == 'mark':
            return self._list()
        return self._fail(token, 'a string, object, list, true or false')

    def _list(self):
        values = []
        if self._peek()[:2] == ('mark', ']'):
            self._next()
            return values
        while True:
            values.append(self._value())
            token = self._next()
            if token[:2] == ('mark', ']'):
                return values
            if token[:2] != ('mark', ','):
                self._fail(token, '"," or "]"')

    def _object(self):
        self._expect_mark('{')
        members = {}
        if self._peek()[:2] == ('mark', '}'):
            self._next()
            return members
        while True:
            token = self._next()
            if token[0] != 'string':
                self._fail(token, 'a string')
            key = token[1][1:-1]
            if key in members:
                raise SchemaError(self._place(token[2]), f"key '{key}' occurs twice")
            self._expect_mark(':')
            members[key] = self._value()
            token = self._next()
            if token[:2] == ('mark', '}'):
                return members
            if token[:2] != ('mark', ','):
                self._fail(token, '"," or "}"')


def read_schema(path):
    """All files that @path includes, itself last, each once, in the order of inclusion."""
    files, on_the_way = {}, []

    def visit(name, place):
        key = os.path.normpath(name)
        if key in on_the_way:
            raise SchemaError(place, f"'{os.path.basename(name)}' includes itself")
        if key in files:
            return files[key]
        try:
            with open(name, encoding='utf-8') as stream:
                text = stream.read()
        except OSError as err:
            raise SchemaError(place, f"cannot read '{name}': {err.strerror}") from err
        on_the_way.append(key)
        source = SourceFile(name, text)
        source.includes = []
        for item in source.items:
            if isinstance(item, Expression) and 'include' in item.value:
                target = item.value['include']
                if not isinstance(target, str) or len(item.value) != 1:
                    raise SchemaError(item.place, "'include' takes the name of a file and nothing else")
                source.includes.append(
                    visit(os.path.join(os.path.dirname(name), target), item.place))
        on_the_way.pop()
        files[key] = source
        return source

    visit(path, Place(path, 1))
    return list(files.values())
