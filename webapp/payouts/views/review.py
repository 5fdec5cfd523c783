"""A transfer under review: what the bank said, whose word is there, whose is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for

from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.payouts import policies, records, reviews, service
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import PayoutState, TransferState
from webapp.people import members
from webapp.people.queries import email_of
from webapp.web import filters

_REVIEW, _FAILED = TransferState.REVIEW, TransferState.FAILED
FOUND = {"moved": "the money has left", "not_moved": "no money has left"}
_SAID = {
    "accepted": "It has the order",
    "succeeded": "The money has left",
    "failed": "It refused; nothing has left",
    "reversed": "The money came back",
    "unknown": "Nothing that could be understood",
    "not_sent": "Nothing reached it",
    "not_found": "It does not know the transfer",
}


@dataclass(frozen=True)
class Word:
    """What one person found, and how they know."""

    finding: str
    note: str
    by_id: int
    by: str
    at: datetime
    # In single-operator mode: when this person may confirm their own word.
    alone_from: datetime | None = None

    @property
    def found(self) -> str:
        """The finding in words."""
        return FOUND.get(self.finding, self.finding)


def transfer_of(payout: Payout) -> Transfer | None:
    """The transfer of the payout that two people must settle."""
    # The newest first, as `reviews` settles them.
    return next((t for t in reversed(payout.transfers) if t.state == _REVIEW), None)


def last_word(transfer: Transfer) -> Word | None:
    """The newest finding; a second person who says the same after it settles the review."""
    event = reviews.last_finding(transfer)
    if event is None:
        return None
    kept, by_id = event.request, int(event.request["by"])
    rules, _ = policies.current_policy(transfer.organisation_id)
    begins = reviews.alone_from(event, rules.single_operator)
    return Word(kept["finding"], kept["note"], by_id, email_of(by_id) or "Somebody", event.at, begins)


def settle(
    *,
    organisation_id: int,
    reference: str,
    finding: str,
    note: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> service.Result:
    """Give one's word as the page showed the review; the same word again is a repeat.

    A second word books money, so a page from before the first one is refused. Raises what
    `service.settle_review` raises, and StaleVersion.
    """
    payout = records.lock(organisation_id, reference)
    words = [word for transfer in payout.transfers if (word := last_word(transfer))]
    newest = max(words, key=lambda word: word.at, default=None)
    said = (newest.by_id, newest.finding, newest.note) if newest is not None else None
    may_confirm = newest is not None and newest.alone_from is not None and now >= newest.alone_from
    if said == (actor.user_id, finding, note) and not may_confirm:
        return service.Result(
            payout, True, f"You have given your word on {reference} already; nothing was changed."
        )
    records.check_version(payout, expected_version)
    return service.settle_review(
        organisation_id=organisation_id, reference=reference, finding=finding, note=note, actor=actor, now=now
    )


def _others(organisation_id: int, user_id: int) -> list[str]:
    """The admins who can give the word that is missing."""
    return sorted(user.email for user in members.active_admins(organisation_id, without=user_id))


def _statements(transfer: Transfer) -> tuple[TransferEvent | None, TransferEvent | None]:
    """The bank's word that was believed first, and the one that contradicts it or the order."""
    events = [event for event in transfer.events if event.source != "operator"]
    turns = [n for n, event in enumerate(events) if event.to_state == _REVIEW and event.from_state != _REVIEW]
    if not turns:
        return None, None
    turn = events[turns[-1]]
    before = [event for event in events[: turns[-1]] if event.answer.get("outcome")]
    booked = [e for e in before if e.to_state == turn.from_state and e.from_state != e.to_state]
    first = (booked or before)[-1] if before else None
    return first, turn if turn.answer.get("outcome") else None


def _cells(event: TransferEvent | None, currency: str) -> list[Any]:
    if event is None:
        return ["Nothing", "–", "–", "–", "–"]
    answer = event.answer
    amount = answer.get("amount_minor")
    references = [str(answer[key]) for key in ("provider_reference", "utr") if answer.get(key)]
    detail = [str(answer[key]) for key in ("message", "code") if answer.get(key)]
    return [
        _SAID.get(answer["outcome"], answer["outcome"]),
        filters.instant(event.at),
        filters.money(Money(amount, answer.get("currency") or currency))
        if amount is not None
        else "Not said",
        ", ".join(references) or "–",
        " ".join(detail) or "–",
    ]


def effects(payout: Payout, transfer: Transfer) -> list[tuple[str, str]]:
    """What each finding leads to, once two people have found it."""
    state = PayoutState(payout.state)
    # Another try, or a payment by hand, has paid it.
    is_paid_otherwise = state is PayoutState.PAID and reviews.before_review(payout, transfer) == _FAILED
    left = "The payout stays paid." if state is PayoutState.PAID else "The payout becomes paid."
    kept = {
        PayoutState.PAID: "The payout becomes returned: the amount is owed again, and an admin can re-issue it.",
        PayoutState.PROCESSING: "The payout becomes failed: the amount is owed again, and an admin can try again.",
        PayoutState.CANCELLED: "The payout stays cancelled.",
    }.get(state, "The payout stays as it is: the amount is owed, and an admin can try again.")
    if is_paid_otherwise:
        left = "It was paid twice: the payout stays paid, and the second debit is booked as a correction."
        kept = "The payout stays paid; only this try ends, as failed."
    elif state is PayoutState.CANCELLED:
        left = "Nothing can be booked for a cancelled payout. Book a correction under Reconciliation."
    return [("The money has left", left), ("No money has left", kept)]


def evidence(payout: Payout, user_id: int) -> dict[str, Any] | None:
    """All that a person needs to give their word; None when nothing is under review."""
    transfer = transfer_of(payout)
    if transfer is None:
        return None
    bank = [_cells(said, transfer.currency) for said in _statements(transfer)]
    ordered = ["The order", filters.instant(transfer.created_at),
               filters.money(Money(transfer.amount_minor, transfer.currency)), transfer.transfer_id, "–"]  # fmt: skip
    terms = ("What", "When", "Amount", "References", "In its words")
    word = last_word(transfer)
    solo = policies.current_policy(payout.organisation_id)[0].single_operator
    return {
        "transfer": transfer,
        "rows": list(zip(terms, ordered, *bank, strict=True)),
        "word": word,
        "is_mine": word is not None and word.by_id == user_id,
        "solo_hours": solo.delay_hours if solo.is_on else None,
        "is_alone_now": word is not None and word.alone_from is not None and utc_now() >= word.alone_from,
        "others": _others(payout.organisation_id, word.by_id if word else user_id),
        "effects": effects(payout, transfer),
        "settings_href": url_for("admin.policy.show"),
    }
