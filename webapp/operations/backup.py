"""A back-up: the database at one instant, the files, and a manifest that a restore is checked against."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from flask import current_app
from sqlalchemy import select

from webapp.audit import service as audit
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Unavailable
from webapp.operations import keys, manifest, postgres_dump, sqlite_copy
from webapp.operations.manifest import Facts, Manifest
from webapp.programs.installations.models import InstallationFile
from webapp.statements.models import Document

Say = Callable[[str], object]


def sqlite_path() -> Path | None:
    """The file of the database; None on PostgreSQL."""
    engine = db.engine
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def make(
    folder: Path, *, actor: Actor, now: datetime, say: Say, pg_bin: Path | None = None
) -> tuple[Manifest, str]:
    """Write a back-up into a new folder. Returns the manifest and its SHA-256.

    Raises Conflict for a folder that holds something or a damaged database, Unavailable when a tool is missing.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} holds something already. Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    db.session.rollback()
    path = sqlite_path()
    name = sqlite_copy.FILE if path else postgres_dump.FILE
    facts = _dump(folder / name, path, pg_bin)
    say(
        f"Database: {sum(facts.rows.values()):,} rows of {len(facts.rows)} tables, migration {facts.migration}"
    )
    # Files come after the database: whatever its rows name is there by then.
    sums = {} if settings.storage_place else _copy_files(settings.files_folder, folder / manifest.FILES)
    listed = manifest.sums_text({f"{manifest.FILES}/{key}": digest for key, digest in sums.items()})
    manifest.write_file(folder / manifest.SUMS, listed.encode())
    notes = _notes(settings, sums)
    say(f"Files: {len(sums):,}" if not settings.storage_place else f"Files: not copied. {notes[0]}")
    made = _describe(folder, name, facts, listed, settings, tuple(notes), now)
    digest = made.write(folder)
    with transaction():
        audit.record(
            tag="operations:backup:made", actor=actor, now=now, organisation_id=None, subject_type="backup",
            subject_label=folder.name, note=f"Manifest {digest}",
        )  # fmt: skip
    return made, digest


def _dump(target: Path, path: Path | None, pg_bin: Path | None) -> Facts:
    try:
        return sqlite_copy.dump(path, target) if path else postgres_dump.dump(db.engine, target, pg_bin)
    except OSError as error:
        raise Unavailable(f"The back-up could not be written: {error.strerror}.") from error


def _describe(
    folder: Path,
    name: str,
    facts: Facts,
    listed: str,
    settings: Settings,
    notes: tuple[str, ...],
    now: datetime,
) -> Manifest:
    return Manifest(
        made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        paydesk=version("paydesk"),
        engine=db.engine.dialect.name,
        database_file=name,
        database_sha256=manifest.hash_of(folder / name),
        files_sha256=sha256(listed.encode()).hexdigest(),
        storage="s3" if settings.storage_place else "folder",
        migration=facts.migration,
        rows=facts.rows,
        audit_heads=facts.audit_heads,
        field_keys=tuple(sorted({count.key_id for count in keys.status()})),
        notes=notes,
    )


def _copy_files(source: Path, target: Path) -> dict[str, str]:
    """Copy every stored file; the hash is that of the copy."""
    sums = {}
    for place, _, names in os.walk(source):
        # Files that are being written have a hidden name.
        for name in sorted(n for n in names if not n.startswith(".")):
            found = Path(place) / name
            key = found.relative_to(source).as_posix()
            copy = target / key
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(found, copy)
            copy.chmod(0o600)
            sums[key] = manifest.hash_of(copy)
    return sums


def _notes(settings: Settings, sums: dict[str, str]) -> list[str]:
    """What whoever keeps the back-up must know: where files are, and which are not as they were made."""
    if settings.storage_place:
        return [
            "They lie in the bucket of STORAGE_URL. Switch its versioning on and copy it by the storage's own means."
        ]
    notes = []
    for model, query in (
        ("document", select(Document.storage_key, Document.sha256).where(Document.state == "ready")),
        ("installation file", select(InstallationFile.storage_key, InstallationFile.sha256)),
    ):
        for key, digest in db.session.execute(query):
            if sums.get(key) != digest:
                word = "is not there" if key not in sums else "is not the one that was stored"
                notes.append(f"The file {key} of a {model} {word}.")
    db.session.rollback()
    return notes
