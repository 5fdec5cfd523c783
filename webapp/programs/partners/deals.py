"""Deals: entered, changed, won, lost; and what partners did for them. Each act works out anew who earns what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.numbers import next_number
from webapp.programs.partners import attributing, earning, editors, locking, trail
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProgram, Touchpoint
from webapp.programs.partners.partners import get_partner
from webapp.programs.partners.states import CommissionState, DealAction, DealState, TouchType, next_state

#: What of a deal says nothing about who earns how much of it.
_SILENT = {"name", "customer", "opened_at"}


def get_deal(organisation_id: int, reference: str, expected_version: int | None = None) -> Deal:
    """A deal by its number, locked: nobody else changes its shares or pays for it. Raises NotFound, StaleVersion."""
    locking.beside(organisation_id)
    row = lock_row(Deal, Deal.organisation_id == organisation_id, Deal.reference == reference)
    trail.check_version(row, reference, expected_version)
    return row


def _check(organisation_id: int, draft: DealDraft, now: datetime) -> None:
    draft.check()
    found = db.session.get(PartnerProgram, draft.program_id, populate_existing=True)
    if found is None or found.organisation_id != organisation_id:
        raise Invalid("program", "There is no such program.", "PP-0001")
    if draft.opened_at > now:
        raise Invalid("opened_at", "This day has not come yet.", now.date().isoformat())
    if draft.registered_by_id is not None:
        get_partner(organisation_id, draft.registered_by_id)


def values_of(draft: DealDraft) -> dict[str, object]:
    """What of a draft is stored, with its spaces tidied."""
    return {
        "program_id": draft.program_id,
        "name": " ".join(draft.name.split()),
        "customer": " ".join(draft.customer.split()),
        "product": " ".join(draft.product.split()),
        "currency": draft.currency,
        "amount_minor": draft.amount_minor,
        "opened_at": draft.opened_at,
        "registered_by_id": draft.registered_by_id,
    }


def create_deal(*, organisation_id: int, draft: DealDraft, actor: Actor, now: datetime) -> Deal:
    """A new deal, open. Raises Invalid, NotFound for a partner who is none."""
    locking.beside(organisation_id)
    _check(organisation_id, draft, now)
    row = Deal(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "DL", 6),
        external_ref=draft.external_ref or None,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        **values_of(draft),
    )
    trail.store_new(row, draft.external_ref, "a deal")
    changes = {"amount": [None, row.amount_minor], "currency": [None, row.currency]}
    trail.record("deal", "created", row, row.reference, actor, now, changes)
    attributing.recompute(organisation_id, [row.id], now)
    return row


def change_deal(
    *,
    organisation_id: int,
    reference: str,
    draft: DealDraft,
    actor: Actor,
    now: datetime,
    reason: str = "",
    expected_version: int | None = None,
) -> Deal:
    """Change a deal. Of one that is won it needs a reason, and what was paid for it is corrected.

    Its currency and program stay once it is won, and while anything earned of it is not cancelled. Raises NotFound,
    Invalid, StaleVersion, IllegalTransition.
    """
    locking.beside(organisation_id)
    _check(organisation_id, draft, now)
    row = get_deal(organisation_id, reference, expected_version)
    next_state(row.state, DealAction.CHANGE, reference)
    values = values_of(draft)
    if row.state == DealState.WON:
        reason = need_reason(reason, "The customer gave two seats back.", "deal")
        row.reason = reason
    _check_what_stays(row, values)
    changes = trail.apply(row, values)
    if changes:
        _changed(row, "changed", actor, now, changes, reason)
        _settle_change(row, changes.keys(), reason or "The deal was changed.", actor, now)
    return row


def _check_what_stays(row: Deal, values: Mapping[str, object]) -> None:
    """Commissions have their deal's currency and program, also those of a deal that was lost and opened again."""
    for field, word in (("currency", "currency"), ("program_id", "program")):
        if values[field] == getattr(row, field):
            continue
        if row.state == DealState.WON:
            raise Invalid(word, f"The {word} of a deal that is won cannot change.")
        if is_frozen(row.id) or _has_commissions(row.id):
            raise Invalid(word, f"The {word} cannot change: there are commissions of this deal.")


def _has_commissions(deal_id: int) -> bool:
    live = (Commission.deal_id == deal_id, Commission.state != CommissionState.CANCELLED.value)
    return db.session.scalar(select(Commission.id).where(*live).limit(1)) is not None


def _settle_change(row: Deal, changed: Collection[str], reason: str, actor: Actor, now: datetime) -> None:
    """Of a deal that is won only another registrar makes other shares; its name earns nobody anything."""
    if row.state != DealState.WON or "registered_by_id" in changed:
        _settle(row, reason, actor, now)
    elif set(changed) - _SILENT:
        attributing.follow(row)
        _earn(row, reason, actor, now)


