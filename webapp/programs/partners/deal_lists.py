"""Reading deals, touches, shares of deals, registrations and disputes for lists, files and the API. Never writes.

Each function gives a `listing.Listing` of plain columns (no records): page it with `listing.page`, read all of it with
`listing.batches`, count and sum it with `listing.count` and `listing.totals`. `payee_id` narrows a list to one partner.
The names of the columns stand above each function; amounts are minor units of `currency`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, or_, select, union
from sqlalchemy.orm import aliased

from webapp.database import UtcDateTime, among, ask, like
from webapp.kernel.clock import start_of_day
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.people.queries import payees_named
from webapp.programs.partners import trail
from webapp.programs.partners.models import (
    Attribution,
    Commission,
    Deal,
    PartnerProgram,
    Touchpoint,
)
from webapp.programs.partners.states import CommissionState, DealState
from webapp.web.listing import Listing, Sort, of_amount

partner, registrar = aliased(Payee, name="partner"), aliased(Payee, name="registrar")
deal, program = aliased(Deal, name="deal"), aliased(PartnerProgram, name="program")
_BEFORE_ALL = literal(datetime(1970, 1, 1, tzinfo=UTC), UtcDateTime())
#: No record is older.
_FIRST = date(1900, 1, 1)
_COUNTED = [state.value for state in CommissionState if state is not CommissionState.CANCELLED]


@dataclass(frozen=True)
class DealFilter:
    """What the list of deals is narrowed to; empty fields narrow nothing.

    `partner`: a number or a part of a name, of whoever took part in the deal or registered it; `program`: a number.
    Days are those of the close, both included. Amounts are minor units of `amount_currency`, both included; `currency`
    narrows to deals in one.
    """

    text: str = ""
    state: str = ""
    program: str = ""
    partner: str = ""
    product: str = ""
    closed_from: date | None = None
    closed_to: date | None = None
    currency: str = ""
    amount_from: int | None = None
    amount_to: int | None = None
    amount_currency: str = ""


def takes_part(payees: Any) -> ColumnElement[bool]:
    """Whether one of these (ids, or a question for ids) touched a deal, has a share of it or registered it."""
    found = union(
        select(Touchpoint.deal_id).where(Touchpoint.payee_id.in_(payees)),
        select(Attribution.deal_id).where(Attribution.payee_id.in_(payees)),
    )
    return or_(Deal.id.in_(found), Deal.registered_by_id.in_(payees))


def on_days(
    column: Any, organisation_id: int, first: date | None, last: date | None
) -> Iterator[ColumnElement[bool]]:
    """Instants of whole days of the organisation's calendar; days that no calendar knows narrow nothing."""
    if first is not None and first > _FIRST:
        yield column >= start_of_day(first, trail.timezone_of(organisation_id))
    if last is not None and last < date.max:
        # Nothing happened before the first day, so an end before it finds nothing either.
        yield column < start_of_day(max(last, _FIRST) + timedelta(days=1), trail.timezone_of(organisation_id))


# ------------------------------------------------------------------------------------------------- deals
#: What all partners earned of a deal and was not cancelled; what was taken back is netted.
EARNED = (
    select(func.coalesce(func.sum(Commission.amount_minor), 0))
    .where(Commission.deal_id == Deal.id, Commission.state.in_(_COUNTED))
    .correlate(Deal)
    .scalar_subquery()
)


def deals(organisation_id: int, chosen: DealFilter | None = None, *, payee_id: int | None = None) -> Listing:
    """Deals, by default the newest first.

    Columns: id, reference, name, customer, product, state, currency, amount_minor, opened_at, closed_at,
    program_reference, program_name, registrar_reference and registrar_name (None without one). Orders: created, name,
    closed (open ones before all), amount. Sums: amount, won (of those that are won), earned (commissions).
    """
    columns: tuple[Any, ...] = (
        Deal.id, Deal.reference, Deal.name, Deal.customer, Deal.product, Deal.state, Deal.currency,
        Deal.amount_minor, Deal.opened_at, Deal.closed_at, program.reference.label("program_reference"),
        program.name.label("program_name"), registrar.reference.label("registrar_reference"),
        registrar.name.label("registrar_name"),
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(program, program.id == Deal.program_id)
        .outerjoin(registrar, registrar.id == Deal.registered_by_id)
        .where(Deal.organisation_id == organisation_id)
    )
    if payee_id is not None:
        everything = everything.where(takes_part([payee_id]))
    return Listing(
        everything.where(*_deal_clauses(organisation_id, chosen or DealFilter())),
        everything,
        Deal.id,
        {
            "created": (), "name": (Deal.name,), "closed": (func.coalesce(Deal.closed_at, _BEFORE_ALL),),
            "amount": (Deal.currency, Deal.amount_minor),
        },
        Sort("created", is_descending=True),
        Deal.currency,
        {
            "amount": Deal.amount_minor,
            "won": case((Deal.state == DealState.WON.value, Deal.amount_minor), else_=0),
            "earned": EARNED,
        },
    )  # fmt: skip


def _deal_clauses(organisation_id: int, chosen: DealFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        columns = (Deal.reference, Deal.name, Deal.customer, Deal.external_ref)
        yield or_(*(like(column, text) for column in columns))
    if chosen.state:
        yield Deal.state == chosen.state
    if chosen.program:
        yield program.reference == chosen.program
    if chosen.partner:
        yield takes_part(payees_named(organisation_id, chosen.partner))
    if chosen.product:
        yield like(Deal.product, chosen.product)
    yield from on_days(Deal.closed_at, organisation_id, chosen.closed_from, chosen.closed_to)
    if chosen.currency:
        yield Deal.currency == chosen.currency
    yield from of_amount(Deal, chosen.amount_currency, chosen.amount_from, chosen.amount_to)


@dataclass(frozen=True)
class PartOfDeal:
    """Who has which share of a deal."""

    name: str
    reference: str
    millionths: int


def parts_of(deal_ids: Collection[int]) -> dict[int, list[PartOfDeal]]:
    """Deal → who has which share of it, the largest first."""
    found: dict[int, list[PartOfDeal]] = defaultdict(list)
    query = (
        select(Attribution.deal_id, Payee.name, Payee.reference, Attribution.millionths)
        .join(Payee, Payee.id == Attribution.payee_id)
        .where(among(Attribution.deal_id, deal_ids))
    )
    for row in ask(query.order_by(Attribution.millionths.desc(), Attribution.id)):
        found[row.deal_id].append(PartOfDeal(*row[1:]))
    return found


def earned_of(deal_ids: Collection[int]) -> dict[int, Money]:
    """Deal → its commissions that are not cancelled, added up; what was taken back is netted."""
    query = select(Commission.deal_id, Commission.currency, func.sum(Commission.amount_minor)).where(
        among(Commission.deal_id, deal_ids), Commission.state.in_(_COUNTED)
    )
    rows = ask(query.group_by(Commission.deal_id, Commission.currency))
    return {deal_id: Money(int(amount), currency) for deal_id, currency, amount in rows}


def offered_programs(organisation_id: int, *, only_active: bool = False) -> Sequence[tuple[str, str]]:
    """(number, name) of the organisation's programs, for a choice."""
    query = select(PartnerProgram.reference, PartnerProgram.name).where(
        PartnerProgram.organisation_id == organisation_id
    )
    if only_active:
        query = query.where(PartnerProgram.is_active)
    return [(row.reference, row.name) for row in ask(query.order_by(PartnerProgram.name, PartnerProgram.id))]
