"""Entries before they are written: what makes one complete, and the digest of its content. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from json.encoder import encode_basestring_ascii as _quoted

MAXIMUM_AMOUNT = 2**62
# Longer descriptions are cut, in the row and in the digest.
DESCRIPTION_LENGTH = 300


class UnbalancedEntry(ValueError):
    """The legs do not make an entry: fewer than two, one of zero, or a sum that is not zero."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Names an account of the organisation; it is opened when it is not there yet."""

    code: str
    payee_id: int | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a movement, in minor units: a debit is positive, a credit negative."""

    account: AccountKey
    amount: int


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """A journal entry that is to be posted, in one currency."""

    kind: str
    currency: str
    effective_on: date
    description: str
    source_type: str
    source_id: int
    idempotency_key: str
    legs: Sequence[Leg]
    reverses_id: int | None = None


def validate(draft: EntryDraft) -> None:
    """Refuse what can never be an entry. Raises UnbalancedEntry (a mistake of the caller, not of a person)."""
    if len(draft.legs) < 2:
        raise UnbalancedEntry(f"{draft.idempotency_key}: an entry needs two legs at least")
    total = 0
    for leg in draft.legs:
        amount = leg.amount
        # bool is an int in Python, and True is no amount.
        if type(amount) is not int or amount == 0 or not -MAXIMUM_AMOUNT < amount < MAXIMUM_AMOUNT:
            raise UnbalancedEntry(f"{draft.idempotency_key}: {amount!r} is no amount for a leg")
        total += amount
    if total:
        raise UnbalancedEntry(f"{draft.idempotency_key}: the legs add up to {total}, not to 0")
    if not draft.idempotency_key or len(draft.idempotency_key) > 200:
        raise UnbalancedEntry("an entry needs a key of 1 to 200 characters")


def content_digest(
    *,
    kind: str,
    currency: str,
    effective_on: date,
    description: str,
    source_type: str,
    source_id: int,
    reverses_id: int | None,
    legs: Sequence[tuple[str, int]],
) -> str:
    """SHA-256 over all that an entry says; `legs` are (account code, signed amount) in the order of posting."""
    written = ", ".join([f"[{_quoted(code)}, {amount}]" for code, amount in legs])
    # What json.dumps would write; asking it takes twice as long, and this is asked for every entry.
    content = (
        f'[{_quoted(kind)}, {_quoted(currency)}, "{effective_on.isoformat()}", {_quoted(description)}, '
        f"{_quoted(source_type)}, {source_id}, {'null' if reverses_id is None else reverses_id}, [{written}]]"
    )
    return hashlib.sha256(content.encode()).hexdigest()


def digest_of(draft: EntryDraft) -> str:
    """The content digest of a draft: the same key may come again only with the same digest."""
    return content_digest(
        kind=draft.kind,
        currency=draft.currency,
        effective_on=draft.effective_on,
        description=draft.description[:DESCRIPTION_LENGTH],
        source_type=draft.source_type,
        source_id=draft.source_id,
        reverses_id=draft.reverses_id,
        legs=[(leg.account.code, leg.amount) for leg in draft.legs],
    )
