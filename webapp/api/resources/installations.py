"""Installations: what was built, by whom, and what is still to be paid for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.schemas.common import Amount, AmountIn, PayeeRef
from webapp.api.schemas.installations import (
    InstallationChange,
    InstallationCreate,
    InstallationOut,
    InstallationPage,
    InstallationQuery,
    Share,
    ShareIn,
    StatusChange,
)  # fmt: skip
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.installations import queries as rooms
from webapp.programs.installations import service
from webapp.programs.installations.drafts import InstallationDraft, ShareDraft
from webapp.programs.installations.models import Installation
from webapp.programs.installations.queries import InstallationFilter

resource = Resource(
    "installations",
    "/installations",
    title="Installations",
    about="Installed systems. A technician's token sees those that they are assigned to.",
)
_read, _write = {"scope": Scope.INSTALLATIONS_READ}, {"scope": Scope.INSTALLATIONS_WRITE}
_AS_IT_IS = (
    "reference", "external_ref", "installation_type", "status", "customer_name", "site", "size", "capacity_unit",
    "currency", "commissioned_on", "quality_check", "created_at", "version",
)  # fmt: skip


def _out(row: Installation, who: Caller) -> InstallationOut:
    shares = [s for s in row.shares if who.sees_all or s.payee_id in who.payee_ids]
    value = row.order_value_minor
    return InstallationOut(
        **{name: getattr(row, name) for name in _AS_IT_IS},
        order_value=None if value is None else Amount.of(value, row.currency),
        shares=[Share(technician=PayeeRef.of(s.payee), weight=s.weight) for s in shares],
    )


@resource.get("", summary="List installations", query=InstallationQuery, answers=InstallationPage, **_read)
def index(who: Caller, query: InstallationQuery) -> InstallationPage:
    """The installations that match, the newest first."""
    chosen = InstallationFilter(
        text=query.search or "",
        installation_type=query.installation_type or "",
        status=query.status or "",
        technician=query.technician or "",
        commissioned_from=query.commissioned_from,
        commissioned_to=query.commissioned_to,
        payment=query.payment or "",
    )
    rows, following = paging.page(
        queries.installations(who.viewer, chosen), Installation.id, limit=query.limit, cursor=query.cursor
    )
    return InstallationPage(items=[_out(row, who) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get an installation", answers=InstallationOut, **_read)
def show(who: Caller, reference: str) -> InstallationOut:
    """One installation."""
    return _out(queries.installation(who.viewer, reference), who)


def _shares(who: Caller, shares: Sequence[ShareIn]) -> tuple[ShareDraft, ...]:
    ids = queries.technician_ids(who.organisation_id, [share.technician for share in shares])
    for share in shares:
        if share.technician not in ids:
            raise Invalid(
                "shares", f"{share.technician} is not a technician of this organisation.", "PY-0001"
            )
    return tuple(ShareDraft(ids[share.technician], share.weight) for share in shares)


def _minor(amount: AmountIn | None, currency: str) -> int | None:
    if amount is None:
        return None
    if amount.currency != currency:
        raise Invalid(
            "order_value",
            f"The order value is in {amount.currency}, the installation in {currency}.",
            currency,
        )
    return amount.minor


@resource.post(
    "",
    summary="Add an installation",
    body=InstallationCreate,
    answers=InstallationOut,
    status=201,
    location="/installations/{reference}",
    **_write,
)
def create(who: Caller, body: InstallationCreate) -> InstallationOut:
    """A new installation, numbered ISR-000001 and on."""
    currency = body.currency or who.currency
    draft = InstallationDraft(
        installation_type=body.installation_type,
        capacity_unit=body.capacity_unit,
        currency=currency,
        size=body.size,
        customer_name=body.customer_name,
        site=body.site,
        order_value_minor=_minor(body.order_value, currency),
        status=body.status,
        commissioned_on=body.commissioned_on,
        quality_check=body.quality_check,
        external_ref=body.external_ref,
        shares=_shares(who, body.shares),
    )
    made = service.create_installation(
        organisation_id=who.organisation_id, draft=draft, actor=who.actor, now=utc_now()
    )
    return _out(made, who)


def _changed(who: Caller, row: Installation, body: InstallationChange) -> InstallationDraft:
    """The installation as it is, with what the body names."""
    names = ("installation_type", "capacity_unit", "size", "customer_name", "site", "status", "commissioned_on",
             "quality_check", "external_ref", "currency", "order_value_minor")  # fmt: skip
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    shares = tuple(ShareDraft(s.payee_id, s.weight) for s in row.shares)
    for name in body.model_fields_set - {"version"}:
        value = getattr(body, name)
        if name == "shares":
            shares = _shares(who, value or [])
        elif name == "order_value":
            values["order_value_minor"] = _minor(value, row.currency)
        elif value is None and name in (
            "installation_type",
            "capacity_unit",
            "customer_name",
            "site",
            "quality_check",
        ):
            raise Invalid(name, "This can be left out, and it can be empty, but it is not null.")
        else:
            values[name] = value
    return InstallationDraft(**values, shares=shares)


@resource.patch("/<reference>", summary="Change an installation", body=InstallationChange,
                answers=InstallationOut, **_write)  # fmt: skip
def update(who: Caller, reference: str, body: InstallationChange) -> InstallationOut:
    """What an amount comes from can change only while no live payout has a part of it (409 names the payout)."""
    row = rooms.get_installation(who.organisation_id, reference)
    changed = service.update_installation(
        reference=reference,
        draft=_changed(who, row, body),
        **act_of(who, row.version if body.version is None else body.version),
    )
    return _out(changed, who)


@resource.post("/<reference>/status", summary="Move an installation along", body=StatusChange,
               answers=InstallationOut, **_write)  # fmt: skip
def change_status(who: Caller, reference: str, body: StatusChange) -> InstallationOut:
    """Forward as work goes on, one step back to correct a mistake. Repeating a step changes nothing."""
    row = service.change_status(
        organisation_id=who.organisation_id,
        reference=reference,
        status=body.status,
        commissioned_on=body.commissioned_on,
        actor=who.actor,
        now=utc_now(),
    )
    return _out(row, who)
