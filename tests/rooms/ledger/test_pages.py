"""The ledger's pages: balances, running balances, entries, the check, the download; only for one's own books."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from tests import factories
from tests.factories.ledger import entry, leg
from webapp.database import db, transaction
from webapp.ledger import queries
from webapp.ledger.models import Account, JournalEntry


@dataclass
class Books:
    """What the tests look for."""

    organisation_id: int
    wallet_id: int
    first_id: int
    reversal_id: int
    foreign_account_id: int
    foreign_entry_id: int


@pytest.fixture
def books(database: Flask) -> Books:
    """Two organisations with entries."""
    organisation, other = factories.organisation(slug="solaria"), factories.organisation(slug="other")
    payee = factories.payee(organisation, name="Ada <Lovelace>")
    with transaction():
        entry(organisation.id, "k0", leg("bank", 100000), leg("wallet:organisation", -100000))
        first = entry(organisation.id, "k1", leg("expense:installations", 49950),
                      leg(f"payable:{payee.reference}", -49950, payee.id),
                      description="Approved <b>PO-1</b>")  # fmt: skip
        back = entry(organisation.id, "k2", leg(f"payable:{payee.reference}", 49950, payee.id),
                     leg("expense:installations", -49950), reverses_id=first.id)  # fmt: skip
        foreign = entry(other.id, "k1", leg("bank", 777), leg("income:secret", -777), description="Not yours")
        ids = (organisation.id, first.id, back.id, foreign.id)
    wallet, theirs = (
        db.session.scalars(
            select(Account.id).where(Account.code == code, Account.organisation_id == which)
        ).one()
        for code, which in (("wallet:organisation", ids[0]), ("bank", other.id))
    )
    return Books(ids[0], wallet, ids[1], ids[2], theirs, ids[3])


@pytest.fixture
def admin(books: Books, client: FlaskClient) -> FlaskClient:
    """A browser in which an admin of the first organisation is signed in."""
    return signed_in(books, client, "admin")


def signed_in(books: Books, client: FlaskClient, role: str) -> FlaskClient:
    """Sign a new person in."""
    from webapp.people.models import Organisation

    organisation = db.session.get_one(Organisation, books.organisation_id)
    user = factories.user(organisation=organisation, role=role)
    factories.sign_in(client, user, organisation)
    return client


def test_accounts_are_listed_with_their_balances(admin: FlaskClient) -> None:
    page = admin.get("/admin/ledger").text
    for words in (
        "Wallet of organisation",
        "wallet:organisation",
        "$1,000.00",
        "Ada &lt;Lovelace&gt;",
        "Liabilities",
    ):
        assert words in page
    assert "4 accounts" in page
    assert "secret" not in page


def test_accounts_are_found_by_text_and_type(admin: FlaskClient) -> None:
    page = admin.get("/admin/ledger?q=lovelace&type=liability", headers={"HX-Request": "true"}).text
    assert "1 account" in page
    assert "payable:" in page
    assert "<html" not in page
    assert "No account matches" in admin.get("/admin/ledger?q=nobody").text
    assert "4 accounts" in admin.get("/admin/ledger?type=nonsense").text


def test_an_account_shows_its_postings_and_running_balance(admin: FlaskClient, books: Books) -> None:
    with transaction():
        for n in range(30):
            entry(books.organisation_id, f"m{n}", leg("wallet:organisation", 100), leg("bank", -100),
                  effective_on=date(2026, 11, 1))  # fmt: skip
    address = f"/admin/ledger/accounts/{books.wallet_id}?size=25"
    page = admin.get(address).text
    assert "31 postings" in page
    figures = re.findall(r"\$(9\d\d\.00)", page)
    assert figures[0] == "970.00"
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    second = admin.get(following[1].replace("&amp;", "&")).text
    assert "$1,000.00" in second
    assert "Previous" in second


def test_an_entry_shows_legs_source_and_reversal(admin: FlaskClient, books: Books) -> None:
    page = admin.get(f"/admin/ledger/entries/{books.first_id}").text
    for words in ("$499.50", "Expense of installations", "Approved &lt;b&gt;PO-1", "Reversed by", "Test 1"):
        assert words in page
    assert f"/admin/ledger/entries/{books.reversal_id}" in page
    assert "This entry reverses" in admin.get(f"/admin/ledger/entries/{books.reversal_id}").text


def test_an_entry_links_to_its_record(
    admin: FlaskClient, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        queries.source_links, "test", lambda o, n: queries.SourceLink(f"PO-{n}", f"/x/{o}/{n}")
    )
    assert f'href="/x/{books.organisation_id}/1"' in admin.get(f"/admin/ledger/entries/{books.first_id}").text


def test_what_is_not_theirs_is_not_there(admin: FlaskClient, books: Books) -> None:
    assert admin.get(f"/admin/ledger/accounts/{books.foreign_account_id}").status_code == 404
    assert admin.get(f"/admin/ledger/entries/{books.foreign_entry_id}").status_code == 404
    assert admin.get("/admin/ledger/entries/999999").status_code == 404


def test_the_check_page_shows_figures_and_findings(admin: FlaskClient, books: Books) -> None:
    page = admin.get("/admin/ledger/check").text
    assert "agrees with itself" in page
    assert re.search(r"Debits USD</dt><dd>1999\.00 USD<", page)
    with transaction() as session:
        session.get_one(Account, books.wallet_id).balance_minor += 5
    page = admin.get("/admin/ledger/check").text
    assert "does not agree" in page
    assert f"account {books.wallet_id} (wallet:organisation)" in page


@pytest.mark.parametrize(
    ("name", "ending"), [("csv", "csv"), ("hledger", "journal"), ("beancount", "beancount")]
)
def test_the_journal_is_a_download(admin: FlaskClient, books: Books, name: str, ending: str) -> None:
    response = admin.get(f"/admin/ledger/export?format={name}")
    assert response.status_code == 200
    assert re.search(
        rf"filename=solaria-journal-\d{{4}}-\d\d-\d\d\.{ending}", response.headers["Content-Disposition"]
    )
    assert "499.50" in response.text
    assert "Not yours" not in response.text


def test_another_format_is_refused(admin: FlaskClient) -> None:
    assert admin.get("/admin/ledger/export?format=pdf").status_code == 422


def test_an_accountant_looks_and_a_technician_does_not(books: Books, client: FlaskClient) -> None:
    signed_in(books, client, "accountant")
    for path in ("", "/check", "/export", f"/accounts/{books.wallet_id}", f"/entries/{books.first_id}"):
        assert client.get(f"/admin/ledger{path}").status_code == 200
    other = client.application.test_client()
    signed_in(books, other, "technician")
    assert other.get("/admin/ledger").status_code == 403


def test_the_list_needs_few_queries(admin: FlaskClient, books: Books) -> None:
    seen: list[str] = []
    listener = lambda *arguments: seen.append(arguments[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listener)
    try:
        assert admin.get("/admin/ledger").status_code == 200
    finally:
        event.remove(db.engine, "before_cursor_execute", listener)
    assert len(seen) <= 12, seen


def test_no_entry_is_without_a_page(admin: FlaskClient, books: Books) -> None:
    for entry_id in db.session.scalars(
        select(JournalEntry.id).where(JournalEntry.organisation_id == books.organisation_id)
    ):
        assert admin.get(f"/admin/ledger/entries/{entry_id}").status_code == 200
