#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure how much hangs together, and fail when more of it does than before.

Measured from the text, so that it needs no build:
- for each folder, the largest circle of .c files by what they use of each
  other: every file of a circle reaches every other one; 0 when there is none;
- the largest circle of headers by #include;
- the members of the structs in STRUCTS, and how many of those are bool;
- the lines that ask for CONFIG_DEVICE_BACKENDS, the files that have them, and
  the most that one file has.

scripts/house.json remembers the numbers. They may only fall.

usage: check-house.py [--write]   (--write remembers what fell and what is new)
"""
import collections
import json
import os
import pathlib
import re
import sys

# A file belongs to the longest of these that its path begins with.
FOLDERS = ['block', 'block/export', 'chardev', 'contrib', 'io', 'monitor', 'qapi', 'qobject', 'qom',
           'storage-daemon', 'subprojects/libvhost-user', 'trace', 'util']
HEADERS = 'include'
STRUCTS = ['VuServer', 'VuVirtq']
SWITCH = 'CONFIG_DEVICE_BACKENDS'
MEMORY = pathlib.Path('scripts/house.json')

NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
# In the layout of our style a function's body, and nothing else, begins with a brace in column 0.
HEAD = re.compile(r'^([A-Za-z_][^;{}#]*?)\n\{', re.M)
NAME = re.compile(r'([A-Za-z_]\w*)\s*\(')
# A member of that name is not the function.
WORD = re.compile(r'(?<![\w.])(?<!->)[A-Za-z_]\w*')


def sources():
    """path -> text of each C file of the house, tests apart."""
    found = {}
    for top in sorted({folder.split('/')[0] for folder in FOLDERS} | {HEADERS}):
        for path in sorted(pathlib.Path(top).rglob('*')):
            if path.name.endswith(('.c', '.h', '.c.inc')):
                found[path.as_posix()] = path.read_text(encoding='utf-8', errors='replace')
    return found


def folder_of(path):
    return max((folder for folder in FOLDERS if path.startswith(folder + '/')), key=len, default=None)


def with_parts(path, tree):
    """The text of a .c file and of the *.c.inc that it includes."""
    text = tree[path]
    for name in INCLUDE.findall(text):
        part = os.path.normpath(os.path.join(os.path.dirname(path), name))
        if name.endswith('.c.inc') and part in tree:
            text += tree[part]
    return text


def bare(text):
    """The text without comments, strings and directives."""
    return DIRECTIVE.sub('', NOISE.sub(' ', text))


def exported(text):
    """Names of the functions of a bare text that other files can use."""
    names = set()
    for head in HEAD.findall(text):
        name = NAME.search(re.sub(r'__attribute__\s*\(\(.*?\)\)|\b[A-Z_]+\s*\([^()]*\)', '', head))
        if name and not re.search(r'\bstatic\b', head):
            names.add(name.group(1))
    return names


def largest_circle(arrows):
    """The sorted names of the largest set in which each reaches each, or []; arrows: name -> names."""
    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for name in arrows.get(todo.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen

    reach = {name: reached(name) for name in arrows}
    circles = [sorted(other for other in reach[name] if name in reach.get(other, ()))
               for name in sorted(arrows)]
    return max(circles, key=len, default=[])


def file_circle(folder, tree):
    texts = {path: bare(with_parts(path, tree)) for path in tree
             if path.endswith('.c') and folder_of(path) == folder}
    home = collections.defaultdict(set)
    for path, text in texts.items():
        for name in exported(text):
            home[name].add(path)
    arrows = {}
    for path, text in texts.items():
        used = set().union(*(home[word] for word in set(WORD.findall(text)) if word in home))
        # Two files that define one name are two builds' variants of it, or two programs.
        mine = {other for name in exported(text) for other in home[name]}
        arrows[path] = used - mine - {path}
    return largest_circle(arrows)


def header_circle(tree):
    arrows = {}
    for path in (path for path in tree if path.endswith('.h')):
        tries = [place for name in INCLUDE.findall(tree[path])
                 for place in (os.path.join(os.path.dirname(path), name), f'{HEADERS}/{name}', name)]
        arrows[path] = {os.path.normpath(place) for place in tries} & set(tree) - {path}
    return largest_circle(arrows)


def members(name, tree):
    """(declared members, those of type bool) of the struct, or None if it is defined nowhere."""
    for text in tree.values():
        start = re.search(r'\bstruct\s+' + name + r'\s*\{', text)
        if not start:
            continue
        text, depth, end = bare(text[start.end():]), 1, 0
        while depth and end < len(text):
            depth += {'{': 1, '}': -1}.get(text[end], 0)
            end += 1
        # Members of a struct or union that is written inside count, too: they hide nothing.
        lines = [re.sub(r'\([^()]*\)', '', re.sub(r'\([^()]*\)', '', line)).strip()
                 for line in re.split(r'[;{}]', text[:end - 1])]
        lines = [line for line in lines if line and not re.fullmatch(r'(struct|union)(\s+\w+)?', line)]
        counts = [(1 + line.count(','), bool(re.match(r'((const|volatile)\s+)*(bool|_Bool)\b', line)))
                  for line in lines]
        return sum(n for n, _ in counts), sum(n for n, is_bool in counts if is_bool)
    return None


def measure(tree):
    """(numbers by name, what makes a number up, by name)"""
    numbers, parts = {}, {}
    for what, circle in [(f'largest circle of .c files in {folder}', file_circle(folder, tree))
                         for folder in FOLDERS] + [('largest circle of headers', header_circle(tree))]:
        numbers[what], parts[what] = len(circle), circle
    for name in STRUCTS:
        count = members(name, tree)
        if count is None:
            raise SystemExit(f'no struct {name} is defined; let STRUCTS name what took its place')
        numbers[f'members of struct {name}'], numbers[f'bool members of struct {name}'] = count
    asks = {path: len(re.findall(r'^\s*#\s*(?:el)?if.*\b' + SWITCH + r'\b', text, re.M))
            for path, text in tree.items()}
    asks = {path: count for path, count in asks.items() if count}
    numbers[f'lines that ask for {SWITCH}'] = sum(asks.values())
    numbers[f'files that ask for {SWITCH}'] = len(asks)
    most = f'most lines of one file that ask for {SWITCH}'
    numbers[most] = max(asks.values(), default=0)
    parts[most] = sorted(path for path in asks if asks[path] == numbers[most])
    return numbers, parts


def main():
    numbers, parts = measure(sources())
    known = json.loads(MEMORY.read_text(encoding='utf-8')) if MEMORY.exists() else {}
    risen = [name for name in numbers if numbers[name] > known.get(name, numbers[name])]
    changed = [name for name in {**known, **numbers}
               if known.get(name) != numbers.get(name) and name not in risen]
    for name in risen:
        print(f'{name}: {known[name]} before, {numbers[name]} now; it may only fall'
              + ''.join(f'\n    {part}' for part in parts.get(name, [])))
    if '--write' in sys.argv[1:] and changed:
        # What rose stays as it was.
        kept = {name: min(number, known.get(name, number)) for name, number in numbers.items()}
        MEMORY.write_text(json.dumps(kept, indent=2) + '\n', encoding='utf-8')
        changed = []
    for name in changed:
        print(f'{name}: {known.get(name, "unknown")} before, {numbers.get(name, "not measured")} now; '
              'scripts/check-house.py --write remembers it')
    if not risen and not changed:
        print('\n'.join(f'{name}: {number}' for name, number in numbers.items()))
    return 1 if risen or changed else 0


if __name__ == '__main__':
    sys.exit(main())
