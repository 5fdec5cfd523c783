"""Readings of documents; each asks for the organisation, and in payees' portals for the payee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee
from webapp.statements import codes
from webapp.statements.build import LineFacts, Snapshot
from webapp.statements.models import Document


@dataclass(frozen=True)
class DocumentRow:
    """A document as pages list it."""

    document: Document
    payout: Payout
    replaced_by: str | None

    @property
    def id(self) -> int:
        """Key of the list."""
        return self.document.id

    @property
    def net(self) -> Money:
        """What the payout comes to."""
        return Money(self.payout.amount_minor, self.payout.currency)

    @property
    def shows(self) -> PayoutState:
        """The state of the payout that the document shows."""
        return PayoutState(self.document.variant.partition(":")[0])


def documents_for(payout_id: int) -> list[DocumentRow]:
    """The documents of a payout, newest first. The caller has checked that the payout is theirs."""
    query = _rows().where(Document.payout_id == payout_id).order_by(Document.id.desc())
    return [row_of(row) for row in db.session.execute(query)]


def documents_of(organisation_id: int, payee_id: int) -> Select[Any]:
    """The documents of a payee; read each result with `row_of`."""
    return _rows().where(Document.organisation_id == organisation_id, Document.payee_id == payee_id)


def row_of(row: Any) -> DocumentRow:
    """A row of `documents_of` as a DocumentRow."""
    return DocumentRow(row[0], row[1], row[2])


def get_document(organisation_id: int, document_id: int, payee_id: int | None = None) -> Document:
    """One document. Raises NotFound for another organisation's, or another payee's where one is given."""
    query = select(Document).where(Document.id == document_id, Document.organisation_id == organisation_id)
    if payee_id is not None:
        query = query.where(Document.payee_id == payee_id)
    document = db.session.scalar(query)
    if document is None:
        raise NotFound
    return document


def payout_id_for(organisation_id: int, reference: str) -> int:
    """Id of a payout of the organisation. Raises NotFound."""
    payout_id = db.session.scalar(
        select(Payout.id).where(Payout.organisation_id == organisation_id, Payout.reference == reference)
    )
    if payout_id is None:
        raise NotFound
    return payout_id


def snapshot_of(document: Document, payout: Payout, public_url: str = "") -> Snapshot:
    """Everything that the statement says, copied out of the database. `public_url` begins its own address."""
    organisation: Organisation = payout.organisation
    payee: Payee = payout.payee
    method = payout.method or payee.current_method
    replaced = db.session.get(Document, document.replaces_id) if document.replaces_id else None
    return Snapshot(
        number=document.number,
        reference=payout.reference,
        state=payout.state,
        issued_at=document.created_at,
        payer_name=organisation.legal_name,
        payer_address=organisation.address,
        payer_tax_id=organisation.tax_id,
        payer_email=organisation.contact_email,
        payee_name=payee.name,
        payee_reference=payee.reference,
        payee_address=payee.address,
        country=organisation.country,
        locale=organisation.locale,
        timezone=organisation.timezone,
        home_currency=organisation.currency,
        program=payout.program.replace("_", " ").capitalize(),
        period_start=payout.period_start,
        period_end=payout.period_end,
        currency=payout.currency,
        gross_minor=payout.gross_minor,
        amount_minor=payout.amount_minor,
        lines=tuple(
            LineFacts(
                kind=line.kind,
                description=line.description,
                amount_minor=line.amount_minor,
                occurred_on=line.occurred_on,
                quantity=line.quantity,
                unit=line.unit,
                rate=line.rate,
                formula=line.formula,
                source_label=line.source_label,
                details=dict(line.details),
            )
            for line in payout.lines
        ),
        method_kind=method.kind if method else "",
        method_masked=method.masked if method else "",
        payment_reference=payout.payment_reference or "",
        paid_on=payout.paid_on,
        reason=payout.reason,
        replaces_number=replaced.number if replaced else "",
        code=document.code or "",
        verify_url=codes.address(public_url, document.code or ""),
    )


def _rows() -> Select[Any]:
    newer = aliased(Document)
    replaced_by = (
        select(newer.number)
        .where(newer.replaces_id == Document.id, newer.state == "ready")
        .order_by(newer.id)
        .limit(1)
        .correlate(Document)
        .scalar_subquery()
    )
    return select(Document, Payout, replaced_by).join(Payout, Payout.id == Document.payout_id)
