"""The e-mail log."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices import queries, service
from webapp.notices.models import Email
from webapp.notices.views import words
from webapp.people.models import Role
from webapp.people.views.session import actor
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("notices", __name__, url_prefix="/emails")
HEADERS = ["Subject", "To", "About", "State", "Written", "Sent"]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every mail that was written, newest first, with its state."""
    form = words.FilterForm(request.args)
    form.validate()
    query = queries.emails(g.organisation.id, form.chosen())
    found = keyset(query, Email.id)
    count = capped_count(query, Email.id)
    values = {
        "form": form,
        "chips": words.chips(form, "admin.notices.index"),
        "headers": HEADERS,
        "page": Page(
            [words.shown(email) for email in found.items],
            found.previous_href,
            found.next_href,
            "1 e-mail" if count == "1" else f"{count} e-mails",
        ),
    }
    return render_template("notices/_results.html" if is_fragment() else "notices/index.html", **values)


@blueprint.get("/<int:email_id>")
def show(email_id: int) -> ResponseReturnValue:
    """One mail: what it said, to whom, whether it left."""
    email = queries.get_email(g.organisation.id, email_id)
    return render_template(
        "notices/show.html",
        mail=words.shown(email),
        payout_reference=queries.payout_reference(email),
        can_resend=Role.ADMIN in g.roles and (email.state != "queued" or bool(email.error)),
    )


@blueprint.post("/<int:email_id>/resend")
def resend(email_id: int) -> ResponseReturnValue:
    """Send it again; a mail that is still on its way answers 409."""
    with transaction():
        email = queries.get_email(g.organisation.id, email_id)
        again = service.send_again(email=email, actor=actor(), now=utc_now())
        again_id, address = again.id, again.to_address
    flash(f"The mail to {address} goes out within a minute.", "success")
    return see_other(url_for("admin.notices.show", email_id=again_id))
