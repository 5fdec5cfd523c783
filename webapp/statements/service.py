"""The one writer of documents: asks for them, records what became of them. Never commits, never draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.ids import digest
from webapp.outbox import service as outbox
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.people.numbers import next_number
from webapp.statements import codes, kinds
from webapp.statements.models import Document

REMITTANCE = "remittance"
RENDER = "document.render"
READY_NOTICE = "notice.statement"


def request_remittance(*, payout_id: int, actor: Actor, now: datetime) -> Document:
    """The statement of a payout as it stands now: a new document, queued, or the one that is there already.

    There is one per state and round of the payout; a later one names the one it replaces. One that failed is
    queued again. A worker draws it through the outbox. Raises NotFound for an unknown payout.
    """
    payout = lock_row(Payout, Payout.id == payout_id, of=Payout)
    variant = variant_of(payout)
    document = db.session.scalar(
        select(Document).where(
            Document.payout_id == payout.id, Document.kind == REMITTANCE, Document.variant == variant
        )
    )
    if document is None:
        document = _add(payout, variant, actor, now)
    elif document.state == "failed" or (document.state == "queued" and document.error and actor.is_person):
        queue_again(document, actor, now, f"Statement of {payout.reference}")
    return document


def variant_of(payout: Payout) -> str:
    """Which state of a payout a document shows: "paid:1" is the first time it was paid."""
    return f"{payout.state}:{payout.round}"


def record_ready(*, document_id: int, storage_key: str, content: bytes, sha256: str, now: datetime) -> bool:
    """Freeze a document: its bytes are stored under `storage_key`. False when it is not queued any more.

    The payee of a monthly statement is told, unless it says otherwise.
    """
    result = db.session.execute(
        update(Document)
        .where(Document.id == document_id, Document.state == "queued")
        .values(
            state="ready",
            error="",
            storage_key=storage_key,
            sha256=sha256,
            size_bytes=len(content),
            ready_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    is_now_ready = bool(result.rowcount)  # type: ignore[attr-defined]
    if is_now_ready:
        _tell(document_id, now)
    return is_now_ready


def _tell(document_id: int, now: datetime) -> None:
    document = db.session.get_one(Document, document_id)
    if document.facts is not None and document.facts.get("tells"):
        kind = kinds.find(document.kind)
        outbox.ask_mail(
            kind=kind.mail if kind else READY_NOTICE,
            reference_id=document.id,
            organisation_id=document.organisation_id,
            now=now,
        )


def record_problem(*, document_id: int, reason: str, is_final: bool, now: datetime) -> None:
    """Say why a document is not there. Final: it fails and waits for a person; else a worker tries again."""
    document = db.session.get(Document, document_id)
    if document is None or document.state != "queued":
        return
    document.error = reason[:500]
    if is_final:
        document.state = "failed"
        audit.record(
            tag="statements:document:failed",
            actor=Actor(None, "worker"),
            now=now,
            organisation_id=document.organisation_id,
            subject_type="document",
            subject_id=document.id,
            subject_label=document.number,
            note=reason,
        )


def _add(payout: Payout, variant: str, actor: Actor, now: datetime) -> Document:
    organisation = db.session.get_one(Organisation, payout.organisation_id)
    year = local_date(now, organisation.timezone).year
    previous = db.session.scalar(
        select(Document.id)
        .where(Document.payout_id == payout.id, Document.kind == REMITTANCE, Document.state == "ready")
        .order_by(Document.id.desc())
        .limit(1)
    )
    document = Document(
        organisation_id=payout.organisation_id,
        kind=REMITTANCE,
        number=next_number(payout.organisation_id, f"RA-{year}", 6),
        payee_id=payout.payee_id,
        payout_id=payout.id,
        variant=variant,
        code=codes.new_code(),
        replaces_id=previous,
        created_at=now,
    )
    db.session.add(document)
    db.session.flush()
    queue_new(document, actor, now, f"Statement of {payout.reference}")
    return document


def queue_new(
    document: Document, actor: Actor, now: datetime, note: str, changes: dict[str, Any] | None = None
) -> None:
    """Have a worker draw a document that was just added, and remember who asked for it."""
    _audit(document, "requested", actor, now, note, changes)
    _queue(document, now)


def add_all(
    documents: Sequence[Document], *, organisation_id: int, actor: Actor, now: datetime, note: str
) -> None:
    """Store new documents of a program and have workers draw them; one entry of the trail for all of them."""
    if not documents:
        return
    db.session.add_all(documents)
    db.session.flush()
    numbers = [document.number for document in documents]
    audit.record(
        tag="statements:document:requested",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="document",
        subject_id=documents[0].id if len(documents) == 1 else None,
        subject_label=numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}",
        note=note,
        changes={
            "documents": [None, len(documents)],
            "digest": [None, digest([[each.number, (each.facts or {}).get("seal")] for each in documents])],
        },
    )
    for document in documents:
        _queue(document, now)


def queue_again(document: Document, actor: Actor, now: datetime, note: str) -> None:
    """Have a worker try once more to draw a document that could not be drawn."""
    document.state, document.error = "queued", ""
    _audit(document, "retried", actor, now, note)
    _queue(document, now, again=True)


def _audit(
    document: Document,
    action: str,
    actor: Actor,
    now: datetime,
    note: str,
    changes: dict[str, Any] | None = None,
) -> None:
    audit.record(
        tag=f"statements:document:{action}",
        actor=actor,
        now=now,
        organisation_id=document.organisation_id,
        subject_type="document",
        subject_id=document.id,
        subject_label=document.number,
        note=note,
        changes=changes,
    )


def _queue(document: Document, now: datetime, again: bool = False) -> None:
    outbox.add_at_commit(
        kind=RENDER,
        reference_id=document.id,
        dedupe_key=f"{RENDER}:{document.id}" + (f":{now.timestamp():.6f}" if again else ""),
        to_queue=queue.DOCUMENTS,
        organisation_id=document.organisation_id,
        now=now,
    )
