#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the files that a QEMU guest boots from: guest-files.py FOLDER

Prints the kernel's path and the initrd's path, a line each.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        print(__doc__.strip())
        return 0 if sys.argv[1:] == ['--help'] else 1
    os.environ['QTEST_CACHE'] = os.path.abspath(sys.argv[1])
    from support import initrd, kernel      # pylint: disable=import-outside-toplevel
    linux = kernel.cloud()
    print(linux.image)
    print(initrd.make(linux))
    return 0


if __name__ == '__main__':
    sys.exit(main())
