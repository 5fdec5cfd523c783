"""A file of unknown origin: what it is, by its bytes, or a sentence that says why it is none of ours. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.imports import reading as lists
from webapp.imports.tables import Table
from webapp.kernel.errors import Invalid
from webapp.reconciliation import camt, columns, swift
from webapp.reconciliation.lines import Parsed
from webapp.reconciliation.states import FileFormat

#: A page takes what the server's limit lets in; the command takes larger statements.
MAXIMUM_BYTES = 10 * 1024 * 1024
MAXIMUM_COMMAND_BYTES = 200 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Read:
    """A statement that says all by itself, or a list whose columns must be mapped first."""

    parsed: Parsed | None = None
    table: Table | None = None
    is_cashfree: bool = False


def read(data: bytes, *, wanted: str = "", limit: int = MAXIMUM_BYTES) -> Read:
    """Find out what a file is, and read it. Raises Invalid("file", …) with the reason; nothing was stored.

    `wanted` is a FileFormat that the person named: another one is refused.
    """
    if not data.strip():
        raise Invalid("file", "The file is empty.")
    if len(data) > limit:
        raise Invalid("file", f"The file is larger than {limit // (1024 * 1024)} MB. Split it.")
    found = _read(data)
    actual = _format_of(found)
    is_list = actual in (FileFormat.CSV, FileFormat.CASHFREE)
    wants_list = wanted in (FileFormat.CSV, FileFormat.CASHFREE, FileFormat.PROVIDER_CSV)
    if wanted and wanted != actual and not (is_list and wants_list):
        raise Invalid("file", f"The file is not {FileFormat(wanted).label}: it is {actual.label}.")
    return found


def _format_of(found: Read) -> FileFormat:
    if found.parsed is not None:
        return found.parsed.format
    return FileFormat.CASHFREE if found.is_cashfree else FileFormat.CSV


def _read(data: bytes) -> Read:
    start = data[:4096].removeprefix(_BOM).lstrip()
    if start.startswith((b"\xff\xfe<", b"\xfe\xff\x00<", b"<")) and not start[:9].lower().startswith(
        b"<!doctype h"
    ):
        return Read(parsed=camt.read(data))
    if not lists.is_workbook(data) and (text := _text_of(data)) and swift.looks_like(text):
        return Read(parsed=swift.read(text))
    if start.startswith((b"OFXHEADER", b":940:")):
        raise Invalid("file", "This format is not read here. Ask the bank for camt.053, MT940 or CSV.")
    table = lists.check_upload(data)
    return Read(table=table, is_cashfree=columns.is_cashfree(table))


def _text_of(data: bytes) -> str:
    """The text of a SWIFT message; empty for bytes that are none. Banks write Latin letters of many ages."""
    if b"\x00" in data:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
