"""Reading commissions and partners' payouts for lists, files and the API. Never writes, knows no request.

Each function gives a `listing.Listing` of plain columns: page it with `listing.page`, read all of it with
`listing.batches`, count and sum it with `listing.count` and `listing.totals`. `payee_id` narrows a list to one partner,
whose portal shows it. Amounts are minor units of `currency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import aliased

from webapp.database import like, within
from webapp.payouts.lists import is_open
from webapp.payouts.models import Payout
from webapp.payouts.states import CLOSED_STATES
from webapp.people.models import Payee
from webapp.people.queries import payees_named
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.models import Commission, Deal, PartnerProgram
from webapp.programs.partners.rules import Period
from webapp.programs.partners.standing import Standing, stands
from webapp.programs.partners.states import CommissionState
from webapp.web.listing import Listing, Sort, of_amount, owned

partner, deal, program = (
    aliased(Payee, name="partner"), aliased(Deal, name="deal"), aliased(PartnerProgram, name="partner_program"),
)  # fmt: skip
payout = aliased(Payout, name="payout")
#: What is in no payout, whatever it waits for; and payouts that are on hold.
OPEN, HELD = "open", "held"


@dataclass(frozen=True)
class CommissionFilter:
    """What the list of commissions is narrowed to; empty fields narrow nothing.

    `partner`: a reference or a part of a name; `deal`, `program`, `payout`: references. `state` is a word of Standing
    or `open`; `today` decides what is due. Days and `period` are those on which commissions were earned. Amounts are
    minor units of `currency`, both included.
    """

    today: date
    text: str = ""
    partner: str = ""
    deal: str = ""
    program: str = ""
    payout: str = ""
    state: str = ""
    kind: str = ""
    period: Period | None = None
    date_from: date | None = None
    date_to: date | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    currency: str = ""


@dataclass(frozen=True)
class PayoutFilter:
    """What the list of partners' payouts is narrowed to.

    `text`: a part of a reference, a partner's name or a note; `amount`: what the text is as an amount, `span` as a
    period. `state` is a word of PayoutState, or `held`. Payouts are of a period when they end in it.
    """

    text: str = ""
    amount: int | None = None
    span: Period | None = None
    partner: str = ""
    state: str = ""
    period: Period | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    currency: str = ""


# -------------------------------------------------------------------------------------------- commissions
_COMMISSION_COLUMNS: tuple[Any, ...] = (
    Commission.id, Commission.reference, Commission.kind, Commission.state, Commission.offer,
    Commission.offer_reason, Commission.is_disputed, Commission.currency, Commission.base_minor,
    Commission.rate_bp, Commission.rule_label, Commission.amount_minor, Commission.earned_on, Commission.due_on,
    Commission.period, Commission.reason, Commission.paid_at, Commission.created_at, Commission.payee_id,
    partner.reference.label("partner_reference"), partner.name.label("partner_name"),
    program.reference.label("program_reference"), program.name.label("program_name"),
    deal.reference.label("deal_reference"), deal.name.label("deal_name"),
    payout.reference.label("payout_reference"), payout.state.label("payout_state"),
)  # fmt: skip


def commissions(
    organisation_id: int, chosen: CommissionFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Commissions, by default the latest earned first.

    Columns: id, reference, kind, state, offer, offer_reason, is_disputed, currency, base_minor, rate_bp, rule_label,
    amount_minor, earned_on, due_on, period (of a retainer), reason, paid_at, created_at, payee_id,
    partner_reference, partner_name, program_reference, program_name, deal_reference and deal_name (None of a
    retainer), payout_reference and payout_state (None while in no payout).
    Orders: date, due, amount, partner, created. Sums: amount.
    """
    everything = (
        select(*_COMMISSION_COLUMNS)
        .join(partner, partner.id == Commission.payee_id)
        .join(program, program.id == Commission.program_id)
        .outerjoin(deal, deal.id == Commission.deal_id)
        .outerjoin(payout, payout.id == Commission.payout_id)
        .where(*owned(Commission, organisation_id, payee_id))
    )
    clauses = () if chosen is None else _commission_clauses(organisation_id, chosen)
    return Listing(
        everything.where(*clauses),
        everything,
        Commission.id,
        {
            "date": (Commission.earned_on,), "due": (Commission.due_on,), "partner": (partner.name,),
            "amount": (Commission.currency, Commission.amount_minor), "created": (),
        },
        Sort("date", is_descending=True),
        Commission.currency,
        {"amount": Commission.amount_minor},
    )  # fmt: skip


