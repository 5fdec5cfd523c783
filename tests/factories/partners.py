"""Partners, programs and deals for tests, made through the services and committed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from tests.factories import people
from tests.factories.people import FACTORY, stored
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, commission_rules, deals, partners
from webapp.programs.partners.calculating import Calculated
from webapp.programs.partners.drafts import DealDraft, ProfileDraft, ProgramDraft, RuleDraft, TouchDraft
from webapp.programs.partners.models import Commission, Deal, PartnerProgram, PartnerRuleVersion, Touchpoint

_numbers = count(1)
#: Deals are opened a month before they close; what they earn is due by TODAY.
OPENED = datetime(2026, 1, 15, 12, tzinfo=UTC)
CLOSED = datetime(2026, 2, 10, 12, tzinfo=UTC)
TODAY = datetime(2026, 3, 31, 12, tzinfo=UTC)


def partnerbase(**values: Any) -> Organisation:
    """A company with partners, in dollars."""
    defaults: dict[str, Any] = {
        "currency": "USD", "timezone": "America/New_York", "country": "US", "programs": ["partners"],
    }  # fmt: skip
    return people.organisation(**{**defaults, **values})


def partner(organisation: Organisation, rate_bp: int = 500, **values: Any) -> Payee:
    """A partner who gets 5 % where no rule fits."""
    payee = people.payee(organisation, kind="partner", **values)
    with stored():
        partners.change_profile(
            organisation_id=organisation.id, payee_id=payee.id, draft=ProfileDraft(rate_bp=rate_bp), actor=FACTORY,
            now=OPENED,
        )  # fmt: skip
    return payee


def rate(payee: Payee, rate_bp: int) -> None:
    """What a partner who is there gets where no rule fits."""
    with stored():
        partners.change_profile(
            organisation_id=payee.organisation_id, payee_id=payee.id, draft=ProfileDraft(rate_bp=rate_bp),
            actor=FACTORY, now=OPENED,
        )  # fmt: skip


def program(organisation: Organisation, **values: Any) -> PartnerProgram:
    """A program of equal parts that pays after 30 days."""
    with stored():
        return partners.create_program(
            organisation_id=organisation.id,
            draft=ProgramDraft(**{"name": f"Program {next(_numbers)}", **values}),
            actor=FACTORY,
            now=OPENED,
        )


def rule(organisation: Organisation, **values: Any) -> PartnerRuleVersion:
    """A rule of 10 % for everything, in force."""
    with stored():
        return commission_rules.create_rule(
            organisation_id=organisation.id,
            draft=RuleDraft(**{"name": f"Rule {next(_numbers)}", "rate_bp": 1_000, **values}),
            actor=FACTORY,
            now=OPENED,
        )


def deal(
    of: PartnerProgram,
    touched_by: Sequence[Payee],
    amount_minor: int = 1_000_00,
    *,
    actor: Actor = FACTORY,
    **values: Any,
) -> Deal:
    """An open deal that partners referred, one after the other; entered by `actor`."""
    defaults: dict[str, Any] = {
        "name": f"Deal {next(_numbers)}", "currency": "USD", "amount_minor": amount_minor, "opened_at": OPENED,
    }  # fmt: skip
    with stored():
        row = deals.create_deal(
            organisation_id=of.organisation_id, draft=DealDraft(of.id, **{**defaults, **values}), actor=actor,
            now=TODAY,
        )  # fmt: skip
    for day, payee in enumerate(touched_by):
        touch(row, payee, happened_at=OPENED + timedelta(days=day))
    return row


def touch(of: Deal, payee: Payee, **values: Any) -> Touchpoint:
    """A referral."""
    draft = TouchDraft(payee.id, **{"type": "referral", "happened_at": OPENED, **values})
    with stored():
        return deals.add_touch(
            organisation_id=of.organisation_id, reference=of.reference, draft=draft, actor=FACTORY, now=TODAY
        )


def won(
    of: PartnerProgram,
    touched_by: Sequence[Payee],
    amount_minor: int = 1_000_00,
    *,
    closed_at: datetime = CLOSED,
    **values: Any,
) -> Deal:
    """A deal that was won."""
    row = deal(of, touched_by, amount_minor, **values)
    with stored():
        return deals.win_deal(
            organisation_id=of.organisation_id,
            reference=row.reference,
            closed_at=closed_at,
            actor=FACTORY,
            now=max(TODAY, closed_at),
        )


def lost(of: Deal, reason: str = "The customer took it back.", now: datetime = TODAY) -> Deal:
    """The same deal, lost."""
    with stored():
        return deals.lose_deal(
            organisation_id=of.organisation_id, reference=of.reference, reason=reason, actor=FACTORY, now=now
        )


def calculate(
    organisation: Organisation, until: str = "2026-Q1", now: datetime = TODAY, payees: Sequence[Payee] = ()
) -> Calculated:
    """Payouts of everybody for what is due."""
    with stored():
        ids = [payee.id for payee in payees] or calculating.partners_due(
            organisation.id, until, now, 0, 1_000
        )
        return calculating.calculate(
            organisation_id=organisation.id, payee_ids=ids, until=until, actor=FACTORY, now=now
        )


def commissions(of: Deal | Payee) -> list[Commission]:
    """The commissions of a deal or a partner, the oldest first."""
    column = Commission.deal_id if isinstance(of, Deal) else Commission.payee_id
    return list(db.session.scalars(select(Commission).where(column == of.id).order_by(Commission.id)))
