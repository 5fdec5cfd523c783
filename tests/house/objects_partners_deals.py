"""Example records for the pages of deals: an open deal with a touch, a won and a lost one, a claim, an objection."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY, partners
from tests.factories.people import actor_of, stored
from tests.house.objects_partners import deal_of, program_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.programs.partners import disputing, registering
from webapp.programs.partners import partners as records
from webapp.programs.partners.drafts import ProfileDraft, RegistrationDraft
from webapp.programs.partners.models import Commission, CommissionDispute, Deal, Registration, Touchpoint
from webapp.web.table_files import FORMATS


def _deal(house: House, state: str) -> Deal | None:
    query = select(Deal).where(Deal.organisation_id == house.organisation.id, Deal.state == state)
    return db.session.scalars(query.order_by(Deal.id).limit(1)).first()


def won_deal_of(house: House) -> Deal:
    """A deal that the house's partner won; made once."""
    return _deal(house, "won") or partners.won(program_of(house), [house.payees["partner"]])


@example(
    "admin.partners.deal", "admin.partners.edit_deal", "admin.partners.win_deal", "admin.partners.add_touch"
)
def an_open_deal(house: House, kind: str) -> list[Arguments]:
    """A deal that the partner took part in."""
    return [{"reference": deal_of(house).reference}]


@example("admin.partners.lose_deal")
def deals_to_lose(house: House, kind: str) -> list[Arguments]:
    """An open one and one that is won."""
    return [{"reference": deal_of(house).reference}, {"reference": won_deal_of(house).reference}]


@example("admin.partners.reopen_deal")
def a_lost_deal(house: House, kind: str) -> list[Arguments]:
    """A deal that is lost."""
    found = _deal(house, "lost")
    if found is None:
        found = partners.lost(partners.deal(program_of(house), [house.payees["partner"]]))
    return [{"reference": found.reference}]


@example("admin.partners.remove_touch")
def a_touch(house: House, kind: str) -> list[Arguments]:
    """What the partner did for the open deal."""
    deal = deal_of(house)
    found = db.session.scalars(
        select(Touchpoint).where(Touchpoint.deal_id == deal.id).order_by(Touchpoint.id).limit(1)
    ).first()
    touch = found or partners.touch(deal, house.payees["partner"])
    return [{"reference": deal.reference, "touch_id": touch.id}]


@example("admin.partners.deals_file", "admin.partners.touches_file", "admin.partners.shares_file",
         "admin.partners.registrations_file")  # fmt: skip
def formats_of_deals(house: House, kind: str) -> list[Arguments]:
    """Every format of the files of lists."""
    deal_of(house)
    return [{"format": name} for name in FORMATS]


def registration_of(house: House) -> Registration:
    """A claim of the partner that waits for a decision; made once."""
    query = select(Registration).where(
        Registration.organisation_id == house.organisation.id, Registration.state == "pending"
    )
    found = db.session.scalars(query.order_by(Registration.id).limit(1)).first()
    if found is not None:
        return found
    with stored():
        return registering.register(
            organisation_id=house.organisation.id, payee_id=house.payees["partner"].id,
            draft=RegistrationDraft(program_of(house).id, "Brandt & Söhne", "USD", 900_00), actor=FACTORY,
            now=partners.TODAY,
        )  # fmt: skip


@example(
    "admin.partners.registration", "admin.partners.accept_registration", "admin.partners.refuse_registration"
)
def a_registration(house: House, kind: str) -> list[Arguments]:
    """A claim that waits for a decision."""
    return [{"reference": registration_of(house).reference}]


def dispute_of(house: House) -> CommissionDispute:
    """An objection that waits for an answer; made once."""
    query = select(CommissionDispute).where(
        CommissionDispute.organisation_id == house.organisation.id, CommissionDispute.state == "open"
    )
    found = db.session.scalars(query.order_by(CommissionDispute.id).limit(1)).first()
    if found is not None:
        return found
    with stored():
        records.change_profile(
            organisation_id=house.organisation.id, payee_id=house.payees["partner"].id,
            draft=ProfileDraft(rate_bp=500), actor=actor_of(house.users["admin"]), now=partners.TODAY,
        )  # fmt: skip
    deal = partners.won(program_of(house), [house.payees["partner"]], 2_000_00)
    commission = db.session.scalars(select(Commission).where(Commission.deal_id == deal.id)).one()
    with stored():
        return disputing.raise_dispute(
            organisation_id=house.organisation.id, payee_id=commission.payee_id, reference=commission.reference,
            reason="It was 3,000.", actor=actor_of(house.users["partner"]), now=partners.TODAY,
        )  # fmt: skip


@example("admin.partners.decide_dispute")
def a_dispute(house: House, kind: str) -> list[Arguments]:
    """An objection that waits for an answer."""
    return [{"dispute_id": dispute_of(house).id}]
