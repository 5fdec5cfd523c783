"""How many transfers may be on their way to the bank at once: never one more than a stop would still allow.

Sent one after the other, transfers stop at the fourth failure in a row, when too many of the last ones failed, or when
the bank does not answer any more. Sent together they must stop at the same one. So whatever is on its way counts as
failed until its answer is there, and the next one leaves only if it would have left then, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from webapp.payouts.breaker import FAILURES
from webapp.payouts.stoploss import IN_A_ROW, OF, PER_CENT


class Mark(Enum):
    """What became of a transfer that was sent."""

    TAKEN = "taken"  # the bank has it: it ends a row of failures
    REFUSED = "refused"  # an answer, and a no
    SILENT = "silent"  # no answer
    ON_ITS_WAY = "on its way"  # counts as the worst of them
    AWAY = "away"  # no connection, and nothing was moved
    PUT_OFF = "put off"  # it could not be sent, and not because the bank is away


_BAD = frozenset({Mark.REFUSED, Mark.SILENT, Mark.ON_ITS_WAY})
_NO_ANSWER = frozenset({Mark.SILENT, Mark.AWAY, Mark.ON_ITS_WAY})
_NOT_COUNTED = frozenset({Mark.AWAY, Mark.PUT_OFF})


@dataclass
class Gate:
    """One rail of one organisation, for the length of a batch.

    `row`: failures in a row before it. `settled`: the last ones whose end is known, oldest first, True where it was
    bad. `silence`: calls in a row that were not answered. `most`: as many at once as the rail's client can carry.
    """

    row: int = 0
    settled: Iterable[bool] = ()
    silence: int = 0
    most: int = 1
    stopped: str = ""
    marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._settled = list(self.settled)[-OF:]

    @property
    def on_their_way(self) -> int:
        """How many have no answer yet."""
        return self.marks.count(Mark.ON_ITS_WAY)

    def is_open(self) -> bool:
        """Whether one more may leave now."""
        if self.stopped:
            return False
        # The last one of a row that was there before is let through: what stops it is the bank's answer to it.
        return not self.on_their_way or (self.on_their_way < self.most and not self._reason())

    def begin(self) -> int:
        """One leaves; answers its number."""
        self.marks.append(Mark.ON_ITS_WAY)
        return len(self.marks) - 1

    def end(self, number: int, mark: Mark) -> None:
        """Its answer is there. Nothing leaves any more once it was one too many."""
        self.marks[number] = mark
        if mark is not Mark.TAKEN and not self.stopped:
            self.stopped = self._reason(without=frozenset({Mark.ON_ITS_WAY}))

    def stop(self, reason: str) -> None:
        """Nothing leaves any more, for a reason from outside."""
        self.stopped = self.stopped or reason

    def _reason(self, without: frozenset[Mark] = frozenset()) -> str:
        """Why the next one would not leave if all that is on its way failed (or, `without` it, as things are)."""
        marks = [mark for mark in self.marks if mark not in without]
        failed = [mark in _BAD for mark in marks if mark not in _NOT_COUNTED]
        if _trailing(failed, self.row) >= IN_A_ROW:
            return "Too many in a row failed or got no answer."
        last = (self._settled + [True for bad in failed if bad])[-OF:]
        if len(last) >= OF and sum(last) * 100 > len(last) * PER_CENT:
            return "Too many of the last ones failed or got no answer."
        if _trailing([mark in _NO_ANSWER for mark in marks], self.silence) >= FAILURES:
            return "The bank does not answer."
        return ""


@dataclass
class Unlimited:
    """For calls that change nothing: as many at once as the rail's client can carry."""

    most: int
    stopped: str = ""

    def is_open(self) -> bool:
        """Always, until it is stopped."""
        return not self.stopped

    def begin(self) -> int:
        """One leaves."""
        return 0

    def stop(self, reason: str) -> None:
        """Nothing leaves any more, for a reason from outside."""
        self.stopped = self.stopped or reason


def _trailing(flags: list[bool], before: int) -> int:
    """How many at the end are set, one after the other; what was before counts where all of them are."""
    count = 0
    for flag in reversed(flags):
        if not flag:
            return count
        count += 1
    return count + before