def win_deal(
    *,
    organisation_id: int,
    reference: str,
    closed_at: datetime,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Deal:
    """The deal is won: its shares are recorded and its commissions earned. Winning it again changes nothing.

    Raises NotFound, Invalid, StaleVersion, IllegalTransition.
    """
    row = get_deal(organisation_id, reference)
    if row.state == DealState.WON and row.closed_at == closed_at:
        return row
    trail.check_version(row, reference, expected_version)
    state = next_state(row.state, DealAction.WIN, reference)
    _check_close(row, closed_at, now)
    changes = trail.apply(row, {"state": state.value, "closed_at": closed_at})
    _changed(row, "won", actor, now, changes)
    _settle(row, "The deal was won.", actor, now)
    return row


def lose_deal(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    closed_at: datetime | None = None,
    expected_version: int | None = None,
) -> Deal:
    """The deal is lost, or refunded after it was won: what it earned is cancelled, what was paid is taken back.

    Losing it again changes nothing. Raises NotFound, Invalid without a reason, StaleVersion, IllegalTransition.
    """
    row = get_deal(organisation_id, reference)
    if row.state == DealState.LOST:
        return row
    trail.check_version(row, reference, expected_version)
    state = next_state(row.state, DealAction.LOSE, reference)
    reason = need_reason(reason, "The customer chose another offer.", "deal")
    day = row.closed_at or closed_at or now
    _check_close(row, day, now)
    changes = trail.apply(row, {"state": state.value, "closed_at": day, "reason": reason})
    _changed(row, "lost", actor, now, changes, reason)
    _settle(row, reason, actor, now)
    return row


def reopen_deal(
    *, organisation_id: int, reference: str, actor: Actor, now: datetime, expected_version: int | None = None
) -> Deal:
    """A lost deal is open again. Raises NotFound, StaleVersion, IllegalTransition."""
    row = get_deal(organisation_id, reference, expected_version)
    state = next_state(row.state, DealAction.REOPEN, reference)
    changes = trail.apply(row, {"state": state.value, "closed_at": None, "reason": ""})
    _changed(row, "reopened", actor, now, changes)
    attributing.recompute(organisation_id, [row.id], now)
    return row


def _check_close(row: Deal, closed_at: datetime, now: datetime) -> None:
    if closed_at > now:
        raise Invalid("closed_at", "This day has not come yet.", now.date().isoformat())
    if closed_at < row.opened_at:
        raise Invalid("closed_at", "The deal closes before it began.", row.opened_at.date().isoformat())


def _changed(
    row: Deal, word: str, actor: Actor, now: datetime, changes: dict[str, object], note: str = ""
) -> None:
    row.version += 1
    db.session.flush()
    editors.remember([row.id], actor)
    trail.record("deal", word, row, row.reference, actor, now, changes, note)


def _settle(row: Deal, reason: str, actor: Actor, now: datetime) -> None:
    attributing.recompute(row.organisation_id, [row.id], now)
    _earn(row, reason, actor, now)


def _earn(row: Deal, reason: str, actor: Actor, now: datetime) -> None:
    earning.settle(
        organisation_id=row.organisation_id, deal_ids=[row.id], reason=reason, actor=actor, now=now
    )


def add_touch(
    *, organisation_id: int, reference: str, draft: TouchDraft, actor: Actor, now: datetime
) -> Touchpoint:
    """Say what a partner did for a deal. The same outside name again is the touch that is there.

    Raises NotFound, Invalid; Conflict when a payout has frozen the shares of the deal, or the name is another touch's.
    """
    draft.check()
    row = get_deal(organisation_id, reference)
    payee = get_partner(organisation_id, draft.payee_id)
    if draft.happened_at > now:
        raise Invalid("happened_at", "This day has not come yet.", now.date().isoformat())
    if draft.external_ref and (found := _find_touch(organisation_id, draft.external_ref)):
        if (found.deal_id, found.payee_id, found.type) != (row.id, draft.payee_id, draft.type):
            raise Conflict(
                f"The touch {draft.external_ref!r} is there already, as another one. Nothing was done."
            )
        return found
    if is_frozen(row.id):
        raise Conflict(
            f"A payout pays for {reference} already: who has which share of it does not change any more."
        )
    touch = Touchpoint(
        organisation_id=organisation_id,
        external_ref=draft.external_ref or None,
        deal_id=row.id,
        payee_id=draft.payee_id,
        type=draft.type,
        weight=draft.weight,
        happened_at=draft.happened_at,
        created_by_label=actor.label,
        created_at=now,
    )
    trail.store_new(touch, draft.external_ref, "a touch")
    changes = {"type": [None, draft.type], "partner": [None, draft.payee_id]}
    note = f"{TouchType(draft.type).label}: {payee.name}"
    editors.remember([row.id], actor)
    trail.record("touch", "added", touch, reference, actor, now, changes, note)
    _settle(row, "A touch was added.", actor, now)
    return touch


def remove_touch(*, organisation_id: int, reference: str, touch_id: int, actor: Actor, now: datetime) -> None:
    """Take back what was said of a partner; the shares of the others follow.

    Raises NotFound; Conflict when a payout has frozen the shares of the deal.
    """
    row = get_deal(organisation_id, reference)
    touch = lock_row(Touchpoint, Touchpoint.id == touch_id, Touchpoint.deal_id == row.id)
    if is_frozen(row.id):
        raise Conflict(
            f"A payout pays for {reference} already: who has which share of it does not change any more."
        )
    changes = {"touch": [touch.id, None], "type": [touch.type, None], "partner": [touch.payee_id, None]}
    note = f"{TouchType(touch.type).label}: {touch.payee.name}"
    editors.remember([row.id], actor)
    trail.record("deal", "touch_removed", row, reference, actor, now, changes, note)
    db.session.delete(touch)
    db.session.flush()
    _settle(row, "A touch was removed.", actor, now)


def _find_touch(organisation_id: int, external_ref: str) -> Touchpoint | None:
    return db.session.scalar(
        select(Touchpoint).where(
            Touchpoint.organisation_id == organisation_id, Touchpoint.external_ref == external_ref
        )
    )


def is_frozen(deal_id: int) -> bool:
    """Whether a payout has commissions of the deal, so that its shares stay."""
    count = select(func.count()).where(Attribution.deal_id == deal_id, Attribution.is_frozen)
    return bool(db.session.scalar(count))
