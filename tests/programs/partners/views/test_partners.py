"""Partners: the list with its sums by currency, one partner's page, and what kind of partner somebody is."""

from __future__ import annotations

import csv
import io
import re
from datetime import date

import pytest
from flask.testing import FlaskClient

from tests.factories import partners
from tests.factories.partners import TODAY
from tests.factories.people import stored
from tests.programs.partners.views.conftest import Partnerbase
from webapp.database import db
from webapp.people.models import Payee
from webapp.programs.partners import calculating, record_lists
from webapp.programs.partners.models import PartnerProfile
from webapp.programs.partners.views import partner_pages

ROOT = "/admin/partners/partners"


def row_of(page: str, reference: str) -> str:
    """A partner's row in the list, without its marks."""
    row = next(row for row in page.split("<tr>") if f"/{reference}" in row)
    return re.sub(r"<[^>]+>", " ", row)


def names(page: str) -> list[str]:
    """The partners of the list, in its order."""
    return re.findall(r"<bdi>(Ada|Ben|Cy)\b", page)


def profile_of(payee: Payee) -> PartnerProfile:
    """What kind of partner somebody is, read anew."""
    ident = payee.id
    db.session.rollback()
    return db.session.get_one(PartnerProfile, ident, populate_existing=True)


def pay(base: Partnerbase) -> None:
    """Everything that is due is paid."""
    made = partners.calculate(base.organisation)
    with stored():
        for payout_id in made.payout_ids:
            calculating.mark_paid(base.organisation.id, payout_id, TODAY)


@pytest.fixture
def paid(partnerbase: Partnerbase) -> Partnerbase:
    """Ada earned in two currencies, and some of it was taken back; Ben earned less."""
    base = partnerbase
    deal = partners.won(base.program, [base.ada], 2_000_00)
    partners.won(base.program, [base.ada], 300_00, currency="EUR")
    partners.won(base.program, [base.ben], 1_000_00)
    partners.calculate(base.organisation)
    partners.lost(deal)
    return base


def test_the_list_has_the_sums_of_each_currency(paid: Partnerbase, admin: FlaskClient) -> None:
    page = admin.get(ROOT).text
    assert names(page) == ["Ada", "Ben"]
    ada = row_of(page, paid.ada.reference)
    assert "€15.00" in ada
    assert "$0.00" in ada
    assert "$50.00" in row_of(page, paid.ben.reference)
    assert "<b>Ray" not in page


def test_the_list_is_ordered_by_what_was_earned(paid: Partnerbase, admin: FlaskClient) -> None:
    assert names(admin.get(f"{ROOT}?sort=-amount").text) == ["Ben", "Ada"]
    assert names(admin.get(f"{ROOT}?sort=amount").text) == ["Ada", "Ben"]
    assert names(admin.get(f"{ROOT}?sort=-outstanding").text) == ["Ben", "Ada"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ortiz", ["Ben"]),
        ("q=%25", []),
        ("type=reseller", ["Cy"]),
        ("tier=gold", ["Cy"]),
        ("type=referral", ["Ada", "Ben"]),
        ("state=inactive", ["Cy"]),
        ("state=active", ["Ada", "Ben"]),
    ],
)
def test_the_list_is_narrowed(
    partnerbase: Partnerbase, admin: FlaskClient, query: str, found: list[str]
) -> None:
    cy = partners.partner(partnerbase.organisation, name="Cy Lam")
    admin.post(f"{ROOT}/{cy.reference}/profile", data={"type": "reseller", "tier": "gold", "rate": "5"})
    with stored():
        partnerbase.again(cy).is_active = False
    assert names(admin.get(f"{ROOT}?{query}").text) == found


def test_totals_are_of_the_filter_alone(paid: Partnerbase, admin: FlaskClient) -> None:
    page = re.sub(r"<[^>]+>", " ", admin.get(f"{ROOT}/totals?q=Ada").text)
    assert "€15.00" in page
    assert "$50.00" not in page
    assert "$50.00" in admin.get(f"{ROOT}/totals").text


