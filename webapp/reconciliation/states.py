"""What can be found when two books are compared, where a finding stands, and how it is settled. Pure."""

from __future__ import annotations

from webapp.kernel.labels import Label


class Source(Label):
    """Whose word is compared with ours."""

    BANK = "bank", "Bank statement"
    PROVIDER = "provider", "Provider's list"
    STATUS = "status", "Provider's answer"
    WEBHOOK = "webhook", "Webhook"


class FindingKind(Label):
    """How the two books differ; sentence = what it means."""

    MATCHED = "matched", "Matched", "done", "done", "Both books say the same."
    OURS_ONLY = (
        "ours_only", "Ours only", "waiting", "waiting",
        "We booked it; the other side does not show it (yet).",
    )  # fmt: skip
    THEIRS_ONLY = (
        "theirs_only", "Theirs only", "todo", "todo",
        "The other side shows it; we know nothing of it.",
    )  # fmt: skip
    AMOUNT_DIFFERS = (
        "amount_differs", "Amount differs", "failed", "failed",
        "Both books have it, with different amounts.",
    )  # fmt: skip
    STATE_DIFFERS = (
        "state_differs", "State differs", "failed", "failed",
        "Both books have it, but say different things about what became of it.",
    )  # fmt: skip


class FindingState(Label):
    """Where a finding stands; sentence = who must act."""

    OPEN = "open", "Open", "todo", "todo", "Somebody must look at it and settle it."
    ASKED = "asked", "Provider asked", "progress", "progress", "It closes by itself once both sides agree."
    PROPOSED = (
        "proposed", "To confirm", "waiting", "waiting",
        "A correction is proposed; a second person must confirm it.",
    )  # fmt: skip
    RESOLVED = "resolved", "Settled", "done", "done", "Nothing more to do."


# Findings that somebody or something still has to act on.
UNSETTLED = (FindingState.OPEN, FindingState.ASKED, FindingState.PROPOSED)


class Resolution(Label):
    """How a finding was settled."""

    LINK = "link", "Linked by hand"
    BOOK = "book", "Booked as a correction"
    EXPLAIN = "explain", "Explained"
    ASK = "ask", "Provider asked"
    AGREED = "agreed", "Agreed by itself"


class Origin(Label):
    """What a finding about a bank account as a whole is about."""

    OPENING = "opening", "Balance before the first statement"
    GAP = "gap", "Statements that are missing"


class FileFormat(Label):
    """What a file of somebody else's book is written in."""

    CAMT = "camt.053", "ISO 20022 camt.053 (XML)"
    MT940 = "mt940", "SWIFT MT940"
    CSV = "csv", "Bank's list (CSV or Excel)"
    CASHFREE = "cashfree", "Cashfree's transfer report (CSV)"
    PROVIDER_CSV = "provider_csv", "Provider's list (CSV or Excel)"


class FileState(Label):
    """Where an uploaded file stands."""

    CHECKED = (
        "checked",
        "Looked at",
        "waiting",
        "waiting",
        "Nothing is stored of it yet. Compare it, or drop it.",
    )
    QUEUED = "queued", "Comparing", "progress", "progress", "A worker compares it."
    DONE = "done", "Compared", "done", "done", "Its lines are stored and compared."
