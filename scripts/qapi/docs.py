# SPDX-License-Identifier: GPL-2.0-or-later
"""Documentation blocks: what stands between two lines '##'."""

import re

from .errors import SchemaError

ENTRY = re.compile(r'@([A-Za-z0-9_][A-Za-z0-9_.-]*):(?:\s+(.*))?$')
SECTION = re.compile(r'(Since|Returns|Errors|Features|Example)(::?)(?:\s+(.*))?$')


class Doc:
    """The description of one definition, or (without a name) a heading and free text."""

    def __init__(self, place):
        self.place = place
        self.name = None
        self.heading = None
        self.body = []
        self.members = {}
        self.features = {}
        self.sections = {}

    def first_sentence(self, member):
        """One line about @member for help texts."""
        text = ' '.join(line.strip() for line in self.members.get(member, []) if line)
        text = re.sub(r'@([A-Za-z0-9_-]+)', r'\1', text)
        return re.split(r'[;(]|\. ', text)[0].strip().rstrip('.')


class _Reader:
    """Puts each line where it belongs."""

    def __init__(self, doc):
        self.doc = doc
        self.lines = doc.body
        self.entries = doc.members

    def take(self, line, place):
        entry = ENTRY.match(line)
        section = SECTION.match(line)
        if entry:
            self._start_entry(entry, place)
        elif section:
            self._start_section(section, place)
        else:
            self.lines.append(line)

    def _start_entry(self, entry, place):
        name = entry.group(1)
        if name in self.entries:
            raise SchemaError(place, f"'@{name}' is described twice")
        self.lines = self.entries[name] = [entry.group(2) or '']

    def _start_section(self, section, place):
        title = section.group(1)
        if title in self.doc.sections:
            raise SchemaError(place, f"section '{title}' occurs twice")
        self.lines = self.doc.sections[title] = [section.group(3) or '']
        if title == 'Features':
            self.entries = self.doc.features


def _strip(lines):
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)


def parse_doc(text, place):
    """A Doc from the text of a block, with its '##' lines."""
    doc = Doc(place)
    lines = [line.strip()[1:] for line in text.splitlines()[1:-1]]
    lines = [line[1:] if line.startswith(' ') else line for line in lines]
    _strip(lines)
    if not lines:
        raise SchemaError(place, 'empty documentation')
    start = ENTRY.match(lines[0])
    if start and not start.group(2):
        doc.name = start.group(1)
    elif lines[0].startswith('= '):
        doc.heading = lines[0][2:].strip()
    else:
        raise SchemaError(place, "documentation begins with '@NAME:' or with '= HEADING'")
    reader = _Reader(doc)
    for line in lines[1:]:
        if doc.name:
            reader.take(line, place)
        else:
            doc.body.append(line)
    for part in (doc.body, *doc.members.values(), *doc.features.values(), *doc.sections.values()):
        _strip(part)
    return doc
