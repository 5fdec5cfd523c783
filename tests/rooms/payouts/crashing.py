"""Crashes at every line of the code that moves money, against a bank that does not even notice duplicates."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import time_machine

import jobs.base
import jobs.payouts
from tests.factories.payouts import payout_sent
from webapp.database import db, transaction
from webapp.outbox import service as outbox
from webapp.payouts import entries, execution, payment, recovery, settlement
from webapp.payouts.models import Payout, RailHealth
from webapp.people.models import Organisation
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome, TransferOrder

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MODULES = (jobs.base, jobs.payouts, outbox, execution, recovery, settlement, payment, entries)
FILES = frozenset(str(module.__file__) for module in MODULES)


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


class ForgetfulBank:
    """Debits whatever it is asked to, every time: only Paydesk itself can keep a payout from being paid twice."""

    name = "sandbox"
    needs_details = False

    def __init__(self, fault: str = "", outcome: Outcome = Outcome.SUCCEEDED) -> None:
        self.fault, self.outcome = fault, outcome
        self.debits: Counter[str] = Counter()
        self._faulted: set[str] = set()

    def send(self, order: TransferOrder) -> Answer:
        """Take it in, unless the fault of this bank comes first; each transfer meets the fault once."""
        fault = self.fault if order.transfer_id not in self._faulted else ""
        self._faulted.add(order.transfer_id)
        if fault == "lost":
            return Answer(Outcome.UNKNOWN, message="no answer")
        if fault == "refused connection":
            return Answer(Outcome.NOT_SENT, message="connection refused")
        self.debits[order.transfer_id] += 1
        if fault == "time-out":
            return Answer(Outcome.UNKNOWN, message="no answer")
        if fault == "broken":
            raise ConnectionResetError
        return Answer(Outcome.ACCEPTED)

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """The truth."""
        if not self.debits[transfer_id]:
            return Answer(Outcome.NOT_FOUND)
        return Answer(self.outcome, code="ACCOUNT_CLOSED" if self.outcome is Outcome.FAILED else "")

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Without limit."""
        return None


def count_lines(action: Callable[[], object]) -> int:
    """How many lines of the money code an action executes."""
    lines = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return local

    _traced(action, local)
    return lines


def crash_at(k: int, action: Callable[[], object]) -> bool:
    """Run an action and crash before its k-th line of the money code; False when it has fewer lines."""
    line = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal line
        line += event == "line"
        if line == k:
            raise Crash
        return local

    try:
        _traced(action, local)
    except Crash:
        with suppress(Exception):
            db.session.rollback()
        db.session.remove()
        return True
    return False


def _traced(action: Callable[[], object], local: Callable[..., Any]) -> None:
    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename in FILES else None

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        action()
    finally:
        sys.settrace(before)


def drain() -> None:
    """One round of a worker of the queue for money."""
    jobs.base.drain_here("money")


def pay_with_a_crash(organisation_id: int, bank: ForgetfulBank, k: int, rounds: int = 1) -> Payout:
    """Submit a payout, crash the worker at its k-th line (in its n-th round), then let others carry on to the end."""
    with time_machine.travel(START, tick=False) as clock, registry.using("sandbox", bank):
        with transaction() as session:
            # Each trial meets a bank of its own: the breaker of the one before has nothing to do with it.
            session.query(RailHealth).delete()
        organisation = db.session.get_one(Organisation, organisation_id)
        payout_id = payout_sent(organisation, now=START).id
        for _ in range(rounds - 1):
            drain()
            clock.shift(timedelta(seconds=45))
        crash_at(k, drain)
        for _ in range(40):
            clock.shift(timedelta(minutes=3))
            recovery.reap_leases()
            recovery.sweep()
            drain()
            payout = db.session.get_one(Payout, payout_id, populate_existing=True)
            if payout.state != "processing":
                break
    assert [t.n for t in payout.transfers] == [1]
    return payout
