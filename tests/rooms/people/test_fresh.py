"""Money actions ask who is there when the last proof is older than ten minutes; nothing typed is lost."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import PASSWORD, organisation, people, sign_in, user
from tests.factories import pages as made
from tests.factories.factors import app_of
from tests.rooms.people.test_passkeys import add
from tests.support.authenticator import Authenticator
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout
from webapp.people import service
from webapp.people.models import User, UserSession

ASKED = "Confirm that it is you"
IN_DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


@pytest.fixture
def place(database: Flask) -> made.Place:
    """Two admins who have a password, a technician with payment details."""
    found = made.place(database)
    with transaction():
        for person in (found.maker, found.approver):
            service.set_password(user_id=person.id, password=PASSWORD, actor=people.FACTORY, now=people.WHEN)
    return found


@pytest.fixture
def clock() -> Iterator[Any]:
    """Time that stands still until a test moves it."""
    with time_machine.travel(utc_now(), tick=False) as moved:
        yield moved


@pytest.fixture
def stale(place: made.Place, clock: Any) -> FlaskClient:
    """The approver's browser, in use all the time, eleven minutes after sign-in."""
    client = place.client(place.approver)
    for _ in range(11):
        clock.shift(timedelta(minutes=1))
        assert client.get("/account").status_code == 200
    return client


def token(client: FlaskClient) -> str | None:
    with client.session_transaction() as cookie:
        return cookie.get("session")


def held(page: str) -> str:
    found = re.search(r'name="held_form" value="([^"]+)"', page)
    assert found, "the page holds no form"
    return unescape(found[1])


def tags() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


def state(payout: Payout) -> str:
    db.session.expire_all()
    return db.session.get_one(Payout, payout.id).state


# ---- Pages that are opened ------------------------------------------------------------------------------


def test_a_page_leads_to_the_question_and_back(place: made.Place, stale: FlaskClient) -> None:
    address = f"/admin/payouts/{place.payout().reference}/approve"
    asked = stale.get(address)
    assert (asked.status_code, asked.location) == (303, f"/account/confirm?next={address}")
    page = stale.get(asked.location)
    assert ASKED in page.text
    before = token(stale)
    wrong = stale.post("/account/confirm", data={"next": address, "proof_password": "not the password"})
    assert wrong.status_code == 422
    assert "That is not right." in wrong.text
    assert "not the password" not in wrong.text
    assert token(stale) == before
    right = stale.post("/account/confirm", data={"next": address, "proof_password": PASSWORD})
    assert (right.status_code, right.location) == (303, address)
    assert token(stale) != before
    assert stale.get(address).status_code == 200
    assert [tag for tag in tags() if "confirm" in tag] == [
        "people:session:confirm_failed",
        "people:session:confirmed",
    ]


def test_the_old_token_is_worth_nothing(place: made.Place, stale: FlaskClient) -> None:
    old = token(stale)
    stale.post("/account/confirm", data={"proof_password": PASSWORD})
    planted = place.app.test_client()
    with planted.session_transaction() as cookie:
        cookie["session"] = old
    assert planted.get("/account").status_code == 302
    assert stale.get("/account").status_code == 200
    assert db.session.scalars(select(UserSession.ended_at)).all() == [None]


def test_the_window_is_ten_minutes(place: made.Place, clock: Any) -> None:
    client = place.client(place.approver)
    address = f"/admin/payouts/{place.payout().reference}/approve"
    clock.shift(timedelta(minutes=9))
    assert client.get(address).status_code == 200
    clock.shift(timedelta(minutes=1))
    assert client.get(address).status_code == 200
    clock.shift(timedelta(seconds=1))
    assert client.get(address).status_code == 303


def test_the_question_leads_to_this_site_only(stale: FlaskClient) -> None:
    for address in ("https://elsewhere.example/", "//elsewhere.example", "/account/confirm", ""):
        page = stale.get("/account/confirm", query_string={"next": address})
        assert 'name="next" value="/me"' in page.text, address


