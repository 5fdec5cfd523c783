"""What is found about new payment details before a person decides: name, the same account elsewhere, used before.

Pure but for the reading of words that providers have given; nobody is asked over the network here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from webapp.kernel.errors import Invalid
from webapp.people import accounts
from webapp.people.accounts import Destination, Scheme
from webapp.people.models import MethodKind

if TYPE_CHECKING:
    from webapp.people.changes.models import MethodChange

# Words that say what somebody is, not who: they make no name alike or different.
_TITLES = "mr mrs ms miss mx dr prof sir smt shri sri and of the"
_FORMS = "inc llc llp ltd limited pvt private plc corp corporation co company gmbh ag sa sas bv oy ab"
_NOISE = frozenset(f"{_TITLES} {_FORMS}".split())
_WORD = re.compile(r"\w+")
_INITIAL, _TYPING_ERROR = 0.8, 0.84
SAME, ALIKE = 100, 60


@dataclass(frozen=True)
class NameMatch:
    """How far the name on the account is the payee's name: 0 to 100, or None where it cannot be compared."""

    score: int | None
    verdict: str
    sentence: str


@dataclass(frozen=True)
class BankWord:
    """The name that a provider says an account has."""

    provider: str
    name: str
    at: datetime


# Rooms that talk to a provider which looks names up register a reader of its stored answers.
BankNames = Callable[["MethodChange"], "BankWord | None"]
_bank_names: list[BankNames] = []


def register_bank_names(reader: BankNames) -> None:
    """Let a rail say which name the bank has for an account, from an answer it has stored."""
    if reader not in _bank_names:
        _bank_names.append(reader)


# Endpoint of the question, and whether it can be asked about a change.
_questions: dict[str, Callable[[MethodChange], bool]] = {}


def register_name_question(endpoint: str, can_ask: Callable[[MethodChange], bool]) -> None:
    """Let a room that talks to such a provider put its button on the page of a change."""
    _questions[endpoint] = can_ask


def name_questions(change: MethodChange) -> list[str]:
    """The endpoints that ask for the name of the account; empty where nobody can be asked, or all was said."""
    return [endpoint for endpoint, can_ask in _questions.items() if can_ask(change)]


def bank_words(change: MethodChange) -> list[BankWord]:
    """What providers said about the account; empty while none offers it."""
    return [word for reader in _bank_names if (word := reader(change)) is not None]


def name_words(name: str) -> list[str]:
    """A name as bare words: no accents, capitals, signs, titles or company forms."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    found = _WORD.findall(bare.casefold().replace("'", "").replace("’", ""))
    return [word for word in found if word not in _NOISE] or found


def _likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if 1 in (len(one), len(other)):
        return _INITIAL if one[0] == other[0] else 0.0
    ratio = SequenceMatcher(None, one, other, autojunk=False).ratio()
    return ratio if ratio >= _TYPING_ERROR else 0.0


def _is_latin(name: str) -> bool:
    letters = [sign for sign in name if sign.isalpha()]
    return bool(letters) and all(unicodedata.name(sign, "").startswith("LATIN ") for sign in letters)


def match_names(name_at_bank: str, payee_name: str) -> NameMatch:
    """Compare two names word by word, in any order; an initial counts for a word, a typing error for most of one."""
    if not _is_latin(payee_name):
        return NameMatch(
            None,
            "unclear",
            "The payee's name is written in another script. Compare it with the name on the account yourself.",
        )
    theirs, ours = name_words(name_at_bank)[:20], name_words(payee_name)[:20]
    n_words, total = len(theirs) + len(ours), 0.0
    pairs = sorted(
        ((_likeness(a, b), i, j) for i, a in enumerate(theirs) for j, b in enumerate(ours)), reverse=True
    )
    used_theirs: set[int] = set()
    used_ours: set[int] = set()
    near = []
    for likeness, i, j in pairs:
        if likeness and i not in used_theirs and j not in used_ours:
            used_theirs.add(i)
            used_ours.add(j)
            total += likeness
            if likeness < 1:
                near.append(f"“{theirs[i]}” for “{ours[j]}”")
    score = int(200 * total / n_words) if n_words else 0
    if score >= SAME:
        return NameMatch(score, "same", "The name on the account is the payee's name.")
    if score >= ALIKE:
        missing = [word for j, word in enumerate(ours) if j not in used_ours]
        extra = [word for i, word in enumerate(theirs) if i not in used_theirs]
        parts = near + ([f"without “{' '.join(missing)}”"] if missing else [])
        parts += [f"with “{' '.join(extra)}” added"] if extra else []
        how = ", ".join(parts)
        return NameMatch(
            score,
            "alike",
            f"The name on the account is like the payee's name, not the same ({score} of 100): {how}.",
        )
    return NameMatch(
        score, "different", f"The name on the account is another name than the payee's ({score} of 100)."
    )


def check_format(destination: Destination) -> None:
    """Refuse details that did not come through the checks of `accounts`, wherever they came from. Raises Invalid."""
    details = dict(destination.details)
    names = {"name_at_bank": destination.name_at_bank}
    builders: dict[tuple[str, str], Callable[..., Destination]] = {
        (MethodKind.UPI.value, ""): accounts.upi_address,
        (MethodKind.BANK_ACCOUNT.value, Scheme.IFSC.value): accounts.ifsc_account,
        (MethodKind.BANK_ACCOUNT.value, Scheme.IBAN.value): accounts.iban_account,
        (MethodKind.BANK_ACCOUNT.value, Scheme.ABA.value): accounts.aba_account,
    }
    if destination.kind == MethodKind.MANUAL:
        again = accounts.by_hand()
    else:
        build = builders.get((destination.kind, destination.scheme))
        if build is None:
            raise Invalid("kind", "This is not a way to be paid.", "bank_account")
        try:
            again = build(**details, **names)
        except TypeError:
            raise Invalid("details", "These details do not belong to this way to be paid.") from None
    if (again.identity, again.name_at_bank) != (destination.identity, destination.name_at_bank):
        raise Invalid("details", "Write the details without spaces, in the form that the bank uses.")


def findings(
    *,
    destination_kind: str,
    name_at_bank: str,
    payee_name: str,
    twins: Sequence[tuple[str, str]],
    used_in_version: int | None,
) -> dict[str, Any]:
    """What is found, as it is kept with the change; never a clear number.

    `twins` are (reference, name) of other payees with the same account; `used_in_version` is the payee's own
    earlier version with it.
    """
    by_hand = destination_kind == MethodKind.MANUAL
    match = None if by_hand else match_names(name_at_bank, payee_name)
    return {
        "name": {"score": match.score, "verdict": match.verdict, "sentence": match.sentence}
        if match
        else None,
        "same_account": [{"reference": reference, "name": name} for reference, name in twins],
        "used_in_version": used_in_version,
    }
