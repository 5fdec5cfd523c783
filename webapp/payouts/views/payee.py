"""A payee's own payouts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.payouts import lists, page_rows, panels
from webapp.payouts.forms import PayeeFilterForm
from webapp.payouts.models import Payout
from webapp.payouts.views import detail, lines, listing
from webapp.people.views.session import payee_id_for
from webapp.web.exports import csv_response
from webapp.web.htmx import is_fragment
from webapp.web.i18n import N_, counted
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("payouts", __name__, url_prefix="/payouts")
HEADERS = [
    N_("Period"), N_("Reference"), N_("Status"), {"label": N_("Gross"), "numeric": True},
    {"label": N_("Deductions"), "numeric": True}, {"label": N_("Net"), "numeric": True}, N_("Paid on"),
    N_("Payment reference"), N_("Statement"),
]  # fmt: skip


def _portal() -> str:
    return (request.blueprint or "").partition(".")[0]


def _own_id() -> int | None:
    return payee_id_for(_portal())


def _query(form: PayeeFilterForm, payee_id: int) -> Any:
    organisation = g.organisation
    return lists.payouts(
        organisation_id=organisation.id,
        currency=organisation.currency,
        now=utc_now(),
        filters=form.chosen(),
        payee_id=payee_id,
    )


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Own payouts, newest first."""
    form = PayeeFilterForm(request.args)
    is_valid, payee_id = form.validate(), _own_id()
    page: Page[Any] = Page([], None, None)
    if is_valid and payee_id is not None:
        query = _query(form, payee_id)
        page = keyset(page_rows.columns(query), Payout.id, is_plain=True)
        count = capped_count(query, Payout.id)
        label = counted(count, N_("1 payout"), N_("%(count)s payouts"))
        page = Page(page.items, page.previous_href, page.next_href, label)
    here = f"{_portal()}.payouts"
    context = {
        "form": form,
        "page": page,
        "rows": lines.own_rows(
            page.items,
            show_endpoint=f"{here}.show",
            documents=panels.document_hrefs(_portal(), [row.id for row in page.items]),
        ),
        "headers": HEADERS,
        "chips": listing.chips(form, f"{here}.index"),
        "clear_href": url_for(f"{here}.index"),
        "csv_href": listing.address(f"{here}.export"),
        "now": utc_now(),
        "has_errors": not is_valid,
    }
    template = "payouts/_own_results.html" if is_fragment() else "payouts/own_index.html"
    return render_template(template, **context), 200 if is_valid else 422


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """Exactly the filter as a CSV file."""
    form = PayeeFilterForm(request.args)
    payee_id = _own_id()
    if not form.validate():
        return index()
    rows = [] if payee_id is None else lists.export_rows(_query(form, payee_id))
    return csv_response("payouts.csv", listing.PAYEE_EXPORT_HEADERS, listing.payee_export_cells(rows))


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One own payout; another payee's answers as if it were not there."""
    payee_id = _own_id()
    if payee_id is None:
        abort(404)
    payout = lists.get_for_page(organisation_id=g.organisation.id, reference=reference, payee_id=payee_id)
    return render_template("payouts/own_show.html", **detail.payee_context(payout, _portal(), utc_now()))
