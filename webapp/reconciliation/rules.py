"""What can be read out of other people's words: references, states, keys of lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from webapp.kernel.ids import digest

# Our own ids, as they come back in remarks, end-to-end references and narratives.
_OUR_ID = re.compile(r"PD[2-9A-HJ-NP-Z]{24}(?![A-Z0-9])")
# Without the blanks of a narrative the next word follows at once.
_OUR_ID_BROKEN = re.compile(r"PD[2-9A-HJ-NP-Z]{24}")
_PAYOUT = re.compile(r"\bPO-\d{4}-\d{6}\b")
# What Indian banks number payments by: 22 characters (RTGS), 16 (NEFT), 12 digits (IMPS and UPI).
_UTR_LABELLED = re.compile(r"\b(?:UTR|RRN)[ :/#.-]{1,3}([A-Z0-9]{8,22})\b")
_UTR_BARE = re.compile(r"\b(?:[A-Z]{4}[A-Z0-9]\d{17}|[A-Z]{4}[A-Z0-9]\d{11})\b")
_UTR_MODE = re.compile(r"\b(?:IMPS|UPI|NEFT|RTGS)[ :/-]{1,3}(?:[A-Z]{2,4}[ :/-])?([A-Z0-9]{10,22})\b")
# What banks write where there is no reference.
_NOTHING = {"", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NONE", "N/A", "-"}
# Suggested are pairs of the same amount no further apart; beyond it a coincidence is as likely.
WINDOW_DAYS = 5
# Pairs are only looked for among so many of the same amount: many equal amounts say nothing.
SAME_AMOUNT_LIMIT = 20

SUCCEEDED, FAILED, REVERSED, IN_FLIGHT = "succeeded", "failed", "reversed", "in_flight"
_WORDS = {
    "SUCCESS": SUCCEEDED,
    "SUCCESSFUL": SUCCEEDED,
    "COMPLETED": SUCCEEDED,
    "PROCESSED": SUCCEEDED,
    "PAID": SUCCEEDED,
    "SETTLED": SUCCEEDED,
    "FAILED": FAILED,
    "FAILURE": FAILED,
    "REJECTED": FAILED,
    "MANUALLY_REJECTED": FAILED,
    "REVERSED": REVERSED,
    "RETURNED": REVERSED,
}
# The states of our transfers that agree with what the other side says of the money.
_AGREES = {
    SUCCEEDED: {"succeeded"},
    FAILED: {"failed"},
    REVERSED: {"reversed"},
    IN_FLIGHT: {"queued", "submitting", "accepted", "unknown"},
}


@dataclass(frozen=True)
class References:
    """What a line says it is about; empty where it says nothing."""

    our_id: str = ""
    payout: str = ""
    utr: str = ""


def no_filler(text: str | None) -> str:
    """A reference without what banks write for "none"; trimmed, at most 120 characters."""
    cleaned = " ".join((text or "").split())[:120]
    return "" if cleaned.upper() in _NOTHING else cleaned


def find_references(texts: Iterable[str | None]) -> References:
    """Our transfer id, a payout's reference and the bank's own number, wherever a line says them."""
    whole = " ".join(part for part in texts if part)
    # Narratives are broken into lines of fixed width: an id may be cut in two.
    joined = re.sub(r"\s+", "", whole)
    upper = whole.upper()
    ours = _OUR_ID.search(whole) or _OUR_ID_BROKEN.search(joined)
    payout = _PAYOUT.search(upper)
    utr = _UTR_LABELLED.search(upper) or _UTR_MODE.search(upper)
    bare = _UTR_BARE.search(upper)
    return References(
        ours.group() if ours else "",
        payout.group() if payout else "",
        utr.group(1) if utr and any(c.isdigit() for c in utr.group(1)) else bare.group() if bare else "",
    )


def meaning(word: str) -> str:
    """What a provider's word for a state means for the money; an unknown word is still under way."""
    return _WORDS.get(word.strip().upper().replace(" ", "_"), IN_FLIGHT)


def agrees(theirs: str, our_state: str) -> bool:
    """Whether a meaning (see `meaning`) and the state of our transfer say the same."""
    return our_state in _AGREES[theirs]


def agreeing_pairs() -> list[tuple[str, str]]:
    """Every (meaning, our state) that agrees, for a statement that compares many at once."""
    return [(theirs, ours) for theirs, states in sorted(_AGREES.items()) for ours in sorted(states)]


def line_key(account: str, booked_on: date, amount_minor: int, parts: Iterable[str], ordinal: int) -> str:
    """The same for the same line in whatever file: what it says, and which of several equal ones it is."""
    return digest([account, booked_on.isoformat(), amount_minor, *parts, ordinal])


def masked(account: str) -> str:
    """The last four characters of an account number."""
    plain = re.sub(r"[^A-Za-z0-9]", "", account)
    return f"••{plain[-4:]}" if len(plain) > 4 else plain or "account"
