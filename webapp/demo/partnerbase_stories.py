"""What is told of the demo's partners: deals lost after they were paid, claims, objections, a payout in every state."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db
from webapp.demo import bank
from webapp.demo import partnerbase_people as who
from webapp.demo.partnerbase_work import Cast, approve, at, deal, touch
from webapp.kernel.actor import COMMAND
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.programs.partners import commission_rules, deals, disputing, registering
from webapp.programs.partners.drafts import DealDraft, RegistrationDraft, RuleDraft
from webapp.programs.partners.models import Commission
from webapp.programs.partners.states import CommissionState, TouchType

LOST = (
    "The customer chose another offer.",
    "No budget this year.",
    "The project was put off.",
)
_DAY = timedelta(days=1)


def during(cast: Cast, n: int, month: date) -> None:
    """What happens in the month `n` beside its usual deals."""
    if n == 0:
        _won(cast, "clawback", who.CLAWED_BACK, 9_600, month)
        _won(cast, "below_zero", who.BELOW_ZERO, 95_000, month)
        _won(cast, "corrected", who.PORTAL, 18_500, month)
    if n == 4:
        _lose(
            cast,
            "clawback",
            "The customer withdrew in time; all was paid back.",
            at(month + 9 * _DAY, 10),
        )
        _correct(cast, "corrected", 14_000, "The customer gave four seats back.", at(month + 12 * _DAY, 10))
    if n == 5:
        for position in (who.PORTAL, who.APPROVED, who.FAILED, who.SENDING):
            _won(cast, f"newest {position}", position, 9_000 + 1_500 * position, month)
    if n == 6:
        _lose(
            cast, "below_zero", "The invoice was never paid; the contract is void.", at(month + 15 * _DAY, 10)
        )


def _won(cast: Cast, name: str, position: int, units: int, month: date) -> None:
    currency = who.PARTNERS[position].currency
    customer = who.CUSTOMERS[len(cast.kept) * 7 % len(who.CUSTOMERS)]
    row = deal(
        cast, who.REFERRALS, customer, "Enterprise", currency,
        who.amount(currency, units), month - 10 * _DAY,
    )  # fmt: skip
    touch(cast, row.reference, position, TouchType.REFERRAL, month - 9 * _DAY)
    closed = at(month + 2 * _DAY, 15)
    deals.win_deal(
        organisation_id=cast.organisation_id,
        reference=row.reference,
        closed_at=closed,
        actor=COMMAND,
        now=closed,
    )
    cast.kept[name] = row.reference


def _lose(cast: Cast, name: str, reason: str, when: datetime) -> None:
    deals.lose_deal(
        organisation_id=cast.organisation_id,
        reference=cast.kept[name],
        reason=reason,
        actor=cast.admin,
        now=when,
    )


def _correct(cast: Cast, name: str, units: int, reason: str, when: datetime) -> None:
    row = deals.get_deal(cast.organisation_id, cast.kept[name])
    draft = DealDraft(
        program_id=row.program_id, name=row.name, currency=row.currency, opened_at=row.opened_at, customer=row.customer,
        amount_minor=who.amount(row.currency, units), product=row.product,
    )  # fmt: skip
    deals.change_deal(
        organisation_id=cast.organisation_id, reference=row.reference, draft=draft, reason=reason, actor=cast.admin,
        now=when,
    )  # fmt: skip


def now(cast: Cast, present: datetime) -> None:
    """The last days: claims and an objection that wait, a rule that was asked for, a payout in each state."""
    _claims(cast, present)
    _objection(cast, present)
    commission_rules.create_rule(
        organisation_id=cast.organisation_id,
        draft=RuleDraft(
            "Platinum partners", 1_200, tier="platinum", priority=5, note="As agreed at the summit."
        ),
        actor=cast.admin,
        now=present - 5 * _DAY,
    )
    waiting = db.session.scalars(
        select(Payout)
        .where(Payout.organisation_id == cast.organisation_id, Payout.state == "pending_approval")
        .order_by(Payout.id)
    ).all()
    for payout in waiting:
        position = cast.partners.index(payout.payee_id)
        if position == who.REJECTED:
            payouts.reject(
                organisation_id=cast.organisation_id, reference=payout.reference, actor=cast.approver,
                reason="Two of its deals are counted twice. Look at them first.", now=present - _DAY,
            )  # fmt: skip
        elif position in (who.FAILED, who.SENDING, who.APPROVED, who.PORTAL):
            approve(cast, payout, present - _DAY)


def _claims(cast: Cast, present: datetime) -> None:
    for position, customer, units, note in (
        (who.PORTAL, "Umbra Studios", 22_000, "We met their head of operations at the fair."),
        (who.APPROVED, "Vale Insurance", 41_000, ""),
        (who.PORTAL, "Acme Robotics", 15_000, "They want a second site."),
    ):
        currency = who.PARTNERS[position].currency
        row = registering.register(
            organisation_id=cast.organisation_id,
            payee_id=cast.partners[position],
            draft=RegistrationDraft(
                cast.programs[who.REFERRALS], customer, currency, who.amount(currency, units), "Core", note
            ),
            actor=cast.partner if position == who.PORTAL else COMMAND,
            now=present - 4 * _DAY,
        )
        cast.kept[customer] = row.reference
    registering.refuse(
        organisation_id=cast.organisation_id, reference=cast.kept["Vale Insurance"], actor=cast.approver,
        reason="Our own sales team has worked on it since spring.", now=present - 2 * _DAY,
    )  # fmt: skip


def _objection(cast: Cast, present: datetime) -> None:
    """The partner who signs in does not agree with the newest commission."""
    row = db.session.scalars(
        select(Commission)
        .where(
            Commission.payee_id == cast.partners[who.PORTAL],
            Commission.state == CommissionState.OPEN.value,
        )
        .order_by(Commission.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return
    disputing.raise_dispute(
        organisation_id=cast.organisation_id, payee_id=row.payee_id, reference=row.reference, actor=cast.partner,
        reason="We brought this customer alone; the other touch was after the contract was written.",
        now=present - 3 * _DAY,
    )  # fmt: skip


def over_the_sandbox(cast: Cast, present: datetime) -> None:
    """Of the approved payouts one fails at the bank, one has no answer yet, one is paid, one waits to be paid."""
    paid = [each for each in cast.partners if each != cast.partners[who.APPROVED]]
    bank.hand_over(cast.organisation_id, paid, cast.admin, present)
    failed, sending = cast.partners[who.FAILED], cast.partners[who.SENDING]
    bank.decide(cast.organisation_id, present, closed=failed, silent=sending)
