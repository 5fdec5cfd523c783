"""Example records for the pages of commissions and payouts of partners: a commission that is due, a rejected one."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import partners
from tests.factories.people import actor_of, stored
from tests.house.objects_partners import program_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.programs.partners import partners as records
from webapp.programs.partners.drafts import ProfileDraft
from webapp.programs.partners.models import Commission
from webapp.web.table_files import FORMATS


def due_commission_of(house: House) -> Commission:
    """A commission of the house's partner that is due and in no payout; made once."""
    query = select(Commission).where(
        Commission.organisation_id == house.organisation.id,
        Commission.payee_id == house.payees["partner"].id,
        Commission.state == "open",
        Commission.offer == "open",
    )
    found = db.session.scalars(query.order_by(Commission.id).limit(1)).first()
    if found is None:
        payee = house.payees["partner"]
        with stored():
            records.change_profile(
                organisation_id=house.organisation.id, payee_id=payee.id, draft=ProfileDraft(rate_bp=500),
                actor=actor_of(house.users["admin"]), now=utc_now(),
            )  # fmt: skip
        partners.won(program_of(house), [payee])
        found = db.session.scalars(query.order_by(Commission.id).limit(1)).one()
    return found


def rejected_commission_of(house: House) -> Commission:
    """A commission as it stands after its payout was cancelled; made once.

    It is written down as such: whether a calculation would make a payout of it depends on what else the house has.
    """
    query = select(Commission).where(
        Commission.organisation_id == house.organisation.id, Commission.offer == "blocked"
    )
    found = db.session.scalars(query.order_by(Commission.id).limit(1)).first()
    if found is not None:
        return found
    row = due_commission_of(house)
    with stored():
        row.offer, row.offer_reason = "blocked", "PO-2026-000001 was cancelled: It is not signed."
    return row


@example(
    "admin.partners.payouts_file", "admin.partners.commissions_file", "admin.partners.reconciliation_file"
)
def formats(house: House, kind: str) -> list[Arguments]:
    """Every format of the files of lists."""
    due_commission_of(house)
    return [{"format": name} for name in FORMATS]


@example("admin.partners.create_payout")
def a_partner(house: House, kind: str) -> list[Arguments]:
    """A partner to whom something is due."""
    due_commission_of(house)
    return [{"payee_reference": house.payees["partner"].reference}]


@example("admin.partners.commission")
def a_commission(house: House, kind: str) -> list[Arguments]:
    """A commission that is due, and one whose payout was cancelled."""
    rejected = rejected_commission_of(house).reference
    return [{"reference": due_commission_of(house).reference}, {"reference": rejected}]


@example("admin.partners.offer_commission", "admin.partners.dismiss_commission")
def a_rejected_commission(house: House, kind: str) -> list[Arguments]:
    """A commission whose payout was cancelled."""
    return [{"reference": rejected_commission_of(house).reference}]
