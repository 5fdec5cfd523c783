"""Uploaded files: what they are is read from their bytes, never from their name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePath

from werkzeug.datastructures import FileStorage

from webapp.kernel.errors import Invalid

MAXIMUM_BYTES = 10 * 1024 * 1024
JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
_EXTENSIONS = {JPEG: ("jpg", "jpeg"), PNG: ("png",), PDF: ("pdf",)}
_WORDS = {JPEG: "a JPEG picture", PNG: "a PNG picture", PDF: "a PDF"}
_UNSAFE = re.compile(r"[^\w .()\-]+")


@dataclass(frozen=True)
class Upload:
    """A checked file: a name that is safe to show and to download under, its true type, its bytes."""

    name: str
    content_type: str
    data: bytes
    sha256: str


def check(file: FileStorage | None, *, field: str = "file", limit: int = MAXIMUM_BYTES) -> Upload:
    """Read and check a JPEG, PNG or PDF. Raises Invalid for an empty, too large, damaged or other file."""
    if file is None or not file.filename:
        raise Invalid(field, "Choose a file.", "certificate.pdf")
    data = file.stream.read(limit + 1)
    if not data:
        raise Invalid(field, "The file is empty.")
    if len(data) > limit:
        raise Invalid(field, f"The file is larger than {limit // (1024 * 1024)} MB.")
    content_type = kind_of(data)
    if content_type is None:
        raise Invalid(field, "This is not a whole JPEG, PNG or PDF file.", "certificate.pdf")
    name = safe_name(file.filename, content_type)
    claimed = PurePath(file.filename).suffix.lstrip(".").casefold()
    if claimed and claimed not in _EXTENSIONS[content_type]:
        raise Invalid(
            field, f"The name ends in .{claimed}, but the file is {_WORDS[content_type]}. Rename it."
        )
    return Upload(name, content_type, data, hashlib.sha256(data).hexdigest())


def kind_of(data: bytes) -> str | None:
    """The type of a file by its first and last bytes; None when it is none of ours or was cut off."""
    if data.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in data[-64:]:
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and b"IEND" in data[-64:]:
        return PNG
    if data.startswith(b"%PDF-") and b"%%EOF" in data[-2048:]:
        return PDF
    return None


def safe_name(filename: str, content_type: str) -> str:
    """The last part of a file name without anything a header or a folder could trip over."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    stem = _UNSAFE.sub("_", PurePath(last).stem).strip(" ._")[:120] or "file"
    return f"{stem}.{_EXTENSIONS[content_type][0]}"
