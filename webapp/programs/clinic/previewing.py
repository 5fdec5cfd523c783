"""What a drafted run of payouts would do, for its check step: worked out by the batch itself, and then forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.programs.clinic import bulk
from webapp.programs.clinic.planning import PayoutPlan
from webapp.runs import lists
from webapp.runs.models import Run


@dataclass(frozen=True)
class Ready:
    """One part that would be paid."""

    number: str
    payee: str
    base: Money
    commission: Money
    amount: Money


@dataclass(frozen=True)
class Preview:
    """What would be paid, and what would not (invoice, why); `alone` is made one by one or waits for a person."""

    ready: Sequence[Ready]
    skipped: Sequence[tuple[str, str]]
    alone: int

    @property
    def sums(self) -> list[tuple[Money, Money, Money]]:
        """(base, commission, amount) of each currency."""
        found: dict[str, list[int]] = {}
        for each in self.ready:
            sums = found.setdefault(each.amount.currency, [0, 0, 0])
            for n, amount in enumerate((each.base, each.commission, each.amount)):
                sums[n] += amount.amount
        return [
            (Money(a, currency), Money(b, currency), Money(c, currency))
            for currency, (a, b, c) in found.items()
        ]


def _parts(plan: PayoutPlan) -> list[Ready]:
    return [
        Ready(plan.invoice.number, part.payee.name, part.cut.base, part.cut.commission, part.cut.amount)
        for part in plan.parts
    ]


def preview(run: Run, actor: Actor, now: datetime) -> Preview:
    """Decide every row as the run would, and write nothing. The transaction is rolled back: its locks are let go."""
    rows = lists.all_rows(run.id)
    batch = bulk.Batch(run, rows, actor, now)
    try:
        batch.decide()
    except Conflict as refused:
        db.session.rollback()
        return Preview([], [("All of them", refused.message)], 0)
    ready = [each for _, plan in batch.plans for each in _parts(plan)]
    labels = {row.id: row.subject_label for row in rows}
    skipped = [(labels[row_id], result.message) for row_id, result in batch.results.items()]
    alone = len(rows) - len(batch.plans) - len(skipped)
    db.session.rollback()
    return Preview(ready, skipped, alone)
