"""The demo's fifth organisation: a software company with fifteen partners, paid commissions in three currencies.

Seven months are over: deals were won and lost, each month's commissions were calculated and paid. What the newest
payouts show, and who has to decide about what, is in `partnerbase_stories`. The same day gives the same data.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.demo import partnerbase_stories as stories
from webapp.demo import people
from webapp.demo.partnerbase_people import (
    ACCOUNTS,
    ALLIANCES,
    CUSTOMERS,
    ORGANISATION,
    PARTNERS,
    PORTAL,
    PRODUCTS,
    PROGRAMS,
    RATES,
    REFERRALS,
    RESELLERS,
    RULES,
    WITHOUT_ACCOUNT,
    DemoPartner,
    amount,
)
from webapp.demo.partnerbase_work import ZONE, Cast, approve, at, deal, touch
from webapp.demo.times import forget_history
from webapp.kernel.actor import COMMAND, SCHEDULER
from webapp.kernel.clock import add_months, local_date, month_bounds
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people import service as people_service
from webapp.people.models import Organisation
from webapp.programs.partners import calculating, commission_rules, deals, exchange_rates, partners
from webapp.programs.partners.drafts import ProfileDraft
from webapp.programs.partners.exchange_rates import RateDraft
from webapp.programs.partners.states import TouchType

MONTHS = 7
DEALS_A_MONTH = 11
#: The partner without payment details comes in this month.
BEGINS_LATE = 5
_KINDS = {
    "referral": (TouchType.REFERRAL, TouchType.INTRODUCTION),
    "reseller": (TouchType.DEMO, TouchType.PROPOSAL, TouchType.NEGOTIATION),
    "integration": (TouchType.SOURCER, TouchType.IMPLEMENTER),
    "affiliate": (TouchType.CONTENT,),
}


def seed(now: datetime) -> None:
    """Put the organisation in, month by month."""
    rng = random.Random(20260707)
    first = add_months(local_date(now, ZONE).replace(day=1), -MONTHS)
    with transaction():
        cast = _people(at(first - timedelta(days=20), 9), first)
    for n in range(MONTHS):
        month = add_months(first, n)
        with transaction():
            _sell(cast, rng, n, month)
            stories.during(cast, n, month)
        with transaction():
            _calculate(cast, month, now)
        if n < MONTHS - 1:
            with transaction():
                _pay(cast, add_months(month, 1))
    with transaction():
        stories.now(cast, now)
    stories.over_the_sandbox(cast, now)
    with transaction():
        forget_history(cast.organisation_id, now)


def _people(then: datetime, first: date) -> Cast:
    organisation = people_service.create_organisation(
        slug=ORGANISATION,
        name="Partnerbase",
        legal_name="Partnerbase Software Inc.",
        address="200 Congress Street\nBoston, MA 02210",
        contact_email="partners@partnerbase.example",
        currency="USD",
        timezone=ZONE,
        country="US",
        programs=("partners",),
        actor=COMMAND,
        now=then,
        is_demo=True,
    )
    users = people.add_users(organisation.id, ACCOUNTS, then)
    payees = tuple(_partner(organisation, n, then) for n in range(len(PARTNERS)))
    people.link(organisation.id, payees[PORTAL], users["partner"], then)
    rules = default_rules("USD", automatic_limit_minor=0)
    payouts.change_policy(organisation_id=organisation.id, rules=rules, actor=COMMAND, now=then)
    admin, approver, partner = (people.acting(users[name]) for name in ("admin", "approver", "partner"))
    programs = tuple(
        partners.create_program(organisation_id=organisation.id, draft=draft, actor=admin, now=then).id
        for draft in PROGRAMS
    )
    cast = Cast(organisation.id, admin, approver, partner, payees, programs, first)
    _rules(cast, then)
    _exchange(cast, then)
    return cast


def _partner(organisation: Organisation, position: int, now: datetime) -> int:
    each = PARTNERS[position]
    payee = people_service.create_payee(
        organisation_id=organisation.id,
        kind="partner",
        name=each.name,
        email="partner@partnerbase.example"
        if position == PORTAL
        else f"partner{position + 1}@partnerbase.example",
        country=each.country,
        external_ref=f"P-{position + 1:03}",
        actor=COMMAND,
        now=now,
    )
    partners.change_profile(
        organisation_id=organisation.id, payee_id=payee.id, actor=COMMAND, now=now,
        draft=ProfileDraft(type=each.type, tier=each.tier, rate_bp=each.rate_bp),
    )  # fmt: skip
    if each.bank:
        people.pay_to(payee, _account(each), now)
    return payee.id


def _account(each: DemoPartner) -> accounts.Destination:
    name = each.name_at_bank or each.name
    if each.currency == "EUR":
        return accounts.iban_account(iban=each.bank, name_at_bank=name)
    if each.currency == "INR":
        return accounts.ifsc_account(account_number=each.bank, ifsc="HDFC0001234", name_at_bank=name)
    return people.us_account(each.bank, name)


def _rules(cast: Cast, now: datetime) -> None:
    """Rules as they were brought in: nobody of the people here set them, so both may approve what they make."""
    for position, draft in RULES:
        program_id = None if position is None else cast.programs[position]
        commission_rules.create_rule(
            organisation_id=cast.organisation_id,
            draft=replace(draft, program_id=program_id),
            actor=COMMAND,
            now=now,
        )


def _exchange(cast: Cast, now: datetime) -> None:
    """What a unit of each currency was worth on the first of each month."""
    for currency, rates in RATES.items():
        for n, rate in enumerate(rates):
            draft = RateDraft(
                currency, Decimal(rate), add_months(cast.first, n), "Central bank's reference rate"
            )
            exchange_rates.enter(
                organisation_id=cast.organisation_id,
                draft=draft,
                actor=cast.admin,
                now=at(draft.valid_from, 9),
            )


def _sell(cast: Cast, rng: random.Random, n: int, month: date) -> None:
    """The deals of a month `n`: two of three are won, some are lost, some stay open."""
    taking_part = [each for each in range(len(PARTNERS)) if each != WITHOUT_ACCOUNT or n >= BEGINS_LATE]
    last = month_bounds(month)[1]
    for _ in range(DEALS_A_MONTH):
        lead = rng.choice(taking_part)
        opened = month - timedelta(days=rng.randrange(10, 60))
        opened = max(opened, cast.first - timedelta(days=15))
        row = deal(
            cast, _program_of(lead, rng), rng.choice(CUSTOMERS), rng.choice(PRODUCTS), PARTNERS[lead].currency,
            amount(PARTNERS[lead].currency, rng.randrange(3_000, 48_000)), opened,
        )  # fmt: skip
        _take_part(cast, rng, row.reference, lead, opened, month, taking_part)
        end = rng.random()
        closed = at(month + timedelta(days=rng.randrange((last - month).days)), 15)
        if end < 0.72:
            deals.win_deal(
                organisation_id=cast.organisation_id, reference=row.reference, closed_at=closed, actor=COMMAND,
                now=closed,
            )  # fmt: skip
        elif end < 0.88:
            deals.lose_deal(
                organisation_id=cast.organisation_id, reference=row.reference, reason=rng.choice(stories.LOST),
                closed_at=closed, actor=COMMAND, now=closed,
            )  # fmt: skip


def _program_of(lead: int, rng: random.Random) -> int:
    kind = PARTNERS[lead].type
    if kind == "reseller":
        return RESELLERS
    return ALLIANCES if kind == "integration" and rng.random() < 0.6 else REFERRALS


def _take_part(
    cast: Cast,
    rng: random.Random,
    reference: str,
    lead: int,
    opened: date,
    month: date,
    taking_part: Sequence[int],
) -> None:
    """One to four touches: the leading partner's first, then others' of the same currency."""
    others = [n for n in taking_part if n != lead and PARTNERS[n].currency == PARTNERS[lead].currency]
    chosen: Sequence[int] = (lead, *rng.sample(others, min(len(others), rng.choice((0, 0, 1, 1, 2)))))
    span = max(1, (month - opened).days)
    for n, position in enumerate(chosen):
        day = opened + timedelta(days=min(span, n * rng.randrange(2, 12)))
        touch(cast, reference, position, rng.choice(_KINDS[PARTNERS[position].type]), day)


def _calculate(cast: Cast, month: date, now: datetime) -> None:
    """On the second of the next month everything that is due becomes payouts."""
    made_at = min(now, at(add_months(month, 1) + timedelta(days=1), 2))
    until = f"{month:%Y-%m}" if month.month % 3 else f"{month.year}-Q{month.month // 3}"
    ids = calculating.partners_due(cast.organisation_id, until, made_at, 0, 100)
    calculating.calculate(
        organisation_id=cast.organisation_id, payee_ids=ids, until=until, actor=SCHEDULER, now=made_at
    )


def _pay(cast: Cast, month: date) -> None:
    """On the fourth a person approves them, on the sixth they go out by hand."""
    query = select(Payout).where(
        Payout.organisation_id == cast.organisation_id, Payout.state == "pending_approval"
    )
    for payout in db.session.scalars(query.order_by(Payout.id)).all():
        if payout.payee_id == cast.partners[WITHOUT_ACCOUNT]:
            continue
        common = {"organisation_id": cast.organisation_id, "reference": payout.reference}
        approve(cast, payout, at(month + timedelta(days=3), 10))
        payouts.mark_paid(
            **common,  # type: ignore[arg-type]
            payment_reference=f"WIRE-{payout.id:06}",
            paid_on=month + timedelta(days=5),
            actor=cast.admin,
            now=at(month + timedelta(days=5), 11),
        )
