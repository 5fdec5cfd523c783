"""All touches and all shares of deals, each as a list with its filter."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask.typing import ResponseReturnValue

from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money
from webapp.programs.partners import deal_files, deal_lists, explaining, touch_lists
from webapp.programs.partners.deal_filters import ShareFilterForm, TouchFilterForm
from webapp.programs.partners.states import DealState, Model, TouchType
from webapp.programs.partners.views import deal_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of


def _form(kind: Any) -> Any:
    return form_of(kind, formdata=request.args, programs=deal_lists.offered_programs(g.organisation.id))


def touches() -> ResponseReturnValue:
    """What partners did for deals."""
    form: TouchFilterForm = _form(TouchFilterForm)
    is_valid = form.validate()
    found = touch_lists.touches(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "touches", "touch", "touches", files=deal_file.links("touches"))
    rows = [
        {"row": row, "kind": TouchType(row.type), "state": DealState(row.deal_state),
         "partner_href": href_of("partner", reference=row.partner_reference)}
        for row in context["page"].items
    ]  # fmt: skip
    return list_page(AREA, "partners/touches.html", form, "touches", is_valid=is_valid, rows=rows, **context)


def touches_totals() -> ResponseReturnValue:
    """How many touches a filter finds, by the currency of their deals."""
    form: TouchFilterForm = _form(TouchFilterForm)
    found = touch_lists.touches(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "touches", (), "Touches")


def shares() -> ResponseReturnValue:
    """Who has which share of which deal."""
    form: ShareFilterForm = _form(ShareFilterForm)
    is_valid = form.validate()
    found = touch_lists.shares(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "shares", "share", files=deal_file.links("shares"))
    rows = [
        {"row": row, "model": Model(row.model), "state": DealState(row.deal_state),
         "share": explaining.percent(row.millionths), "amount": money(row.amount_minor, row.currency),
         "partner_href": href_of("partner", reference=row.partner_reference)}
        for row in context["page"].items
    ]  # fmt: skip
    return list_page(
        AREA, "partners/attributions.html", form, "shares", is_valid=is_valid, rows=rows, **context
    )


def shares_totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form: ShareFilterForm = _form(ShareFilterForm)
    found = touch_lists.shares(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "shares", deal_files.SUMS[deal_files.SHARES], "Shares")
