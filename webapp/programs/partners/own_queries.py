"""Reading a partner's own deals, registrations and commissions, and what they come to. Never writes.

Every question names the organisation and the partner: another one's records are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, case, extract, func, select
from sqlalchemy.orm import aliased, joinedload

from webapp.database import db, get_row
from webapp.kernel.clock import add_months
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.programs.partners.deal_lists import takes_part
from webapp.programs.partners.models import (
    Attribution,
    Commission,
    CommissionDispute,
    Deal,
    PartnerProgram,
    Registration,
)
from webapp.programs.partners.states import CommissionState, RegistrationState
from webapp.web.listing import Listing, Sort

MONTHS = 12
deal, program = aliased(Deal, name="deal"), aliased(PartnerProgram, name="program")


def counts() -> ColumnElement[bool]:
    """Whether a commission is the partner's: not cancelled, and not decided against."""
    return and_(Commission.state != CommissionState.CANCELLED.value, Commission.offer != "dismissed")


# --------------------------------------------------------------------------------------------- commissions
def get_commission(organisation_id: int, payee_id: int, reference: str) -> Commission:
    """One of the partner's commissions, with its deal and program. Raises NotFound."""
    query = select(Commission).where(
        Commission.organisation_id == organisation_id,
        Commission.payee_id == payee_id,
        Commission.reference == reference,
    )
    return get_row(query.options(joinedload(Commission.deal), joinedload(Commission.program)), "commission")


def commissions_of_deal(payee_id: int, deal_id: int) -> Sequence[Commission]:
    """What a partner has of a deal, the oldest first."""
    query = select(Commission).where(Commission.payee_id == payee_id, Commission.deal_id == deal_id)
    return db.session.scalars(query.order_by(Commission.id)).all()


def disputes_of(row: Commission) -> Sequence[CommissionDispute]:
    """What was disputed about a commission, the newest first."""
    query = select(CommissionDispute).where(CommissionDispute.commission_id == row.id)
    return db.session.scalars(query.order_by(CommissionDispute.id.desc())).all()


def payout_of(row: Commission) -> Payout | None:
    """The payout that a commission is in."""
    return db.session.get(Payout, row.payout_id) if row.payout_id is not None else None


# ------------------------------------------------------------------------------------ deals, registrations
def get_deal(organisation_id: int, payee_id: int, reference: str) -> Deal:
    """A deal that the partner touched, registered or has a share of. Raises NotFound."""
    query = select(Deal).where(
        Deal.organisation_id == organisation_id, Deal.reference == reference, takes_part([payee_id])
    )
    return get_row(query.options(joinedload(Deal.program)), "deal")


def own_shares(payee_id: int, deal_ids: Sequence[int]) -> dict[int, int]:
    """Deal → the partner's share, of a million."""
    query = select(Attribution.deal_id, Attribution.millionths).where(
        Attribution.payee_id == payee_id, Attribution.deal_id.in_(deal_ids)
    )
    return {row.deal_id: row.millionths for row in db.session.execute(query)}


def registration_of(payee_id: int, deal_id: int) -> str | None:
    """The number of the partner's registration that was accepted as a deal."""
    query = select(Registration.reference).where(
        Registration.payee_id == payee_id, Registration.deal_id == deal_id
    )
    return db.session.scalar(query.order_by(Registration.id).limit(1))


def own_earned(payee_id: int, deal_ids: Sequence[int]) -> dict[int, Money]:
    """Deal → what the partner has of it, less what was taken back."""
    rows = db.session.execute(
        select(Commission.deal_id, Commission.currency, func.sum(Commission.amount_minor))
        .where(Commission.payee_id == payee_id, Commission.deal_id.in_(deal_ids), counts())
        .group_by(Commission.deal_id, Commission.currency)
    )
    return {int(deal_id or 0): Money(int(amount), currency) for deal_id, currency, amount in rows}


def registrations(organisation_id: int, payee_id: int, state: str = "") -> Listing:
    """A partner's registrations, the newest first.

    Columns: id, reference, customer, product, currency, expected_minor, state, created_at, program_name,
    deal_reference (None until it is accepted).
    """
    columns: tuple[Any, ...] = (
            Registration.id, Registration.reference, Registration.customer, Registration.product,
            Registration.currency, Registration.expected_minor, Registration.state, Registration.created_at,
            program.name.label("program_name"), deal.reference.label("deal_reference"),
        )  # fmt: skip
    everything = (
        select(*columns)
        .join(program, program.id == Registration.program_id)
        .outerjoin(deal, deal.id == Registration.deal_id)
        .where(Registration.organisation_id == organisation_id, Registration.payee_id == payee_id)
    )  # fmt: skip
    query = everything.where(Registration.state == RegistrationState(state).value) if state else everything
    return Listing(
        query, everything, Registration.id, {"created": ()}, Sort("created", is_descending=True),
        Registration.currency, {"expected": Registration.expected_minor},
    )  # fmt: skip


def get_registration(organisation_id: int, payee_id: int, reference: str) -> Registration:
    """One of the partner's registrations. Raises NotFound."""
    query = select(Registration).where(
        Registration.organisation_id == organisation_id,
        Registration.payee_id == payee_id,
        Registration.reference == reference,
    )
    return get_row(
        query.options(joinedload(Registration.program), joinedload(Registration.deal)), "registration"
    )


def open_programs(organisation_id: int) -> Sequence[PartnerProgram]:
    """The programs that take registrations, by name."""
    query = select(PartnerProgram).where(
        PartnerProgram.organisation_id == organisation_id, PartnerProgram.is_active
    )
    return db.session.scalars(query.order_by(PartnerProgram.name, PartnerProgram.id)).all()


# ------------------------------------------------------------------------------------------------- figures
@dataclass(frozen=True)
class Earned:
    """What a partner earned in one currency: ever, this year, and what of it is not paid yet."""

    lifetime: Money
    year: Money
    pending: Money


def earned(organisation_id: int, payee_id: int, today: date) -> list[Earned]:
    """What a partner earned, by currency; what was taken back is netted. One question."""
    amount = Commission.amount_minor
    is_paid = Commission.state == CommissionState.PAID.value
    columns = (
        func.sum(amount),
        func.sum(case((Commission.earned_on >= date(today.year, 1, 1), amount), else_=0)),
        func.sum(case((is_paid, 0), else_=amount)),
    )
    rows = db.session.execute(
        select(Commission.currency, *columns)
        .where(Commission.organisation_id == organisation_id, Commission.payee_id == payee_id, counts())
        .group_by(Commission.currency)
        .order_by(Commission.currency)
    )
    return [Earned(*(Money(int(minor), currency) for minor in sums)) for currency, *sums in rows]


def months(organisation_id: int, payee_id: int, today: date) -> dict[str, dict[date, int]]:
    """Currency → month → minor units earned in it, of the last twelve; what was taken back lies below zero."""
    year, month = extract("year", Commission.earned_on), extract("month", Commission.earned_on)
    first = add_months(today, 1 - MONTHS)
    rows = db.session.execute(
        select(Commission.currency, year, month, func.sum(Commission.amount_minor))
        .where(
            Commission.organisation_id == organisation_id,
            Commission.payee_id == payee_id,
            Commission.earned_on.between(first, today),
            counts(),
        )
        .group_by(Commission.currency, year, month)
        .order_by(Commission.currency)
    )
    found: dict[str, dict[date, int]] = {}
    for currency, y, m, minor in rows:
        found.setdefault(currency, {})[date(int(y), int(m), 1)] = int(minor)
    return found
