# SPDX-License-Identifier: GPL-2.0-or-later
"""qapi-events-*: qapi_event_send_X() of every event; qapi-emit-events: their enumeration."""

from .emit_commands import parameters
from .emit_types import enum_declaration, enum_lookup, type_ref
from .model import Event
from .names import c_enum_const, c_name, c_string


def sender(event):
    """Declaration and definition of the function that sends @event."""
    params = parameters(event.arg, event.boxed)
    head = f'void qapi_event_send_{c_name(event.name.lower(), False)}({", ".join(params) or "void"})'
    number = c_enum_const('QAPIEvent', event.name, 'QAPI_EVENT')
    name = c_string(event.name)
    body = []
    arg, type_ = 'NULL', 'NULL'
    if params and event.boxed:
        arg, type_ = 'arg', type_ref(event.arg)
    elif params:
        body = [f'    {event.arg.c_base} arg = {{']
        for member in event.arg.members:
            if member.has:
                flag = 'has_' + c_name(member.name, False)
                body.append(f'        .{flag} = {flag},')
            cast = '(char *)' if member.type.name == 'str' else ''
            body.append(f'        .{member.c_name} = {cast}{member.c_name},')
        body += ['    };', '']
        arg, type_ = '&arg', type_ref(event.arg)
    body.append(f'    qapi_event_emit({number}, {name}, {arg}, {type_});')
    return head + ';\n', '\n'.join([head, '{', *body, '}', ''])


def emit_module(output, module):
    title = f'Events of qapi/{module.name}.json.'
    header = output.c_file(f'qapi-events-{module.name}.h', title)
    header.include(f'qapi-types-{module.name}.h')
    source = output.c_file(f'qapi-events-{module.name}.c', title)
    source.include('qapi/qmp-event.h', 'qapi-emit-events.h', f'qapi-events-{module.name}.h')
    for event in module.of_kind(Event):
        declaration, definition = sender(event)
        header.add(declaration)
        source.add(definition)


def emit(output, schema):
    modules = [m for m in schema.modules if m.of_kind(Event)]
    for module in modules:
        emit_module(output, module)
    output.umbrella('qapi-events', [module.name for module in modules])
    title = 'The events by number.'
    names = [event.name for event in schema.of_kind(Event)]
    header = output.c_file('qapi-emit-events.h', title)
    header.include('qapi/util.h')
    header.add(enum_declaration('QAPIEvent', names, 'QAPI_EVENT'))
    source = output.c_file('qapi-emit-events.c', title)
    source.include('qapi-emit-events.h')
    source.add(enum_lookup('QAPIEvent', names, 'QAPI_EVENT'))
