"""Readings of documents; each asks for the organisation, and in payees' portals for the payee."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import aliased, defer

from webapp.database import db, like
from webapp.kernel.clock import add_months, local_date, start_of_day
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee
from webapp.statements import codes, tie
from webapp.statements.build import LineFacts, Snapshot
from webapp.statements.models import Document


@dataclass(frozen=True)
class DocumentRow:
    """A document as pages list it; a remittance has its payout, a monthly statement its own period."""

    document: Document
    payout: Payout | None
    payee: Payee
    replaced_by: str | None

    @property
    def id(self) -> int:
        """Key of the list."""
        return self.document.id

    @property
    def is_monthly(self) -> bool:
        """Whether it is the statement of a month, not of one payout."""
        return self.document.kind == tie.MONTHLY

    @property
    def net(self) -> Money:
        """What the payout comes to, the closing balance of the month, or what a program's document comes to."""
        if self.payout is not None:
            return Money(self.payout.amount_minor, self.payout.currency)
        return Money(self.document.closing_minor or 0, self.document.currency)

    @property
    def period(self) -> tuple[date, date]:
        """First and last day that it is about."""
        if self.payout is not None:
            return self.payout.period_start, self.payout.period_end
        assert self.document.period_start is not None and self.document.period_end is not None  # noqa: S101, PT018
        return self.document.period_start, self.document.period_end

    @property
    def shows(self) -> PayoutState | None:
        """The state of the payout that the document shows; None for one that is not about a payout."""
        return None if self.payout is None else PayoutState(self.document.variant.partition(":")[0])


@dataclass(frozen=True)
class DocumentFilter:
    """What a list of documents is narrowed to; empty values narrow nothing. `month` is a first day."""

    text: str = ""
    kind: str = ""
    state: str = ""
    month: date | None = None
    payee_id: int | None = None


REPLACED = "replaced"


def documents_for(payout_id: int) -> list[DocumentRow]:
    """The documents of a payout, newest first. The caller has checked that the payout is theirs."""
    query = _rows().where(Document.payout_id == payout_id).order_by(Document.id.desc())
    return [row_of(row) for row in db.session.execute(query)]


def documents_of(organisation_id: int, payee_id: int) -> Select[Any]:
    """The documents of a payee; read each result with `row_of`."""
    return _rows().where(Document.organisation_id == organisation_id, Document.payee_id == payee_id)


def row_of(row: Any) -> DocumentRow:
    """A row of `documents` or `documents_of` as a DocumentRow."""
    return DocumentRow(row[0], row[1], row[2], row[3])


def documents(organisation: Organisation, chosen: DocumentFilter | None = None) -> Select[Any]:
    """The documents of an organisation; `text` looks in number, payee and payout. Read rows with `row_of`."""
    chosen = chosen or DocumentFilter()
    query = _rows().where(Document.organisation_id == organisation.id)
    if chosen.kind:
        query = query.where(Document.kind == chosen.kind)
    if chosen.payee_id is not None:
        query = query.where(Document.payee_id == chosen.payee_id)
    if chosen.state == REPLACED:
        query = query.where(_is_replaced())
    elif chosen.state == "ready":
        query = query.where(Document.state == "ready", ~_is_replaced())
    elif chosen.state:
        query = query.where(Document.state == chosen.state)
    if chosen.month:
        query = query.where(_of_period(organisation, chosen.month, add_months(chosen.month, 1)))
    if text := chosen.text.strip():
        columns = (Document.number, Payee.name, Payee.reference, Payout.reference)
        query = query.where(or_(*(like(column, text) for column in columns)))
    return query


def of_year(organisation: Organisation, payee_id: int, year: int) -> Select[Any]:
    """The ready documents of a payee and year, in order: months by their period, remittances by when made."""
    return (
        _rows(with_content=True)
        .where(
            Document.organisation_id == organisation.id,
            Document.payee_id == payee_id,
            Document.state == "ready",
            _of_period(organisation, date(year, 1, 1), date(year + 1, 1, 1)),
        )
        .order_by(Document.id)
    )


