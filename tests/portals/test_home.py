"""The home pages: what needs an admin now, set-up of an empty organisation, a payee's next payout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests.factories import people, rentals
from tests.factories.pages import Place, counted_queries
from tests.factories.pages import place as make_place
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.programs.installations import work
from webapp.runs.models import DueTask, Run

HOUR = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(HOUR, tick=False):
        yield


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login, two payees with bank accounts."""
    return make_place(database)


def _pay(place: Place, payout: Payout, on: date, reference: str) -> None:
    with transaction():
        service.mark_paid(
            organisation_id=place.organisation.id,
            reference=payout.reference,
            payment_reference=reference,
            paid_on=on,
            actor=people.actor_of(place.maker),
            now=HOUR,
        )


def test_empty_organisation_gets_its_set_up_list(place: Place) -> None:
    empty = people.organisation("nova")
    people.membership(place.maker, empty, "admin")
    html = place.client(place.maker, empty).get("/admin/").text
    for text in (
        "Set up Nova",
        "Invite a second admin",
        "Set the rates",
        "Add the payees",
        "Make the first payout",
    ):
        assert text in html
    assert "What needs you now" not in html
    assert html.count("task-done") == 0
    people.method(people.payee(empty))
    assert place.client(place.maker, empty).get("/admin/").text.count("task-done") == 2
    people.membership(people.user("second@nova.example"), empty, "admin")
    assert place.client(place.maker, empty).get("/admin/").text.count("task-done") == 3
    assert '<svg class="chart-plot"' not in html


def test_set_up_of_rentals_asks_for_no_rates(place: Place) -> None:
    letting = people.organisation("griha", programs=["rentals"])
    people.membership(place.maker, letting, "admin")
    client = place.client(place.maker, letting)
    html = client.get("/admin/").text
    steps = ("Look at the approval rules", "Invite a second admin", "Add the payees", "Add their payment details",
             "Enter the properties", "Enter the leases", "Take in the first rent")  # fmt: skip
    places = [html.index(step) for step in steps]
    assert places == sorted(places)
    assert "Set the rates" not in html
    assert "Bring in the installations" not in html
    rentals.property_of(letting, [(people.payee(letting, kind="owner"), 1)])
    assert client.get("/admin/").text.count("task-done") == html.count("task-done") + 2


def test_set_up_without_a_program_shows_where_each_begins(place: Place) -> None:
    open_to_all = people.organisation("nova", programs=[])
    people.membership(place.maker, open_to_all, "admin")
    html = place.client(place.maker, open_to_all).get("/admin/").text
    assert "Set the rates" in html
    assert "Enter the properties" in html


def test_home_lists_what_needs_a_person_with_links_that_match(place: Place) -> None:
    place.payout(amount=10_000)
    place.payout(place.other, 20_000, actor=SCHEDULER, now=HOUR - timedelta(days=9))
    bare = people.payee(place.organisation, name="No method")
    place.payout(bare, 5_000, actor=SCHEDULER)
    place.approved(place.other, 7_000)
    failed, returned = place.approved(amount=1_100), place.approved(amount=1_200)
    with transaction():
        db.session.get_one(Payout, failed.id).state = "failed"
        one = db.session.get_one(Payout, returned.id)
        one.state = "reversed"
    client = place.client(place.maker)
    html = client.get("/admin/").text
    assert "3 payouts wait for approval" in html
    assert "$350.00, the oldest waits 9 days. You can approve 1." in html
    assert "1 payout failed" in html
    assert "1 payout came back from the bank" in html
    assert "1 payout waits for payment details" in html
    assert "1 payout approved, not paid yet" in html
    for status, payout in (("failed", failed), ("reversed", returned)):
        assert payout.reference in client.get(f"/admin/payouts?status={status}").text
    assert "No method" in client.get("/admin/payouts?status=no_method").text


def test_home_says_who_else_must_approve(place: Place) -> None:
    place.payout()
    html = place.client(place.maker).get("/admin/").text
    assert "Somebody else must approve them." in html
    assert "view=blocked" in html


def test_home_shows_runs_and_the_next_run(place: Place) -> None:
    place.payout()
    with transaction():
        db.session.add(
            DueTask(
                name=work.TASK,
                last_error="The disk was full",
                organisation_id=place.organisation.id,
                due_at=datetime(2026, 11, 22, 6, 0, tzinfo=UTC),
            )
        )
        db.session.add(
            Run(
                organisation_id=place.organisation.id, reference="BA-0001", kind="payouts.approve",
                title="Approve 44 payouts", state="running", total=44, done=10,
                created_by_label="maya@example.com", created_at=HOUR,
            )
        )  # fmt: skip
    html = place.client(place.maker).get("/admin/").text
    for text in (
        "10 of 44",
        "The automatic creation of payouts failed",
        "The disk was full",
        "22 Nov 2026, 01:00 EST",
        'data-hx-get="/admin/figures"',
        '<a href="/admin/figures">',
    ):
        assert text in html


def test_home_asks_few_questions_whatever_waits(place: Place) -> None:
    client = place.client(place.maker)
    place.payout()
    with counted_queries() as few:
        client.get("/admin/")
    for _ in range(30):
        place.payout(place.other)
    with counted_queries() as many:
        client.get("/admin/")
    assert len(many) == len(few)
    assert len(many) <= 15, many


def test_installations_without_a_rate_are_counted_after_the_page(place: Place) -> None:
    client = place.client(place.maker)
    place.payout()
    assert 'data-hx-get="/admin/needs-rate"' in client.get("/admin/").text
    answer = client.get("/admin/needs-rate")
    assert answer.status_code == 200
    assert "Every installation that is due has a rate." in answer.text


def test_payee_sees_next_payout_year_and_earnings(place: Place) -> None:
    _pay(place, place.approved(amount=30_000), date(2026, 11, 20), "A-1")
    _pay(place, place.approved(amount=10_000), date(2025, 12, 30), "A-2")
    waiting = place.payout(amount=45_000)
    place.payout(place.other, 99_900)
    html = place.client(place.technician).get("/technician/").text
    for text in ("Your next payout", "$450.00", waiting.reference, "Solaria checks it.",
                 "Paid to you in 2026", "$300.00",
                 "$400.00 in twelve months; most in Nov 2026, $300.00."):  # fmt: skip
        assert text in html
    assert "$999.00" not in html
    assert "What you need to do" not in html


def test_payee_is_told_what_to_do(place: Place) -> None:
    bare_user = people.user("ana@example.com")
    bare = people.payee(place.organisation, name="Ana", user=bare_user)
    place.payout(bare, actor=SCHEDULER)
    html = place.client(bare_user).get("/technician/").text
    assert "Add your payment details" in html
    failed = place.approved()
    with transaction():
        db.session.get_one(Payout, failed.id).state = "failed"
    html = place.client(place.technician).get("/technician/").text
    assert f"The bank did not take {failed.reference}." in html


def test_payee_without_payouts_is_told_what_comes(place: Place) -> None:
    html = place.client(place.technician).get("/technician/").text
    assert "After your first approved job you see it here." in html


def test_user_without_a_payee_record_is_told_whom_to_ask(place: Place) -> None:
    lost = people.user(organisation=place.organisation, role="technician")
    assert "An admin of Solaria must link your account" in place.client(lost).get("/technician/").text
