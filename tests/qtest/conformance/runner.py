# SPDX-License-Identifier: GPL-2.0-or-later
"""Goes through the cases, looks after the back-end in between, and counts."""

import dataclasses
import struct
import time

from .session import GET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, Silence
from .verdict import Expect, judge

DEATH_PATIENCE = 2.0


@dataclasses.dataclass
class Score:
    """How a back-end did."""
    name: str
    held: int = 0
    total: int = 0
    deaths: int = 0
    failures: list = dataclasses.field(default_factory=list)    # (case, what was wrong)

    def line(self):
        """In one line."""
        died = {0: 'never died', 1: 'died once'}.get(self.deaths, f'died {self.deaths} times')
        return f'{self.name}: {self.held} of {self.total} cases hold; {died}'


def _prepare(case, session):
    """The steps that come before; fails if the back-end does not survive them."""
    row = case.row
    features = 0 if row.feature is None else 1 << row.feature
    protocol = 0 if row.gate is None else 1 << row.gate
    session.negotiate(case.stage, features, protocol)
    if case.stage.protocol and row.offered(session.facts, row.device):
        for step in row.before:
            step(session)
    elif row.gate is None and row.feature is None:
        for step in row.before:
            step(session)


def _try(case, session, send, grace):
    """None, or what is wrong with one sending of @case."""
    _prepare(case, session)
    probe = GET_PROTOCOL_FEATURES if case.row.number == GET_FEATURES else GET_FEATURES
    answers = session.collect(probe)
    if answers.end != 'open' or answers.messages:
        return f'what must come before it is not obeyed: {answers}'
    acknowledged = case.need_reply and session.acknowledges()
    for _ in range(case.times):
        attempt = case.attempt(session)
        send(session, attempt.bytes(case.row.number), attempt.descriptors)
        session.forget_watched()
        answers = session.collect(probe)
    if case.row.number == SET_PROTOCOL_FEATURES and case.expect is not Expect.REFUSE:
        session.protocol, = struct.unpack('<Q', attempt.payload[:8].ljust(8, b'\0'))
    asked = acknowledged or (case.need_reply and session.acknowledges())
    wrong = judge(case.row, attempt.payload, answers, asked, case.expect)
    if not wrong and case.truth and answers.messages:
        wrong = case.truth(session, answers.messages[0][2])
    session.hang_up()
    if not wrong and session.leaks(grace):
        wrong = 'descriptors that came with it stay open after the connection has ended'
    return wrong


def run_case(peer, case):
    """None, or what is wrong."""
    if hasattr(case, 'run'):
        return case.run(peer)
    for send in case.sendings:
        session = None
        try:
            session = peer.session()
            wrong = _try(case, session, send, peer.grace)
        except (Silence, OSError) as error:
            wrong = str(error) or 'the connection broke'
        except EOFError:
            wrong = 'the connection ended too early'
        finally:
            if session is not None:
                session.close()
        if wrong:
            return wrong
    return None


def _is_dead(peer):
    end = time.monotonic() + DEATH_PATIENCE
    while peer.running() and time.monotonic() < end:
        time.sleep(0.01)
    return not peer.running()


def run(peer, cases, after_each=lambda: None):
    """Runs @cases against @peer, which is revived when it dies; returns the Score.

    @after_each raises if another client, looked after by the caller, is no longer served.
    """
    score = Score(peer.name)
    for case in cases:
        score.total += 1
        wrong = run_case(peer, case)
        harm = peer.serves()
        if harm:
            died = _is_dead(peer)
            score.deaths += died
            wrong = harm if not died else 'the back-end has died'
        if wrong:
            score.failures.append((case.name, wrong))
        else:
            score.held += 1
        if harm and not peer.revive():
            score.failures.append(('everything after it', 'the back-end is gone'))
            break
        after_each()
    return score