def of_month(organisation: Organisation, month: date) -> Select[Any]:
    """The ready monthly statements of every payee of one month, in order."""
    return (
        _rows(with_content=True)
        .where(
            Document.organisation_id == organisation.id,
            Document.kind == tie.MONTHLY,
            Document.state == "ready",
            Document.period_start == month,
        )
        .order_by(Document.id)
    )


def years_of(organisation: Organisation, payee_id: int) -> list[int]:
    """The years from the first to the last ready document of a payee, newest first."""
    rows = db.session.execute(
        select(
            func.min(Document.period_start),
            func.max(Document.period_start),
            func.min(Document.created_at),
            func.max(Document.created_at),
        )
        .where(
            Document.organisation_id == organisation.id,
            Document.payee_id == payee_id,
            Document.state == "ready",
        )
        .group_by(Document.kind)
    )
    years: set[int] = set()
    for first, last, made_first, made_last in rows:
        if first is not None and last is not None:
            years |= {first.year, last.year}
        else:
            years |= {local_date(made, organisation.timezone).year for made in (made_first, made_last)}
    return sorted(range(min(years), max(years) + 1), reverse=True) if years else []


def _of_period(organisation: Organisation, first: date, until: date) -> ColumnElement[bool]:
    """Monthly statements of a period; remittances that were made in it."""
    zone = organisation.timezone
    return or_(
        and_(Document.kind == tie.MONTHLY, Document.period_start >= first, Document.period_start < until),
        and_(
            Document.kind != tie.MONTHLY,
            Document.created_at >= start_of_day(first, zone),
            Document.created_at < start_of_day(until, zone),
        ),
    )


def get_row(organisation_id: int, number: str, payee_id: int | None = None) -> DocumentRow:
    """A document by its number. Raises NotFound, also for another organisation's or another payee's."""
    query = _rows(with_content=True).where(
        Document.organisation_id == organisation_id, Document.number == number
    )
    if payee_id is not None:
        query = query.where(Document.payee_id == payee_id)
    row = db.session.execute(query).first()
    if row is None:
        raise NotFound
    return row_of(row)


def issues_of(document: Document) -> list[DocumentRow]:
    """Every issue of the same statement (month and currency, or payout), newest first."""
    query = _rows().where(Document.payee_id == document.payee_id, Document.kind == document.kind)
    if document.kind == tie.MONTHLY:
        query = query.where(
            Document.currency == document.currency, Document.period_start == document.period_start
        )
    elif document.payout_id is None:
        # A program's: "<what it is about>:<which issue>".
        about = document.variant.rpartition(":")[0] + ":"
        query = query.where(
            Document.period_start == document.period_start,
            Document.variant.startswith(about, autoescape=True),
        )
    else:
        query = query.where(Document.payout_id == document.payout_id)
    return [row_of(row) for row in db.session.execute(query.order_by(Document.id.desc()))]


def find_by_code(code: str) -> DocumentRow | None:
    """The issued document that a verification code names, of whatever organisation."""
    query = _rows().where(Document.code == code, Document.state == "ready")
    row = db.session.execute(query).first()
    return row_of(row) if row else None


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


def _is_replaced() -> ColumnElement[bool]:
    newer = aliased(Document)
    return (
        select(newer.id)
        .where(newer.replaces_id == Document.id, newer.state == "ready")
        .correlate(Document)
        .exists()
    )


def _rows(*, with_content: bool = False) -> Select[Any]:
    """Documents with their payout and payee and the number that replaced them; lists leave the content out."""
    newer = aliased(Document)
    replaced_by = (
        select(newer.number)
        .where(newer.replaces_id == Document.id, newer.state == "ready")
        .order_by(newer.id)
        .limit(1)
        .correlate(Document)
        .scalar_subquery()
    )
    query = (
        select(Document, Payout, Payee, replaced_by)
        .join(Payee, Payee.id == Document.payee_id)
        .outerjoin(Payout, Payout.id == Document.payout_id)
    )
    return query if with_content else query.options(defer(Document.facts))
