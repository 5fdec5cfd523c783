"""What admins do to the people of their organisation. Every change ends the sessions that it concerns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.people import members, queries, service, sessions
from webapp.people.access import links, second_factor
from webapp.people.access.models import AccountLink, ApiToken
from webapp.people.models import Membership, Organisation, Payee, Role, User, UserSession


def _record(
    action: str,
    user: User,
    organisation_id: int | None,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    audit.record(
        tag=f"people:user:{action}",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="user",
        subject_id=user.id,
        subject_label=user.email,
        changes=changes,
        note=note,
    )


def _check_roles(roles: Collection[str]) -> list[str]:
    """Known roles without repetition, in their usual order. Raises Invalid."""
    wanted = {str(role) for role in roles}
    if not wanted:
        raise Invalid("roles", "Choose at least one role.")
    if unknown := sorted(wanted - {role.value for role in Role}):
        raise Invalid("roles", f"{unknown[0][:40]!r} is not a role.", Role.ADMIN.value)
    return [role.value for role in Role if role.value in wanted]


def _not_oneself(user_id: int, actor: Actor, words: str) -> None:
    if actor.user_id == user_id:
        raise Conflict(f"Nobody {words}. Ask another admin.")


def _keep_an_admin(organisation: Organisation, user_id: int) -> None:
    """Refuse to lose the last person who can let others in. The organisation's row is locked by now."""
    others = [admin for admin in members.active_admins(organisation.id) if admin.id != user_id]
    if not others:
        raise Conflict(
            f"{organisation.name} would have no admin left. Make somebody else an admin first, then do this."
        )


# ---------------------------------------------------------------- invitations


def invite(
    *,
    organisation_id: int,
    email: str,
    name: str,
    roles: Collection[str],
    actor: Actor,
    now: datetime,
    payee_id: int | None = None,
) -> User:
    """Give an address roles in an organisation and mail the invitation; with `payee_id` as that payee.

    For an address with an account elsewhere the same happens, and nothing says so. Raises Invalid, NotFound.
    """
    organisation = members.lock(organisation_id)
    address = service.check_email(email)
    payee = _payee_to_invite(organisation_id, payee_id)
    wanted = _check_roles([*roles, *([payee.kind] if payee else [])])
    user = _find_or_create(address, name or address, actor, now)
    if queries.roles_in(user.id, organisation_id):
        return _invite_member(organisation, user, payee, wanted, actor, now)
    _give(organisation_id, user, payee, wanted, actor, now)
    links.create_invitation(user_id=user.id, organisation_id=organisation_id, actor=actor, now=now)
    return user


def _find_or_create(address: str, name: str, actor: Actor, now: datetime) -> User:
    """The person of an address. Another organisation that invites it at the same instant changes nothing here."""
    if user := queries.find_user(address):
        return user
    try:
        return service.create_user(email=address, name=name, password=None, actor=actor, now=now)
    except service.AddressTaken:
        if user := queries.find_user(address):
            return user
        raise


def _payee_to_invite(organisation_id: int, payee_id: int | None) -> Payee | None:
    if payee_id is None:
        return None
    payee = queries.get_payee_by_id(organisation_id, payee_id)
    if payee.user_id is not None:
        raise Invalid("email", f"{payee.reference} can sign in already, or is invited.")
    if not payee.is_active:
        raise Invalid("email", f"{payee.reference} is not active. Make the payee active first.")
    return payee


def _give(
    organisation_id: int, user: User, payee: Payee | None, roles: list[str], actor: Actor, now: datetime
) -> None:
    if payee is not None:
        service.link_user(
            organisation_id=organisation_id, payee_id=payee.id, user_id=user.id, actor=actor, now=now
        )
    for role in roles:
        service.add_membership(
            user_id=user.id, organisation_id=organisation_id, role=role, actor=actor, now=now
        )


def _invite_member(
    organisation: Organisation,
    user: User,
    payee: Payee | None,
    roles: list[str],
    actor: Actor,
    now: datetime,
) -> User:
    """Somebody who belongs here already: a payee's page may still make them that payee, without a mail."""
    if payee is None:
        raise Invalid(
            "email", f"{user.email} belongs to {organisation.name} already. Change the roles on their page."
        )
    if user.id == actor.user_id:
        raise Invalid("email", "Nobody gives roles to themselves. Ask another admin.")
    _give(organisation.id, user, payee, roles, actor, now)
    return user


