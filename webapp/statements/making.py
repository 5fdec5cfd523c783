"""Makes a queued document: read, draw in a child process without a transaction, store, record.

Safe to repeat: a document that is ready is left alone, and the same snapshot gives the same bytes under the
same storage key, so a worker that dies between storing and recording leaves nothing wrong behind.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import structlog
from flask import current_app

from webapp.database import db, transaction
from webapp.kernel.errors import PaydeskError
from webapp.payouts.models import Payout
from webapp.providers import storage
from webapp.statements import child, kinds, queries, render_monthly, render_pdf, service, tie
from webapp.statements.build import DoesNotAddUp, build
from webapp.statements.models import Document

log = structlog.get_logger()


def render(*, document_id: int, now: datetime) -> bool:
    """Make a document; True when it is ready, False when it never will be as things are (its row says why).

    Raises the error of the storage when the bytes cannot be kept: the caller tries again later.
    """
    try:
        drawing = _prepare(document_id, now)
        if drawing is None:
            return _is_ready(document_id)
        # Before the fork, so that every child of this process starts warm.
        render_pdf.warm()
        content = child.run(drawing)
    except (DoesNotAddUp, render_pdf.EngineMissing, child.ChildFailed) as error:
        log.error("document.failed", document=document_id, reason=error.message)
        with transaction():
            service.record_problem(document_id=document_id, reason=error.message, is_final=True, now=now)
        return False
    digest = sha256(content).hexdigest()
    key = f"documents/{document_id}-{digest[:20]}.pdf"
    try:
        storage.save(key, content)
    except (OSError, PaydeskError) as error:
        reason = f"The file could not be stored: {error}. It is tried again."
        with transaction():
            service.record_problem(document_id=document_id, reason=reason, is_final=False, now=now)
        raise
    with transaction():
        service.record_ready(
            document_id=document_id, storage_key=key, content=content, sha256=digest, now=now
        )
    return True


def _prepare(document_id: int, now: datetime) -> Callable[[], bytes] | None:
    """How to draw the document; None when there is nothing to draw. Raises DoesNotAddUp."""
    public_url: str = current_app.config["SETTINGS"].public_url
    with transaction():
        document = db.session.get(Document, document_id)
        if document is None or document.state != "queued":
            return None
        if document.kind == tie.MONTHLY:
            facts = tie.checked(document)
            return lambda: render_monthly.render(facts, public_url)
        kind = kinds.find(document.kind)
        if kind is not None:
            return kind.draw(document, public_url)
        payout = _payout_of(document, now)
        if payout is None:
            return None
        statement = build(queries.snapshot_of(document, payout, public_url))
    return lambda: render_pdf.render(statement)


def _payout_of(document: Document, now: datetime) -> Payout | None:
    """The payout that a queued document shows as it is now; None when a later document shows it already."""
    if document.payout_id is None:
        return None
    payout = db.session.get_one(Payout, document.payout_id)
    variant = service.variant_of(payout)
    if document.variant != variant:
        if any(row.document.variant == variant for row in queries.documents_for(payout.id)):
            reason = "The payout has moved on; a later statement shows it."
            service.record_problem(document_id=document.id, reason=reason, is_final=True, now=now)
            return None
        document.variant = variant
    return payout


def _is_ready(document_id: int) -> bool:
    with transaction():
        document = db.session.get(Document, document_id)
        return document is not None and document.state == "ready"
