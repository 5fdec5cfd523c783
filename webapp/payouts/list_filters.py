"""Filters of the lists of payouts that look beyond the payout: by run, by approver, by how the payee is paid."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, literal, select, union_all

from webapp.database import db
from webapp.payouts.models import Approval, Payout
from webapp.people.models import PayoutMethod
from webapp.runs.models import Run, RunRow

#: Approved by the rules alone, by no person.
BY_RULES = "policy"
#: Without payment details.
NO_METHOD = "none"
#: Who approved more than this is looked for along the history; what others approved is found by their name.
FEW = 10_000


def of_run(organisation_id: int, reference: str) -> ColumnElement[bool]:
    """What a run worked on (approved, rejected, paid, held) or created."""
    run_id = (
        select(Run.id)
        .where(Run.organisation_id == organisation_id, Run.reference == reference.strip().upper())
        .scalar_subquery()
    )
    worked_on = select(RunRow.subject_id).where(
        RunRow.run_id == run_id, RunRow.subject_type == "payout", RunRow.subject_id.is_not(None)
    )
    own = Payout.__table__.alias("made")
    made = select(own.c.id).where(own.c.run_id == run_id)
    return Payout.id.in_(union_all(worked_on, made))


def approved_by(approver: str) -> ColumnElement[bool]:
    """What a person (their id as text) or the rules alone (`BY_RULES`) approved, whether or not others did too."""
    who = Approval.approver_id.is_(None) if approver == BY_RULES else Approval.approver_id == int(approver)
    said_yes = select(Approval.payout_id).where(who, Approval.decision == "approved")
    counted = select(func.count()).select_from(said_yes.limit(FEW + 1).subquery())
    if (db.session.scalar(counted) or 0) <= FEW:
        return Payout.id.in_(said_yes)
    # The offset keeps PostgreSQL from joining with all that the person ever approved.
    of_this = select(literal(1)).where(Approval.payout_id == Payout.id, who, Approval.decision == "approved")
    return of_this.correlate(Payout).offset(0).exists()


def paid_to(kind: str) -> ColumnElement[bool]:
    """Whose payee is paid by this kind of payment details at present; `NO_METHOD`: who has none."""
    current = (PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
    if kind == NO_METHOD:
        return ~exists().where(*current)
    return exists().where(*current, PayoutMethod.kind == kind)
