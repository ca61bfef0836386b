# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-types-*: the C types, how to free them, and what describes them at run time."""

from .model import BUILTINS, Alternate, Command, Enum, Event, Object
from .names import c_enum_const, c_name, c_string

KNOWN_FEATURES = ('deprecated', 'unstable', 'own')


def feature_bits(features):
    bits = [f'1u << QAPI_FEATURE_{f.upper()}' for f in features if f in KNOWN_FEATURES]
    return ' | '.join(bits) or '0'


def implicit_objects(module):
    """The argument types that the module's commands and events need."""
    return [item.arg for item in module.of_kind(Command, Event)
            if item.arg and item.arg.implicit and item.arg.own]


def type_names(type_):
    """The C declaration of @type_ and its list as names only."""
    return (f'typedef struct {type_.c_base} {type_.c_base};\n' if not isinstance(type_, Enum)
            else '')


def enum_declaration(name, values, prefix):
    lines = [f'typedef enum {name} {{']
    lines += [f'    {c_enum_const(name, value, prefix)},' for value in values]
    lines += [f'    {c_enum_const(name, "_max", prefix)},', f'}} {name};', '',
              f'#define {name}_str(val) qapi_enum_lookup(&{name}_lookup, (val))', '',
              f'extern const QEnumLookup {name}_lookup;']
    return '\n'.join(lines) + '\n'


def enum_lookup(name, values, prefix, features=None):
    def table(c_type, entries):
        rows = [f'        [{c_enum_const(name, value, prefix)}] = {text},' for value, text in entries]
        return '\n'.join([f'({c_type}[]){{', *rows, '    },'])

    lines = [f'const QEnumLookup {name}_lookup = {{',
             '    .array = ' + table('const char *const', [(v, c_string(v)) for v in values])]
    if features and any(features.values()):
        entries = [(v, feature_bits(features[v])) for v in values if features[v]]
        lines.append('    .features = ' + table('const uint64_t', entries))
    lines += [f'    .size = {c_enum_const(name, "_max", prefix)},', '};']
    return '\n'.join(lines) + '\n'


def member_fields(members):
    lines = []
    for member in members:
        if member.has:
            lines.append(f'    bool has_{c_name(member.name, False)};')
        value = member.type.c_value()
        space = '' if value.endswith('*') else ' '
        lines.append(f'    {value}{space}{member.c_name};')
    return lines


def branch_fields(branches):
    """The C union of a union or alternate: objects lie in it."""
    lines = ['    union {']
    for case, type_ in branches:
        value = type_.c_base if isinstance(type_, Object) else type_.c_value()
        space = '' if value.endswith('*') else ' '
        lines.append(f'        {value}{space}{c_name(case)};')
    return lines + ['    } u;']


def struct_definition(type_):
    name = type_.c_base
    lines = [f'struct {name} {{']
    if isinstance(type_, Alternate):
        lines.append('    QType type;')
        lines += branch_fields([(b.name, b.type) for b in type_.branches])
    else:
        lines += member_fields(type_.members)
        branches = [(case, t) for case, t in type_.variants.items() if not t.empty]
        if branches:
            lines += branch_fields(branches)
        if len(lines) == 1:
            lines.append('    char empty; /* a struct must have a member */')
    lines.append('};')
    return '\n'.join(lines) + '\n'


def list_declaration(c_base, value):
    space = '' if value.endswith('*') else ' '
    return (f'typedef struct {c_base}List {c_base}List;\n'
            f'struct {c_base}List {{\n'
            f'    {c_base}List *next;\n'
            f'    {value}{space}value;\n'
            f'}};\n\n' + free_declaration(f'{c_base}List'))


def free_declaration(name):
    return (f'extern const QapiType qapi_type_{name};\n'
            f'void qapi_free_{name}({name} *obj);\n'
            f'G_DEFINE_AUTOPTR_CLEANUP_FUNC({name}, qapi_free_{name})\n')


def free_definition(name):
    return (f'void qapi_free_{name}({name} *obj)\n'
            '{\n'
            f'    qapi_free_type(obj, &qapi_type_{name});\n'
            '}\n')


def type_ref(type_):
    return f'&qapi_type_{type_.c_base}'


def list_description(element):
    name = f'{element.c_base}List'
    return (f'const QapiType qapi_type_{name} = {{\n'
            f'    .name = {c_string("[" + element.name + "]")},\n'
            '    .kind = QAPI_KIND_LIST,\n'
            f'    .size = sizeof({name}),\n'
            f'    .element = {type_ref(element)},\n'
            '};\n')


def enum_description(enum):
    name = enum.c_base
    return (f'const QapiType qapi_type_{name} = {{\n'
            f'    .name = {c_string(name)},\n'
            '    .kind = QAPI_KIND_ENUM,\n'
            f'    .size = sizeof({name}),\n'
            f'    .lookup = &{name}_lookup,\n'
            '};\n')


