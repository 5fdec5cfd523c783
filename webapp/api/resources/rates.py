"""Rate configurations of the installations: a change is always a new version."""

from __future__ import annotations

from datetime import date
from typing import Any

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.schemas.common import Amount, AmountIn
from webapp.api.schemas.installations import (
    RateCreate,
    RateDetail,
    RateEnd,
    RateNew,
    RateOut,
    RatePage,
    RateQuery,
    RateRevision,
)  # fmt: skip
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.installations import rate_service
from webapp.programs.installations.drafts import RateDraft
from webapp.programs.installations.models import RateConfiguration, RateVersion

resource = Resource(
    "rates",
    "/rate-configurations",
    title="Rate configurations",
    about="What an installation pays. A change makes the next version; payouts keep the version they used.",
)
_read, _write = {"scope": Scope.RATES_READ}, {"scope": Scope.RATES_WRITE}
_AS_IT_IS = (
    "version", "name", "installation_type", "capacity_unit", "min_size", "max_size", "rate_type", "rate", "currency",
    "is_active", "priority", "effective_from", "effective_to", "created_at",
)  # fmt: skip


def _fields(row: RateVersion, who: Caller) -> dict[str, Any]:
    today = local_date(utc_now(), who.timezone)
    begun = row.effective_from is None or row.effective_from <= today
    lasts = row.effective_to is None or row.effective_to >= today
    return {
        **{name: getattr(row, name) for name in _AS_IT_IS},
        "id": row.configuration_id,
        "bonus": Amount.of(row.bonus_minor, row.currency) if row.has_bonus else None,
        "is_in_force": row.is_active and begun and lasts,
        "external_ref": row.configuration.external_ref,
        "created_by": row.created_by_label,
    }


def _out(row: RateVersion, who: Caller) -> RateOut:
    return RateOut(**_fields(row, who))


def _page(who: Caller, query: RateQuery, *, in_force: date | None = None) -> RatePage:
    found = queries.rates(who.organisation_id, in_force=in_force)
    if query.installation_type:
        found = found.where(RateVersion.installation_type == query.installation_type)
    if query.rate_type:
        found = found.where(RateVersion.rate_type == query.rate_type)
    rows, following = paging.page(
        found,
        RateVersion.configuration_id,
        limit=query.limit,
        cursor=query.cursor,
        key_of_row=lambda row: int(row.configuration_id),
    )
    return RatePage(items=[_out(row, who) for row in rows], next_cursor=following)


@resource.get("", summary="List rate configurations", query=RateQuery, answers=RatePage, **_read)
def index(who: Caller, query: RateQuery) -> RatePage:
    """Every configuration in its newest version, also those that are switched off or over."""
    return _page(who, query)


@resource.get("/active", summary="List the rates in force", query=RateQuery, answers=RatePage, **_read)
def active(who: Caller, query: RateQuery) -> RatePage:
    """The configurations whose newest version counts today."""
    return _page(who, query, in_force=local_date(utc_now(), who.timezone))


def _detail(who: Caller, configuration: RateConfiguration) -> RateDetail:
    newest = rate_service.current(configuration)
    earlier = [_out(v, who) for v in configuration.versions if v.version != newest.version]
    return RateDetail(**_fields(newest, who), earlier_versions=earlier)


@resource.get("/<int:configuration_id>", summary="Get a rate configuration", answers=RateDetail, **_read)
def show(who: Caller, configuration_id: int) -> RateDetail:
    """One configuration with all its versions."""
    return _detail(who, rate_service.get_configuration(who.organisation_id, configuration_id))


def _draft(who: Caller, body: RateCreate) -> RateDraft:
    currency = body.currency or who.currency
    values = body.model_dump(exclude={"bonus", "currency", "external_ref"}, exclude_unset=False)
    if isinstance(body, RateRevision):
        values.pop("version")
    bonus = _minor(body.bonus, currency)
    return RateDraft(**values, currency=currency, has_bonus=bonus > 0, bonus_minor=bonus)


def _minor(amount: AmountIn | None, currency: str) -> int:
    if amount is None:
        return 0
    if amount.currency != currency:
        raise Invalid("bonus", f"The bonus is in {amount.currency}, the rate in {currency}.", currency)
    return amount.minor


@resource.post(
    "",
    summary="Create a rate configuration",
    body=RateNew,
    answers=RateDetail,
    status=201,
    location="/rate-configurations/{id}",
    **_write,
)
def create(who: Caller, body: RateNew) -> RateDetail:
    """A new configuration with its first version. Who sets a rate does not approve what it pays."""
    made = rate_service.create_rate(
        organisation_id=who.organisation_id,
        draft=_draft(who, body),
        external_ref=body.external_ref,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, made)


@resource.put("/<int:configuration_id>", summary="Save the next version of a rate", body=RateRevision,
              answers=RateDetail, **_write)  # fmt: skip
def update(who: Caller, configuration_id: int, body: RateRevision) -> RateDetail:
    """The newest version is replaced by one that says what the body says; without a difference none is made."""
    rate_service.revise_rate(
        configuration_id=configuration_id,
        draft=_draft(who, body),
        **act_of(who, body.version),
    )
    return _detail(who, rate_service.get_configuration(who.organisation_id, configuration_id))


@resource.post("/<int:configuration_id>/end", summary="End a rate configuration", body=RateEnd,
               answers=RateDetail, **_write)  # fmt: skip
def end(who: Caller, configuration_id: int, body: RateEnd) -> RateDetail:
    """Its last day; a next version says so."""
    rate_service.end_rate(
        organisation_id=who.organisation_id,
        configuration_id=configuration_id,
        last_day=body.last_day,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(who, rate_service.get_configuration(who.organisation_id, configuration_id))
