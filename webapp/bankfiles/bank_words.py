"""The bank's words on one payment: each is kept on its item, also two that cannot both be, and a worker acts on it.

`code` of an item is what the bank calls its reason; a few values of it are ours and outlast later words.
"""

from __future__ import annotations

from datetime import datetime

from webapp import queue
from webapp.bankfiles import queries
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.bankfiles.states import FOLLOWS, FileState, Word, state_of
from webapp.outbox import service as outbox

# Two words that cannot both be. A worker may look after both came, so the item says that there were two.
CONTRADICTIONS = {
    (Word.PAID, Word.REFUSED): "PAID, THEN REFUSED",
    (Word.REFUSED, Word.PAID): "REFUSED, THEN PAID",
}
# The bank has answered, and nobody has said that the file was uploaded.
ANSWERED_EARLY = "ANSWERED BEFORE UPLOAD"
_OURS = frozenset({*CONTRADICTIONS.values(), ANSWERED_EARLY})


def is_contradicted(item: BankFileItem) -> bool:
    """Whether the bank has said that it paid, and that it did not."""
    return item.code in CONTRADICTIONS.values()


def can_follow(item: BankFileItem, word: Word) -> bool:
    """Whether a word says something that was not known; late and repeated ones do not."""
    if is_contradicted(item):
        return word is Word.RETURNED and item.word != Word.RETURNED
    return word in FOLLOWS[Word(item.word)]


def take_word(
    item: BankFileItem,
    word: Word,
    now: datetime,
    *,
    by: str,
    code: str = "",
    message: str = "",
    utr: str = "",
    booked_minor: int | None = None,
) -> None:
    """Keep what the bank said of one payment, and have a worker let it take effect through the transfer."""
    keep_word(item, word, now, by=by, code=code, message=message, utr=utr, booked_minor=booked_minor)
    outbox.add(
        kind="transfer.ask",
        reference_id=item.transfer_row_id,
        dedupe_key=f"transfer.ask:{item.transfer_row_id}:file:{item.id}:{word.value}:{booked_minor or 0}",
        to_queue=queue.MONEY,
        organisation_id=item.organisation_id,
        now=now,
    )


def keep_word(
    item: BankFileItem,
    word: Word,
    now: datetime,
    *,
    by: str,
    code: str = "",
    message: str = "",
    utr: str = "",
    booked_minor: int | None = None,
) -> None:
    """Write a word on the item; one that contradicts the word before it stands beside that, not in its place."""
    before = Word(item.word)
    mark = CONTRADICTIONS.get((before, word), item.code if is_contradicted(item) else "")
    if mark:
        said = f"{before.label} by {item.answered_by}, {word.label.lower()} by {by}."
        message = " ".join(part for part in (said, f"{code}:" if code else "", message) if part)
    item.word, item.message = word.value, message[:500]
    # A bank's own code cannot pass for one of ours.
    item.code = mark or ("" if code in _OURS else code[:120])
    item.utr = utr[:120] or item.utr
    item.booked_minor = booked_minor if booked_minor is not None else item.booked_minor
    item.answered_at, item.answered_by = now, by[:254]


def close_if_answered(file: BankFile, now: datetime) -> None:
    """Bring the file to where the words on its items put it. The items are flushed."""
    words = [Word(word) for word in queries.word_counts(file.id)]
    state = state_of(words)
    if state != file.state:
        file.state = state.value
        file.closed_at = now if state is FileState.CLOSED else None
    file.version += 1
