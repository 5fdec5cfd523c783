"""A payee's own payment details: masked, with their history, what is asked for and what waits until when."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.people import methods as waits
from webapp.people import queries
from webapp.people.changes import queries as changes
from webapp.people.changes import reveal as showing
from webapp.people.changes import service
from webapp.people.changes.rules import Source
from webapp.people.models import MethodKind, Payee
from webapp.people.views import details, methods
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.web.htmx import see_other
from webapp.web.i18n import N_

blueprint = Blueprint("details", __name__, url_prefix="/payment-details")


def _find() -> Payee | None:
    kind = (request.blueprint or "").partition(".")[0]
    return queries.payee_of_user(g.organisation.id, current_user.id, kind)


def _own() -> Payee:
    if (payee := _find()) is None:
        raise NotFound
    return payee


def _desk() -> methods.Desk:
    back = url_for(".show")
    crumbs = ((N_("Payment details"), back),)
    return methods.Desk(_own(), Source.PAYEE, url_for(".edit"), url_for(".save"), back, crumbs)


@blueprint.get("")
def show() -> ResponseReturnValue:
    """Where the signed-in payee's money goes, what was before, and what waits."""
    payee, now = _find(), utc_now()
    return render_template(
        "people/details.html",
        **(details.facts(payee, now) if payee else {"payee": None, "current": None}),
        cool_off_hours=waits.cool_off_hours(g.organisation.id),
        MethodKind=MethodKind,
    )


@blueprint.route("/change", methods=["GET", "POST"])
@needs_fresh_sign_in
def edit() -> ResponseReturnValue:
    """GET: the ways to be paid, then the fields of the chosen one. POST: the check step."""
    return methods.fill_in(_desk())


@blueprint.post("/save")
@needs_fresh_sign_in
def save() -> ResponseReturnValue:
    """Ask for the checked details; first ones hold at once, a change waits for the organisation."""
    return methods.save(_desk())


@blueprint.post("/withdraw")
@needs_fresh_sign_in
def withdraw() -> ResponseReturnValue:
    """Take back what is asked for, whoever asked."""
    payee = _own()
    reference = request.form.get("reference", "")
    change = changes.pending_for(payee.id)
    if change is None or change.reference != reference:
        raise Conflict("Nothing waits any more. Look at your payment details again.")
    with transaction():
        done = service.withdraw(
            organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
        )
        words = done.message
    flash(words, "success")
    return see_other(url_for(".show"))


@blueprint.post("/reveal")
@details.limited
@needs_fresh_sign_in
def reveal() -> ResponseReturnValue:
    """One's own account in full, for half a minute."""
    payee = _own()
    method = queries.current_method(payee.id)
    if method is None or method.kind == MethodKind.MANUAL:
        raise Conflict("There is no account to show.")
    with transaction():
        values = showing.reveal_method(
            method=method, reason="Looked at by the payee.", actor=actor(), now=utc_now()
        )
    return details.shown(
        values, box="reveal-current", hide_href=url_for(".show"), heading=N_("Your account in full")
    )
