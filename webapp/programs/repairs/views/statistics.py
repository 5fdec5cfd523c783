"""Statistics: repairs and instalments by state, how charging goes, what receipts came to; by driver, lease and days."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.payouts.views import listing as addresses
from webapp.payouts.views.program_pages import today
from webapp.programs.repairs import statistics as figures
from webapp.programs.repairs.exports import RECEIPTS, SUMS
from webapp.programs.repairs.filters import StatisticsFilterForm
from webapp.programs.repairs.views.area import AREA, PREFIX
from webapp.web.htmx import is_fragment


def index() -> ResponseReturnValue:
    """The page with its filter; htmx gets the figures alone. 422 where the filter cannot be read."""
    here, form = g.organisation, StatisticsFilterForm(request.args)
    is_valid = form.validate()
    found = figures.statistics(here.id, here.currency, today(), form.chosen()) if is_valid else None
    endpoint = f"{PREFIX}.statistics"
    return (
        render_template(
            "repairs/statistics.html", area=AREA, tab="statistics", form=form, found=found,
            chips=addresses.chips(form, endpoint) if is_valid else [], receipt_sums=SUMS[RECEIPTS],
            fragment=is_fragment(), has_errors=not is_valid, now=utc_now(),
        ),
        200 if is_valid else 422,
    )  # fmt: skip
