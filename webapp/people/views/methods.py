"""The steps that say where a payee's money goes: choose the way, fill it in, check it masked, save."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound, StaleVersion
from webapp.people import methods, queries
from webapp.people.accounts import Destination
from webapp.people.drafts import open_draft, seal_draft
from webapp.people.forms import WAYS, MethodForm
from webapp.people.models import Payee
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, require_change
from webapp.web.htmx import see_other


def add_to(blueprint: Blueprint) -> None:
    """Mount the steps on the payees' blueprint."""
    blueprint.add_url_rule("/<reference>/method", "add_method", add_method, methods=["GET", "POST"])
    blueprint.add_url_rule("/<reference>/method/save", "save_method", save_method, methods=["POST"])


def add_method(reference: str) -> ResponseReturnValue:
    """GET: the ways to be paid, then the fields of the chosen one. POST: the check step."""
    require_change()
    payee = queries.get_payee(g.organisation.id, reference)
    way = request.args.get("way", "")
    if not way and request.method == "GET":
        return render_template("people/methods/choose.html", payee=payee, ways=WAYS)
    if way not in WAYS:
        raise NotFound
    form = WAYS[way][0]()
    if request.method == "GET":
        current = queries.current_method(payee.id)
        form.version.data = str(current.version if current else 0)
    elif form.validate_on_submit():
        return _check(payee, form.destination(), number(form.version.data), way)
    return _form_page(payee, form, way)


def _form_page(payee: Payee, form: MethodForm, way: str) -> ResponseReturnValue:
    page = render_template(
        "people/methods/form.html",
        payee=payee,
        form=form,
        way=way,
        label=WAYS[way][1],
        has_errors=bool(form.errors),
    )
    return page, 422 if form.errors else 200


def _check(payee: Payee, destination: Destination, version: int, way: str) -> ResponseReturnValue:
    """Masked, with what will follow. The clear numbers travel sealed, never as text in the page."""
    now = utc_now()
    current = queries.current_method(payee.id)
    hours = methods.cool_off_hours(g.organisation.id) if current else 0
    index = methods.blind_index(g.organisation.id, destination)
    return render_template(
        "people/methods/check.html",
        payee=payee,
        destination=destination,
        current=current,
        label=WAYS[way][1],
        way=way,
        version=version,
        draft=seal_draft(destination, payee_id=payee.id, session_id=current_user.session_id, now=now),
        waits_until=now + timedelta(hours=hours) if hours else None,
        twins=queries.payees_with_account(g.organisation.id, index, payee.id),
    )


def save_method(reference: str) -> ResponseReturnValue:
    """Make the checked destination the payee's current one."""
    payee = queries.get_payee(g.organisation.id, reference)
    now = utc_now()
    destination = open_draft(
        request.form.get("draft", ""), payee_id=payee.id, session_id=current_user.session_id, now=now
    )
    if destination is None:
        raise Conflict("These details were checked too long ago, or in another window. Enter them again.")
    try:
        with transaction():
            methods.set_payout_method(
                organisation_id=g.organisation.id,
                payee_id=payee.id,
                destination=destination,
                cool_off_hours=methods.cool_off_hours(g.organisation.id),
                expected_version=number(request.form.get("version")),
                actor=actor(),
                now=now,
            )
    except StaleVersion as error:
        return _conflict(reference, destination, error.message)
    flash("The payment details are saved.", "success")
    return see_other(url_for(".show", reference=reference))


def _conflict(reference: str, destination: Destination, message: str) -> ResponseReturnValue:
    """Show both: what was about to be saved, and what somebody else saved meanwhile; nothing typed is lost."""
    payee = queries.get_payee(g.organisation.id, reference)
    current = queries.current_method(payee.id)
    page = render_template(
        "people/methods/conflict.html",
        payee=payee,
        current=current,
        destination=destination,
        message=message,
        version=current.version if current else 0,
        draft=request.form["draft"],
        has_errors=True,
    )
    return page, 409
