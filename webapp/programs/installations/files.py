"""Photos and certificates of an installation."""

from __future__ import annotations

from datetime import datetime

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.programs.installations import queries
from webapp.programs.installations.models import InstallationFile
from webapp.programs.installations.service import record
from webapp.providers.keeping import Kept

MAXIMUM_FILES = 50


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
