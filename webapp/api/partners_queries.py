"""Reads of partners, their deals and commissions for the API, narrowed to what the caller may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import joinedload

from webapp.api.queries import Viewer
from webapp.database import among, ask, db, like
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.programs.partners import deal_lists, record_lists, touch_lists
from webapp.programs.partners.models import (
    Commission,
    CommissionDispute,
    Deal,
    PartnerProfile,
    PartnerProgram,
    PartnerRule,
    Registration,
)
from webapp.programs.partners.models_events import CrmEvent
from webapp.programs.partners.models_rates import ExchangeRate
from webapp.programs.partners.rules import Period
from webapp.programs.partners.standing import Standing, stands
from webapp.programs.partners.states import CommissionKind, DealState, RegistrationState

#: The id of nobody: what is narrowed to it is empty.
NOBODY = 0
_COUNTS = and_(Commission.state != "cancelled", Commission.offer != "dismissed")


def own_id(viewer: Viewer) -> int | None:
    """The partner that the viewer is; None for staff, who see all."""
    if viewer.payee_ids is None:
        return None
    query = select(Payee.id).where(
        Payee.organisation_id == viewer.organisation_id,
        Payee.id.in_(viewer.payee_ids),
        Payee.kind == Role.PARTNER.value,
    )
    return db.session.scalar(query.order_by(Payee.id).limit(1)) or NOBODY


def _mine(query: Select[Any], column: Any, viewer: Viewer) -> Select[Any]:
    own = own_id(viewer)
    return query if own is None else query.where(column == own)


def _one(query: Select[Any]) -> Any:
    row = db.session.scalars(query.execution_options(populate_existing=True)).unique().one_or_none()
    if row is None:
        raise NotFound
    return row


# ------------------------------------------------------------------------------------------------- partners
def partners(viewer: Viewer) -> Select[Any]:
    """(payee, profile or None) of the partners that the viewer may see."""
    query: Any = (
        select(Payee, PartnerProfile)
        .outerjoin(PartnerProfile, PartnerProfile.payee_id == Payee.id)
        .where(Payee.organisation_id == viewer.organisation_id, Payee.kind == Role.PARTNER.value)
    )
    return _mine(query, Payee.id, viewer)


def narrowed_partners(
    query: Select[Any], *, search: str, type_: str | None, tier: str | None, is_active: str | None
) -> Select[Any]:
    """A query of partners, of a type, a tier and a text."""
    if text := search.strip():
        columns = (Payee.name, Payee.reference, Payee.email)
        query = query.where(or_(*(like(column, text) for column in columns)))
    if type_:
        query = query.where(record_lists.type_of == type_)
    if tier:
        query = query.where(record_lists.tier_of == tier)
    return query.where(Payee.is_active.is_(is_active == "true")) if is_active else query


def partner(viewer: Viewer, reference: str) -> Payee:
    """A partner. Raises NotFound, also for one that the viewer is not."""
    found: Payee = _one(partners(viewer).with_only_columns(Payee).where(Payee.reference == reference))
    return found


def standing_sums(conditions: Collection[Any], today: date) -> list[tuple[Standing, int, Money]]:
    """(state, count, sum) of commissions that meet the conditions, each currency by itself; none where none is."""
    found = []
    for wanted in Standing:
        rows = ask(
            select(Commission.currency, func.count(), func.sum(Commission.amount_minor))
            .where(*conditions, stands(wanted, today))
            .group_by(Commission.currency)
            .order_by(Commission.currency)
        )
        found += [(wanted, count, Money(int(minor), currency)) for currency, count, minor in rows]
    return found


def earned(payee: Payee, *conditions: Any) -> list[Money]:
    """What a partner earned, by currency: what is neither cancelled nor dismissed, taken back netted."""
    rows = ask(
        select(Commission.currency, func.sum(Commission.amount_minor))
        .where(
            Commission.organisation_id == payee.organisation_id, Commission.payee_id == payee.id, _COUNTS, *conditions
        )
        .group_by(Commission.currency)
        .order_by(Commission.currency)
    )  # fmt: skip
    return [Money(int(minor), currency) for currency, minor in rows]


IS_UNPAID = Commission.state != "paid"
IS_TAKEN_BACK = Commission.kind == CommissionKind.CLAWBACK.value


def earned_since(day: date) -> Any:
    """Of commissions: earned on a day or later."""
    return Commission.earned_on >= day


def deal_counts(payee: Payee) -> dict[str, int]:
    """State → how many deals a partner took part in."""
    query = (
        select(Deal.state, func.count())
        .where(Deal.organisation_id == payee.organisation_id, deal_lists.takes_part([payee.id]))
        .group_by(Deal.state)
    )
    found = {str(state): 0 for state in DealState}
    found.update({state: int(count) for state, count in ask(query)})
    return found


def pending_registrations(payee: Payee) -> int:
    """How many of a partner's registrations wait."""
    query = select(func.count()).where(
        Registration.payee_id == payee.id, Registration.state == RegistrationState.PENDING.value
    )
    return db.session.scalar(query) or 0


