# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: a table of cases, in suites.

A case compares the first of its contestants with each of the others:

ours, peer    the two daemons; each serves one export in one IOThread, or in its main loop
one           ours with a single IOThread, where `ours` has several
uring         no daemon: io_uring on the file, with as many requests in flight, one thread
pread         no daemon: pread and pwrite, one request after the other, one thread
memcpy        no daemon: copies from or to a mapping of the file
bare          no daemon: a thread that answers as soon as it sees a request in memory
on, off       ours with latency histograms switched on and off, in turns
"""

import dataclasses

BOTH = ('ours', 'peer')
LIMITS = BOTH + ('uring', 'pread', 'memcpy')
DIRECT = BOTH + ('uring',)
BARE = BOTH + ('bare',)
SCALING = ('ours', 'one', 'peer')
LARGE = 128 << 10


@dataclasses.dataclass(frozen=True)
class Case:
    """One row."""

    suite: str
    node: str = 'null'          # null, file (page cache), direct (past it)
    op: str = 'read'            # read, write, mix (70 of 100 read)
    depth: int = 1              # requests in flight, in each queue
    who: tuple = BOTH
    kind: str = 'load'          # the function of measure.py
    threads: int = 1            # IOThreads; 0: the main loop
    queues: int = 1             # each with a thread of the client
    block: int = 4096
    sequential: bool = False
    poll_us: int = 0            # how long the client polls before it sleeps
    exports: int = 1
    rate: int = 0               # requests a second of each export; 0: as many as it can
    quick: bool = False         # also in --quick

    @property
    def name(self):
        """Words that tell the case from all others."""
        plain = self.kind in ('load', 'exports', 'metrics')
        words = [] if plain else [self.kind]
        if plain:
            words += [self.node, self.op]
            words += [f'{self.block >> 10}K'] if self.block != 4096 else []
            words += ['seq'] if self.sequential else []
            words += [str(self.depth)] if not self.rate else []
        words += [f'{self.queues}q'] if self.queues > 1 else []
        words += [f'{self.threads}t'] if self.threads > 1 else []
        words += ['main'] if not self.threads else []
        words += ['polling'] if self.poll_us else []
        words += [f'{self.exports}x'] if self.suite in ('exports', 'idle') else []
        return ' '.join(words)


def _speed():
    """4 KiB, random, one queue, one IOThread."""
    for node, who in (('null', BOTH), ('file', LIMITS)):
        for op in ('read', 'write', 'mix'):
            for depth in (1, 4, 32, 128):
                quick = op == 'read' and depth in (1, 32) or (node, op, depth) == ('file', 'write', 32)
                yield Case('speed', node, op, depth, who, quick=quick)


def _direct():
    """The same past the page cache."""
    for op, depths in (('read', (1, 4, 32, 128)), ('write', (1, 32, 128)), ('mix', (32,))):
        for depth in depths:
            yield Case('direct', 'direct', op, depth, DIRECT, quick=(op, depth) == ('read', 32))


def _large():
    """128 KiB, sequential."""
    for node, who in (('file', LIMITS), ('direct', DIRECT)):
        for op in ('read', 'write'):
            for depth in (4, 32):
                yield Case('large', node, op, depth, who, block=LARGE, sequential=True,
                           quick=(node, op, depth) == ('file', 'read', 4))


def _main():
    """4 KiB, random, in the main loop."""
    for node in ('null', 'file'):
        for op, depth in (('read', 1), ('read', 32), ('read', 128), ('write', 32)):
            yield Case('main', node, op, depth, threads=0, quick=(node, depth) == ('null', 128))


def _poll():
    """One request at a time; the client sleeps, or polls before, as a guest's idle loop may."""
    for poll_us in (0, 200):
        for node, who in (('null', BARE), ('file', BOTH)):
            for op, threads in (('read', 1), ('write', 1), ('read', 0)):
                yield Case('poll', node, op, 1, who, threads=threads, poll_us=poll_us,
                           quick=poll_us and (node, op, threads) == ('null', 'read', 1))


def _queues():
    """Several queues in one IOThread."""
    for queues in (2, 4):
        for node, op in (('null', 'read'), ('file', 'read'), ('file', 'write')):
            yield Case('queues', node, op, 32, queues=queues)


def _threads():
    """Several queues in two IOThreads of ours; the others have one."""
    large = {'block': LARGE, 'sequential': True}
    for queues, threads in ((2, 2), (4, 2)):
        yield Case('threads', 'file', 'read', 4, SCALING, threads=threads, queues=queues,
                   quick=queues == 2, **large)
        yield Case('threads', 'null', 'read', 32, SCALING, threads=threads, queues=queues)
        yield Case('threads', 'file', 'read', 32, SCALING, threads=threads, queues=queues)
        yield Case('threads', 'file', 'write', 32, SCALING, threads=threads, queues=queues)


def _exports():
    """Many exports in one IOThread, each with a client that asks for little."""
    for node in ('null', 'file'):
        for exports in (1, 8, 64):
            yield Case('exports', node, 'read', exports=exports, rate=100, kind='exports',
                       quick=(node, exports) == ('null', 64))


def _idle():
    """Clients that are attached and ask for nothing; memory of what serves them."""
    yield Case('idle', exports=1, kind='idle')
    yield Case('idle', exports=64, kind='idle', quick=True)
    yield Case('idle', exports=64, kind='further')
    yield Case('idle', kind='start', quick=True)


def _metrics():
    """What latency histograms cost."""
    for node, depth in (('null', 32), ('null', 128), ('file', 32)):
        yield Case('metrics', node, 'read', depth, ('on', 'off'), 'metrics',
                   quick=(node, depth) == ('null', 128))


SUITES = {'speed': _speed, 'direct': _direct, 'large': _large, 'main': _main, 'poll': _poll,
          'queues': _queues, 'threads': _threads, 'exports': _exports, 'idle': _idle,
          'metrics': _metrics}


def all_cases():
    """In the order in which they are measured."""
    return [case for suite in SUITES.values() for case in suite()]


def choose(suites=None, words=None, quick=False):
    """Those of the named suites that have all words of one of the entries of @words."""
    return [case for case in all_cases()
            if (not suites or case.suite in suites)
            and (case.quick or not quick)
            and (not words or any(set(entry.split()) <= {case.suite, *case.name.split()}
                                  for entry in words))]
