"""Owners' payouts: the list with tries, next try and bank reference. Acts on them are those of the payouts room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select

from webapp.audit.views.files import table_file
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.payouts import lists, page_rows
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import bulk, lines, listing
from webapp.people.views.session import may_change
from webapp.programs.rentals import payout_rows
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.filters import OwnerPayoutFilterForm
from webapp.programs.rentals.lists import BATCH
from webapp.programs.rentals.models import RentPayment
from webapp.programs.rentals.views import common
from webapp.web.pagination import Page, capped_count, keyset

LIST = "admin.rentals.payouts"
EXPORT_HEADERS = (
    "Reference", "Owner", "Rent payment", "Property", "Unit", "Period from", "Period to", "Status", "Currency",
    "Amount", "Pay to", "Tries", "Rail", "Next try", "UTR", "Error", "Sent at", "Paid at",
)  # fmt: skip
_NO_TRIES, _NO_MOMENTS = payout_rows.Tries(), payout_rows.Moments()


def _query(form: OwnerPayoutFilterForm) -> Select[Any]:
    here = g.organisation
    return payout_rows.payouts(here.id, here.currency, utc_now(), form.chosen())


def index() -> ResponseReturnValue:
    """The list. Retry and check status lead to the check step of the payouts room."""
    form = OwnerPayoutFilterForm(request.args)
    page, rows = common.NO_PAGE, []
    if is_valid := form.validate():
        query = _query(form)
        found = keyset(page_rows.columns(query), Payout.id, is_plain=True)
        count = capped_count(query, Payout.id)
        page = Page(found.items, found.previous_href, found.next_href,
                    f"{count} payout" if count == "1" else f"{count} payouts")  # fmt: skip
        rows = _rows(page.items)
    return common.list_page(
        "payouts", form, is_valid=is_valid, page=page, rows=rows, sums=sums(),
        can_select=may_change() and bool(rows), check_href=url_for("admin.approvals.check"),
        everything=_everything(form) if is_valid and rows and may_change() else None,
        export="admin.rentals.payouts_export",
    )  # fmt: skip


def _everything(form: OwnerPayoutFilterForm) -> dict[str, Any] | None:
    """What "all that match" means, where the payouts room can say the same filter and an act fits its status."""
    chosen = form.chosen()
    act = bulk.ACT_OF_STATE.get(chosen.status)
    if not chosen.is_plain or act is None:
        return None
    totals = lists.totals(_query(form))
    values = listing.filter_values(form) | {"program": PROGRAM}
    return {
        "act": act,
        "count": listing.count_of(totals),
        "said": listing.said_totals(totals),
        "expected": bulk.expectation(totals),
        "values": {k: v for k, v in values.items() if k in ("program", "status", "period_from", "period_to")},
    }


def _rows(items: Any) -> list[dict[str, Any]]:
    """The lines of the payouts room, each with its tries and its rent."""
    listed = page_rows.listed(items)
    ids = [row.id for row in listed]
    tries, moments = payout_rows.tries_of(ids), payout_rows.moments_of(ids)
    rents = payout_rows.rents_of(ids)
    return [
        {
            "line": line,
            "tries": tries.get(line.id, _NO_TRIES),
            "moments": moments.get(line.id, _NO_MOMENTS),
            "rent": rents.get(line.id),
            "home": common.home_of(rents[line.id].charge.lease) if line.id in rents else "",
            "act": _first_act(row.state),
        }
        for row, line in zip(listed, lines.admin_lines(listed, approvers={}, documents={}), strict=True)
    ]


def _first_act(state: str) -> tuple[str, str] | None:
    """The act of the payouts room that a line offers: its slug and its word."""
    if state in (PayoutState.FAILED, PayoutState.RETRY_SCHEDULED):
        return "retry", "Try again…"
    return ("check-status", "Check status…") if state == PayoutState.PROCESSING else None


def sums() -> list[dict[str, Any]]:
    """Counts and sums of the owners' payouts per state."""
    totals = payout_rows.state_totals(g.organisation.id)
    return [
        {
            "label": state.label,
            "value": f"{sum(total.count for total in totals[state.value]):,}",
            "note": common.sums_words([total.net for total in totals[state.value]]),
            "href": url_for(LIST, status=state.value),
        }
        for state in PayoutState
        if state.value in totals
    ]


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = OwnerPayoutFilterForm(request.args)
    if not form.validate():
        return index()
    rows = _cells(_query(form))
    return table_file("rentals:payouts:exported", "payout", "owner-payouts", format, EXPORT_HEADERS, rows)


def _cells(query: Select[Any]) -> Iterator[tuple[Any, ...]]:
    columns = page_rows.columns(query).order_by(Payout.id.desc()).limit(BATCH)
    last: int | None = None
    while True:
        step = columns if last is None else columns.where(Payout.id < last)
        listed = page_rows.listed(db.session.execute(step).all())
        ids = [row.id for row in listed]
        tries, moments = payout_rows.tries_of(ids), payout_rows.moments_of(ids)
        rents = payout_rows.rents_of(ids)
        for row in listed:
            tried, at = tries.get(row.id, _NO_TRIES), moments.get(row.id, _NO_MOMENTS)
            method = row.method or row.payee.current_method
            yield (
                row.reference, row.payee.name, *_rent_cells(rents.get(row.id)), row.period_start, row.period_end,
                PayoutState(row.state).label, row.currency, common.money(row.amount_minor, row.currency),
                (method.masked or "By hand") if method else "", tried.count, tried.rail, at.retry_at,
                tried.utr, tried.error, at.submitted_at, at.paid_at,
            )  # fmt: skip
        if len(listed) < BATCH:
            return
        last = listed[-1].id


def _rent_cells(rent: RentPayment | None) -> tuple[str, str, str]:
    if rent is None:
        return "", "", ""
    unit = rent.charge.lease.unit
    return rent.reference, unit.property.name, unit.name
