"""Photos and certificates of an installation."""

from __future__ import annotations

from datetime import datetime

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import new_uid
from webapp.programs.installations import queries
from webapp.programs.installations.models import InstallationFile
from webapp.programs.installations.service import record
from webapp.providers import storage
from webapp.web.uploads import Upload

MAXIMUM_FILES = 50


def add_file(
    *, organisation_id: int, reference: str, upload: Upload, actor: Actor, now: datetime
) -> InstallationFile:
    """Keep a checked upload under a random key; the same file again is the one that is there.

    Raises NotFound, Conflict (too many), Unavailable (the disk refuses).
    """
    installation = queries.get_installation(organisation_id, reference)
    for known in installation.files:
        if known.sha256 == upload.sha256:
            return known
    if len(installation.files) >= MAXIMUM_FILES:
        raise Conflict(f"{reference} has {MAXIMUM_FILES} files already.")
    key = f"installations/{organisation_id}/{new_uid()}"
    storage.save(key, upload.data)
    row = InstallationFile(
        installation_id=installation.id,
        name=upload.name,
        content_type=upload.content_type,
        size_bytes=len(upload.data),
        sha256=upload.sha256,
        storage_key=key,
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
