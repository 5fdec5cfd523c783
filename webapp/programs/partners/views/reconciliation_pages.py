"""Reconciliation: what partners earned in a period, what is in payouts, what is paid; and the ledger beside it."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask.typing import ResponseReturnValue

from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money
from webapp.programs.partners import money_files, reconciling
from webapp.programs.partners.money_forms import ReconciliationFilterForm
from webapp.programs.partners.views import money_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of
from webapp.web.listing import Listing

SUMS = money_files.SUMS[money_files.RECONCILIATION]
_AMOUNTS = ("owed", "claimed", "paid", "outstanding")


def _read() -> tuple[ReconciliationFilterForm, Listing | None]:
    form: ReconciliationFilterForm = form_of(ReconciliationFilterForm, formdata=request.args)
    return form, money_files.listing_of(g.organisation.id, form) if form.validate() else None


def index() -> ResponseReturnValue:
    """Owed, in payouts, paid and outstanding by partner and currency."""
    form, found = _read()
    context = pages.list_context(
        AREA, found, "reconciliation", "row", files=money_file.links("reconciliation")
    )
    return list_page(
        AREA, "partners/reconciliation.html", form, "reconciliation", is_valid=found is not None,
        rows=[_row(row, form.period.data or "") for row in context["page"].items],
        compared=reconciling.with_ledger(g.organisation.id), **context,
    )  # fmt: skip


def _row(row: Any, period: str) -> dict[str, Any]:
    amounts = {name: money(int(getattr(row, f"{name}_minor")), row.currency) for name in _AMOUNTS}
    return {
        "row": row,
        **amounts,
        "href": href_of("commissions", partner=row.partner_reference, period=period or None),
        "partner_href": href_of("partner", reference=row.partner_reference),
    }


def totals() -> ResponseReturnValue:
    """Sums of a filter per currency."""
    form, found = _read()
    return pages.totals_page(AREA, found, form, "reconciliation", SUMS, "Partners")
