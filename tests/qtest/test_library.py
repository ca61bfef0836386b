# SPDX-License-Identifier: GPL-2.0-or-later
"""libvhost-user as a library for others: what the author of a device elsewhere relies on."""

import os
import re
import subprocess
import unittest

from support import paths
from support.waiting import TIMEOUT

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(paths.daemon())))
LIBRARY = 'subprojects/libvhost-user'
# Of each library: how its global symbols begin. Those of the compiler (sanitizers) begin with __.
PREFIXES = {'libvhost-user.a': r'vu_|virtq_|__', 'libvhost-user-glib.a': r'vug_|__'}


def run(*command, **options):
    """What a command that succeeds prints."""
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=5 * TIMEOUT, **options)
    if result.returncode:
        raise AssertionError(f'{command}: status {result.returncode}\n{result.stdout}')
    return result.stdout


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, 'build.ninja')),
                     'the daemon under test does not lie in a build folder')
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


if __name__ == '__main__':
    unittest.main()
