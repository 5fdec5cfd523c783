"""The people of an organisation: the list, invitations, one person's roles, state and sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import Select

from webapp.audit.views import files
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound, StaleVersion
from webapp.people import members, queries, users
from webapp.people.account_forms import InviteForm, PayeeInviteForm, RolesForm, UserFilterForm
from webapp.people.forms import attach
from webapp.people.members import Member
from webapp.people.models import Membership, Payee, Role
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("users", __name__, url_prefix="/users")

# Sentences about what one person could do alone, by organisation; rooms above know the approval rules.
warnings: list[Callable[[int], list[str]]] = []


def _warnings() -> list[str]:
    return [sentence for find in warnings for sentence in find(g.organisation.id)]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Everybody who belongs to the organisation, found by text and role, the newest first."""
    form = UserFilterForm(request.args)
    search, role = (form.search.data or "").strip(), form.role.data or ""
    query = members.members(g.organisation.id, search=search, role=role)
    rows = keyset(query, Membership.id, key_of=lambda row: row[1])
    people = members.describe(g.organisation.id, [row[0] for row in rows.items], utc_now())
    count = capped_count(query, Membership.id)
    words = "1 person" if count == "1" else f"{count} people"
    is_part = is_fragment()
    return render_template(
        "people/users/_list.html" if is_part else "people/users/index.html",
        form=form,
        page=Page(people, rows.previous_href, rows.next_href, words),
        is_filtered=bool(search or role),
        csv_href=url_for(".export", search=search or None, role=role or None),
        warnings=[] if is_part else _warnings(),
        may_change=may_change(),
        Role=Role,
    )


EXPORT_HEADERS = (
    "Name", "E-mail address", "Roles", "State", "Second factor", "Last sign-in at", "Invitation works until",
)  # fmt: skip


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """The people of exactly this filter as a file."""
    form = UserFilterForm(request.args)
    query = members.members(
        g.organisation.id, search=(form.search.data or "").strip(), role=form.role.data or ""
    )
    return files.list_file("people:users:exported", "user", "users", EXPORT_HEADERS, _cells(query))


def _cells(query: Select[Any]) -> Iterator[tuple[object, ...]]:
    organisation_id, now = g.organisation.id, utc_now()
    found = files.in_batches(query, Membership.id, lambda row: row[1])
    while batch := [row[0] for row in islice(found, files.BATCH)]:
        for member in members.describe(organisation_id, batch, now):
            yield (
                member.name, member.email, ", ".join(Role(role).label for role in member.roles), member.state,
                member.has_second_factor, member.last_sign_in_at, member.invited_until,
            )  # fmt: skip


@blueprint.route("/invite", methods=["GET", "POST"])
@needs_fresh_sign_in
def invite() -> ResponseReturnValue:
    """Invite somebody by mail; with ?payee=PY-0001 as that payee."""
    require_change()
    reference = request.args.get("payee")
    payee = queries.get_payee(g.organisation.id, reference) if reference else None
    form = InviteForm() if payee is None else PayeeInviteForm(email=payee.email)
    if form.validate_on_submit():
        try:
            _invite(form, payee)
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"An invitation to {(form.email.data or '').strip()} is on its way.", "success")
            where = url_for("admin.payees.show", reference=reference) if payee else url_for(".index")
            return see_other(where)
    code = 422 if form.errors else 200
    return render_template("people/users/invite.html", form=form, payee=payee, has_errors=code == 422), code


def _invite(form: InviteForm | PayeeInviteForm, payee: Payee | None) -> None:
    with transaction():
        users.invite(
            organisation_id=g.organisation.id,
            email=form.email.data or "",
            name=payee.name[:120] if payee else form["name"].data,
            roles=[] if payee else form["roles"].data,
            payee_id=payee.id if payee else None,
            actor=actor(),
            now=utc_now(),
        )


@blueprint.post("/invitations/<int:link_id>/resend")
@needs_fresh_sign_in
def resend(link_id: int) -> ResponseReturnValue:
    """Send an invitation again; the link sent before stops working."""
    words = "A new invitation is on its way. The link sent before does not work any more."
    return _act_on_invitation(link_id, users.resend_invitation, words)


@blueprint.post("/invitations/<int:link_id>/revoke")
@needs_fresh_sign_in
def revoke(link_id: int) -> ResponseReturnValue:
    """Take an invitation back, and the roles with it."""
    words = "The invitation is taken back. Its link does not work any more."
    return _act_on_invitation(link_id, users.revoke_invitation, words)


def _act_on_invitation(link_id: int, act: Callable[..., object], words: str) -> ResponseReturnValue:
    """Of a pending person the number of the invitation stands in the address, never the user's."""
    user_id = members.get_invitation(g.organisation.id, link_id).user_id
    return _do(user_id, act, words, url_for(".index"))


