# SPDX-License-Identifier: GPL-2.0-or-later
"""libvhost-user as a library for others: what the author of a device elsewhere relies on."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import paths
from support.vhost_user import Client, Request
from support.waiting import TIMEOUT
from test_backend_rng import RngDriver

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(paths.daemon())))
LIBRARY = 'subprojects/libvhost-user'
OUTSIDE = os.path.join(paths.TOP, 'tests/qtest/outside')
# What compiles a file of ours as which language, and accepts nothing questionable in a header.
STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
COMPILERS = {
    'C11': ['cc', '-x', 'c', '-std=c11', '-D_GNU_SOURCE', *STRICT],
    'C++11': ['c++', '-x', 'c++', '-std=c++11', *STRICT],
    'C++20': ['c++', '-x', 'c++', '-std=c++20', *STRICT],
}
# Of each library: how its global symbols begin. Those of the compiler (sanitizers) begin with __.
PREFIXES = {'libvhost-user.a': r'vu_|virtq_|__', 'libvhost-user-glib.a': r'vug_|__'}


def run(*command, **options):
    """What a command that succeeds prints."""
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=5 * TIMEOUT, **options)
    if result.returncode:
        raise AssertionError(f'{command}: status {result.returncode}\n{result.stdout}')
    return result.stdout


def build_options(build):
    """The options of a build folder, by their names."""
    return {option['name']: option['value']
            for option in json.loads(run('meson', 'introspect', '--buildoptions', build))}


in_build_folder = unittest.skipUnless(os.path.exists(os.path.join(BUILD, 'build.ninja')),
                                      'the daemon under test does not lie in a build folder')


@in_build_folder
class Symbols(unittest.TestCase):
    """The names that a program which links the library must not use itself."""

    def test_every_global_symbol_begins_with_the_name_of_its_library(self):
        for library, prefixes in PREFIXES.items():
            listed = run('nm', '--extern-only', '--defined-only', '--format=posix',
                         os.path.join(BUILD, LIBRARY, library))
            symbols = re.findall(r'(?m)^(\S+) [A-Za-z] ', listed)
            self.assertTrue(symbols, listed)
            self.assertEqual([symbol for symbol in symbols if not re.match(prefixes, symbol)], [],
                             library)


class OutsideCase(unittest.TestCase):
    """A folder outside of the tree, in which devices are built on an installed library."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='outside-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.environment = {}    # of pkg-config
        cls.flags = []

    def compiler(self, language):
        """The command that compiles @language."""
        if not shutil.which(COMPILERS[language][0]):
            self.skipTest(f'no compiler of {language}: {COMPILERS[language][0]} is not installed')
        return COMPILERS[language]

    def pkg_config(self, *arguments):
        """The words that pkg-config answers."""
        return run('pkg-config', *arguments, env={**os.environ, **self.environment}).split()

    def build(self, source, package, language):
        """The path of the program made of tests/qtest/outside/@source, in the folder alone."""
        copy = shutil.copy(os.path.join(OUTSIDE, source), self.folder)
        program = copy.replace('.c', '-' + language)
        run(*self.compiler(language), os.path.basename(copy), '-x', 'none', '-o', program, *self.flags,
            *self.pkg_config('--cflags', '--libs', package), cwd=self.folder)
        return program

    def start(self, program):
        """Our end of the socket that the program serves, and the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(     # pylint: disable=consider-using-with
                [program, str(number)], pass_fds=[number], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return ours, process

    def check_random_device(self, program):
        """A request is served, the next one too, and the end of the connection is the device's."""
        ours, process = self.start(program)
        driver = RngDriver(ours)
        self.addCleanup(driver.close)
        for _ in range(2):
            given = driver.get(64)
            self.assertEqual(len(given), 64)
            self.assertNotEqual(given, bytes(64))
        driver.close()
        self.assertEqual(process.stdout.read(), '')
        self.assertEqual(process.wait(TIMEOUT), 0)


@in_build_folder
class InstalledWithTheDaemon(OutsideCase):
    """What the build folder of the daemon under test installs below a folder of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', f'{cls.folder}/root')
        options = build_options(BUILD)
        libdir = os.path.join(options['prefix'], options['libdir'])
        cls.environment = {'PKG_CONFIG_SYSROOT_DIR': f'{cls.folder}/root',
                           'PKG_CONFIG_LIBDIR': f'{cls.folder}/root{libdir}/pkgconfig'}
        # The library's own; who installs one with sanitizers says so to his devices as well.
        if options['b_sanitize'] not in ('none', []):
            names = options['b_sanitize']
            cls.flags = ['-fsanitize=' + (names if isinstance(names, str) else ','.join(names))]

    def test_a_device_in_each_language_serves_requests(self):
        for language in COMPILERS:
            with self.subTest(language=language):
                self.check_random_device(self.build('random-device.c', 'libvhost-user', language))

    def test_headers_have_a_folder_of_their_own(self):
        folder, = self.pkg_config('--cflags-only-I', 'libvhost-user')
        self.assertEqual(folder, f'-I{self.folder}/root/usr/local/include/libvhost-user')
        found = sorted(os.path.basename(path) for path in glob.glob(f'{folder[2:]}/*'))
        self.assertEqual(found, ['libvhost-user-glib.h', 'libvhost-user.h', 'vu-gpu.h',
                                 'vu-protocol.h'])

    def test_each_header_alone_and_twice_in_each_language(self):
        cflags = self.pkg_config('--cflags', 'libvhost-user')
        glib = run('pkg-config', '--cflags', 'glib-2.0').split()
        headers = glob.glob(f'{cflags[0][2:]}/*.h')
        self.assertTrue(headers)
        for header in headers:
            for language in COMPILERS:
                with self.subTest(header=header, language=language):
                    run(*self.compiler(language), '-fsyntax-only', *cflags, *glib, '-',
                        input=f'#include <{os.path.basename(header)}>\n' * 2)


class InstalledAlone(OutsideCase):
    """libvhost-user's own project, without the rest of the tree."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run('meson', 'setup', f'{cls.folder}/build', os.path.join(paths.TOP, LIBRARY),
            f'--prefix={cls.folder}/prefix', '--libdir=lib', '-Dwerror=true')
        run('meson', 'install', '-C', f'{cls.folder}/build')
        cls.environment = {'PKG_CONFIG_PATH': f'{cls.folder}/prefix/lib/pkgconfig'}

    def test_a_device_in_each_language_serves_requests(self):
        for language in COMPILERS:
            with self.subTest(language=language):
                self.check_random_device(self.build('random-device.c', 'libvhost-user', language))

    def test_a_device_on_glib_in_each_language_sees_the_connection_end(self):
        for language in COMPILERS:
            with self.subTest(language=language):
                ours, process = self.start(
                    self.build('glib-device.c', 'libvhost-user-glib', language))
                client = Client(stream=ours)
                self.assertTrue(client.ask_u64(Request.GET_FEATURES))
                client.close()
                self.assertEqual(process.stdout.read(), 'disconnected\n')
                self.assertEqual(process.wait(TIMEOUT), 0)

    def test_a_plugin_can_hold_the_library(self):
        copy = shutil.copy(os.path.join(OUTSIDE, 'random-device.c'), self.folder)
        run('cc', '-shared', '-fPIC', copy, '-o', f'{self.folder}/plugin.so', '-Wl,--no-undefined',
            '-Wl,--whole-archive', *self.pkg_config('--cflags', '--libs', 'libvhost-user'),
            '-Wl,--no-whole-archive')


if __name__ == '__main__':
    unittest.main()
