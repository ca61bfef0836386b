# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a schema, and where."""


class Place:
    """A line of a schema file, and the definition it belongs to."""

    def __init__(self, path, line, what=None):
        self.path = path
        self.line = line
        self.what = what

    def within(self, what):
        return Place(self.path, self.line, what)

    def __str__(self):
        where = f'{self.path}:{self.line}'
        return f'{where}: {self.what}' if self.what else where


class SchemaError(Exception):
    """Shown to whoever wrote the schema: the place, then a sentence."""

    def __init__(self, place, text):
        super().__init__(f'{place}: {text}')
        self.place = place
