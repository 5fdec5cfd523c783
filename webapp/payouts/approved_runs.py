"""What became of the payouts that one bulk approval approved: how many, how much, what can still be stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import PayoutMethod
from webapp.runs.models import RowOutcome, Run, RunRow


@dataclass(frozen=True)
class Part:
    """Payouts of one run that stand alike; `method_kind` is empty where the payee has no payment details."""

    program: str
    state: str
    is_held: bool
    method_kind: str
    count: int
    total: Money

    @property
    def is_stoppable(self) -> bool:
        """Approved, and nobody has been asked to pay it yet."""
        return self.state == PayoutState.APPROVED and not self.is_held


def _done(run_id: int) -> Any:
    return and_(RunRow.run_id == run_id, RunRow.outcome == RowOutcome.DONE.value)


def parts(run: Run) -> list[Part]:
    """The payouts whose row of the run was done, as they stand now, in groups; one query."""
    kind = func.coalesce(PayoutMethod.kind, "")
    groups = (Payout.program, Payout.state, Payout.is_held, kind, Payout.currency)
    query = (
        select(*groups, func.count(), func.sum(Payout.amount_minor))
        .select_from(RunRow)
        .join(Payout, and_(Payout.id == RunRow.subject_id, Payout.organisation_id == run.organisation_id))
        .outerjoin(
            PayoutMethod, and_(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
        )
        .where(_done(run.id))
        .group_by(*groups)
        .order_by(Payout.program, kind, Payout.currency, Payout.state)
    )
    return [
        Part(program, state, is_held, method_kind, count, Money(int(amount), currency))
        for program, state, is_held, method_kind, currency, count, amount in db.session.execute(query)
    ]


def stoppable_ids(run: Run) -> Sequence[int]:
    """The payouts of the run that have not left and are not on hold."""
    query = (
        select(Payout.id)
        .join(RunRow, Payout.id == RunRow.subject_id)
        .where(
            _done(run.id),
            Payout.organisation_id == run.organisation_id,
            Payout.state == PayoutState.APPROVED.value,
            Payout.is_held.is_(False),
        )
        .order_by(Payout.id)
    )
    return db.session.scalars(query).all()