def _do(user_id: int, act: Callable[..., object], words: str, back: str) -> ResponseReturnValue:
    with transaction():
        act(organisation_id=g.organisation.id, user_id=user_id, actor=actor(), now=utc_now())
    flash(words, "success")
    return see_other(back)


def _member(user_id: int) -> Member:
    """One person who accepted. Raises NotFound, also while the invitation is pending: the list has all of that."""
    member = members.get(g.organisation.id, user_id, utc_now())
    if member.is_pending:
        raise NotFound
    return member


@blueprint.get("/<int:user_id>")
def show(user_id: int) -> ResponseReturnValue:
    """One person: what they may do, whether they can sign in, and where they are signed in."""
    member = _member(user_id)
    form = RolesForm(formdata=None, roles=list(member.roles), seen=",".join(member.roles))
    return _page(member, form)


def _page(
    member: Member, form: RolesForm, code: int = 200, conflict: str | None = None
) -> ResponseReturnValue:
    form.offer(member.roles)
    organisation_id = g.organisation.id
    user = members.get_user(organisation_id, member.user_id)
    page = render_template(
        "people/users/show.html",
        member=member,
        form=form,
        conflict=conflict,
        has_errors=code >= 400,
        sessions=members.sessions_here(organisation_id, member.user_id, utc_now()),
        payees=members.payees_of(organisation_id, member.user_id),
        is_elsewhere=members.is_elsewhere(organisation_id, member.user_id),
        is_demo=user.is_demo,
        is_self=member.user_id == current_user.id,
        may_change=may_change(),
        Role=Role,
    )
    return page, code


@blueprint.post("/<int:user_id>/roles")
@needs_fresh_sign_in
def roles(user_id: int) -> ResponseReturnValue:
    """Change what a person may do here; 409 when somebody else was faster, or a rule forbids it."""
    member = _member(user_id)
    form = RolesForm()
    form.offer(member.roles)
    if not form.validate_on_submit():
        return _page(member, form, 422)
    try:
        with transaction():
            users.change_roles(
                organisation_id=g.organisation.id,
                user_id=user_id,
                roles=form.roles.data or [],
                seen=[role for role in (form.seen.data or "").split(",") if role],
                actor=actor(),
                now=utc_now(),
            )
    except StaleVersion as error:
        member = _member(user_id)
        form.seen.data = ",".join(member.roles)
        return _page(member, form, 409, error.message)
    flash("The roles are changed. The person signs in again.", "success")
    return see_other(url_for(".show", user_id=user_id))


def _act(user_id: int, act: Callable[..., object], words: str) -> ResponseReturnValue:
    """Do it to somebody who accepted, and go back to their page."""
    _member(user_id)
    return _do(user_id, act, words, url_for(".show", user_id=user_id))


@blueprint.post("/<int:user_id>/remove")
@needs_fresh_sign_in
def remove(user_id: int) -> ResponseReturnValue:
    """Take a person out of this organisation."""
    words = "The person does not belong to this organisation any more."
    _member(user_id)
    return _do(user_id, users.remove, words, url_for(".index"))


@blueprint.post("/<int:user_id>/disable")
@needs_fresh_sign_in
def disable(user_id: int) -> ResponseReturnValue:
    """Switch an account off."""
    words = "The account is disabled. Its sessions are ended, its API tokens and links do not work any more."
    return _act(user_id, users.disable, words)


@blueprint.post("/<int:user_id>/enable")
@needs_fresh_sign_in
def enable(user_id: int) -> ResponseReturnValue:
    """Switch a disabled account on again."""
    words = "The account is enabled. API tokens that were revoked stay so."
    return _act(user_id, users.enable, words)


@blueprint.post("/<int:user_id>/reset")
@needs_fresh_sign_in
def send_reset(user_id: int) -> ResponseReturnValue:
    """Mail a person a way to a new password."""
    words = "A link to choose a new password is on its way. It works for one hour."
    return _act(user_id, users.send_reset, words)


@blueprint.post("/<int:user_id>/second-factor/remove")
@needs_fresh_sign_in
def remove_second_factor(user_id: int) -> ResponseReturnValue:
    """For somebody who lost their second factor: they sign in with the password and set up a new one."""
    words = "The second factor is removed, and the person is told by e-mail. They sign in with their password alone."
    return _act(user_id, users.remove_second_factor, words)


@blueprint.post("/<int:user_id>/sessions/end")
def end_sessions(user_id: int) -> ResponseReturnValue:
    """End all of a person's sessions in this organisation."""
    words = "The sessions in this organisation are ended."
    return _act(user_id, users.end_sessions, words)


@blueprint.post("/<int:user_id>/sessions/<int:session_id>/end")
def end_session(user_id: int, session_id: int) -> ResponseReturnValue:
    """End one of a person's sessions in this organisation."""
    return _act(user_id, partial(users.end_sessions, session_id=session_id), "That session is ended.")
