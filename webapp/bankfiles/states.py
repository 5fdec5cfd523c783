"""The lives of a bank file and of its items, as data."""

from __future__ import annotations

from webapp.kernel.errors import Conflict
from webapp.kernel.labels import Label

RAIL = "bank_file"


class Format(Label):
    """What a file is written as."""

    PAIN001 = "pain001", "ISO 20022 (pain.001)"
    NACHA = "nacha", "NACHA (ACH, United States)"
    COLUMNS = "columns", "Column file (CSV)"


class FileState(Label):
    """Where a file stands; sentence = what happens next."""

    MADE = "made", "To approve", "todo", "todo", "A second person must check and approve it."
    APPROVED = "approved", "Approved", "ok", "ok", "It can be downloaded now and uploaded at the bank."
    DOWNLOADED = (
        "downloaded", "Downloaded", "progress", "progress",
        "Upload it at the bank, then mark it as uploaded here. No money is booked before.",
    )  # fmt: skip
    SENT = (
        "sent",
        "Uploaded",
        "progress",
        "progress",
        "The bank has it. Bring in its return file when it comes.",
    )
    ACKNOWLEDGED = (
        "acknowledged", "Acknowledged", "progress", "progress",
        "The bank has taken it in. Its word on each payment is still to come.",
    )  # fmt: skip
    PARTLY_REFUSED = (
        "partly_refused", "Partly refused", "failed", "failed",
        "The bank refused or returned some payments; its word on the others is still to come.",
    )  # fmt: skip
    CLOSED = "closed", "Closed", "done", "done", "The bank has answered every payment."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "Its payouts wait for another file."


class Word(Label):
    """What the bank has said of one payment of a file."""

    NONE = "none", "No answer yet", "waiting", "waiting"
    ACCEPTED = "accepted", "Taken in", "progress", "progress"
    PAID = "paid", "Paid", "done", "done"
    REFUSED = "refused", "Refused", "failed", "failed"
    RETURNED = "returned", "Returned", "returned", "returned"


class FileAction(Label):
    """What can be done to a file."""

    APPROVE = "approve", "approve"
    DOWNLOAD = "download", "download"
    SEND = "send", "mark as uploaded"
    CANCEL = "cancel", "cancel"
    ANSWER = "answer", "take answers for"


_S, _A = FileState, FileAction
_WITH_BANK = (_S.SENT, _S.ACKNOWLEDGED, _S.PARTLY_REFUSED, _S.CLOSED)

TRANSITIONS: dict[tuple[FileState, FileAction], FileState | None] = {
    (_S.MADE, _A.APPROVE): _S.APPROVED,
    (_S.MADE, _A.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _A.CANCEL): _S.CANCELLED,
    (_S.APPROVED, _A.DOWNLOAD): _S.DOWNLOADED,
    (_S.DOWNLOADED, _A.DOWNLOAD): _S.DOWNLOADED,
    (_S.DOWNLOADED, _A.CANCEL): _S.CANCELLED,
    (_S.DOWNLOADED, _A.SEND): _S.SENT,
    # The same bytes again, for the records.
    **{(state, _A.DOWNLOAD): state for state in _WITH_BANK},
    # Where it leads follows from the words on all items: `state_of`.
    **{(state, _A.ANSWER): None for state in _WITH_BANK},
}
# What a new word may follow. A word that is not here changes nothing (it is late or repeated).
FOLLOWS: dict[Word, frozenset[Word]] = {
    Word.NONE: frozenset({Word.ACCEPTED, Word.PAID, Word.REFUSED, Word.RETURNED}),
    Word.ACCEPTED: frozenset({Word.PAID, Word.REFUSED, Word.RETURNED}),
    # Refused after paid, and paid after refused, cannot both be: two people settle it on the payout's page.
    Word.PAID: frozenset({Word.RETURNED, Word.REFUSED}),
    Word.REFUSED: frozenset({Word.PAID}),
    Word.RETURNED: frozenset(),
}
ANSWERED = frozenset({Word.PAID, Word.REFUSED, Word.RETURNED})


def next_state(state: str, action: FileAction, reference: str) -> FileState:
    """The state that `action` leads to. Raises Conflict, naming both, when the table has no such pair."""
    current = FileState(state)
    if (current, action) not in TRANSITIONS:
        raise Conflict(
            f"{reference} is {current.label.lower()}; it is not possible to {action.label} it now. "
            "Nothing was changed."
        )
    return TRANSITIONS[current, action] or current


def can(state: str, action: FileAction) -> bool:
    """Whether the table allows an action now."""
    return (FileState(state), action) in TRANSITIONS


def state_of(words: list[Word]) -> FileState:
    """Where a file that is with the bank stands, by the words on its items."""
    if all(word in ANSWERED for word in words):
        return FileState.CLOSED
    if any(word in (Word.REFUSED, Word.RETURNED) for word in words):
        return FileState.PARTLY_REFUSED
    if any(word is not Word.NONE for word in words):
        return FileState.ACKNOWLEDGED
    return FileState.SENT
