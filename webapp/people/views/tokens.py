"""API tokens: one's own (made, shown once, revoked), and for admins those of the organisation."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, InputRequired, Length

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.access import tokens
from webapp.people.access.models import ApiToken
from webapp.people.access.tokens import Scope
from webapp.people.account_forms import CheckboxesField
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change
from webapp.web.htmx import see_other
from webapp.web.i18n import gettext, translated
from webapp.web.pagination import keyset

blueprint = Blueprint("tokens", __name__, url_prefix="/account/tokens")
organisation = Blueprint("tokens", __name__, url_prefix="/tokens")
LIVES = [SelectChoice(30, "30 days"), SelectChoice(90, "90 days"), SelectChoice(180, "180 days"),
         SelectChoice(365, "A year")]  # fmt: skip


class TokenForm(FlaskForm):
    """A new token."""

    name = StringField("What it is for", [InputRequired("Say what it is for."), Length(max=120)])
    scopes = CheckboxesField(
        "What it may do", validators=[DataRequired("Choose at least one thing that it may do.")]
    )
    days = SelectField("How long it lives", coerce=int, choices=LIVES, default=tokens.DEFAULT_DAYS)

    def __init__(self, allowed: frozenset[Scope], **values: Any) -> None:
        super().__init__(**values)
        offered = [scope for scope in Scope if scope in allowed]
        self.scopes.choices = [SelectChoice(s.value, f"{translated(s.label)} ({s.value})") for s in offered]


def _allowed() -> frozenset[Scope]:
    return tokens.allowed_scopes(g.roles)


@blueprint.get("")
def index() -> ResponseReturnValue:
    """One's own tokens here, and the form for a new one."""
    return _page(TokenForm(_allowed()), 200)


def _page(form: TokenForm, code: int, *, made: str = "", conflict: str = "") -> ResponseReturnValue:
    now = utc_now()
    mine = tokens.own(current_user.id, g.organisation.id, now) if g.organisation else []
    page = render_template(
        "people/tokens.html",
        form=form,
        tokens=mine,
        scopes_of=tokens.scopes_of,
        made=made,
        conflict=conflict,
        can_make=bool(g.organisation and form.scopes.choices),
        is_admin=may_change(),
        has_errors=code in (409, 422),
    )
    return page, code


@blueprint.post("")
@needs_fresh_sign_in
def create() -> ResponseReturnValue:
    """Make a token and show it, this once."""
    form = TokenForm(_allowed())
    if not g.organisation or not form.validate_on_submit():
        return _page(form, 422)
    try:
        with transaction():
            text, _ = tokens.create(
                user_id=current_user.id,
                organisation_id=g.organisation.id,
                scopes=form.scopes.data or (),
                name=form.name.data or "",
                days=form.days.data,
                actor=actor(),
                now=utc_now(),
            )
    except Invalid as error:
        attach(form, error)
        return _page(form, 422)
    except Conflict as error:
        return _page(form, 409, conflict=error.message)
    return _page(TokenForm(_allowed(), formdata=None), 200, made=text)


@blueprint.post("/<int:token_id>/revoke")
def revoke(token_id: int) -> ResponseReturnValue:
    """End one of one's own tokens at once."""
    with transaction():
        row = tokens.revoke(
            token_id=token_id,
            organisation_id=g.organisation.id if g.organisation else 0,
            user_id=current_user.id,
            actor=actor(),
            now=utc_now(),
        )
        name = row.name
    flash(gettext("The token “%(name)s” is revoked. It opens nothing any more.", name=name), "success")
    return see_other(url_for(".index"))


@organisation.get("")
def of_organisation() -> ResponseReturnValue:
    """Everybody's tokens, the newest first."""
    page = keyset(tokens.of_organisation(g.organisation.id, utc_now()), ApiToken.id)
    return render_template(
        "people/tokens_all.html", page=page, scopes_of=tokens.scopes_of, may_change=may_change()
    )


@organisation.post("/<int:token_id>/revoke")
def revoke_any(token_id: int) -> ResponseReturnValue:
    """End somebody's token at once."""
    with transaction():
        row = tokens.revoke(
            token_id=token_id, organisation_id=g.organisation.id, actor=actor(), now=utc_now()
        )
        name, email = row.name, row.user.email
    flash(f"The token “{name}” of {email} is revoked. It opens nothing any more.", "success")
    return see_other(url_for(".of_organisation"))
