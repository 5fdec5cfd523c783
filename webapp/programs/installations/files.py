"""Photos and certificates of an installation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, PaydeskError
from webapp.kernel.ids import new_uid
from webapp.programs.installations import queries
from webapp.programs.installations.models import InstallationFile
from webapp.programs.installations.service import record
from webapp.providers import storage
from webapp.web.uploads import Upload

MAXIMUM_FILES = 50
log = structlog.get_logger()


@dataclass
class Kept:
    """Bytes that are stored already, under a random key; unused ones are removed again."""

    key: str
    upload: Upload
    is_used: bool = False


@contextmanager
def kept(*, organisation_id: int, upload: Upload) -> Iterator[Kept]:
    """Store an upload before the transaction that records it, and remove it when nothing came of that.

    Raises Unavailable when the storage refuses.
    """
    made = Kept(f"installations/{organisation_id}/{new_uid()}", upload)
    storage.save(made.key, upload.data)
    try:
        yield made
    except BaseException:
        made.is_used = False
        raise
    finally:
        if not made.is_used:
            _remove(made.key)


def _remove(key: str) -> None:
    try:
        storage.delete(key)
    except PaydeskError as error:
        # It only takes room: no record names it.
        log.warning("installations.file_left", key=key, error=error.message)


def add_file(
    *, organisation_id: int, reference: str, kept: Kept, actor: Actor, now: datetime
) -> InstallationFile:
    """Record a checked upload that is stored; the same file again is the one that is there.

    Raises NotFound, Conflict (too many).
    """
    installation = queries.get_installation(organisation_id, reference)
    upload = kept.upload
    for known in installation.files:
        if known.sha256 == upload.sha256:
            return known
    if len(installation.files) >= MAXIMUM_FILES:
        raise Conflict(f"{reference} has {MAXIMUM_FILES} files already.")
    kept.is_used = True
    row = InstallationFile(
        installation_id=installation.id,
        name=upload.name,
        content_type=upload.content_type,
        size_bytes=len(upload.data),
        sha256=upload.sha256,
        storage_key=kept.key,
        uploaded_by_id=actor.user_id,
        uploaded_at=now,
    )
    db.session.add(row)
    db.session.flush()
    db.session.expire(installation, ["files"])
    record(
        "file_added", installation, actor, now, {"file": [None, upload.name], "sha256": [None, upload.sha256]}
    )
    return row
