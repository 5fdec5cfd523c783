"""Uploads that are stored before the transaction which names them, and taken away again when nothing came of it."""

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
    upload: Upload
    is_used: bool = False

    @property
    def name(self) -> str:
        """What its sender called it."""
        return self.upload.name


@contextmanager
def kept(folder: str, *, organisation_id: int, upload: Upload) -> Iterator[Kept]:
    """Store an upload, and remove it again when nothing came of what it was for. Raises Unavailable."""
    made = Kept(f"{folder}/{organisation_id}/{new_uid()}", upload)
    storage.save(made.key, upload.data)
    try:
        yield made
    except BaseException:
        made.is_used = False
        raise
    finally:
        if not made.is_used:
            remove(made.key)


def remove(key: str) -> None:
    """Take bytes away that no record names any more; when the storage refuses they only take room."""
    try:
        storage.delete(key)
    except PaydeskError as error:
        log.warning("keeping.file_left", key=key, error=error.message)
