# SPDX-License-Identifier: GPL-2.0-or-later
"""C files: a head, includes, a guard, and a body."""

import os

HEAD = ('/* SPDX-License-Identifier: GPL-2.0-or-later */\n'
        '/* {title} Made by scripts/qapi-gen.py: do not edit. */\n')


class CFile:
    """One file that is being written."""

    def __init__(self, name, title):
        self.name = name
        self.title = title
        self.includes = []
        self._parts = []

    def include(self, *names):
        for name in names:
            if name not in self.includes:
                self.includes.append(name)

    def add(self, text):
        self._parts.append(text)

    def text(self):
        out = [HEAD.format(title=self.title)]
        body = '\n'.join(part.rstrip('\n') + '\n' for part in self._parts)
        includes = ''.join(f'#include "{name}"\n' for name in self.includes)
        if not self.name.endswith('.h'):
            return '\n'.join([*out, '#include "qemu/osdep.h"\n' + includes, body])
        guard = self.name.upper().replace('-', '_').replace('.', '_')
        out.append(f'#ifndef {guard}\n#define {guard}\n')
        if includes:
            out.append(includes)
        return '\n'.join([*out, body, '#endif\n'])


class Output:
    """All files, written at the end, those that have not changed left alone."""

    def __init__(self):
        self._files = {}

    def c_file(self, name, title):
        self._files[name] = CFile(name, title)
        return self._files[name]

    def umbrella(self, stem, modules):
        """@stem.h, which includes the headers of all modules."""
        header = self.c_file(f'{stem}.h', 'All modules.')
        header.include(*(f'{stem}-{name}.h' for name in modules))

    def names(self):
        return sorted(self._files)

    def write(self, directory):
        for name, file in self._files.items():
            write_if_changed(os.path.join(directory, name), file.text())


def write_if_changed(path, text):
    try:
        with open(path, encoding='utf-8') as stream:
            if stream.read() == text:
                return
    except OSError:
        pass
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)
