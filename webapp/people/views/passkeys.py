"""Passkeys: the challenges that the browser's script asks for, and the pages that add and remove one."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access import passkeys
from webapp.people.forms import PasskeyForm, attach
from webapp.people.models import User
from webapp.people.views import proofs
from webapp.people.views.factors import codes_page
from webapp.people.views.fresh import needs_fresh_sign_in, open_without_factor
from webapp.people.views.session import actor, pending
from webapp.web.guards import public
from webapp.web.htmx import see_other
from webapp.web.i18n import gettext

blueprint = Blueprint("passkeys", __name__)


def _json(options: str) -> Response:
    return Response(options, mimetype="application/json")


def _challenge(user_id: int, session_id: int) -> Response:
    proofs.require_tries(user_id)
    with transaction():
        options = passkeys.authentication_options(
            user_id=user_id, session_id=session_id, site=proofs.site(), now=utc_now()
        )
    return _json(options)


@blueprint.post("/sign-in/second-factor/passkey")
@public
def challenge_to_sign_in() -> ResponseReturnValue:
    """A challenge for the second step of sign-in."""
    row = pending()
    if row is None:
        abort(401)
    return _challenge(row.user_id, row.id)


@blueprint.post("/account/confirm/passkey")
@open_without_factor
def challenge_to_confirm() -> ResponseReturnValue:
    """A challenge for the question before a money action."""
    return _challenge(current_user.id, current_user.session_id)


@blueprint.post("/account/passkeys/challenge")
@open_without_factor
def challenge_to_add() -> ResponseReturnValue:
    """A challenge for a new passkey."""
    with transaction():
        options = passkeys.registration_options(
            user=db.session.get_one(User, current_user.id),
            session_id=current_user.session_id,
            site=proofs.site(),
            now=utc_now(),
        )
    return _json(options)


@blueprint.route("/account/passkeys/new", methods=["GET", "POST"])
@open_without_factor
@needs_fresh_sign_in
def add() -> ResponseReturnValue:
    """Name a passkey and make it; the first factor brings recovery codes."""
    form = PasskeyForm()
    if form.validate_on_submit():
        try:
            codes = _add(form)
        except Invalid as error:
            attach(form, error)
        else:
            if codes is not None:
                return codes_page(codes)
            form.form_errors.append(passkeys.NOT_ADDED)
    form.answer.data = ""
    page = render_template("people/passkeys_new.html", form=form, has_errors=bool(form.errors))
    return page, 422 if form.errors else 200


def _add(form: PasskeyForm) -> list[str] | None:
    with transaction():
        return passkeys.add(
            user_id=current_user.id,
            session_id=current_user.session_id,
            answer=form.answer.data or "",
            name=form.name.data or "",
            site=proofs.site(),
            actor=actor(),
            now=utc_now(),
        )


@blueprint.post("/account/passkeys/<int:passkey_id>/remove")
@needs_fresh_sign_in
def remove(passkey_id: int) -> ResponseReturnValue:
    """Take one of one's own passkeys away."""
    with transaction():
        name = passkeys.remove(
            user_id=current_user.id,
            passkey_id=passkey_id,
            session_id=current_user.session_id,
            actor=actor(),
            now=utc_now(),
        )
    text = gettext("The passkey “%(name)s” is removed. You are signed out in other browsers.", name=name)
    flash(text, "success")
    return see_other(url_for("public.second_factor.show"))
