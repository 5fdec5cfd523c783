"""The plots of the admins' home: what is about to leave, how transfers went, how long payouts took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from tests.factories import ledger, people
from tests.factories.pages import Place, counted_queries
from tests.factories.pages import place as make_place
from webapp.database import db, transaction
from webapp.payouts import service
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import PayoutMethod
from webapp.portals import figures
from webapp.reconciliation.models import BankAccount, Statement, StatementFile

HOUR = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
TODAY, ZONE = date(2026, 11, 21), "America/New_York"


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(HOUR, tick=False):
        yield


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login, two payees with bank accounts."""
    return make_place(database)


def _change(payout: Payout, **values: Any) -> None:
    with transaction():
        row = db.session.get_one(Payout, payout.id)
        for name, value in values.items():
            setattr(row, name, value)


def _forecast(place: Place) -> figures.Forecast:
    return figures.forecast(place.organisation.id, "USD", ZONE, HOUR, {"installations"})


def _per_day(found: figures.Forecast, name: str) -> dict[date, int]:
    values = dict(found.series)[name]
    return {day: value for day, value in zip(found.days, values, strict=True) if value}


def _transfer(payout: Payout, n: int, state: str, message: str = "", rail: str = "sandbox") -> None:
    with transaction():
        db.session.add(
            Transfer(
                organisation_id=payout.organisation_id, payout_id=payout.id, n=n, transfer_id=f"t{payout.id}-{n}",
                rail=rail, state=state, currency=payout.currency, amount_minor=payout.amount_minor, fingerprint="0",
                error_message=message, created_at=HOUR,
            )
        )  # fmt: skip


def test_what_is_approved_leaves_today_and_a_retry_on_its_day(place: Place) -> None:
    place.approved(amount=10_000)
    _change(place.approved(amount=20_000), state="retry_scheduled", retry_at=HOUR + timedelta(days=3))
    place.payout(amount=40_000)
    found = _forecast(place)
    assert _per_day(found, "Approved or on the way") == {TODAY: 10_000, date(2026, 11, 24): 20_000}
    assert _per_day(found, "To approve, if approved today") == {TODAY: 40_000}
    assert (found.approved.amount, found.to_approve.amount, found.stopped.amount) == (30_000, 40_000, 0)
    assert len(found.days) == 14


def test_new_details_move_a_payout_to_the_day_after_their_wait(place: Place) -> None:
    payout = place.approved(amount=10_000)
    with transaction():
        for method in db.session.query(PayoutMethod).filter_by(payee_id=payout.payee_id, is_current=True):
            method.cool_off_until = HOUR + timedelta(hours=40)
    assert _per_day(_forecast(place), "Approved or on the way") == {date(2026, 11, 23): 10_000}


def test_what_somebody_must_put_right_stands_apart(place: Place) -> None:
    _change(place.approved(amount=1_000), state="failed")
    _change(place.approved(amount=2_000), is_held=True)
    place.payout(people.payee(place.organisation, name="No method"), 4_000)
    place.payout(place.other, 8_000)
    found = _forecast(place)
    assert found.stopped.amount == 7_000
    assert found.to_approve.amount == 8_000
    assert found.approved.amount == 0


def test_other_organisations_and_currencies_do_not_count(place: Place) -> None:
    elsewhere = people.organisation("elsewhere")
    with transaction():
        place.organisation.currency = "EUR"
    place.payout(amount=5_000)
    assert _forecast(place).to_approve.amount == 0
    assert figures.forecast(elsewhere.id, "EUR", ZONE, HOUR, set()).to_approve.amount == 0
    assert figures.outcomes(elsewhere.id).rows == []
    assert figures.times(elsewhere.id, TODAY, 0) is None


def test_the_balance_is_the_statements_then_the_books_then_unknown(place: Place) -> None:
    here = place.organisation.id
    assert figures.balance(here, "USD") is None
    ledger.entry(here, "in", ledger.leg("bank", 90_000), ledger.leg("funding", -90_000))
    known = figures.balance(here, "USD")
    assert known is not None
    assert (known.amount.amount, known.stated_on) == (90_000, None)
    with transaction():
        account = BankAccount(
            organisation_id=here, currency="USD", account_digest="a" * 64, label="Main", created_at=HOUR
        )
        file = StatementFile(
            organisation_id=here, reference="BF-1", file_name="a.sta", sha256="0" * 64, storage_key="k",
            source="bank", format="mt940", created_by_label="t", created_at=HOUR,
        )  # fmt: skip
        db.session.add_all([account, file])
        db.session.flush()
        for day, minor in ((18, 1), (20, 70_000)):
            db.session.add(
                Statement(file_id=file.id, account_id=account.id, currency="USD", closing_minor=minor,
                          closing_on=date(2026, 11, day))
            )  # fmt: skip
    known = figures.balance(here, "USD")
    assert known is not None
    assert (known.amount.amount, known.stated_on) == (70_000, date(2026, 11, 20))