def _commission_clauses(organisation_id: int, chosen: CommissionFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        yield or_(
            like(Commission.reference, text),
            Commission.payee_id.in_(payees_named(organisation_id, text)),
            like(deal.name, text),
            deal.reference == text.upper(),
        )
    if chosen.partner:
        yield Commission.payee_id.in_(payees_named(organisation_id, chosen.partner))
    if chosen.deal:
        yield deal.reference == chosen.deal.upper()
    if chosen.program:
        yield program.reference == chosen.program.upper()
    if chosen.payout:
        yield payout.reference == chosen.payout.upper()
    if chosen.state == OPEN:
        yield Commission.state == CommissionState.OPEN.value
    elif chosen.state:
        yield stands(Standing(chosen.state), chosen.today)
    if chosen.kind:
        yield Commission.kind == chosen.kind
    if chosen.period is not None:
        yield from within(Commission.earned_on, chosen.period.first, chosen.period.last)
    yield from within(Commission.earned_on, chosen.date_from, chosen.date_to)
    yield from of_amount(Commission, chosen.currency, chosen.amount_from, chosen.amount_to)


# ------------------------------------------------------------------------------------------------ payouts
_IN_IT = (
    select(func.count()).where(Commission.payout_id == Payout.id).correlate(Payout).scalar_subquery()
)  # fmt: skip
_PAYOUT_COLUMNS: tuple[Any, ...] = (
    Payout.id, Payout.reference, Payout.period_start, Payout.period_end, Payout.state, Payout.is_held,
    Payout.currency, Payout.gross_minor, Payout.amount_minor, Payout.note, Payout.payment_reference,
    Payout.approved_at, Payout.paid_on, Payout.created_at, Payout.payee_id,
    partner.reference.label("partner_reference"), partner.name.label("partner_name"),
    _IN_IT.label("commissions"),
)  # fmt: skip


def payouts(
    organisation_id: int, chosen: PayoutFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Payouts of partners, by default the newest first.

    Columns: id, reference, period_start, period_end, state, is_held, currency, gross_minor, amount_minor, note,
    payment_reference, approved_at, paid_on, created_at, payee_id, partner_reference, partner_name, commissions (how
    many are in it; none once it was rejected or cancelled).
    Orders: created, period, amount, partner, paid. Sums: gross, amount.
    """
    everything = (
        select(*_PAYOUT_COLUMNS)
        .join(partner, partner.id == Payout.payee_id)
        .where(*owned(Payout, organisation_id, payee_id), Payout.program == PROGRAM)
    )
    clauses = () if chosen is None else _payout_clauses(organisation_id, chosen)
    return Listing(
        everything.where(*clauses),
        everything,
        Payout.id,
        {
            "created": (), "period": (Payout.period_end,), "partner": (partner.name,),
            "amount": (Payout.currency, Payout.amount_minor),
        },
        Sort("created", is_descending=True),
        Payout.currency,
        {"gross": Payout.gross_minor, "amount": Payout.amount_minor},
    )  # fmt: skip


def _payout_clauses(organisation_id: int, chosen: PayoutFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        yield or_(*_searched(organisation_id, text, chosen))
    if chosen.partner:
        yield Payout.payee_id.in_(payees_named(organisation_id, chosen.partner))
    if chosen.state == HELD:
        yield Payout.is_held.is_(True)
    elif chosen.state in CLOSED_STATES:
        yield Payout.state == chosen.state
    elif chosen.state:
        yield and_(is_open(), Payout.state == chosen.state)
    if chosen.period is not None:
        yield _ends_in(chosen.period)
    yield from of_amount(Payout, chosen.currency, chosen.amount_from, chosen.amount_to)


def _searched(organisation_id: int, text: str, chosen: PayoutFilter) -> Iterator[ColumnElement[bool]]:
    yield like(Payout.reference, text)
    yield like(Payout.note, text)
    yield Payout.payee_id.in_(payees_named(organisation_id, text))
    if chosen.amount is not None:
        yield Payout.amount_minor == chosen.amount
    if chosen.span is not None:
        yield _ends_in(chosen.span)


def _ends_in(span: Period) -> ColumnElement[bool]:
    return Payout.period_end.between(span.first, span.last)