def resend_invitation(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> AccountLink:
    """Mail a pending person a new link; the one sent before stops working. Raises NotFound, Conflict."""
    members.lock(organisation_id)
    _require_pending(organisation_id, user_id, now)
    return links.create_invitation(user_id=user_id, organisation_id=organisation_id, actor=actor, now=now)


def _require_pending(organisation_id: int, user_id: int, now: datetime) -> User:
    user = members.get_user(organisation_id, user_id)
    if not members.describe(organisation_id, [user], now)[0].is_pending:
        raise Conflict(f"{user.email} has accepted already. There is no invitation to change.")
    return user


def revoke_invitation(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> None:
    """Take an invitation back: the link stops working and the roles are gone. Raises NotFound, Conflict."""
    members.lock(organisation_id)
    user = _require_pending(organisation_id, user_id, now)
    _take_everything(organisation_id, user, actor, now)
    _record("invitation_revoked", user, organisation_id, actor, now)


def send_reset(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> AccountLink:
    """Mail a person of the organisation a way to a new password. Raises NotFound, Conflict."""
    user = members.get_user(organisation_id, user_id)
    if members.describe(organisation_id, [user], now)[0].is_pending:
        raise Conflict("The invitation was not accepted yet. Send it again instead.")
    if not user.is_active or user.is_demo:
        raise Conflict(f"{user.email} cannot get a new password this way.")
    return links.create_reset(user_id=user.id, organisation_id=organisation_id, actor=actor, now=now)


# ---------------------------------------------------------------- roles


def change_roles(
    *,
    organisation_id: int,
    user_id: int,
    roles: Collection[str],
    actor: Actor,
    now: datetime,
    seen: Collection[str] | None = None,
) -> list[str]:
    """Make these the roles of a person in the organisation; returns them. Their sessions here end.

    `seen` are the roles that the page showed. Raises Invalid, NotFound, StaleVersion, and Conflict for one's own
    roles or the last admin's.
    """
    organisation = members.lock(organisation_id)
    user = members.get_user(organisation_id, user_id)
    _not_oneself(user_id, actor, "changes their own roles")
    wanted, held = _check_roles(roles), queries.roles_in(user_id, organisation_id)
    if seen is not None and set(seen) != held:
        raise StaleVersion("Somebody else changed these roles since you opened this page. Nothing was saved.")
    gone = held - set(wanted)
    if not gone and held == set(wanted):
        return wanted
    if Role.ADMIN.value in gone and user.is_active:
        _keep_an_admin(organisation, user_id)
    for role in sorted(set(wanted) - held):
        service.add_membership(
            user_id=user_id, organisation_id=organisation_id, role=role, actor=actor, now=now
        )
    _take_roles(organisation_id, user, gone, actor, now)
    sessions.end_all(user_id=user_id, organisation_id=organisation_id, reason="roles changed", now=now)
    return wanted


def _take_roles(
    organisation_id: int, user: User, roles: Collection[str], actor: Actor, now: datetime
) -> None:
    """Remove roles, and the link to the payees that went with them."""
    if not roles:
        return
    db.session.execute(
        delete(Membership).where(
            Membership.organisation_id == organisation_id,
            Membership.user_id == user.id,
            Membership.role.in_(sorted(roles)),
        )
    )
    db.session.expire(user, ["memberships"])
    for role in sorted(roles):
        audit.record(
            tag="people:membership:removed",
            actor=actor,
            now=now,
            organisation_id=organisation_id,
            subject_type="user",
            subject_id=user.id,
            subject_label=user.email,
            changes={"role": [role, None]},
        )
    for payee in members.payees_of(organisation_id, user.id):
        if payee.kind in roles:
            _unlink(payee, user, actor, now)


def _unlink(payee: Payee, user: User, actor: Actor, now: datetime) -> None:
    payee.user_id = None
    payee.version += 1
    db.session.flush()
    audit.record(
        tag="people:payee:unlinked",
        actor=actor,
        now=now,
        organisation_id=payee.organisation_id,
        subject_type="payee",
        subject_id=payee.id,
        subject_label=f"{payee.reference} {payee.name}",
        changes={"user": [user.email, None]},
    )


def remove(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> None:
    """Take a person out of the organisation; their account and other organisations stay as they are.

    Raises NotFound, and Conflict for oneself or the last admin.
    """
    organisation = members.lock(organisation_id)
    user = members.get_user(organisation_id, user_id)
    _not_oneself(user_id, actor, "removes themselves")
    if Role.ADMIN.value in queries.roles_in(user_id, organisation_id) and user.is_active:
        _keep_an_admin(organisation, user_id)
    _take_everything(organisation_id, user, actor, now)
    _record("removed", user, organisation_id, actor, now)


def _take_everything(organisation_id: int, user: User, actor: Actor, now: datetime) -> None:
    _take_roles(organisation_id, user, queries.roles_in(user.id, organisation_id), actor, now)
    links.revoke(user_id=user.id, kind=links.INVITATION, organisation_id=organisation_id, now=now)
    _revoke_tokens(user.id, now, organisation_id)
    sessions.end_all(user_id=user.id, organisation_id=organisation_id, reason="roles changed", now=now)


def _revoke_tokens(user_id: int, now: datetime, organisation_id: int | None = None) -> int:
    statement = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    if organisation_id is not None:
        statement = statement.where(ApiToken.organisation_id == organisation_id)
    result: Any = db.session.execute(statement.values(revoked_at=now))
    return int(result.rowcount)


# ---------------------------------------------------------------- state


def _one_s_own(organisation_id: int, user_id: int, now: datetime) -> User:
    """A person whose account this organisation may switch off and on: they accepted, and belong to no other."""
    user = members.get_user(organisation_id, user_id)
    if members.describe(organisation_id, [user], now)[0].is_pending:
        raise Conflict("The invitation was not accepted yet. Take it back instead.")
    if members.is_elsewhere(organisation_id, user_id):
        raise Conflict(
            f"{user.name} also works in another organisation, so the account stays as it is. "
            "Remove the person from this organisation instead."
        )
    return user


def disable(*, organisation_id: int, user_id: int, actor: Actor, now: datetime, reason: str = "") -> None:
    """Switch a person's account off: sessions end, API tokens and links stop working. Again: nothing changes.

    Raises NotFound, and Conflict for oneself, the last admin, or somebody who belongs to other organisations, too.
    """
    organisation = members.lock(organisation_id)
    _not_oneself(user_id, actor, "disables their own account")
    user = _one_s_own(organisation_id, user_id, now)
    if not user.is_active:
        return
    if Role.ADMIN.value in queries.roles_in(user_id, organisation_id):
        _keep_an_admin(organisation, user_id)
    user.is_active = False
    db.session.flush()
    sessions.end_all(user_id=user_id, reason="account disabled", now=now)
    tokens = _revoke_tokens(user_id, now)
    links.revoke(user_id=user_id, now=now)
    changes = {"is_active": [True, False], "api_tokens_revoked": [0, tokens]}
    _record("disabled", user, organisation_id, actor, now, changes, reason)


def enable(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> None:
    """Switch a disabled account on again; API tokens stay revoked. Raises NotFound, Conflict."""
    members.lock(organisation_id)
    _not_oneself(user_id, actor, "enables their own account")
    user = _one_s_own(organisation_id, user_id, now)
    if user.is_active:
        return
    user.is_active = True
    db.session.flush()
    sessions.end_all(user_id=user_id, reason="account enabled", now=now)
    _record("enabled", user, organisation_id, actor, now, {"is_active": [False, True]})


def remove_second_factor(*, organisation_id: int, user_id: int, actor: Actor, now: datetime) -> None:
    """Take app, passkeys and recovery codes from somebody who lost them; the person is told and signed out.

    Raises NotFound, and Conflict for oneself, somebody without one, or who belongs to other organisations, too.
    """
    members.lock(organisation_id)
    _not_oneself(user_id, actor, "removes their own second factor here")
    user = _one_s_own(organisation_id, user_id, now)
    if not second_factor.factors_of(user_id).has_any:
        raise Conflict(f"{user.name} has no second factor.")
    second_factor.remove_all(user_id=user_id, actor=actor, now=now)
    _record("second_factor_removed", user, organisation_id, actor, now)


def end_sessions(
    *, organisation_id: int, user_id: int, actor: Actor, now: datetime, session_id: int | None = None
) -> int:
    """End a person's sessions in the organisation, or the one named; returns how many ended. Raises NotFound."""
    user = members.get_user(organisation_id, user_id)
    statement = update(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.organisation_id == organisation_id,
        UserSession.ended_at.is_(None),
    )
    if session_id is not None:
        mine = select(UserSession.id).where(
            UserSession.id == session_id,
            UserSession.user_id == user_id,
            UserSession.organisation_id == organisation_id,
        )
        if db.session.scalar(mine) is None:
            raise NotFound
        statement = statement.where(UserSession.id == session_id)
    result: Any = db.session.execute(statement.values(ended_at=now, end_reason="ended by an admin"))
    ended = int(result.rowcount)
    if ended:
        _record("sessions_ended", user, organisation_id, actor, now, note=f"{ended} ended")
    return ended
