"""Reading programs, and partners with what they earned, for admins' pages; rows of plain columns, never writes.

Earned is every commission that is not cancelled or dismissed, what was taken back netted; paid is in payouts that were
paid; owed is the rest. Currencies stand side by side, never added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Select, and_, case, func, literal, or_, select

from webapp.database import among, ask, db, get_row, like
from webapp.kernel.clock import add_months
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.programs.partners.drafts import PROGRAM, ProfileDraft
from webapp.programs.partners.models import (
    Attribution,
    Commission,
    Deal,
    PartnerProfile,
    PartnerProgram,
    Registration,
)
from webapp.programs.partners.states import CommissionState, DealState
from webapp.web.listing import Listing, Sort

_USUAL = ProfileDraft()
type_of = func.coalesce(PartnerProfile.type, _USUAL.type)
tier_of = func.coalesce(PartnerProfile.tier, _USUAL.tier)
rate_of = func.coalesce(PartnerProfile.rate_bp, _USUAL.rate_bp)

_IS_PAID = Commission.state == CommissionState.PAID.value
_COUNTS = and_(Commission.state != CommissionState.CANCELLED.value, Commission.offer != "dismissed")
EARNED = Commission.amount_minor
PAID = case((_IS_PAID, Commission.amount_minor), else_=0)
OWED = case((_IS_PAID, 0), else_=Commission.amount_minor)


@dataclass(frozen=True)
class PartnerFilter:
    """What the list of partners is narrowed to; `state` is "active" or "inactive"."""

    text: str = ""
    type: str = ""
    tier: str = ""
    state: str = ""


@dataclass(frozen=True)
class Sums:
    """What a partner earned in one currency."""

    earned: Money
    paid: Money
    owed: Money


def _narrow(query: Select[Any], chosen: PartnerFilter) -> Select[Any]:
    if text := chosen.text.strip():
        query = query.where(
            or_(*(like(column, text) for column in (Payee.name, Payee.reference, Payee.email)))
        )
    if chosen.type:
        query = query.where(type_of == chosen.type)
    if chosen.tier:
        query = query.where(tier_of == chosen.tier)
    if chosen.state:
        query = query.where(Payee.is_active.is_(chosen.state == "active"))
    return query


def _partners(organisation_id: int, *columns: Any) -> Select[Any]:
    return cast(Select[Any], (
        select(*columns)
        .select_from(Payee)
        .outerjoin(PartnerProfile, PartnerProfile.payee_id == Payee.id)
        .where(Payee.organisation_id == organisation_id, Payee.kind == Role.PARTNER.value)
    ))  # fmt: skip


def partners(organisation_id: int, currency: str, chosen: PartnerFilter) -> Listing:
    """Partners, by default by their name. `amount` (earned) and `outstanding` (owed) are of one currency.

    Columns: id, reference, name, is_active, type, tier, rate_bp. Orders: name, rate, amount, outstanding, created.
    """

    def total(amount: Any) -> Any:
        # Only read where the list is put in its order: one look at the partner's own commissions.
        mine = select(func.coalesce(func.sum(amount), 0)).where(
            Commission.payee_id == Payee.id, Commission.currency == currency, _COUNTS
        )
        return mine.correlate(Payee).scalar_subquery()

    everything = _partners(
        organisation_id, Payee.id, Payee.reference, Payee.name, Payee.is_active, type_of.label("type"),
        tier_of.label("tier"), rate_of.label("rate_bp"),
    )  # fmt: skip
    orders = {
        "name": (Payee.name,),
        "rate": (rate_of,),
        "amount": (total(EARNED),),
        "outstanding": (total(OWED),),
        "created": (),
    }
    # Nothing is summed of it: its totals are those of the commissions.
    code = literal(currency, literal_execute=True)
    return Listing(_narrow(everything, chosen), everything, Payee.id, orders, Sort("name"), code, {})


def commissions_of_partners(organisation_id: int, chosen: PartnerFilter) -> Listing:
    """The commissions of a filter's partners, for its totals by currency. Sums: earned, paid, owed."""
    ids = _narrow(_partners(organisation_id, Payee.id), chosen)
    everything = cast(
        Select[Any],
        select(Commission.id, Commission.currency).where(
            Commission.organisation_id == organisation_id, _COUNTS
        ),
    )
    sums = {"earned": EARNED, "paid": PAID, "owed": OWED}
    query = everything.where(Commission.payee_id.in_(ids))
    return Listing(
        query, everything, Commission.id, {"created": ()}, Sort("created"), Commission.currency, sums
    )


def sums_by_partner(organisation_id: int, currency: str, chosen: PartnerFilter) -> Listing:
    """Partners with their sums, a row for each currency, for files; one of nothing where nothing is earned.

    Columns: reference, name, email, type, tier, rate_bp, is_active, currency, earned_minor, paid_minor, owed_minor.
    Orders: name, rate, amount, outstanding, created.
    """
    code = func.coalesce(Commission.currency, currency)
    named: dict[str, Any] = {"type": type_of, "tier": tier_of, "rate_bp": rate_of, "currency": code}
    stored = (PartnerProfile.type, PartnerProfile.tier, PartnerProfile.rate_bp, Commission.currency)
    own = (Payee.id, Payee.reference, Payee.name, Payee.email, Payee.is_active)
    summed = {"earned": EARNED, "paid": PAID, "owed": OWED}
    of = and_(Commission.payee_id == Payee.id, Commission.organisation_id == organisation_id, _COUNTS)
    grouped = (
        _narrow(_partners(organisation_id, *own), chosen)
        .outerjoin(Commission, of)
        # The key of a row: its first commission; where there is none, the partner.
        .add_columns(func.coalesce(func.min(Commission.id), -Payee.id).label("key"))
        .add_columns(*(column.label(name) for name, column in named.items()))
        .add_columns(*(func.coalesce(func.sum(each), 0).label(f"{n}_minor") for n, each in summed.items()))
        .group_by(*own, *stored)
        .subquery()
    )
    at = grouped.c
    query = cast(Select[Any], select(*at))
    orders = {"name": (at.name,), "rate": (at.rate_bp,), "amount": (at.earned_minor,),
              "outstanding": (at.owed_minor,), "created": ()}  # fmt: skip
    sums = {name: at[f"{name}_minor"] for name in summed}
    return Listing(query, query, at.key, orders, Sort("name"), at.currency, sums)


