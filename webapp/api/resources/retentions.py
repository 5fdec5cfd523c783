"""What is held back of technicians' payouts: lists, charging back, another day, releasing what is due, the terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.retentions import (
    ReleaseOut,
    RetentionCharge,
    RetentionDay,
    RetentionOut,
    RetentionPage,
    RetentionQuery,
    RetentionTermsIn,
    RetentionTermsOut,
)
from webapp.database import ask
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.payouts.states import PayoutState
from webapp.people.access.tokens import Scope
from webapp.programs.installations import pricing, retaining, retention_lists, service, work
from webapp.programs.installations.retention_lists import RetentionFilter
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import RetentionState, RetentionTerms
from webapp.web.listing import Listing

resource = Resource(
    "retentions",
    "/retentions",
    title="Held back of installations",
    about="A part of each installation waits until call-backs are unlikely: it is paid out by itself after its day, or "
    "charged back with a reason. A technician's token sees its own.",
)
_read = {"scope": Scope.INSTALLATIONS_READ}
_write = {"scope": Scope.INSTALLATIONS_WRITE}
_AS_IT_IS = (
    "id", "installation", "payout", "state", "release_on", "release_payout", "reason", "created_at", "settled_at",
    "version",
)  # fmt: skip
# What the settings' own words for them are.
_TERMS = {"retention": "percent", "retention_days": "days"}


def _found(who: Caller, chosen: RetentionFilter) -> Listing:
    return listed.own(retention_lists.retentions(who.organisation_id, chosen), who.viewer)


def _one(who: Caller, retention_id: int) -> Any:
    """Raises NotFound, also for one that is not the caller's to see."""
    rows = ask(_found(who, RetentionFilter()).query.where(Retention.id == retention_id))
    if not rows:
        raise NotFound
    return rows[0]


def _out(row: Any, who: Caller) -> RetentionOut:
    is_held = row.state == RetentionState.HELD
    is_stopped = is_held and row.offer != "open" and who.sees_all
    return RetentionOut(
        **{name: getattr(row, name) for name in _AS_IT_IS},
        technician=PayeeRef(reference=row.technician_reference, name=row.technician, kind="technician"),
        percent=Decimal(row.rate_bp) / 100,
        amount=Amount.of(row.amount_minor, row.currency),
        charged=Amount.of(row.charged_minor, row.currency),
        left=Amount.of(row.amount_minor - row.charged_minor if is_held else 0, row.currency),
        is_chargeable=is_held and row.payout_state == PayoutState.PAID,
        waits_because=row.offer_reason if is_stopped else None,
    )


@resource.get("", summary="List what is held back", query=RetentionQuery, answers=RetentionPage, **_read)
def index(who: Caller, query: RetentionQuery) -> RetentionPage:
    """The parts that match, by default the newest first."""
    chosen = RetentionFilter(
        text=(query.search or "").strip(),
        technician=query.technician or "",
        state=query.state or "",
        day_from=query.day_from,
        day_to=query.day_to,
    )
    rows, following = listed.page(_found(who, chosen), query, query.sort)
    return RetentionPage(items=[_out(row, who) for row in rows], next_cursor=following)


@resource.get(
    "/<int:retention_id>", summary="Get what is held back of an installation", answers=RetentionOut, **_read
)
def show(who: Caller, retention_id: int) -> RetentionOut:
    """One part, and what became of it."""
    return _out(_one(who, retention_id), who)


@resource.post("/<int:retention_id>/charge", summary="Charge back what is held back", body=RetentionCharge,
               answers=RetentionOut, **_write)  # fmt: skip
def charge(who: Caller, retention_id: int, body: RetentionCharge) -> RetentionOut:
    """Keep a part of it, or all, for a reason; the rest is released. More than is left: 422 that names the most.

    Once it is not held any more, or before its payout is paid: 409.
    """
    currency = _one(who, retention_id).currency
    retaining.charge(
        retention_id=retention_id,
        amount_minor=minor_in(body.amount, currency, "amount"),
        reason=body.reason,
        **act_of(who, body.version),
    )
    return show(who, retention_id)


@resource.post("/<int:retention_id>/day", summary="Release it on another day", body=RetentionDay,
               answers=RetentionOut, **_write)  # fmt: skip
def set_day(who: Caller, retention_id: int, body: RetentionDay) -> RetentionOut:
    """Earlier or later than agreed; one whose release was rejected is offered again by it. Not held any more: 409."""
    _one(who, retention_id)
    retaining.set_day(
        retention_id=retention_id,
        release_on=body.release_on,
        reason=body.reason,
        **act_of(who, body.version),
    )
    return show(who, retention_id)


@resource.post("/release", summary="Release what is due", answers=ReleaseOut, scope=Scope.PAYOUTS_CREATE)
def release(who: Caller) -> ReleaseOut:
    """A payout for each technician and currency of all whose day has come; it is approved and paid like all others.

    A worker makes them within seconds, as a run. Again, or beside another one: each part is released once.
    """
    run = work.start_release(organisation_id=who.organisation_id, actor=who.actor, now=utc_now())
    if run is None:
        words = "Nothing is to be released today. No payout was created."
        return ReleaseOut(run=None, technicians=0, message=words)
    people = "1 technician" if run.total == 1 else f"{run.total:,} technicians"
    words = f"What was held back is being released for {people}."
    return ReleaseOut(run=run.reference, technicians=run.total, message=words)


@resource.get("/terms", summary="Get how much is held back", answers=RetentionTermsOut, **_write)
def terms(who: Caller) -> RetentionTermsOut:
    """The organisation's terms for payouts to come; each part keeps those it was held back by."""
    kept = pricing.settings_of(who.organisation_id)
    return RetentionTermsOut(percent=Decimal(kept.retention_bp) / 100, days=kept.retention_days)


@resource.put("/terms", summary="Change how much is held back", body=RetentionTermsIn, answers=RetentionTermsOut,
              **_write)  # fmt: skip
def set_terms(who: Caller, body: RetentionTermsIn) -> RetentionTermsOut:
    """They count from the next payout on; the other settings of installations stay as they are."""
    points = body.percent * 100
    if points != int(points):
        raise Invalid("percent", "Enter per cent with at most two decimals.", "10")
    try:
        service.save_terms(
            organisation_id=who.organisation_id,
            retention=RetentionTerms(int(points), body.days),
            actor=who.actor,
            now=utc_now(),
        )
    except Invalid as error:
        raise Invalid(_TERMS.get(error.field, error.field), error.reason, error.example) from error
    return terms(who)
