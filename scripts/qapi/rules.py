# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of the schema language, each with the sentence that tells of its violation."""

import re

from .errors import SchemaError
from .model import Alternate, Array, Command, Enum, Event, Object
from .names import c_name, valid_name

# kind -> (keys that must be there, keys that may be there)
KEYS = {
    'enum': ({'enum', 'data'}, {'prefix', 'features'}),
    'struct': ({'struct', 'data'}, {'base', 'features'}),
    'union': ({'union', 'base', 'discriminator', 'data'}, {'features'}),
    'alternate': ({'alternate', 'data'}, {'features'}),
    'command': ({'command'}, {'data', 'returns', 'boxed', 'gen', 'success-response', 'allow-oob',
                              'allow-preconfig', 'coroutine', 'features'}),
    'event': ({'event'}, {'data', 'boxed', 'features'}),
}

COMMAND_OPTIONS = ('allow-oob', 'allow-preconfig', 'coroutine')
FLAGS = ('boxed', 'gen', 'success-response', *COMMAND_OPTIONS)

NAME_FORMS = {
    'event': (r'[A-Z][A-Z0-9_]*$', 'UPPER_CASE'),
    'command': (r'(x-)?[a-z][a-z0-9-]*$', 'lower-case-with-dashes'),
    'type': (r'[A-Z][A-Za-z0-9]*$', 'CamelCase'),
    'member': (r'(x-)?[a-z0-9][a-z0-9-]*$', 'lower-case-with-dashes'),
}


class Pragmas:
    """What the schema says about itself."""

    LISTS = ('command-name-exceptions', 'command-returns-exceptions', 'member-name-exceptions')

    def __init__(self):
        self.doc_required = False
        self.lists = {name: set() for name in self.LISTS}

    def add(self, expression, place):
        pragma = expression['pragma']
        if len(expression) != 1 or not isinstance(pragma, dict):
            raise SchemaError(place, "'pragma' takes an object and nothing else")
        for key, value in pragma.items():
            if key == 'doc-required' and isinstance(value, bool):
                self.doc_required = value
            elif key in self.lists and isinstance(value, list):
                self.lists[key].update(value)
            else:
                raise SchemaError(place, f"pragma '{key}' is unknown, or of another type")

    def excuses(self, which, name):
        return name in self.lists[f'{which}-exceptions']


def check_only(raw, required, optional, place, what):
    """@raw has all keys of @required and none beyond those and @optional."""
    for key in sorted(required - raw.keys()):
        raise SchemaError(place, f"{what}: key '{key}' is missing")
    for key in raw:
        if key not in required | optional:
            raise SchemaError(place, f"{what}: key '{key}' is unknown")


def check_keys(raw, kind, place):
    check_only(raw, *KEYS[kind], place, f'this {kind}')
    for key in FLAGS:
        if key in raw and not isinstance(raw[key], bool):
            raise SchemaError(place, f"'{key}' must be true or false")


def _check_form(form, name, place, what):
    pattern, text = NAME_FORMS[form]
    if not re.match(pattern, name):
        raise SchemaError(place, f'{what} is not {text}')


def check_name(kind, name, place, pragmas):
    if not valid_name(name):
        raise SchemaError(place, f"'{name}' is no valid name")
    form = kind if kind in ('command', 'event') else 'type'
    if kind == 'command' and pragmas.excuses('command-name', name):
        return
    _check_form(form, name, place, f"'{name}'")
    if form == 'type' and re.search(r'(Kind|List)$', name) and kind != 'enum':
        raise SchemaError(place, f"'{name}': names that end in Kind or List are the generator's")


def check_member_name(name, place, owner, pragmas):
    if not valid_name(name) or c_name(name, False) == 'u' or \
            c_name(name, False).startswith('has_'):
        raise SchemaError(place, f"member '{name}': no valid name")
    if not pragmas.excuses('member-name', owner):
        _check_form('member', name, place, f"member '{name}'")


