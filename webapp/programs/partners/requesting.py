"""A partner asks for what is due to be paid out before the period ends, where the programs allow it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select

from webapp.database import ask, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.notices import wanted
from webapp.payouts import policies
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.partners import choosing, due, trail
from webapp.programs.partners.models import Commission, PartnerProgram
from webapp.programs.partners.partners import get_partner


class WhyNot(StrEnum):
    """What keeps a partner from asking for a payout in a currency."""

    INACTIVE, CARRIED, TOO_LITTLE = "inactive", "carried", "too_little"


@dataclass(frozen=True)
class Offer:
    """What a partner can ask for in one currency now: `references` of commissions, and what is taken back with them.

    `why_not` says why nothing can be asked for; `least` is the smallest payout.
    """

    amount: Money
    least: Money
    references: tuple[str, ...]
    why_not: WhyNot | None


def offers(organisation_id: int, payee_id: int, now: datetime) -> list[Offer]:
    """By currency, what is due to a partner of programs whose partners may ask. Raises NotFound. Three questions."""
    payee = get_partner(organisation_id, payee_id)
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in ask(
        select(
            Commission.reference, Commission.currency, Commission.amount_minor, PartnerProgram.minimums,
            PartnerProgram.partners_may_request,
        )
        .join(PartnerProgram, PartnerProgram.id == Commission.program_id)
        .where(
            *due.is_open(organisation_id),
            Commission.payee_id == payee_id,
            Commission.due_on <= trail.today(organisation_id, now),
            # What is taken back is netted, whatever its program says.
            or_(PartnerProgram.partners_may_request, Commission.amount_minor < 0),
        )
        .order_by(Commission.amount_minor >= 0, Commission.id)
    ):  # fmt: skip
        rows[row.currency].append(row)
    policy, _ = policies.current_policy(organisation_id)
    found = []
    for currency in sorted(rows):
        asked = [row for row in rows[currency] if row.partners_may_request][: due.MOST_LINES]
        if not asked:
            continue
        others = [row for row in rows[currency] if not row.partners_may_request]
        amount = Money(sum(int(row.amount_minor) for row in (*asked, *others)), currency)
        least = due.least_of(policy, currency, (row.minimums for row in asked))
        references = tuple(row.reference for row in asked)
        found.append(Offer(amount, least, references, _why_not(payee, amount, least)))
    return found


def _why_not(payee: Payee, amount: Money, least: Money) -> WhyNot | None:
    if not payee.is_active:
        return WhyNot.INACTIVE
    if amount.amount <= 0:
        return WhyNot.CARRIED
    return WhyNot.TOO_LITTLE if amount < least else None


def request_payout(
    *,
    organisation_id: int,
    payee_id: int,
    currency: str,
    actor: Actor,
    now: datetime,
    expected_minor: int | None = None,
) -> Payout:
    """Make the payout of what is due to a partner in a currency; it waits for approval like every payout.

    Without payment details it waits for them; they are asked for. Raises NotFound; Conflict when there is nothing to
    ask for, or it does not come to `expected_minor`, which the partner was shown.
    """
    # One at a time: the second finds that nothing is left.
    payee = lock_row(Payee, Payee.organisation_id == organisation_id, Payee.id == payee_id, key_share=True)
    offer = next(
        (each for each in offers(organisation_id, payee_id, now) if each.amount.currency == currency), None
    )
    if offer is None:
        raise Conflict("Nothing is due that you can ask for. Nothing was done.")
    if offer.why_not is not None:
        reason = due.why_waiting(payee.name, payee.is_active, offer.amount, offer.least)
        raise Conflict(reason)
    if expected_minor is not None and offer.amount.amount != expected_minor:
        raise Conflict(f"It comes to {offer.amount.format()} now. Look at it again; nothing was done.")
    payout = choosing.create(
        organisation_id=organisation_id,
        payee_reference=payee.reference,
        references=offer.references,
        actor=actor,
        now=now,
    )
    wanted.ask(payee, now)
    return payout
