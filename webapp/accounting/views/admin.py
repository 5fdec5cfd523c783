"""Accounting: which payouts stand in the books, what went wrong, trying again; the page's part of one payout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounting import lists, pace, rules, service, setups
from webapp.accounting.forms import BillFilterForm, RetryForm
from webapp.accounting.models import AccountingSetup
from webapp.accounting.states import SyncState, Wanted
from webapp.accounting.views import settings
from webapp.accounting.views.area import AREA
from webapp.audit.views.files import table_file
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.payouts import panels
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page
from webapp.people.views.session import actor, may_change, require_change
from webapp.web import listing
from webapp.web.htmx import see_other

blueprint = Blueprint("accounting", __name__, url_prefix="/accounting")
SUMS = (("amount", "Amount"),)
HEADERS = ("Payout", "Payee", "Payee's reference", "Program", "Currency", "Amount", "Payout is", "In the books",
           "Error", "Bill in the books", "Synced at")  # fmt: skip
# So many are tried again in one go.
AT_ONCE = 2_000


def _filter() -> BillFilterForm:
    programs = [each.program for each in g.organisation.programs]
    form: BillFilterForm = form_of(BillFilterForm, formdata=request.values, programs=programs)
    return form


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Payouts and their bills; above them how the connection does. A filter that cannot be read shows nothing (422)."""
    form, organisation_id = _filter(), g.organisation.id
    is_valid = form.validate()
    found = lists.bills(organisation_id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "index", "payout")
    return list_page(
        AREA, "accounting/index.html", form, "index", is_valid=is_valid, export="admin.accounting.export",
        rows=[_row(row) for row in context["page"].items], setup=setups.find(organisation_id),
        sums=_sums(organisation_id), calls_today=pace.used_today(organisation_id, utc_now()),
        retryable=form.state.data in (SyncState.FAILED.value, SyncState.NOT_SYNCED.value), **context,
    )  # fmt: skip


def _row(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": SyncState(row.state),
        "payout_state": PayoutState(row.payout_state),
        "amount": Money(row.amount_minor, row.currency),
        "can_retry": row.state in (SyncState.FAILED.value, SyncState.NOT_SYNCED.value),
    }


def _sums(organisation_id: int) -> list[dict[str, Any]]:
    counted = lists.counts(organisation_id)
    return [
        {
            "label": state.label,
            "value": f"{counted[state.value]:,}",
            "href": url_for("admin.accounting.index", state=state.value),
        }
        for state in (SyncState.FAILED, SyncState.QUEUED, SyncState.SYNCED, SyncState.VOID)
        if counted.get(state.value)
    ]


@blueprint.get("/totals")
def index_totals() -> ResponseReturnValue:
    """Count and sums of the filter per currency."""
    form = _filter()
    found = lists.bills(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "index", SUMS, "Payouts")


@blueprint.get("/export.<any(csv,xlsx):format>")
def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = _filter()
    if not form.validate():
        return index()
    found = lists.bills(g.organisation.id, form.chosen())
    return table_file("accounting:bills:exported", "accounting", "books", format, HEADERS, _cells(found))


def _cells(found: listing.Listing) -> Iterator[tuple[Any, ...]]:
    for batch in listing.batches(found, pages.sort_of(found)):
        for row in batch:
            yield (
                row.reference, row.payee_name, row.payee_reference, row.program, row.currency,
                Money(row.amount_minor, row.currency), PayoutState(row.payout_state).label, SyncState(row.state).label,
                row.error or "", row.bill_id or "", row.synced_at,
            )  # fmt: skip


@blueprint.post("/retry")
def retry() -> ResponseReturnValue:
    """Try the ticked ones again, or all of the filter; 409 when there are none."""
    require_change()
    form, organisation_id = _filter(), g.organisation.id
    if not RetryForm().validate() or not form.validate():
        return index()
    if request.form.get("is_all"):
        chosen = lists.ids(lists.bills(organisation_id, form.chosen()), AT_ONCE)
    else:
        chosen = [int(text) for text in request.form.getlist("ids") if text.isascii() and text.isdigit()][
            :AT_ONCE
        ]
        chosen = [number for number in chosen if number < 2**63]
    if not chosen:
        raise Conflict("Nothing is selected. Select at least one payout.")
    with transaction():
        count = service.retry_many(
            organisation_id=organisation_id, payout_ids=chosen, actor=actor(), now=utc_now()
        )
    flash("1 payout is queued." if count == 1 else f"{count:,} payouts are queued.", "success")
    return see_other(url_for(".index"))


@blueprint.post("/payouts/<reference>/sync")
def sync_one(reference: str) -> ResponseReturnValue:
    """Ask for the bill of one payout."""
    require_change()
    with transaction():
        service.retry(organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now())
    flash(f"{reference} is queued. A worker brings the books in line within minutes.", "success")
    return see_other(url_for("admin.payouts.show", reference=reference))


def panel(payout: Payout, now: datetime) -> Mapping[str, Any] | None:
    """How the payout stands in the books; None where no books are kept, or there is nothing to say."""
    row, setup = lists.of_payout(payout.id), setups.find(payout.organisation_id)
    if row is None and (
        setup is None or not setup.is_on or rules.wanted(payout.state) in (Wanted.NOTHING, Wanted.VOID)
    ):
        return None
    state = SyncState(row.state) if row is not None else SyncState.NOT_SYNCED
    return {
        "state": state,
        "row": row,
        "why": _why(row, payout, setup),
        "books": setup.books_name if setup else "",
        "href": url_for("admin.accounting.index", q=payout.reference),
        "sync_href": url_for("admin.accounting.sync_one", reference=payout.reference),
        "can_sync": may_change() and setup is not None and setup.is_on and _is_open(state, row),
    }


def _is_open(state: SyncState, row: Any) -> bool:
    return state in (SyncState.FAILED, SyncState.NOT_SYNCED) or (
        state is SyncState.QUEUED and bool(row.error)
    )


def _why(row: Any, payout: Payout, setup: AccountingSetup | None) -> str:
    if row is not None or setup is None:
        return ""
    if payout.program not in setup.programs:
        return "Its program is not switched on for the books."
    return "It was approved before the books were switched on."


panels.register_panel("accounting", panel, "accounting/_panel.html")
settings.add_to(blueprint)
