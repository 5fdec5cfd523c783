"""One trial: a payout, a bank with a fault, a step in which the process dies at an event, and others who carry on.

Afterwards the bank's books, the payout, its transfers and the ledger must tell the same story.
"""

from __future__ import annotations

import shutil
from collections import Counter as Count
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import func, select

import jobs.base
import jobs.payouts
from tests import factories
from tests.factories.payouts import payout, payout_ready, payout_sent
from tests.factories.people import actor_of
from tests.proof.bank import FileBank
from tests.proof.events import Counter, in_a_child, watched
from webapp import database
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.ledger import check
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import (
    approval,
    balance,
    breaker,
    entries,
    execution,
    payment,
    policies,
    records,
    recovery,
    service,
    settlement,
)
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import OPEN_TRANSFER_STATES
from webapp.people.models import Organisation, User
from webapp.providers import registry

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_MODULES = (
    jobs.base, jobs.payouts, outbox, approval, balance, breaker, entries, execution, payment, records, recovery,
    settlement, database,
)  # fmt: skip
FILES = frozenset(str(module.__file__) for module in _MODULES)
#: The step in which the process dies.
STAGES = ("approve", "submit", "send", "answer", "sweep", "retry")
_ROUNDS = 60


@dataclass(frozen=True)
class Case:
    """What is tried: the step, the bank's fault, what becomes of the transfer."""

    stage: str
    fault: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.stage} / {self.fault or 'no fault'} / {self.outcome}"


