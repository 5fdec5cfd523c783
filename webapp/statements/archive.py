"""Many statements as one ZIP: PDFs, the CSVs of monthly ones, and an index with every hash. Streamed, file by file.

A file that cannot be read, or is not what was stored, is left out and named in the index.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import structlog

from webapp.kernel.errors import PaydeskError
from webapp.kernel.money import Money
from webapp.providers import storage
from webapp.statements import facts, tables
from webapp.statements.build import DoesNotAddUp
from webapp.web.exports import csv_rows

log = structlog.get_logger()
INDEX = "index.csv"
INDEX_HEADERS = (
    "number", "kind", "payee", "payee name", "period from", "period to", "currency", "opening", "closing or net",
    "issued at", "replaced by", "file", "sha256", "problem",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A ready document, copied out of the database so that no transaction waits for the storage."""

    number: str
    kind: str
    payee_reference: str
    payee_name: str
    period_start: date
    period_end: date
    opening: Money | None
    amount: Money
    ready_at: datetime
    replaced_by: str
    storage_key: str
    sha256: str
    content: dict[str, Any] | None


class _Pipe(io.RawIOBase):
    """What the archive writes to: bytes wait here until they are sent."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def stream(items: Sequence[Item]) -> Iterator[bytes]:
    """The archive in pieces; at most one file is in memory. The same items give the same bytes."""
    pipe = _Pipe()
    index: list[tuple[Any, ...]] = []
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in items:
            for name, content, problem in _files(item):
                if not problem:
                    _add(archive, name, content, item.ready_at)
                index.append(_index_row(item, name, content, problem))
            yield pipe.take()
        newest = max((item.ready_at for item in items), default=datetime(1980, 1, 1, tzinfo=UTC))
        listed = "".join(csv_rows(INDEX_HEADERS, index)).encode()
        _add(archive, INDEX, tables.MARK + listed, newest)
    yield pipe.take()


def _files(item: Item) -> Iterator[tuple[str, bytes, str]]:
    """(name, content, problem) of each file of a document."""
    content, problem = _stored(item)
    yield f"{item.number}.pdf", content, problem
    if item.content is not None:
        try:
            frozen = facts.from_json(item.content)
            yield f"{item.number}.csv", tables.csv_file(frozen), ""
        except DoesNotAddUp as error:
            yield f"{item.number}.csv", b"", error.message


def _stored(item: Item) -> tuple[bytes, str]:
    try:
        content = storage.read(item.storage_key)
    except (OSError, PaydeskError) as error:
        log.error("archive.unreadable", number=item.number, error=type(error).__name__)
        return b"", "The stored file cannot be read right now."
    if sha256(content).hexdigest() != item.sha256:
        log.error("archive.changed", number=item.number)
        return b"", "The stored file is not the one that was made."
    return content, ""


def _add(archive: zipfile.ZipFile, name: str, content: bytes, at: datetime) -> None:
    info = zipfile.ZipInfo(name, at.astimezone(UTC).timetuple()[:6])
    info.external_attr = 0o644 << 16
    # A PDF is compressed inside; once more would only take time.
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".pdf") else zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _index_row(item: Item, name: str, content: bytes, problem: str) -> tuple[Any, ...]:
    return (
        item.number, item.kind, item.payee_reference, item.payee_name, item.period_start, item.period_end,
        item.amount.currency, item.opening, item.amount, item.ready_at, item.replaced_by, name,
        "" if problem else sha256(content).hexdigest(), problem,
    )  # fmt: skip
