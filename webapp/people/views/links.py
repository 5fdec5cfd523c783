"""Pages for people who are not signed in: a forgotten password, and the links that mails carry."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.people import signing_in
from webapp.people.access import links
from webapp.people.access.links import INVITATION, RESET
from webapp.people.access.models import AccountLink
from webapp.people.account_forms import AcceptForm, ForgotForm, NewPasswordForm
from webapp.people.forms import attach
from webapp.people.throttle import limiter
from webapp.people.views.session import actor, origin
from webapp.web.guards import public
from webapp.web.htmx import see_other


def add_to(blueprint: Blueprint) -> None:
    """Mount the pages on the public blueprint of people."""
    both = ["GET", "POST"]
    blueprint.add_url_rule("/forgot", "forgot", forgot, methods=both)
    blueprint.add_url_rule("/account/reset/<token>", "reset", reset, methods=both)
    blueprint.add_url_rule("/account/invitation/<token>", "accept", accept, methods=both)


def _email_key() -> str:
    return "forgot:email:" + request.form.get("email", "").strip().lower()[:254]


def _ip_key() -> str:
    return f"forgot:ip:{request.remote_addr}"


@public
@limiter.limit("5 per day", key_func=_email_key, methods=["POST"])
@limiter.limit("20 per hour", key_func=_ip_key, methods=["POST"])
def forgot() -> ResponseReturnValue:
    """Ask for a reset link; the answer is the same whether or not the address has an account."""
    form = ForgotForm()
    if form.validate_on_submit():
        with transaction():
            links.ask_reset(email=form.email.data or "", origin=origin(), now=utc_now())
        return see_other(url_for(".forgot", sent=1))
    code = 422 if form.errors else 200
    is_sent = "sent" in request.args and code == 200
    return render_template("people/forgot.html", form=form, is_sent=is_sent, has_errors=code == 422), code


@public
def reset(token: str) -> ResponseReturnValue:
    """Choose a new password by a link from a mail."""
    return _follow(token, RESET)


@public
def accept(token: str) -> ResponseReturnValue:
    """Accept an invitation by the link from its mail; who has no password yet chooses one."""
    return _follow(token, INVITATION)


def _gone(kind: str, code: int) -> ResponseReturnValue:
    """One page for every link that opens nothing: it does not say whose it was, or what became of it."""
    return render_template("people/links/gone.html", is_invitation=kind == INVITATION), code


def _follow(token: str, kind: str) -> ResponseReturnValue:
    link = links.look_up(token, kind)
    if link is None:
        return _gone(kind, 404)
    if not links.is_open(link, utc_now()):
        return _gone(kind, 410)
    asks = links.asks_for_password(link)
    form = NewPasswordForm() if asks else AcceptForm()
    if form.validate_on_submit():
        try:
            return _use(token, link, form.password.data if asks else None)
        except Invalid as error:
            attach(form, error)
        except links.Spent:
            return _gone(kind, 410)
        except NotFound:
            return _gone(kind, 404)
    code = 422 if form.errors else 200
    link = links.look_up(token, kind) or link
    page = "people/links/choose.html" if asks else "people/links/accept.html"
    return render_template(page, form=form, link=link, has_errors=code == 422), code


def _use(token: str, link: AccountLink, password: str | None) -> ResponseReturnValue:
    """Use the link and lead on; whoever was signed in in this browser as somebody else is signed out."""
    kind, now = link.kind, utc_now()
    stays = password is None and current_user.is_authenticated and current_user.id == link.user_id
    with transaction():
        if current_user.is_authenticated and not stays:
            signing_in.sign_out(
                session_id=current_user.session_id, actor=actor(), organisation_id=None, now=now
            )
        links.use(token=token, kind=kind, password=password, origin=origin(), now=now)
    if stays:
        flash("The invitation is accepted.", "success")
        return see_other(url_for(".organisations"))
    session.clear()
    if password is not None:
        flash("Your password is set. Sign in with it.", "success")
    else:
        flash("The invitation is accepted. Sign in to go on.", "success")
    return redirect(url_for(".sign_in"), 303)
