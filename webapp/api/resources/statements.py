"""Statements: remittance advice and monthly accounts, and their PDFs."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Response

from webapp.api import paging, queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.people import StatementAsk, StatementOut, StatementPage, StatementQuery
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts.models import Payout
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee
from webapp.statements import monthly, service
from webapp.statements import queries as documents
from webapp.statements.models import Document
from webapp.statements.views.files import pdf_response

resource = Resource(
    "statements",
    "/statements",
    title="Statements",
    about="PDFs that are numbered and frozen with their hash. A payee's token sees its own.",
)
_read = {"scope": Scope.STATEMENTS_READ}


def _out(row: Any) -> StatementOut:
    document, payee, payout = row
    return StatementOut.model_validate(
        {
            "number": document.number,
            "kind": document.kind,
            "file": document.state,
            "problem": document.error,
            "payee": PayeeRef.of(payee),
            "payout": payout.reference if payout else None,
            "period_start": document.period_start,
            "period_end": document.period_end,
            "opening": _balance(document.opening_minor, document),
            "closing": _balance(document.closing_minor, document),
            "sha256": document.sha256,
            "size_bytes": document.size_bytes,
            "created_at": document.created_at,
            "ready_at": document.ready_at,
        }
    )


def _balance(minor: int | None, document: Document) -> Amount | None:
    return None if minor is None or not document.currency else Amount.of(minor, document.currency)


@resource.get("", summary="List statements", query=StatementQuery, answers=StatementPage, **_read)
def index(who: Caller, query: StatementQuery) -> StatementPage:
    """The statements that match, the newest first."""
    found = queries.statements(who.viewer)
    if query.kind:
        found = found.where(Document.kind == query.kind)
    if query.payee:
        found = found.where(Payee.reference == query.payee)
    if query.payout:
        found = found.where(Payout.reference == query.payout)
    rows, following = paging.page_of_rows(found, Document.id, limit=query.limit, cursor=query.cursor)
    return StatementPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<number>", summary="Get a statement", answers=StatementOut, **_read)
def show(who: Caller, number: str) -> StatementOut:
    """One statement: what it is, and whether its PDF is ready."""
    return _out(queries.statement(who.viewer, number))


@resource.get(
    "/<number>/pdf", summary="Download a statement", answers=None, media_type="application/pdf", **_read
)
def download(who: Caller, number: str) -> Response:
    """The PDF, checked against its hash. 409 while it is not ready."""
    document = queries.statement(who.viewer, number)[0]
    if document.state != "ready":
        raise Conflict(f"{number} is not there yet. {document.error or 'It is made within seconds.'}")
    return pdf_response(document)


@resource.post("", summary="Ask for a statement", body=StatementAsk, answers=StatementOut, status=201,
               location="/statements/{number}", scope=Scope.STATEMENTS_CREATE)  # fmt: skip
def create(who: Caller, body: StatementAsk) -> StatementOut:
    """A worker draws it; asking again gives the same one."""
    if (body.payout is None) == (body.month is None):
        raise Invalid("payout", "Give either payout, or payee and month.", "PO-2026-000123")
    document = _of_payout(who, body.payout) if body.payout is not None else _of_month(who, body)
    return _out(queries.statement(who.viewer, document.number))


def _of_payout(who: Caller, reference: str) -> Document:
    payout_id = documents.payout_id_for(who.organisation_id, reference)
    return service.request_remittance(payout_id=payout_id, actor=who.actor, now=utc_now())


def _of_month(who: Caller, body: StatementAsk) -> Document:
    if body.payee is None or body.month is None:
        raise Invalid("payee", "Say whose month it is.", "PY-0001")
    made = monthly.create(
        organisation_id=who.organisation_id,
        payee_id=queries.payee(who.viewer, body.payee).id,
        currency=body.currency or who.currency,
        month=date.fromisoformat(f"{body.month}-01"),
        actor=who.actor,
        now=utc_now(),
    )
    return made.document
