"""The first page of repairs: what needs somebody, and the plots."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.people.views.session import may_change
from webapp.programs.repairs.views.area import AREA


def index() -> ResponseReturnValue:
    """What needs somebody, and how the money runs."""
    return render_template(
        "repairs/index.html", area=AREA, tab="index", may_change=may_change(), now=utc_now()
    )
