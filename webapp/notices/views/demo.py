"""The demo's e-mail outbox: what the organisation's payees would find in their inboxes."""

from __future__ import annotations

from flask import Blueprint, abort, g, render_template
from flask.typing import ResponseReturnValue

from webapp.notices import queries
from webapp.notices.models import Email
from webapp.notices.views import words
from webapp.people.models import Organisation, Role
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")


def _organisation() -> Organisation:
    """The demo's organisation; of any other one, only admins read everybody's mail."""
    organisation: Organisation | None = g.organisation
    if organisation is None or not (organisation.is_demo or Role.ADMIN in g.roles):
        abort(404)
    return organisation


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All mails, newest first."""
    query = queries.emails(_organisation().id)
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
    email = queries.get_email(_organisation().id, email_id)
    return render_template("demo/outbox_show.html", mail=words.shown(email, "demo.outbox.show"))
