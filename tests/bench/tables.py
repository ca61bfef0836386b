# SPDX-License-Identifier: GPL-2.0-or-later
"""What results say: medians and ratios, and the columns in which each suite is shown.

A column `ratio` compares the first contestant with the one whose figure stands before it.
"""

import dataclasses
import statistics


def median(row, who, key):
    """Of all samples of a contestant; None without any."""
    values = [sample[key] for sample in row['samples'].get(who, []) if key in sample]
    return statistics.median(values) if values else None


def ratio(row, who, other, key):
    """Of two medians; None if there is none."""
    above, below = median(row, who, key), median(row, other, key)
    return above / below if above is not None and below else None


def spread(row, who, other, key):
    """The lowest and the highest ratio of samples that were taken one after the other."""
    ratios = [one[key] / two[key] for one, two in zip(row['samples'].get(who, []),
                                                      row['samples'].get(other, []))
              if one.get(key) and two.get(key)]
    return (min(ratios), max(ratios)) if ratios else None


@dataclasses.dataclass(frozen=True)
class Column:
    """A figure of one contestant, or of one divided by that of another."""

    title: str
    who: str
    key: str
    over: str = None
    digits: int = 1
    percent: bool = False

    def value(self, row):
        """A number, or None."""
        if self.over:
            return ratio(row, self.who, self.over, self.key)
        found = median(row, self.who, self.key)
        return found * 100 if self.percent and found is not None else found

    def text(self, row):
        """As it is shown."""
        found = self.value(row)
        return '-' if found is None else f'{found:.{2 if self.over else self.digits}f}'


RATES = [Column('ours k/s', 'ours', 'kiops'), Column('peer k/s', 'peer', 'kiops'),
         Column('ratio', 'ours', 'kiops', 'peer')]
COSTS = [Column('ours CPU us', 'ours', 'cpu', digits=2), Column('peer CPU us', 'peer', 'cpu', digits=2),
         Column('ratio', 'ours', 'cpu', 'peer')]
CLIENT = [Column('client %', 'ours', 'client', digits=0, percent=True)]
URING = [Column('io_uring k/s', 'uring', 'kiops'),
         Column('ratio', 'ours', 'kiops', 'uring')]
PREAD = [Column('pread k/s', 'pread', 'kiops'), Column('ratio', 'ours', 'kiops', 'pread')]
MEMCPY = [Column('memcpy k/s', 'memcpy', 'kiops'),
          Column('ratio', 'ours', 'kiops', 'memcpy')]
BARE = [Column('bare k/s', 'bare', 'kiops'), Column('ratio', 'ours', 'kiops', 'bare')]
WAIT = [Column('ours p50 us', 'ours', 'p50'), Column('peer p50 us', 'peer', 'p50')]

COLUMNS = {
    'speed': RATES + COSTS + URING + PREAD + MEMCPY + CLIENT,
    'direct': RATES + COSTS + URING + CLIENT,
    'large': RATES + COSTS + URING + PREAD + MEMCPY + CLIENT,
    'main': RATES + COSTS + CLIENT,
    'poll': RATES + COSTS + BARE + WAIT + CLIENT,
    'queues': RATES + COSTS + CLIENT,
    'threads': [Column('ours k/s', 'ours', 'kiops'), Column('1 thread k/s', 'one', 'kiops'),
                Column('ratio', 'ours', 'kiops', 'one'),
                Column('peer k/s', 'peer', 'kiops'),
                Column('ratio', 'ours', 'kiops', 'peer'),
                Column('daemon CPUs', 'ours', 'busy', digits=2)] + CLIENT,
    'exports': [Column('ours k/s', 'ours', 'kiops', digits=2),
                Column('peer k/s', 'peer', 'kiops', digits=2), *COSTS,
                Column('ours sleeps', 'ours', 'wakeups', digits=2),
                Column('peer sleeps', 'peer', 'wakeups', digits=2)],
    'metrics': [Column('on k/s', 'on', 'kiops'), Column('off k/s', 'off', 'kiops'),
                Column('ratio', 'on', 'kiops', 'off'), Column('on CPU us', 'on', 'cpu', digits=3),
                Column('off CPU us', 'off', 'cpu', digits=3),
                Column('ratio', 'on', 'cpu', 'off')],
}

# What the cases of the suite `idle` tell; each figure is a line of its own.
FIGURES = {
    'idle': (('wakeups', 'sleeps of all threads in 2 s'), ('cpu_ms', 'CPU ms in 2 s'),
             ('private_kib', 'private memory, KiB')),
    'further': (('private_kib', 'private memory of each further export, KiB'),
                ('resident_kib', 'resident memory of each further export, KiB')),
    'start': (('start_ms', 'from the start to an answer, ms'),
              ('private_kib', 'private memory without a client, KiB'),
              ('resident_kib', 'resident memory without a client, KiB')),
}


def _pair(key):
    return [Column('ours', 'ours', key), Column('peer', 'peer', key),
            Column('ratio', 'ours', key, 'peer')]


def header(suite):
    """Titles."""
    return ['case'] + [column.title for column in COLUMNS.get(suite) or _pair('')]


def lines(row):
    """The cells of a row; those of `idle` are several."""
    if row['suite'] != 'idle':
        return [[row['case']] + [column.text(row) for column in COLUMNS[row['suite']]]]
    kind, _, exports = row['case'].partition(' ')
    clients = f', {exports[:-1]} client{"s" if exports != "1x" else ""}' if kind == 'idle' else ''
    return [[title + clients] + [column.text(row) for column in _pair(key)]
            for key, title in FIGURES[kind]]
