"""The e-mail log."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.notices import marks, queries, service
from webapp.notices.models import Email
from webapp.notices.views import letters, words
from webapp.people.models import Role
from webapp.people.views.numbers import number
from webapp.people.views.session import actor, require_change
from webapp.web.headers import show_letters
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("notices", __name__, url_prefix="/emails")
HEADERS = ["Subject", "To", "About", "State", "Written", "Sent"]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Every mail that was written, newest first, with its state."""
    form = words.FilterForm(request.args)
    form.validate()
    chosen = form.chosen()
    query = queries.emails(g.organisation.id, chosen)
    found = keyset(query, Email.id)
    count = capped_count(query, Email.id)
    n_failed = capped_count(queries.failed_emails(g.organisation.id, chosen), Email.id)
    values = {
        "form": form,
        "chips": words.chips(form, "admin.notices.index"),
        "headers": HEADERS,
        "n_failed": n_failed if Role.ADMIN in g.roles and chosen.state in ("", "failed") else "0",
        "filter_values": words.filter_values(request.args),
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
    show_letters()
    can_resend = Role.ADMIN in g.roles and (email.state != "queued" or bool(email.error))
    reason = service.why_not_again(email, utc_now()) if can_resend else ""
    return render_template(
        "notices/show.html",
        mail=words.shown(email),
        payout_reference=queries.payout_reference(email),
        next_try=queries.next_try(email) if email.error else None,
        text=marks.redacted_text(email),
        can_resend=can_resend and not reason,
        why_not_again=reason,
    )


@blueprint.get("/<int:email_id>/html")
def html(email_id: int) -> ResponseReturnValue:
    """The HTML version, for the frame on the page of the mail."""
    return letters.answer(queries.get_email(g.organisation.id, email_id))


@blueprint.post("/<int:email_id>/resend")
def resend(email_id: int) -> ResponseReturnValue:
    """Send it again; a mail that is still on its way, or whose link is spent, answers 409."""
    with transaction():
        email = queries.get_email(g.organisation.id, email_id)
        again = service.send_again(email=email, actor=actor(), now=utc_now())
        again_id, address = again.id, again.to_address
    flash(f"The mail to {address} goes out within a minute.", "success")
    return see_other(url_for("admin.notices.show", email_id=again_id))


def _failed(values: MultiDict[str, str], up_to: int | None = None) -> list[Email]:
    """The failed mails of the filter in `values`, as many as are sent in one go."""
    form = words.FilterForm(values)
    form.validate()
    query = queries.failed_emails(g.organisation.id, form.chosen(), up_to=up_to)
    return list(db.session.scalars(query.limit(service.AT_ONCE)))


@blueprint.get("/failed")
def check_failed() -> ResponseReturnValue:
    """The check step: which failed mails would be sent again."""
    require_change()
    emails, now = _failed(request.args), utc_now()
    reasons = {email.id: service.why_not_again(email, now) for email in emails if email.link_id}
    return render_template(
        "notices/check_failed.html",
        mails=[words.shown(email) for email in emails if not reasons.get(email.id)],
        left_out=[(words.shown(email), reasons[email.id]) for email in emails if reasons.get(email.id)],
        up_to=max((email.id for email in emails), default=0),
        at_once=service.AT_ONCE,
        has_more=len(emails) == service.AT_ONCE,
        filter_values=words.filter_values(request.args),
    )


@blueprint.post("/failed")
def resend_failed() -> ResponseReturnValue:
    """Send the failed mails of a filter again, those that the person has seen in the check."""
    up_to = number(request.form.get("up_to"))
    with transaction():
        sent, left_out = service.send_failed_again(
            emails=_failed(request.form, up_to), actor=actor(), now=utc_now()
        )
    said = "1 mail goes" if sent == 1 else f"{sent} mails go"
    rest = f" {left_out} left out: their personal link is spent." if left_out else ""
    flash(
        f"{said} out within minutes.{rest}" if sent else f"No failed mail is left to send again.{rest}",
        "success" if sent else "info",
    )
    return see_other(url_for("admin.notices.index", **words.filter_values(request.form)))
