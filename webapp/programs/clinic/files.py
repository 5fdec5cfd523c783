"""Proofs of payments made by hand: stored before the transaction that names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from webapp.kernel.errors import PaydeskError
from webapp.kernel.ids import new_uid
from webapp.providers import storage
from webapp.web.uploads import Upload

log = structlog.get_logger()


@dataclass
class Kept:
    """Bytes that are stored already, under a random key; `is_used` says that a record names them."""

    key: str
    name: str
    is_used: bool = False


@contextmanager
def kept(*, organisation_id: int, upload: Upload) -> Iterator[Kept]:
    """Store an upload, and remove it again when nothing came of what it was for. Raises Unavailable."""
    made = Kept(f"clinic/{organisation_id}/{new_uid()}", upload.name)
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
        log.warning("clinic.file_left", key=key, error=error.message)
