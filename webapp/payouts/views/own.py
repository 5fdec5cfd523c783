"""What a payee reads about one payout: its status with the next step, and everything that happened, in their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import g

from webapp.audit.models import AuditEvent
from webapp.payouts import panels
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.states import PayoutState
from webapp.payouts.views import words
from webapp.payouts.views.words import Status
from webapp.web import filters
from webapp.web.i18n import N_, gettext

# A turn of the payout: its tone, and its title as the payee reads it.
Turn = tuple[str, str, str | None]
_SENT = frozenset({"submitted", "retried"})


def status(payout: Payout) -> Status:
    """The status on the payout's own page; a planned try says when."""
    said = words.payee_status(payout, g.organisation.name)
    if payout.state != PayoutState.RETRY_SCHEDULED or payout.retry_at is None or said.tone == "waiting":
        return said
    reason = f"{payout.reason.rstrip('.')}. " if payout.reason else ""
    text = gettext(
        "The bank did not take it. %(reason)sIt is tried again by itself at %(time)s.",
        reason=reason,
        time=filters.instant_words(payout.retry_at),
    )
    return replace(said, sentence=text)


def timeline(payout: Payout, turns: Sequence[tuple[AuditEvent, Turn]]) -> list[dict[str, Any]]:
    """What happened, oldest first: the record that it pays for, each turn, what the bank said. No names, no notes."""
    events = [*panels.story(payout), *_turns(payout, turns), *_credits(payout)]
    return sorted((dict(event) for event in events), key=lambda event: event["at"])


def _turns(payout: Payout, turns: Sequence[tuple[AuditEvent, Turn]]) -> Iterator[Mapping[str, Any]]:
    transfers = sorted(payout.transfers, key=lambda transfer: transfer.id)
    sent = 0
    for event, (tone, _, title) in turns:
        word = event.tag.rpartition(":")[2]
        sent += word in _SENT
        transfer = transfers[sent - 1] if 0 < sent <= len(transfers) else None
        if word == "retry_scheduled" and _is_next(payout, event, turns):
            assert payout.retry_at is not None  # noqa: S101 - _is_next asks
            text = gettext("At %(time)s, by itself.", time=filters.instant_words(payout.retry_at))
            yield _event(event.at, "waiting", N_("A new try is planned"), text)
        elif title:
            yield _event(event.at, tone, title, _text(word, payout, transfer))


def _is_next(payout: Payout, event: AuditEvent, turns: Sequence[tuple[AuditEvent, Turn]]) -> bool:
    """Whether a planned try is the one that is still to come."""
    is_last = event is [e for e, _ in turns if e.tag.endswith(":retry_scheduled")][-1]
    return is_last and payout.state == PayoutState.RETRY_SCHEDULED and payout.retry_at is not None


def _text(word: str, payout: Payout, transfer: Transfer | None) -> str | None:
    """What belongs below a turn's title: the reference of a payment, what the bank said of a failure."""
    if word == "marked_paid" and payout.payment_reference:
        return gettext("Payment reference %(reference)s.", reference=payout.payment_reference)
    if transfer is None:
        return None
    if word == "paid" and transfer.utr:
        return gettext("Bank trace (UTR) %(utr)s.", utr=transfer.utr)
    if word in ("failed", "returned") and transfer.error_message:
        return gettext("The bank says: %(reason)s", reason=transfer.error_message)
    return None


def _credits(payout: Payout) -> Iterator[Mapping[str, Any]]:
    for transfer in payout.transfers:
        if transfer.credited_at is not None:
            yield _event(transfer.credited_at, "done", N_("Your bank has credited it"), None)


def _event(at: datetime, tone: str, title: str, text: str | None) -> dict[str, Any]:
    return {"at": at, "title": title, "tone": tone, "who": None, "text": text}
