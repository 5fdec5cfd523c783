"""What every change of a payout has in common: the locked row, the trail, the notices, who listens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select

from webapp import queue
from webapp.audit import service as audit
from webapp.audit.models import AuditEvent
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text, local_date
from webapp.kernel.errors import IllegalTransition, StaleVersion
from webapp.outbox import service as outbox
from webapp.payouts import turns
from webapp.payouts.models import Payout
from webapp.payouts.states import PAYOUT_TRANSITIONS, PayoutAction, PayoutState

SUBJECT = "payout"

# How the trail names what happened: payouts:payout:<participle>.
PARTICIPLES = {
    PayoutAction.EDIT: "edited",
    PayoutAction.APPROVE: "approved",
    PayoutAction.REJECT: "rejected",
    PayoutAction.CANCEL: "cancelled",
    PayoutAction.HOLD: "held",
    PayoutAction.RELEASE: "released",
    PayoutAction.SUBMIT: "submitted",
    PayoutAction.MARK_PAID: "marked_paid",
    PayoutAction.SUCCEED: "paid",
    PayoutAction.FAIL: "failed",
    PayoutAction.SCHEDULE_RETRY: "retry_scheduled",
    PayoutAction.RETRY: "retried",
    PayoutAction.REVERSE: "returned",
    PayoutAction.REISSUE: "reissued",
}
_WORDS = {f"payouts:payout:{word}": word.replace("_", " ") for word in PARTICIPLES.values()}
_WORDS |= {
    "payouts:payout:submitted": "sent for payment",
    "payouts:payout:marked_paid": "marked as paid",
    "payouts:payout:approval_given": "approved by one of several",
    "payouts:payout:retry_scheduled": "planned for a retry",
    "payouts:payout:reissued": "re-issued",
}
# States in which an action's own effect still stands: the same person asking again is a repeat.
_STANDS_IN = {
    PayoutAction.APPROVE: {
        PayoutState.APPROVED,
        PayoutState.PROCESSING,
        PayoutState.PAID,
        PayoutState.FAILED,
        PayoutState.RETRY_SCHEDULED,
    },
    PayoutAction.REJECT: {PayoutState.REJECTED},
    PayoutAction.CANCEL: {PayoutState.CANCELLED},
    PayoutAction.SUBMIT: {PayoutState.PROCESSING, PayoutState.PAID},
    PayoutAction.RETRY: {PayoutState.PROCESSING, PayoutState.PAID},
    PayoutAction.MARK_PAID: {PayoutState.PAID},
    PayoutAction.REVERSE: {PayoutState.REVERSED},
    PayoutAction.REISSUE: {PayoutState.APPROVED},
}


@dataclass(frozen=True)
class Result:
    """What an action led to. `is_repeat`: it had been done before, nothing was changed now."""

    payout: Payout
    is_repeat: bool
    message: str


class PayoutSubscriber(Protocol):
    """A program's ear: called in the same transaction when one of its payouts comes to a turn."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The money has left."""

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """The bank refused it; it may be tried again."""

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """The money came back after it was paid."""

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """It will not be paid; its source records are free again."""

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """It will not be paid; its source records are free again."""


_subscribers: dict[str, PayoutSubscriber] = {}


def register_subscriber(program: str, subscriber: PayoutSubscriber) -> None:
    """Let a program hear of its payouts; once, at start-up."""
    _subscribers[program] = subscriber


def tell(event: str, payout: Payout, now: datetime) -> None:
    """Call the program's subscriber, if it has one: event is paid, failed, reversed, rejected, cancelled."""
    subscriber = _subscribers.get(payout.program)
    if subscriber is not None:
        getattr(subscriber, f"on_{event}")(payout, now)


def lock(organisation_id: int, reference: str) -> Payout:
    """The payout's row, locked until the transaction ends. Raises NotFound, also for another organisation's."""
    return lock_row(Payout, Payout.organisation_id == organisation_id, Payout.reference == reference)


def lock_by_id(payout_id: int) -> Payout:
    """The same by primary key, for workers."""
    return lock_row(Payout, Payout.id == payout_id)


def begin(
    organisation_id: int, reference: str, action: PayoutAction, actor: Actor, expected_version: int | None
) -> tuple[Payout, Result | None]:
    """What every action begins with: the locked row, and the answer to somebody who did it already.

    In this order: whoever presses a button twice hears that it is done, not that the page is old. Raises NotFound,
    IllegalTransition, StaleVersion.
    """
    payout = lock(organisation_id, reference)
    repeat = repeat_or_refuse(payout, action, actor)
    if repeat is None:
        check_version(payout, expected_version)
    return payout, repeat