def sums_of(organisation_id: int, payee_ids: Collection[int]) -> dict[int, list[Sums]]:
    """Partner → what they earned, by currency; added up by the database."""
    found: dict[int, list[Sums]] = defaultdict(list)
    if not payee_ids:
        return found
    rows = ask(
        select(Commission.payee_id, Commission.currency, func.sum(EARNED), func.sum(PAID), func.sum(OWED))
        .where(Commission.organisation_id == organisation_id, among(Commission.payee_id, payee_ids), _COUNTS)
        .group_by(Commission.payee_id, Commission.currency)
        .order_by(Commission.payee_id, Commission.currency)
    )
    for payee_id, currency, *amounts in rows:
        found[payee_id].append(Sums(*(Money(int(amount), currency) for amount in amounts)))
    return found


def earned_by_month(
    organisation_id: int, payee_id: int, today: date, months: int = 12
) -> list[tuple[str, list[int]]]:
    """(currency, minor units of each of the last months, the oldest first) of a partner."""
    first = add_months(today, 1 - months)
    rows = ask(
        select(Commission.currency, Commission.earned_on, func.sum(Commission.amount_minor))
        .where(
            Commission.organisation_id == organisation_id, Commission.payee_id == payee_id, _COUNTS,
            Commission.earned_on >= first, Commission.earned_on < add_months(today, 1),
        )
        .group_by(Commission.currency, Commission.earned_on)
    )  # fmt: skip
    found: dict[str, list[int]] = defaultdict(lambda: [0] * months)
    for currency, day, amount in rows:
        found[currency][(day.year - first.year) * 12 + day.month - first.month] += int(amount)
    return sorted(found.items())


def deals_of(organisation_id: int, payee_id: int, limit: int) -> Sequence[Any]:
    """A partner's newest deals with their part of them."""
    return ask(
        select(
            Deal.reference, Deal.name, Deal.state, Deal.closed_at, Deal.currency, Deal.amount_minor,
            Attribution.millionths, Attribution.amount_minor.label("part_minor"),
        )
        .join(Attribution, Attribution.deal_id == Deal.id)
        .where(Deal.organisation_id == organisation_id, Attribution.payee_id == payee_id)
        .order_by(Deal.id.desc())
        .limit(limit)
    )  # fmt: skip


def commissions_of(organisation_id: int, payee_id: int, limit: int) -> Sequence[Any]:
    """A partner's newest commissions with the deals that they are of."""
    return ask(
        select(
            Commission.reference, Commission.kind, Commission.state, Commission.currency, Commission.amount_minor,
            Commission.earned_on, Commission.due_on, Commission.is_disputed, Commission.offer,
            Deal.reference.label("deal"), Commission.period,
        )
        .outerjoin(Deal, Deal.id == Commission.deal_id)
        .where(Commission.organisation_id == organisation_id, Commission.payee_id == payee_id)
        .order_by(Commission.id.desc())
        .limit(limit)
    )  # fmt: skip


def payouts_of(organisation_id: int, payee_id: int, limit: int) -> Sequence[Any]:
    """A partner's newest payouts."""
    return ask(
        select(
            Payout.reference, Payout.state, Payout.currency, Payout.amount_minor, Payout.period_start,
            Payout.period_end, Payout.paid_on,
        )
        .where(
            Payout.organisation_id == organisation_id, Payout.payee_id == payee_id, Payout.program == PROGRAM
        )
        .order_by(Payout.id.desc())
        .limit(limit)
    )  # fmt: skip


def registrations_of(organisation_id: int, payee_id: int, limit: int) -> Sequence[Any]:
    """A partner's newest registrations of deals."""
    return ask(
        select(
            Registration.reference, Registration.customer, Registration.state, Registration.currency,
            Registration.expected_minor, Registration.created_at,
        )
        .where(Registration.organisation_id == organisation_id, Registration.payee_id == payee_id)
        .order_by(Registration.id.desc())
        .limit(limit)
    )  # fmt: skip


def programs(organisation_id: int) -> Sequence[PartnerProgram]:
    """The organisation's programs, those in use first."""
    query = select(PartnerProgram).where(PartnerProgram.organisation_id == organisation_id)
    return db.session.scalars(
        query.order_by(PartnerProgram.is_active.desc(), PartnerProgram.name, PartnerProgram.id)
    ).all()


def find_program(organisation_id: int, reference: str) -> PartnerProgram:
    """A program by its number. Raises NotFound."""
    query = select(PartnerProgram).where(
        PartnerProgram.organisation_id == organisation_id, PartnerProgram.reference == reference
    )
    return get_row(query, "program")


def count_deals(organisation_id: int) -> dict[int, dict[str, int]]:
    """Program → state → how many deals."""
    rows = ask(
        select(Deal.program_id, Deal.state, func.count())
        .where(Deal.organisation_id == organisation_id)
        .group_by(Deal.program_id, Deal.state)
    )
    found: dict[int, dict[str, int]] = defaultdict(lambda: {str(state): 0 for state in DealState})
    for program_id, state, count in rows:
        found[program_id][state] = count
    return found
