"""Every page opens for who may see it, shows nobody else's records, asks few questions, and files hold its filter."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import people, rentals, rents
from tests.factories.pages import counted_queries
from tests.programs.rentals.views.conftest import Griha
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.programs.rentals.models import RentPayment

Address = Callable[[Griha, RentPayment], str]
LISTS = (
    "", "/figures", "/payouts", "/payments", "/rents", "/arrears", "/returns", "/waiting", "/leases", "/tenants",
    "/properties", "/owners", "/terms",
)  # fmt: skip
PAGES: tuple[Address, ...] = (
    lambda w, p: f"/properties/{w.place.reference}",
    lambda w, p: f"/leases/{w.lease.reference}",
    lambda w, p: f"/tenants/{w.lease.tenants[0].tenant.reference}",
    lambda w, p: f"/rents/{w.charge.reference}",
    lambda w, p: f"/payments/{p.reference}",
)
FORMS: tuple[Address, ...] = (
    lambda w, p: f"/properties/{w.place.reference}/edit",
    lambda w, p: f"/properties/{w.place.reference}/units",
    lambda w, p: f"/properties/{w.place.reference}/bills",
    lambda w, p: f"/properties/{w.place.reference}/terms",
    lambda w, p: f"/leases/{w.lease.reference}/end",
    lambda w, p: f"/leases/{w.lease.reference}/rent",
    lambda w, p: f"/tenants/{w.lease.tenants[0].tenant.reference}/edit",
    lambda w, p: f"/rents/{w.charge.reference}/waive",
    lambda w, p: f"/rents/{w.charge.reference}/payment",
    lambda w, p: f"/rents/{w.charge.reference}/pay-link",
    lambda w, p: f"/payments/{p.reference}/verify",
    lambda w, p: f"/payments/{p.reference}/cancel",
    lambda w, p: f"/payments/{p.reference}/refund",
    lambda w, p: f"/payments/{p.reference}/chargeback",
)
GENERAL_FORMS = (
    "/properties/new", "/leases/new", "/tenants/new", "/terms/fee", "/terms/withheld-tax", "/terms/gateway-charge",
    "/terms/asking",
)  # fmt: skip
FILES = ("/payouts", "/payments", "/rents", "/arrears", "/leases", "/properties")


def test_every_page_opens_and_nothing_of_a_name_is_run(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    addresses = [*LISTS, *GENERAL_FORMS, *(address(griha, payment) for address in (*PAGES, *FORMS))]
    for address in addresses:
        answer = admin.get(f"/admin/rentals{address}")
        assert answer.status_code == 200, address
        assert "<b>Iyer</b>" not in answer.text, address


def test_accountants_look_and_change_nothing(griha: Griha) -> None:
    payment = griha.received()
    pages = [*LISTS, *(address(griha, payment) for address in PAGES)]
    forms = [*GENERAL_FORMS, *(address(griha, payment) for address in FORMS)]
    client = griha.as_(griha.books)
    assert [client.get(f"/admin/rentals{page}").status_code for page in pages] == [200] * len(pages)
    for form in forms:
        assert client.get(f"/admin/rentals{form}").status_code == 403, form
        assert client.post(f"/admin/rentals{form}").status_code == 403, form


def test_records_of_another_organisation_are_not_there(griha: Griha) -> None:
    payment = griha.received()
    addresses = [address(griha, payment) for address in (*PAGES, *FORMS)]
    other = rentals.griha(slug="other")
    stranger = people.user(organisation=other, role="admin")
    people.sign_in(griha.browser, stranger, other)
    for address in addresses:
        assert griha.browser.get(f"/admin/rentals{address}").status_code == 404, address
    assert griha.browser.get(f"/admin/rentals/payments/{payment.reference}/proof").status_code == 404
    assert griha.browser.post(f"/admin/rentals/owners/{griha.meera.reference}/ask").status_code == 404
    for name in LISTS:
        text = griha.browser.get(f"/admin/rentals{name}").text
        assert "Anil" not in text, name
        assert griha.charge.reference not in text, name


def test_an_empty_organisation_is_told_what_to_do_first(client: FlaskClient) -> None:
    nobody = rentals.griha(slug="empty")
    people.sign_in(client, people.user(organisation=nobody, role="admin"), nobody)
    for name in LISTS:
        assert client.get(f"/admin/rentals{name}").status_code == 200, name
    assert "Add a property" in client.get("/admin/rentals").text
    assert "No payments yet" in client.get("/admin/rentals/payments").text


@pytest.mark.parametrize("name", [name for name in LISTS if name != "/figures"])
def test_a_list_asks_few_questions_however_long_it_is(griha: Griha, admin: FlaskClient, name: str) -> None:
    griha.received()

    def more() -> None:
        rents.received(rentals.charge(griha.place))
        rentals.charge(rentals.property_of(griha.organisation, [(rentals.owner(griha.organisation), 1)]))

    more()
    admin.get(f"/admin/rentals{name}")
    with counted_queries() as few:
        admin.get(f"/admin/rentals{name}")
    for _ in range(4):
        more()
    with counted_queries() as many:
        admin.get(f"/admin/rentals{name}")
    assert len(many) == len(few), "\n".join(many)
    assert len(many) <= (15 if name == "" else 12), "\n".join(many)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_files_hold_the_rows_of_the_list(griha: Griha, admin: FlaskClient, name: str, form: str) -> None:
    if name != "/arrears":
        griha.received()
    answer = admin.get(f"/admin/rentals{name}/export.{form}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))
        assert len(rows) == (2 if name == "/payouts" else 1)


def test_files_are_exact(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    text = admin.get("/admin/rentals/payouts/export.csv").get_data(as_text=True).lstrip("\ufeff")
    rows = {row["Owner"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["Anil Kumar"]["Amount"] == "3622.40"
    assert rows["Anil Kumar"]["Rent payment"] == payment.reference
    assert rows["Anil Kumar"]["Currency"] == "INR"
    text = admin.get("/admin/rentals/payments/export.csv?state=failed").get_data(as_text=True)
    assert payment.reference not in text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/payments?begun_from=soon", "Enter a day like 2026-10-31."),
        ("/payments?state=lost", "Not a valid choice"),
        ("/rents?due_from=2026-12-01&due_to=2026-11-01", "The range ends before it begins."),
        ("/payouts?period_from=2026-12-01&period_to=2026-11-01", "The range ends before it begins."),
        ("/leases?state=sold", "Not a valid choice"),
    ],
)
def test_a_filter_that_cannot_be_read_is_said(
    griha: Griha, admin: FlaskClient, address: str, words: str
) -> None:
    answer = admin.get(f"/admin/rentals{address}")
    assert answer.status_code == 422
    assert words in answer.text
    name, _, query = address.partition("?")
    assert admin.get(f"/admin/rentals{name}/export.csv?{query}").status_code == 422


@pytest.mark.parametrize(
    "name", [name for name in LISTS if name not in ("", "/figures", "/terms", "/waiting")]
)
def test_htmx_gets_the_rows_alone(griha: Griha, admin: FlaskClient, name: str) -> None:
    griha.received()
    text = admin.get(f"/admin/rentals{name}", headers={"HX-Request": "true"}).text
    assert "<html" not in text
    assert '<form class="filters"' not in text


def test_lists_find_by_what_people_know(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    tenant = griha.lease.tenants[0].tenant
    found = (
        (f"/payments?q={payment.proof_reference}", payment.reference),
        (f"/payments?q={tenant.name}", payment.reference),
        (f"/payments?q={griha.charge.reference}", payment.reference),
        ("/payments?begun_from=2026-11-20&begun_to=2026-11-20", payment.reference),
        (f"/rents?q={griha.lease.unit.name}&state=paid", griha.charge.reference),
        (f"/leases?q={tenant.name}&state=active", griha.lease.reference),
        (f"/leases?property={griha.place.reference}", griha.lease.reference),
        (f"/tenants?q={tenant.email}", tenant.reference),
        (f"/properties?q={griha.place.name}&owner=Anil", griha.place.reference),
        ("/owners?q=anil&waits=missing", "Anil Kumar"),
    )
    for address, words in found:
        assert words in admin.get(f"/admin/rentals{address}").text, address
    for address in ("/payments?q=nobody", "/rents?state=open", "/leases?state=ended", "/owners?waits=there"):
        assert "Nothing matches" in admin.get(f"/admin/rentals{address}").text, address


def test_home_says_what_of_the_rents_needs_somebody(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    with counted_queries() as asked:
        text = admin.get("/admin/").text
    assert "2 owners have no payment details" in text
    assert "/admin/rentals/owners?waits=missing" in text
    assert len(asked) <= 15, "\n".join(asked)
    reference = db.session.scalars(select(Payout.reference)).first()
    assert f"/admin/rentals/payments/{payment.reference}" in admin.get(f"/admin/payouts/{reference}").text
