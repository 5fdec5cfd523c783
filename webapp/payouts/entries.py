"""The ledger templates of a payout's turns; the only place of this room that posts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.models import JournalEntry
from webapp.ledger.service import AccountKey, EntryDraft, Leg
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import Payee

BANK, IN_TRANSIT = AccountKey("bank"), AccountKey("in_transit")


class Approved(Protocol):
    """What the entry of an approval is made from: a payout, or what is known of one of many."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def reference(self) -> str:
        """What people call it."""

    @property
    def payee(self) -> Payee:
        """Who is paid."""

    @property
    def payee_id(self) -> int:
        """Their id."""

    @property
    def currency(self) -> str:
        """Of the amount."""

    @property
    def amount_minor(self) -> int:
        """What is paid."""

    @property
    def cost_account(self) -> str:
        """What is debited."""


def payable(payout: Approved) -> AccountKey:
    """The account of what is approved and not yet paid, per payee."""
    return AccountKey(f"payable:{payout.payee.reference}", payout.payee_id)


def _draft(
    payout: Approved, kind: str, key: str, debit: AccountKey, credit: AccountKey, on: date
) -> EntryDraft:
    return EntryDraft(
        kind=f"payout.{kind}",
        currency=payout.currency,
        effective_on=on,
        description=f"{payout.reference} {payout.payee.name}: {kind.replace('_', ' ')}",
        source_type="payout",
        source_id=payout.id,
        idempotency_key=key,
        legs=(Leg(debit, payout.amount_minor), Leg(credit, -payout.amount_minor)),
    )


def _post(
    payout: Payout,
    kind: str,
    key: str,
    debit: AccountKey,
    credit: AccountKey,
    on: date,
    actor: Actor,
    now: datetime,
) -> None:
    draft = _draft(payout, kind, key, debit, credit, on)
    ledger.post_many(organisation_id=payout.organisation_id, entries=[draft], actor=actor, now=now)


def approved(payout: Payout, on: date, actor: Actor, now: datetime) -> None:
    """Debit what the program says, credit what is owed to the payee."""
    ledger.post_many(
        organisation_id=payout.organisation_id, entries=[approval(payout, on)], actor=actor, now=now
    )


def approval(payout: Approved, on: date) -> EntryDraft:
    """To post: what the program says is debited, and owed to the payee."""
    return _draft(payout, "approved", f"payout:{payout.id}:approved", _cost(payout), payable(payout), on)


def _cost(payout: Approved) -> AccountKey:
    """What is debited at approval; what is held for the payee is the payee's own account."""
    is_own = payout.cost_account == f"held:{payout.payee.reference}"
    return AccountKey(payout.cost_account, payout.payee_id if is_own else None)


def cancelled(payout: Payout, on: date, actor: Actor, now: datetime) -> None:
    """Take the approval's entry back, if there is one."""
    entry = _find(payout, f"payout:{payout.id}:approved")
    if entry is not None:
        _reverse(payout, entry, f"payout:{payout.id}:cancelled", "cancelled", on, actor, now)


def submitted(
    payout: Payout, transfer: Transfer, on: date, actor: Actor, now: datetime, word: str = "submitted"
) -> None:
    """What is owed is on its way; `word` tells a second booking of the same transfer from the first."""
    _post(payout, word, f"transfer:{transfer.id}:{word}", payable(payout), IN_TRANSIT, on, actor, now)


def succeeded(payout: Payout, transfer: Transfer, on: date) -> EntryDraft:
    """To post: what was on its way has left the bank, on the day given."""
    return _draft(payout, "paid", f"transfer:{transfer.id}:succeeded", IN_TRANSIT, BANK, on)


def failed(payout: Payout, transfer: Transfer, on: date) -> EntryDraft:
    """To post: the transfer came to nothing, its entry is taken back."""
    entry = _find(payout, f"transfer:{transfer.id}:submitted")
    if entry is None:
        raise RuntimeError(f"transfer {transfer.id} was never booked as submitted")
    words = f"{payout.reference} {payout.payee.name}: failed"
    return ledger.reversal(entry, words, f"transfer:{transfer.id}:failed", on)


def returned(payout: Payout, on: date) -> EntryDraft:
    """To post: the money came back; the bank has it, and it is owed again."""
    return _draft(
        payout, "returned", f"payout:{payout.id}:returned:{payout.round}", BANK, payable(payout), on
    )


def post(drafts: Sequence[tuple[int, EntryDraft]], actor: Actor, now: datetime) -> None:
    """Write what became of several transfers: of an organisation all at once, one organisation after the other.

    However many there are, whoever writes takes the accounts in the same order, so that nobody waits in a circle.
    """
    by_organisation = defaultdict(list)
    for organisation_id, draft in drafts:
        by_organisation[organisation_id].append(draft)
    for organisation_id in sorted(by_organisation):
        ledger.post_many(
            organisation_id=organisation_id, entries=by_organisation[organisation_id], actor=actor, now=now
        )


def marked_paid(payout: Payout, on: date, actor: Actor, now: datetime) -> None:
    """Paid by hand, straight from the bank."""
    key = f"payout:{payout.id}:marked_paid:{payout.round}"
    _post(payout, "paid_by_hand", key, payable(payout), BANK, on, actor, now)


def _reverse(
    payout: Payout, entry: JournalEntry, key: str, word: str, on: date, actor: Actor, now: datetime
) -> None:
    ledger.reverse(
        entry=entry,
        description=f"{payout.reference} {payout.payee.name}: {word}",
        idempotency_key=key,
        effective_on=on,
        actor=actor,
        now=now,
    )


def _find(payout: Payout, key: str) -> JournalEntry | None:
    return db.session.scalar(
        select(JournalEntry).where(
            JournalEntry.organisation_id == payout.organisation_id, JournalEntry.idempotency_key == key
        )
    )
