"""A payee's own payout method, masked."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.kernel.clock import utc_now
from webapp.people import queries
from webapp.people.models import MethodKind

blueprint = Blueprint("details", __name__, url_prefix="/payment-details")


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Where the signed-in payee's money goes, and whom to ask for a change."""
    kind = (request.blueprint or "").partition(".")[0]
    payee = queries.payee_of_user(g.organisation.id, current_user.id, kind)
    history = queries.method_history(g.organisation.id, payee.id) if payee else []
    return render_template(
        "people/details.html",
        payee=payee,
        current=next((method for method in history if method.is_current), None),
        history=history,
        now=utc_now(),
        MethodKind=MethodKind,
    )