# ---------------------------------------------------------------------------------------- programs and rules
def programs(organisation_id: int) -> Select[Any]:
    """The programs of an organisation."""
    return select(PartnerProgram).where(PartnerProgram.organisation_id == organisation_id)


def program_references(organisation_id: int) -> dict[int, str]:
    """Id → reference of programs."""
    query = select(PartnerProgram.id, PartnerProgram.reference)
    return dict(ask(query.where(PartnerProgram.organisation_id == organisation_id)))


def rules(organisation_id: int) -> Select[Any]:
    """The commission rules of an organisation."""
    return (
        select(PartnerRule)
        .where(PartnerRule.organisation_id == organisation_id)
        .options(joinedload(PartnerRule.versions))
    )


# ------------------------------------------------------------------------------------------------- deals
def deal(viewer: Viewer, reference: str) -> Deal:
    """A deal. Raises NotFound, also for one in which the viewer took no part."""
    query = _deals(viewer).where(Deal.reference == reference)
    own = own_id(viewer)
    if own is not None:
        query = query.where(deal_lists.takes_part([own]))
    found: Deal = _one(query)
    return found


def _deals(viewer: Viewer) -> Select[Any]:
    return (
        select(Deal)
        .where(Deal.organisation_id == viewer.organisation_id)
        .options(joinedload(Deal.program), joinedload(Deal.registered_by))
    )


def deals_by_id(viewer: Viewer, ids: Sequence[int]) -> list[Deal]:
    """Deals of a list, in its order."""
    found = {row.id: row for row in db.session.scalars(_deals(viewer).where(among(Deal.id, ids)))}
    return [found[each] for each in ids]


def registrations_by_id(viewer: Viewer, ids: Sequence[int]) -> list[Registration]:
    """Registrations of a list, in its order."""
    query = registrations(viewer).where(among(Registration.id, ids))
    found = {row.id: row for row in db.session.scalars(query)}
    return [found[each] for each in ids]


def registrations(viewer: Viewer) -> Select[Any]:
    """The registrations that the viewer may see."""
    query = (
        select(Registration)
        .where(Registration.organisation_id == viewer.organisation_id)
        .options(
            joinedload(Registration.payee),
            joinedload(Registration.program),
            joinedload(Registration.deal),
        )
    )
    return _mine(query, Registration.payee_id, viewer)


def registration(viewer: Viewer, reference: str) -> Registration:
    """A registration. Raises NotFound, also for one that is not the viewer's."""
    found: Registration = _one(registrations(viewer).where(Registration.reference == reference))
    return found


# ------------------------------------------------------------------------------------------------- money
def commissions(viewer: Viewer) -> Select[Any]:
    """The commissions that the viewer may see."""
    query = select(Commission).where(Commission.organisation_id == viewer.organisation_id)
    return _mine(query, Commission.payee_id, viewer)