@dataclass
class Figures:
    """What was tried and what was found."""

    runs: int = 0
    deaths: int = 0
    events: int = 0
    doubles: int = 0
    lost: int = 0
    ledger_checks: int = 0
    problems: list[str] = field(default_factory=list)
    faults: Count[str] = field(default_factory=Count)

    def add(self, other: Figures) -> None:
        """Count another's trials here."""
        for name in ("runs", "deaths", "events", "doubles", "lost", "ledger_checks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems
        self.faults += other.faults


class Stage:
    """A prepared database and bank, put back before every trial."""

    def __init__(self, app: Flask, store: Any, folder: Path, case: Case) -> None:
        self.app, self.store, self.case = app, store, case
        self.bank = FileBank(folder / "bank", case.fault, case.outcome)
        self.bank.path.unlink(missing_ok=True)
        self._bank_before = folder / "bank-before"
        store.reset()
        with self._there(START) as clock:
            self.organisation_id = factories.organisation().id
            self.payout_id = self._prepare(clock)
            self.at = utc_now()
        db.session.remove()
        self._kept = store.keep()
        self._bank_before.unlink(missing_ok=True)
        if self.bank.path.exists():
            shutil.copy(self.bank.path, self._bank_before)

    @contextmanager
    def _there(self, at: datetime) -> Iterator[Any]:
        with time_machine.travel(at, tick=False) as clock, registry.using("sandbox", self.bank):
            yield clock

    # ------------------------------------------------------------ up to the step

    def _prepare(self, clock: Any) -> int:
        organisation = db.session.get_one(Organisation, self.organisation_id)
        stage = self.case.stage
        if stage == "approve":
            payee = factories.payee(organisation)
            factories.method(payee)
            factories.user(organisation=organisation, role="admin")
            return payout(organisation, payee, now=START).id
        if stage == "submit":
            return payout_ready(organisation, now=START).id
        payout_id = payout_sent(organisation, now=START).id
        if stage == "send":
            return payout_id
        if stage == "sweep":
            self._die_with_the_answer(payout_id)
            clock.shift(timedelta(minutes=5))
            return payout_id
        drain()
        for _ in range(_ROUNDS if stage == "retry" else 1):
            if stage == "retry" and _state(payout_id) == "retry_scheduled":
                break
            clock.move_to(next_instant(utc_now()) or utc_now())
            if stage == "retry":
                work()
        if stage == "retry":
            clock.move_to(next_instant(utc_now()) or utc_now())
        return payout_id

    def _die_with_the_answer(self, payout_id: int) -> None:
        """A worker that dies between the POST and the transaction after it, and an outbox that forgot everything."""
        row_id = db.session.scalar(select(Transfer.id).where(Transfer.payout_id == payout_id))
        db.session.rollback()
        send = self.bank.send

        class Died(BaseException):
            """Nothing may catch it."""

        def die(order: Any) -> Any:
            with_suppressed(lambda: send(order))
            raise Died

        self.bank.send = die  # type: ignore[method-assign]
        try:
            execution.send(transfer_row_id=row_id or 0)
        except Died:
            db.session.rollback()
        del self.bank.send  # type: ignore[method-assign]
        with transaction() as session:
            session.query(OutboxMessage).delete()

    # ------------------------------------------------------------ the step, and what follows

    def step(self) -> None:
        """What the process does that dies."""
        if self.case.stage in ("approve", "submit"):
            _press(self.case.stage, self.payout_id)
        elif self.case.stage == "sweep":
            recovery.reap_leases()
            recovery.sweep()
            drain()
        else:
            drain()

    def put_back(self) -> None:
        """As it was just before the step."""
        db.session.remove()
        self.store.put_back(self._kept)
        self.bank.path.unlink(missing_ok=True)
        if self._bank_before.exists():
            shutil.copy(self._bank_before, self.bank.path)

    def die_at(self, k: int) -> tuple[int, int]:
        """Do the step in a child that dies at its k-th event; k=0: it lives, and the events are counted."""
        db.session.remove()
        db.engine.dispose()

        def child() -> int:
            counter = Counter(k)
            with self._there(self.at):
                engine = db.engine
                with watched(FILES, counter, engine):
                    self.step()
            return counter.count

        return in_a_child(child)

    def carry_on(self) -> None:
        """Others do what is left, as time passes, until nothing moves any more."""
        with self._there(self.at + timedelta(seconds=1)) as clock:
            for _ in range(_ROUNDS):
                if self.case.stage in ("approve", "submit"):
                    _press(self.case.stage, self.payout_id)
                if self.case.stage == "approve" and _state(self.payout_id) == "approved":
                    _press("submit", self.payout_id)
                lift_halts(self.organisation_id)
                work()
                following = next_instant(utc_now())
                if following is None or self._is_over():
                    return
                clock.move_to(following)

    def _is_over(self) -> bool:
        """Whether what the bank says about it has come to its end."""
        state = _state(self.payout_id)
        wanted = {"fails": {"failed"}, "returns": {"reversed"}}.get(self.case.outcome, {"paid"})
        return state in wanted or _is_under_review(self.payout_id)

    # ------------------------------------------------------------ what must be true

    def verify(self, figures: Figures, k: int) -> None:
        """Compare the bank's books, the payout, its transfers, its events and the ledger."""
        where = f"{self.case}, event {k}"
        db.session.rollback()
        found = db.session.get_one(Payout, self.payout_id, populate_existing=True)
        moved = sum(self.bank.debits().values())
        if moved > 1:
            figures.doubles += 1
            figures.problems.append(f"{where}: the bank moved money {moved} times")
        if not self._is_over():
            figures.lost += 1
            figures.problems.append(f"{where}: it ended as {found.state}")
        due = 0 if found.state in ("failed", "approved", "pending_approval") else 1
        if moved <= 1 and moved != due and not _is_under_review(self.payout_id):
            figures.problems.append(f"{where}: it is {found.state}, and the bank moved money {moved} times")
        figures.problems += [f"{where}: {text}" for text in _broken_history(self.payout_id)]
        findings = check.run(self.organisation_id).findings
        figures.ledger_checks += 1
        figures.problems += [f"{where}: ledger: {f.subject}: {f.message}" for f in findings]
        db.session.remove()

    def trial(self, k: int, figures: Figures) -> None:
        """Put everything back, die at event k, let others carry on, look."""
        self.put_back()
        code, _ = self.die_at(k)
        figures.runs += 1
        figures.deaths += code != 0
        figures.faults[self.case.fault or "none"] += 1
        self.carry_on()
        self.verify(figures, k)

    def count(self) -> int:
        """How many events the step has. Raises AssertionError when it does not live through them."""
        self.put_back()
        code, events = self.die_at(0)
        assert code == 0, f"{self.case}: the step itself failed"
        return events


def drain() -> None:
    """One round of a worker of the queue for money."""
    jobs.base.drain_here("money")


def work() -> None:
    """What scheduler and workers do every minute."""
    recovery.reap_leases()
    recovery.sweep()
    drain()


def lift_halts(organisation_id: int) -> None:
    """A person has entered the right keys, or funded the account, and lets payments flow again."""
    halted = [switch.rail for switch in policies.halts(organisation_id)]
    db.session.rollback()
    for rail in halted:
        with transaction():
            policies.lift_halt(
                organisation_id=organisation_id, rail=rail, reason="Looked at.", actor=factories.FACTORY,
                now=utc_now(),
            )  # fmt: skip


def with_suppressed(call: Callable[[], object]) -> None:
    """Call it, whatever it raises."""
    try:
        call()
    except Exception:
        db.session.rollback()


def _state(payout_id: int) -> str:
    state = db.session.scalar(select(Payout.state).where(Payout.id == payout_id))
    db.session.rollback()
    return state or ""


def _is_under_review(payout_id: int) -> bool:
    query = select(func.count()).select_from(Transfer)
    found = db.session.scalar(query.where(Transfer.payout_id == payout_id, Transfer.state == "review"))
    db.session.rollback()
    return bool(found)


def next_instant(now: datetime) -> datetime | None:
    """When something about money is due next: a message, the end of a lease; None when nothing is."""
    instants = [
        db.session.scalar(select(func.min(column)).where(*conditions))
        for column, conditions in (
            (OutboxMessage.not_before,
             (outbox.is_open(), OutboxMessage.queue == "money", OutboxMessage.lease_until.is_(None))),
            (OutboxMessage.lease_until, (outbox.is_open(), OutboxMessage.queue == "money")),
            (Transfer.lease_until, (Transfer.state == "submitting",)),
            (Transfer.created_at, (Transfer.state.in_(OPEN_TRANSFER_STATES),
                                   ~select(OutboxMessage.id).where(outbox.is_open()).exists())),
        )
    ]  # fmt: skip
    db.session.rollback()
    known = [instant for instant in instants if instant is not None]
    return max(min(known), now) + timedelta(seconds=1) if known else None


def _press(what: str, payout_id: int) -> None:
    """A person presses a button, again when they are not sure that it went through."""
    found = db.session.get_one(Payout, payout_id)
    organisation_id, reference, state = found.organisation_id, found.reference, found.state
    approver = db.session.scalars(select(User).order_by(User.id.desc())).first()
    assert approver is not None
    actor = actor_of(approver)
    db.session.rollback()
    if {"approve": "pending_approval", "submit": "approved"}[what] != state:
        return
    common = {"organisation_id": organisation_id, "reference": reference, "actor": actor, "now": utc_now()}
    try:
        with transaction():
            (service.approve if what == "approve" else service.submit)(**common)  # type: ignore[operator]
    except PaydeskError:
        db.session.rollback()


def _broken_history(payout_id: int) -> Iterator[str]:
    """Gaps in the events of a transfer, and a last event that does not lead where the transfer is."""
    for transfer in db.session.scalars(select(Transfer).where(Transfer.payout_id == payout_id)):
        events = db.session.scalars(
            select(TransferEvent).where(TransferEvent.transfer_id == transfer.id).order_by(TransferEvent.seq)
        ).all()
        if [e.seq for e in events] != list(range(1, len(events) + 1)):
            yield f"transfer {transfer.n} has a gap in its history"
        if (events[-1].to_state if events else "queued") != transfer.state:
            yield f"transfer {transfer.n} is {transfer.state}, its history does not say how"
