# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference page, in Markdown."""

import re

from .docs import Doc
from .model import Alternate, Array, Builtin, Command, Enum, Event, Object

INTRO = '''<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
<!-- Made by scripts/qapi-gen.py from qapi/*.json: change those, then run "ninja qmp-ref". -->
# QMP reference of qemu-storage-daemon

Every command, event and type of the monitor's protocol, and of the command line's structured
options (`--blockdev` takes [BlockdevOptions](#blockdevoptions), `--export`
[BlockExportOptions](#blockexportoptions), `--object` [ObjectOptions](#objectoptions), `--monitor`
[MonitorOptions](#monitoroptions)). Names are those of QEMU; "ours" marks what QEMU does not have.
'''

KINDS = [(Command, 'command'), (Event, 'event'), (Enum, 'enumeration'), (Alternate, 'alternate'),
         (Object, 'object')]


def kind_of(definition):
    if isinstance(definition, Object) and definition.variants:
        return 'union'
    return next(text for kind, text in KINDS if isinstance(definition, kind))


def type_link(type_):
    """@type_ in running text."""
    if isinstance(type_, Array):
        return f'list of {type_link(type_.element)}'
    if isinstance(type_, Builtin):
        return type_.name
    return f'[{type_.name}](#{type_.name.lower()})'


def markup(lines):
    """Text of the schema as Markdown: @name becomes code."""
    text = '\n'.join(line.strip() if line.strip() else '' for line in lines)
    return re.sub(r'@([A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]|[A-Za-z0-9_])', r'`\1`', text)


def one_line(lines):
    return ' '.join(markup(lines).split())


def first_upper(text):
    return text[:1].upper() + text[1:]


class Page:
    def __init__(self):
        self.parts = [INTRO]

    def paragraph(self, text):
        if text.strip():
            self.parts.append(text.strip('\n') + '\n')

    def items(self, title, lines):
        if lines:
            self.paragraph(f'{title}:\n\n' + '\n'.join(f'- {line}' for line in lines))

    def text(self):
        return '\n'.join(self.parts)


def member_line(member, doc):
    optional = ', optional' if member.optional else ''
    about = one_line(doc.members.get(member.name, ['']))
    features = ''.join(f' ({feature})' for feature in member.features)
    return f'`{member.name}` ({type_link(member.type)}{optional}){features}: {about}'


def object_lines(obj, doc):
    lines = []
    members = list(obj.own)
    if obj.base and obj.base.implicit:
        members = obj.base.own + members
    elif obj.base:
        lines.append(f'the members of {type_link(obj.base)}')
    lines += [member_line(member, doc) for member in members]
    for case, branch in obj.variants.items():
        lines.append(f'if `{obj.tag.name}` is `{case}`: the members of {type_link(branch)}')
    return lines


def argument_lines(definition):
    arg = definition.arg
    if arg is None:
        return []
    if arg.implicit:
        return object_lines(arg, definition.doc)
    return [f'the members of {type_link(arg)}']


def add_contents(page, definition):
    doc = definition.doc
    if isinstance(definition, (Command, Event)):
        title = 'Arguments' if isinstance(definition, Command) else 'Data'
        page.items(title, argument_lines(definition))
    elif isinstance(definition, Enum):
        page.items('Values', [f'`{value.name}`'
                              + ''.join(f' ({feature})' for feature in value.features)
                              + f': {one_line(doc.members[value.name])}'
                              for value in definition.values])
    elif isinstance(definition, Alternate):
        page.items('One of', [f'{type_link(b.type)}: {one_line(doc.members[b.name])}'
                              for b in definition.branches])
    else:
        page.items('Members', object_lines(definition, doc))


def bullet_lines(lines):
    """The items of a section that is written as a list."""
    items = []
    for line in lines:
        if line.strip().startswith('- '):
            items.append([line.strip()[2:]])
        elif line.strip() and items:
            items[-1].append(line)
    return [one_line(item) for item in items]


def add_sections(page, definition):
    doc = definition.doc
    if isinstance(definition, Command) and definition.ret:
        about = one_line(doc.sections.get('Returns', ['']))
        page.paragraph(f'Returns {type_link(definition.ret)}' + (f': {about}' if about else ''))
    page.items('Errors', bullet_lines(doc.sections.get('Errors', [])))
    page.items('Features', [f'`{name}`: {one_line(lines)}' for name, lines in doc.features.items()])
    if 'Example' in doc.sections:
        example = '\n'.join(line.strip() for line in doc.sections['Example'] if line.strip())
        page.paragraph(f'Example:\n\n```\n{example}\n```')
    if 'Since' in doc.sections:
        page.paragraph(f'Since QEMU {one_line(doc.sections["Since"])}')


def page_text(schema):
    page = Page()
    for module in schema.modules:
        for item in module.items:
            if isinstance(item, Doc):
                page.paragraph(f'## {item.heading}')
                page.paragraph(markup(item.body))
                continue
            page.paragraph(f'### {item.name}')
            page.paragraph(f'*{first_upper(kind_of(item))}.* ' + markup(item.doc.body)
                           if item.doc.body else f'*{first_upper(kind_of(item))}.*')
            add_contents(page, item)
            add_sections(page, item)
    return page.text()