def commission(viewer: Viewer, reference: str) -> Commission:
    """A commission. Raises NotFound, also for one that is not the viewer's."""
    found: Commission = _one(commissions(viewer).where(Commission.reference == reference))
    return found


def disputes(viewer: Viewer, *, state: str, partner: str | None, commission: str | None) -> Select[Any]:
    """The objections that the viewer may see and that match."""
    query = touch_lists.disputes(viewer.organisation_id, state, payee_id=own_id(viewer))
    narrowed = select(Commission.id).where(Commission.organisation_id == viewer.organisation_id)
    if partner:
        payees = select(Payee.id).where(
            Payee.organisation_id == viewer.organisation_id, Payee.reference == partner
        )
        query = query.where(
            CommissionDispute.commission_id.in_(narrowed.where(Commission.payee_id.in_(payees)))
        )
    if commission:
        query = query.where(
            CommissionDispute.commission_id.in_(narrowed.where(Commission.reference == commission))
        )
    return query.options(joinedload(CommissionDispute.commission).joinedload(Commission.payee))


def dispute(viewer: Viewer, dispute_id: int) -> CommissionDispute:
    """An objection. Raises NotFound, also for one that is not the viewer's."""
    query = disputes(viewer, state="", partner=None, commission=None)
    found: CommissionDispute = _one(query.where(CommissionDispute.id == dispute_id))
    return found


def within(query: Select[Any], span: Period | None) -> Select[Any]:
    """A query of payouts whose period lies in a month or a quarter."""
    if span is None:
        return query
    return query.where(Payout.period_start >= span.first, Payout.period_end <= span.last)


def sums_by_period(query: Select[Any], payee_ids: Sequence[int]) -> dict[int, list[Any]]:
    """Payee id → (first day, last day, state, currency, count, gross, net) of a query of payouts."""
    columns = (Payout.payee_id, Payout.period_start, Payout.period_end, Payout.state, Payout.currency)
    grouped = (
        query.order_by(None)
        .where(among(Payout.payee_id, payee_ids))
        .with_only_columns(
            *columns, func.count(), func.sum(Payout.gross_minor), func.sum(Payout.amount_minor)
        )
        .group_by(*columns)
        .order_by(*columns)
    )
    found: dict[int, list[Any]] = {}
    for row in db.session.execute(grouped):
        found.setdefault(row[0], []).append(row[1:])
    return found


def exchange_rates(organisation_id: int) -> Select[Any]:
    """The exchange rates of an organisation."""
    return select(ExchangeRate).where(ExchangeRate.organisation_id == organisation_id)


def rate_ids_on(organisation_id: int, day: date) -> Select[Any]:
    """Ids of the rates that count on a day: of each currency the latest that has begun."""
    began = (
        select(ExchangeRate.currency, ExchangeRate.base, func.max(ExchangeRate.valid_from).label("day"))
        .where(
            ExchangeRate.organisation_id == organisation_id,
            ExchangeRate.is_current,
            ExchangeRate.valid_from <= day,
        )
        .group_by(ExchangeRate.currency, ExchangeRate.base)
        .subquery()
    )
    return (
        select(ExchangeRate.id)
        .join(
            began,
            and_(
                began.c.currency == ExchangeRate.currency,
                began.c.base == ExchangeRate.base,
                began.c.day == ExchangeRate.valid_from,
            ),
        )
        .where(ExchangeRate.organisation_id == organisation_id, ExchangeRate.is_current)
    )


# ------------------------------------------------------------------------------------------------- events
def events(organisation_id: int) -> Select[Any]:
    """The events that a CRM sent to an organisation, with their deals."""
    return (
        select(CrmEvent).where(CrmEvent.organisation_id == organisation_id).options(joinedload(CrmEvent.deal))
    )


def event(organisation_id: int, event_id: str) -> CrmEvent:
    """An event by the id that the CRM gave it. Raises NotFound."""
    found: CrmEvent = _one(events(organisation_id).where(CrmEvent.event_id == event_id))
    return found
