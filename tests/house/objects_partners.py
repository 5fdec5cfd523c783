"""What example records of partners have in common: the house's partner, its program, its deal, a rule."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories import actor_of, partners
from tests.house.town import House
from webapp.database import db
from webapp.programs.partners import commission_rules
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import Deal, PartnerProgram, PartnerRule


def program_of(house: House) -> PartnerProgram:
    """The program of the house's organisation; made once."""
    query = select(PartnerProgram).where(PartnerProgram.organisation_id == house.organisation.id)
    return db.session.scalars(query.order_by(PartnerProgram.id).limit(1)).first() or partners.program(
        house.organisation, name="Referrals"
    )


def deal_of(house: House) -> Deal:
    """An open deal that the house's partner took part in; made once."""
    query = select(Deal).where(Deal.organisation_id == house.organisation.id, Deal.state == "open")
    found = db.session.scalars(query.order_by(Deal.id).limit(1)).first()
    return found or partners.deal(program_of(house), [house.payees["partner"]])


def rule_of(house: House) -> int:
    """The id of a rule that the accountant asked for and an admin decides about; made once."""
    query = select(PartnerRule.id).where(PartnerRule.organisation_id == house.organisation.id)
    return (
        db.session.scalar(query.order_by(PartnerRule.id).limit(1))
        or commission_rules.create_rule(
            organisation_id=house.organisation.id, draft=RuleDraft("Resellers", 1_000, product="Seats"),
            actor=actor_of(house.users["accountant"]), now=partners.TODAY,
        ).rule_id
    )  # fmt: skip
