"""The e-mail log and the demo's outbox."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import payouts as factory
from tests.factories import people
from webapp.database import db, transaction
from webapp.notices import service
from webapp.notices.models import Email
from webapp.people.models import Organisation, User


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria")


@pytest.fixture
def admin(organisation: Organisation) -> User:
    return people.user(organisation=organisation, role="admin")


def mail(organisation: Organisation, now: datetime, *, state: str = "sent", name: str = "Maya Okafor",
         error: str = "", event: str = "approved") -> Email:  # fmt: skip
    payee = people.payee(organisation, name=name, email="maya@example.com")
    payout = factory.payout_ready(organisation, payee)
    with transaction():
        email = service.compose_payout(
            event, payout.id, now=now, public_url="https://pay.example.org", mail_from="pay@example.org"
        )
        assert email is not None
        service.record_result(email_id=email.id, state=state, error=error, now=now)
    return email


def test_the_log_lists_filters_and_shows(client: FlaskClient, organisation: Organisation, admin: User,
                                         now: datetime) -> None:  # fmt: skip
    first = mail(organisation, now, name="<b>Maya</b>")
    second = mail(organisation, now, state="failed", error="550 no such user", event="paid")
    people.sign_in(client, admin, organisation)
    page = client.get("/admin/emails").get_data(as_text=True)
    assert f"/admin/emails/{first.id}" in page
    assert f"/admin/emails/{second.id}" in page
    assert "2 e-mails" in page
    assert "<b>Maya</b>" not in page
    assert "550 no such user" in page
    for address, shown, hidden in (
        ("/admin/emails?state=failed", second, first),
        ("/admin/emails?notice=payout_approved", first, second),
        ("/admin/emails?q=%3Cb%3E", first, second),
    ):
        filtered = client.get(address).get_data(as_text=True)
        assert f"/admin/emails/{shown.id}" in filtered
        assert f"/admin/emails/{hidden.id}" not in filtered
        assert "Remove filter" in filtered
    assert "No e-mails match" in client.get("/admin/emails?q=nobody").get_data(as_text=True)
    # A value that is not on offer narrows nothing, and nothing breaks.
    assert "2 e-mails" in client.get("/admin/emails?state=lost&notice=x").get_data(as_text=True)
    one = client.get(f"/admin/emails/{first.id}").get_data(as_text=True)
    assert "Hello &lt;b&gt;Maya&lt;/b&gt;," in one
    assert "<b>Maya</b>" not in one
    assert first.subject in one


def test_htmx_gets_the_results_alone(client: FlaskClient, organisation: Organisation, admin: User,
                                     now: datetime) -> None:  # fmt: skip
    mail(organisation, now)
    people.sign_in(client, admin, organisation)
    fragment = client.get("/admin/emails", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "<table" in fragment
    assert "<html" not in fragment


def test_pages_of_fifty(client: FlaskClient, organisation: Organisation, admin: User, now: datetime) -> None:
    original = mail(organisation, now)
    with transaction():
        for n in range(60):
            copy = {c.key: getattr(original, c.key) for c in Email.__table__.columns if c.key != "id"}
            db.session.add(Email(**{**copy, "dedupe_key": f"k{n}", "subject": f"Mail {n:03d}"}))
    people.sign_in(client, admin, organisation)
    first = client.get("/admin/emails").get_data(as_text=True)
    assert first.count("Mail 0") == 50
    assert "Mail 059" in first
    next_page = f"/admin/emails?after={original.id + 11}"
    assert f'href="{next_page}"' in first
    assert client.get(next_page).get_data(as_text=True).count("Mail 0") == 10


def test_sending_again_from_the_page(client: FlaskClient, organisation: Organisation, admin: User,
                                     now: datetime) -> None:  # fmt: skip
    failed = mail(organisation, now, state="failed", error="550 no")
    people.sign_in(client, admin, organisation)
    assert "Send again" in client.get(f"/admin/emails/{failed.id}").get_data(as_text=True)
    answer = client.post(f"/admin/emails/{failed.id}/resend")
    assert (answer.status_code, answer.location) == (303, f"/admin/emails/{failed.id}")
    waiting = client.get(f"/admin/emails/{failed.id}").get_data(as_text=True)
    assert "goes out within a minute" in waiting
    assert "Send again" not in waiting
    late = client.post(f"/admin/emails/{failed.id}/resend")
    assert late.status_code == 409
    assert "still waits for its turn" in late.get_data(as_text=True)


def test_who_may_see_and_do_what(client: FlaskClient, organisation: Organisation, now: datetime) -> None:
    email = mail(organisation, now)
    people.sign_in(client, people.user(organisation=organisation, role="accountant"), organisation)
    page = client.get(f"/admin/emails/{email.id}")
    assert page.status_code == 200
    assert "Send again" not in page.get_data(as_text=True)
    assert client.post(f"/admin/emails/{email.id}/resend").status_code == 403
    elsewhere = people.organisation("griha")
    people.sign_in(client, people.user(organisation=elsewhere, role="admin"), elsewhere)
    assert client.get(f"/admin/emails/{email.id}").status_code == 404
    assert client.post(f"/admin/emails/{email.id}/resend").status_code == 404
    assert email.subject not in client.get("/admin/emails").get_data(as_text=True)
    assert "No e-mails yet" in client.get("/admin/emails").get_data(as_text=True)


def test_the_mails_stand_on_the_page_of_their_payout(client: FlaskClient, organisation: Organisation, admin: User,
                                                     now: datetime) -> None:  # fmt: skip
    email = mail(organisation, now)
    people.sign_in(client, admin, organisation)
    one = client.get(f"/admin/emails/{email.id}").get_data(as_text=True)
    reference = one.partition("/admin/payouts/")[2].partition('"')[0]
    assert f"/admin/emails/{email.id}" in client.get(f"/admin/payouts/{reference}").get_data(as_text=True)


def test_the_demo_outbox_is_everybodys_in_the_demo_organisation_only(
    client: FlaskClient, organisation: Organisation, admin: User, now: datetime
) -> None:
    email = mail(organisation, now, state="kept")
    technician = people.user(organisation=organisation, role="technician")
    people.sign_in(client, technician, organisation)
    assert client.get("/demo/outbox").status_code == 404
    assert client.get(f"/demo/outbox/{email.id}").status_code == 404
    with transaction():
        db.session.get_one(Organisation, organisation.id).is_demo = True
    page = client.get("/demo/outbox").get_data(as_text=True)
    assert f"/demo/outbox/{email.id}" in page
    one = client.get(f"/demo/outbox/{email.id}").get_data(as_text=True)
    assert "Hello Maya Okafor," in one
    elsewhere = people.organisation("griha")
    people.sign_in(client, people.user(organisation=elsewhere, role="admin"), elsewhere)
    assert client.get(f"/demo/outbox/{email.id}").status_code == 404
    assert "No mails yet" in client.get("/demo/outbox").get_data(as_text=True)
