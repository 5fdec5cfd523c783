"""What a back-up says about itself: hashes, counts, the heads of the audit chains. Pure but for reading files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from webapp.kernel.errors import Conflict

NAME = "manifest.json"
SUMS = "SHA256SUMS"
FILES = "files"
FORMAT = 1
ABOUT_KEYS = (
    "The keys are not in this back-up. Without PAYDESK_FIELD_KEYS and PAYDESK_INDEX_KEY bank details and second "
    "factors in it cannot be read: keep them apart from it, and keep them."
)


@dataclass(frozen=True)
class Facts:
    """What a database holds, at one instant: its migration, rows by table, the head of each audit chain."""

    migration: str
    rows: Mapping[str, int]
    audit_heads: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """A back-up's description. `field_keys` are ids, never keys."""

    made_at: str
    paydesk: str
    engine: str
    database_file: str
    database_sha256: str
    files_sha256: str
    storage: str
    migration: str
    rows: Mapping[str, int]
    audit_heads: Mapping[str, str]
    field_keys: tuple[str, ...]
    keys: str = ABOUT_KEYS
    format: int = FORMAT
    notes: tuple[str, ...] = field(default_factory=tuple)

    def write(self, folder: Path) -> str:
        """Write it; returns its own SHA-256, to be kept somewhere else."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_file(folder / NAME, text.encode())
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def facts(self) -> Facts:
        """What the database held."""
        return Facts(self.migration, self.rows, self.audit_heads)


def read(folder: Path) -> Manifest:
    """The manifest of a back-up. Raises Conflict when there is none, or it is of another format."""
    try:
        values = json.loads((folder / NAME).read_text())
        if values.get("format") != FORMAT:
            raise Conflict(f"{folder} is a back-up of another format: {values.get('format')!r}.")
        for name in ("field_keys", "notes"):
            values[name] = tuple(values[name])
        return Manifest(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Conflict(f"{folder / NAME} cannot be read: this is no back-up, or not a whole one.") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def hash_of(path: Path) -> str:
    """SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums_text(sums: Mapping[str, str]) -> str:
    """Hashes in the form that `sha256sum --check` reads."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def read_sums(folder: Path) -> dict[str, str]:
    """The hashes of the files, by key. Raises Conflict when the list cannot be read."""
    sums = {}
    try:
        for line in (folder / SUMS).read_text().splitlines():
            digest, _, name = line.partition("  ")
            if len(digest) != 64 or not name.startswith(f"{FILES}/"):
                raise ValueError(line)
            sums[name.removeprefix(f"{FILES}/")] = digest
    except (OSError, ValueError) as error:
        raise Conflict(f"{folder / SUMS} cannot be read: the back-up is not whole.") from error
    return sums
