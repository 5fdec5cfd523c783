"""Reading touches, shares of deals, registrations and disputes for lists and files, as `deal_lists` reads deals.

Each function gives a `listing.Listing` of plain columns (no records). `payee_id` narrows a list to one partner. The
names of the columns stand above each function; amounts are minor units of `currency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from webapp.database import like
from webapp.people.queries import payees_named
from webapp.programs.partners.deal_lists import deal, on_days, partner, program
from webapp.programs.partners.models import (
    Attribution,
    Commission,
    CommissionDispute,
    PartnerProgram,
    Registration,
    Touchpoint,
)
from webapp.web.listing import Listing, Sort, owned


@dataclass(frozen=True)
class TouchFilter:
    """What the list of touches is narrowed to. Days are those on which they happened, both included."""

    partner: str = ""
    deal: str = ""
    kind: str = ""
    program: str = ""
    date_from: date | None = None
    date_to: date | None = None


@dataclass(frozen=True)
class ShareFilter:
    """What the list of shares is narrowed to; `frozen` is "yes" or "no"."""

    partner: str = ""
    deal: str = ""
    program: str = ""
    model: str = ""
    state: str = ""
    frozen: str = ""


@dataclass(frozen=True)
class RegistrationFilter:
    """What the list of registrations is narrowed to. Days are those on which they came in, both included."""

    text: str = ""
    partner: str = ""
    program: str = ""
    state: str = ""
    date_from: date | None = None
    date_to: date | None = None


def touches(
    organisation_id: int, chosen: TouchFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """What partners did for deals, by default what happened last.

    Columns: id, happened_at, type, weight, external_ref, created_by_label, partner_reference, partner_name,
    deal_reference, deal_name, deal_state, currency. Orders: date, partner, created. No sums.
    """
    columns: tuple[Any, ...] = (
        Touchpoint.id, Touchpoint.happened_at, Touchpoint.type, Touchpoint.weight, Touchpoint.external_ref,
        Touchpoint.created_by_label, partner.reference.label("partner_reference"),
        partner.name.label("partner_name"), deal.reference.label("deal_reference"), deal.name.label("deal_name"),
        deal.state.label("deal_state"), deal.currency,
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(partner, partner.id == Touchpoint.payee_id)
        .join(deal, deal.id == Touchpoint.deal_id)
        .where(*owned(Touchpoint, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_touch_clauses(organisation_id, chosen or TouchFilter())),
        everything,
        Touchpoint.id,
        {"date": (Touchpoint.happened_at,), "partner": (partner.name,), "created": ()},
        Sort("date", is_descending=True),
        deal.currency,
        {},
    )


def _touch_clauses(organisation_id: int, chosen: TouchFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.partner:
        yield Touchpoint.payee_id.in_(payees_named(organisation_id, chosen.partner))
    if chosen.deal:
        yield _deal_named(chosen.deal)
    if chosen.kind:
        yield Touchpoint.type == chosen.kind
    if chosen.program:
        yield deal.program_id.in_(_programs(organisation_id, chosen.program))
    yield from on_days(Touchpoint.happened_at, organisation_id, chosen.date_from, chosen.date_to)


def _deal_named(text: str) -> ColumnElement[bool]:
    return or_(deal.reference == text.upper(), like(deal.name, text))


def _programs(organisation_id: int, reference: str) -> Select[Any]:
    return select(PartnerProgram.id).where(
        PartnerProgram.organisation_id == organisation_id, PartnerProgram.reference == reference
    )


# ------------------------------------------------------------------------------------------------- shares
def shares(
    organisation_id: int, chosen: ShareFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Partners' shares of deals, by default the newest first.

    Columns: id, model, millionths, currency, amount_minor, is_frozen, worked_out_at, partner_reference, partner_name,
    deal_reference, deal_name, deal_state, program_name. Orders: created, amount, share, partner. Sums: amount.
    """
    columns: tuple[Any, ...] = (
        Attribution.id, Attribution.model, Attribution.millionths, Attribution.currency,
        Attribution.amount_minor, Attribution.is_frozen, Attribution.worked_out_at,
        partner.reference.label("partner_reference"), partner.name.label("partner_name"),
        deal.reference.label("deal_reference"), deal.name.label("deal_name"), deal.state.label("deal_state"),
        program.name.label("program_name"),
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(partner, partner.id == Attribution.payee_id)
        .join(deal, deal.id == Attribution.deal_id)
        .join(program, program.id == deal.program_id)
        .where(*owned(Attribution, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_share_clauses(organisation_id, chosen or ShareFilter())),
        everything,
        Attribution.id,
        {
            "created": (), "amount": (Attribution.currency, Attribution.amount_minor),
            "share": (Attribution.millionths,), "partner": (partner.name,),
        },
        Sort("created", is_descending=True),
        Attribution.currency,
        {"amount": Attribution.amount_minor},
    )  # fmt: skip


def _share_clauses(organisation_id: int, chosen: ShareFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.partner:
        yield Attribution.payee_id.in_(payees_named(organisation_id, chosen.partner))
    if chosen.deal:
        yield _deal_named(chosen.deal)
    if chosen.program:
        yield program.reference == chosen.program
    if chosen.model:
        yield Attribution.model == chosen.model
    if chosen.state:
        yield deal.state == chosen.state
    if chosen.frozen:
        yield Attribution.is_frozen.is_(chosen.frozen == "yes")


# ------------------------------------------------------------------------------------------------- registrations
def registrations(
    organisation_id: int, chosen: RegistrationFilter | None = None, *, payee_id: int | None = None
) -> Listing:
    """Partners' claims on deals, by default the newest first.

    Columns: id, reference, state, customer, product, currency, expected_minor, created_at, decided_at,
    decided_by_label, reason, partner_reference, partner_name, program_name, deal_reference (None without a deal).
    Orders: created, amount, customer. Sums: expected.
    """
    columns: tuple[Any, ...] = (
        Registration.id, Registration.reference, Registration.state, Registration.customer, Registration.product,
        Registration.currency, Registration.expected_minor, Registration.created_at, Registration.decided_at,
        Registration.decided_by_label, Registration.reason, partner.reference.label("partner_reference"),
        partner.name.label("partner_name"), program.name.label("program_name"),
        deal.reference.label("deal_reference"),
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(partner, partner.id == Registration.payee_id)
        .join(program, program.id == Registration.program_id)
        .outerjoin(deal, deal.id == Registration.deal_id)
        .where(*owned(Registration, organisation_id, payee_id))
    )
    return Listing(
        everything.where(*_registration_clauses(organisation_id, chosen or RegistrationFilter())),
        everything,
        Registration.id,
        {
            "created": (), "amount": (Registration.currency, Registration.expected_minor),
            "customer": (Registration.customer,),
        },
        Sort("created", is_descending=True),
        Registration.currency,
        {"expected": Registration.expected_minor},
    )  # fmt: skip


def _registration_clauses(organisation_id: int, chosen: RegistrationFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        columns = (Registration.reference, Registration.customer, Registration.product)
        yield or_(*(like(column, text) for column in columns))
    if chosen.partner:
        yield Registration.payee_id.in_(payees_named(organisation_id, chosen.partner))
    if chosen.program:
        yield program.reference == chosen.program
    if chosen.state:
        yield Registration.state == chosen.state
    yield from on_days(Registration.created_at, organisation_id, chosen.date_from, chosen.date_to)


# ------------------------------------------------------------------------------------------------- disputes
def disputes(organisation_id: int, state: str = "", *, payee_id: int | None = None) -> Select[Any]:
    """Objections to commissions, as records; of one state (all: an empty one) and one partner."""
    query = select(CommissionDispute).where(CommissionDispute.organisation_id == organisation_id)
    if state:
        query = query.where(CommissionDispute.state == state)
    if payee_id is not None:
        mine = select(Commission.id).where(Commission.payee_id == payee_id)
        query = query.where(CommissionDispute.commission_id.in_(mine))
    return query