def test_who_is_fresh_is_not_asked(place: made.Place) -> None:
    client = place.client(place.approver)
    assert client.get("/account/confirm?next=/admin/payouts").location == "/admin/payouts"


def test_a_dialog_asks_in_itself(place: made.Place, stale: FlaskClient) -> None:
    address = f"/admin/payouts/{place.payout().reference}/approve"
    asked = stale.get(address, headers=IN_DIALOG, follow_redirects=True)
    assert asked.status_code == 200
    assert "<html" not in asked.text
    assert 'data-hx-target="#dialog"' in asked.text
    done = stale.post(
        "/account/confirm",
        data={"next": address, "proof_password": PASSWORD},
        headers=IN_DIALOG,
        follow_redirects=True,
    )
    assert "<html" not in done.text
    assert "Approve" in done.text


# ---- Forms that are sent --------------------------------------------------------------------------------


def test_a_form_is_kept_and_goes_on_with_the_proof(place: made.Place, stale: FlaskClient) -> None:
    payout = place.payout()
    address = f"/admin/payouts/{payout.reference}/approve"
    asked = stale.post(address, data={"version": payout.version, "note": "Called Ana at noon."})
    assert asked.status_code == 403
    assert ASKED in asked.text
    assert state(payout) == "pending_approval"
    # What waits is sealed: neither readable nor to be changed.
    assert "Called Ana" not in asked.text
    form = held(asked.text)
    wrong = stale.post(address, data={"held_form": form, "proof_password": "wrong"})
    assert (wrong.status_code, state(payout)) == (422, "pending_approval")
    assert held(wrong.text) == form
    empty = stale.post(address, data={"held_form": form})
    assert empty.status_code == 422
    assert "Enter your password" in empty.text
    before = token(stale)
    done = stale.post(address, data={"held_form": form, "proof_password": PASSWORD})
    assert (done.status_code, state(payout)) == (303, "approved")
    assert token(stale) != before
    event = db.session.scalars(
        select(AuditEvent).where(AuditEvent.subject_type == "payout").order_by(AuditEvent.id.desc())
    ).first()
    assert event is not None
    assert event.tag.endswith("approved")


def test_what_was_typed_comes_back_with_its_errors(place: made.Place, stale: FlaskClient) -> None:
    payout = place.approved()
    address = f"/admin/payouts/{payout.reference}/mark-paid"
    typed = {"version": payout.version, "paid_on": "not a day", "bank_reference": "UTR-7741"}
    asked = stale.post(address, data=typed)
    assert asked.status_code == 403
    page = stale.post(address, data={"held_form": held(asked.text), "proof_password": PASSWORD})
    assert page.status_code == 422
    assert "not a day" in page.text
    # The proof counts, even though the form has to be corrected first.
    assert stale.get(address).status_code == 200


@pytest.mark.parametrize("how", ["code", "passkey"])
def test_a_code_or_a_passkey_is_as_good(place: made.Place, clock: Any, how: str) -> None:
    app, codes = app_of(place.approver) if how == "code" else (None, [])
    client, key = place.client(place.approver), Authenticator()
    if app is None:
        add(client, key)
    payout = place.payout()
    for _ in range(11):
        clock.shift(timedelta(minutes=1))
        client.get("/account")
    address = f"/admin/payouts/{payout.reference}/approve"
    asked = client.post(address, data={"version": payout.version})
    assert ("proof_code" in asked.text) is (how == "code")
    assert ("data-passkey" in asked.text) is (how == "passkey")
    if app is not None:
        # Recovery codes are for signing in: none is burned here.
        burned = client.post(address, data={"held_form": held(asked.text), "proof_code": codes[0]})
        assert burned.status_code == 422
        proof = {"proof_code": app.now()}
    else:
        proof = {"proof_passkey": key.get(client.post("/account/confirm/passkey").json or {})}
    done = client.post(address, data={"held_form": held(asked.text), **proof})
    assert (done.status_code, state(payout)) == (303, "approved")
    row = db.session.scalars(select(UserSession).where(UserSession.ended_at.is_(None))).one()
    assert row.reauthenticated_at == utc_now()


