"""From the event to the inbox: logged once, sent once, every outcome on the row."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from jobs import base
from jobs import mail as jobs
from tests.factories import payouts as factory
from tests.factories import people
from tests.providers.mailserver import Box, mail_server
from tests.rooms.notices import world as worlds
from tests.rooms.notices.world import World
from webapp.audit.models import AuditEvent
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotFound
from webapp.notices import preferences, sending, service
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import records
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.access import links
from webapp.people.access.models import AccountLink
from webapp.people.models import Organisation
from webapp.providers import smtp

ACCOUNT = "123456784821"


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return people.organisation("solaria", contact_email="payouts@solaria.example")


@pytest.fixture
def payout(organisation: Organisation) -> Payout:
    maya = people.user("maya@example.com")
    payee = people.payee(organisation, user=maya, name="Maya Okafor", email="maya@example.com")
    return factory.payout_ready(organisation, payee, account=ACCOUNT)


def compose(payout: Payout, now: datetime, event: str = "approved") -> Email | None:
    with transaction():
        return service.compose_payout(
            event, payout.id, now=now, public_url="https://pay.example.org", mail_from="Pay <pay@example.org>"
        )


def made(payout: Payout, now: datetime, event: str = "approved") -> Email:
    email = compose(payout, now, event)
    assert email is not None
    return email


def reload(email: Email) -> Email:
    with transaction():
        return db.session.get_one(Email, email.id, populate_existing=True)


def with_server(settings: Settings, url: str, environment: str = "production") -> Settings:
    return settings.model_copy(update={"smtp_url": url, "environment": environment})


def test_an_event_becomes_one_logged_mail_and_one_message(payout: Payout, now: datetime) -> None:
    first = made(payout, now)
    again = made(payout, now + timedelta(minutes=1))
    assert first.id == again.id
    assert (first.state, first.to_address, first.notice) == ("queued", "maya@example.com", "payout_approved")
    assert first.payout_id == payout.id
    assert f"https://pay.example.org/technician/payouts/{payout.reference}" in first.body_text
    messages = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "email.send")).all()
    assert [message.reference_id for message in messages] == [first.id]


def test_the_link_leads_to_a_page_that_exists(payout: Payout, now: datetime, database: Flask) -> None:
    match = re.search(r"https://pay\.example\.org(/\S+)", made(payout, now).body_text)
    assert match is not None
    endpoint, values = database.url_map.bind("localhost").match(match.group(1))
    assert (endpoint, values) == ("technician.payouts.show", {"reference": payout.reference})


def test_no_full_account_number_is_in_any_mail(payout: Payout, now: datetime) -> None:
    for event in ("approved", "rejected", "paid", "failed", "reversed"):
        email = made(payout, now, event)
        everything = email.subject + email.body_text + email.body_html
        assert ACCOUNT not in everything
        assert not re.search(r"\d{7,}", everything.replace(payout.reference, ""))
    assert "••4821" in made(payout, now, "approved").body_text


def test_the_linked_user_is_written_to_when_the_payee_has_no_address(
    organisation: Organisation, now: datetime
) -> None:
    payee = people.payee(organisation, user=people.user("linked@example.com"), email="")
    assert made(factory.payout_ready(organisation, payee), now).to_address == "linked@example.com"


def test_without_any_address_the_trail_says_so(organisation: Organisation, now: datetime) -> None:
    payee = people.payee(organisation, name="Nobody Reachable", email="")
    assert compose(factory.payout_ready(organisation, payee), now) is None
    note = db.session.scalars(
        select(AuditEvent.note).where(AuditEvent.tag == "notices:email:no_address")
    ).one()
    assert "Nobody Reachable has no e-mail address" in note
    assert db.session.scalars(select(Email)).all() == []


def test_a_rejection_names_reason_and_person_and_never_the_note(
    organisation: Organisation, now: datetime
) -> None:
    payee = people.payee(organisation, email="maya@example.com")
    payout = factory.payout(organisation, payee, note="Admins only: she is slow")
    ana = people.user(organisation=organisation, role="admin", name="Ana Ruiz")
    with transaction():
        payouts.reject(
            organisation_id=organisation.id, reference=payout.reference, reason="The photo is missing",
            actor=people.actor_of(ana), now=now,
        )  # fmt: skip
    email = made(payout, now, "rejected")
    assert "Reason: The photo is missing" in email.body_text
    assert "Decided by: Ana Ruiz" in email.body_text
    assert "slow" not in email.body_text + email.body_html
    # Without a sign-in of their own there is no link.
    assert "http" not in email.body_text


def test_it_is_sent_once_however_often_the_job_runs(
    payout: Payout, now: datetime, settings: Settings
) -> None:
    email, box = made(payout, now), Box()
    with mail_server(box) as url:
        for minute in range(3):
            at = now + timedelta(minutes=minute * 20)
            assert sending.send(email.id, settings=with_server(settings, url), now=at) is None
    (message,) = box.messages
    assert message["Message-ID"] == email.message_id
    assert message["Reply-To"] == "payouts@solaria.example"
    assert message["Subject"] == email.subject
    sent = reload(email)
    assert (sent.state, sent.sent_at, sent.tries, sent.lease_until) == ("sent", now, 1, None)


def test_a_mail_in_another_workers_hands_is_left_alone(
    payout: Payout, now: datetime, settings: Settings
) -> None:
    email, box = made(payout, now), Box()
    with transaction():
        assert service.claim(email_id=email.id, now=now)
        assert not service.claim(email_id=email.id, now=now)
    with mail_server(box) as url:
        later = sending.send(email.id, settings=with_server(settings, url), now=now)
        assert isinstance(later, Later)
        assert "Another worker" in later.reason
        assert box.messages == []
        # The other one died: after its lease the mail goes out.
        sending.send(email.id, settings=with_server(settings, url), now=now + service.LEASE * 1.1)
    assert len(box.messages) == 1


def test_no_transaction_is_open_while_the_server_is_asked(
    payout: Payout, now: datetime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def watch(url: str, mail: smtp.Mail) -> None:
        seen.append(bool(db.session.info.get("is_writing")) or db.session().in_transaction())

    monkeypatch.setattr(smtp, "send", watch)
    sending.send(made(payout, now).id, settings=with_server(settings, "smtp://x"), now=now)
    assert seen == [False]


def test_a_refused_recipient_fails_for_good(payout: Payout, now: datetime, settings: Settings) -> None:
    email = made(payout, now)
    with mail_server(Box(answer="550 5.1.1 no such user")) as url:
        assert sending.send(email.id, settings=with_server(settings, url), now=now) is None
    failed = reload(email)
    assert failed.state == "failed"
    assert "550 5.1.1 no such user" in failed.error


def test_a_server_that_is_away_is_tried_again_and_again_then_given_up(
    payout: Payout, now: datetime, settings: Settings
) -> None:
    email = made(payout, now)
    away = with_server(settings, "smtp://127.0.0.1:1")
    at, waits = now, []
    for _ in range(9):
        later = sending.send(email.id, settings=away, now=at)
        assert isinstance(later, Later)
        waits.append(round((later.at - at).total_seconds() / 60))
        at = later.at
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert reload(email).state == "queued"
    assert "does not answer" in reload(email).error
    assert sending.send(email.id, settings=away, now=now + timedelta(days=3, hours=1)) is None
    assert reload(email).state == "failed"
    assert "Given up after three days" in reload(email).error


def test_without_a_server_the_demo_keeps_it_and_production_says_what_is_missing(
    payout: Payout, now: datetime, settings: Settings
) -> None:
    email = made(payout, now)
    later = sending.send(email.id, settings=with_server(settings, ""), now=now)
    assert isinstance(later, Later)
    assert "SMTP_URL is missing" in later.reason
    assert (reload(email).state, reload(email).lease_until) == ("queued", None)
    assert "SMTP_URL is missing" in reload(email).error
    # The server is set up later: it goes out, however long it waited.
    box = Box()
    with mail_server(box) as url:
        sending.send(email.id, settings=with_server(settings, url), now=now + timedelta(days=9))
    assert len(box.messages) == 1
    other = made(payout, now, "paid")
    assert sending.send(other.id, settings=with_server(settings, "", "demo"), now=now) is None
    assert (reload(other).state, reload(other).sent_at) == ("kept", None)


def test_the_jobs_of_the_worker(payout: Payout) -> None:
    jobs.payout_paid(payout.id)
    email = db.session.scalars(select(Email)).one()
    assert email.notice == "payout_paid"
    assert jobs.send_email(email.id) is None
    assert reload(email).state == "kept"
    assert jobs.send_email(9_999) is None
    with pytest.raises(NotFound):
        jobs.payout_failed(9_999)


def test_sending_again(payout: Payout, now: datetime, settings: Settings) -> None:
    email = made(payout, now)
    clerk = people.actor_of(people.user(organisation=payout.organisation, role="admin"))
    with pytest.raises(Conflict, match="still waits"), transaction():
        service.send_again(email=db.session.get_one(Email, email.id), actor=clerk, now=now)
    with mail_server(Box(answer="550 no")) as url:
        sending.send(email.id, settings=with_server(settings, url), now=now)
    with transaction():
        again = service.send_again(email=db.session.get_one(Email, email.id), actor=clerk, now=now)
        assert again.id == email.id
    box = Box()
    with mail_server(box) as url:
        sending.send(email.id, settings=with_server(settings, url), now=now)
        with transaction():
            copy = service.send_again(email=db.session.get_one(Email, email.id), actor=clerk, now=now)
            assert copy.id != email.id
            assert copy.message_id != email.message_id
        sending.send(copy.id, settings=with_server(settings, url), now=now)
    assert len({message["Message-ID"] for message in box.messages}) == 2
    assert len({message["References"] for message in box.messages}) == 1
    assert len({message["Subject"] for message in box.messages}) == 1


# ---- Mails whose addresses are put in while they are sent.


@pytest.fixture
def world(database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(jobs, "utc_now", lambda: now)
    return worlds.build(now)


def sent(email: Email, settings: Settings, now: datetime) -> EmailMessage:
    box = Box()
    with mail_server(box) as url:
        assert sending.send(email.id, settings=with_server(settings, url), now=now) is None
    (message,) = box.messages
    return message


def bodies(message: EmailMessage) -> tuple[str, str]:
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    return parts["text/plain"], parts["text/html"]


def test_a_personal_link_is_in_the_mail_and_nowhere_else(
    world: World, now: datetime, settings: Settings, database: Flask
) -> None:
    jobs.account_link(world.ids["invitation"])
    (email,) = worlds.mails()
    message = sent(email, settings, now)
    text, html = bodies(message)
    found = re.search(r"http://localhost:8000/account/invitation/(\S+)", text)
    assert found
    assert f'href="{found[0]}"' in html
    link = links.find(found[1], now)
    assert link is not None
    assert link.id == world.ids["invitation"]
    assert "personal-link.invalid" not in text + html
    everything = "".join(
        repr(tuple(row)) for table in db.metadata.sorted_tables for row in db.session.execute(select(table))
    )
    assert found[1] not in everything
    assert message["List-Unsubscribe"] is None


@pytest.mark.parametrize(("column", "said"), [
    ("used_at", "has accepted already"), ("revoked_at", "Invite the person again"),
    ("expires_at", "Invite the person again"),
])  # fmt: skip
def test_a_mail_whose_link_is_spent_neither_leaves_nor_is_sent_again(
    world: World, now: datetime, settings: Settings, column: str, said: str
) -> None:
    jobs.account_link(world.ids["invitation"])
    (email,) = worlds.mails()
    with transaction():
        setattr(db.session.get_one(AccountLink, world.ids["invitation"]), column, now)
    box = Box()
    with mail_server(box) as url:
        assert sending.send(email.id, settings=with_server(settings, url), now=now) is None
    assert box.messages == []
    failed = reload(email)
    assert failed.state == "failed"
    assert said in failed.error
    clerk = people.actor_of(world.ana)
    with pytest.raises(Conflict, match=said), transaction():
        service.send_again(email=db.session.get_one(Email, email.id), actor=clerk, now=now)
    with transaction():
        mail = db.session.get_one(Email, email.id)
        assert service.send_failed_again(emails=[mail], actor=clerk, now=now) == (0, 1)


def test_optional_mail_carries_one_click_and_other_mail_does_not(
    world: World, now: datetime, settings: Settings, client: FlaskClient
) -> None:
    jobs.digest(world.ids["digest"])
    jobs.policy_changed(world.ids["policy_changed"])
    jobs.new_device(world.ids["new_device"])
    digest, policy, _, device = worlds.mails()
    message = sent(digest, settings, now)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = message["List-Unsubscribe"].strip("<>")
    text, html = bodies(message)
    assert address in text
    assert f'href="{address}"' in html
    assert (
        client.post(
            address.removeprefix("http://localhost:8000"), data={"List-Unsubscribe": "One-Click"}
        ).status_code
        == 200
    )
    assert preferences.switched_off(world.ana.id) == {"digest"}
    for email in (policy, device):
        other = sent(email, settings, now)
        assert other["List-Unsubscribe"] is None
        assert other["List-Unsubscribe-Post"] is None
        assert other["Auto-Submitted"] == "auto-generated"
        assert other["Message-ID"] == email.message_id
    assert sent_reply_to(device, settings) == ""


def sent_reply_to(email: Email, settings: Settings) -> str:
    return sending.mail_of(email, settings).reply_to


def test_mails_about_one_payees_details_form_a_thread(world: World, settings: Settings) -> None:
    jobs.details_asked(world.ids["details_asked"])
    jobs.details_verified(world.ids["details_verified"])
    mails = [email for email in worlds.mails() if email.payee_id]
    assert len({email.message_id for email in mails}) == len(mails)
    threads = {sending.mail_of(email, settings).thread_id for email in mails}
    assert len(threads) == 1
    assert threads != {""}


# ------------------------------------------------------------------ an older database


def _send_all() -> int:
    """Let a worker send what is due; answers how many messages it looked at."""
    looked_at = base.drain_here("mail")
    db.session.rollback()
    return looked_at


def test_what_an_older_database_had_still_to_tell_waits_for_a_person(
    organisation: Organisation, payout: Payout, now: datetime
) -> None:
    organisation_id, payout_id = organisation.id, payout.id
    email = made(payout, now)
    email_id, reason = email.id, "Restored from a back-up of noon: it may have been sent since."
    # One that is written, and one that is not.
    kinds = {m.kind for m in db.session.query(OutboxMessage).filter_by(queue="mail")}
    assert kinds == {"notice.payout.approved", "email.send"}
    db.session.rollback()
    with transaction():
        assert service.leave_to_people(reason=reason, now=now) == 2
    assert _send_all() == 0
    kept = db.session.get_one(Email, email_id)
    assert (kept.state, kept.error) == ("queued", reason)
    assert {m.last_error for m in db.session.query(OutboxMessage).filter_by(queue="mail")} == {reason}
    db.session.rollback()
    # What happens from now on is told.
    with transaction():
        records.notify("paid", db.session.get_one(Payout, payout_id), now)
    assert _send_all() == 2
    assert db.session.get_one(Email, email_id).state == "queued"
    db.session.rollback()
    with transaction():
        assert len(outbox.try_again(organisation_id=organisation_id, now=now)) == 2
    assert _send_all() >= 2
    assert db.session.get_one(Email, email_id).state == "kept"
    told = db.session.query(Email).filter_by(payout_id=payout_id, notice="payout_approved").count()
    assert told == 1
