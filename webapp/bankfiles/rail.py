"""The rail "bank_file": it sends nothing by itself, and answers what the bank's return files have said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webapp.bankfiles import bank_words, queries
from webapp.bankfiles.models import BankFileItem
from webapp.bankfiles.states import RAIL, FileState, Word
from webapp.database import db
from webapp.payouts.models import Transfer
from webapp.payouts.states import TransferState
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome, TransferOrder

_OUTCOMES = {
    Word.ACCEPTED: Outcome.ACCEPTED,
    Word.PAID: Outcome.SUCCEEDED,
    Word.REFUSED: Outcome.FAILED,
    Word.RETURNED: Outcome.REVERSED,
}
_NOT_YET = Answer(Outcome.UNKNOWN, message="The bank's answer comes with its return file.")


class BankFileRail:
    """What a payout's transfer asks of the files."""

    name = RAIL
    needs_details = False

    def send(self, order: TransferOrder) -> Answer:
        """Nothing leaves one by one; workers do not call this, and whoever does learns that nothing was sent."""
        return Answer(Outcome.NOT_SENT, message="It leaves with a bank file, not by itself.")

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """What the bank has said of a transfer so far. Unknown while it has said nothing: never "not found"."""
        try:
            found = queries.live_item_of(organisation_id, transfer_id)
            if found is None:
                return _NOT_YET
            item, file, transfer = found
            word = Word(item.word)
            if word not in _OUTCOMES or file.sent_at is None or file.state == FileState.CANCELLED:
                return _NOT_YET
            return _of(item, word, file.reference, transfer)
        finally:
            # The caller's transaction begins after this one; nothing was written here.
            db.session.rollback()

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """A file's account says nothing of its balance."""
        return None


def _of(item: BankFileItem, word: Word, file_reference: str, transfer: Transfer) -> Answer:
    raw = {"file": file_reference, "word": word.value, "said_by": item.answered_by}
    settled_at = queries.settled_at(transfer.id)
    if settled_at is not None and item.answered_at is not None and item.answered_at <= settled_at:
        return Answer(Outcome.UNKNOWN, message="People have settled what the bank said.", raw=raw)
    if bank_words.is_contradicted(item) and settled_at is None:
        return _both(item, transfer, raw)
    return Answer(
        _OUTCOMES[word],
        utr=item.utr,
        code=item.code,
        message=item.message,
        amount_minor=item.booked_minor,
        currency=item.currency if item.booked_minor is not None else None,
        raw=raw,
    )


def _both(item: BankFileItem, transfer: Transfer, raw: Mapping[str, Any]) -> Answer:
    """The answer to a bank that said paid and refused: it must not take effect as either, but go to two people.

    Where one of the words took effect before, it is the other. Where none did, nothing and all of it is booked: an
    amount that cannot be the one that was ordered.
    """
    opposite = {TransferState.SUCCEEDED: Outcome.FAILED, TransferState.FAILED: Outcome.SUCCEEDED}
    outcome = opposite.get(TransferState(transfer.state))
    if outcome is not None:
        return Answer(outcome, code=item.code, message=item.message, raw=raw)
    return Answer(
        Outcome.UNKNOWN, code=item.code, message=item.message, amount_minor=0, currency=item.currency, raw=raw
    )


registry.register_file_rail(BankFileRail())