def test_a_dialog_keeps_the_form(place: made.Place, stale: FlaskClient) -> None:
    payout = place.payout()
    address = f"/admin/payouts/{payout.reference}/approve"
    asked = stale.post(address, data={"version": payout.version}, headers=IN_DIALOG)
    assert asked.status_code == 403
    assert "<html" not in asked.text
    assert "data-error-message" not in asked.text
    done = stale.post(
        address, data={"held_form": held(asked.text), "proof_password": PASSWORD}, headers=IN_DIALOG
    )
    assert done.headers["HX-Redirect"] == f"/admin/payouts/{payout.reference}"
    assert state(payout) == "approved"


def test_from_the_dialog_to_the_page_with_the_passkey(place: made.Place, clock: Any) -> None:
    client, key = place.client(place.approver), Authenticator()
    add(client, key)
    payout = place.payout()
    for _ in range(11):
        clock.shift(timedelta(minutes=1))
        client.get("/account")
    address = f"/admin/payouts/{payout.reference}/approve"
    asked = client.post(address, data={"version": payout.version}, headers=IN_DIALOG)
    # Scripts do not run in what is swapped in.
    assert "data-passkey" not in asked.text
    page = client.post(address, data={"held_form": held(asked.text), "ask_on_a_page": "1"})
    assert page.status_code == 403
    assert "passkeys.js" in page.text
    assert "error-summary" not in page.text
    proof = key.get(client.post("/account/confirm/passkey").json or {})
    done = client.post(address, data={"held_form": held(page.text), "proof_passkey": proof})
    assert (done.status_code, state(payout)) == (303, "approved")


def test_another_place_of_the_page_gets_its_answer_and_the_dialog_closes(
    place: made.Place, stale: FlaskClient
) -> None:
    headers = {"HX-Request": "true", "HX-Target": "results"}
    asked = stale.post("/admin/settings/halt", data={"reason": "Odd"}, headers=headers)
    assert asked.headers["HX-Retarget"] == "#dialog"
    assert 'data-hx-target="#results"' in asked.text
    done = stale.post(
        "/admin/settings/halt",
        data={"held_form": held(asked.text), "proof_password": PASSWORD},
        headers=headers,
    )
    assert done.headers["HX-Trigger-After-Swap"] == "closeDialog"


def test_a_kept_form_is_of_use_in_its_place_only(place: made.Place, stale: FlaskClient) -> None:
    one, two = place.payout(), place.payout()
    asked = stale.post(f"/admin/payouts/{one.reference}/approve", data={"version": one.version})
    data = {"held_form": held(asked.text), "proof_password": PASSWORD}
    assert stale.post(f"/admin/payouts/{two.reference}/approve", data=data).status_code == 409
    assert place.client(place.maker).post(
        f"/admin/payouts/{one.reference}/approve", data=data
    ).status_code == 409  # fmt: skip
    changed = {**data, "held_form": data["held_form"][:-4] + "AAAA"}
    assert stale.post(f"/admin/payouts/{one.reference}/approve", data=changed).status_code == 409
    assert {state(one), state(two)} == {"pending_approval"}


def test_passwords_and_files_are_not_kept(place: made.Place, stale: FlaskClient) -> None:
    data = {
        "reason": "x",
        "password": "hunter2 hunter2",
        "proof_code": "",
        "file": (io.BytesIO(b"a"), "a.csv"),
    }
    asked = stale.post("/admin/settings/halt", data=data, content_type="multipart/form-data")
    assert asked.status_code == 403
    assert "Files are not kept." in asked.text
    from webapp import secrets

    row = db.session.scalars(select(UserSession)).one()
    binding = f"held_form.{row.id}./admin/settings/halt?"
    kept = secrets.key_ring().decrypt(held(asked.text), binding).reveal()["form"]
    assert "reason" in kept
    assert "hunter2" not in kept


def test_another_window_that_proved_it_meanwhile(place: made.Place, stale: FlaskClient) -> None:
    payout = place.payout()
    address = f"/admin/payouts/{payout.reference}/approve"
    asked = stale.post(address, data={"version": payout.version})
    stale.post("/account/confirm", data={"proof_password": PASSWORD})
    done = stale.post(address, data={"held_form": held(asked.text)})
    assert (done.status_code, state(payout)) == (303, "approved")


