"""The e-mail log and the demo's outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event as events
from sqlalchemy import select

from tests.factories import payouts as factory
from tests.factories import people
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.notices import service
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, User


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria")


@pytest.fixture
def admin(organisation: Organisation) -> User:
    return people.user(organisation=organisation, role="admin")


@pytest.fixture
def count_queries(database: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """A context in which every statement to the database is written down."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            seen.append(statement)

        events.listen(db.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            events.remove(db.engine, "before_cursor_execute", note)

    return counting


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


def test_filters_by_payout_and_kind(client: FlaskClient, organisation: Organisation, admin: User,
                                    now: datetime) -> None:  # fmt: skip
    first, second = mail(organisation, now), mail(organisation, now)
    people.sign_in(client, admin, organisation)
    reference = db.session.get_one(Payout, first.payout_id).reference
    for said in (reference, f" {reference.lower()} "):
        page = client.get("/admin/emails", query_string={"payout": said}).get_data(as_text=True)
        assert f"/admin/emails/{first.id}" in page
        assert f"/admin/emails/{second.id}" not in page
    assert "No e-mails match" in client.get("/admin/emails?payout=PO-1999-000001").get_data(as_text=True)
    assert "No e-mails match" in client.get("/admin/emails?notice=digest").get_data(as_text=True)


def test_a_waiting_mail_says_why_and_when_it_is_tried_next(client: FlaskClient, organisation: Organisation,
                                                           admin: User, now: datetime) -> None:  # fmt: skip
    email = mail(organisation, now, state="queued", error="The mail server does not answer.")
    people.sign_in(client, admin, organisation)
    page = client.get(f"/admin/emails/{email.id}").get_data(as_text=True)
    assert "The mail server does not answer." in page
    assert "Next try" in page
    sent = mail(organisation, now)
    page = client.get(f"/admin/emails/{sent.id}").get_data(as_text=True)
    assert "Next try" not in page
    assert "Whether it arrived is not known here." in page


def test_all_failed_of_a_filter_go_out_again_after_a_check(client: FlaskClient, organisation: Organisation,
                                                           admin: User, now: datetime) -> None:  # fmt: skip
    failed = [
        mail(organisation, now, state="failed", error="550 no", event=e) for e in ("approved", "paid", "paid")
    ]
    fine = mail(organisation, now)
    people.sign_in(client, admin, organisation)
    page = client.get("/admin/emails?notice=payout_paid").get_data(as_text=True)
    assert "Send 2 failed mails again" in page
    check = client.get("/admin/emails/failed?notice=payout_paid").get_data(as_text=True)
    assert "2 mails go out once more" in check
    assert f"/admin/emails/{failed[0].id}" not in check
    later = mail(organisation, now, state="failed", error="550 no", event="paid")
    data = {"notice": "payout_paid", "up_to": str(failed[2].id)}
    for said in ("2 mails go out", "No failed mail is left"):
        answer = client.post("/admin/emails/failed", data=data)
        assert (answer.status_code, answer.location) == (303, "/admin/emails?notice=payout_paid")
        assert said in client.get(answer.location).get_data(as_text=True)
    db.session.rollback()
    states = {email.id: db.session.get_one(Email, email.id, populate_existing=True).state for email in
              (*failed, fine, later)}  # fmt: skip
    assert [states[e.id] for e in (*failed, fine, later)] == ["failed", "queued", "queued", "sent", "failed"]
    waiting = select(OutboxMessage).where(OutboxMessage.kind == "email.send", OutboxMessage.done_at.is_(None))
    assert len([m for m in db.session.scalars(waiting) if m.reference_id == failed[1].id]) == 2
    notes = db.session.scalars(
        select(AuditEvent.subject_label).where(AuditEvent.tag.endswith("failed_sent_again"))
    )
    assert list(notes) == ["2 e-mails"]
    # A made-up number sends nothing, and another organisation's mails are not touched.
    client.post("/admin/emails/failed", data={"up_to": "x"})
    elsewhere = people.organisation("griha")
    people.sign_in(client, people.user(organisation=elsewhere, role="admin"), elsewhere)
    client.post("/admin/emails/failed", data={"up_to": "999999"})
    db.session.rollback()
    assert db.session.get_one(Email, later.id, populate_existing=True).state == "failed"


def test_an_accountant_looks_and_sends_nothing(client: FlaskClient, organisation: Organisation,
                                               now: datetime) -> None:  # fmt: skip
    mail(organisation, now, state="failed", error="550 no")
    people.sign_in(client, people.user(organisation=organisation, role="accountant"), organisation)
    assert "failed mail again" not in client.get("/admin/emails").get_data(as_text=True)
    assert client.get("/admin/emails/failed").status_code == 403
    assert client.post("/admin/emails/failed", data={"up_to": "999"}).status_code == 403


def test_lists_need_few_queries(client: FlaskClient, organisation: Organisation, admin: User, now: datetime,
                                count_queries: Callable[[], AbstractContextManager[list[str]]]) -> None:  # fmt: skip
    for _ in range(4):
        mail(organisation, now)
    people.sign_in(client, admin, organisation)
    for address in ("/admin/emails", "/account/mail", "/account/notifications"):
        with count_queries() as seen:
            assert client.get(address).status_code == 200
        assert len(seen) <= 12, (address, len(seen), seen)
