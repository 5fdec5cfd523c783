"""Tables and archives of documents as answers: checked, always a download, never cached."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Response, abort, stream_with_context
from sqlalchemy import Select

from webapp.database import db
from webapp.kernel.errors import Unavailable
from webapp.kernel.money import Money
from webapp.statements import archive, facts, queries, tables
from webapp.statements.archive import Item
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document
from webapp.statements.views.words import FORMATS, KINDS
from webapp.web.exports import XLSX_TYPE

log = structlog.get_logger()
CHANGED = (
    "The frozen content of this statement was changed, so it is not handed out. Ask an admin to look at it."
)


def lines_response(document: Document, format: str) -> Response:
    """The lines of a ready monthly statement as CSV or XLSX. Raises Unavailable when they were changed."""
    if format not in FORMATS or document.kind != "monthly":
        abort(404)
    try:
        frozen = facts.from_json(document.facts)
    except DoesNotAddUp as error:
        log.error("document.content_changed", document=document.id)
        raise Unavailable(CHANGED) from error
    content = tables.csv_file(frozen) if format == "csv" else tables.xlsx_file(frozen)
    response = Response(content, mimetype="text/csv" if format == "csv" else XLSX_TYPE)
    return _attachment(response, f"{document.number}.{format}")


def archive_response(query: Select[Any], filename: str) -> Response:
    """A ZIP of what a query of documents finds, streamed. 404 when it finds nothing."""
    items = [_item(queries.row_of(row)) for row in db.session.execute(query)]
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    if not items:
        abort(404)
    return _attachment(
        Response(stream_with_context(archive.stream(items)), mimetype="application/zip"), filename
    )


def _item(row: queries.DocumentRow) -> Item:
    document = row.document
    assert document.ready_at is not None  # noqa: S101 - a ready document says when it was made
    opening = Money(document.opening_minor or 0, document.currency) if row.is_monthly else None
    return Item(
        number=document.number,
        kind=KINDS.get(document.kind, document.kind),
        payee_reference=row.payee.reference,
        payee_name=row.payee.name,
        period_start=row.period[0],
        period_end=row.period[1],
        opening=opening,
        amount=row.net,
        ready_at=document.ready_at,
        replaced_by=row.replaced_by or "",
        storage_key=document.storage_key,
        sha256=document.sha256,
        content=document.facts if row.is_monthly else None,
    )


def _attachment(response: Response, filename: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    response.headers["Cache-Control"] = "no-store"
    return response
