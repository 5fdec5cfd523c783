"""What admins do to the people of their organisation, and whose sessions and tokens end by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests.factories import PASSWORD, actor_of, membership, organisation, payee, user
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.outbox.models import OutboxMessage
from webapp.people import members, queries, service, sessions, users
from webapp.people.access import links
from webapp.people.access.models import AccountLink, ApiToken
from webapp.people.commands import invite as invite_command
from webapp.people.models import Membership, Organisation, Payee, User, UserSession


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


@pytest.fixture
def ira(house: Organisation) -> User:
    return user(
        "ira@solaria.example", organisation=house, role="accountant", password=PASSWORD, name="Ira Vance"
    )


def act(
    what: Callable[..., Any], house: Organisation, person: User | int, by: User | None, **values: Any
) -> Any:
    actor = actor_of(by) if by is not None else COMMAND
    with transaction():
        return what(
            organisation_id=house.id,
            user_id=person if isinstance(person, int) else person.id,
            actor=actor,
            now=utc_now(),
            **values,
        )


def invite(house: Organisation, by: User, email: str = "new@x.example", **values: Any) -> User:
    given = {"name": "Noor Ali", "roles": ["accountant"], **values}
    with transaction():
        return users.invite(organisation_id=house.id, email=email, actor=actor_of(by), now=utc_now(), **given)


def session(person: User, house: Organisation | None) -> int:
    with transaction():
        _, row = sessions.start(
            user_id=person.id,
            organisation_id=house.id if house else None,
            ip="",
            user_agent="",
            now=utc_now(),
        )
        return row.id


def ended(session_id: int) -> str:
    db.session.rollback()
    row = db.session.get_one(UserSession, session_id, populate_existing=True)
    return row.end_reason if row.ended_at else ""


def token(person: User, house: Organisation) -> int:
    with transaction():
        row = ApiToken(
            token_hash=f"{person.id}-{house.id}-{utc_now().timestamp()}", hint="pd_1", name="Script",
            scopes="payouts:read",
            organisation_id=house.id, user_id=person.id, created_at=utc_now(),
            expires_at=utc_now() + timedelta(days=30),
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
        return row.id


def is_revoked(token_id: int) -> bool:
    db.session.rollback()
    return db.session.get_one(ApiToken, token_id, populate_existing=True).revoked_at is not None


def roles(person: User, house: Organisation) -> set[str]:
    db.session.rollback()
    return set(queries.roles_in(person.id, house.id))


def tags(house: Organisation) -> list[str]:
    query = select(AuditEvent.tag).where(AuditEvent.organisation_id == house.id).order_by(AuditEvent.id)
    return list(db.session.scalars(query))


# ---------------------------------------------------------------- roles


def test_changed_roles_end_the_sessions_here_and_no_others(
    house: Organisation, admin: User, ira: User
) -> None:
    other = organisation("other")
    membership(ira, other, "owner")
    here, there, nowhere = session(ira, house), session(ira, other), session(ira, None)
    mine = session(admin, house)
    assert act(users.change_roles, house, ira, admin, roles=["admin", "accountant"]) == [
        "admin",
        "accountant",
    ]
    assert roles(ira, house) == {"admin", "accountant"}
    assert [ended(here), ended(there), ended(nowhere), ended(mine)] == [
        "roles changed",
        "",
        "roles changed",
        "",
    ]
    assert roles(ira, other) == {"owner"}
    here = session(ira, house)
    act(users.change_roles, house, ira, admin, roles=["accountant"])
    assert ended(here) == "roles changed"
    here = session(ira, house)
    act(users.change_roles, house, ira, admin, roles=["accountant"])
    assert ended(here) == "", "nothing changed, so nobody is signed out"
    assert tags(house)[-2:] == ["people:membership:added", "people:membership:removed"]


def test_roles_given_by_command_end_sessions_too(house: Organisation, ira: User, someone: Actor) -> None:
    here = session(ira, house)
    with transaction():
        service.add_membership(
            user_id=ira.id, organisation_id=house.id, role="admin", actor=someone, now=utc_now()
        )
    assert ended(here) == "roles changed"


def test_nobody_acts_on_themselves(house: Organisation, admin: User, ira: User) -> None:
    act(users.change_roles, house, ira, admin, roles=["admin"])
    for what, values in (
        (users.change_roles, {"roles": ["admin", "accountant"]}),
        (users.disable, {}),
        (users.enable, {}),
        (users.remove, {}),
    ):
        with pytest.raises(Conflict, match="Nobody"):
            act(what, house, ira, ira, **values)
    with pytest.raises(Invalid):
        invite(house, ira, "ira@solaria.example", roles=["accountant"])
    assert roles(ira, house) == {"admin"}


def test_the_last_active_admin_stays(house: Organisation, admin: User, ira: User) -> None:
    invite(house, admin, "pending@x.example", roles=["admin"])
    away = user("away@solaria.example", organisation=house, role="admin")
    act(users.disable, house, away, admin)
    elsewhere = organisation("other")
    user("admin@other.example", organisation=elsewhere, role="admin")
    for what, values in (
        (users.change_roles, {"roles": ["accountant"]}),
        (users.disable, {}),
        (users.remove, {}),
    ):
        # By command, for which the rule about oneself does not hold.
        with pytest.raises(Conflict, match="no admin left"):
            act(what, house, admin, None, **values)
    assert roles(admin, house) == {"admin"}
    act(users.change_roles, house, ira, admin, roles=["admin"])
    act(users.remove, house, admin, ira)
    assert roles(admin, house) == set()


def test_a_page_that_showed_other_roles_is_stale(house: Organisation, admin: User, ira: User) -> None:
    act(users.change_roles, house, ira, admin, roles=["admin"], seen=["accountant"])
    with pytest.raises(StaleVersion):
        act(users.change_roles, house, ira, admin, roles=["accountant"], seen=["accountant"])
    assert roles(ira, house) == {"admin"}


@pytest.mark.parametrize("bad", [[], ["king"], ["admin", "' OR 1=1"], ["x" * 5000]])
def test_only_roles_that_exist(house: Organisation, admin: User, ira: User, bad: list[str]) -> None:
    with pytest.raises(Invalid):
        act(users.change_roles, house, ira, admin, roles=bad)
    with pytest.raises(Invalid):
        invite(house, admin, roles=bad)
    assert queries.find_user("new@x.example") is None


def test_other_organisations_people_are_not_found(house: Organisation, admin: User) -> None:
    stranger = user("x@other.example", organisation=organisation("other"), role="accountant")
    for what, values in (
        (users.change_roles, {"roles": ["admin"]}),
        (users.remove, {}),
        (users.disable, {}),
        (users.enable, {}),
        (users.end_sessions, {}),
        (users.send_reset, {}),
        (users.resend_invitation, {}),
        (users.revoke_invitation, {}),
    ):
        with pytest.raises(NotFound):
            act(what, house, stranger, admin, **values)
        with pytest.raises(NotFound):
            act(what, house, 999_999, admin, **values)


# ---------------------------------------------------------------- state


def test_a_disabled_account_is_shut_everywhere(house: Organisation, admin: User, ira: User) -> None:
    here, key = session(ira, house), token(ira, house)
    act(users.send_reset, house, ira, admin)
    act(users.disable, house, ira, admin, reason="Left the company")
    assert ended(here) == "account disabled"
    assert is_revoked(key)
    assert db.session.scalars(select(AccountLink)).one().revoked_at is not None
    assert service.authenticate(email="ira@solaria.example", password=PASSWORD, now=utc_now()) is None
    db.session.rollback()
    act(users.disable, house, ira, admin)
    act(users.enable, house, ira, admin)
    act(users.enable, house, ira, admin)
    assert is_revoked(key), "a token does not come back to life"
    with transaction():
        assert service.authenticate(email="ira@solaria.example", password=PASSWORD, now=utc_now())
    assert [t for t in tags(house) if t.endswith("abled")] == ["people:user:disabled", "people:user:enabled"]
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "people:user:disabled")).one()
    assert event.note == "Left the company"


def test_an_account_of_several_organisations_is_only_removed(
    house: Organisation, admin: User, ira: User
) -> None:
    other = organisation("other")
    membership(ira, other, "accountant")
    here, there = session(ira, house), session(ira, other)
    keys = token(ira, house), token(ira, other)
    for what in (users.disable, users.enable):
        with pytest.raises(Conflict, match="another organisation"):
            act(what, house, ira, admin)
    act(users.remove, house, ira, admin)
    assert [ended(here), ended(there)] == ["roles changed", ""]
    assert [is_revoked(key) for key in keys] == [True, False]
    assert (roles(ira, house), roles(ira, other)) == (set(), {"accountant"})
    assert db.session.get_one(User, ira.id).is_active


def test_removing_a_payee_s_user_takes_the_payee_away_too(house: Organisation, admin: User) -> None:
    tara = user("tara@x.example")
    made = payee(house, "technician", user=tara)
    version = made.version
    act(users.remove, house, tara, admin)
    row = db.session.get_one(Payee, made.id, populate_existing=True)
    assert (row.user_id, row.version) == (None, version + 1)
    assert "people:payee:unlinked" in tags(house)
    db.session.rollback()
    invite(house, admin, "tara@x.example", roles=[], payee_id=made.id)
    assert roles(tara, house) == {"technician"}


def test_sessions_are_ended_one_by_one_or_all(house: Organisation, admin: User, ira: User) -> None:
    other = organisation("other")
    membership(ira, other, "owner")
    first, second, there = session(ira, house), session(ira, house), session(ira, other)
    mine = session(admin, house)
    for wrong in (there, mine, 999_999):
        with pytest.raises(NotFound):
            act(users.end_sessions, house, ira, admin, session_id=wrong)
    assert act(users.end_sessions, house, ira, admin, session_id=first) == 1
    assert [ended(first), ended(second), ended(there)] == ["ended by an admin", "", ""]
    assert act(users.end_sessions, house, ira, admin) == 1
    assert [ended(second), ended(there), ended(mine)] == ["ended by an admin", "", ""]
    assert tags(house).count("people:user:sessions_ended") == 2
    assert act(users.end_sessions, house, ira, admin) == 0


def test_a_reset_link_is_for_people_who_accepted(house: Organisation, admin: User, ira: User) -> None:
    link = act(users.send_reset, house, ira, admin)
    assert (link.kind, link.user_id) == ("reset", ira.id)
    pending = invite(house, admin)
    demo = user("demo@solaria.example", organisation=house, role="accountant", is_demo=True)
    for person in (pending, demo):
        with pytest.raises(Conflict):
            act(users.send_reset, house, person, admin)


# ---------------------------------------------------------------- invitations


def seen(house: Organisation, email: str) -> dict[str, Any]:
    """What the organisation sees of a person, but for numbers that count up."""
    person = queries.find_user(email)
    assert person is not None
    member = members.get(house.id, person.id, utc_now())
    shown = {
        k: v
        for k, v in vars(member).items()
        if k not in ("user_id", "invitation_id", "invited_until", "email")
    }
    assert member.invited_until is not None
    db.session.rollback()
    return shown


def test_an_address_with_an_account_elsewhere_looks_like_a_new_one(house: Organisation, admin: User) -> None:
    other = organisation("other")
    known = user("known@x.example", organisation=other, role="admin", password=PASSWORD, name="Real Name")
    with transaction():
        db.session.get_one(User, known.id).last_sign_in_at = utc_now()
    there = session(known, other)
    invite(house, admin, "known@x.example")
    invite(house, admin, "new@x.example")
    assert seen(house, "known@x.example") == seen(house, "new@x.example")
    assert ended(there) == ""
    by_name = db.session.execute(members.members(house.id, search="Real Name")).all()
    assert by_name == []
    assert len(db.session.execute(members.members(house.id, search="known@")).all()) == 1
    db.session.rollback()
    messages = db.session.scalars(select(OutboxMessage.kind)).all()
    assert list(messages) == ["notice.invitation"] * 2
    assert tags(house).count("people:user:invitation_sent") == 2
    db.session.rollback()
    link = db.session.scalars(select(AccountLink).where(AccountLink.user_id == known.id)).one()
    accepted = links.token_of(link)
    with transaction():
        links.use(token=accepted, kind="invitation", password=None, origin=COMMAND, now=utc_now())
    member = members.get(house.id, known.id, utc_now())
    assert (member.name, member.state) == ("Real Name", "active")


def test_sending_again_and_taking_back(house: Organisation, admin: User) -> None:
    invited = invite(house, admin)
    first = db.session.scalars(select(AccountLink)).one()
    db.session.rollback()
    second = act(users.resend_invitation, house, invited, admin)
    now = utc_now()
    assert not links.is_open(db.session.get_one(AccountLink, first.id), now)
    assert links.is_open(db.session.get_one(AccountLink, second.id), now)
    db.session.rollback()
    with pytest.raises(Conflict):
        act(users.disable, house, invited, admin)
    act(users.revoke_invitation, house, invited, admin)
    assert not links.is_open(db.session.get_one(AccountLink, second.id, populate_existing=True), now)
    assert roles(invited, house) == set()
    with pytest.raises(NotFound):
        act(users.resend_invitation, house, invited, admin)
    assert "people:user:invitation_revoked" in tags(house)
    db.session.rollback()
    again = invite(house, admin)
    assert again.id == invited.id
    assert seen(house, "new@x.example")["state"] == "pending"


def test_an_invitation_taken_back_leaves_the_payee_free(house: Organisation, admin: User) -> None:
    made = payee(house, "technician")
    invited = invite(house, admin, "tara@x.example", roles=[], payee_id=made.id)
    with pytest.raises(Invalid, match="can sign in already"):
        invite(house, admin, "second@x.example", roles=[], payee_id=made.id)
    act(users.revoke_invitation, house, invited, admin)
    assert db.session.get_one(Payee, made.id, populate_existing=True).user_id is None


def test_who_accepted_is_not_invited_any_more(house: Organisation, admin: User, ira: User) -> None:
    for what in (users.resend_invitation, users.revoke_invitation):
        with pytest.raises(Conflict, match="accepted already"):
            act(what, house, ira, admin)
    with pytest.raises(Invalid, match="belongs to Solaria already"):
        invite(house, admin, "IRA@solaria.example")


def test_a_member_becomes_a_payee_without_a_mail(house: Organisation, admin: User, ira: User) -> None:
    made = payee(house, "technician")
    invite(house, admin, ira.email, roles=[], payee_id=made.id)
    assert roles(ira, house) == {"accountant", "technician"}
    assert db.session.get_one(Payee, made.id, populate_existing=True).user_id == ira.id
    assert list(db.session.scalars(select(OutboxMessage))) == []


def test_a_foreign_or_inactive_payee_is_not_invited(house: Organisation, admin: User) -> None:
    foreign, idle = payee(organisation("other")), payee(house)
    with transaction():
        db.session.get_one(Payee, idle.id).is_active = False
    with pytest.raises(NotFound):
        invite(house, admin, roles=[], payee_id=foreign.id)
    with pytest.raises(Invalid, match="not active"):
        invite(house, admin, roles=[], payee_id=idle.id)


@pytest.mark.parametrize(
    "email", ["", "x", "a@b", "a b@x.example", "x@" + "y" * 300 + ".example", "a\r\nBcc: b@x.example"]
)
def test_only_addresses_are_invited(house: Organisation, admin: User, email: str) -> None:
    with pytest.raises(Invalid):
        invite(house, admin, email)
    assert db.session.scalars(select(Membership).where(Membership.user_id != admin.id)).all() == []


# ---------------------------------------------------------------- the command


def test_the_command_invites(house: Organisation) -> None:
    arguments = ["--email", "noor@x.example", "--organisation", "solaria", "--role", "admin"]
    result = CliRunner().invoke(invite_command, arguments)
    assert result.exit_code == 0, result.output
    assert result.output == "The mail that invites noor@x.example to solaria as admin is queued.\n"
    kinds = db.session.scalars(select(OutboxMessage.kind)).all()
    assert sorted(kinds) == ["notice.admin.added", "notice.invitation"]
    person = queries.find_user("noor@x.example")
    assert person is not None
    assert (person.name, person.password_hash) == ("noor@x.example", None)
    db.session.rollback()
    result = CliRunner().invoke(invite_command, [*arguments[:1], "ira@x.example", *arguments[2:], "--json"])
    assert json.loads(result.output)["mail"] == "queued"


def test_the_command_refuses(house: Organisation) -> None:
    run = CliRunner().invoke
    bad = run(invite_command, ["--email", "x@x.example", "--organisation", "nowhere", "--role", "admin"])
    assert isinstance(bad.exception, NotFound)
    bad = run(invite_command, ["--email", "x@x.example", "--organisation", "solaria", "--role", "king"])
    assert bad.exit_code == 2
