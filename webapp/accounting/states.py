"""How a payout stands in the books, and what the books are to say of it."""

from __future__ import annotations

from enum import StrEnum

from webapp.kernel.labels import Label


class SyncState(Label):
    """Where the bill of a payout stands; sentence = what happens next."""

    NOT_SYNCED = "not_synced", "Not in the books", "waiting", "waiting", "Nobody has asked for a bill of it."
    QUEUED = "queued", "Queued", "progress", "progress", "A worker brings the books in line within minutes."
    SYNCED = "synced", "Synced", "done", "done", "The books say what Paydesk says."
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "An admin puts right what the books refused, then tries again.",
    )
    VOID = "void", "Void", "cancelled", "cancelled", "The payout will not be paid; its bill counts no more."


class Wanted(StrEnum):
    """What the books are to say of a payout."""

    NOTHING = "nothing"
    OPEN = "open"  # a bill that is owed
    PAID = "paid"  # a bill, and the payment of it
    VOID = "void"  # a bill that counts no more, if there was one
