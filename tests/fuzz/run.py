#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds fuzz targets, runs them, keeps their corpus small, measures what it covers."""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CORPUS = os.path.join(HERE, 'corpus')

# name -> folder, meson options, compiler
BUILDS = {
    'libfuzzer': ('build-fuzz', ['-Dfuzz=libfuzzer', '-Db_sanitize=address,undefined',
                                 '-Db_lundef=false', '-Dc_args=-fsanitize=fuzzer-no-link'],
                  'clang'),
    'afl': ('build-afl', ['-Dfuzz=afl', '-Db_sanitize=address,undefined', '-Db_lundef=false'],
            'afl-clang-fast'),
    'coverage': ('build-fuzz-cov', ['-Dc_args=-fprofile-instr-generate -fcoverage-mapping',
                                    '-Dc_link_args=-fprofile-instr-generate'], 'clang'),
}

# target -> the files that it is about, by patterns from the top; longest input, bytes
TARGETS = {
    'vhost-user': (['subprojects/libvhost-user/v*.c'], 1024),
    'iotlb': (['subprojects/libvhost-user/vu-iotlb.c', 'subprojects/libvhost-user/vu-miss.c',
               'subprojects/libvhost-user/vu-xlate.c'], 1024),
    'ring-packed': (['subprojects/libvhost-user/virtq*.c'], 1024),
    'vhost-user-blk': (['util/vhost-user-server*.c', 'block/export/v*.c'], 1024),
    'ring-split': (['subprojects/libvhost-user/virtq*.c', 'block/export/virtio-blk-handler.c'],
                   1024),
    'qmp': (['monitor/*.c', 'qapi/qmp-*.c', 'qapi/qobject-*.c', 'qobject/*.c'], 4096),
    'options': (['storage-daemon/options.c', 'util/keyval.c', 'qapi/qobject-*.c',
                 'block/open.c'], 2048),
}

SANITIZERS = {
    # A small quarantine, so that the memory stays small; leaks are looked for at the end.
    'ASAN_OPTIONS': 'detect_leaks=1:quarantine_size_mb=16:abort_on_error=1:symbolize=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1:abort_on_error=1',
}
# afl-fuzz wants to see crashes itself, and its own symbols.
AFL_ENV = {
    'AFL_SKIP_CPUFREQ': '1', 'AFL_NO_AFFINITY': '1', 'AFL_NO_UI': '1',
    'AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES': '1',
    'ASAN_OPTIONS': 'abort_on_error=1:symbolize=0:detect_leaks=0',
    'UBSAN_OPTIONS': 'halt_on_error=1:abort_on_error=1:symbolize=0',
}


def run(command, check=True, **options):
    """Runs a command; its output where ours goes."""
    env = {**os.environ, **options.pop('env', {})}
    return subprocess.run(command, check=check, env=env, **options)


def build(kind, target, work):
    """A copy of the program of @target in build @kind, up to date: the tree may change meanwhile."""
    folder, options, compiler = BUILDS[kind]
    path = os.path.join(TOP, folder)
    env = {'CC': compiler, 'AFL_QUIET': '1', 'LLVM_PROFILE_FILE': '/dev/null'}
    if not os.path.exists(os.path.join(path, 'build.ninja')):
        run(['meson', 'setup', path, TOP, *options], env=env, stdout=subprocess.DEVNULL)
    name = f'tests/fuzz/fuzz-{target}'
    run(['ninja', '-C', path, '--quiet', name], env=env)
    return shutil.copy(os.path.join(path, name), os.path.join(work, f'{target}.{kind}'))


def dictionary(folder):
    """What QMP and options are made of: every name of the schema."""
    words = {'true', 'false', 'null', 'help', 'execute', 'arguments', 'id', 'on', 'off'}
    for schema in glob.glob(os.path.join(TOP, 'qapi/*.json')):
        with open(schema, encoding='utf-8') as file:
            text = re.sub(r'#.*', '', file.read())
        words.update(re.findall(r"'\*?([a-z][-_a-z0-9]+)'", text))
    path = os.path.join(folder, 'dictionary')
    with open(path, 'w', encoding='ascii') as file:
        file.writelines(f'"{word}"\n' for word in sorted(words))
    return path


def worker_arguments(target, folder):
    """What makes a libFuzzer of @target find something soon."""
    longest = TARGETS[target][1]
    # Its symbolizer, and what it prints, would look like descriptors that an input left open.
    arguments = [f'-max_len={longest}', '-print_funcs=0', '-timeout=20', '-close_fd_mask=3']
    if target in ('qmp', 'options'):
        arguments += [f'-dict={dictionary(folder)}', '-only_ascii=0']
    return arguments


def fuzz(target, options):
    """Runs libFuzzer; new inputs go into the working folder."""
    program = build('libfuzzer', target, options.work)
    work = os.path.join(options.work, target)
    os.makedirs(work, exist_ok=True)
    status = run([program, *worker_arguments(target, options.work), '-print_final_stats=1',
                  f'-max_total_time={options.seconds}', f'-artifact_prefix={work}.found-',
                  work, os.path.join(CORPUS, target)], check=False, env=SANITIZERS).returncode
    report_finds(glob.glob(f'{work}.found-*'))
    return status


