# SPDX-License-Identifier: GPL-2.0-or-later
"""From expressions to a Schema: checks every rule of the language, resolves every name."""

from . import rules
from .docs import Doc
from .errors import SchemaError
from .model import (BUILTINS, Alternate, Array, Command, Enum, EnumValue, Event,
                    ImplicitObject, Member, Module, Object, Schema)
from .rules import Pragmas
from .source import Expression

KINDS = {
    'enum': Enum,
    'struct': Object,
    'union': Object,
    'alternate': Alternate,
    'command': Command,
    'event': Event,
}


class Builder:
    """One pass collects the names, the second one fills in what they mean."""

    def __init__(self, sources):
        self._sources = sources
        self._types = {}
        self._names = {}
        self._arrays = {}
        self._pending = []
        self._pragmas = Pragmas()

    def build(self):
        modules = [self._collect(source) for source in self._sources]
        for definition, kind, raw in self._pending:
            getattr(self, f'_fill_{kind}')(definition, raw)
        for definition, kind, raw in self._pending:
            rules.check_filled(definition, kind, self._pragmas)
        return Schema(modules, list(self._arrays.values()))

    # names

    def _collect(self, source):
        module = Module(source.name, [other.name for other in source.includes])
        for item in source.items:
            if isinstance(item, Doc):
                module.items.append(item)
            elif isinstance(item, Expression):
                self._collect_expression(module, item)
        return module

    def _collect_expression(self, module, item):
        if 'include' in item.value:
            return
        if 'pragma' in item.value:
            self._pragmas.add(item.value, item.place)
            return
        kind = next((kind for kind in KINDS if kind in item.value), None)
        if not kind:
            raise SchemaError(item.place, 'an expression begins with ' + ', '.join(
                f"'{word}'" for word in ('include', 'pragma', *KINDS)))
        name = item.value[kind]
        if not isinstance(name, str):
            raise SchemaError(item.place, f"the name of the {kind} must be a string")
        place = item.place.within(f"{kind} '{name}'")
        rules.check_keys(item.value, kind, place)
        rules.check_name(kind, name, place, self._pragmas)
        if item.doc and item.doc.name != name:
            raise SchemaError(place, f"the documentation above it is of '{item.doc.name}'")
        if not item.doc and self._pragmas.doc_required:
            raise SchemaError(place, 'documentation is missing')
        definition = KINDS[kind](*((name, place, item.doc, []) if kind == 'enum'
                                   else (name, place, item.doc)))
        definition.module = module
        self._enter(definition, kind)
        module.items.append(definition)
        self._pending.append((definition, kind, item.value))

    def _enter(self, definition, kind):
        is_type = kind not in ('command', 'event')
        key = ('type' if is_type else kind, definition.name)
        if key in self._names or (is_type and definition.name in BUILTINS):
            other = self._names.get(key)
            where = f' at {other.place.path}:{other.place.line}' if other else ''
            raise SchemaError(definition.place, f"'{definition.name}' is defined already{where}")
        self._names[key] = definition
        if is_type:
            self._types[definition.name] = definition

    def _type(self, raw, place, what):
        if isinstance(raw, list):
            if len(raw) != 1 or not isinstance(raw[0], str):
                raise SchemaError(place, f'{what}: a list names exactly one type')
            element = self._type(raw[0], place, what)
            return self._arrays.setdefault(element.name, Array(element))
        if not isinstance(raw, str):
            raise SchemaError(place, f"{what}: the type must be a name, or a list of one name")
        found = BUILTINS.get(raw) or self._types.get(raw)
        if not found:
            raise SchemaError(place, f"{what}: there is no type '{raw}'")
        return found

    def _object(self, raw, place, what):
        found = self._type(raw, place, what)
        if not isinstance(found, Object):
            raise SchemaError(place, f"{what}: '{raw}' is no struct or union")
        return found

    # members

    def _members(self, raw, place, pragmas_name):
        if not isinstance(raw, dict):
            raise SchemaError(place, "the members must be an object")
        members = []
        for key, spec in raw.items():
            optional = key.startswith('*')
            name = key[1:] if optional else key
            what = f"member '{name}'"
            rules.check_member_name(name, place, pragmas_name, self._pragmas)
            features = []
            if isinstance(spec, dict):
                rules.check_only(spec, {'type'}, {'features'}, place, what)
                features = rules.features(spec, place, what)
                spec = spec['type']
            members.append(Member(name, self._type(spec, place, what), optional, features))
        return members

    def _arguments(self, definition, raw, suffix):
        """The arguments of a command, the data of an event, the base of a union."""
        data = raw
        if data is None:
            return None
        if isinstance(data, str):
            return self._object(data, definition.place, "'data'" if suffix != 'base' else "'base'")
        holder = ImplicitObject(f'{definition.name}-{suffix}', definition.place, definition.doc)
        holder.module = definition.module
        holder.own = self._members(data, definition.place, definition.name)
        return holder

    # one method a kind of definition

    def _fill_enum(self, enum, raw):
        enum.features = rules.features(raw, enum.place)
        enum.prefix = raw.get('prefix')
        if not isinstance(raw['data'], list):
            raise SchemaError(enum.place, "'data' must be a list")
        for value in raw['data']:
            features = []
            if isinstance(value, dict):
                rules.check_only(value, {'name'}, {'features'}, enum.place, 'a value')
                features = rules.features(value, enum.place, f"value '{value['name']}'")
                value = value['name']
            if not isinstance(value, str):
                raise SchemaError(enum.place, 'a value must be a string')
            if value in enum.names():
                raise SchemaError(enum.place, f"value '{value}' occurs twice")
            rules.check_enum_value(value, enum.place, enum.name, self._pragmas)
            enum.values.append(EnumValue(value, features))

    def _fill_struct(self, struct, raw):
        struct.features = rules.features(raw, struct.place)
        if 'base' in raw:
            struct.base = self._object(raw['base'], struct.place, "'base'")
        struct.own = self._members(raw['data'], struct.place, struct.name)

    def _fill_union(self, union, raw):
        union.features = rules.features(raw, union.place)
        union.base = self._arguments(union, raw['base'], 'base')
        tag = next((m for m in union.base.members if m.name == raw['discriminator']), None)
        if not tag:
            raise SchemaError(union.place,
                              f"the base has no member '{raw['discriminator']}' to decide by")
        if not isinstance(tag.type, Enum) or tag.optional:
            raise SchemaError(union.place, f"the discriminator '{tag.name}' must be an enumeration "
                              'that is not optional')
        union.tag = tag
        if not isinstance(raw['data'], dict) or not raw['data']:
            raise SchemaError(union.place, "'data' must be an object with a branch at least")
        for case, target in raw['data'].items():
            if case not in raw_names(tag.type, self._pending):
                raise SchemaError(union.place,
                                  f"branch '{case}' is no value of '{tag.type.name}'")
            union.variants[case] = self._object(target, union.place, f"branch '{case}'")

    def _fill_alternate(self, alternate, raw):
        alternate.features = rules.features(raw, alternate.place)
        taken = {}
        if not isinstance(raw['data'], dict) or not raw['data']:
            raise SchemaError(alternate.place, "'data' must be an object with a branch at least")
        for case, target in raw['data'].items():
            type_ = self._type(target, alternate.place, f"branch '{case}'")
            if type_.qtype is None:
                raise SchemaError(alternate.place, f"branch '{case}' cannot be of type '{target}'")
            if type_.qtype in taken:
                raise SchemaError(alternate.place, f"branch '{case}' cannot be told from branch "
                                  f"'{taken[type_.qtype]}'")
            taken[type_.qtype] = case
            alternate.branches.append(Member(case, type_))

    def _fill_command(self, command, raw):
        command.features = rules.features(raw, command.place)
        command.boxed = raw.get('boxed', False)
        command.arg = self._arguments(command, raw.get('data'), 'arg')
        command.gen = raw.get('gen', True)
        if 'returns' in raw:
            command.ret = self._type(raw['returns'], command.place, "'returns'")
        command.options = {key for key in rules.COMMAND_OPTIONS if raw.get(key)}
        if raw.get('success-response') is False:
            command.options.add('no-success-response')
        rules.check_boxed(command)

    def _fill_event(self, event, raw):
        event.features = rules.features(raw, event.place)
        event.boxed = raw.get('boxed', False)
        event.arg = self._arguments(event, raw.get('data'), 'arg')
        rules.check_boxed(event)


def raw_names(enum, pending):
    """The values of @enum, whether it has been filled yet or not."""
    for definition, _, raw in pending:
        if definition is enum:
            return [v['name'] if isinstance(v, dict) else v for v in raw['data']]
    return enum.names()


def build_schema(sources):
    return Builder(sources).build()
