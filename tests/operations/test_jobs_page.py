"""The jobs page: what waits and what gave up, without a word about other organisations."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from redis import Redis

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.factories.pages import place as make_place
from tests.factories.statements import owed, statement
from tests.house.pages import problems
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.embedded.valkey import Store
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.notices.models import Email
from webapp.operations import jobs
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.runs.models import DueTask


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login, two payees with bank accounts."""
    return make_place(database)


def _message(
    place: Place, key: str, *, gave_up: bool = True, organisation_id: int | None = None, **values: object
) -> int:
    with transaction():
        outbox.add(
            kind=str(values.pop("kind", "email.send")), reference_id=int(values.pop("about", 1)),  # type: ignore[call-overload]
            dedupe_key=key, to_queue="mail", organisation_id=organisation_id or place.organisation.id,
            now=utc_now() - timedelta(minutes=9),
        )  # fmt: skip
        message = db.session.query(OutboxMessage).filter_by(dedupe_key=key).one()
        message.attempts = 12
        message.last_error = str(values.pop("error", "ConnectionError: refused"))
        if gave_up:
            message.gave_up_at = utc_now()
        return message.id


def test_the_page_names_what_gave_up_and_why(place: Place) -> None:
    paid = place.payout()
    _message(
        place, "a", kind="notice.payout.paid", about=paid.id, error="ValueError: <b>no</b> 50100234567890"
    )
    page = place.client(place.approver).get("/admin/jobs")
    assert page.status_code == 200
    assert problems(page.text) == []
    assert "Write the e-mail “payout paid”" in page.text
    assert f">{paid.reference}</a>" in page.text
    assert "&lt;b&gt;no&lt;/b&gt; ••7890" in page.text
    assert "50100234567890" not in page.text
    assert "Try all again" in page.text


def _email(place: Place, organisation_id: int | None) -> int:
    with transaction() as session:
        email = Email(
            organisation_id=organisation_id, dedupe_key=f"test:{organisation_id}", notice="payout_paid",
            to_address="maya@example.com", subject="Paid: $499.50 – <b>PO</b>", body_text="Paid.",
            body_html="<p>Paid.</p>", message_id="<1@example.com>", created_at=utc_now(),
        )  # fmt: skip
        session.add(email)
        session.flush()
        return email.id


def test_every_record_that_a_message_is_about_has_its_link(place: Place) -> None:
    owed(place.organisation, place.payee, 12_300, date(2026, 10, 9))
    month = statement(place.organisation, place.payee)
    mail = _email(place, place.organisation.id)
    theirs = _email(place, people.organisation("other").id)
    _message(place, "mail", kind="email.send", about=mail)
    _message(place, "not-ours", kind="email.send", about=theirs)
    _message(place, "month", kind="document.render", about=month.id)
    _message(place, "told", kind="notice.statement", about=month.id)
    page = place.client(place.approver).get("/admin/jobs").text
    assert f'<a href="/admin/emails/{mail}">Paid: $499.50 – &lt;b&gt;PO&lt;/b&gt;</a>' in page
    assert f"/admin/emails/{theirs}" not in page
    assert page.count(f'<a href="/admin/statements/{month.number}">{month.number}</a>') == 2
    for address in (f"/admin/emails/{mail}", f"/admin/statements/{month.number}"):
        assert place.client(place.approver).get(address).status_code == 200


def test_another_organisations_work_is_not_told(place: Place) -> None:
    other = people.organisation("other")
    _message(place, "theirs", organisation_id=other.id, error="SecretOfOthers: PO-2026-999999")
    now = utc_now()
    with transaction() as session:
        for organisation_id, error in (
            (0, "KeyError: PO-2026-888888 of others"),
            (other.id, "TheirTask: broken"),
        ):
            session.add(
                DueTask(name="payouts.recover", organisation_id=organisation_id, due_at=now, last_run_at=now,
                        last_error=error)
            )  # fmt: skip
    page = place.client(place.approver).get("/admin/jobs").text
    assert "SecretOfOthers" not in page
    assert "PO-2026" not in page
    assert "TheirTask" not in page
    assert "It failed (KeyError). The log has the details." in page
    assert "Nothing gave up." in page or "Nothing waits." in page


