"""Files that workers make (documents, uploads): a local folder behind three functions."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from flask import current_app

from webapp.kernel.errors import NotFound, Unavailable

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def _path(key: str) -> Path:
    """The file of a key such as "documents/3/PO-2026-000001.pdf". Raises ValueError for anything that climbs."""
    if len(key) > 200 or not _KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")
    folder: Path = current_app.config["SETTINGS"].files_folder
    return folder / key


def save(key: str, content: bytes) -> None:
    """Store bytes whole or not at all; the same key is overwritten. Raises Unavailable when the disk refuses."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unavailable("The file could not be stored; the disk may be full.") from error


def read(key: str) -> bytes:
    """The bytes of a key. Raises NotFound."""
    try:
        return _path(key).read_bytes()
    except FileNotFoundError as error:
        raise NotFound("The file is not there any more.") from error


def exists(key: str) -> bool:
    """Whether a key has bytes."""
    return _path(key).is_file()
