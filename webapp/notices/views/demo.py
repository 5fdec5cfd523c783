"""The demo's e-mail outbox: what the organisation's people would find in their inboxes."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, g, render_template
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.notices import marks, queries
from webapp.notices.models import Email
from webapp.notices.views import letters, words
from webapp.people.models import Organisation, Role
from webapp.web.headers import show_letters
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _organisation() -> Organisation:
    """The demo's organisation; of any other one, only admins read everybody's mail."""
    organisation: Organisation | None = g.organisation
    if organisation is None or not (organisation.is_demo or Role.ADMIN in g.roles):
        abort(404)
    return organisation


def _email(email_id: int) -> Email:
    """A mail of the organisation; in the demo also those about its people's own accounts."""
    query = queries.inbox(_organisation().id, with_accounts=_settings().is_demo).where(Email.id == email_id)
    email: Email | None = db.session.scalar(query)
    if email is None:
        raise NotFound
    return email


def _bodies(email: Email) -> tuple[str, str]:
    """Text and HTML; in the demo with links that work, because nobody else gets this mail."""
    if _settings().is_demo:
        return marks.filled(email, _settings())
    return marks.redacted_text(email), email.body_html


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All mails, newest first."""
    query = queries.inbox(_organisation().id, with_accounts=_settings().is_demo)
    found = keyset(query, Email.id)
    count = capped_count(query, Email.id)
    page = Page(
        [words.shown(email, "demo.outbox.show") for email in found.items],
        found.previous_href,
        found.next_href,
        "1 e-mail" if count == "1" else f"{count} e-mails",
    )
    return render_template("demo/outbox.html", page=page)


@blueprint.get("/<int:email_id>")
def show(email_id: int) -> ResponseReturnValue:
    """One mail as its recipient reads it."""
    email = _email(email_id)
    show_letters()
    return render_template(
        "demo/outbox_show.html", mail=words.shown(email, "demo.outbox.show"), text=_bodies(email)[0]
    )


@blueprint.get("/<int:email_id>/html")
def html(email_id: int) -> ResponseReturnValue:
    """Its HTML version, for the frame."""
    email = _email(email_id)
    return letters.answer(email, _bodies(email)[1])