def check_version(payout: Payout, expected: int | None) -> None:
    """Refuse when the person saw an older version than there is. Raises StaleVersion."""
    if expected is not None and payout.version != expected:
        raise StaleVersion(
            f"{payout.reference} changed since you opened this page. Look at it again; nothing was done."
        )


def change(
    payout: Payout,
    action: PayoutAction,
    state: PayoutState,
    *,
    actor: Actor,
    now: datetime,
    note: str = "",
    changes: dict[str, Any] | None = None,
    tag: str | None = None,
) -> None:
    """Put the payout in a state, count its version up and write the trail."""
    before = payout.state
    payout.state = state.value
    payout.version += 1
    all_changes = dict(changes or {})
    if before != payout.state:
        all_changes["state"] = [before, payout.state]
    word = tag or PARTICIPLES[action]
    turns.add(word, payout.organisation_id, payout.id, now)
    audit.record(
        tag=f"payouts:payout:{word}",
        actor=actor,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type=SUBJECT,
        subject_id=payout.id,
        subject_label=payout.reference,
        note=note,
        changes=all_changes,
    )


def notify(event: str, payout: Payout, now: datetime, part: str = "") -> None:
    """Ask for the e-mail of an event; once per round (and `part`)."""
    outbox.add_at_commit(
        kind=f"notice.payout.{event}",
        reference_id=payout.id,
        dedupe_key=f"notice:{event}:{payout.id}:{payout.round}{part}",
        to_queue=queue.MAIL,
        organisation_id=payout.organisation_id,
        now=now,
    )


def ask_remittance(payout: Payout, now: datetime) -> None:
    """Ask for the remittance advice of a paid payout; once per round."""
    outbox.add_at_commit(
        kind="document.remittance",
        reference_id=payout.id,
        dedupe_key=f"document.remittance:{payout.id}:{payout.round}",
        to_queue=queue.DOCUMENTS,
        organisation_id=payout.organisation_id,
        now=now,
    )


def today(payout: Payout, now: datetime) -> Any:
    """The organisation's calendar day."""
    return local_date(now, payout.organisation.timezone)


def repeat_or_refuse(payout: Payout, action: PayoutAction, actor: Actor) -> Result | None:
    """None when the table allows the action now; a Result when this person did it already.

    Raises IllegalTransition that says who came first, and when.
    """
    state = PayoutState(payout.state)
    if (state, action) in PAYOUT_TRANSITIONS:
        return None
    if state in _STANDS_IN.get(action, set()) and _did(payout, action, actor):
        word = _WORDS[f"payouts:payout:{PARTICIPLES[action]}"]
        return Result(payout, True, f"You have {word} {payout.reference} already; nothing was changed.")
    raise IllegalTransition(state.label.lower(), action.label.lower(), payout.reference, last_turn(payout))


def _did(payout: Payout, action: PayoutAction, actor: Actor) -> bool:
    """Whether this actor did it, and nobody did it again since (one of several approvals counts by itself)."""
    query = _events(payout)
    if action is PayoutAction.APPROVE:
        tags = ["payouts:payout:approved", "payouts:payout:approval_given"]
        query = query.where(AuditEvent.actor_id == actor.user_id)
    else:
        tags = [f"payouts:payout:{PARTICIPLES[action]}"]
    event = db.session.scalar(query.where(AuditEvent.tag.in_(tags)).limit(1))
    return bool(event and event.actor_id == actor.user_id and event.actor_label == actor.label)


def _events(payout: Payout) -> Any:
    return (
        select(AuditEvent)
        .where(
            AuditEvent.organisation_id == payout.organisation_id,
            AuditEvent.subject_type == SUBJECT,
            AuditEvent.subject_id == payout.id,
        )
        .order_by(AuditEvent.id.desc())
    )


def last_turn(payout: Payout) -> str:
    """Who brought the payout where it is: "maya@example.com rejected it on 20 Nov 2026, 12:00 EST."."""
    event = db.session.scalar(_events(payout).where(AuditEvent.tag.in_(list(_WORDS))).limit(1))
    if event is None:
        return ""
    when = instant_text(event.at, payout.organisation.timezone)
    return f"It was {_WORDS[event.tag]} by {event.actor_label} on {when}."
