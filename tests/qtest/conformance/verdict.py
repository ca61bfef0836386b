# SPDX-License-Identifier: GPL-2.0-or-later
"""What the protocol demands of an answer, and whether the one that came is such an answer."""

import enum
import struct

from support.vhost_user import REPLY, VERSION


class Expect(enum.Enum):
    """What must become of a message."""
    ACCEPT = 'is obeyed, and the connection goes on'
    REFUSE = 'is refused: a non-zero acknowledgement if one was asked for'
    DENY = 'is refused, or the connection ends without an answer'
    DROP = 'ends the connection'
    EITHER = 'is obeyed or refused, and the answer has the right form'


ACCEPTED, REFUSED, QUIET, DROPPED = 'accepted', 'refused', 'not answered', 'dropped'
EXACT_FLAGS = VERSION | REPLY


def _number(payload):
    return struct.unpack('<Q', payload)[0] if len(payload) == 8 else None


# ---- How a request that has a reply of its own is refused: true if this reply says so ----

def by_dropping(_payload, _descriptors):
    """There is no such reply: the connection ends."""
    return False


def by_nothing(payload, _descriptors):
    """A reply without payload."""
    return not payload


def by_number(payload, _descriptors):
    """A number that is not 0."""
    return bool(_number(payload))


def by_no_descriptor(payload, descriptors):
    """The descriptor that one wants does not come, nor anything else of use."""
    return not descriptors and not any(payload)


def by_negative_end(payload, _descriptors):
    """The last 64 bits are negative."""
    return len(payload) > 8 and payload[-1] >= 0x80


def by_zeroes(payload, _descriptors):
    """All is zero: there are none."""
    return not any(payload)


def _meaning(row, sent, answer, asked):
    """(ACCEPTED or REFUSED, what is wrong with the reply or None)."""
    payload, descriptors = answer
    if row.reply is None:
        if not asked:
            return REFUSED, 'a reply that nobody asked for'
        if _number(payload) is None:
            return REFUSED, f'an acknowledgement of {len(payload)} bytes'
        return (REFUSED if _number(payload) else ACCEPTED), None
    if row.error(payload, descriptors):
        return REFUSED, None
    if row.reply(sent) != 8 and _number(payload):
        return REFUSED, None        # the acknowledgement of a request that is not known
    if row.reply(sent) not in (len(payload), ...):
        return ACCEPTED, f'a reply of {len(payload)} bytes instead of {row.reply(sent)}'
    return ACCEPTED, row.truth(sent, payload) if row.truth else None


def outcome(row, sent, answers, asked):
    """What happened: (one of ACCEPTED..DROPPED, what is wrong with the form of it or None)."""
    if answers.end == 'silent':
        return QUIET, 'nothing comes any more'
    if not answers.messages:
        return (DROPPED if answers.end == 'closed' else QUIET), None
    if len(answers.messages) > 1:
        return ACCEPTED, f'{len(answers.messages)} answers to one request'
    request, flags, *answer = answers.messages[0]
    if request != row.number:
        return ACCEPTED, f'an answer to request {request}'
    if flags != EXACT_FLAGS:
        return ACCEPTED, f'an answer with flags {flags:#x}'
    return _meaning(row, sent, answer, asked)


def judge(row, sent, answers, asked, expect):
    """None if @answers are right; else what is wrong, in a few words.

    @sent is the payload that was sent; @asked: an acknowledgement was due if the request has no
    reply of its own.
    """
    what, wrong = outcome(row, sent, answers, asked)
    if wrong:
        return wrong
    closed = answers.end == 'closed'
    answered = asked or row.reply is not None
    accepted = not closed and what == (ACCEPTED if answered else QUIET)
    refused = what == REFUSED or (what == DROPPED and (row.reply is not None or not asked)) \
        or (what == QUIET and not answered)
    denied = refused or what == DROPPED
    right = {
        Expect.ACCEPT: accepted,
        Expect.REFUSE: refused,
        Expect.DENY: denied,
        Expect.DROP: closed and what != ACCEPTED,
        Expect.EITHER: accepted or denied,
    }[expect]
    if right:
        return None
    return f'it is {what}{", and the connection closed" if closed and what != DROPPED else ""}; ' \
        f'right: {expect.value}'
