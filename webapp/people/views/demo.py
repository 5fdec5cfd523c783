"""The demo's role switcher."""

from __future__ import annotations

from flask import Blueprint, current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.people import queries, signing_in
from webapp.people.views.session import begin, origin
from webapp.web.guards import public
from webapp.web.htmx import see_other

blueprint = Blueprint("people", __name__)


@blueprint.post("/switch")
@public
def switch() -> ResponseReturnValue:
    """Go on as another demo account, without a password; 404 for everybody else and outside demo mode."""
    settings: Settings = current_app.config["SETTINGS"]
    user = queries.find_user(request.form.get("email", "")) if settings.is_demo else None
    if user is None or not user.is_demo or not user.is_active:
        raise NotFound
    with transaction():
        token = signing_in.open_session(
            user=user,
            origin=origin(),
            old_session_id=current_user.session_id if current_user.is_authenticated else None,
            now=utc_now(),
            how="demo_switched",
        )
    begin(token)
    return see_other(url_for("public.people.me"))
