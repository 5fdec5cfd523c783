"""The keys of encrypted columns: how many rows each one holds, and moving rows to the first key.

A rotation works in small transactions while everything else runs. A row is replaced only where its envelope is still
the one that was read, so nobody's newer details are lost; a rotation that was stopped goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Table, select, update

from webapp import secrets
from webapp.audit import service as audit
from webapp.bankfiles import setups as bank_file_setups
from webapp.bankfiles import vault
from webapp.bankfiles.models import BankFile, BankFileSetup, BankReturn
from webapp.database import db, transaction
from webapp.inbox.models import WebhookMessage
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.people.access import second_factor
from webapp.people.access.models import TotpSecret
from webapp.people.changes import queries as changes
from webapp.people.changes.models import MethodChange
from webapp.people.models import PayoutMethod
from webapp.providers.models import ProviderAccount, ProviderToken
from webapp.webhooks import endpoints as webhook_endpoints
from webapp.webhooks.models import WebhookEndpoint

BATCH = 200


@dataclass(frozen=True)
class EncryptedColumn:
    """A column of envelopes, and what each envelope is bound to, by the row's uid."""

    table: Table
    column: str
    binding_of: Callable[[str], str]

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column}"

    @property
    def envelope(self) -> ColumnElement[Any]:
        """The column itself."""
        found: ColumnElement[Any] = self.table.c[self.column]
        return found


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


# Every encrypted column of the database; a test finds one that is missing here.
COLUMNS = (
    EncryptedColumn(_table(PayoutMethod), "details_encrypted", secrets.binding_of),
    EncryptedColumn(_table(MethodChange), "details_encrypted", changes.binding_of),
    EncryptedColumn(_table(TotpSecret), "secret_encrypted", second_factor.binding_of),
    EncryptedColumn(
        _table(ProviderAccount),
        "credentials_encrypted",
        partial(secrets.binding, "provider_accounts.credentials"),
    ),
    EncryptedColumn(
        _table(ProviderToken), "token_encrypted", partial(secrets.binding, "provider_tokens.token")
    ),
    EncryptedColumn(
        _table(WebhookMessage), "body_encrypted", partial(secrets.binding, "webhook_messages.body")
    ),
    EncryptedColumn(_table(BankFileSetup), "account_encrypted", bank_file_setups.binding_of),
    EncryptedColumn(_table(BankFile), "data_key_encrypted", vault.file_key_binding),
    EncryptedColumn(_table(BankReturn), "data_key_encrypted", vault.return_key_binding),
    EncryptedColumn(
        _table(WebhookEndpoint),
        "secret_encrypted",
        partial(secrets.binding, webhook_endpoints.SECRET_OF),
    ),
    EncryptedColumn(
        _table(WebhookEndpoint),
        "old_secret_encrypted",
        partial(secrets.binding, webhook_endpoints.OLD_SECRET_OF),
    ),
)


@dataclass(frozen=True)
class KeyCount:
    """How many rows of a column are under a key; what this installation can do with that key."""

    column: str
    key_id: str
    rows: int
    is_first: bool
    is_known: bool


def _key_of(envelope: str) -> str:
    parts = envelope.split(".")
    return parts[1] if len(parts) == 4 and parts[0] == secrets.VERSION else "unreadable"


def status() -> list[KeyCount]:
    """Rows per column and key id; reads every envelope once."""
    keys = [name for name, _ in secrets.key_ring().keys]
    found = []
    for column in COLUMNS:
        query = select(column.envelope).where(column.envelope.is_not(None)).execution_options(yield_per=1000)
        counts = Counter(_key_of(envelope) for envelope in db.session.scalars(query))
        found += [
            KeyCount(column.name, key_id, n, key_id == keys[0], key_id in keys)
            for key_id, n in sorted(counts.items())
        ]
    db.session.rollback()
    return found


@dataclass
class Rotation:
    """What a rotation did: rows moved, rows that somebody changed meanwhile (seen again), rows nobody can read."""

    key_id: str
    moved: dict[str, int] = field(default_factory=dict)
    changed_meanwhile: int = 0
    damaged: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows moved, in all columns."""
        return sum(self.moved.values())


def rotate(
    *, actor: Actor, clock: Callable[[], datetime], say: Callable[[str], object], batch: int = BATCH
) -> Rotation:
    """Move every row to the first key. Commits after each batch; may be stopped and called again.

    Raises Conflict, before anything is changed, when rows need a key that the settings do not name.
    """
    ring = secrets.key_ring()
    missing = [c for c in status() if not c.is_known and c.key_id != "unreadable"]
    if missing:
        names = ", ".join(sorted({c.key_id for c in missing}))
        rows = sum(c.rows for c in missing)
        raise Conflict(
            f"{rows} rows are under the key {names}, which PAYDESK_FIELD_KEYS does not name. Add it back, behind the "
            "first one, and start again. Nothing was changed."
        )
    result = Rotation(ring.keys[0][0])
    for column in COLUMNS:
        _rotate_column(column, ring, result, say, batch)
    if result.rows:
        with transaction():
            audit.record(
                tag="operations:keys:rotated",
                actor=actor,
                now=clock(),
                organisation_id=None,
                subject_type="keys",
                subject_label=f"Field key {result.key_id}",
                changes={name: [None, n] for name, n in result.moved.items()},
                note=f"{result.rows} rows were encrypted anew.",
            )
    return result


def _rotate_column(
    column: EncryptedColumn,
    ring: secrets.KeyRing,
    result: Rotation,
    say: Callable[[str], object],
    batch: int,
) -> None:
    last, moved, is_again = 0, 0, True
    while is_again:
        # Rows that somebody changed under an older key meanwhile are behind us; one more walk finds them.
        before, is_again = result.changed_meanwhile, False
        for rows in _batches(column, ring.keys[0][0], last, batch):
            moved += _move(column, ring, rows, result)
            say(f"{column.name}: {moved:,} rows moved to the key {result.key_id}")
        is_again, last = result.changed_meanwhile > before, 0
    if moved:
        result.moved[column.name] = moved


def _batches(column: EncryptedColumn, key_id: str, last: int, batch: int) -> Iterator[list[Any]]:
    """Rows under other keys in the order of their ids; each batch is read and let go of before it is handed out."""
    table = column.table
    while True:
        query = (
            select(table.c.id, table.c.uid, column.envelope.label("envelope"))
            .where(
                table.c.id > last,
                column.envelope.is_not(None),
                column.envelope.not_like(f"{secrets.VERSION}.{key_id}.%"),
            )
            .order_by(table.c.id)
            .limit(batch)
        )
        rows = list(db.session.execute(query))
        db.session.rollback()
        if not rows:
            return
        last = rows[-1].id
        yield rows


def _move(column: EncryptedColumn, ring: secrets.KeyRing, rows: list[Any], result: Rotation) -> int:
    moved = 0
    with transaction() as session:
        for row in rows:
            binding = column.binding_of(row.uid)
            try:
                fresh = ring.encrypt(ring.decrypt(row.envelope, binding).reveal(), binding)
            except secrets.SecretsError:
                place = f"{column.name} {row.id}"
                if place not in result.damaged:
                    result.damaged.append(place)
                continue
            done: Any = session.execute(
                update(column.table)
                .where(column.table.c.id == row.id, column.envelope == row.envelope)
                .values({column.column: fresh})
            )
            if done.rowcount == 1:
                moved += 1
            else:
                result.changed_meanwhile += 1
    return moved
