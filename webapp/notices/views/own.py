"""One's own mail: what was sent to me, which kinds I want, and the link that switches one kind off."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.notices import catalogue, marks, preferences, queries
from webapp.notices.catalogue import Kind
from webapp.notices.models import Email
from webapp.notices.views import letters, words
from webapp.people import queries as people
from webapp.people.models import PAYEE_KINDS, Role
from webapp.people.views.session import actor
from webapp.web.guards import public
from webapp.web.headers import show_letters
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, counted
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("notices", __name__)


def _kinds() -> list[Kind]:
    """The kinds of mail that the signed-in person can get, whichever organisation it is from."""
    roles = {membership.role for membership in people.memberships_of(current_user.id)}
    audiences = {catalogue.EVERYBODY}
    if Role.ADMIN.value in roles:
        audiences.add(catalogue.ADMINS)
    if roles & {kind.value for kind in PAYEE_KINDS}:
        audiences.add(catalogue.PAYEES)
    return [kind for kind in catalogue.KINDS.values() if kind.audience in audiences]


@blueprint.get("/account/notifications")
def preferences_page() -> ResponseReturnValue:
    """Every kind of mail, what it says, and which of it can be switched off."""
    kinds = _kinds()
    return render_template(
        "notices/preferences.html",
        optional=[kind for kind in kinds if kind.is_optional],
        always=[kind for kind in kinds if not kind.is_optional],
        why=catalogue.WHY_NOT,
        switched_off=preferences.switched_off(current_user.id),
    )


@blueprint.post("/account/notifications")
def save_preferences() -> ResponseReturnValue:
    """Keep the choice; kinds that are always sent are not asked about, whatever is posted."""
    offered = [kind.notice for kind in _kinds() if kind.is_optional]
    with transaction():
        preferences.choose_all(
            user_id=current_user.id,
            offered=offered,
            wanted=request.form.getlist("wanted"),
            actor=actor(),
            now=utc_now(),
        )
    flash("Your choice is saved.", "success")
    return see_other(url_for(".preferences_page"))


@blueprint.get("/account/mail")
def index() -> ResponseReturnValue:
    """What was sent to the signed-in person, newest first."""
    query = queries.own_emails(current_user.id)
    found = keyset(query, Email.id)
    count = capped_count(query, Email.id)
    page = Page(
        [words.shown(email, "public.notices.show") for email in found.items],
        found.previous_href,
        found.next_href,
        counted(count, N_("1 e-mail"), N_("%(count)s e-mails")),
    )
    return render_template("notices/own_index.html", page=page)


@blueprint.get("/account/mail/<int:email_id>")
def show(email_id: int) -> ResponseReturnValue:
    """One of them."""
    email = queries.get_own_email(current_user.id, email_id)
    show_letters()
    return render_template(
        "notices/own_show.html",
        mail=words.shown(email, "public.notices.show"),
        text=marks.redacted_text(email),
    )


@blueprint.get("/account/mail/<int:email_id>/html")
def html(email_id: int) -> ResponseReturnValue:
    """Its HTML version, for the frame."""
    return letters.answer(queries.get_own_email(current_user.id, email_id))


def _subscription(token: str) -> marks.Subscription:
    settings: Settings = current_app.config["SETTINGS"]
    subscription = marks.read_token(token, settings)
    if subscription is None or not preferences.exists(subscription):
        raise NotFound("This link does not work. Sign in and choose your mail under your account.")
    return subscription


@blueprint.get("/unsubscribe/<token>")
@public
def unsubscribe(token: str) -> ResponseReturnValue:
    """Ask whether a kind of mail is to be switched off; looking changes nothing."""
    subscription = _subscription(token)
    is_on = preferences.wants(
        subscription.notice, user_id=subscription.user_id, payee_id=subscription.payee_id
    )
    kind = catalogue.KINDS[subscription.notice]
    return render_template("notices/unsubscribe.html", kind=kind, is_on=is_on, was_done=False)


@blueprint.post("/unsubscribe/<token>")
@public
def unsubscribe_now(token: str) -> ResponseReturnValue:
    """Switch the kind off (or on again, with `undo`). Works without a session and without a form's token.

    Mail programs send this by themselves; the signed address is the proof, and it can do nothing else.
    """
    subscription = _subscription(token)
    is_wanted = "undo" in request.form
    who = Actor(None, "the link in a mail", request.remote_addr or "", str(request.user_agent)[:300])
    with transaction():
        preferences.choose(subscription=subscription, is_wanted=is_wanted, actor=who, now=utc_now())
    kind = catalogue.KINDS[subscription.notice]
    return render_template("notices/unsubscribe.html", kind=kind, is_on=is_wanted, was_done=True)
