"""Filters of the lists of payouts that look beyond the payout: by run, by approver, by how the payee is paid."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, literal, or_, select, union_all

from webapp.database import db, like
from webapp.kernel.actor import POLICY
from webapp.payouts.models import Approval, Payout
from webapp.people.models import Membership, PayoutMethod, User
from webapp.runs.models import Run, RunRow

#: Without payment details.
NO_METHOD = "none"
#: Who approved more than this is looked for along the history; what others approved is found by their name.
FEW = 10_000
#: A name that fits more people than this is too short to look for.
MOST_PEOPLE = 50


def has_method() -> ColumnElement[bool]:
    """Whether the payee of a payout has payment details."""
    return exists().where(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))


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


def approved_by(organisation_id: int, name: str) -> ColumnElement[bool]:
    """What people of a name (or a part of it, or of their address) approved, whether or not others did too.

    The name of the rules themselves finds what no person approved.
    """
    if name.lower() == POLICY.label:
        who = Approval.approver_id.is_(None)
    else:
        who = Approval.approver_id.in_(_people(organisation_id, name))
    said_yes = select(Approval.payout_id).where(who, Approval.decision == "approved")
    counted = select(func.count()).select_from(said_yes.limit(FEW + 1).subquery())
    if (db.session.scalar(counted) or 0) <= FEW:
        return Payout.id.in_(said_yes)
    # The offset keeps PostgreSQL from joining with all that they ever approved.
    of_these = select(literal(1)).where(Approval.payout_id == Payout.id, who, Approval.decision == "approved")
    return of_these.correlate(Payout).offset(0).exists()


def _people(organisation_id: int, name: str) -> list[int]:
    belongs = exists().where(Membership.user_id == User.id, Membership.organisation_id == organisation_id)
    is_named = or_(like(User.name, name), like(User.email, name))
    return list(db.session.scalars(select(User.id).where(belongs, is_named).limit(MOST_PEOPLE)))


def paid_to(kind: str) -> ColumnElement[bool]:
    """Whose payee is paid by this kind of payment details at present; `NO_METHOD`: who has none."""
    current = (PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
    if kind == NO_METHOD:
        return ~exists().where(*current)
    return exists().where(*current, PayoutMethod.kind == kind)
