"""One's own mail: what came, what is wanted, and the link that switches one kind off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from jobs import mail as jobs
from tests.factories import people
from tests.rooms.notices import world as worlds
from tests.rooms.notices.world import World, mails
from webapp.audit.models import AuditEvent
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.notices import catalogue, marks, preferences
from webapp.notices.marks import Subscription
from webapp.notices.models import Email, NoticeOptOut
from webapp.people.access.models import AccountLink


@pytest.fixture
def world(database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(jobs, "utc_now", lambda: now)
    return worlds.build(now)


@pytest.fixture
def with_csrf(app: Flask) -> Iterator[None]:
    """Form tokens are asked for, as in real life."""
    app.config["WTF_CSRF_ENABLED"] = True
    yield
    app.config["WTF_CSRF_ENABLED"] = False


def off(user_id: int) -> set[str]:
    return set(preferences.switched_off(user_id))


def boxes(page: str) -> dict[str, str]:
    """Notice → its checkbox."""
    return {
        found[1]: found[0]
        for found in re.findall(r'(<input type="checkbox"[^>]*id="notice-([a-z_]+)"[^>]*>)', page)
    }


def test_the_page_of_choices_shows_what_concerns_the_person(client: FlaskClient, world: World) -> None:
    people.sign_in(client, world.ana, world.organisation)
    shown = boxes(client.get("/account/notifications").text)
    assert {"digest", "bulk_result", "import_result", "policy_changed", "new_device"} <= set(shown)
    assert "statement" not in shown
    people.sign_in(client, world.maya, world.organisation)
    shown = boxes(client.get("/account/notifications").text)
    assert {"statement", "payout_paid", "details_asked", "new_device"} <= set(shown)
    assert not {"digest", "policy_changed"} & set(shown)
    for notice, box in shown.items():
        assert "checked" in box
        assert ("disabled" in box) == (not catalogue.is_optional(notice))
    page = client.get("/account/notifications").text
    assert "Mail about your money is always sent." in page
    assert "Mail that protects your account and your money is always sent." in page


def test_choosing(client: FlaskClient, world: World) -> None:
    people.sign_in(client, world.ana, world.organisation)
    answer = client.post("/account/notifications", data={"wanted": ["digest"]})
    assert (answer.status_code, answer.location) == (303, "/account/notifications")
    assert off(world.ana.id) == {"bulk_result", "import_result"}
    shown = boxes(client.get("/account/notifications").text)
    assert ["checked" in shown[name] for name in ("digest", "bulk_result")] == [True, False]
    client.post("/account/notifications", data={"wanted": ["digest", "import_result", "bulk_result"]})
    assert off(world.ana.id) == set()
    notes = select(AuditEvent.tag).where(AuditEvent.tag.startswith("notices:choice"))
    assert len(db.session.scalars(notes).all()) == 4


def test_money_and_security_mail_stays_whatever_is_posted(client: FlaskClient, world: World) -> None:
    people.sign_in(client, world.maya, world.organisation)
    client.post("/account/notifications", data={"wanted": ["payout_paid", "nonsense", "digest"]})
    assert off(world.maya.id) == {"statement"}
    jobs.payout_paid(world.ids["payout_paid"])
    assert [email.notice for email in mails()] == ["payout_paid"]
    token = marks.token_of(
        Subscription("payout_paid", user_id=world.maya.id), client.application.config["SETTINGS"]
    )
    assert client.post(f"/unsubscribe/{token}").status_code == 404
    assert off(world.maya.id) == {"statement"}


def test_a_person_sees_their_own_mail_and_nobody_elses(client: FlaskClient, world: World) -> None:
    jobs.new_device(world.ids["new_device"])
    jobs.digest(world.ids["digest"])
    jobs.payout_paid(world.ids["payout_paid"])
    device, digest, paid = mails()
    people.sign_in(client, world.maya, world.organisation)
    page = client.get("/account/mail").text
    for email in (device, paid):
        assert f"/account/mail/{email.id}" in page
        assert client.get(f"/account/mail/{email.id}").status_code == 200
    assert f"/account/mail/{digest.id}" not in page
    for address in (f"/account/mail/{digest.id}", f"/account/mail/{digest.id}/html"):
        assert client.get(address).status_code == 404
    # An admin reads the organisation's mail, never that about somebody's account.
    people.sign_in(client, world.ana, world.organisation)
    assert "New sign-in" not in client.get("/admin/emails").text
    for address in ("", "/html"):
        assert client.get(f"/admin/emails/{device.id}{address}").status_code == 404
    assert client.post(f"/admin/emails/{device.id}/resend").status_code == 404


def test_the_html_of_a_mail_is_shown_in_a_sandbox(client: FlaskClient, world: World) -> None:
    jobs.payout_paid(world.ids["payout_paid"])
    (paid,) = mails()
    people.sign_in(client, world.maya, world.organisation)
    page = client.get(f"/account/mail/{paid.id}")
    assert re.search(rf'<iframe[^>]*src="/account/mail/{paid.id}/html"[^>]*\bsandbox\b(?!=)', page.text)
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    letter = client.get(f"/account/mail/{paid.id}/html")
    policy = letter.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'", "form-action 'none'"} <= set(policy)
    assert not [part for part in policy if part.startswith("script-src")]
    assert letter.text == paid.body_html
    assert "frame-src" not in client.get("/account/mail").headers["Content-Security-Policy"]


def link_of(world: World, settings: Settings, notice: str = "digest") -> str:
    return "/unsubscribe/" + marks.token_of(Subscription(notice, user_id=world.ana.id), settings)


def test_looking_at_the_link_changes_nothing(client: FlaskClient, world: World, settings: Settings) -> None:
    page = client.get(link_of(world, settings))
    assert page.status_code == 200
    assert "Switch it off" in page.text
    assert off(world.ana.id) == set()
    assert client.head(link_of(world, settings)).status_code == 200
    assert off(world.ana.id) == set()


def test_one_click_without_session_or_token(
    app: Flask, world: World, settings: Settings, with_csrf: None
) -> None:
    address = link_of(world, settings)
    for _ in range(2):
        answer = app.test_client().post(address, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "You get no more mail of this kind." in answer.text
        assert off(world.ana.id) == {"digest"}
    rows = db.session.scalars(select(NoticeOptOut)).all()
    assert [(row.user_id, row.payee_id, row.notice) for row in rows] == [(world.ana.id, None, "digest")]
    assert "Undo" in app.test_client().get(address).text
    for _ in range(2):
        answer = app.test_client().post(address, data={"undo": "yes"})
        assert (answer.status_code, off(world.ana.id)) == (200, set())
    notes = select(AuditEvent.tag).where(AuditEvent.tag.startswith("notices:choice")).order_by(AuditEvent.id)
    assert list(db.session.scalars(notes)) == ["notices:choice:off", "notices:choice:on"]


def test_links_that_we_did_not_sign(client: FlaskClient, world: World, settings: Settings) -> None:
    good = link_of(world, settings)
    other_key = settings.model_copy(update={"secret_key": "another-secret-key-of-more-than-32-characters"})
    nobody = marks.token_of(Subscription("digest", user_id=9_999_999), settings)
    for address in (good[:-3] + "AAA", good + "A", link_of(world, other_key), "/unsubscribe/" + "A" * 5000,
                    "/unsubscribe/WyJ1IiwxXQ", f"/unsubscribe/{nobody}"):  # fmt: skip
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code == 404
            assert "ana@solaria.example" not in answer.text
    assert off(world.ana.id) == set()
    # An older key still opens what it signed.
    rotated = other_key.model_copy(update={"secret_key_fallbacks": settings.secret_key})
    token = good.rpartition("/")[2]
    assert marks.read_token(token, rotated) == Subscription("digest", user_id=world.ana.id)


def test_a_payees_own_choice_counts_before_and_after_they_get_an_account(world: World, now: datetime) -> None:
    with transaction():
        db.session.add(NoticeOptOut(payee_id=world.payee.id, notice="statement", created_at=now))
    assert off(world.maya.id) == {"statement"}
    assert not preferences.wants("statement", user_id=world.maya.id, payee_id=world.payee.id)
    with transaction():
        preferences.choose_all(user_id=world.maya.id, offered=["statement"], wanted=["statement"],
                               actor=people.actor_of(world.maya), now=now)  # fmt: skip
    assert off(world.maya.id) == set()


def test_the_demo_outbox_opens_personal_links_in_demo_mode_only(
    client: FlaskClient, world: World, app: Flask, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    jobs.account_link(world.ids["invitation"])
    jobs.account_link(world.ids["reset"])
    invitation, reset = mails()
    people.sign_in(client, world.ana, world.organisation)
    page = client.get(f"/demo/outbox/{invitation.id}").text
    assert "a personal link, which only the recipient" in page
    assert "/account/invitation/" not in page + client.get(f"/demo/outbox/{invitation.id}/html").text
    assert client.get(f"/demo/outbox/{reset.id}").status_code == 404
    monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update={"environment": "demo"}))
    for email, kind in ((invitation, "invitation"), (reset, "reset")):
        page = client.get(f"/demo/outbox/{email.id}").text
        found = re.search(rf'href="(http://localhost:8000/account/{kind}/[^"]+)"', page)
        assert found
        assert found[1] in client.get(f"/demo/outbox/{email.id}/html").text
        link = db.session.get_one(AccountLink, email.link_id)
        assert app.url_map.bind("localhost").match(found[1].removeprefix("http://localhost:8000"))[0]
        assert link.uid not in page
    assert client.get("/demo/outbox").text.count("/demo/outbox/") >= 2
    stored = "".join(e.body_text + e.body_html for e in db.session.scalars(select(Email)))
    assert "/account/" not in stored
