"""The rail "bank_file": it sends nothing by itself, and answers what the bank's return files have said."""

from __future__ import annotations

from webapp.bankfiles import queries
from webapp.bankfiles.states import RAIL, FileState, Word
from webapp.database import db
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
            item, file = found
            word = Word(item.word)
            if word not in _OUTCOMES or file.sent_at is None or file.state == FileState.CANCELLED:
                return _NOT_YET
            return Answer(
                _OUTCOMES[word],
                utr=item.utr,
                code=item.code,
                message=item.message,
                amount_minor=item.booked_minor,
                currency=item.currency if item.booked_minor is not None else None,
                raw={"file": file.reference, "word": word.value, "said_by": item.answered_by},
            )
        finally:
            # The caller's transaction begins after this one; nothing was written here.
            db.session.rollback()

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """A file's account says nothing of its balance."""
        return None


registry.register_file_rail(BankFileRail())
