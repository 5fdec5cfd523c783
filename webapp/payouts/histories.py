"""Transfers as rows: locked in the order that everybody keeps, and the history of each, which is only added to.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.sql.base import ExecutableOption

from webapp.database import among, db, insert_many
from webapp.kernel.errors import NotFound
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import TransferState
from webapp.providers.ports import Answer, mask


def lock_transfer(transfer_row_id: int) -> tuple[Payout, Transfer]:
    """The payout and the transfer, both locked, in the order that everybody keeps. Raises NotFound."""
    payouts, transfers = lock_transfers([transfer_row_id])
    if not transfers:
        raise NotFound
    return payouts[transfers[0].payout_id], transfers[0]


def lock_transfers(
    row_ids: Collection[int], *, skips_locked: bool = False, options: Sequence[ExecutableOption] = ()
) -> tuple[dict[int, Payout], list[Transfer]]:
    """The payouts by id and the transfers, all locked: payouts first, both in the order of their ids.

    `skips_locked`: those that somebody else has locked are left out. `options` say what is read with the payouts.
    """
    payouts = db.session.scalars(
        select(Payout)
        .where(Payout.id.in_(select(Transfer.payout_id).where(among(Transfer.id, row_ids))))
        .order_by(Payout.id)
        .options(*options)
        .with_for_update(of=Payout, skip_locked=skips_locked)
        .execution_options(populate_existing=True)
    )
    found = {payout.id: payout for payout in payouts}
    transfers = db.session.scalars(
        select(Transfer)
        .where(among(Transfer.id, row_ids), among(Transfer.payout_id, found))
        .order_by(Transfer.id)
        .with_for_update(skip_locked=skips_locked)
        .execution_options(populate_existing=True)
    )
    return found, list(transfers)


def under_review(payout_ids: Collection[int]) -> set[int]:
    """Which of the payouts have a try that two people must settle."""
    found = select(Transfer.payout_id).where(
        among(Transfer.payout_id, payout_ids), Transfer.state == TransferState.REVIEW.value
    )
    return set(db.session.scalars(found))


def why_try_waits(payout: Payout, is_under_review: bool | None = None) -> str:
    """Why a queued try of the payout may not leave, whatever the rail: a sentence, empty when it may.

    What another try did is not known, or a restored database does not know of what was sent since.
    `is_under_review`: whether one of its tries is, where the caller knows.
    """
    if is_under_review is None:
        is_under_review = any(t.state == TransferState.REVIEW for t in payout.transfers)
    if is_under_review:
        return "A transfer of this payout is under review; two people must settle it first."
    return f"It is on hold: {payout.hold_reason} Somebody must release it." if payout.is_held else ""


def last_event(transfer_row_id: Any) -> ColumnElement[int]:
    """The number of a transfer's newest event, as a part of a query; 0 without one."""
    newest = select(func.coalesce(func.max(TransferEvent.seq), 0))
    return newest.where(TransferEvent.transfer_id == transfer_row_id).scalar_subquery()


def heard(transfer: Transfer) -> int:
    """The same, now."""
    return int(db.session.scalar(select(last_event(transfer.id))) or 0)


@dataclass(frozen=True)
class EventDraft:
    """An event of a transfer that is to be kept; source is send, status, worker, webhook or operator."""

    transfer_row_id: int
    source: str
    before: str
    after: str
    request: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: int = 0


def keep_event(
    transfer: Transfer,
    source: str,
    before: str,
    now: datetime,
    *,
    request: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
    duration_ms: int = 0,
) -> None:
    """Append to the transfer's history; source is send, status, worker or operator."""
    draft = EventDraft(
        transfer.id, source, before, transfer.state, dict(request or {}), dict(answer or {}), duration_ms
    )
    keep_events([draft], now)


def keep_events(drafts: Sequence[EventDraft], now: datetime) -> None:
    """Append to the histories of several locked transfers, each at most once; what changed is written first."""
    if not drafts:
        return
    db.session.flush()
    ids = [draft.transfer_row_id for draft in drafts]
    newest = select(TransferEvent.transfer_id, func.max(TransferEvent.seq).label("seq"))
    newest = newest.where(among(TransferEvent.transfer_id, ids)).group_by(TransferEvent.transfer_id)
    last = {row.transfer_id: row.seq for row in db.session.execute(newest)}
    rows = [
        {
            "transfer_id": draft.transfer_row_id, "seq": last.get(draft.transfer_row_id, 0) + 1,
            "source": draft.source, "from_state": draft.before, "to_state": draft.after,
            "request": dict(draft.request), "answer": dict(draft.answer), "duration_ms": draft.duration_ms, "at": now,
        }
        for draft in drafts
    ]  # fmt: skip
    insert_many(db.session(), TransferEvent, rows)


def describe(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer, masked."""
    kept = {
        "outcome": answer.outcome.value,
        "code": answer.code,
        "message": answer.message,
        "provider_reference": answer.provider_reference,
        "utr": answer.utr,
        "amount_minor": answer.amount_minor,
        "currency": answer.currency,
        "raw": mask(answer.raw),
    }
    return {k: v for k, v in kept.items() if v not in ("", None, {})}
