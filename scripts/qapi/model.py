# SPDX-License-Identifier: GPL-2.0-or-later
"""A schema in which every name is resolved."""

from .names import c_name


class Builtin:
    """A type that the language brings along."""

    implicit = False

    def __init__(self, name, c_type, kind, json_type, qtype):
        self.name = name
        self.c_type = c_type
        self.kind = kind
        self.json_type = json_type
        self.qtype = qtype
        self.module = None

    @property
    def c_base(self):
        return self.name

    def c_value(self, const=False):
        return f'const {self.c_type}' if const and self.name == 'str' else self.c_type

    @property
    def pointer(self):
        return self.name in ('str', 'any', 'null')


INTEGERS = [(name, f'{name}_t', name.upper()) for name in
            ('int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64')]

BUILTINS = {t.name: t for t in [
    Builtin('str', 'char *', 'STR', 'string', 'QSTRING'),
    Builtin('number', 'double', 'NUMBER', 'number', 'QNUM'),
    Builtin('int', 'int64_t', 'INT64', 'int', 'QNUM'),
    *(Builtin(name, c_type, kind, 'int', 'QNUM') for name, c_type, kind in INTEGERS),
    Builtin('size', 'uint64_t', 'SIZE', 'int', 'QNUM'),
    Builtin('bool', 'bool', 'BOOL', 'boolean', 'QBOOL'),
    Builtin('any', 'QObject *', 'ANY', 'value', None),
    Builtin('null', 'QNull *', 'NULL', 'null', 'QNULL'),
]}


class Member:
    """A member of an object, or a branch of an alternate."""

    def __init__(self, name, type_, optional=False, features=()):
        self.name = name
        self.type = type_
        self.optional = optional
        self.features = list(features)
        self.doc = ''

    @property
    def c_name(self):
        return c_name(self.name)

    @property
    def has(self):
        """Whether C needs a flag to tell that the member is there."""
        return self.optional and not self.type.pointer


class Definition:
    """What all named things of a schema have."""

    implicit = False

    def __init__(self, name, place, doc):
        self.name = name
        self.place = place
        self.doc = doc
        self.features = []
        self.module = None


class Type(Definition):
    """A type of the schema's own."""

    pointer = True

    @property
    def c_base(self):
        return c_name(self.name)

    def c_value(self, const=False):
        return f'{self.c_base} *'


class EnumValue:
    def __init__(self, name, features=()):
        self.name = name
        self.features = list(features)


class Enum(Type):
    pointer = False
    qtype = 'QSTRING'

    def __init__(self, name, place, doc, values, prefix=None):
        super().__init__(name, place, doc)
        self.values = values
        self.prefix = prefix

    def c_value(self, const=False):
        return self.c_base

    def names(self):
        return [value.name for value in self.values]


class Array:
    """A list of some type; there is one of each."""

    implicit = False
    pointer = False  # an empty list and no list are both NULL, so an optional one needs a flag
    qtype = 'QLIST'

    def __init__(self, element):
        self.element = element

    @property
    def name(self):
        return f'[{self.element.name}]'

    @property
    def module(self):
        return self.element.module

    @property
    def c_base(self):
        return self.element.c_base + 'List'

    def c_value(self, const=False):
        return f'{self.c_base} *'


class Object(Type):
    qtype = 'QDICT'

    def __init__(self, name, place, doc):
        super().__init__(name, place, doc)
        self.base = None
        self.own = []
        self.tag = None
        self.variants = {}

    @property
    def members(self):
        return (self.base.members if self.base else []) + self.own

    @property
    def empty(self):
        return not self.members and not self.variants

    def has_variants(self):
        return bool(self.variants)


class ImplicitObject(Object):
    """Arguments that are written where they are used, or the base of a union."""

    implicit = True

    @property
    def c_base(self):
        return 'q_obj_' + c_name(self.name, False)


class Alternate(Type):
    qtype = None

    def __init__(self, name, place, doc):
        super().__init__(name, place, doc)
        self.branches = []


class Command(Definition):
    def __init__(self, name, place, doc):
        super().__init__(name, place, doc)
        self.arg = None
        self.boxed = False
        self.ret = None
        self.gen = True
        self.options = set()


class Event(Definition):
    def __init__(self, name, place, doc):
        super().__init__(name, place, doc)
        self.arg = None
        self.boxed = False


class Module:
    """What one file defines, in its order; @items has the free texts, too."""

    def __init__(self, name, includes):
        self.name = name
        self.includes = includes
        self.items = []

    def of_kind(self, *kinds):
        return [item for item in self.items if isinstance(item, kinds)]

    @property
    def empty(self):
        return not self.of_kind(Definition)


class Schema:
    """Everything; the modules that define nothing of their own are left out."""

    def __init__(self, modules, arrays):
        empty = {module.name for module in modules if module.empty}
        self.modules = [module for module in modules if not module.empty]
        self.arrays = arrays
        for module in self.modules:
            module.includes = [name for name in module.includes if name not in empty]

    def of_kind(self, *kinds):
        return [item for module in self.modules for item in module.of_kind(*kinds)]
