"""The bank speaks of a payment that, by what people said here, it cannot have.

Either its file was cancelled here and uploaded nevertheless: then the transfer goes to two people, and meanwhile into
no file. Or nobody has said yet that the file was uploaded: then it is not given out again. Both halt the rail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select

from webapp.bankfiles import bank_words
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.bankfiles.states import RAIL, FileState, Word
from webapp.database import db
from webapp.kernel.actor import WORKER, Actor
from webapp.payouts import policies, settlement
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import TransferState

# After one of these money is under way, has left, or had left.
MOVING = frozenset({Word.ACCEPTED, Word.PAID, Word.RETURNED})
_SHOWN = 5


def best(
    candidates: Sequence[BankFileItem], files: Mapping[int, BankFile], about: int | None
) -> BankFileItem:
    """The item that a word is of: in the file that it names; else where the bank can have it, the live one first."""

    def rank(item: BankFileItem) -> tuple[bool, bool, bool, bool, int]:
        file = files[item.file_id]
        was_out = file.first_downloaded_at is not None
        return item.file_id == about, file.sent_at is not None, was_out, item.is_live, item.id

    return max(candidates, key=rank)


def mark_early(item: BankFileItem, word: Word, by: str) -> bool:
    """Note that the bank answered before anybody said that the file was uploaded. False when nothing follows."""
    if word not in MOVING:
        return False
    item.code = bank_words.ANSWERED_EARLY
    item.message = f"The bank says {word.label.lower()} ({by}), and the file is not marked as uploaded."
    return True


def needs_people(item: BankFileItem, word: Word) -> bool:
    """Whether a word on a payment of a cancelled file is one that people have not settled so already."""
    if word not in MOVING and not bank_words.is_contradicted(item):
        return False
    is_found = item.transfer.state == TransferState.SUCCEEDED and not _is_in_live_file(item.transfer_row_id)
    return not (is_found and word is not Word.RETURNED)


def _is_in_live_file(transfer_row_id: int) -> bool:
    query = select(BankFileItem.id).where(
        BankFileItem.transfer_row_id == transfer_row_id, BankFileItem.is_live.is_(True)
    )
    return db.session.scalar(query) is not None


def review(found: Iterable[tuple[BankFileItem, str]], now: datetime) -> None:
    """Give the transfers to two people, each with a reason."""
    ordered = sorted(found, key=lambda one: (one[0].payout_id, one[0].transfer_row_id))
    # All are locked, in the order that everybody keeps, before the first of them locks the rail's switch.
    locked = [(*settlement.lock_transfer(item.transfer_row_id), item, reason) for item, reason in ordered]
    for payout, transfer, item, reason in locked:
        if transfer.state == TransferState.REVIEW:
            continue
        before = transfer.state
        settlement.review(payout, transfer, reason, now)
        settlement.keep_event(transfer, "worker", before, now, answer={"file": item.file.reference})


def halt(organisation_id: int, reasons: Sequence[str], now: datetime, actor: Actor = WORKER) -> None:
    """Halt payments over bank files, saying why; nothing without reasons, or while they are halted already."""
    if not reasons:
        return
    more = f" So do {len(reasons) - 1} more payments." if len(reasons) > 1 else ""
    policies.halt(organisation_id=organisation_id, rail=RAIL, reason=reasons[0] + more, actor=actor, now=now)


def _early_items(file_id: int) -> Sequence[BankFileItem]:
    query = select(BankFileItem).where(
        BankFileItem.file_id == file_id, BankFileItem.code == bank_words.ANSWERED_EARLY
    )
    return db.session.scalars(query.order_by(BankFileItem.position)).all()


def why_not_again(file: BankFile) -> list[str]:
    """Why the bytes of a file that is not marked as uploaded may not be given out: the bank answers already."""
    if file.sent_at is not None:
        return []
    reasons = []
    if early := _early_items(file.id):
        names = ", ".join(item.payout.reference for item in early[:_SHOWN])
        more = f" and {len(early) - _SHOWN} more" if len(early) > _SHOWN else ""
        then = (
            "If it has the file, mark it as uploaded and bring the answer in again."
            if file.state == FileState.DOWNLOADED
            else "Nobody has downloaded it here: cancel it, and two people settle these payments."
        )
        reasons.append(
            f"The bank has answered {names}{more} of this file, which is not marked as uploaded. "
            f"Look at the bank's own page. {then}"
        )
    query = (
        select(Payout.reference)
        .join(BankFileItem, BankFileItem.payout_id == Payout.id)
        .where(BankFileItem.file_id == file.id, has_review())
        .order_by(Payout.id)
        .limit(_SHOWN)
    )
    reasons += [
        f"{reference} is under review: two people must settle first whether the bank has paid it."
        for reference in db.session.scalars(query)
    ]
    return reasons


def has_review() -> ColumnElement[bool]:
    """Payouts of which a transfer is under review, this one or an earlier one."""
    return exists().where(Transfer.payout_id == Payout.id, Transfer.state == TransferState.REVIEW.value)


def in_review(organisation_id: int) -> set[int]:
    """The ids of the payouts of which a transfer is under review; few, by one query."""
    query = select(Transfer.payout_id).where(
        Transfer.organisation_id == organisation_id, Transfer.state == TransferState.REVIEW.value
    )
    return set(db.session.scalars(query))


def not_handed_over(file: BankFile) -> set[int]:
    """Transfers of a file that people look at, or have settled, since it was made: handing it over passes them by."""
    query = (
        select(Transfer.id)
        .join(BankFileItem, BankFileItem.transfer_row_id == Transfer.id)
        .where(
            BankFileItem.file_id == file.id,
            Transfer.state != TransferState.QUEUED.value,
            exists().where(
                TransferEvent.transfer_id == Transfer.id,
                TransferEvent.to_state == TransferState.REVIEW.value,
            ),
        )
    )
    return set(db.session.scalars(query))


def review_early(file: BankFile, now: datetime) -> int:
    """The file is cancelled, and the bank had answered some of it: those go to two people. Answers how many."""
    early = _early_items(file.id)
    reason = f"{file.reference} was cancelled, and the bank had answered this payment of it."
    review([(item, reason) for item in early], now)
    return len(early)
