# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-commands-*: what implements a command, and how QMP reaches it; qapi-init-commands."""

from .model import Command
from .names import c_name, c_string
from .emit_types import feature_bits, type_ref

OPTIONS = {
    'no-success-response': 'QCO_NO_SUCCESS_RESP',
    'allow-oob': 'QCO_ALLOW_OOB',
    'allow-preconfig': 'QCO_ALLOW_PRECONFIG',
    'coroutine': 'QCO_COROUTINE',
}


def join_type(c_type, name):
    return f'{c_type}{name}' if c_type.endswith('*') else f'{c_type} {name}'


def parameters(arg, boxed):
    """The C parameters that hand over @arg, a list of declarations."""
    if arg is None or arg.empty:
        return []
    if boxed:
        return [f'{arg.c_base} *arg']
    result = []
    for member in arg.members:
        if member.has:
            result.append(f'bool has_{c_name(member.name, False)}')
        result.append(join_type(member.type.c_value(const=True), member.c_name))
    return result


def arguments(arg, boxed):
    """The C expressions for those parameters, from a struct 'arg'."""
    if arg is None or arg.empty:
        return []
    if boxed:
        return ['arg']
    result = []
    for member in arg.members:
        if member.has:
            result.append(f'arg->has_{c_name(member.name, False)}')
        result.append(f'arg->{member.c_name}')
    return result


def prototype(command):
    ret = command.ret.c_value() if command.ret else 'void'
    # From the command line it is called outside of coroutines.
    coroutine = 'coroutine_mixed_fn ' if 'coroutine' in command.options else ''
    params = parameters(command.arg, command.boxed) + ['Error **errp']
    return coroutine + join_type(ret, f'qmp_{c_name(command.name, False)}({", ".join(params)})')


def call_thunk(command):
    name = c_name(command.name, False)
    args = arguments(command.arg, command.boxed)
    coroutine = 'coroutine_fn ' if 'coroutine' in command.options else ''
    lines = [f'static void {coroutine}call_{name}(void *args, void *ret, Error **errp)', '{']
    if args:
        lines += [f'    {command.arg.c_base} *arg = args;', '']
    call = f'qmp_{name}({", ".join(args + ["errp"])})'
    if command.ret:
        call = f'*({join_type(command.ret.c_value(), "*")})ret = {call}'
    return '\n'.join([*lines, f'    {call};', '}', ''])


def marshal(command):
    name = c_name(command.name, False)
    arg = type_ref(command.arg) if command.arg and not command.arg.empty else '&qapi_type_empty'
    ret = type_ref(command.ret) if command.ret else 'NULL'
    return (f'void qmp_marshal_{name}(QDict *args, QObject **ret, Error **errp)\n'
            '{\n'
            f'    static const QmpMarshal marshal = {{ {arg}, {ret}, call_{name} }};\n'
            '\n'
            '    qmp_marshal(&marshal, args, ret, errp);\n'
            '}\n')


def emit_module(output, module):
    title = f'Commands of qapi/{module.name}.json.'
    header = output.c_file(f'qapi-commands-{module.name}.h', title)
    header.include(f'qapi-types-{module.name}.h', 'qobject/qdict.h')
    source = output.c_file(f'qapi-commands-{module.name}.c', title)
    source.include('qapi/qmp-marshal.h', f'qapi-commands-{module.name}.h')
    for command in module.of_kind(Command):
        if not command.gen:
            continue
        header.add(f'{prototype(command)};\n'
                   f'void qmp_marshal_{c_name(command.name, False)}(QDict *args, QObject **ret, '
                   'Error **errp);\n')
        source.add(call_thunk(command))
        source.add(marshal(command))


def register(command):
    options = [flag for option, flag in OPTIONS.items() if option in command.options]
    return (f'    qmp_register_command(cmds, {c_string(command.name)},\n'
            f'                         qmp_marshal_{c_name(command.name, False)},\n'
            f'                         {" | ".join(options) or "0"}, '
            f'{feature_bits(command.features)});')


def emit(output, schema):
    modules = [m for m in schema.modules if m.of_kind(Command)]
    for module in modules:
        emit_module(output, module)
    output.umbrella('qapi-commands', [module.name for module in modules])
    title = 'All commands that are made by the generator.'
    header = output.c_file('qapi-init-commands.h', title)
    header.include('qapi/qmp-registry.h')
    head = 'void qmp_init_marshal(QmpCommandList *cmds)'
    header.add(head + ';\n')
    source = output.c_file('qapi-init-commands.c', title)
    source.include('qapi-init-commands.h', 'qapi-commands.h')
    rows = [register(c) for c in schema.of_kind(Command) if c.gen]
    source.add('\n'.join([head, '{', '    QTAILQ_INIT(cmds);', *rows, '}', '']))
