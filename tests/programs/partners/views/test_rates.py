"""Exchange rates in the browser: entered, corrected, withdrawn, listed; and differences of payouts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask.testing import FlaskClient

from tests.factories.people import FACTORY
from tests.programs.partners import test_exchange as exchanges
from tests.programs.partners.views.conftest import Partnerbase
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.programs.partners import exchange_rates
from webapp.programs.partners.exchange_rates import RateDraft
from webapp.programs.partners.models_rates import ExchangeRate

ROOT = "/admin/partners/exchange-rates"
DAY = date(2026, 2, 1)


def rate(
    partnerbase: Partnerbase, text: str = "1.08", currency: str = "EUR", day: date = DAY
) -> ExchangeRate:
    """What a currency is worth from a day on."""
    with transaction():
        return exchange_rates.enter(
            organisation_id=partnerbase.organisation.id, draft=RateDraft(currency, Decimal(text), day, "ECB"),
            actor=FACTORY, now=utc_now(),
        )[0]  # fmt: skip


def test_a_rate_is_entered_and_listed(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    assert "No rates yet" in admin.get(ROOT).text
    sent = {"code": "eur", "rate": "1.0832", "valid_from": "2026-02-01", "note": "ECB <b>"}
    page = admin.post(f"{ROOT}/new", data=sent, follow_redirects=True).text
    assert "The rate is entered: 1 EUR = 1.0832 USD from" in page
    assert "ECB &lt;b&gt;" in page
    assert partnerbase.newest(ExchangeRate).created_by_id == partnerbase.dana.id


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("code", "USD", "is the currency that rates lead to"),
        ("code", "ZZZ", "is not a currency"),
        ("rate", "0", "more than zero"),
        ("rate", "-2", "more than zero"),
        ("rate", "1,08", "with a point"),
        ("rate", "1.00000000001", "at most 10 decimals"),
        ("rate", "", "Enter the rate"),
        ("valid_from", "2026-02-30", "Enter a day like"),
        ("valid_from", "9000-01-01", "has not come yet"),
    ],
)
def test_bad_input_gets_422_at_the_field(
    partnerbase: Partnerbase, admin: FlaskClient, field: str, value: str, words: str
) -> None:
    sent = {"code": "EUR", "rate": "1.0832", "valid_from": "2026-02-01", field: value}
    answer = admin.post(f"{ROOT}/new", data=sent)
    assert answer.status_code == 422
    assert words in answer.text


def test_the_same_rate_again_is_said(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    rate(partnerbase)
    sent = {"code": "EUR", "rate": "1.08", "valid_from": "2026-02-01"}
    assert "That is the rate already" in admin.post(f"{ROOT}/new", data=sent, follow_redirects=True).text


def test_a_correction_leaves_the_wrong_one_in_the_list(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    row = rate(partnerbase)
    address = f"{ROOT}/{row.id}/correct"
    assert admin.post(address, data={"rate": "1.09", "reason": ""}).status_code == 422
    page = admin.post(address, data={"rate": "1.09", "reason": "A typing error."}, follow_redirects=True).text
    assert "The rate is corrected: 1 EUR = 1.09 USD" in page
    assert "1.08 USD" not in admin.get(ROOT).text
    every = admin.get(f"{ROOT}?every=all").text
    assert "1.08 USD" in every
    assert "Replaced" in every
    # Whoever has the old page open changes nothing.
    assert admin.post(address, data={"rate": "1.2", "reason": "Late."}).status_code == 409


def test_a_rate_is_withdrawn_once(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    address = f"{ROOT}/{rate(partnerbase).id}/withdraw"
    page = admin.post(address, data={"reason": "Another currency."}, follow_redirects=True).text
    assert "counts no more" in page
    assert admin.post(address, data={"reason": "Again."}).status_code == 409
    assert "Withdrawn" in admin.get(f"{ROOT}?every=all").text


def test_another_organisations_rates_are_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    theirs, _ = exchanges.enter(exchanges.factory.partnerbase(), "7.77", DAY)
    assert admin.get(f"{ROOT}/{theirs.id}/correct").status_code == 404
    assert admin.post(f"{ROOT}/{theirs.id}/withdraw", data={"reason": "No."}).status_code == 404
    assert "7.77" not in admin.get(f"{ROOT}?every=all").text
    assert "7.77" not in admin.get(f"{ROOT}.csv").text


def test_an_accountant_reads_and_changes_nothing(partnerbase: Partnerbase) -> None:
    row = rate(partnerbase)
    browser = partnerbase.as_(partnerbase.books)
    page = browser.get(ROOT).text
    assert "1.08 USD" in page
    assert "Correct" not in page
    assert browser.get(f"{ROOT}/new").status_code == 403
    assert browser.post(f"{ROOT}/{row.id}/withdraw", data={"reason": "No."}).status_code == 403


def test_the_list_is_narrowed_and_taken_as_a_file(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    rate(partnerbase)
    rate(partnerbase, "0.0121", "INR")
    rate(partnerbase, "1.11", "EUR", date(2026, 3, 1))
    page = admin.get(f"{ROOT}?code=eur&date_from=2026-02-15").text
    assert "1.11" in page
    assert "0.0121" not in page
    file = admin.get(f"{ROOT}.csv?code=eur&sort=date").text
    assert [line.split(",")[3] for line in file.splitlines() if line.startswith("EUR,")] == ["1.08", "1.11"]
    assert admin.get(f"{ROOT}?date_from=2026-03-01&date_to=2026-02-01").status_code == 422
    assert "EUR" in admin.get(f"{ROOT}/totals").text


def test_what_waits_for_a_rate_is_said_and_booked_when_it_is_there(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase.organisation
    payout = exchanges.payout_in(base)
    exchanges.pay(payout)
    partnerbase.as_(partnerbase.dana)
    address = "/admin/partners/exchange-differences"
    for page in (admin.get(ROOT).text, admin.get(address).text):
        assert "1 payout in EUR cannot be booked in USD" in page
    exchanges.enter(base, "1.08", date(2026, 3, 1))
    exchanges.enter(base, "1.10", date(2026, 4, 8))
    exchanges.book(base, datetime(2026, 5, 1, tzinfo=UTC))
    page = admin.get(address).text
    assert "cannot be booked" not in page
    for words in (payout.reference, "€50.00", "$54.00", "$55.00", "$1.00", "Booked"):
        assert words in page
    assert "$1.00" in admin.get(f"{address}/totals").text
    assert "50.00 EUR" in admin.get(f"{address}.csv").text
