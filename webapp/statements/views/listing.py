"""The admins' list of documents: its filter in words and addresses."""

from __future__ import annotations

from typing import Any

from flask import abort, g, request, url_for

from webapp.kernel.clock import local_date, utc_now
from webapp.people.models import Payee
from webapp.people.queries import get_payee
from webapp.statements import monthly
from webapp.statements.forms import FilterForm, read_month
from webapp.statements.queries import DocumentFilter
from webapp.statements.views.words import KINDS, STATES

HEADERS = [
    "Number",
    "Kind",
    "Payee",
    "Period",
    {"label": "Net or closing", "numeric": True},
    "State",
    "Made on",
    "Files",
]
_FIELDS = ("q", "month", "kind", "state", "payee")


def check_year(year: int) -> int:
    """A year that documents can be of, else 404."""
    if not 2000 <= year <= 2200:
        abort(404)
    return year


def read_filter() -> tuple[FilterForm, DocumentFilter, Payee | None]:
    """The filter in the address; ?payee= is the reference of one payee, 404 when there is none."""
    newest = local_date(utc_now(), g.organisation.timezone).replace(day=1)
    form = FilterForm(request.args, newest=newest, kinds=KINDS, states=STATES)
    reference = request.args.get("payee", "").strip()
    payee = get_payee(g.organisation.id, reference) if reference else None
    chosen = DocumentFilter(
        text=form.q.data or "",
        kind=form.kind.data,
        state=form.state.data,
        month=read_month(form.month.data),
        payee_id=payee.id if payee else None,
    )
    return form, chosen, payee


def chips(form: FilterForm, payee: Payee | None) -> list[dict[str, str]]:
    """The filters in use, each with the address of the list without it."""
    month = read_month(form.month.data)
    labels = {
        "q": f"Contains “{form.q.data}”" if form.q.data else "",
        "month": monthly.month_name(month) if month else "",
        "kind": KINDS.get(form.kind.data, ""),
        "state": STATES.get(form.state.data, ""),
        "payee": f"{payee.name} ({payee.reference})" if payee else "",
    }
    values = {name: request.args[name] for name in _FIELDS if request.args.get(name)}

    def without(name: str) -> str:
        kept: dict[str, Any] = {k: v for k, v in values.items() if k != name}
        return url_for("admin.statements.index", **kept)

    return [{"label": label, "remove_href": without(name)} for name, label in labels.items() if label]
