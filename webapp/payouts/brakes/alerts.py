"""Tells admins when payments stop by themselves and when they go on: one mail at most for a cause in an hour.

A cause is a kind and a rail. Raised again while it stands, or soon after, it does not fill the mailboxes: the next mail
waits until the hour is over, and is written only if there is still something to say. Everything here runs inside the
caller's transaction, after all other rows are locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from webapp.database import db, insert_ignoring_conflict
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.payouts.brakes.models import Alert
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import OPEN_STATES, TransferState

STOPPED, RESUMED, UNANSWERED = (
    "notice.payments.stopped",
    "notice.payments.resumed",
    "notice.transfers.unknown",
)
HOUR = timedelta(hours=1)
EVERY_RAIL = "*"
# How long a transfer may be without an answer before people are told.
OVERDUE = timedelta(hours=24)


class AlertKind(Label):
    """Why payments stand still; sentence = what people do."""

    HALTED = (
        "halted",
        "Payments are halted",
        "failed",
        "failed",
        "Find out what is wrong and settle it. Then lift the halt.",
    )
    LOW_BALANCE = (
        "low_balance",
        "Payments wait for money",
        "failed",
        "failed",
        "Fund the account, then lift the halt. What waits is sent then; nothing of it has failed.",
    )
    STOP_LOSS = (
        "stop_loss",
        "Too many transfers fail",
        "failed",
        "failed",
        "Look at what failed and why. Lift the halt when it is settled; then the others are sent.",
    )
    RESTORED = (
        "restored",
        "Payments are halted after a restored back-up",
        "failed",
        "failed",
        "Compare with the bank's statement since the back-up, and release what the bank did not pay. "
        "Then one admin asks to lift the halt and another one confirms.",
    )
    BREAKER = (
        "breaker",
        "A provider does not answer",
        "waiting",
        "waiting",
        "Nobody has to do anything: Paydesk tries again by itself. If it lasts, look at the connection, or ask the "
        "provider.",
    )
    UNKNOWN = (
        "unknown",
        "Transfers without an answer",
        "failed",
        "failed",
        "Ask the bank or the provider about each. Do not pay any of them in another way before it has answered.",
    )


#: What lifting a halt ends.
HALTS = (AlertKind.HALTED, AlertKind.LOW_BALANCE, AlertKind.STOP_LOSS, AlertKind.RESTORED)


@dataclass(frozen=True)
class Waiting:
    """What waits for a cause, in one currency; `noun` is what is counted."""

    count: int
    total: Money
    noun: str = "transfer"


def raise_alert(*, organisation_id: int, kind: AlertKind, rail: str, reason: str, now: datetime) -> Alert:
    """Write down that a cause stands, and have people told of it."""
    first = {
        "organisation_id": organisation_id, "kind": kind.value, "rail": rail, "reason": "", "raised_at": now,
        "ended_at": now, "told_at": None, "told_end_at": None,
    }  # fmt: skip
    insert_ignoring_conflict(db.session(), Alert, first)
    row = _locked(organisation_id, [kind], rail)[0]
    if row.ended_at is not None:
        row.raised_at = now
    row.ended_at, row.reason = None, reason.strip()[:2000]
    message = UNANSWERED if kind is AlertKind.UNKNOWN else STOPPED
    row.told_at = _tell(message, row, now)
    db.session.flush()
    return row


def end_alerts(*, organisation_id: int, kinds: Sequence[AlertKind], rail: str, now: datetime) -> None:
    """A cause is gone. Who was told of it is told of that too, but for transfers that were answered at last."""
    for row in _locked(organisation_id, kinds, rail):
        if row.ended_at is not None:
            continue
        row.ended_at = now
        was_told = row.told_at is not None and row.told_at <= now
        is_news = row.told_end_at is None or row.told_at is None or row.told_end_at < row.told_at
        if was_told and is_news and row.kind != AlertKind.UNKNOWN:
            row.told_end_at = now
            _add(RESUMED, row, now, now)
    db.session.flush()


def _locked(organisation_id: int, kinds: Sequence[AlertKind], rail: str) -> Sequence[Alert]:
    query = (
        select(Alert)
        .where(
            Alert.organisation_id == organisation_id,
            Alert.kind.in_([kind.value for kind in kinds]),
            Alert.rail == rail,
        )
        .order_by(Alert.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(query).all()


def _tell(message: str, row: Alert, now: datetime) -> datetime:
    """When people are told: now, or when the hour since the last time is over."""
    last = row.told_at
    if last is not None and last > now:
        return last
    at = now if last is None or now - last >= HOUR else last + HOUR
    _add(message, row, at, now)
    return at


def _add(message: str, row: Alert, at: datetime, now: datetime) -> None:
    outbox.add(
        kind=message,
        reference_id=row.id,
        dedupe_key=f"{message}:{row.id}:{at.timestamp():.6f}",
        to_queue="mail",
        organisation_id=row.organisation_id,
        now=now,
        not_before=at,
    )


def told_at(row: Alert, now: datetime) -> datetime:
    """Which telling is due now: the newest may be planned for the end of the hour."""
    newest = row.told_at or row.raised_at
    return newest - HOUR if newest > now else newest


def standing(organisation_id: int) -> list[Alert]:
    """The causes that stand now, the oldest first."""
    query = select(Alert).where(Alert.organisation_id == organisation_id, Alert.ended_at.is_(None))
    return list(db.session.scalars(query.order_by(Alert.raised_at, Alert.id)))


def waits(alert: Alert, now: datetime) -> list[Waiting]:
    """What waits for the cause: how many, and their sum; one entry for each currency."""
    return all_waits(alert.organisation_id, [alert], now)[alert.id]


def all_waits(organisation_id: int, causes: Sequence[Alert], now: datetime) -> dict[int, list[Waiting]]:
    """What waits for each of the causes of an organisation, by the cause's id; three queries at most."""
    kinds = {cause.kind for cause in causes}
    held = _held(organisation_id) if AlertKind.RESTORED in kinds else []
    unanswered = overdue(organisation_id, now) if AlertKind.UNKNOWN in kinds else []
    queued = _queued(organisation_id) if kinds - {AlertKind.RESTORED, AlertKind.UNKNOWN} else []
    found = {}
    for cause in causes:
        if cause.kind == AlertKind.RESTORED:
            found[cause.id] = held
        elif cause.kind == AlertKind.UNKNOWN:
            found[cause.id] = unanswered
        else:
            found[cause.id] = _over(cause.rail, queued)
    return found


