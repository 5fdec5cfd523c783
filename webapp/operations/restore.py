"""Puts a back-up into an empty installation, proves it, and leaves every payment halted.

A restored database is older than the world: the bank may have made transfers that it does not know of. So nothing is
sent until people have lifted the halt. The bank is asked about every transfer that the database knows, and what could
be sent anew is held until somebody has looked whether it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from webapp import secrets
from webapp.audit import service as audit
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, PaydeskError
from webapp.ledger import check
from webapp.notices import service as notices
from webapp.operations import backup, manifest, postgres_dump, readiness, sqlite_copy
from webapp.operations.facts import OPEN_TRANSFERS
from webapp.operations.manifest import Facts, Manifest
from webapp.outbox import service as outbox
from webapp.payouts import policies, recovery
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.models import Transfer
from webapp.people import sessions
from webapp.people.access.models import ApiToken
from webapp.people.models import Organisation, UserSession
from webapp.providers import storage
from webapp.webhooks.messages import KIND as WEBHOOK

Say = Callable[[str], object]


@dataclass(frozen=True)
class Restored:
    """What came back: rows and files, what is to be looked at, and what the checks found."""

    rows: int
    files: int
    halted: int
    open_transfers: int
    live_tokens: int
    findings: tuple[str, ...]


def target_name() -> str:
    """What `--into` must say: the path of the SQLite file, or the name of the PostgreSQL database."""
    path = backup.sqlite_path()
    return str(path) if path else str(db.engine.url.database)


def run(
    folder: Path, *, into: str, actor: Actor, now: datetime, say: Say, pg_bin: Path | None = None
) -> Restored:
    """Check the back-up, fill the empty installation that the settings name, halt payments, prove the result.

    Raises Conflict, with nothing changed, for a back-up that is not whole, a key that is missing, an installation that
    is not empty or not the one named.
    """
    described, sums = _look_at(folder, into)
    say(
        f"The back-up of {described.made_at} is whole: {sum(described.rows.values()):,} rows, {len(sums):,} files."
    )
    for key in sorted(sums):
        storage.save(key, (folder / manifest.FILES / key).read_bytes())
    facts = _load(folder, described, pg_bin)
    try:
        _compare(described.facts, facts)
        _upgrade(described, say)
        halted = _make_safe(described, actor, now)
    except BaseException:
        say(
            "The database was filled, but payments could not be halted or it is not what the back-up says. "
            "Start nothing on it: drop it and begin anew."
        )
        raise
    say(f"Every payment is halted ({halted} organisation{'' if halted == 1 else 's'}).")
    report = check.run()
    findings = tuple(f"{f.rule}: {f.subject}. {f.message}" for f in report.findings)
    return Restored(
        sum(facts.rows.values()),
        len(sums),
        halted,
        _count(select(func.count()).select_from(Transfer).where(Transfer.state.in_(OPEN_TRANSFERS))),
        _count(
            select(func.count())
            .select_from(ApiToken)
            .where(ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
        ),
        findings,
    )


def _count(query: object) -> int:
    return db.session.scalar(query) or 0  # type: ignore[call-overload]


def _look_at(folder: Path, into: str) -> tuple[Manifest, dict[str, str]]:
    """Everything that can be refused is refused here, before anything is written."""
    described = manifest.read(folder)
    if into != target_name():
        raise Conflict(f"--into says {into!r}; the settings name {target_name()!r}. Nothing was changed.")
    engine: Engine = db.engine
    if described.engine != engine.dialect.name:
        raise Conflict(f"The back-up is of {described.engine}, the settings name {engine.dialect.name}.")
    sums = _verify(folder, described)
    known = [key for key, _ in secrets.key_ring().keys]
    if missing := sorted(set(described.field_keys) - {*known, "unreadable"}):
        raise Conflict(
            f"PAYDESK_FIELD_KEYS lacks the key {', '.join(missing)}; bank details could not be read."
        )
    known_ones = readiness.migrations_in(str(current_app.config["MIGRATIONS_FOLDER"])).walk_revisions()
    if described.migration not in {migration.revision for migration in known_ones}:
        raise Conflict(
            f"The back-up was made by a newer Paydesk (migration {described.migration}). Install that one first."
        )
    path = backup.sqlite_path()
    if not (sqlite_copy.is_empty(path) if path else postgres_dump.is_empty(engine)):
        raise Conflict(f"{target_name()} holds tables already. Restore into an empty database.")
    for key in sums:
        if storage.exists(key) and sha256(storage.read(key)).hexdigest() != sums[key]:
            raise Conflict(f"The storage holds another file under {key}. Restore into an empty storage.")
    return described, sums


def _verify(folder: Path, described: Manifest) -> dict[str, str]:
    """Every hash of the back-up. Raises Conflict that names the first file which differs."""
    name = Path(described.database_file).name
    for file, expected in ((name, described.database_sha256), (manifest.SUMS, described.files_sha256)):
        if not (folder / file).is_file() or manifest.hash_of(folder / file) != expected:
            raise Conflict(f"{file} is not the one that was backed up. Nothing was changed.")
    sums = manifest.read_sums(folder)
    for key, digest in sums.items():
        try:
            storage.check_key(key)
        except ValueError as error:
            raise Conflict(f"{key!r} is no file of ours. Nothing was changed.") from error
        path = folder / manifest.FILES / key
        if not path.is_file() or manifest.hash_of(path) != digest:
            raise Conflict(f"The file {key} is not the one that was backed up. Nothing was changed.")
    return sums


def _load(folder: Path, described: Manifest, pg_bin: Path | None) -> Facts:
    db.session.remove()
    source, path = folder / Path(described.database_file).name, backup.sqlite_path()
    if path is None:
        return postgres_dump.load(db.engine, source, pg_bin)
    db.engine.dispose()
    return sqlite_copy.load(source, path)


def _compare(expected: Facts, found: Facts) -> None:
    for table in sorted({*expected.rows, *found.rows}):
        if expected.rows.get(table) != found.rows.get(table):
            raise Conflict(
                f"The table {table} has {found.rows.get(table)} rows; the back-up says {expected.rows.get(table)}."
            )
    if dict(expected.audit_heads) != dict(found.audit_heads):
        raise Conflict("The heads of the audit chains are not those of the back-up.")


def _upgrade(described: Manifest, say: Say) -> None:
    """Bring an older database to the tables of this code."""
    from flask_migrate import upgrade

    folder = str(current_app.config["MIGRATIONS_FOLDER"])
    if described.migration == readiness.newest_migration(folder):
        return
    upgrade(directory=folder)
    say(
        f"The tables were brought from migration {described.migration} to {readiness.newest_migration(folder)}."
    )


def _make_safe(described: Manifest, actor: Actor, now: datetime) -> int:
    """Halt every payment, leave old mails and webhooks to people, end every session; how many organisations."""
    reason = f"Restored from a back-up of {described.made_at}; ask the bank about every open transfer first."
    settings: Settings = current_app.config["SETTINGS"]
    with transaction():
        # First, so that what is told of the restore itself leaves at once.
        again = (
            f"Restored from a back-up of {described.made_at}: it may have been sent since. An admin decides."
        )
        notices.leave_to_people(reason=again, now=now)
        outbox.leave_to_people(kind=WEBHOOK, reason=again, now=now)
        organisations = list(db.session.scalars(select(Organisation.id).order_by(Organisation.id)))
        for organisation_id in organisations:
            policies.halt(
                organisation_id=organisation_id, rail=policies.EVERY_RAIL, reason=reason, actor=actor, now=now,
                kind=AlertKind.RESTORED, takes_two=True,
            )  # fmt: skip
        recovery.ask_after_restore(now)
        recovery.hold_after_restore(
            now,
            f"Restored from a back-up of {described.made_at}: it may have been paid since. "
            "Look for its reference at the bank, then release it.",
        )
        signed_in = select(UserSession.user_id).where(UserSession.ended_at.is_(None)).distinct()
        for user_id in list(db.session.scalars(signed_in)):
            # A session that was ended since would live again.
            sessions.end_all(user_id=user_id, reason="restored", now=now)
        audit.record(
            tag="operations:backup:restored", actor=actor, now=now, organisation_id=None, subject_type="backup",
            subject_label=described.made_at, note=f"Made by Paydesk {described.paydesk}, {settings.environment}.",
        )  # fmt: skip
    if any(not policies.halts(organisation_id) for organisation_id in organisations):
        raise PaydeskError("Payments could not be halted.")
    db.session.rollback()
    return len(organisations)
