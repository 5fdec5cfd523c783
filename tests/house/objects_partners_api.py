"""Example records of partners for the addresses of the API: the house's partner's. Each is made once in a house."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import FACTORY, actor_of, partners
from tests.house.objects_partners import deal_of, program_of, rule_of
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.programs.partners import disputing, events, registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.events import EventDraft
from webapp.programs.partners.models import (
    Commission,
    CommissionDispute,
    Registration,
    Touchpoint,
)


@example("api.partners")
def a_partner(house: House, kind: str) -> list[Arguments]:
    """The partner, with an open deal."""
    deal_of(house)
    return [{"reference": house.payees["partner"].reference}]


@example("api.partner_programs")
def a_program(house: House, kind: str) -> list[Arguments]:
    """The program."""
    return [{"reference": program_of(house).reference}]


@example("api.deals")
def a_deal(house: House, kind: str) -> list[Arguments]:
    """An open deal of the partner."""
    return [{"reference": deal_of(house).reference}]


@example("api.touchpoints")
def a_touch(house: House, kind: str) -> list[Arguments]:
    """What the partner did for it."""
    deal = deal_of(house)
    found = db.session.scalar(select(Touchpoint.id).where(Touchpoint.deal_id == deal.id).limit(1))
    return [{"touch_id": found or partners.touch(deal, house.payees["partner"]).id}]


@example("api.partner_registrations")
def a_registration(house: House, kind: str) -> list[Arguments]:
    """A claim of the partner that waits."""
    payee = house.payees["partner"]
    query = select(Registration.reference).where(
        Registration.payee_id == payee.id, Registration.state == "pending"
    )
    found = db.session.scalar(query.limit(1))
    if found is None:
        found = registering.register(
            organisation_id=house.organisation.id, payee_id=payee.id,
            draft=RegistrationDraft(program_of(house).id, "Initech", "USD", 5_000_00), actor=FACTORY,
            now=partners.TODAY,
        ).reference  # fmt: skip
    return [{"reference": found}]


def _commission(house: House) -> Commission:
    """What the partner earned of a deal that was won."""
    payee = house.payees["partner"]
    query = select(Commission).where(Commission.payee_id == payee.id, Commission.state == "open")
    found = db.session.scalars(query.order_by(Commission.id).limit(1)).first()
    if found is not None:
        return found
    partners.rate(payee, 500)
    return partners.commissions(partners.won(program_of(house), [payee]))[0]


@example("api.commissions")
def a_commission(house: House, kind: str) -> list[Arguments]:
    """A commission of the partner."""
    return [{"reference": _commission(house).reference}]


@example("api.partner_disputes")
def a_dispute(house: House, kind: str) -> list[Arguments]:
    """An objection of the partner that waits for an answer."""
    row = _commission(house)
    query = select(CommissionDispute.id).where(
        CommissionDispute.commission_id == row.id, CommissionDispute.state == "open"
    )
    found = db.session.scalar(query)
    if found is None:
        found = disputing.raise_dispute(
            organisation_id=house.organisation.id, payee_id=row.payee_id, reference=row.reference,
            reason="It was 12,000.00.", actor=actor_of(house.users["partner"]), now=partners.TODAY,
        ).id  # fmt: skip
    return [{"dispute_id": found}]


@example("api.partner_rules")
def a_rule(house: House, kind: str) -> list[Arguments]:
    """A rule that the accountant asked for and an admin decides about."""
    return [{"rule_id": rule_of(house)}]


@example("api.deal_events")
def an_event(house: House, kind: str) -> list[Arguments]:
    """An event that a CRM sent about a deal; the same again is the one that is there."""
    values = {"name": "From the CRM", "amount": (1_000_00, "USD"), "program": program_of(house).reference}
    draft = EventDraft("evt_1", "deal.created", partners.CLOSED, "crm-1", values)
    row, _ = events.receive(
        organisation_id=house.organisation.id, draft=draft, actor=FACTORY, now=partners.TODAY
    )
    return [{"event_id": row.event_id}]
