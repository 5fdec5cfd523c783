"""Sign-in, sign-out, organisation switch, one's own start page."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.people import queries, signing_in
from webapp.people.access import second_factor
from webapp.people.forms import SignInForm
from webapp.people.models import Membership, Role
from webapp.people.throttle import limiter
from webapp.people.views import links, own_password
from webapp.people.views.device_cookie import device_token
from webapp.people.views.fresh import open_without_factor
from webapp.people.views.numbers import number
from webapp.people.views.paths import local_path
from webapp.people.views.session import actor, begin, origin, pending
from webapp.web.guards import public
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, ngettext

blueprint = Blueprint("people", __name__)
links.add_to(blueprint)
own_password.add_to(blueprint)

# What a role's portal is called; an accountant looks at the admins' one.
PORTAL_OF = {**{role.value: role.value for role in Role}, Role.ACCOUNTANT.value: Role.ADMIN.value}


def _email_key() -> str:
    return "email:" + request.form.get("email", "").strip().lower()[:254]


def _ip_key() -> str:
    return f"ip:{request.remote_addr}"


def _has_failed(response: Response) -> bool:
    return response.status_code == 422


@blueprint.get("/")
@public
def index() -> ResponseReturnValue:
    """The start: one's own portal, or sign-in."""
    return redirect(url_for(".me" if current_user.is_authenticated else ".sign_in"))


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
@limiter.limit("10 per 5 minutes", key_func=_email_key, methods=["POST"], deduct_when=_has_failed)
@limiter.limit("50 per 5 minutes", key_func=_ip_key, methods=["POST"], deduct_when=_has_failed)
def sign_in() -> ResponseReturnValue:
    """E-mail and password; the answer never says which of them was wrong."""
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(local_path(request.args.get("next")) or url_for(".me"))
    form = SignInForm(next=request.args.get("next"))
    target = local_path(form.next.data)
    form.next.data = target or ""
    if form.validate_on_submit():
        if token := _try(form):
            begin(token)
            return see_other(_next_step(target))
        form.form_errors.append(N_("The e-mail address or the password is not right."))
    code = 422 if request.method == "POST" else 200
    return render_template("people/sign_in.html", form=form, has_errors=bool(form.errors)), code


def _next_step(target: str | None) -> str:
    """Where a right password leads: to the second factor for those who have one."""
    if pending():
        return url_for("public.second_factor.prove", next=target)
    return target or url_for(".me")


def _try(form: SignInForm) -> str | None:
    settings: Settings = current_app.config["SETTINGS"]
    with transaction():
        return signing_in.sign_in(
            email=form.email.data or "",
            password=form.password.data or "",
            origin=origin(),
            old_session_id=current_user.session_id if current_user.is_authenticated else None,
            demo_mode=settings.is_demo,
            now=utc_now(),
            device=device_token(),
        )


@blueprint.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End the session; signing out twice is no error."""
    if current_user.is_authenticated:
        with transaction():
            signing_in.sign_out(
                session_id=current_user.session_id,
                actor=actor(),
                organisation_id=_organisation_id(),
                now=utc_now(),
            )
    session.clear()
    flash("You are signed out.", "success")
    return see_other(url_for(".sign_in"))


def _organisation_id() -> int | None:
    return g.organisation.id if g.organisation else None


def _portals_here() -> list[Membership]:
    """The signed-in person's roles in the current organisation, one for each portal."""
    seen: dict[str, Membership] = {}
    for membership in queries.memberships_of(current_user.id):
        if membership.organisation_id == _organisation_id():
            seen.setdefault(PORTAL_OF[membership.role], membership)
    return list(seen.values())


@blueprint.get("/me")
def me() -> ResponseReturnValue:
    """To one's own portal; a choice where there are several."""
    portals = _portals_here()
    if len(portals) == 1:
        return redirect(url_for(f"{PORTAL_OF[portals[0].role]}.home.show"))
    if not portals and queries.memberships_of(current_user.id):
        return redirect(url_for(".organisations"))
    choices = [(Role(m.role).label, url_for(f"{PORTAL_OF[m.role]}.home.show")) for m in portals]
    return render_template("people/me.html", choices=choices)


@blueprint.get("/organisations")
def organisations() -> ResponseReturnValue:
    """Every organisation one belongs to, and the roles there."""
    grouped: dict[int, list[Membership]] = {}
    for membership in queries.memberships_of(current_user.id):
        grouped.setdefault(membership.organisation_id, []).append(membership)
    return render_template(
        "people/organisations.html", groups=list(grouped.values()), current_id=_organisation_id(), Role=Role
    )


@blueprint.post("/organisations/switch")
def switch_organisation() -> ResponseReturnValue:
    """Go on in another organisation."""
    with transaction():
        signing_in.switch_organisation(
            session_id=current_user.session_id,
            organisation_id=number(request.form.get("organisation_id")),
            actor=actor(),
            now=utc_now(),
        )
    return see_other(url_for(".me"))


@blueprint.get("/account")
@open_without_factor
def account() -> ResponseReturnValue:
    """Name, roles, and where one is signed in."""
    return render_template(
        "people/account.html",
        memberships=queries.memberships_of(current_user.id),
        factors=second_factor.factors_of(current_user.id),
        sessions=queries.live_sessions(current_user.id, utc_now()),
        Role=Role,
    )


@blueprint.post("/account/sessions/<int:session_id>/end")
@open_without_factor
def end_session(session_id: int) -> ResponseReturnValue:
    """Sign one browser out; this one, too."""
    with transaction():
        signing_in.end_own_session(
            session_id=session_id, actor=actor(), organisation_id=_organisation_id(), now=utc_now()
        )
    flash("That session is ended.", "success")
    return see_other(url_for(".account"))


@blueprint.post("/account/sessions/end-others")
@open_without_factor
def end_other_sessions() -> ResponseReturnValue:
    """Sign every other browser out."""
    with transaction():
        ended = signing_in.end_other_sessions(
            session_id=current_user.session_id,
            actor=actor(),
            organisation_id=_organisation_id(),
            now=utc_now(),
        )
    words = ngettext("%(num)s other session is ended.", "%(num)s other sessions are ended.", ended)
    flash(words if ended else N_("There was no other session."), "success")
    return see_other(url_for(".account"))
