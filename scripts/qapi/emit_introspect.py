# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-introspect: the answer of query-qmp-schema as a constant.

Names of types are numbers there, so that nobody comes to rely on them; the types are listed in the
order in which commands and events need them.
"""

from .model import Alternate, Array, Builtin, Command, Enum, Event, Object
from .names import c_string


class Entries:
    """The list, and the types that are still to be described."""

    def __init__(self):
        self.list = []
        self._types = []
        self._numbers = {}

    def name(self, type_):
        """What @type_ is called in the list."""
        if isinstance(type_, Builtin):
            known = 'int' if type_.json_type == 'int' else type_.name
            self._need(known, type_)
            return known
        if isinstance(type_, Array):
            known = f'[{self.name(type_.element)}]'
            self._need(known, type_)
            return known
        if type_ is None or (isinstance(type_, Object) and type_.empty):
            self._need('0', None)
            return '0'
        if type_ not in self._numbers:
            # 0 is the object without members
            self._numbers[type_] = str(len(self._numbers) + 1)
            self._need(self._numbers[type_], type_)
        return self._numbers[type_]

    def _need(self, name, type_):
        if all(name != other for other, _ in self._types):
            self._types.append((name, type_))

    def add(self, name, meta, features=(), **rest):
        entry = {'name': name, 'meta-type': meta}
        entry.update({key.replace('_', '-'): value for key, value in rest.items()})
        if features:
            entry['features'] = list(features)
        self.list.append(entry)

    def add_types(self):
        """Describing one may bring up others."""
        at = 0
        while at < len(self._types):
            self._add_type(*self._types[at])
            at += 1

    def _add_type(self, name, type_):
        if type_ is None:
            self.add(name, 'object', members=[])
        elif isinstance(type_, Builtin):
            self.add(name, 'builtin', json_type=type_.json_type)
        elif isinstance(type_, Array):
            self.add(name, 'array', element_type=self.name(type_.element))
        elif isinstance(type_, Enum):
            members = [_with_features({'name': v.name}, v.features) for v in type_.values]
            self.add(name, 'enum', type_.features, members=members, values=type_.names())
        elif isinstance(type_, Alternate):
            members = [{'type': self.name(b.type)} for b in type_.branches]
            self.add(name, 'alternate', type_.features, members=members)
        else:
            self._add_object(name, type_)

    def _add_object(self, name, type_):
        members = []
        for member in type_.members:
            entry = {'name': member.name, 'type': self.name(member.type)}
            if member.optional:
                entry['default'] = None
            members.append(_with_features(entry, member.features))
        rest = {}
        if type_.variants:
            rest['tag'] = type_.tag.name
            rest['variants'] = [{'case': case, 'type': self.name(type_.variants.get(case))}
                                for case in type_.tag.type.names()]
        self.add(name, 'object', [] if type_.implicit else type_.features, members=members, **rest)


def _with_features(entry, features):
    if features:
        entry['features'] = list(features)
    return entry


def describe(schema):
    """The answer as Python values."""
    entries = Entries()
    for item in schema.of_kind(Command, Event):
        if isinstance(item, Event):
            entries.add(item.name, 'event', item.features, arg_type=entries.name(item.arg))
            continue
        rest = {'allow_oob': True} if 'allow-oob' in item.options else {}
        entries.add(item.name, 'command', item.features, arg_type=entries.name(item.arg),
                    ret_type=entries.name(item.ret), **rest)
    entries.add_types()
    return entries.list


def literal(value, indent=0):
    """@value as the initializer of a QLitObject."""
    pad = '    ' * indent
    if value is None:
        return '{ .type = QTYPE_QNULL }'
    if isinstance(value, bool):
        return f'{{ .type = QTYPE_QBOOL, .value.qbool = {str(value).lower()} }}'
    if isinstance(value, str):
        return f'{{ .type = QTYPE_QSTRING, .value.qstr = {c_string(value)} }}'
    if isinstance(value, list):
        rows = [f'{pad}    {literal(element, indent + 1)},' for element in value]
        inner = '\n'.join(['(const QLitObject[]){', *rows, f'{pad}    {{ .type = QTYPE_NONE }},',
                           f'{pad}}}'])
        return f'{{ .type = QTYPE_QLIST, .value.qlist = {inner} }}'
    rows = [f'{pad}    {{ {c_string(key)}, {literal(element, indent + 1)} }},'
            for key, element in value.items()]
    inner = '\n'.join(['(const QLitDictEntry[]){', *rows, f'{pad}    {{ .key = NULL }},', f'{pad}}}'])
    return f'{{ .type = QTYPE_QDICT, .value.qdict = {inner} }}'


def emit(output, schema):
    title = 'What query-qmp-schema answers.'
    header = output.c_file('qapi-introspect.h', title)
    header.include('qobject/qlit.h')
    header.add('extern const QLitObject qmp_schema_qlit;\n')
    source = output.c_file('qapi-introspect.c', title)
    source.include('qapi-introspect.h')
    source.add(f'const QLitObject qmp_schema_qlit = {literal(describe(schema))};\n')
