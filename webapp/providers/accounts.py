"""What an adapter needs of an organisation's account at a provider: where to call, and with which keys.

Reads on its own and ends its reading at once, because adapters run outside any transaction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, or_, select, true, update

from webapp import secrets
from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.kernel.ids import new_uid
from webapp.providers.models import ProviderAccount, ProviderToken

CREDENTIALS_OF = "provider_accounts.credentials"
_TOKEN_OF = "provider_tokens.token"  # noqa: S105 - the name of a column
# Longer than any fetching takes: whoever is slower than this is dead.
RENEWAL = timedelta(seconds=90)
# So often a worker looks whether another one has fetched the token by now.
_LOOK_SECONDS = 0.05
# How long the calls of a batch believe what they read of an account.
BELIEVED_SECONDS = 1.0


@dataclass(frozen=True)
class Access:
    """An account that can be used: switched on, with its keys in the clear."""

    account_id: int
    organisation_id: int
    environment: str
    credentials: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """A value of the credentials; empty when it is not set."""
        return self.credentials.get(name, "")


@dataclass(frozen=True)
class Token:
    """A fresh token and the instant at which the provider stops taking it."""

    value: str = field(repr=False)
    expires_at: datetime


class Busy(Exception):
    """Another worker fetches the token, and has not come back with it yet."""


@dataclass
class _Memory:
    """What calls of one batch need not read again; lives as long as its block, in no store."""

    accounts: dict[tuple[int, str], tuple[float, Access | None]] = field(default_factory=dict, repr=False)
    # For adapters: what they have read beforehand.
    notes: dict[Hashable, Any] = field(default_factory=dict)


_memory: ContextVar[_Memory | None] = ContextVar("provider_memory", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Within the block an account that was read is believed for a second, so that many calls read it once."""
    token = _memory.set(_Memory())
    try:
        yield
    finally:
        _memory.reset(token)


def notes() -> dict[Hashable, Any]:
    """Where an adapter keeps what it read beforehand; outside a batch kept for nobody."""
    memory = _memory.get()
    return {} if memory is None else memory.notes


def find_access(organisation_id: int, provider: str) -> Access | None:
    """The organisation's account, or None when there is none or it is switched off."""
    _refuse_open_transaction()
    memory = _memory.get()
    if memory is None:
        return _read_access(organisation_id, provider)
    at, access = memory.accounts.get((organisation_id, provider), (-math.inf, None))
    if time.monotonic() - at > BELIEVED_SECONDS:
        access = _read_access(organisation_id, provider)
        memory.accounts[organisation_id, provider] = (time.monotonic(), access)
    return access


def _read_access(organisation_id: int, provider: str) -> Access | None:
    row = db.session.execute(
        select(
            ProviderAccount.id,
            ProviderAccount.uid,
            ProviderAccount.environment,
            ProviderAccount.credentials_encrypted,
        ).where(
            ProviderAccount.organisation_id == organisation_id,
            ProviderAccount.provider == provider,
            ProviderAccount.is_enabled.is_(True),
        )
    ).one_or_none()
    db.session.rollback()
    if row is None:
        return None
    opened = secrets.key_ring().decrypt(row.credentials_encrypted, secrets.binding(CREDENTIALS_OF, row.uid))
    return Access(row.id, organisation_id, row.environment, opened.reveal())


def _refuse_open_transaction() -> None:
    if db.session().info.get("is_writing"):
        raise RuntimeError("a transaction is open; a provider is called outside of one")
    db.session.rollback()


def shared_token(
    account: Access,
    purpose: str,
    fetch: Callable[[], Token | None],
    *,
    now: datetime,
    margin: timedelta,
    patience: timedelta = timedelta(0),
) -> str | None:
    """The account's token for a purpose, renewed by one worker while the others go on with the old one.

    `fetch` asks the provider, outside any transaction; None: it refused, and so do we. `margin` before its end a
    token is renewed. Where there is no usable token the others fetch one themselves: a token more costs less than work
    that waits. With `patience`, where a provider gives few, nobody does: they wait so long for the one that fetches,
    then raise Busy.
    """
    uid, sealed, expires_at = _row(account.account_id, purpose)
    is_good = sealed is not None and expires_at is not None and expires_at > now
    if is_good and expires_at is not None and expires_at - now > margin:
        return _open(sealed, uid)
    claimed = _claim_renewal(account.account_id, purpose, now)
    if claimed is None and is_good:
        return _open(sealed, uid)
    if patience:
        if claimed is None:
            found = _wait_for(account.account_id, purpose, now, patience)
            if isinstance(found, str):
                return found
            claimed = found
        if (there := _fetched_meanwhile(account.account_id, purpose, now, margin, claimed)) is not None:
            return there
    try:
        fresh = fetch()
    except Exception:
        _end_renewal(account.account_id, purpose, claimed)
        raise
    if fresh is None:
        return None
    _keep(account.account_id, purpose, uid, fresh, now, claimed)
    return fresh.value


