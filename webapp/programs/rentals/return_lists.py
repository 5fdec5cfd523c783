"""Reading single refunds, chargebacks and proposals for admins. Every query names the organisation. Never writes."""

from __future__ import annotations

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.programs.rentals.lists import list_returns
from webapp.programs.rentals.models import RentDecision, RentPayment, RentReturn


def get_return(organisation_id: int, return_ref: str) -> tuple[RentReturn, RentPayment]:
    """One refund or chargeback with its payment. Raises NotFound."""
    row = db.session.execute(list_returns(organisation_id).where(RentReturn.return_ref == return_ref)).first()
    if row is None:
        raise NotFound
    return row[0], row[1]


def tried_again_as(row: RentReturn) -> str | None:
    """The id of the refund that was ordered in the place of one that came to nothing."""
    return db.session.scalar(select(RentReturn.return_ref).where(RentReturn.retry_of_id == row.id))


def tried_before(row: RentReturn) -> str | None:
    """The id of the refund in whose place this one was ordered."""
    return db.session.scalar(select(RentReturn.return_ref).where(RentReturn.id == row.retry_of_id))


def get_decision(organisation_id: int, decision_id: int) -> tuple[RentDecision, RentPayment]:
    """A proposal with its payment. Raises NotFound."""
    row = db.session.execute(
        select(RentDecision, RentPayment)
        .join(RentPayment, RentPayment.id == RentDecision.payment_id)
        .where(RentDecision.organisation_id == organisation_id, RentDecision.id == decision_id)
    ).first()
    if row is None:
        raise NotFound
    return row[0], row[1]