def check_enum_value(value, place, owner, pragmas):
    if not re.match(r'[A-Za-z0-9][A-Za-z0-9_.-]*$', value) or value.lower() == 'max':
        raise SchemaError(place, f"value '{value}': no valid name")
    if not pragmas.excuses('member-name', owner):
        _check_form('member', value, place, f"value '{value}'")


def features(raw, place, what='this definition'):
    """The names in raw['features']."""
    found = raw.get('features', [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise SchemaError(place, f"{what}: 'features' must be a list of names")
    for name in found:
        if not valid_name(name) or found.count(name) > 1:
            raise SchemaError(place, f"{what}: feature '{name}' is no valid name, or occurs twice")
    return found


def check_boxed(definition):
    if definition.boxed and (definition.arg is None or definition.arg.implicit):
        raise SchemaError(definition.place, "'boxed' needs the name of a type as 'data'")
    if definition.arg and definition.arg.has_variants() and not definition.boxed:
        raise SchemaError(definition.place, "a union as 'data' needs 'boxed'")


def _check_object(obj, pragmas):
    seen = {}
    ancestor = obj.base
    while ancestor:
        if ancestor is obj:
            raise SchemaError(obj.place, 'it is its own base')
        ancestor = ancestor.base
    sets = [('', obj.members)]
    sets += [(f" of branch '{case}'", t.members) for case, t in obj.variants.items()]
    for whose, members in sets:
        for member in members:
            other = seen.get(member.c_name)
            if other is not None and (not whose or other == ''):
                raise SchemaError(obj.place, f"member '{member.name}'{whose} is there already")
            seen[member.c_name] = whose
    for case, branch in obj.variants.items():
        if branch.variants:
            raise SchemaError(obj.place, f"branch '{case}' cannot be a union itself")


def _check_alternate(alternate, _pragmas):
    for branch in alternate.branches:
        if isinstance(branch.type, Alternate):
            raise SchemaError(alternate.place, f"branch '{branch.name}' cannot be an alternate")


def _check_command(command, pragmas):
    ret = command.ret
    if ret is None or pragmas.excuses('command-returns', command.name):
        return
    inner = ret.element if isinstance(ret, Array) else ret
    if not isinstance(inner, Object):
        raise SchemaError(command.place, "'returns' must be an object, or a list of objects")


def _documented(definition):
    """The names that a definition's documentation has to describe."""
    if isinstance(definition, Enum):
        return definition.names(), definition.values
    if isinstance(definition, Alternate):
        return [b.name for b in definition.branches], definition.branches
    if isinstance(definition, Object):
        own = list(definition.own)
        if definition.base and definition.base.implicit:
            own = definition.base.own + own
    else:
        own = definition.arg.own if definition.arg and definition.arg.implicit else []
    return [m.name for m in own], own


def _check_doc(definition):
    doc = definition.doc
    if not doc:
        return
    names, members = _documented(definition)
    for name in names:
        if name not in doc.members:
            raise SchemaError(definition.place, f"'@{name}' is not documented")
    for name in doc.members:
        if name not in names:
            raise SchemaError(definition.place, f"the documentation describes '@{name}', "
                              'which is not there')
    used = set(definition.features)
    for member in members:
        used.update(member.features)
        if not isinstance(definition, Enum):
            member.doc = doc.first_sentence(member.name)
    for name in sorted(used - doc.features.keys()):
        raise SchemaError(definition.place, f"feature '{name}' is not documented")
    for name in sorted(doc.features.keys() - used):
        raise SchemaError(definition.place, f"the documentation describes feature '{name}', "
                          'which is not there')


CHECKS = [(Object, _check_object), (Alternate, _check_alternate), (Command, _check_command)]


def check_filled(definition, _kind, pragmas):
    """What can be said only once every name is resolved."""
    for kind, check in CHECKS:
        if isinstance(definition, kind):
            check(definition, pragmas)
    if isinstance(definition, (Command, Event)) and definition.arg and definition.arg.implicit:
        _check_object(definition.arg, pragmas)
    _check_doc(definition)