def test_outcomes_by_rail_and_try_with_their_reasons(place: Place) -> None:
    payouts = [place.approved(amount=1_000 + n) for n in range(3)]
    _transfer(payouts[0], 1, "failed", "The account is closed")
    _transfer(payouts[0], 2, "succeeded")
    _transfer(payouts[1], 1, "succeeded")
    _transfer(payouts[2], 1, "reversed", "The account is closed")
    _transfer(payouts[2], 5, "failed", "", "manual")
    found = figures.outcomes(place.organisation.id)
    assert [(r.rail, r.n, r.good, r.all) for r in found.rows] == [
        ("manual", 4, 0, 1), ("sandbox", 1, 1, 3), ("sandbox", 2, 1, 1),
    ]  # fmt: skip
    assert found.reasons == [("The account is closed", 2), ("No reason given", 1)]
    assert not found.is_part


def test_times_are_the_middle_of_each_week(place: Place) -> None:
    for paid_at, minutes in ((HOUR, 10), (HOUR, 30), (HOUR, 600), (HOUR - timedelta(days=7), 60 * 24 * 3)):
        payout = place.approved(amount=1_000 + minutes)
        _change(
            payout,
            state="paid",
            paid_at=paid_at,
            paid_on=paid_at.date(),
            created_at=paid_at - timedelta(minutes=minutes),
        )
    _change(place.approved(amount=9), state="paid", paid_at=HOUR, paid_on=date(2026, 1, 5))
    found = figures.times(place.organisation.id, TODAY, 0)
    assert found is not None
    assert [(w.start, w.count, w.median_minutes) for w in found.weeks] == [
        (date(2026, 11, 9), 1, 4320), (date(2026, 11, 16), 3, 30),
    ]  # fmt: skip
    assert (found.count, found.median_minutes) == (4, 30)


def test_the_page_says_all_of_it_with_tables_in_few_queries(place: Place) -> None:
    place.payout(now=HOUR - timedelta(days=5))
    for paid_on, amount in ((date(2026, 11, 20), 30_000), (date(2026, 10, 30), 10_000)):
        payout = place.approved(amount=amount)
        with transaction():
            service.mark_paid(
                organisation_id=place.organisation.id, reference=payout.reference, payment_reference=f"A-{amount}",
                paid_on=paid_on, actor=people.actor_of(place.maker), now=HOUR,
            )  # fmt: skip
    failed = place.approved(amount=70_000)
    _transfer(failed, 1, "failed", "The account is closed")
    client = place.client(place.maker)
    with counted_queries() as asked:
        whole = client.get("/admin/figures").text
    assert len(asked) <= 12, asked
    part = client.get("/admin/figures", headers={"HX-Request": "true"}).text
    assert "<h1>" in whole
    assert "<h1>" not in part
    for text in (
        "$700.00 is approved or on the way, $499.50 waits for approval.",
        "What is at the bank is not known here",
        "$400.00 was paid in six months, $300.00 of it this month.",
        "Nov 2026, Installations: $300.00",
        "1 of 1 have waited four days or longer.",
        "0 of the 1 went well, 0 % of the first tries.",
        "1 of 1: The account is closed.",
        "From made to paid, by week of payment",
    ):
        assert text in whole
        assert text in part
    assert whole.count("Show the numbers") == 6


def test_the_page_says_what_is_missing_at_the_bank(place: Place) -> None:
    with transaction():
        ledger.entry(place.organisation.id, "in", ledger.leg("bank", 30_000), ledger.leg("funding", -30_000))
    place.approved(amount=70_000)
    html = place.client(place.maker).get("/admin/figures").text
    assert "$300.00 is at the bank by the books; $400.00 is missing." in html


def test_an_organisation_without_payouts_is_told_what_comes(place: Place) -> None:
    html = place.client(place.maker).get("/admin/figures").text
    assert "shows here as soon as there are payouts" in html
    assert "chart-plot" not in html
