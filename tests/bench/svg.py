# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots of ratios: bars from 1 to the left and to the right on a logarithmic axis."""

import dataclasses
import math
from xml.sax.saxutils import escape

ROW, BAR, HEAD, FOOT = 20, 12, 84, 34
NAMES, PANEL, GAP, EDGE = 190, 330, 40, 44
GOOD, BAD, INK, PALE = '#2b7a78', '#c8553d', '#222222', '#d9d9d9'
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
MARKS = ('#e0a100', '#1f78d1', '#6a4c93')


@dataclasses.dataclass
class Panel:
    """One column of bars; `marks` are names of what a row may have besides its bar."""

    title: str
    better: str                 # more, less
    rows: list                  # of (value or None, [value or None for each mark], spread)
    marks: tuple = ()

    def bounds(self):
        """What the axis must show, from a tick to a tick."""
        values = [value for bar, marks, _ in self.rows for value in (bar, *marks) if value]
        low = max((tick for tick in TICKS if tick <= min(values + [0.8])), default=TICKS[0])
        high = min((tick for tick in TICKS if tick >= max(values + [1.25])), default=TICKS[-1])
        return low, high


def text(x, y, words, size=12, anchor='start', color=INK, weight='normal'):
    """A text element."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{color}" font-weight="{weight}">{escape(words)}</text>')


def line(x1, y1, x2, y2, color, width=1):
    """A line element."""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
            f'stroke-width="{width}"/>')


def rectangle(x, y, width, height, color):
    """A filled rectangle."""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{color}"/>')


def _legend(panel, left):
    """The names of the marks, above the bars."""
    parts, x = [], left
    for name, color in zip(panel.marks, MARKS):
        parts += [rectangle(x, HEAD - 22, 4, 12, color), text(x + 8, HEAD - 12, name, 11)]
        x += 20 + 7 * len(name)
    return parts


def _axis(panel, left, bottom, place):
    """Ticks, the line of 1."""
    low, high = panel.bounds()
    parts = []
    for tick in TICKS:
        if low <= tick <= high:
            x = left + place(tick)
            parts += [line(x, HEAD, x, bottom, INK if tick == 1 else PALE),
                      text(x, bottom + 15, f'{tick:g}', 11, 'middle')]
    return parts


def _bars(panel, left, bottom):
    """A panel."""
    low, high = panel.bounds()

    def place(value):
        part = math.log(min(max(value, low), high) / low) / math.log(high / low)
        return part * PANEL

    parts = [text(left, HEAD - 46, panel.title, 13, weight='bold'),
             text(left, HEAD - 30, f'{panel.better} is better', 11), *_legend(panel, left + 100),
             *_axis(panel, left, bottom, place)]
    for number, (value, marks, spread) in enumerate(panel.rows):
        y = HEAD + number * ROW + (ROW - BAR) / 2
        if value:
            good = value >= 1 if panel.better == 'more' else value <= 1
            begin, end = sorted((place(1), place(value)))
            parts += [rectangle(left + begin, y, max(end - begin, 1), BAR, GOOD if good else BAD),
                      text(left + PANEL + 4, y + BAR - 2, f'{value:.2f}', 11)]
        if spread:
            parts.append(line(left + place(spread[0]), y + BAR / 2, left + place(spread[1]),
                              y + BAR / 2, INK))
        for mark, color in zip(marks, MARKS):
            if mark:
                parts.append(rectangle(left + place(mark) - 2, y - 2, 4, BAR + 4, color))
    return parts


def plot(title, names, panels):
    """The whole picture, as text; each panel has a row for each name."""
    bottom = HEAD + ROW * len(names)
    width = NAMES + len(panels) * (PANEL + EDGE + GAP)
    parts = [rectangle(0, 0, width, bottom + FOOT, '#ffffff'),
             text(8, HEAD - 66, title, 14, weight='bold')]
    for number, name in enumerate(names):
        parts.append(text(NAMES - 10, HEAD + number * ROW + 14, name, 12, 'end'))
    for number, panel in enumerate(panels):
        parts += _bars(panel, NAMES + number * (PANEL + EDGE + GAP), bottom)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + FOOT}" '
            f'viewBox="0 0 {width} {bottom + FOOT}" font-family="sans-serif">\n' +
            '\n'.join(parts) + '\n</svg>\n')
