# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-visit-*: visit_type_X() of every type."""

from .model import BUILTINS, Alternate, Enum, Object


def pointer_visit(name):
    """Declaration and definition for a type that C holds by pointer."""
    head = f'bool visit_type_{name}(Visitor *v, const char *name, {name} **obj, Error **errp)'
    return head + ';\n', (f'{head}\n{{\n'
                          f'    return qapi_visit_type(v, name, (void **)obj, &qapi_type_{name}, '
                          'errp);\n}\n')


def enum_visit(name):
    head = f'bool visit_type_{name}(Visitor *v, const char *name, {name} *obj, Error **errp)'
    return head + ';\n', (f'{head}\n{{\n'
                          '    int value = *obj;\n'
                          f'    bool ok = visit_type_enum(v, name, &value, &{name}_lookup, errp);\n'
                          '\n    *obj = value;\n    return ok;\n}\n')


def members_visit(name):
    head = f'bool visit_type_{name}_members(Visitor *v, {name} *obj, Error **errp)'
    return head + ';\n', (f'{head}\n{{\n'
                          f'    return qapi_visit_members(v, obj, &qapi_type_{name}, errp);\n}}\n')


def _files(output, stem, title, types_header):
    header = output.c_file(f'{stem}.h', title)
    header.include('qapi/visitor.h', types_header)
    source = output.c_file(f'{stem}.c', title)
    source.include(f'{stem}.h')
    return header, source


def _add(files, texts):
    for file, text in zip(files, texts):
        file.add(text)


def emit_builtin(output):
    files = _files(output, 'qapi-builtin-visit', "Visits of lists of the schema language's own types.",
                   'qapi-builtin-types.h')
    for type_ in BUILTINS.values():
        _add(files, pointer_visit(f'{type_.c_base}List'))


def emit_module(output, module):
    files = _files(output, f'qapi-visit-{module.name}', f'Visits of types of qapi/{module.name}.json.',
                   f'qapi-types-{module.name}.h')
    files[0].include('qapi-builtin-visit.h',
                     *(f'qapi-visit-{name}.h' for name in module.includes))
    for type_ in module.of_kind(Enum, Object, Alternate):
        _add(files, enum_visit(type_.c_base) if isinstance(type_, Enum)
             else pointer_visit(type_.c_base))
        _add(files, pointer_visit(f'{type_.c_base}List'))
        if isinstance(type_, Object):
            _add(files, members_visit(type_.c_base))


def emit(output, schema):
    emit_builtin(output)
    for module in schema.modules:
        emit_module(output, module)
    output.umbrella('qapi-visit', [module.name for module in schema.modules])
