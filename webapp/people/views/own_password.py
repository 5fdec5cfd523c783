"""The page on which people change their own password."""

from __future__ import annotations

from flask import Blueprint, abort, flash, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people import throttle
from webapp.people.access import own_password, tokens
from webapp.people.account_forms import ChangePasswordForm
from webapp.people.forms import attach
from webapp.people.views.fresh import open_without_factor
from webapp.people.views.session import actor, begin
from webapp.web.htmx import see_other
from webapp.web.i18n import N_


def add_to(blueprint: Blueprint) -> None:
    """Mount the page on the public blueprint of people."""
    blueprint.add_url_rule("/account/password", "password", password, methods=["GET", "POST"])


@open_without_factor
def password() -> ResponseReturnValue:
    """Change one's own password; the present one is asked for, and few wrong tries are allowed."""
    form = ChangePasswordForm()
    if form.validate_on_submit():
        if not throttle.may_try(current_user.id):
            abort(429)
        try:
            token = _change(form)
        except Invalid as error:
            attach(form, error)
        else:
            if token:
                begin(token)
                flash(
                    "Your password is changed. Your other sessions and your API tokens are ended.", "success"
                )
                return see_other(url_for(".account"))
            throttle.note_failure(current_user.id)
            form.present.errors = [N_("This is not your present password.")]
    code = 422 if form.errors else 200
    n_tokens = tokens.count_of(current_user.id, utc_now())
    return render_template("people/password.html", form=form, n_tokens=n_tokens, has_errors=code == 422), code


def _change(form: ChangePasswordForm) -> str | None:
    with transaction():
        return own_password.change(
            user_id=current_user.id,
            present=form.present.data or "",
            password=form.password.data or "",
            session_id=current_user.session_id,
            actor=actor(),
            now=utc_now(),
        )
