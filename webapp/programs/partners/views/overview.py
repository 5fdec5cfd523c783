"""The first page of the partners' area: how commissions and payouts stand."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from webapp.programs.partners.views.area import AREA


def index() -> ResponseReturnValue:
    """How commissions and payouts stand."""
    return render_template("partners/index.html", area=AREA, tab="index")
