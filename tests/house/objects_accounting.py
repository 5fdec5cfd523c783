"""Example records of the books: they are kept where nobody answers, and a payout's bill was refused there."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import accounting
from tests.factories.payouts import payout_ready
from tests.house.town import Arguments, House, example
from webapp.accounting.models import AccountingBill, AccountingSetup
from webapp.database import db
from webapp.payouts.models import Payout


@example("admin.accounting")
def a_refused_bill(house: House, kind: str) -> list[Arguments]:
    """The bill of a payout that waits for a person."""
    organisation_id = house.organisation.id
    known = db.session.scalar(
        select(AccountingSetup.id).where(AccountingSetup.organisation_id == organisation_id)
    )
    if known is None:
        accounting.kept(house.organisation)
    row = db.session.execute(
        select(Payout.reference, AccountingBill)
        .join(AccountingBill, AccountingBill.payout_id == Payout.id)
        .where(Payout.organisation_id == organisation_id)
        .limit(1)
    ).one_or_none()
    if row is None:
        made = payout_ready(house.organisation, house.payees["technician"])
        db.session.add(
            AccountingBill(organisation_id=organisation_id, payout_id=made.id, state="failed", asked_at=made.created_at,
                           error="Invalid value passed (code 2, HTTP 400)", error_code="2")
        )  # fmt: skip
        db.session.flush()
        return [{"reference": made.reference}]
    row[1].state = "failed"
    db.session.flush()
    return [{"reference": row[0]}]


@example("admin.accounting.export")
def files(house: House, kind: str) -> list[Arguments]:
    """The list in both formats."""
    return [{"format": "csv"}, {"format": "xlsx"}]
