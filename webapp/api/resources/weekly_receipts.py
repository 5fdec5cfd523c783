"""Weekly receipts of drivers (DTRs): lists, one with every line, issuing one anew with a correction."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from flask import Response

from webapp.api import repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.repair_words import listed_driver
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.weekly import (
    CategorySum,
    ReceiptDetail,
    ReceiptLineOut,
    ReceiptOut,
    ReceiptPage,
    ReceiptQuery,
    ReceiptReissue,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import correcting, lists, receipt_document
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.correcting import CorrectionLine
from webapp.programs.repairs.lists import ReceiptFilter
from webapp.statements.views.files import pdf_response

resource = Resource(
    "weekly_receipts",
    "/weekly-receipts",
    title="Weekly receipts",
    about="One for each lease and week (DTR). It is never changed; a correction has its own number and shows the "
    "difference. A net above zero becomes a payout; what is below is carried. A driver's token sees its own.",
)
_read = {"scope": Scope.REPAIRS_READ}
_AS_IT_IS = ("number", "week_start", "revision", "is_final", "issued_at")
_AMOUNTS = ("opening", "earnings", "charges", "adjustments", "net", "paid", "closing", "difference")


def _fields(row: Any) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _AS_IT_IS},
        **{name: Amount.of(getattr(row, f"{name}_minor"), row.currency) for name in _AMOUNTS},
        "week_end": row.week_start + timedelta(days=6),
    }


def _listed(row: Any) -> ReceiptOut:
    return ReceiptOut(
        **_fields(row), driver=listed_driver(row), lease=row.lease_reference, payout=row.payout_reference
    )


@resource.get("", summary="List weekly receipts", query=ReceiptQuery, answers=ReceiptPage, **_read)
def index(who: Caller, query: ReceiptQuery) -> ReceiptPage:
    """The receipts that match, corrections among them, in the order that `sort` names."""
    chosen = ReceiptFilter(
        text=query.search or "",
        driver=query.driver or "",
        lease=query.lease or "",
        week_from=query.week_from,
        week_to=query.week_to,
        sign=query.net or "",
        payout=query.payout or "",
        is_newest=query.is_newest == "true",
    )
    found = listed.own(lists.receipts(who.organisation_id, chosen), who.viewer)
    rows, following = listed.page(found, query, query.sort)
    return ReceiptPage(items=[_listed(row) for row in rows], next_cursor=following)


def _detail(row: Receipt) -> ReceiptDetail:
    numbers = repairs_queries.receipt_numbers([row.replaces_id])
    payouts = repairs_queries.payout_references([row.payout_id])
    return ReceiptDetail(
        **_fields(row),
        driver=PayeeRef.of(row.payee),
        lease=row.lease.reference,
        payout=payouts.get(row.payout_id),
        replaces=numbers.get(row.replaces_id),
        reason=row.reason,
        lines=[
            ReceiptLineOut(
                **{name: getattr(line, name) for name in ("kind", "category", "description", "day")},
                amount=Amount.of(line.amount_minor, row.currency),
            )
            for line in row.lines
        ],
        by_category=_by_category(row),
        **_file(row),
        corrected_by=repairs_queries.corrected_by(row.id),
    )


def _file(row: Receipt) -> dict[str, Any]:
    document = receipt_document.find(row)
    return {"file": document.state if document else None}


def _by_category(row: Receipt) -> list[CategorySum]:
    sums: dict[str, int] = defaultdict(int)
    for line in row.lines:
        if line.kind == "charge":
            sums[line.category] -= line.amount_minor
    return [
        CategorySum.model_validate({"category": category, "amount": Amount.of(minor, row.currency)})
        for category, minor in sums.items()
    ]


@resource.get("/<number>", summary="Get a weekly receipt", answers=ReceiptDetail, **_read)
def show(who: Caller, number: str) -> ReceiptDetail:
    """One receipt with every line, its charges by category, and what corrects it."""
    return _detail(repairs_queries.receipt(who.viewer, number))


@resource.get(
    "/<number>/pdf", summary="Download a weekly receipt", answers=None, media_type="application/pdf", **_read
)
def download(who: Caller, number: str) -> Response:
    """The PDF as it was frozen, checked against its hash. 409 while it is not ready: workers make it after the run."""
    document = receipt_document.find(repairs_queries.receipt(who.viewer, number))
    if document is None or document.state != "ready":
        why = document.error if document and document.error else "It is made after the run of its week."
        raise Conflict(f"The PDF of {number} is not there yet. {why}")
    return pdf_response(document)


@resource.post("/<number>/reissue", summary="Issue a weekly receipt anew", body=ReceiptReissue, answers=ReceiptDetail,
               status=201, location="/weekly-receipts/{number}", scope=Scope.DRIVERS_WRITE)  # fmt: skip
def reissue(who: Caller, number: str, body: ReceiptReissue) -> ReceiptDetail:
    """The first one, its payout and what follows stay; the difference is a credit or charge of the week that runs.

    A receipt that was corrected already answers 409 with the newest.
    """
    row = repairs_queries.receipt(who.viewer, number)
    lines = []
    for each in body.lines:
        minor = minor_in(each.amount, row.currency, "amount")
        signed = minor if each.is_for_driver else -minor
        lines.append(CorrectionLine(each.category, each.description, signed))
    made = correcting.reissue_receipt(
        organisation_id=who.organisation_id,
        number=number,
        lines=lines,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return _detail(repairs_queries.receipt(who.viewer, made.number))