def _queued(organisation_id: int) -> list[tuple[str, Waiting]]:
    """What is to be sent, by rail and currency."""
    query = (
        select(Transfer.rail, Transfer.currency, func.count(), func.sum(Transfer.amount_minor))
        .where(Transfer.organisation_id == organisation_id, Transfer.state == TransferState.QUEUED.value)
        .group_by(Transfer.rail, Transfer.currency)
        .order_by(Transfer.rail, Transfer.currency)
    )
    return [
        (rail, Waiting(int(count), Money(int(minor), currency)))
        for rail, currency, count, minor in db.session.execute(query)
    ]


def _over(rail: str, queued: Sequence[tuple[str, Waiting]]) -> list[Waiting]:
    sums: dict[str, Waiting] = {}
    for name, part in queued:
        if rail not in (name, EVERY_RAIL):
            continue
        known = sums.get(part.total.currency)
        total = (
            part.total
            if known is None
            else Money(known.total.amount + part.total.amount, part.total.currency)
        )
        sums[total.currency] = Waiting(part.count + (known.count if known else 0), total)
    return [sums[currency] for currency in sorted(sums)]


def overdue(organisation_id: int, now: datetime) -> list[Waiting]:
    """Transfers of which nobody has known for more than a day what became of them."""
    return _waiting(_sums(organisation_id).where(*_is_overdue(now)), "transfer")


def newest_overdue(organisation_id: int, now: datetime) -> datetime | None:
    """When the one that was without an answer for the shortest time of these became so."""
    query = select(func.max(_unknown_since())).where(
        Transfer.organisation_id == organisation_id, *_is_overdue(now)
    )
    return db.session.scalar(query)


def _sums(organisation_id: int) -> Any:
    query: Any = (
        select(Transfer.currency, func.count(), func.sum(Transfer.amount_minor))
        .where(Transfer.organisation_id == organisation_id)
        .group_by(Transfer.currency)
        .order_by(Transfer.currency)
    )
    return query


def _unknown_since() -> Any:
    """When a transfer last became one without an answer."""
    return (
        select(func.max(TransferEvent.at))
        .where(
            TransferEvent.transfer_id == Transfer.id,
            TransferEvent.to_state == TransferState.UNKNOWN.value,
            TransferEvent.from_state != TransferState.UNKNOWN.value,
        )
        .correlate(Transfer)
        .scalar_subquery()
    )


def _is_overdue(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Transfer.state == TransferState.UNKNOWN.value,
        func.coalesce(_unknown_since(), Transfer.created_at) < now - OVERDUE,
    )


def _held(organisation_id: int) -> list[Waiting]:
    query: Any = (
        select(Payout.currency, func.count(), func.sum(Payout.amount_minor))
        .where(
            Payout.organisation_id == organisation_id,
            Payout.state.in_([state.value for state in OPEN_STATES]),
            Payout.is_held.is_(True),
        )
        .group_by(Payout.currency)
        .order_by(Payout.currency)
    )
    return _waiting(query, "payout")


def _waiting(query: Any, noun: str) -> list[Waiting]:
    return [
        Waiting(int(count), Money(int(minor), currency), noun)
        for currency, count, minor in db.session.execute(query)
    ]
