"""The second factor: the second step of sign-in, setting an app up, recovery codes, and who must have one."""

from __future__ import annotations

import segno
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people import proving, throttle
from webapp.people.access import passkeys, second_factor
from webapp.people.forms import CodeForm, ProofForm, attach
from webapp.people.models import UserSession
from webapp.people.views import proofs
from webapp.people.views.device_cookie import device_token
from webapp.people.views.fresh import needs_fresh_sign_in, open_without_factor
from webapp.people.views.paths import local_path
from webapp.people.views.session import actor, begin, origin, pending
from webapp.web.guards import SAFE_METHODS, public
from webapp.web.htmx import see_other

blueprint = Blueprint("second_factor", __name__)


# ---- Who must have one ----------------------------------------------------------------------------------


def must_set_up() -> bool:
    """Whether the signed-in person can do nothing here before they have set up a second factor."""
    settings: Settings = current_app.config["SETTINGS"]
    return bool(
        settings.second_factor_required
        and current_user.is_authenticated
        and current_user.holds_money
        and current_user.factor == "password"
    )


@blueprint.before_app_request
def _require_second_factor() -> ResponseReturnValue | None:
    """Admins and accountants who signed in with a password alone are led to the set-up, wherever they go."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or getattr(view, "is_public", False) or getattr(view, "is_open_without_factor", False):
        return None
    if not must_set_up():
        return None
    if request.method in SAFE_METHODS:
        return see_other(url_for("public.second_factor.show"))
    abort(403, "Set up a second factor first: it is asked of admins and accountants. Nothing was changed.")


# ---- The second step of sign-in -------------------------------------------------------------------------


@blueprint.route("/sign-in/second-factor", methods=["GET", "POST"])
@public
def prove() -> ResponseReturnValue:
    """A code, a recovery code or a passkey, after the right password; a new session for who has it."""
    target = local_path(request.values.get("next"))
    row = pending()
    if row is None:
        return see_other(
            url_for("public.people.me" if current_user.is_authenticated else "public.people.sign_in")
        )
    error = ""
    if request.method == "POST":
        if token := _try(row):
            begin(token)
            return see_other(target or url_for("public.people.me"))
        error = second_factor.WRONG_CODE
    return _prove_page(row, target, error)


def _try(row: UserSession) -> str | None:
    proof, user_id = proofs.sent_proof(), row.user_id
    if proofs.is_empty(proof):
        return None
    proofs.require_tries(user_id)
    with transaction():
        token = proving.complete_sign_in(
            row=row, proof=proof, site=proofs.site(), origin=origin(), now=utc_now(), device=device_token()
        )
    if token is None:
        throttle.note_failure(user_id)
    return token


def _prove_page(row: UserSession, target: str | None, error: str) -> ResponseReturnValue:
    factors = second_factor.factors_of(row.user_id)
    form = ProofForm(formdata=None)
    if error:
        form.form_errors.append(error)
    with_recovery = request.values.get("with") == "recovery" or not (factors.app_since or factors.n_passkeys)
    page = render_template(
        "people/second_factor_prove.html",
        form=form,
        next=target or "",
        factors=factors,
        with_recovery=with_recovery,
        has_errors=bool(error),
    )
    return page, 422 if error else 200


# ---- One's own second factor ----------------------------------------------------------------------------


@blueprint.get("/account/second-factor")
@open_without_factor
def show() -> ResponseReturnValue:
    """What the person can prove themselves with, and the ways to add and remove it."""
    return render_template(
        "people/second_factor.html",
        factors=second_factor.factors_of(current_user.id),
        passkeys=passkeys.passkeys_of(current_user.id),
        is_setup_open=second_factor.setup_of(current_user.id, current_user.email) is not None,
        must_set_up=must_set_up(),
    )


@blueprint.post("/account/second-factor/app/new")
@open_without_factor
@needs_fresh_sign_in
def begin_setup() -> ResponseReturnValue:
    """Make a secret for an authenticator app; it counts once a code of it is given."""
    with transaction():
        second_factor.begin_setup(user_id=current_user.id, now=utc_now())
    return see_other(url_for(".set_up"))


@blueprint.route("/account/second-factor/app", methods=["GET", "POST"])
@open_without_factor
@needs_fresh_sign_in
def set_up() -> ResponseReturnValue:
    """The QR code of the secret (GET); its first code (POST), after which the recovery codes are shown once."""
    setup = second_factor.setup_of(current_user.id, current_user.email)
    if setup is None:
        return see_other(url_for(".show"))
    form = CodeForm()
    if form.validate_on_submit():
        try:
            return codes_page(_confirm(form.code.data or ""))
        except Invalid as error:
            throttle.note_failure(current_user.id)
            attach(form, error)
    page = render_template(
        "people/second_factor_app.html",
        form=form,
        setup=setup,
        picture=segno.make(setup.address, error="m").svg_data_uri(scale=5, border=3, light="#fff"),
        has_errors=bool(form.errors),
    )
    return page, 422 if form.errors else 200


def _confirm(code: str) -> list[str]:
    proofs.require_tries(current_user.id)
    with transaction():
        return second_factor.confirm_setup(
            user_id=current_user.id,
            session_id=current_user.session_id,
            code=code,
            actor=actor(),
            now=utc_now(),
        )


def codes_page(codes: list[str]) -> ResponseReturnValue:
    """The codes are in this answer alone: no address, no cookie and no table holds them."""
    if not codes:
        flash("The second factor is set up.", "success")
        return see_other(url_for("public.second_factor.show"))
    return render_template("people/second_factor_codes.html", codes=codes)


@blueprint.post("/account/second-factor/app/remove")
@needs_fresh_sign_in
def remove_app() -> ResponseReturnValue:
    """Take the authenticator app away."""
    with transaction():
        second_factor.remove_app(
            user_id=current_user.id, session_id=current_user.session_id, actor=actor(), now=utc_now()
        )
    flash("The authenticator app is removed. You are signed out in other browsers.", "success")
    return see_other(url_for(".show"))


@blueprint.post("/account/second-factor/recovery-codes")
@needs_fresh_sign_in
def new_codes() -> ResponseReturnValue:
    """Ten new recovery codes; those of before stop working."""
    if not second_factor.factors_of(current_user.id).has_any:
        return redirect(url_for(".show"), 303)
    with transaction():
        codes = second_factor.new_recovery_codes(user_id=current_user.id, actor=actor(), now=utc_now())
    return codes_page(codes)