def _keep(
    account_id: int, purpose: str, uid: str, fresh: Token, now: datetime, claimed: datetime | None
) -> None:
    """Store a token for everybody; a claim that another worker has taken over meanwhile stays theirs."""
    with transaction() as session:
        session.execute(
            update(ProviderToken)
            .where(ProviderToken.account_id == account_id, ProviderToken.purpose == purpose)
            .values(
                token_encrypted=secrets.key_ring().encrypt(
                    {"token": fresh.value}, secrets.binding(_TOKEN_OF, uid)
                ),
                expires_at=fresh.expires_at,
                fetched_at=now,
                renewing_until=case(
                    (ProviderToken.renewing_until == claimed, None), else_=ProviderToken.renewing_until
                ),
            )
        )


def _wait_for(account_id: int, purpose: str, now: datetime, patience: timedelta) -> str | datetime:
    """The token that another worker is fetching; the claim when that one comes to nothing. Raises Busy."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < patience.total_seconds():
        time.sleep(_LOOK_SECONDS)
        at = now + timedelta(seconds=waited)
        uid, sealed, expires_at = _row(account_id, purpose)
        if expires_at is not None and expires_at > at and (token := _open(sealed, uid)) is not None:
            return token
        if (claimed := _claim_renewal(account_id, purpose, at)) is not None:
            return claimed
    raise Busy


def _fetched_meanwhile(
    account_id: int, purpose: str, now: datetime, margin: timedelta, claimed: datetime
) -> str | None:
    """The token that another worker stored between our look and our claim, which then ends; None: ours to fetch."""
    uid, sealed, expires_at = _row(account_id, purpose)
    if sealed is None or expires_at is None or expires_at - now <= margin:
        return None
    _end_renewal(account_id, purpose, claimed)
    return _open(sealed, uid)


def _end_renewal(account_id: int, purpose: str, claimed: datetime | None) -> None:
    """Our claim is over; one of another worker is not ours to end."""
    with transaction() as session:
        session.execute(
            update(ProviderToken)
            .where(
                ProviderToken.account_id == account_id,
                ProviderToken.purpose == purpose,
                ProviderToken.renewing_until == claimed,
            )
            .values(renewing_until=None)
        )


def forget_token(
    account_id: int, purpose: str, *, seen: str | None = None, fetched_before: datetime | None = None
) -> bool:
    """Drop a token that the provider no longer takes, so that the next call fetches another.

    With `seen`, the token that was refused: one that another worker has fetched since stays. With `fetched_before`, one
    that was fetched since then stays, too; False: it did, so that the next call would take the same.
    """
    uid, sealed, _ = _row(account_id, purpose)
    if sealed is None or (seen is not None and _open(sealed, uid) != seen):
        return True
    is_old: ColumnElement[bool] = true()
    if fetched_before is not None:
        is_old = or_(ProviderToken.fetched_at.is_(None), ProviderToken.fetched_at < fetched_before)
    with transaction() as session:
        dropped: Any = session.execute(
            update(ProviderToken)
            .where(
                ProviderToken.account_id == account_id,
                ProviderToken.purpose == purpose,
                ProviderToken.token_encrypted == sealed,
                is_old,
            )
            .values(token_encrypted=None, expires_at=None)
        )
    # Where it is another one by now, somebody else was faster.
    return bool(dropped.rowcount) or _row(account_id, purpose)[1] != sealed


def _row(account_id: int, purpose: str) -> tuple[str, str | None, datetime | None]:
    _refuse_open_transaction()
    query = select(ProviderToken.uid, ProviderToken.token_encrypted, ProviderToken.expires_at).where(
        ProviderToken.account_id == account_id, ProviderToken.purpose == purpose
    )
    row = db.session.execute(query).one_or_none()
    db.session.rollback()
    if row is None:
        with transaction() as session:
            values = {"uid": new_uid(), "account_id": account_id, "purpose": purpose}
            insert_ignoring_conflict(session, ProviderToken, values)
        row = db.session.execute(query).one()
        db.session.rollback()
    return row.uid, row.token_encrypted, row.expires_at


def _claim_renewal(account_id: int, purpose: str, now: datetime) -> datetime | None:
    """Until when it is ours to fetch the token; None: it is another worker's."""
    until = now + RENEWAL
    with transaction() as session:
        taken = session.execute(
            update(ProviderToken)
            .where(
                ProviderToken.account_id == account_id,
                ProviderToken.purpose == purpose,
                or_(ProviderToken.renewing_until.is_(None), ProviderToken.renewing_until < now),
            )
            .values(renewing_until=until)
        )
    return until if taken.rowcount == 1 else None  # type: ignore[attr-defined]


def _open(sealed: str | None, uid: str) -> str | None:
    if sealed is None:
        return None
    opened = secrets.key_ring().decrypt(sealed, secrets.binding(_TOKEN_OF, uid))
    return opened.reveal()["token"]
