"""Reads that the API needs beside those of the rooms: filters of its own, sums by state and payee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import contains_eager

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.clock import start_of_day
from webapp.kernel.errors import NotFound
from webapp.kernel.money import exponent
from webapp.payouts import lists
from webapp.payouts.lists import PayoutFilter
from webapp.payouts.models import Payout
from webapp.people.access.models import ApiToken
from webapp.people.changes import queries as changes
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee, PayoutMethod, Role
from webapp.programs.installations import queries as rooms
from webapp.programs.installations.models import (
    Installation,
    InstallationShare,
    RateConfiguration,
    RateVersion,
)
from webapp.statements.models import Document

CLOSED = ("paid", "rejected", "cancelled", "reversed")


@dataclass(frozen=True)
class Viewer:
    """Whose records may be seen: all of an organisation (payee_ids None), or those of some payees."""

    organisation_id: int
    currency: str
    timezone: str
    payee_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PayoutChoice:
    """A filter of payouts. Amounts are major units of `currency`, the organisation's own when empty."""

    state: str | None = None
    held: str | None = None
    payee: str | None = None
    program: str | None = None
    method: str | None = None
    period_from: date | None = None
    period_to: date | None = None
    created_from: date | None = None
    created_to: date | None = None
    currency: str | None = None
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    search: str | None = None
    states: tuple[str, ...] = ()


def _minor(amount: Decimal | None, currency: str, *, up: bool) -> int | None:
    """A bound in minor units, rounded so that the filter keeps its meaning."""
    if amount is None:
        return None
    scaled = amount.scaleb(exponent(currency))
    whole = int(scaled)
    return whole + 1 if up and scaled > whole else whole


def payouts(viewer: Viewer, chosen: PayoutChoice, now: datetime) -> Select[Any]:
    """The payouts that a viewer may see and that match, without order or limit."""
    currency = chosen.currency or viewer.currency
    filters = PayoutFilter(
        text=(chosen.search or "").strip(),
        program=chosen.program or "",
        status=chosen.state or "",
        period_from=chosen.period_from,
        period_to=chosen.period_to,
        amount_from=_minor(chosen.amount_from, currency, up=True),
        amount_to=_minor(chosen.amount_to, currency, up=False),
    )
    query = lists.payouts(organisation_id=viewer.organisation_id, currency=currency, now=now, filters=filters)
    query = query.where(*_created(chosen.created_from, chosen.created_to, viewer.timezone))
    if viewer.payee_ids is not None:
        query = query.where(Payout.payee_id.in_(viewer.payee_ids))
    if chosen.states:
        query = query.where(Payout.state.in_(chosen.states))
    if chosen.held:
        query = query.where(Payout.is_held.is_(chosen.held == "true"))
    if chosen.payee:
        payee = select(Payee.id).where(
            Payee.organisation_id == viewer.organisation_id, Payee.reference == chosen.payee
        )
        query = query.where(Payout.payee_id.in_(payee))
    if chosen.currency:
        query = query.where(Payout.currency == chosen.currency)
    if chosen.method:
        query = query.where(
            select(PayoutMethod.id)
            .where(
                PayoutMethod.payee_id == Payout.payee_id,
                PayoutMethod.is_current.is_(True),
                PayoutMethod.kind == chosen.method,
            )
            .exists()
        )
    return query


def _created(first: date | None, last: date | None, timezone: str) -> list[Any]:
    found: list[Any] = []
    if first:
        found.append(Payout.created_at >= start_of_day(first, timezone))
    if last:
        found.append(Payout.created_at < start_of_day(last + timedelta(days=1), timezone))
    return found


def payout(viewer: Viewer, reference: str) -> Payout:
    """One payout with everything about it. Raises NotFound, also for one that is not the viewer's."""
    found = lists.get_for_page(organisation_id=viewer.organisation_id, reference=reference)
    if viewer.payee_ids is not None and found.payee_id not in viewer.payee_ids:
        raise NotFound
    return found


def events(payout: Payout) -> Select[Any]:
    """The trail of a payout, without order or limit."""
    return select(AuditEvent).where(
        AuditEvent.organisation_id == payout.organisation_id,
        AuditEvent.subject_type == "payout",
        AuditEvent.subject_id == payout.id,
    )


def sums(query: Select[Any]) -> Sequence[Any]:
    """(state, currency, count, gross, net) of a query of payouts."""
    grouped = (
        query.order_by(None)
        .with_only_columns(
            Payout.state,
            Payout.currency,
            func.count(),
            func.sum(Payout.gross_minor),
            func.sum(Payout.amount_minor),
        )
        .group_by(Payout.state, Payout.currency)
        .order_by(Payout.state, Payout.currency)
    )
    return db.session.execute(grouped).all()


def payees_with(query: Select[Any]) -> Select[Any]:
    """The payees of a query of payouts, each once."""
    inner = query.order_by(None).with_only_columns(Payout.payee_id)
    return select(Payee).where(Payee.id.in_(inner))


