# SPDX-License-Identifier: GPL-2.0-or-later
"""From names of the schema to names in C."""

import re

# Words that C, its common libraries or compilers claim; members of these names get a prefix.
CLAIMED = frozenset('''
    asm auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary
    _Noreturn _Static_assert _Thread_local typeof
    and and_eq bitand bitor bool catch class compl const_cast delete dynamic_cast explicit false
    friend mutable namespace new not not_eq operator or or_eq private protected public
    reinterpret_cast static_cast template this throw true try typeid typename using virtual wchar_t
    xor xor_eq
    unix errno mips sparc i386 linux
'''.split())

NAME = re.compile(r'(__[a-z0-9.-]+_)?[A-Za-z][A-Za-z0-9_-]*$')


def c_name(name, protect=True):
    """@name as a C identifier."""
    text = re.sub(r'[^A-Za-z0-9_]', '_', name)
    if protect and (text in CLAIMED or text[:1].isdigit()):
        return 'q_' + text
    return text


def camel_to_upper(name):
    """CamelCase as UPPER_CASE: BlockExportType, JSONType, BlkdebugIOType."""
    text = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    text = re.sub(r'([A-Z])([A-Z][a-z])', r'\1_\2', text)
    return c_name(text, False).upper()


def c_enum_const(enum_name, value, prefix=None):
    """The constant for @value of an enumeration."""
    return f'{prefix or camel_to_upper(enum_name)}_{c_name(value, False).upper()}'


def c_string(text):
    """@text as a C string literal."""
    out = []
    for char in text:
        if char in '"\\':
            out.append('\\' + char)
        elif ' ' <= char <= '~':
            out.append(char)
        else:
            out.extend(f'\\{byte:03o}' for byte in char.encode())
    return '"' + ''.join(out) + '"'


def valid_name(name):
    return bool(NAME.match(name))