def test_forms_of_other_windows_still_work(place: made.Place, stale: FlaskClient) -> None:
    place.app.config["WTF_CSRF_ENABLED"] = True
    try:
        page = stale.get("/account").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found
        data = {"csrf_token": found[1]}
        assert stale.post("/account/confirm", data={**data, "proof_password": PASSWORD}).status_code == 303
        assert stale.post("/account/sessions/end-others", data=data).status_code == 303
    finally:
        place.app.config["WTF_CSRF_ENABLED"] = False


# ---- Where it is asked ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["approve", "pay", "retry", "mark-paid", "reissue", "settle-review", "release"]
)
def test_every_act_that_lets_money_go_asks(place: made.Place, stale: FlaskClient, action: str) -> None:
    payout = place.payout()
    address = f"/admin/payouts/{payout.reference}/{action}"
    assert stale.get(address).status_code == 303
    assert stale.post(address, data={"version": payout.version}).status_code == 403
    assert state(payout) == "pending_approval"


@pytest.mark.parametrize("action", ["reject", "hold", "cancel"])
def test_acts_that_keep_money_do_not_ask(place: made.Place, stale: FlaskClient, action: str) -> None:
    assert stale.get(f"/admin/payouts/{place.payout().reference}/{action}").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/admin/approvals/check",
        "/admin/approvals/check/RUN-1",
        "/admin/runs/RUN-1/confirm",
        "/admin/installations/pay/all",
        "/admin/settings/halt",
        "/admin/settings/resume",
    ],
)
def test_these_forms_ask(stale: FlaskClient, address: str) -> None:
    page = stale.post(address)
    assert page.status_code == 403
    assert ASKED in page.text


def test_payment_details_ask_before_they_are_typed(place: made.Place, stale: FlaskClient) -> None:
    address = f"/admin/payees/{place.payee.reference}/method"
    assert stale.get(address).location == f"/account/confirm?next={address}"
    assert stale.post(f"{address}/save", data={"draft": "x"}).status_code == 403


def test_an_accountant_who_looks_is_not_asked(place: made.Place, clock: Any) -> None:
    people.membership(place.maker, place.organisation, "technician")
    reader = user("ines@example.com", organisation=place.organisation, role="accountant")
    client = place.client(reader)
    for _ in range(11):
        clock.shift(timedelta(minutes=1))
        client.get("/account")
    assert client.get(f"/admin/installations/pay/{place.payee.reference}").status_code == 200
    assert client.get(f"/admin/payouts/{place.payout().reference}/approve").status_code == 403


# ---- Limits ---------------------------------------------------------------------------------------------


def test_wrong_proofs_are_limited(place: made.Place, stale: FlaskClient, limits: None) -> None:
    payout = place.payout()
    address = f"/admin/payouts/{payout.reference}/approve"
    form = held(stale.post(address, data={"version": payout.version}).text)
    for n in range(5):
        target = address if n % 2 else "/account/confirm"
        answer = stale.post(target, data={"held_form": form, "proof_password": f"wrong {n}"})
        assert answer.status_code == 422
    assert stale.post(address, data={"held_form": form, "proof_password": PASSWORD}).status_code == 429
    assert stale.post("/account/confirm", data={"proof_password": PASSWORD}).status_code == 429
    assert state(payout) == "pending_approval"


def test_a_session_that_ended_meanwhile_cannot_be_renewed(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.people import sessions

    person: User = user(organisation=organisation(), role="admin", password=PASSWORD)
    client = database.test_client()
    sign_in(client, person)
    row = db.session.scalars(select(UserSession)).one()
    with transaction():
        sessions.end(session_id=row.id, reason="ended by its user", now=utc_now())
        assert sessions.renew(session_id=row.id, now=utc_now()) is None
        assert sessions.complete(session_id=row.id, factor="totp", now=utc_now()) is None
