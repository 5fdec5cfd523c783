"""The page of users, invitations and one person's page, through the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from tests.factories import PASSWORD, membership, organisation, payee, sign_in, user
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people import passwords, queries, sessions
from webapp.people.access.models import AccountLink, Passkey, TotpSecret
from webapp.people.models import Organisation, User


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user(
        "maya@solaria.example", organisation=house, role="admin", password=PASSWORD, name="Maya Fernandez"
    )


@pytest.fixture
def ira(house: Organisation) -> User:
    return user(
        "ira@solaria.example", organisation=house, role="accountant", password=PASSWORD, name="Ira Vance"
    )


@pytest.fixture
def signed_in(client: FlaskClient, admin: User, house: Organisation) -> FlaskClient:
    sign_in(client, admin, house)
    return client


def invite(client: FlaskClient, email: str, address: str = "/admin/users/invite", **values: Any) -> Any:
    return client.post(address, data={"email": email, "name": "Noor Ali", "roles": "accountant", **values})


def link_of(email: str) -> AccountLink:
    query = (
        select(AccountLink).join(AccountLink.user).where(User.email == email).order_by(AccountLink.id.desc())
    )
    return db.session.scalars(query).first()  # type: ignore[return-value]


def roles(person: User, house: Organisation) -> set[str]:
    db.session.rollback()
    return set(queries.roles_in(person.id, house.id))


@contextmanager
def counted() -> Iterator[list[str]]:
    statements: list[str] = []

    def remember(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)


def test_the_list_shows_people_roles_and_second_factors(
    signed_in: FlaskClient, admin: User, ira: User, house: Organisation
) -> None:
    user("x@other.example", organisation=organisation("other"), role="admin", name="Stranger")
    with transaction():
        db.session.add(
            Passkey(user_id=ira.id, credential_id="c", public_key="k", name="Laptop", created_at=utc_now())
        )
        # One that was never confirmed does not count.
        db.session.add(TotpSecret(uid="u" * 32, user_id=admin.id, secret_encrypted="x", created_at=utc_now()))
    page = signed_in.get("/admin/users").text
    assert "Stranger" not in page
    rows = page.split("<tbody>")[1].split("</tr>")
    assert "Ira Vance" in rows[0]
    assert "<td>Yes</td>" in rows[0]
    assert "Accountant" in rows[0]
    assert "Maya Fernandez" in rows[1]
    assert "<td>No</td>" in rows[1]
    assert "2 people" in page
    assert "Ira Vance" not in signed_in.get("/admin/users?role=admin").text
    assert "<bdi>Maya Fernandez" not in signed_in.get("/admin/users?search=ira@").text
    part = signed_in.get("/admin/users?search=nobody", headers={"HX-Request": "true"}).text
    assert "No user fits this filter" in part
    assert "<html" not in part


def test_the_list_costs_the_same_for_many(signed_in: FlaskClient, house: Organisation) -> None:
    with counted() as few:
        signed_in.get("/admin/users")
    for n in range(30):
        user(f"p{n}@solaria.example", organisation=house, role=("accountant", "technician"))
    with counted() as many:
        page = signed_in.get("/admin/users?size=25")
    assert len(many) <= 12, "\n".join(many)
    assert len(many) <= len(few) + 1
    assert 'rel="next"' in page.text
    following = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "maya@solaria.example" in signed_in.get(following).text


def test_an_invitation_by_form(signed_in: FlaskClient, admin: User, house: Organisation) -> None:
    response = invite(signed_in, " Noor@X.example ")
    assert (response.status_code, response.location) == (303, "/admin/users")
    page = signed_in.get("/admin/users").text
    assert "An invitation to Noor@X.example is on its way." in page
    assert "noor@x.example" in page
    assert "Noor Ali" not in page, "until it is accepted, only the address is shown"
    assert "Invited" in page
    invited = queries.find_user("noor@x.example")
    assert invited is not None
    assert signed_in.get(f"/admin/users/{invited.id}").status_code == 404


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"email": ""}, "Enter the e-mail address."),
        ({"email": "not one"}, "This is not an e-mail address."),
        ({"name": ""}, "Enter the name."),
        ({"name": "x" * 121}, "at most 120"),
        ({"name": "x" * 10_000}, "at most 120"),
        ({"roles": []}, "Choose at least one role."),
        ({"roles": ["king"]}, "not a valid choice"),
        ({"roles": ["technician"]}, "not a valid choice"),
        ({"email": "maya@solaria.example"}, "belongs to Solaria already"),
    ],
)
def test_a_refused_invitation_keeps_what_was_typed(
    signed_in: FlaskClient, house: Organisation, values: dict[str, Any], words: str
) -> None:
    given = {"email": "noor@x.example", "name": "Noor Ali", "roles": ["admin"], **values}
    response = signed_in.post("/admin/users/invite", data=given)
    assert response.status_code == 422
    assert words in response.text
    for name in ("email", "name"):
        if name not in values and given[name]:
            assert f'value="{given[name]}"' in response.text
    assert link_of("noor@x.example") is None


@pytest.mark.parametrize("address", ["noor", "noor@", "noor@x..example"])
def test_every_error_of_an_invitation_is_said_at_once(signed_in: FlaskClient, address: str) -> None:
    response = signed_in.post("/admin/users/invite", data={"email": address, "name": "", "roles": []})
    assert response.status_code == 422
    for field, words in (
        ("email", "This is not an e-mail address. Example: maya@example.com"),
        ("name", "Enter the name."),
        ("roles", "Choose at least one role."),
    ):
        assert f'<li><a href="#{field}">{words}</a></li>' in response.text


def test_names_come_out_inert(signed_in: FlaskClient, house: Organisation) -> None:
    bad = "<script>alert(1)</script>=1+1\u202e"
    assert invite(signed_in, "noor@x.example", name=bad).status_code == 303
    with transaction():
        link_of("noor@x.example").used_at = utc_now()
    page = signed_in.get("/admin/users").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_more_fields_than_the_form_has_are_ignored(
    signed_in: FlaskClient, house: Organisation, ira: User
) -> None:
    extra = {
        "organisation_id": "999",
        "is_demo": "y",
        "password": "x",
        "user_id": str(ira.id),
        "payee_id": "1",
    }
    assert invite(signed_in, "noor@x.example", **extra).status_code == 303
    made = queries.find_user("noor@x.example")
    assert made is not None
    assert (made.is_demo, made.password_hash) == (False, None)
    assert roles(made, house) == {"accountant"}
    answer = signed_in.post(
        f"/admin/users/{ira.id}/roles",
        data={"roles": "accountant", "seen": "accountant", "is_active": "", "email": "thief@x.example"},
    )
    assert answer.status_code == 303
    kept = db.session.get_one(User, ira.id, populate_existing=True)
    assert (kept.email, kept.is_active) == ("ira@solaria.example", True)


def test_a_payee_is_invited_from_their_page(signed_in: FlaskClient, house: Organisation) -> None:
    made = payee(house, "technician", name="Tara Singh", email="tara@x.example")
    address = f"/admin/users/invite?payee={made.reference}"
    page = signed_in.get(address).text
    assert 'value="tara@x.example"' in page
    assert 'type="checkbox"' not in page
    response = invite(signed_in, "tara@x.example", address, roles="admin", name="Somebody else")
    assert response.location == f"/admin/payees/{made.reference}"
    tara = queries.find_user("tara@x.example")
    assert tara is not None
    assert tara.name == "Tara Singh"
    assert roles(tara, house) == {"technician"}, "the role comes from the payee, not from the form"
    again = invite(signed_in, "second@x.example", address)
    assert again.status_code == 422
    assert "can sign in already" in again.text
    foreign = payee(organisation("other"), reference_only := "technician")
    assert reference_only == foreign.kind
    assert signed_in.get("/admin/users/invite?payee=PY-9999").status_code == 404


def test_sending_again_and_taking_back(signed_in: FlaskClient, house: Organisation) -> None:
    invite(signed_in, "noor@x.example")
    first = link_of("noor@x.example").id
    assert signed_in.post(f"/admin/users/invitations/{first}/resend").status_code == 303
    second = link_of("noor@x.example").id
    assert second != first
    assert f"/admin/users/invitations/{second}/revoke" in signed_in.get("/admin/users").text
    assert signed_in.post(f"/admin/users/invitations/{second}/revoke").status_code == 303
    assert "noor@x.example" not in signed_in.get("/admin/users").text
    assert signed_in.post(f"/admin/users/invitations/{second}/revoke").status_code == 404
    assert signed_in.post("/admin/users/invitations/999999/resend").status_code == 404


def test_another_organisation_s_invitation_is_not_found(signed_in: FlaskClient, house: Organisation) -> None:
    invite(signed_in, "noor@x.example")
    link_id = link_of("noor@x.example").id
    other = organisation("other")
    stranger = signed_in.application.test_client()
    sign_in(stranger, user(organisation=other, role="admin"), other)
    for action in ("resend", "revoke"):
        assert stranger.post(f"/admin/users/invitations/{link_id}/{action}").status_code == 404


def test_one_person_s_page(signed_in: FlaskClient, house: Organisation, ira: User) -> None:
    theirs = signed_in.application.test_client()
    sign_in(theirs, ira, house)
    page = signed_in.get(f"/admin/users/{ira.id}").text
    assert "Ira Vance" in page
    assert "127.0.0.1" in page
    assert page.count('type="checkbox"') == 2
    for part in ("roles", "disable", "reset", "remove", "sessions/end"):
        assert f"/admin/users/{ira.id}/{part}" in page
    assert signed_in.post(f"/admin/users/{ira.id}/sessions/end").status_code == 303
    assert theirs.get("/account").status_code == 302
    assert "Nowhere at the moment." in signed_in.get(f"/admin/users/{ira.id}").text


def test_one_session_is_ended(signed_in: FlaskClient, admin: User, house: Organisation, ira: User) -> None:
    theirs = signed_in.application.test_client()
    sign_in(theirs, ira, house)
    rows = {row.user_id: row.id for row in sessions_of(house)}
    assert signed_in.post(f"/admin/users/{ira.id}/sessions/{rows[admin.id]}/end").status_code == 404
    assert signed_in.post(f"/admin/users/{ira.id}/sessions/{rows[ira.id]}/end").status_code == 303
    assert theirs.get("/account").status_code == 302
    assert signed_in.get("/account").status_code == 200


def sessions_of(house: Organisation) -> list[Any]:
    from webapp.people.models import UserSession

    rows = list(db.session.scalars(select(UserSession).where(UserSession.organisation_id == house.id)))
    db.session.rollback()
    return rows


def test_roles_are_changed_and_the_person_signs_in_again(
    signed_in: FlaskClient, house: Organisation, ira: User
) -> None:
    theirs = signed_in.application.test_client()
    sign_in(theirs, ira, house)
    address = f"/admin/users/{ira.id}/roles"
    answer = signed_in.post(address, data={"roles": ["admin", "accountant"], "seen": "accountant"})
    assert answer.status_code == 303
    assert theirs.get("/account").status_code == 302
    assert roles(ira, house) == {"admin", "accountant"}
    stale = signed_in.post(address, data={"roles": ["accountant"], "seen": "accountant"})
    assert stale.status_code == 409
    assert "Somebody else changed these roles" in stale.text
    assert 'value="admin,accountant"' in stale.text
    assert stale.text.count("checked") == 1, "what the person chose is kept"
    empty = signed_in.post(address, data={"seen": "admin,accountant"})
    assert empty.status_code == 422
    assert "Choose at least one role" in empty.text
    assert signed_in.post(address, data={"roles": ["technician"], "seen": "x"}).status_code == 422
    assert roles(ira, house) == {"admin", "accountant"}


def test_a_payee_s_role_is_kept_or_taken_but_not_given_here(
    signed_in: FlaskClient, house: Organisation, ira: User
) -> None:
    tara = user("tara@x.example", name="Tara Singh")
    payee(house, "technician", user=tara)
    assert "Technician" in signed_in.get(f"/admin/users/{tara.id}").text
    address = f"/admin/users/{tara.id}/roles"
    data = {"roles": ["technician", "accountant"], "seen": "technician"}
    assert signed_in.post(address, data=data).status_code == 303
    assert roles(tara, house) == {"technician", "accountant"}


def test_nobody_changes_themselves(
    signed_in: FlaskClient, admin: User, house: Organisation, ira: User
) -> None:
    page = signed_in.get(f"/admin/users/{admin.id}").text
    assert "Nobody changes their own roles." in page
    assert f"/admin/users/{admin.id}/disable" not in page
    for action, data in (
        ("roles", {"roles": ["accountant", "admin"], "seen": "admin"}),
        ("disable", {}),
        ("enable", {}),
        ("remove", {}),
    ):
        response = signed_in.post(f"/admin/users/{admin.id}/{action}", data=data)
        assert response.status_code == 409, action
        assert "Ask another admin." in response.text
    assert roles(admin, house) == {"admin"}


def test_disabling_and_enabling(signed_in: FlaskClient, house: Organisation, ira: User) -> None:
    theirs = signed_in.application.test_client()
    sign_in(theirs, ira, house)
    assert signed_in.post(f"/admin/users/{ira.id}/disable").status_code == 303
    page = signed_in.get(f"/admin/users/{ira.id}").text
    assert "This person cannot sign in." in page
    assert f"/admin/users/{ira.id}/reset" not in page
    assert theirs.get("/account").status_code == 302
    bare = signed_in.application.test_client()
    credentials = {"email": ira.email, "password": PASSWORD}
    assert bare.post("/sign-in", data=credentials).status_code == 422
    assert signed_in.post(f"/admin/users/{ira.id}/enable").status_code == 303
    assert bare.post("/sign-in", data=credentials).status_code == 303


def test_somebody_of_two_organisations_is_explained(
    signed_in: FlaskClient, house: Organisation, ira: User
) -> None:
    membership(ira, organisation("other"), "owner")
    page = signed_in.get(f"/admin/users/{ira.id}").text
    assert "also works in another organisation" in page
    assert "Other" not in page.replace("Other sessions", "")
    refused = signed_in.post(f"/admin/users/{ira.id}/disable")
    assert refused.status_code == 409
    assert "Remove the person from this organisation instead." in refused.text
    assert signed_in.post(f"/admin/users/{ira.id}/remove").location == "/admin/users"
    assert "Ira Vance" not in signed_in.get("/admin/users").text


def test_a_reset_link_is_sent(signed_in: FlaskClient, house: Organisation, ira: User) -> None:
    assert signed_in.post(f"/admin/users/{ira.id}/reset").status_code == 303
    assert link_of(ira.email).kind == "reset"
    assert "It works for one hour." in signed_in.get(f"/admin/users/{ira.id}").text


def test_the_last_admin_is_told_why(signed_in: FlaskClient, admin: User, house: Organisation) -> None:
    second = user("second@solaria.example", organisation=house, role="admin")
    assert signed_in.post(f"/admin/users/{second.id}/disable").status_code == 303
    theirs = signed_in.application.test_client()
    sign_in(theirs, second, house)
    assert theirs.post(f"/admin/users/{admin.id}/remove").status_code in (302, 401)
    assert roles(admin, house) == {"admin"}


def test_accountants_look_and_change_nothing(
    client: FlaskClient, house: Organisation, admin: User, ira: User
) -> None:
    sign_in(client, ira, house)
    assert "Invite somebody" not in client.get("/admin/users").text
    page = client.get(f"/admin/users/{admin.id}").text
    assert "/disable" not in page
    assert "Save roles" not in page
    assert client.get("/admin/users/invite").status_code == 403
    assert client.post(f"/admin/users/{admin.id}/disable").status_code == 403


def test_old_sign_ins_are_asked_again(signed_in: FlaskClient, house: Organisation, ira: User) -> None:
    from datetime import timedelta

    from webapp.people.models import UserSession

    with transaction():
        row = db.session.scalars(select(UserSession)).one()
        row.reauthenticated_at = utc_now() - timedelta(minutes=11)
    for action in ("roles", "disable", "remove", "reset"):
        answer = signed_in.post(
            f"/admin/users/{ira.id}/{action}", data={"roles": "admin", "seen": "accountant"}
        )
        assert answer.status_code == 403, action
    assert roles(ira, house) == {"accountant"}
    assert link_of(ira.email) is None


# ---------------------------------------------------------------- one person alone


def test_the_page_warns_where_one_person_can_do_everything(
    signed_in: FlaskClient, admin: User, house: Organisation
) -> None:
    assert "Maya Fernandez is the only admin" in signed_in.get("/admin/users").text
    invite(signed_in, "noor@x.example", roles="admin")
    assert "is the only admin" in signed_in.get("/admin/users").text, "an invitation approves nothing"
    with transaction():
        link_of("noor@x.example").used_at = utc_now()
    assert "is the only admin" not in signed_in.get("/admin/users").text
    other = queries.find_user("noor@x.example")
    assert other is not None
    assert signed_in.post(f"/admin/users/{other.id}/disable").status_code == 303
    assert "is the only admin" in signed_in.get("/admin/users").text


def test_a_single_operator_is_named_as_such(signed_in: FlaskClient, admin: User, house: Organisation) -> None:
    from tests.factories import actor_of
    from webapp.payouts import policies

    rules = {**policies.current_policy(house.id)[0].rules, "single_operator": {"is_on": True}}
    db.session.rollback()
    with transaction():
        policies.change_policy(organisation_id=house.id, rules=rules, actor=actor_of(admin), now=utc_now())
    assert "can do everything here alone" in signed_in.get("/admin/users").text


# ---------------------------------------------------------------- one's own password

OTHER = "eleven green kites at noon"


def change(client: FlaskClient, present: str = PASSWORD, password: str = OTHER, **values: str) -> Any:
    return client.post(
        "/account/password", data={"present": present, "password": password, "again": password, **values}
    )


def test_one_s_own_password(signed_in: FlaskClient, admin: User, house: Organisation) -> None:
    elsewhere = signed_in.application.test_client()
    sign_in(elsewhere, admin, house)
    with signed_in.session_transaction() as cookie:
        before = cookie["session"]
    response = change(signed_in)
    assert (response.status_code, response.location) == (303, "/account")
    assert "Your password is changed." in signed_in.get("/account").text
    assert elsewhere.get("/account").status_code == 302
    assert sessions.find_live(token=before, now=utc_now()) is None, "the session goes on under a new token"
    assert passwords.verify(OTHER, db.session.get_one(User, admin.id, populate_existing=True).password_hash)
    from webapp.outbox.models import OutboxMessage

    message = db.session.scalars(select(OutboxMessage)).one()
    assert (message.kind, message.reference_id) == ("notice.security.password_changed", admin.id)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"present": ""}, "Enter your present password."),
        ({"present": "wrong"}, "This is not your present password."),
        ({"password": "short"}, "at least 12"),
        ({"password": "MayaFernandez1"}, "easy to guess"),
        ({"password": PASSWORD}, "This is your present password."),
        ({"again": "something else"}, "The two passwords differ"),
    ],
)
def test_a_refused_change_changes_nothing(
    signed_in: FlaskClient, admin: User, values: dict[str, str], words: str
) -> None:
    response = change(signed_in, **values)
    assert response.status_code == 422
    assert words in response.text
    assert PASSWORD not in response.text
    assert passwords.verify(
        PASSWORD, db.session.get_one(User, admin.id, populate_existing=True).password_hash
    )


def test_wrong_present_passwords_are_throttled(signed_in: FlaskClient, admin: User, limits: None) -> None:
    codes = [change(signed_in, "wrong").status_code for _ in range(6)]
    assert codes == [422] * 5 + [429]
    assert change(signed_in).status_code == 429
    assert passwords.verify(
        PASSWORD, db.session.get_one(User, admin.id, populate_existing=True).password_hash
    )


def test_demo_accounts_keep_their_password(client: FlaskClient, house: Organisation) -> None:
    demo = user("demo@solaria.example", organisation=house, role="admin", password=PASSWORD, is_demo=True)
    sign_in(client, demo, house)
    response = change(client)
    assert response.status_code == 409
    assert "Demo accounts keep their password." in response.text
