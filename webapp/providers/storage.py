"""Files that workers make (documents, uploads), behind a few functions: a folder, or an S3-compatible bucket.

A key is "documents/3-ab12.pdf": parts of letters, digits, dots, dashes and underlines. Nobody talks to the storage
with a database transaction open: it may take seconds to answer.
"""

from __future__ import annotations

import re
from typing import Protocol

from flask import current_app

from webapp.config import Settings
from webapp.kernel.errors import Unavailable
from webapp.kernel.ids import new_uid
from webapp.providers.storage_local import LocalFolder
from webapp.providers.storage_s3 import S3Bucket

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class Storage(Protocol):
    """What an adapter does. Keys are checked before they reach it."""

    kind: str

    def save(self, key: str, content: bytes) -> None:
        """Store bytes whole or not at all; the same key is overwritten. Raises Unavailable."""

    def read(self, key: str) -> bytes:
        """The bytes of a key. Raises NotFound, Unavailable."""

    def exists(self, key: str) -> bool:
        """Whether a key has bytes. Raises Unavailable."""

    def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine. Raises Unavailable."""

    def reach(self) -> None:
        """A cheap look whether the storage is there. Raises Unavailable."""


def of_settings(settings: Settings) -> Storage:
    """The storage that the settings name."""
    place = settings.storage_place
    return S3Bucket(place) if place else LocalFolder(settings.files_folder)


def check_key(key: str) -> None:
    """Raises ValueError for a key that would climb out of the storage, or is too long."""
    if len(key) > 200 or not _KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")


def _storage(key: str) -> Storage:
    """The application's storage. Raises ValueError for a key that climbs out of it."""
    check_key(key)
    return of_settings(current_app.config["SETTINGS"])


def save(key: str, content: bytes) -> None:
    """Store bytes whole or not at all; the same key is overwritten. Raises Unavailable when it is refused."""
    _storage(key).save(key, content)


def read(key: str) -> bytes:
    """The bytes of a key. Raises NotFound; Unavailable when the storage does not answer."""
    return _storage(key).read(key)


def exists(key: str) -> bool:
    """Whether a key has bytes. Raises Unavailable."""
    return _storage(key).exists(key)


def delete(key: str) -> None:
    """Remove a key; one that is not there is fine. Raises Unavailable."""
    _storage(key).delete(key)


def reach() -> None:
    """A cheap look whether the storage is there, for health checks. Raises Unavailable."""
    of_settings(current_app.config["SETTINGS"]).reach()


def probe() -> str:
    """Write, read and remove a small file; returns where. Raises Unavailable with the step that failed."""
    key, content = f"probe/{new_uid()}", b"Paydesk was here."
    step = "write"
    try:
        save(key, content)
        step = "read"
        if read(key) != content:
            raise Unavailable("It gives back other bytes than it was given.")
        step = "remove"
        delete(key)
        if exists(key):
            raise Unavailable("What was removed is still there.")
    except Unavailable as error:
        raise Unavailable(f"The storage failed at the step {step!r}. {error.message}") from error
    return str(of_settings(current_app.config["SETTINGS"]))
