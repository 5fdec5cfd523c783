"""Owners' payouts as admins look for them: by owner, transfer, bank reference or rent; with tries and next try.

The list itself is that of the payouts room, narrowed to this program; here is what it does not know: the rents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload

from webapp.database import db, like
from webapp.kernel.money import Money
from webapp.payouts import lists
from webapp.payouts.lists import PayoutFilter, Total
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import MethodKind, PayoutMethod
from webapp.people.queries import payees_named
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.models import (
    Distribution,
    DistributionShare,
    Lease,
    RentCharge,
    RentPayment,
    Unit,
)

#: What `OwnerPayoutFilter.type` says, as kinds of payout methods.
_KINDS = {"bank": MethodKind.BANK_ACCOUNT.value, "upi": MethodKind.UPI.value}


@dataclass(frozen=True)
class OwnerPayoutFilter:
    """What the list is narrowed to; `type` is bank, upi or none (no payment details)."""

    text: str = ""
    status: str = ""
    type: str = ""
    period_from: date | None = None
    period_to: date | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the payouts room can say the same filter: what "all that match" there means is the same set."""
        return not self.text and not self.type


@dataclass(frozen=True)
class Tries:
    """What was tried for a payout: how often, over which rail, and what the newest try came to."""

    count: int = 0
    rail: str = ""
    state: str = ""
    utr: str = ""
    error: str = ""
    error_code: str = ""


@dataclass(frozen=True)
class Moments:
    """When a payout was sent and paid, and when it is tried again by itself."""

    submitted_at: datetime | None = None
    paid_at: datetime | None = None
    retry_at: datetime | None = None


def payouts(organisation_id: int, currency: str, now: datetime, chosen: OwnerPayoutFilter) -> Select[Any]:
    """The payouts of this program that match, without order or limit."""
    same = PayoutFilter(
        program=PROGRAM,
        status=chosen.status,
        period_from=chosen.period_from,
        period_to=chosen.period_to,
    )
    query = lists.payouts(organisation_id=organisation_id, currency=currency, now=now, filters=same)
    if text := chosen.text.strip():
        query = query.where(_text(organisation_id, text))
    has_method = and_(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
    if chosen.type == "none":
        query = query.where(~exists().where(has_method))
    elif kind := _KINDS.get(chosen.type):
        query = query.where(exists().where(has_method, PayoutMethod.kind == kind))
    return query


def state_totals(organisation_id: int) -> dict[str, list[Total]]:
    """State → count and sums of the payouts of this program, one per currency."""
    rows = db.session.execute(
        select(
            Payout.state,
            Payout.currency,
            func.count(),
            func.sum(Payout.gross_minor),
            func.sum(Payout.amount_minor),
        )
        .where(Payout.organisation_id == organisation_id, Payout.program == PROGRAM)
        .group_by(Payout.state, Payout.currency)
        .order_by(Payout.currency)
    )
    found: dict[str, list[Total]] = {}
    for state, currency, count, gross, net in rows:
        found.setdefault(state, []).append(
            Total(count, Money(int(gross), currency), Money(int(net), currency))
        )
    return found


def _text(organisation_id: int, text: str) -> Any:
    by_transfer = select(Transfer.payout_id).where(
        Transfer.organisation_id == organisation_id,
        or_(Transfer.transfer_id == text, like(Transfer.utr, text), like(Transfer.provider_reference, text)),
    )
    by_rent = (
        select(DistributionShare.payout_id)
        .join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .where(
            RentPayment.organisation_id == organisation_id,
            DistributionShare.payout_id.is_not(None),
            or_(RentPayment.reference == text.upper(), RentPayment.merchant_order_id == text),
        )
    )
    return or_(
        like(Payout.reference, text),
        like(Payout.payment_reference, text),
        Payout.payee_id.in_(payees_named(organisation_id, text)),
        Payout.id.in_(by_transfer),
        Payout.id.in_(by_rent),
    )


def tries_of(payout_ids: Sequence[int]) -> dict[int, Tries]:
    """The tries of the payouts of one page, in one query."""
    newest = (
        select(Transfer.payout_id, func.max(Transfer.n).label("n"))
        .where(Transfer.payout_id.in_(payout_ids))
        .group_by(Transfer.payout_id)
        .subquery()
    )
    rows = db.session.scalars(
        select(Transfer).join(
            newest, and_(newest.c.payout_id == Transfer.payout_id, newest.c.n == Transfer.n)
        )
    )
    return {
        t.payout_id: Tries(t.n, t.rail, t.state, t.utr, t.error_message or t.error_code, t.error_code)
        for t in rows
    }


def moments_of(payout_ids: Sequence[int]) -> dict[int, Moments]:
    """When the payouts of one page were sent, paid, and are tried again."""
    rows = db.session.execute(
        select(Payout.id, Payout.submitted_at, Payout.paid_at, Payout.retry_at).where(
            Payout.id.in_(payout_ids)
        )
    )
    return {row.id: Moments(row.submitted_at, row.paid_at, row.retry_at) for row in rows}


def rents_of(payout_ids: Sequence[int]) -> dict[int, RentPayment]:
    """The rent that each payout of one page brings, with its unit and property."""
    rows = db.session.execute(
        select(DistributionShare.payout_id, RentPayment)
        .join(Distribution, Distribution.id == DistributionShare.distribution_id)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .where(DistributionShare.payout_id.in_(payout_ids))
        .options(
            joinedload(RentPayment.charge, innerjoin=True)
            .joinedload(RentCharge.lease, innerjoin=True)
            .joinedload(Lease.unit, innerjoin=True)
            .joinedload(Unit.property, innerjoin=True)
        )
    )
    return {payout_id: payment for payout_id, payment in rows if payout_id is not None}
