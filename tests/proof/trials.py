"""One trial: payouts, a bank with a fault, a step in which the process dies at an event, and others who carry on.

Afterwards the bank's books, the payouts, their transfers and the ledger must tell the same story.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

import jobs.base
import jobs.payouts
import webapp
from tests.proof.events import DEAD, Counter, in_a_child, watched
from tests.proof.figures import Case, Figures
from tests.proof.images import Camera, State, developed
from tests.proof.rounds import lift_halts, next_instant, work
from tests.proof.steps import ROUNDS, STAGES, Scene, under_review, waiting_messages
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts.models import Payout, Transfer, TransferEvent

__all__ = ["FILES", "STAGES", "Case", "Figures", "Stage"]

_WEBAPP = Path(webapp.__file__).parent
#: The code that moves money: a process dies before any of its lines.
FILES = frozenset(
    str(path)
    for path in (
        *(_WEBAPP / "payouts").rglob("*.py"), *(_WEBAPP / "inbox").rglob("*.py"), _WEBAPP / "outbox" / "service.py",
        _WEBAPP / "database.py", Path(jobs.base.__file__), Path(jobs.payouts.__file__),
    )
)  # fmt: skip
_ENDS = {"fails": {"failed"}, "returns": {"reversed"}}


class Stage:
    """A prepared database and bank, put back before every trial."""

    def __init__(self, app: Flask, store: Any, folder: Path, case: Case) -> None:
        self.app, self.store, self.folder, self.case = app, store, folder, case
        bank = folder / "bank"
        bank.unlink(missing_ok=True)
        self._bank_before = folder / "bank-before"
        store.reset()
        self.scene = Scene(case, bank)
        self.bank = self.scene.bank
        self._kept = store.keep()
        self._bank_before.unlink(missing_ok=True)
        if bank.exists():
            shutil.copy(bank, self._bank_before)

    def put_back(self) -> None:
        """As it was just before the step."""
        db.session.remove()
        self.store.put_back(self._kept)
        self.bank.path.unlink(missing_ok=True)
        if self._bank_before.exists():
            shutil.copy(self._bank_before, self.bank.path)

    # ------------------------------------------------------------ deaths

    def die_at(self, k: int) -> tuple[int, int]:
        """Do the step in a child that dies at its k-th event; k=0: it lives, and the events are counted."""
        db.session.remove()
        db.engine.dispose()

        def child() -> int:
            counter = Counter(k)
            with self.scene.there(self.scene.at), watched(FILES, counter, db.engine):
                self.scene.step()
            return counter.count

        return in_a_child(child)

    def count(self) -> int:
        """How many events the step has. Raises AssertionError when it does not live through them."""
        self.put_back()
        code, events = self.die_at(0)
        assert code == 0, f"{self.case}: the step itself failed"
        return events

    def left_behind(self, wanted: Iterable[int] | None = None) -> tuple[int, list[State]]:
        """How many events the step has, and what deaths at them (all, or those wanted) leave behind; SQLite only."""
        folder = self.folder / "images"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.put_back()
        db.session.remove()
        db.engine.dispose()
        events = None if wanted is None else frozenset(wanted)

        def child() -> int:
            camera = Camera(self.store.path, self.bank.path, folder, events)
            with self.scene.there(self.scene.at), watched(FILES, camera, db.engine):
                self.scene.step()
            camera.finish()
            return 0

        code, _ = in_a_child(child)
        assert code == DEAD, f"{self.case}: the step itself failed"
        return developed(folder)

    # ------------------------------------------------------------ what follows

    def carry_on(self) -> None:
        """Others do what is left, as time passes, until nothing moves any more."""
        with self.scene.there(self.scene.at + timedelta(seconds=1)) as clock:
            for _ in range(ROUNDS * len(self.scene.payout_ids)):
                self.scene.people()
                lift_halts(self.scene.organisation_id)
                work()
                following = next_instant(utc_now())
                if following is None or self._is_over():
                    return
                clock.move_to(following)

    def _unfinished(self) -> list[tuple[int, str]]:
        """The payouts of which the bank has not said its last word, with their states."""
        wanted = _ENDS.get(self.case.outcome, {"paid"})
        found = db.session.execute(select(Payout.id, Payout.state).order_by(Payout.id)).all()
        reviewed = under_review()
        return [(row.id, row.state) for row in found if row.state not in wanted and row.id not in reviewed]

    def _is_over(self) -> bool:
        return not self._unfinished() and not waiting_messages()

    # ------------------------------------------------------------ what must be true

    def verify(self, figures: Figures, where: str) -> None:
        """Compare the bank's books, the payouts, their transfers, their events, the inbox and the ledger."""
        db.session.rollback()
        reviewed, unfinished = under_review(), dict(self._unfinished())
        debits = self.bank.debits()
        for found in db.session.scalars(
            select(Payout).order_by(Payout.id).execution_options(populate_existing=True)
        ):
            moved = sum(debits[t.transfer_id] for t in found.transfers)
            if moved > 1:
                figures.doubles += 1
                figures.problems.append(f"{where}: the bank moved money {moved} times for {found.reference}")
            if found.id in unfinished:
                figures.lost += 1
                figures.problems.append(f"{where}: {found.reference} ended as {found.state}")
            due = 0 if found.state in ("failed", "approved", "pending_approval") else 1
            if moved <= 1 and moved != due and found.id not in reviewed:
                figures.problems.append(
                    f"{where}: {found.reference} is {found.state}, the bank moved money {moved} times"
                )
        self._verify_books(figures, where, debits)

    def _verify_books(self, figures: Figures, where: str, debits: dict[str, int]) -> None:
        ours = set(db.session.scalars(select(Transfer.transfer_id)))
        strangers = sum(n for i, n in debits.items() if i not in ours)
        if strangers:
            figures.doubles += 1
            figures.problems.append(f"{where}: the bank moved money {strangers} times for nobody we know")
        figures.problems += [f"{where}: {text}" for text in (*_broken_history(), *self.scene.messages_lost())]
        findings = check.run(self.scene.organisation_id).findings
        figures.ledger_checks += 1
        figures.problems += [f"{where}: ledger: {f.subject}: {f.message}" for f in findings]
        db.session.remove()

    # ------------------------------------------------------------ trials

    def trial(self, k: int, figures: Figures) -> None:
        """Put everything back, die at event k, let others carry on, look."""
        self.put_back()
        code, _ = self.die_at(k)
        figures.runs += 1
        figures.deaths += code != 0
        figures.faults[self.case.fault or "none"] += 1
        self.carry_on()
        self.verify(figures, f"{self.case}, event {k}")

    def carry_on_from(self, state: State, figures: Figures) -> None:
        """The same from what deaths have left behind."""
        db.session.remove()
        self.store.take_over(state.folder)
        self.bank.path.unlink(missing_ok=True)
        if (state.folder / self.bank.path.name).exists():
            shutil.copy(state.folder / self.bank.path.name, self.bank.path)
        figures.runs += 1
        figures.deaths += state.deaths
        figures.faults[self.case.fault or "none"] += 1
        self.carry_on()
        self.verify(figures, f"{self.case}, event {state.event} and {state.deaths - 1} more")


def _broken_history() -> Iterator[str]:
    """Gaps in the events of a transfer, and a last event that does not lead where the transfer is."""
    for transfer in db.session.scalars(select(Transfer)):
        events = db.session.scalars(
            select(TransferEvent).where(TransferEvent.transfer_id == transfer.id).order_by(TransferEvent.seq)
        ).all()
        if [e.seq for e in events] != list(range(1, len(events) + 1)):
            yield f"transfer {transfer.n} has a gap in its history"
        if (events[-1].to_state if events else "queued") != transfer.state:
            yield f"transfer {transfer.n} is {transfer.state}, its history does not say how"
