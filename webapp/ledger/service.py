"""The one door to the ledger: everything that writes entries, postings or balances goes through here.

Nothing commits here. When a function raises, the transaction must be rolled back, as `transaction()` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.util import identity_key

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import BelowMinimum, Conflict
from webapp.kernel.money import Money
from webapp.ledger import bulk
from webapp.ledger.chart import account_for
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.ledger.posting import DESCRIPTION_LENGTH, AccountKey, EntryDraft, Leg, digest_of, validate

__all__ = ["AccountKey", "EntryDraft", "Leg", "post", "post_many", "reversal", "reverse"]

CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    normal_side: int
    payee_id: int | None


def post(
    *,
    organisation_id: int,
    kind: str,
    currency: str,
    effective_on: date,
    description: str,
    source_type: str,
    source_id: int,
    idempotency_key: str,
    legs: Sequence[Leg],
    actor: Actor,
    now: datetime,
    reverses_id: int | None = None,
) -> JournalEntry:
    """Write one balanced entry with its postings and balances, and return it.

    The same key with the same content returns the entry that is there. Raises Conflict when the key was used
    with other content, when the entry to reverse is reversed already, or when an account would fall below its
    minimum; UnbalancedEntry when the legs are no entry. Accounts are opened on demand.
    """
    draft = EntryDraft(
        kind=kind,
        currency=currency,
        effective_on=effective_on,
        description=description,
        source_type=source_type,
        source_id=source_id,
        idempotency_key=idempotency_key,
        legs=tuple(legs),
        reverses_id=reverses_id,
    )
    new = _write(organisation_id, [draft], actor, now)
    if new:
        return _as_loaded(organisation_id, draft, new[idempotency_key], actor, now)
    return _by_key(organisation_id, idempotency_key)


def _by_key(organisation_id: int, idempotency_key: str) -> JournalEntry:
    return db.session.scalars(
        select(JournalEntry).where(
            JournalEntry.organisation_id == organisation_id, JournalEntry.idempotency_key == idempotency_key
        )
    ).one()


def post_many(*, organisation_id: int, entries: Sequence[EntryDraft], actor: Actor, now: datetime) -> int:
    """Write many entries with a few statements; returns how many were new. Raises as `post` does.

    All or nothing within the caller's transaction. The rows of busy accounts are locked last and in the order
    of their ids: one call never deadlocks with another; several calls in one transaction should be one call.
    """
    return len(_write(organisation_id, entries, actor, now))


def _write(
    organisation_id: int, entries: Sequence[EntryDraft], actor: Actor, now: datetime
) -> dict[str, int]:
    """Key -> id of the entries that were new."""
    drafts = _distinct(entries)
    if not drafts:
        return {}
    session = db.session()
    session.flush()
    connection = session.connection()
    accounts = _accounts(session, organisation_id, drafts, now)
    new: dict[str, int] = {}
    items = list(drafts.items())
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        new |= _insert_heads(connection, organisation_id, chunk, actor, now)
    if len(new) < len(drafts):
        _check_repeats(session, organisation_id, {k: d for k, (_, d) in drafts.items() if k not in new})
    if new:
        _insert_legs(session, [d for k, (d, _) in items if k in new], new, accounts)
    return new


def _as_loaded(
    organisation_id: int, draft: EntryDraft, entry_id: int, actor: Actor, now: datetime
) -> JournalEntry:
    """The entry just written as the session would load it: a query less while the accounts are locked."""
    entry = JournalEntry(
        id=entry_id,
        organisation_id=organisation_id,
        kind=draft.kind,
        currency=draft.currency,
        effective_on=draft.effective_on,
        description=draft.description[:DESCRIPTION_LENGTH],
        source_type=draft.source_type,
        source_id=draft.source_id,
        idempotency_key=draft.idempotency_key,
        content_digest=digest_of(draft),
        reverses_id=draft.reverses_id,
        created_by_id=actor.user_id,
        created_by_label=actor.label[:254],
        created_at=now,
        legs=len(draft.legs),
        legs_missing=0,
        imbalance=0,
    )
    make_transient_to_detached(entry)
    db.session.add(entry)
    return entry


def reverse(
    *,
    entry: JournalEntry,
    description: str,
    idempotency_key: str,
    effective_on: date,
    actor: Actor,
    now: datetime,
) -> JournalEntry:
    """Post the opposite of an entry; an entry is reversed at most once. Raises Conflict otherwise."""
    found = db.session.scalar(select(JournalEntry).where(JournalEntry.reverses_id == entry.id))
    if found is not None and found.idempotency_key != idempotency_key:
        raise Conflict(f"Journal entry {entry.id} is reversed already, by journal entry {found.id}.")
    draft = reversal(entry, description, idempotency_key, effective_on)
    new = _write(entry.organisation_id, [draft], actor, now)
    if new:
        return _as_loaded(entry.organisation_id, draft, new[idempotency_key], actor, now)
    return _by_key(entry.organisation_id, idempotency_key)


def reversal(entry: JournalEntry, description: str, idempotency_key: str, effective_on: date) -> EntryDraft:
    """To post: the opposite of an entry, which names it."""
    rows = db.session.execute(
        select(Account.code, Account.payee_id, Posting.amount_minor)
        .join(Account, Account.id == Posting.account_id)
        .where(Posting.entry_id == entry.id)
        .order_by(Posting.id)
    )
    return EntryDraft(
        kind=f"{entry.kind}.reversed",
        currency=entry.currency,
        effective_on=effective_on,
        description=description,
        source_type=entry.source_type,
        source_id=entry.source_id,
        idempotency_key=idempotency_key,
        legs=tuple(Leg(AccountKey(code, payee_id), -amount) for code, payee_id, amount in rows),
        reverses_id=entry.id,
    )


def _distinct(entries: Iterable[EntryDraft]) -> dict[str, tuple[EntryDraft, str]]:
    """Valid drafts with their digests by key; the same one twice counts once."""
    drafts: dict[str, tuple[EntryDraft, str]] = {}
    for draft in entries:
        validate(draft)
        digest = digest_of(draft)
        if drafts.setdefault(draft.idempotency_key, (draft, digest))[1] != digest:
            raise _key_conflict(draft.idempotency_key)
    return drafts


def _key_conflict(key: str) -> Conflict:
    return Conflict(f"The ledger has an entry with the key {key} and other content. Nothing was posted.")


def _accounts(
    session: Session,
    organisation_id: int,
    drafts: dict[str, tuple[EntryDraft, str]],
    now: datetime,
) -> dict[tuple[str, str], _Known]:
    """The accounts that the drafts name, by (code, currency); opens the missing ones, also when others do so too."""
    wanted: dict[tuple[str, str], int | None] = {}
    for draft, _ in drafts.values():
        for leg in draft.legs:
            key = (leg.account.code, draft.currency)
            if leg.account.payee_id is not None or key not in wanted:
                wanted[key] = leg.account.payee_id
    known = _find_accounts(session, organisation_id, wanted)
    missing = sorted(key for key in wanted if key not in known)
    if missing:
        # In the order of their codes, so that two who open the same accounts wait instead of deadlocking.
        _open_accounts(session, organisation_id, {key: wanted[key] for key in missing}, now)
        known |= _find_accounts(session, organisation_id, missing)
    for key, payee_id in wanted.items():
        if payee_id is not None and known[key].payee_id != payee_id:
            raise Conflict(f"The ledger account {key[0]} belongs to another payee.")
    return known


def _find_accounts(
    session: Session, organisation_id: int, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], _Known]:
    codes = sorted({code for code, _ in keys})
    return {
        (code, currency): _Known(account_id, side, payee_id)
        for code, currency, account_id, side, payee_id in bulk.find_accounts(
            session.connection(), organisation_id, codes
        )
    }


def _open_accounts(
    session: Session, organisation_id: int, keys: dict[tuple[str, str], int | None], now: datetime
) -> None:
    rows: list[dict[str, Any]] = []
    for (code, currency), payee_id in keys.items():
        definition = account_for(code)
        rows.append(
            {
                "organisation_id": organisation_id,
                "code": code,
                "name": definition.name[:200],
                "type": definition.type,
                "currency": currency,
                "payee_id": payee_id,
                "normal_side": definition.normal_side,
                "minimum_balance_minor": definition.minimum_minor,
                "balance_minor": 0,
                "version": 0,
                "created_at": now,
            }
        )
    engine = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(engine.insert(Account.__table__).on_conflict_do_nothing(), rows)


def _insert_heads(
    connection: Any,
    organisation_id: int,
    chunk: Sequence[tuple[str, tuple[EntryDraft, str]]],
    actor: Actor,
    now: datetime,
) -> dict[str, int]:
    label, at = actor.label[:254], bulk.stored_instant(connection, now)
    rows = [
        (
            organisation_id, d.kind, d.currency, bulk.stored_day(connection, d.effective_on),
            d.description[:DESCRIPTION_LENGTH], d.source_type, d.source_id, key, digest, d.reverses_id,
            actor.user_id, label, at, len(d.legs), len(d.legs), 0,
        )
        for key, (d, digest) in chunk
    ]  # fmt: skip
    try:
        return bulk.insert_entries(connection, rows)
    except IntegrityError as error:
        # Two people reversed the same entry at once; the unique key let one through.
        if "reverses" in str(error.orig):
            raise Conflict("This journal entry has just been reversed by somebody else.") from error
        raise


def _check_repeats(session: Session, organisation_id: int, digests: dict[str, str]) -> None:
    """Keys that were there already must have come with the same content. Raises Conflict."""
    keys = list(digests)
    for start in range(0, len(keys), CHUNK):
        rows = session.execute(
            select(JournalEntry.idempotency_key, JournalEntry.content_digest).where(
                JournalEntry.organisation_id == organisation_id,
                JournalEntry.idempotency_key.in_(keys[start : start + CHUNK]),
            )
        )
        for key, digest in rows:
            if digests[key] != digest:
                raise _key_conflict(key)


def _insert_legs(
    session: Session,
    drafts: Sequence[EntryDraft],
    ids: dict[str, int],
    accounts: dict[tuple[str, str], _Known],
) -> None:
    """Move the balances and write every leg with the balance after it."""
    legs: list[bulk.Leg] = []
    for draft in drafts:
        entry_id, currency = ids[draft.idempotency_key], draft.currency
        for leg in draft.legs:
            account = accounts[leg.account.code, currency]
            legs.append((entry_id, account.id, currency, leg.amount, leg.amount * account.normal_side))
    refused = bulk.write_legs(session.connection(), legs)
    if refused is not None:
        raise _below_minimum(session, refused)
    for account_id in {leg[1] for leg in legs}:
        loaded = session.identity_map.get(identity_key(Account, account_id))
        if loaded is not None:
            session.expire(loaded)


def _below_minimum(session: Session, refused: bulk.Refused) -> BelowMinimum:
    account = session.execute(
        select(Account.code, Account.name, Account.currency, Account.balance_minor, Account.minimum_balance_minor)
        .where(Account.id == refused.account_id)
    ).one()  # fmt: skip
    balance = Money(account.balance_minor, account.currency)
    amount = Money(-refused.change, account.currency)
    minimum = Money(account.minimum_balance_minor, account.currency)
    return BelowMinimum(
        f"The account “{account.name}” ({account.code}) holds {balance.plain} {account.currency}; taking "
        f"{amount.plain} {account.currency} would leave less than its minimum of {minimum.plain}. "
        "Nothing was posted."
    )
