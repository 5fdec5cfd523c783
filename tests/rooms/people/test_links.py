"""Links in mails: they work once, for their time, and a dead one tells nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer
from sqlalchemy import func, select

from tests.factories import PASSWORD, actor_of, membership, organisation, payee, sign_in, user
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.people import passwords, queries, sessions, users
from webapp.people.access import links
from webapp.people.access.models import AccountLink
from webapp.people.models import Organisation, Payee, User, UserSession

NEW = "seven slow boats at dawn"


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


def make(kind: str, person: User, house: Organisation, someone: Actor) -> str:
    """An open link; answers its path."""
    with transaction():
        arguments: dict[str, Any] = {"user_id": person.id, "actor": someone, "now": utc_now()}
        link = (
            links.create_reset(**arguments)
            if kind == links.RESET
            else links.create_invitation(organisation_id=house.id, **arguments)
        )
        return links.url_of(link, "https://pay.example.org").removeprefix("https://pay.example.org")


def kinds() -> list[str]:
    return list(db.session.scalars(select(OutboxMessage.kind).order_by(OutboxMessage.id)))


def send(client: FlaskClient, path: str, password: str = NEW, **values: str) -> Any:
    return client.post(path, data={"password": password, "again": password, **values})


def test_a_reset_sets_the_password_once_and_ends_every_session(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    elsewhere = client.application.test_client()
    sign_in(elsewhere, admin, house)
    path = make(links.RESET, admin, house, someone)
    assert path.startswith("/account/reset/")
    page = client.get(path)
    assert page.status_code == 200
    assert "maya@solaria.example" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert elsewhere.get("/account").status_code == 200
    response = send(client, path)
    assert (response.status_code, response.location) == (303, "/sign-in")
    assert elsewhere.get("/account").status_code == 302
    assert "Your password is set." in client.get("/sign-in").text
    stored = db.session.get_one(User, admin.id)
    assert passwords.verify(NEW, stored.password_hash)
    assert not passwords.verify(PASSWORD, stored.password_hash)
    assert send(client, path, "another good long one").status_code == 410
    assert passwords.verify(NEW, db.session.get_one(User, admin.id).password_hash)
    assert "notice.security.password_changed" in kinds()
    tags = set(db.session.scalars(select(AuditEvent.tag)))
    assert {"people:user:reset_sent", "people:user:reset_used", "people:user:password_changed"} <= tags


def test_looking_at_a_link_uses_nothing(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    path = make(links.RESET, admin, house, someone)
    for _ in range(3):
        assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    assert db.session.scalars(select(AccountLink)).one().used_at is None
    assert send(client, path).status_code == 303


def used(client: FlaskClient, path: str) -> None:
    assert send(client, path).status_code == 303


def late(client: FlaskClient, path: str) -> None:
    with transaction():
        db.session.scalars(select(AccountLink)).one().expires_at = utc_now()


def revoked(client: FlaskClient, path: str) -> None:
    with transaction():
        links.revoke(user_id=db.session.scalars(select(AccountLink.user_id)).one(), now=utc_now())


def disabled(client: FlaskClient, path: str) -> None:
    with transaction():
        db.session.scalars(select(AccountLink)).one().user.is_active = False


@pytest.mark.parametrize("spoil", [used, late, revoked, disabled])
@pytest.mark.parametrize("kind", [links.RESET, links.INVITATION])
def test_a_dead_link_says_what_to_do_and_nothing_else(
    client: FlaskClient,
    house: Organisation,
    someone: Actor,
    kind: str,
    spoil: Callable[[FlaskClient, str], None],
) -> None:
    person = user("ira@solaria.example", organisation=house, role="accountant", name="Ira Vance")
    path = make(kind, person, house, someone)
    spoil(client, path)
    before = db.session.get_one(User, person.id).password_hash
    for response in (client.get(path), send(client, path, "not to be taken at all")):
        assert response.status_code == 410
        assert "This link does not work" in response.text
        for word in ("ira@", "Ira", "Vance", "Solaria"):
            assert word not in response.text
        assert ("/forgot" in response.text) == (kind == links.RESET)
        assert "/sign-in" in response.text
    assert db.session.get_one(User, person.id).password_hash == before


def test_the_page_of_every_dead_link_is_the_same(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    path = make(links.RESET, admin, house, someone)
    send(client, path)
    client.get("/sign-in")  # shows that it worked, once
    pages = {
        re.sub(r'value="[^"]*"', "", client.get(p).text) for p in (path, "/account/reset/made-up", path + "x")
    }
    assert len(pages) == 1


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "%00",
        "%F0%9F%98%80",
        "..%2f..",
        "e30.AAAA",
        "A" * 5000,
        "IjEi.",
        "' OR 1=1 --",
        "<b>x</b>",
    ],
)
@pytest.mark.parametrize("kind", [links.RESET, links.INVITATION])
def test_a_damaged_link_is_not_found(client: FlaskClient, database: Flask, kind: str, token: str) -> None:
    for response in (client.get(f"/account/{kind}/{token}"), send(client, f"/account/{kind}/{token}")):
        assert response.status_code in (400, 404)
        assert "<b>x</b>" not in response.text


def test_a_link_of_one_kind_is_none_of_the_other(
    client: FlaskClient, house: Organisation, someone: Actor
) -> None:
    person = user(organisation=house, role="accountant")
    path = make(links.INVITATION, person, house, someone)
    assert client.get(path.replace("invitation", "reset")).status_code == 404
    assert send(client, path.replace("invitation", "reset")).status_code == 404
    assert client.get(path).status_code == 200


def test_tokens_are_bound_to_our_key_and_to_links(
    database: Flask, admin: User, house: Organisation, someone: Actor
) -> None:
    make(links.RESET, admin, house, someone)
    link = db.session.scalars(select(AccountLink)).one()
    key = database.config["SETTINGS"].secret_key
    now = utc_now()
    assert links.find(links.token_of(link), now) is not None
    for forged in (
        URLSafeSerializer("another key of the same length......", salt="account-link").dumps(link.uid),
        URLSafeSerializer(key, salt="another use").dumps(link.uid),
        URLSafeSerializer(key, salt="account-link").dumps([link.uid]),
        URLSafeSerializer(key, salt="account-link").dumps(link.id),
        link.uid,
    ):
        assert links.find(str(forged), now) is None
        with pytest.raises(NotFound), transaction():
            links.use(token=str(forged), kind=links.RESET, password=NEW, origin=someone, now=now)


def test_links_signed_with_an_older_key_still_work(
    database: Flask, admin: User, house: Organisation, someone: Actor
) -> None:
    make(links.RESET, admin, house, someone)
    link = db.session.scalars(select(AccountLink)).one()
    token, settings = links.token_of(link), database.config["SETTINGS"]
    newer = "a newer secret key of more than thirty-two characters"
    try:
        rotated = {"secret_key": newer, "secret_key_fallbacks": settings.secret_key}
        database.config["SETTINGS"] = settings.model_copy(update=rotated)
        assert links.find(token, utc_now()) is not None
        assert links.token_of(link) != token
        database.config["SETTINGS"] = settings.model_copy(update={"secret_key": newer})
        assert links.find(token, utc_now()) is None
    finally:
        database.config["SETTINGS"] = settings


@pytest.mark.parametrize(
    ("kind", "valid"), [(links.RESET, timedelta(hours=1)), (links.INVITATION, timedelta(days=7))]
)
def test_links_end_by_themselves(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor, kind: str, valid: timedelta
) -> None:
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        path = make(kind, admin, house, someone)
        clock.move_to(start + valid - timedelta(seconds=1))
        assert client.get(path).status_code == 200
        clock.move_to(start + valid)
        assert client.get(path).status_code == 410


def test_a_new_link_makes_the_earlier_ones_worthless(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    for kind in (links.RESET, links.INVITATION):
        first, second = make(kind, admin, house, someone), make(kind, admin, house, someone)
        assert client.get(first).status_code == 410
        assert client.get(second).status_code == 200


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [
        ("", "", "Choose a password."),
        ("short", "short", "at least 12"),
        ("Password1234", "Password1234", "easy to guess"),
        ("maya@solaria.example", "maya@solaria.example", "must not be the e-mail address"),
        (NEW, NEW + "x", "The two passwords differ"),
        ("y" * 201, "y" * 201, "at most 200"),
    ],
)
def test_a_refused_password_does_not_use_the_link(
    client: FlaskClient,
    admin: User,
    house: Organisation,
    someone: Actor,
    password: str,
    again: str,
    words: str,
) -> None:
    path = make(links.RESET, admin, house, someone)
    response = client.post(path, data={"password": password, "again": again})
    assert response.status_code == 422
    assert words in response.text
    if password:
        assert f'value="{password}"' not in response.text.replace('value="maya@solaria.example" readonly', "")
    assert db.session.scalars(select(AccountLink)).one().used_at is None
    assert send(client, path).status_code == 303


def test_more_fields_than_the_form_has_are_ignored(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    other = user("other@solaria.example", organisation=house, role="accountant", password=PASSWORD)
    path = make(links.RESET, admin, house, someone)
    extra = {
        "email": "thief@x.example",
        "user_id": str(other.id),
        "is_active": "",
        "roles": "admin",
        "name": "X",
    }
    assert send(client, path, **extra).status_code == 303
    stored = db.session.get_one(User, admin.id)
    assert (stored.email, stored.name, stored.is_active) == ("maya@solaria.example", admin.name, True)
    assert passwords.verify(PASSWORD, db.session.get_one(User, other.id).password_hash)


def test_whoever_is_signed_in_as_somebody_else_is_signed_out(
    client: FlaskClient, admin: User, house: Organisation, someone: Actor
) -> None:
    invited = user("ira@solaria.example", organisation=house, role="accountant")
    sign_in(client, admin, house)
    path = make(links.INVITATION, invited, house, someone)
    assert send(client, path).location == "/sign-in"
    assert client.get("/account").status_code == 302
    assert db.session.scalars(select(UserSession)).one().ended_at is not None


# ---------------------------------------------------------------- forgotten passwords


def ask(client: FlaskClient, email: str) -> Any:
    return client.post("/forgot", data={"email": email})


def carry_out() -> None:
    """What a mail worker does with the requests that wait."""
    from jobs.accounts import reset_asked

    for reference_id in db.session.scalars(
        select(OutboxMessage.reference_id).where(OutboxMessage.kind == links.ASKED)
    ).all():
        db.session.rollback()
        reset_asked(reference_id)


def test_the_answer_does_not_tell_who_has_an_account(client: FlaskClient, admin: User) -> None:
    answers, rows = set(), []
    for email in (
        "maya@solaria.example",
        " MAYA@solaria.example",
        "nobody@x.example",
        "not an address",
        "x" * 250,
    ):
        response = ask(client, email)
        page = client.get(response.location)
        answers.add((response.status_code, response.location, re.sub(r'value="[^"]*"', "", page.text)))
        rows.append(db.session.scalar(select(func.count()).select_from(OutboxMessage)))
        db.session.rollback()
    assert len(answers) == 1
    assert rows == [1, 2, 3, 4, 5]
    assert db.session.scalar(select(func.count()).select_from(AccountLink)) == 0
    assert "If this address has an account" in page.text


def test_both_kinds_of_address_cost_the_same_statements(
    client: FlaskClient, admin: User, database: Flask
) -> None:
    from sqlalchemy import event

    seen: list[list[str]] = []

    def count(email: str) -> None:
        statements: list[str] = []

        def remember(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            statements.append(statement.split("(")[0])

        event.listen(db.engine, "before_cursor_execute", remember)
        try:
            ask(client, email)
        finally:
            event.remove(db.engine, "before_cursor_execute", remember)
        seen.append(statements)

    ask(client, "warm-up@x.example")
    count("maya@solaria.example")
    count("nobody@solaria.example")
    assert seen[0] == seen[1]
    assert len(seen[0]) > 3


def test_only_somebody_who_may_sign_in_is_mailed(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    away = user("away@solaria.example", organisation=house, role="admin", password=PASSWORD)
    user("demo@solaria.example", organisation=house, role="admin", is_demo=True)
    with transaction():
        db.session.get_one(User, away.id).is_active = False
    for email in ("nobody@x.example", "away@solaria.example", "demo@solaria.example", "maya@solaria.example"):
        assert ask(client, email).status_code == 303
    carry_out()
    link = db.session.scalars(select(AccountLink)).one()
    assert (link.user_id, link.kind) == (admin.id, "reset")
    assert kinds().count("notice.reset") == 1


def test_an_empty_address_is_asked_for(client: FlaskClient, database: Flask) -> None:
    response = ask(client, "")
    assert response.status_code == 422
    assert "Enter your e-mail address." in response.text
    assert client.get("/forgot").status_code == 200
    assert 'href="/forgot"' in client.get("/sign-in").text


def test_five_requests_a_day_for_one_address_known_or_not(
    client: FlaskClient, admin: User, limits: None
) -> None:
    for email in ("maya@solaria.example", "nobody@solaria.example"):
        assert [ask(client, email).status_code for _ in range(6)] == [303] * 5 + [429]
    assert ask(client, "third@solaria.example").status_code == 303
    assert client.get("/forgot").status_code == 200


def test_twenty_requests_an_hour_from_one_place(client: FlaskClient, limits: None) -> None:
    codes = [ask(client, f"person{n}@x.example").status_code for n in range(21)]
    assert codes == [303] * 20 + [429]


# ---------------------------------------------------------------- invitations


def invite(house: Organisation, admin: User, email: str, **values: Any) -> str:
    """Invite; answers the path of the link."""
    with transaction():
        invited = users.invite(
            organisation_id=house.id, email=email, actor=actor_of(admin), now=utc_now(),
            **{"name": "Ira Vance", "roles": ["accountant"], **values},
        )  # fmt: skip
        query = select(AccountLink).where(AccountLink.user_id == invited.id).order_by(AccountLink.id.desc())
        return links.url_of(db.session.scalars(query).first(), "")  # type: ignore[arg-type]


def test_an_invited_person_chooses_a_password_and_signs_in(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    path = invite(house, admin, "Ira@Solaria.example")
    assert kinds() == ["notice.invitation"]
    assert client.post("/sign-in", data={"email": "ira@solaria.example", "password": NEW}).status_code == 422
    page = client.get(path)
    assert "Solaria" in page.text
    assert send(client, path).location == "/sign-in"
    assert client.post("/sign-in", data={"email": "ira@solaria.example", "password": NEW}).status_code == 303
    assert client.get("/me").location == "/admin/"
    assert send(client, path).status_code == 410
    assert "people:user:invitation_accepted" in set(db.session.scalars(select(AuditEvent.tag)))


def test_a_payee_who_accepts_sees_what_is_theirs(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    made = payee(house, "technician", name="Tara Singh", email="tara@x.example")
    path = invite(house, admin, "tara@x.example", roles=[], name="Tara Singh", payee_id=made.id)
    assert send(client, path).status_code == 303
    tara = queries.find_user("tara@x.example")
    assert tara is not None
    assert db.session.get_one(Payee, made.id).user_id == tara.id
    db.session.rollback()
    client.post("/sign-in", data={"email": "tara@x.example", "password": NEW})
    assert client.get("/me").location == "/technician/"
    assert client.get("/technician/payouts").status_code == 200
    assert client.get("/admin/").status_code == 403


def test_somebody_with_an_account_accepts_without_a_new_password(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    other = organisation("other")
    ira = user("ira@other.example", organisation=other, role="admin", password=PASSWORD)
    elsewhere = client.application.test_client()
    sign_in(elsewhere, ira, other)
    path = invite(house, admin, "ira@other.example")
    assert elsewhere.get("/account").status_code == 200, (
        "an invitation signs nobody out of another organisation"
    )
    page = client.get(path).text
    assert "Accept the invitation" in page
    assert 'type="password"' not in page
    assert client.post(path, data={"password": NEW, "again": NEW}).location == "/sign-in"
    assert passwords.verify(PASSWORD, db.session.get_one(User, ira.id).password_hash)
    db.session.rollback()
    assert elsewhere.get("/account").status_code == 200
    path = invite(organisation("third"), user("x@third.example"), "ira@other.example")
    assert elsewhere.post(path).location == "/organisations"
    assert elsewhere.get("/account").status_code == 200


def test_the_services_refuse_what_the_page_would_not_send(
    admin: User, house: Organisation, someone: Actor, now: Any
) -> None:
    make(links.RESET, admin, house, someone)
    token = links.token_of(db.session.scalars(select(AccountLink)).one())
    for bad in (None, "", "short"):
        with pytest.raises(Invalid), transaction():
            links.use(token=token, kind=links.RESET, password=bad, origin=someone, now=utc_now())
    with transaction():
        links.use(token=token, kind=links.RESET, password=NEW, origin=someone, now=utc_now())
    with pytest.raises(links.Spent), transaction():
        links.use(token=token, kind=links.RESET, password=NEW, origin=someone, now=utc_now())


def test_a_pending_second_step_ends_with_the_old_password(
    admin: User, house: Organisation, someone: Actor
) -> None:
    now = utc_now()
    with transaction():
        token, _ = sessions.start(
            user_id=admin.id, organisation_id=house.id, ip="", user_agent="", now=now, is_pending=True
        )
    make(links.RESET, admin, house, someone)
    link = links.token_of(db.session.scalars(select(AccountLink)).one())
    with transaction():
        links.use(token=link, kind=links.RESET, password=NEW, origin=someone, now=now)
    assert sessions.find_pending(token=token, now=now) is None
    assert membership(admin, house, "admin").role == "admin"
