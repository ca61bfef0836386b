#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scores a vhost-user back-end against the protocol.

    conformance.py --socket PATH
    conformance.py --spawn 'COMMAND with {socket}'

The command is started anew when it has died; {folder} in it is a folder that lasts as long as the
run. The last line is "NAME: N of M cases hold; died K times"; the exit status is 0 if all hold,
1 if not, 2 if there is no back-end.
"""

import argparse
import subprocess
import sys
import time

from conformance import backend
from conformance.cases import generate
from conformance.peer import Peer, SpawnedPeer
from conformance.runner import run
from conformance.session import Silence


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--socket', metavar='PATH', help='where the back-end listens')
    what.add_argument('--spawn', metavar='COMMAND', help='what starts it')
    parser.add_argument('--name', help='of the back-end, in the score')
    parser.add_argument('--device', default='blk', metavar='KIND',
                        help='what device it is: blk (default), gpu, net, ...')
    parser.add_argument('--change-config', metavar='COMMAND',
                        help='what makes the device announce a change of its configuration')
    parser.add_argument('--match', metavar='TEXT', help='only cases with TEXT in their name')
    parser.add_argument('--failures', action='store_true', help='say which cases do not hold')
    parser.add_argument('--list', action='store_true', help='print the names and run nothing')
    parser.add_argument('--patience', type=float, default=10, metavar='SECONDS',
                        help='how long to wait for an answer (default: 10)')
    return parser.parse_args()


def main():
    options = arguments()
    try:
        peer = Peer(options.socket, options.name, options.patience) if options.socket else \
            SpawnedPeer(options.spawn, options.name, options.patience)
        peer.learn()
    except (OSError, EOFError, Silence) as error:
        print(f'conformance.py: no back-end to ask: {error or "it hangs up"}', file=sys.stderr)
        return 2
    try:
        if options.change_config:
            peer.change_config = lambda: subprocess.run(options.change_config, shell=True,
                                                        check=True)
        cases = [case for case in (*generate(peer.facts, options.device),
                                   *backend.generate(peer))
                 if not options.match or options.match in case.name]
        if options.list:
            print('\n'.join(case.name for case in cases))
            return 0
        begin = time.monotonic()
        score = run(peer, cases)
    finally:
        peer.close()
    if options.failures:
        for name, wrong in score.failures:
            print(f'  {name}: {wrong}')
    print(f'{score.line()} ({time.monotonic() - begin:.1f} s)')
    return 1 if score.failures else 0


if __name__ == '__main__':
    sys.exit(main())