def member_rows(type_):
    rows = []
    for member in type_.members:
        field = f'offsetof({type_.c_base}, {member.c_name})'
        has = f'offsetof({type_.c_base}, has_{c_name(member.name, False)})' if member.has else '0'
        optional = 'true' if member.optional else 'false'
        rows.append(f'    {{ {c_string(member.name)}, {type_ref(member.type)}, '
                    f'{c_string(member.doc)}, {field},\n      {has}, {optional}, '
                    f'{feature_bits(member.features)} }},')
    return rows


def object_description(type_):
    name = type_.c_base
    head = []
    fields = [f'.name = {c_string(type_.name)}', '.kind = QAPI_KIND_OBJECT',
              f'.size = sizeof({name})']
    if type_.members:
        head += [f'static const QapiMember {name}_members[] = {{', *member_rows(type_), '};', '']
        fields += [f'.members = {name}_members', f'.n_members = ARRAY_SIZE({name}_members)']
    branches = {case: t for case, t in type_.variants.items() if not t.empty}
    if branches:
        tag = type_.tag.type
        head.append(f'static const QapiType *const {name}_variants[] = {{')
        head += [f'    [{c_enum_const(tag.name, case, tag.prefix)}] = {type_ref(t)},'
                 for case, t in branches.items()]
        head += ['};', '']
        index = [m.name for m in type_.members].index(type_.tag.name)
        fields += [f'.tag = {index}', f'.variants = {name}_variants',
                   f'.n_variants = ARRAY_SIZE({name}_variants)',
                   f'.variants_offset = offsetof({name}, u)']
    return description(name, head, fields)


def alternate_description(type_):
    name = type_.c_base
    head = [f'static const QapiType *const {name}_variants[] = {{']
    head += [f'    [QTYPE_{b.type.qtype}] = {type_ref(b.type)},' for b in type_.branches]
    head += ['};', '']
    return description(name, head, [
        f'.name = {c_string(name)}', '.kind = QAPI_KIND_ALTERNATE', f'.size = sizeof({name})',
        f'.variants = {name}_variants', f'.n_variants = ARRAY_SIZE({name}_variants)',
        f'.variants_offset = offsetof({name}, u)'])


def description(name, head, fields):
    body = [f'    {field},' for field in fields]
    return '\n'.join([*head, f'const QapiType qapi_type_{name} = {{', *body, '};']) + '\n'


def in_order(types):
    """@types so that what lies inside of another one comes before it."""
    done, todo = [], {t.name: t for t in types}

    def place(type_):
        if type_.name not in todo:
            return
        del todo[type_.name]
        inside = type_.variants.values() if isinstance(type_, Object) else \
            [b.type for b in type_.branches]
        for inner in inside:
            place(inner)
        done.append(type_)

    for type_ in types:
        place(type_)
    return done


def emit_builtin(output):
    header = output.c_file('qapi-builtin-types.h', 'Lists of the schema language\'s own types.')
    header.include('qapi/type-info.h')
    source = output.c_file('qapi-builtin-types.c', 'Lists of the schema language\'s own types.')
    source.include('qapi-builtin-types.h')
    for type_ in BUILTINS.values():
        header.add(list_declaration(type_.c_base, type_.c_value()))
        source.add(list_description(type_))
        source.add(free_definition(f'{type_.c_base}List'))


def emit_module(output, module):
    header = output.c_file(f'qapi-types-{module.name}.h', f'Types of qapi/{module.name}.json.')
    header.include('qapi-builtin-types.h',
                   *(f'qapi-types-{name}.h' for name in module.includes))
    source = output.c_file(f'qapi-types-{module.name}.c', f'Types of qapi/{module.name}.json.')
    source.include(f'qapi-types-{module.name}.h')
    enums = module.of_kind(Enum)
    types = module.of_kind(Object, Alternate)
    implicit = implicit_objects(module)
    for enum in enums:
        header.add(enum_declaration(enum.c_base, enum.names(), enum.prefix) +
                   f'extern const QapiType qapi_type_{enum.c_base};\n')
        features = {value.name: value.features for value in enum.values}
        source.add(enum_lookup(enum.c_base, enum.names(), enum.prefix, features))
        source.add(enum_description(enum))
    header.add(''.join(type_names(type_) for type_ in types + implicit))
    for type_ in enums + types:
        header.add(list_declaration(type_.c_base, type_.c_value()))
        source.add(list_description(type_))
        source.add(free_definition(f'{type_.c_base}List'))
    for type_ in in_order(types + implicit):
        header.add(struct_definition(type_))
        named = not type_.implicit
        header.add(free_declaration(type_.c_base) if named else
                   f'extern const QapiType qapi_type_{type_.c_base};\n')
        source.add(alternate_description(type_) if isinstance(type_, Alternate)
                   else object_description(type_))
        if named:
            source.add(free_definition(type_.c_base))


def emit(output, schema):
    emit_builtin(output)
    for module in schema.modules:
        emit_module(output, module)
    output.umbrella('qapi-types', [module.name for module in schema.modules])
