"""Example records of the partner's portal: a deal, a registration that waits, a commission that is in no payout."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import partners
from tests.house.objects_partners import program_of
from tests.house.objects_partners_deals import registration_of
from tests.house.objects_partners_money import due_commission_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.programs.partners.models import Deal, Touchpoint


@example("payee.deals.show")
def own_deal(house: House, kind: str) -> list[Arguments]:
    """A deal that the partner took part in; made where there is none."""
    payee = house.payees["partner"]
    query = (
        select(Deal).join(Touchpoint, Touchpoint.deal_id == Deal.id).where(Touchpoint.payee_id == payee.id)
    )
    found = db.session.scalars(query.order_by(Deal.id).limit(1)).first()
    return [{"reference": (found or partners.deal(program_of(house), [payee])).reference}]


@example("payee.registrations.show", "payee.registrations.withdraw")
def own_registration(house: House, kind: str) -> list[Arguments]:
    """A registration of the partner that waits for a decision."""
    return [{"reference": registration_of(house).reference}]


@example("payee.commissions.show", "payee.commissions.dispute")
def own_commission(house: House, kind: str) -> list[Arguments]:
    """A commission of the partner that is due and in no payout."""
    return [{"reference": due_commission_of(house).reference}]


@example("payee.commissions.export")
def own_files(house: House, kind: str) -> list[Arguments]:
    """Both formats."""
    due_commission_of(house)
    return [{"format": name} for name in ("csv", "xlsx")]