def test_the_file_has_a_row_for_each_partner_and_currency(paid: Partnerbase, admin: FlaskClient) -> None:
    partners.partner(paid.organisation, name="=Cy", email="cy@x.example")
    text = admin.get(f"{ROOT}/export.csv?sort=-amount").text
    rows = [row for row in csv.DictReader(io.StringIO(text.lstrip("\ufeff"))) if row["Partner number"]]
    found = [(row["Partner"], row["Currency"], row["Earned"], row["Paid"], row["Owed"]) for row in rows]
    assert found[:2] == [
        ("Ben Ortiz", "USD", "50.00", "0.00", "50.00"),
        ("Ada <b>Ray</b>", "EUR", "15.00", "0.00", "15.00"),
    ]
    assert sorted(found[2:]) == [
        ("'=Cy", "USD", "0.00", "0.00", "0.00"),
        ("Ada <b>Ray</b>", "USD", "0.00", "0.00", "0.00"),
    ]
    only = admin.get(f"{ROOT}/export.csv?q=ortiz").text
    assert "Ben Ortiz" in only
    assert "Ada" not in only
    assert admin.get(f"{ROOT}/export.csv?type=magic").status_code == 422


def test_a_filter_that_cannot_be_read_is_said(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    answer = admin.get(f"{ROOT}?type=magic")
    assert answer.status_code == 422
    assert "The filter cannot be read" in answer.text
    assert admin.get(f"{ROOT}/totals?type=magic").status_code == 422


def test_one_page_tells_everything_of_a_partner(paid: Partnerbase, admin: FlaskClient) -> None:
    page = admin.get(f"{ROOT}/{paid.ada.reference}").text
    for words in ("Referral partner", "Bronze", "5 %", "Taken back", "€15.00", "100 %", "Lost", "PO-2026-"):
        assert words in page
    assert "<b>Ray" not in page


def test_what_is_below_zero_is_said_to_be_carried(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    base = partnerbase
    deal = partners.won(base.program, [base.ada])
    pay(base)
    partners.lost(deal)
    assert "Carried" in admin.get(f"{ROOT}/{base.ada.reference}").text


def test_the_plot_has_what_was_earned_in_each_month(
    partnerbase: Partnerbase, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, day = partnerbase, date(2026, 3, 31)
    monkeypatch.setattr(partner_pages, "today", lambda: day)
    partners.won(base.program, [base.ada])
    partners.won(base.program, [base.ada], currency="INR")
    [(first, amounts), (second, _)] = record_lists.earned_by_month(base.organisation.id, base.ada.id, day)
    assert (first, second, amounts) == ("INR", "USD", [0] * 10 + [50_00, 0])
    page = admin.get(f"{ROOT}/{base.ada.reference}").text
    assert "Earned by month, USD" in page
    assert "$50.00 in twelve months; most in Feb 2026, $50.00." in page


def test_what_kind_of_partner_somebody_is_can_be_changed(
    partnerbase: Partnerbase, admin: FlaskClient
) -> None:
    base = partnerbase
    address = f"{ROOT}/{base.ada.reference}/profile"
    assert 'value="5"' in admin.get(address).text
    answer = admin.post(
        address, data={"type": "affiliate", "tier": "platinum", "rate": "7.25", "version": "1"}
    )
    assert answer.status_code in (302, 303)
    row = base.again(base.ada)
    found = profile_of(row)
    assert (found.type, found.tier, found.rate_bp, found.changed_by_id) == (
        "affiliate",
        "platinum",
        725,
        base.dana.id,
    )
    stale = admin.post(address, data={"type": "affiliate", "tier": "gold", "rate": "8", "version": "1"})
    assert stale.status_code == 409
    assert profile_of(row).rate_bp == 725


@pytest.mark.parametrize("rate", ["100.01", "-1", "7.255", "x", "", "nan"])
def test_a_rate_that_is_none_is_refused(partnerbase: Partnerbase, admin: FlaskClient, rate: str) -> None:
    base = partnerbase
    answer = admin.post(
        f"{ROOT}/{base.ada.reference}/profile", data={"type": "affiliate", "tier": "gold", "rate": rate}
    )
    assert answer.status_code == 422
    assert 'href="#rate"' in answer.text
    assert profile_of(base.ada).rate_bp == 500


def test_another_organisations_partner_is_not_there(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = partners.partnerbase()
    for _ in range(5):
        theirs = partners.partner(other, name="Cy of theirs")
    partners.won(partners.program(other), [theirs])
    assert admin.get(f"{ROOT}/{theirs.reference}").status_code == 404
    assert admin.post(f"{ROOT}/{theirs.reference}/profile", data={"type": "affiliate"}).status_code == 404
    assert "Cy of theirs" not in admin.get(ROOT).text
    assert "$50.00" not in admin.get(f"{ROOT}/totals").text
