"""Payouts: list, totals, files, the page of one payout."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select

from webapp.audit.views import files
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.payouts import approvers, lists, ordering, page_rows, panels
from webapp.payouts import export as file
from webapp.payouts.forms import FilterForm
from webapp.payouts.ordering import Sort
from webapp.payouts.states import PayoutState
from webapp.payouts.views import actions, bulk, detail, lines, listing, selecting
from webapp.web import sheets
from webapp.web.exports import csv_columns, streamed, text_response
from webapp.web.htmx import is_fragment
from webapp.web.pagination import Page

blueprint = Blueprint("payouts", __name__, url_prefix="/payouts")
blueprint.add_url_rule(
    "/<reference>/<action>", view_func=actions.act, endpoint="act", methods=["GET", "POST"]
)
MORE = ("program", "payee", "period_from", "period_to", "amount_from", "amount_to", "rail", "approver", "run")
NEWEST_FIRST = Sort(ordering.REFERENCE, is_descending=True)
ACT_LABELS = {"pay": "Pay…", "ask": "Check the status…", "hold": "Hold…", "release": "Release…"}
HEADERS = [
    {"label": "Reference", "key": "reference"}, {"label": "Payee", "key": "payee"}, "Program", "Period", "Status",
    {"label": "Net", "numeric": True, "key": "amount"}, "Pay to",
    "Payment reference", "Approved by", "Paid on", "Statement",
]  # fmt: skip


def filter_form() -> FilterForm:
    """The filter of the history, from the address or from a form that carries it along."""
    organisation = g.organisation
    return FilterForm(
        request.values,
        programs=lists.programs_of(organisation.id),
        currency=organisation.currency,
        locale=organisation.locale,
    )


def _query(form: FilterForm) -> Select[Any]:
    return lists.payouts(
        organisation_id=g.organisation.id,
        currency=g.organisation.currency,
        now=utc_now(),
        filters=form.chosen(),
    )


def _acting(form: FilterForm, page: Page[Any], links: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the bar below the rows needs where many payouts of the list can be acted on at once."""
    acts = bulk.ACTS_OF_STATUS.get(form["status"].data, ())
    if "admin" not in g.roles or not acts:
        return {"acts": []}
    totals = lists.totals(_query(form))
    return {
        "acts": [(act, ACT_LABELS[act]) for act in acts],
        "count": listing.count_of(totals),
        "total_said": listing.said_totals(totals),
        "expected": bulk.expectation(totals),
        "filter_values": listing.filter_values(form),
        "check_href": url_for("admin.approvals.check"),
        "selected": selecting.carried(page, "admin.payouts.turn"),
        "sort": selecting.sorting(links, "admin.payouts.turn", "acting"),
    }


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The history; rows first, totals after them. A filter that cannot be read shows nothing (422)."""
    form, sort = filter_form(), ordering.read(request.args.get("sort"), NEWEST_FIRST)
    page: Page[Any] = Page([], None, None)
    if is_valid := form.validate():
        page = listing.page_of(form.chosen(), sort, utc_now(), page_rows.columns)
        label = f"{page.count_label} payouts" if page.count_label != "1" else "1 payout"
        page = Page(page.items, page.previous_href, page.next_href, label)
    ids, links = [row.id for row in page.items], listing.sort_links("admin.payouts.index", sort)
    acting = _acting(form, page, links) if is_valid else {"acts": []}
    context = {
        "form": form,
        "page": page,
        "rows": lines.admin_rows(
            page.items,
            approvers=lists.approvers_of(ids),
            documents=panels.document_hrefs("admin", ids),
            has_several_programs=form.has_several_programs,
            chosen=acting["selected"].chosen if acting["acts"] else None,
        ),
        "headers": [h for h in HEADERS if h != "Program" or form.has_several_programs],
        "sort": links,
        "sizes": listing.size_links("admin.payouts.index", page),
        "kept_choices": listing.kept_choices(),
        **acting,
        "more_filters": form.uses(*MORE),
        "chips": listing.chips(form, "admin.payouts.index"),
        "clear_href": url_for("admin.payouts.index"),
        "totals_href": listing.address("admin.payouts.totals"),
        "csv_href": listing.address("admin.payouts.export", format="csv"),
        "xlsx_href": listing.address("admin.payouts.export", format="xlsx"),
        "now": utc_now(),
        "has_errors": not is_valid,
    }
    template = "payouts/_results.html" if is_fragment() else "payouts/index.html"
    return render_template(template, **context), 200 if is_valid else 422


@blueprint.post("/turn")
def turn() -> ResponseReturnValue:
    """Another page of the payouts that can be acted on, with what is ticked carried along."""
    return selecting.turn("admin.payouts.index", ("q", "status", "sort", *MORE))


@blueprint.get("/totals")
def totals() -> ResponseReturnValue:
    """Count and sums of a filter per currency: a fragment below the rows, a page without JavaScript."""
    form = filter_form()
    is_valid = form.validate()
    context = {
        "totals": lists.totals(_query(form)) if is_valid else [],
        "list_href": listing.address("admin.payouts.index"),
    }
    template = "payouts/_totals.html" if is_fragment() else "payouts/totals.html"
    return render_template(template, **context), 200 if is_valid else 422


@blueprint.get("/export.<any(csv,xlsx):format>")
def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = filter_form()
    if not form.validate():
        return index()
    query, filename = _query(form), f"payouts-{g.organisation.slug}.{format}"
    files.remember("payouts:payouts:exported", "payout", format.upper())
    if format == "csv":
        return text_response(filename, csv_columns(listing.EXPORT_HEADERS, file.columns(query)))
    pieces = sheets.write(listing.EXPORT_HEADERS, listing.EXPORT_KINDS, file.columns(query))
    return streamed(filename, sheets.CONTENT_TYPE, pieces)


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One payout with everything about it."""
    payout = lists.get_for_page(organisation_id=g.organisation.id, reference=reference)
    if request.headers.get("HX-Target") == "drawer":
        return render_template("payouts/drawer.html", **detail.drawer(payout, utc_now()))
    return render_template("payouts/show.html", **detail.context(payout, utc_now()))


@blueprint.get("/<reference>/who-can-approve")
def approvers_of(reference: str) -> ResponseReturnValue:
    """Who can approve this payout, admin by admin, and why the others cannot."""
    payout = lists.get_for_page(organisation_id=g.organisation.id, reference=reference)
    is_waiting = payout.state == PayoutState.PENDING_APPROVAL.value
    answer = approvers.who_can_approve(payout, utc_now()) if is_waiting else None
    return render_template("payouts/approvers.html", payout=payout, answer=answer)


@blueprint.get("/<reference>/status")
def status(reference: str) -> ResponseReturnValue:
    """The status block, asked again every few seconds while the bank is at work; 286 ends the asking."""
    payout = lists.get_for_page(organisation_id=g.organisation.id, reference=reference)
    context = detail.status_context(payout, utc_now())
    response = render_template("payouts/_status.html", is_poll=True, **context)
    db.session.rollback()
    return response, 200 if context["is_moving"] else 286