def test_one_is_tried_again_by_its_owner_alone(place: Place) -> None:
    message_id = _message(place, "a")
    kept = _message(place, "b")
    other = people.organisation("other")
    stranger = people.user("s@example.com", organisation=other, role="admin")
    assert place.client(stranger, other).post(f"/admin/jobs/{message_id}/retry").status_code == 404
    answer = place.client(place.approver).post(f"/admin/jobs/{message_id}/retry")
    assert answer.status_code == 303
    message = db.session.get_one(OutboxMessage, message_id, populate_existing=True)
    assert (message.gave_up_at, message.attempts) == (None, 0)
    assert db.session.get_one(OutboxMessage, kept).gave_up_at is not None
    event = db.session.query(AuditEvent).filter_by(tag="operations:message:retried").one()
    assert (event.actor_label, event.subject_id) == (place.approver.email, message_id)
    again = place.client(place.approver).post(f"/admin/jobs/{message_id}/retry")
    assert again.status_code == 409


def test_all_are_tried_again_at_once(place: Place, store: Store) -> None:
    ids = [_message(place, str(n)) for n in range(3)]
    theirs = _message(place, "t", organisation_id=people.organisation("other").id)
    redis: Redis = place.app.extensions["paydesk_redis"]
    redis.flushall()
    assert place.client(place.approver).post("/admin/jobs/retry").status_code == 303
    claimed = [outbox.claim(message_id=n, worker="w", now=utc_now()) for n in (*ids, theirs)]
    db.session.rollback()
    assert claimed == [True, True, True, False]
    assert redis.llen("rq:queue:mail") == 1


def test_an_accountant_looks_only(place: Place) -> None:
    message_id = _message(place, "a")
    accountant = people.user("acc@example.com", organisation=place.organisation, role="accountant")
    browser = place.client(accountant)
    assert "Try again" not in browser.get("/admin/jobs").text
    assert browser.post(f"/admin/jobs/{message_id}/retry").status_code == 403
    assert browser.post("/admin/jobs/retry").status_code == 403


def test_retrying_needs_a_fresh_proof(place: Place) -> None:
    from webapp.people.models import UserSession

    message_id = _message(place, "a")
    browser = place.client(place.approver)
    with transaction():
        db.session.query(UserSession).update({"reauthenticated_at": utc_now() - timedelta(minutes=11)})
    assert browser.post(f"/admin/jobs/{message_id}/retry").status_code == 403
    assert db.session.get_one(OutboxMessage, message_id).gave_up_at is not None


def test_the_service_says_what_is_wrong(place: Place) -> None:
    actor, organisation_id = people.actor_of(place.maker), place.organisation.id
    waiting = _message(place, "w", gave_up=False)
    db.session.rollback()
    for message_id, error in ((10**9, NotFound), (waiting, Conflict), (None, Conflict)):
        with pytest.raises(error), transaction():
            jobs.retry(organisation_id=organisation_id, message_id=message_id, actor=actor, now=utc_now())


def test_queues_without_workers_say_who_must_act(place: Place, store: Store) -> None:
    redis: Redis = place.app.extensions["paydesk_redis"]
    redis.sadd("rq:workers:mail", "rq:worker:one")
    redis.hset("rq:worker:one", "state", "idle")
    page = place.client(place.approver).get("/admin/jobs").text
    assert "No worker is alive. Start one: paydesk worker money." in page
    assert "paydesk worker mail" not in page
    assert "Scheduler silent" in page
    store.stop()
    assert "The store does not answer." in place.client(place.approver).get("/admin/jobs").text


def test_a_scheduler_at_work_is_seen(place: Place) -> None:
    now = utc_now()
    with transaction() as session:
        session.add(DueTask(name="payouts.recover", organisation_id=0, due_at=now + timedelta(seconds=20),
                            last_run_at=now - timedelta(seconds=40), last_error=""))  # fmt: skip
        session.add(DueTask(name="ledger.proof", organisation_id=place.organisation.id,
                            due_at=now - timedelta(hours=1), last_run_at=None, last_error=""))  # fmt: skip
    page = place.client(place.approver).get("/admin/jobs").text
    assert "Scheduler at work" in page
    assert "Late" in page


def test_many_messages_are_paged_with_few_queries(place: Place) -> None:
    payouts = [place.payout() for _ in range(3)]
    for n in range(60):
        _message(place, str(n), kind="notice.payout.paid", about=payouts[n % 3].id)
    browser = place.client(place.approver)
    browser.get("/admin/jobs")
    with counted_queries() as statements:
        page = browser.get("/admin/jobs").text
    assert len(statements) <= 12
    assert "60 messages" in page
    assert "Next" in page
    assert browser.get("/admin/jobs?state=nonsense").status_code == 200
    assert "Nothing waits." in browser.get("/admin/jobs?state=waiting").text
