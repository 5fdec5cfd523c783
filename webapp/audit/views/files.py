"""A list as a CSV file: rows come in batches while it is sent; the trail remembers who took it, with which filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, request
from flask_login import current_user
from sqlalchemy import Select

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date, utc_now
from webapp.web.exports import csv_response, csv_rows, text_response, xlsx_response

BATCH = 1_000
# Where in a list somebody was is no part of its filter.
_POSITION = ("before", "after", "open", "size")


def remember(tag: str, subject_type: str, kind: str = "CSV") -> None:
    """Write to the trail that the signed-in person takes the list of this address, with its filter as the note."""
    if request.method != "GET":
        return
    chosen = urlencode([(k, v) for k, v in request.args.items(multi=True) if v and k not in _POSITION])
    actor = Actor(
        current_user.id, current_user.email, request.remote_addr or "", str(request.user_agent)[:300]
    )
    with transaction():
        audit.record(
            tag=tag,
            actor=actor,
            now=utc_now(),
            organisation_id=g.organisation.id,
            subject_type=subject_type,
            note=f"{kind} of the list, filtered by {chosen}" if chosen else f"{kind} of the whole list",
        )


def file_name(what: str) -> str:
    """ "solaria-payees-2026-11-21.csv"."""
    day = local_date(utc_now(), g.organisation.timezone)
    return f"{g.organisation.slug}-{what}-{day.isoformat()}.csv"


def in_batches(query: Select[Any], key: Any, key_of: Any) -> Iterator[Any]:
    """The rows of a query, newest first, a batch at a time: nothing stays open while a slow reader takes the file.

    `key` is a unique, indexed column; `key_of` reads it from a row.
    """
    ordered = query.order_by(None).order_by(key.desc()).limit(BATCH)
    last: int | None = None
    while True:
        rows = db.session.execute(ordered if last is None else ordered.where(key < last)).unique().all()
        yield from rows
        if len(rows) < BATCH:
            return
        last = key_of(rows[-1])


def table_file(
    tag: str,
    subject_type: str,
    what: str,
    format: str,
    headers: Sequence[str],
    cells: Iterable[Sequence[Any]],
) -> Response:
    """A list as CSV or as a workbook, named after what it is and the organisation; the trail has the event."""
    remember(tag, subject_type, format.upper())
    make = csv_response if format == "csv" else xlsx_response
    return make(f"{what}-{g.organisation.slug}.{format}", headers, cells)


def list_file(
    tag: str, subject_type: str, what: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Response:
    """The answer: a download that streams. `rows` are read when the trail has the event."""
    remember(tag, subject_type)
    return text_response(file_name(what), csv_rows(headers, rows))
