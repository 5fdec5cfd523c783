"""A stored document as an answer: checked against its hash, always a download, never cached."""

from __future__ import annotations

from hashlib import sha256

import structlog
from flask import Response

from webapp.database import db
from webapp.kernel.errors import PaydeskError, Unavailable
from webapp.providers import storage
from webapp.statements.models import Document

log = structlog.get_logger()
CHANGED = "The stored file is not the one that was made, so it is not handed out. Ask an admin to look at the storage."
NOT_READ = "The stored file cannot be read right now. Try again in a minute."


def pdf_response(document: Document) -> Response:
    """The bytes of a ready document. Raises Unavailable when they are not there or not what was stored."""
    document_id, key, digest, number = document.id, document.storage_key, document.sha256, document.number
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    try:
        content: bytes = storage.read(key)
    except (OSError, PaydeskError) as error:
        log.error("document.unreadable", document=document_id, error=type(error).__name__)
        raise Unavailable(NOT_READ) from error
    if sha256(content).hexdigest() != digest:
        log.error("document.changed", document=document_id)
        raise Unavailable(CHANGED)
    response = Response(content, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="{number}.pdf"'
    response.headers["Cache-Control"] = "no-store"
    return response