def sums_by_payee(query: Select[Any], payee_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The same sums for some payees, in one query."""
    grouped = (
        query.order_by(None)
        .where(Payout.payee_id.in_(payee_ids))
        .with_only_columns(
            Payout.payee_id, Payout.state, Payout.currency, func.count(), func.sum(Payout.gross_minor),
            func.sum(Payout.amount_minor),
        )
        .group_by(Payout.payee_id, Payout.state, Payout.currency)
        .order_by(Payout.payee_id, Payout.state, Payout.currency)
    )  # fmt: skip
    found: dict[int, list[Any]] = {}
    for row in db.session.execute(grouped):
        found.setdefault(row[0], []).append(row[1:])
    return found


def installations(viewer: Viewer, chosen: rooms.InstallationFilter) -> Select[Any]:
    """The installations that a viewer may see and that match."""
    ids = viewer.payee_ids
    if ids is not None and len(ids) == 1:
        # "Due" then means due to this technician.
        return rooms.list_installations(viewer.organisation_id, chosen, payee_id=ids[0])
    query = rooms.list_installations(viewer.organisation_id, chosen)
    return query if ids is None else query.where(Installation.shares.any(InstallationShare.payee_id.in_(ids)))


def installation(viewer: Viewer, reference: str) -> Installation:
    """One installation. Raises NotFound, also for one that is not the viewer's."""
    found = rooms.get_installation(viewer.organisation_id, reference)
    if viewer.payee_ids is not None and not {s.payee_id for s in found.shares} & set(viewer.payee_ids):
        raise NotFound
    return found


def technician_ids(organisation_id: int, references: Sequence[str]) -> dict[str, int]:
    """Reference -> id of the technicians among the references."""
    query = select(Payee.reference, Payee.id).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.TECHNICIAN.value,
        Payee.reference.in_(references),
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def rates(organisation_id: int, *, in_force: date | None = None) -> Select[Any]:
    """The newest version of every rate configuration; with a day those that count on it."""
    query = (
        select(RateVersion)
        .join(RateVersion.configuration)
        .where(
            RateVersion.organisation_id == organisation_id,
            RateVersion.version == RateConfiguration.current_version,
        )
        .options(contains_eager(RateVersion.configuration))
    )
    if in_force is None:
        return query
    return query.where(
        RateVersion.is_active.is_(True),
        or_(RateVersion.effective_from.is_(None), RateVersion.effective_from <= in_force),
        or_(RateVersion.effective_to.is_(None), RateVersion.effective_to >= in_force),
    )


def payees(viewer: Viewer, query: Select[Any]) -> Select[Any]:
    """A query of payees narrowed to those that the viewer may see."""
    return query if viewer.payee_ids is None else query.where(Payee.id.in_(viewer.payee_ids))


def payee(viewer: Viewer, reference: str) -> Payee:
    """One payee. Raises NotFound, also for one that is not the viewer's."""
    query = select(Payee).where(Payee.organisation_id == viewer.organisation_id, Payee.reference == reference)
    row: Payee | None = db.session.scalar(payees(viewer, query))
    if row is None:
        raise NotFound
    return row


def statements(viewer: Viewer) -> Select[Any]:
    """(document, payee, payout or None) that a viewer may see."""
    query: Any = (
        select(Document, Payee, Payout)
        .join(Payee, Payee.id == Document.payee_id)
        .join(Payout, Payout.id == Document.payout_id, isouter=True)
        .where(Document.organisation_id == viewer.organisation_id)
    )
    narrowed: Select[Any] = (
        query if viewer.payee_ids is None else query.where(Document.payee_id.in_(viewer.payee_ids))
    )
    return narrowed


def statement(viewer: Viewer, number: str) -> Any:
    """One document with its payee and payout. Raises NotFound."""
    row = db.session.execute(statements(viewer).where(Document.number == number)).one_or_none()
    if row is None:
        raise NotFound
    return row


def token(token_id: int) -> ApiToken:
    """The row of the token that makes the call."""
    return db.session.get_one(ApiToken, token_id)


def own_payees(viewer: Viewer) -> Sequence[Payee]:
    """The payees that a viewer is."""
    query = select(Payee).where(
        Payee.organisation_id == viewer.organisation_id, Payee.id.in_(viewer.payee_ids or ())
    )
    return db.session.scalars(query.order_by(Payee.id)).all()


def bank_changes(viewer: Viewer, *, state: str = "") -> Select[Any]:
    """The asked-for payment details that a viewer may see."""
    query = changes.changes(viewer.organisation_id, state=state)
    return query if viewer.payee_ids is None else query.where(MethodChange.payee_id.in_(viewer.payee_ids))


def bank_change(viewer: Viewer, reference: str) -> MethodChange:
    """One asked-for change. Raises NotFound, also for one that is not the viewer's."""
    found = changes.get_change(viewer.organisation_id, reference)
    if viewer.payee_ids is not None and found.payee_id not in viewer.payee_ids:
        raise NotFound
    return found