def fuzz_afl(target, options):
    """Runs afl-fuzz; what it adds goes into the working folder too."""
    program = build('afl', target, options.work)
    out = os.path.join(options.work, f'{target}.afl-out')
    seeds = os.path.join(CORPUS, target)
    command = ['afl-fuzz', '-i', seeds, '-o', out, '-V', str(options.seconds), '-m', 'none',
               '-t', '2000+']
    if target in ('qmp', 'options'):
        command += ['-x', dictionary(options.work)]
    env = dict(AFL_ENV)
    if os.path.isdir(os.path.join(out, 'default/queue')):
        env['AFL_AUTORESUME'] = '1'
    status = run([*command, '--', program], check=False, env=env,
                 stdout=subprocess.DEVNULL).returncode
    with open(os.path.join(out, 'default/fuzzer_stats'), encoding='ascii') as file:
        for line in file:
            if re.match(r'(execs_done|run_time|edges_found|total_edges|bitmap_cvg|saved_)', line):
                print(line.strip())
    work = os.path.join(options.work, target)
    os.makedirs(work, exist_ok=True)
    for path in glob.glob(os.path.join(out, 'default/queue/id*')):
        shutil.copy(path, os.path.join(work, os.path.basename(path).split(',')[0].replace(':', '-')))
    report_finds(glob.glob(os.path.join(out, 'default/crashes/id*')) +
                 glob.glob(os.path.join(out, 'default/hangs/id*')))
    return status


def report_finds(paths):
    """Says what was found."""
    print(f'finds: {len(paths)}')
    for path in sorted(paths):
        print(f'  {path}')


def merge(target, options):
    """Takes into the corpus what covers more, smallest first; seeds and finds stay."""
    program = build('libfuzzer', target, options.work)
    corpus = os.path.join(CORPUS, target)
    work = os.path.join(options.work, target)
    keep = {name for name in os.listdir(corpus) if name.startswith(('seed-', 'found-'))}
    with tempfile.TemporaryDirectory() as best:
        for name in keep:
            shutil.copy(os.path.join(corpus, name), best)
        sources = [folder for folder in (corpus, work) if os.path.isdir(folder)]
        run([program, '-set_cover_merge=1', *worker_arguments(target, options.work), best,
             *sources], env=SANITIZERS, stderr=subprocess.DEVNULL)
        chosen = sorted((path for path in glob.glob(os.path.join(best, '*'))
                         if os.path.basename(path) not in keep), key=os.path.getsize)
        for name in set(os.listdir(corpus)) - keep:
            os.unlink(os.path.join(corpus, name))
        total = 0
        for path in chosen:
            total += os.path.getsize(path)
            if total > options.limit * 1024:
                break
            shutil.copy(path, os.path.join(corpus, os.path.basename(path)[:16]))
    sizes = [os.path.getsize(path) for path in glob.glob(os.path.join(corpus, '*'))]
    print(f'{target}: {len(sizes)} inputs, {sum(sizes)} bytes')
    return 0


def share(counts):
    """Percent that is covered; nothing to cover is covered."""
    return 100 * counts['covered'] / counts['count'] if counts['count'] else 100


def cover(target, options):
    """Prints line and branch coverage of the files that @target is about."""
    program = build('coverage', target, options.work)
    with tempfile.TemporaryDirectory() as folder:
        raw, data = os.path.join(folder, 'raw'), os.path.join(folder, 'data')
        run([program, os.path.join(CORPUS, target)], env={'LLVM_PROFILE_FILE': raw},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run(['llvm-profdata-14', 'merge', '-sparse', raw, '-o', data])
        exported = run(['llvm-cov-14', 'export', '-summary-only', f'-instr-profile={data}',
                        program], stdout=subprocess.PIPE).stdout
    wanted = {path for pattern in TARGETS[target][0] for path in glob.glob(os.path.join(TOP, pattern))}
    found = {os.path.normpath(entry['filename']): entry['summary']
             for entry in json.loads(exported)['data'][0]['files']}
    total = {'lines': [0, 0], 'branches': [0, 0]}
    for path in sorted(wanted & found.keys()):
        for kind, counts in total.items():
            counts[0] += found[path][kind]['covered']
            counts[1] += found[path][kind]['count']
        print(f'{share(found[path]["lines"]):6.1f} % of lines {share(found[path]["branches"]):6.1f} % '
              f'of branches  {os.path.relpath(path, TOP)}')
    for kind, (covered, count) in total.items():
        print(f'{target}: {covered} of {count} {kind}, {100 * covered / count:.1f} %')
    return 0


ACTIONS = {'run': fuzz, 'afl': fuzz_afl, 'merge': merge, 'cover': cover}


def main():
    parser = argparse.ArgumentParser(
        description='Works on fuzz targets. run: libFuzzer; afl: AFL++; merge: take what they '
        'have found into tests/fuzz/corpus; cover: what the corpus covers, by lines.')
    parser.add_argument('action', choices=ACTIONS)
    parser.add_argument('target', nargs='+', choices=TARGETS)
    parser.add_argument('-s', '--seconds', type=int, default=600, help='for each target (%(default)s)')
    parser.add_argument('-w', '--work', default=os.path.join(TOP, 'build-fuzz/work'),
                        help='where inputs and finds are kept (%(default)s)')
    parser.add_argument('-l', '--limit', type=int, default=200, metavar='KIB',
                        help='of a corpus after merge (%(default)s)')
    options = parser.parse_args()
    options.work = os.path.abspath(options.work)
    os.makedirs(options.work, exist_ok=True)
    return max(abs(ACTIONS[options.action](target, options)) for target in options.target)


if __name__ == '__main__':
    sys.exit(main())
