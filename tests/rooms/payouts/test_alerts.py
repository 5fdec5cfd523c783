"""Who is told when payments stop and go on: what was raised, how often mails go out, what they say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs import mail, registry
from tests import factories
from tests.factories import sign_in
from tests.rooms.payouts.test_brakes import CLOSED, _more, _send_all
from tests.rooms.payouts.test_execution import Scene, scene
from webapp.database import db, transaction
from webapp.notices import preferences
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts import breaker, policies, stuck
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.brakes.models import Alert
from webapp.payouts.models import Transfer
from webapp.people.models import Organisation, User
from webapp.providers.ports import Answer, Outcome

_O = Outcome


def _alerts() -> dict[str, bool]:
    """Kind → whether it stands."""
    db.session.rollback()
    found = {row.kind: row.ended_at is None for row in db.session.query(Alert)}
    db.session.rollback()
    return found


def _messages(kind: str) -> list[OutboxMessage]:
    db.session.rollback()
    query = db.session.query(OutboxMessage).filter(OutboxMessage.kind == kind)
    return list(query.order_by(OutboxMessage.id))


def _halt(organisation_id: int, now: datetime, **values: object) -> None:
    with transaction():
        policies.halt(
            organisation_id=organisation_id, rail="sandbox", reason="Odd answers.", actor=factories.FACTORY,
            now=now, **values,  # type: ignore[arg-type]
        )  # fmt: skip


def _lift(organisation_id: int, now: datetime) -> None:
    with transaction():
        policies.lift_halt(
            organisation_id=organisation_id, rail="sandbox", reason="Seen.", actor=factories.FACTORY, now=now
        )


def _deliver(kind: str, now: datetime, monkeypatch: pytest.MonkeyPatch) -> list[Email]:
    """Carry out what is due of a kind; the mails that came of it."""
    monkeypatch.setattr(mail, "utc_now", lambda: now)
    before = {email.id for email in db.session.query(Email)}
    due = [(m.id, m.reference_id) for m in _messages(kind) if m.not_before <= now and m.done_at is None]
    for message_id, reference_id in due:
        registry.handler(kind)(reference_id)
        with transaction():
            db.session.get_one(OutboxMessage, message_id).done_at = now
    return [email for email in db.session.query(Email).order_by(Email.id) if email.id not in before]


@pytest.fixture
def place(database: Flask) -> Organisation:
    return factories.organisation()


@pytest.fixture
def admins(place: Organisation) -> list[User]:
    return [factories.user(f"{name}@x.example", organisation=place, role="admin") for name in ("ana", "ben")]


# ------------------------------------------------------------------ what raises one


def test_a_breaker_that_opens_raises_one_alert_and_an_answer_ends_it(database: Flask, now: datetime) -> None:
    with scene(now, [_O.NOT_SENT] * (breaker.FAILURES + 2) + [_O.ACCEPTED]) as found:
        for _ in range(breaker.FAILURES):
            found.send()
        assert _alerts() == {"breaker": True}
        found.wait(minutes=5)
        found.send()  # the one that tries finds it still away: no second alert
        found.wait(minutes=5)
        found.send()
        assert len(_messages(alerts.STOPPED)) == 1
        found.wait(minutes=20)
        found.send()
        assert _alerts() == {"breaker": False}
        assert len(_messages(alerts.RESUMED)) == 1


def test_an_empty_account_says_so_and_lifting_tells_that_it_goes_on(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        found.rail.available = 1
        found.send()
        assert _alerts() == {"low_balance": True}
        row = db.session.query(Alert).one()
        waiting = alerts.waits(row, found.now)
        assert [(part.count, part.total.amount) for part in waiting] == [(1, found.transfer.amount_minor)]
        _lift(found.organisation_id, found.now + timedelta(minutes=1))
        assert _alerts() == {"low_balance": False}
        assert len(_messages(alerts.RESUMED)) == 1


def test_the_stop_loss_raises_its_own(database: Flask, now: datetime) -> None:
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        _send_all(found, _more(found, 7))
        assert _alerts() == {"stop_loss": True}
        waiting = alerts.waits(db.session.query(Alert).one(), found.now)
        assert sum(part.count for part in waiting) == 4


def test_a_review_halts_and_tells(database: Flask, now: datetime) -> None:
    with scene(now, [_O.ACCEPTED], [Answer(_O.SUCCEEDED, amount_minor=1, currency="USD")]) as found:
        found.send()
        found.ask()
        assert _alerts() == {"halted": True}
        assert "Two people must settle it." in db.session.query(Alert).one().reason


# ------------------------------------------------------------------ without an answer for a day


def _unknown(found: Scene) -> None:
    found.send()
    assert found.transfer.state == "unknown"


def test_a_transfer_without_an_answer_is_told_after_a_day_and_again_after_another(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.UNKNOWN], [_O.UNKNOWN]) as found:
        _unknown(found)
        for hours, expected in ((23, 0), (25, 1), (26, 1), (48, 1), (50, 2)):
            stuck.look_for_unanswered(found.organisation_id, found.now, now + timedelta(hours=hours))
            assert len(_messages(alerts.UNANSWERED)) == expected, hours
        assert _alerts() == {"unknown": True}


def test_another_one_that_joins_is_told_and_an_answer_ends_it_silently(
    database: Flask, now: datetime
) -> None:
    with scene(now, [_O.UNKNOWN], [_O.UNKNOWN]) as found:
        _unknown(found)
        stuck.look_for_unanswered(found.organisation_id, now, now + timedelta(hours=25))
        found.wait(hours=3)
        _send_all(found, _more(found, 1))
        stuck.look_for_unanswered(found.organisation_id, now, now + timedelta(hours=26))
        assert len(_messages(alerts.UNANSWERED)) == 1
        assert stuck.look_for_unanswered(found.organisation_id, now, now + timedelta(hours=28)) == 2
        assert len(_messages(alerts.UNANSWERED)) == 2
        with transaction():
            for transfer in db.session.query(Transfer):
                transfer.state = "accepted"
        assert stuck.look_for_unanswered(found.organisation_id, now, now + timedelta(hours=29)) == 0
        assert _alerts() == {"unknown": False}
        assert _messages(alerts.RESUMED) == []
        with transaction():
            for transfer in db.session.query(Transfer):
                transfer.state = "unknown"


# ------------------------------------------------------------------ how often people are told


def test_one_cause_is_told_once_an_hour(
    place: Organisation, admins: list[User], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _halt(place.id, now)
    assert len(_deliver(alerts.STOPPED, now, monkeypatch)) == 2
    for minutes in (1, 3, 5):
        _lift(place.id, now + timedelta(minutes=minutes))
        _halt(place.id, now + timedelta(minutes=minutes + 1))
        assert _deliver(alerts.STOPPED, now + timedelta(minutes=minutes + 1), monkeypatch) == []
    # That it went on was said once; the halts since then are told in one mail when the hour is over.
    assert len(_messages(alerts.RESUMED)) == 1
    assert [m.not_before for m in _messages(alerts.STOPPED)] == [now, now + alerts.HOUR]
    assert _deliver(alerts.RESUMED, now + timedelta(minutes=6), monkeypatch) == []  # it stands still again
    assert len(_deliver(alerts.STOPPED, now + alerts.HOUR, monkeypatch)) == 2


def test_what_is_over_when_the_hour_ends_is_not_told(
    place: Organisation, admins: list[User], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _halt(place.id, now)
    _deliver(alerts.STOPPED, now, monkeypatch)
    _lift(place.id, now + timedelta(minutes=5))
    assert len(_deliver(alerts.RESUMED, now + timedelta(minutes=5), monkeypatch)) == 2
    _halt(place.id, now + timedelta(minutes=10))
    _lift(place.id, now + timedelta(minutes=15))
    assert _deliver(alerts.STOPPED, now + alerts.HOUR, monkeypatch) == []
    assert len(_messages(alerts.RESUMED)) == 1


def test_two_causes_are_two_mails(place: Organisation, now: datetime) -> None:
    _halt(place.id, now)
    with transaction():
        policies.halt(
            organisation_id=place.id, rail="cashfree", reason="Keys.", actor=factories.FACTORY, now=now
        )
    assert len(_messages(alerts.STOPPED)) == 2


# ------------------------------------------------------------------ what the mail says


def test_the_mail_says_what_happened_what_waits_and_what_to_do(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(now, [_O.ACCEPTED]) as found:
        organisation = db.session.get_one(Organisation, found.organisation_id)
        admin = factories.user("ana@x.example", organisation=organisation, role="admin")
        factories.user("acc@x.example", organisation=organisation, role="accountant")
        elsewhere = factories.organisation("elsewhere")
        factories.user("eve@y.example", organisation=elsewhere, role="admin")
        found.rail.available = 1
        found.send()
        made = {email.to_address: email for email in _deliver(alerts.STOPPED, now, monkeypatch)}
        assert not {"acc@x.example", "eve@y.example"} & set(made)
        email = made["ana@x.example"]
        assert (email.to_address, email.user_id) == ("ana@x.example", admin.id)
        assert email.subject.startswith("Payments wait for money: ")
        for said in (
            "The account that payouts leave is too low.",
            "Payments: the sandbox bank",
            "Waits: 1 transfer, $",
            "Fund the account, then lift the halt.",
            "/admin/settings",
            "once an hour at most",
        ):
            assert said in email.body_text, said


def test_it_cannot_be_switched_off(place: Organisation, admins: list[User]) -> None:
    for notice in ("payments_stopped", "payments_resumed", "transfers_unknown", "lift_asked"):
        assert preferences.wants(notice, user_id=admins[0].id)
        from webapp.notices import catalogue

        assert not catalogue.is_optional(notice)


# ------------------------------------------------------------------ the home page


def test_the_home_page_says_the_same(database: Flask, client: FlaskClient, now: datetime) -> None:
    with scene(now, [CLOSED], [_O.NOT_FOUND]) as found:
        _send_all(found, _more(found, 7))
        organisation = db.session.get_one(Organisation, found.organisation_id)
        with transaction():
            alerts.raise_alert(
                organisation_id=organisation.id,
                kind=AlertKind.BREAKER,
                rail="cashfree",
                reason="5 calls.",
                now=now,
            )
        admin = factories.user("ana@x.example", organisation=organisation, role="admin")
        sign_in(client, admin, organisation)
        page = " ".join(client.get("/admin/").text.split())
        assert "Payments are halted: sandbox" in page
        assert "Waits: 4 transfers" in page
        assert "Lift the halt when it is settled" in page
        assert "A provider does not answer: cashfree" in page


def test_a_standing_alert_of_others_is_not_seen(place: Organisation, now: datetime) -> None:
    _halt(place.id, now)
    other = factories.organisation("other")
    assert alerts.standing(other.id) == []
    assert len(alerts.standing(place.id)) == 1
