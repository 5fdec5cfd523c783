"""The admins' pages of payees, and a payee's own page of payment details."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.factories import actor_of, destination, method, organisation, payee, sign_in, user
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.people import queries, service
from webapp.people.models import Organisation, Payee, PayoutMethod, User

NUMBER = "000123456789"


@pytest.fixture
def house(database: Any) -> Organisation:
    return organisation("solaria", contact_email="money@solaria.example")


@pytest.fixture
def admin(client: FlaskClient, house: Organisation) -> User:
    person = user("maya@solaria.example", organisation=house, role="admin")
    sign_in(client, person, house)
    return person


@pytest.fixture
def accountant(client: FlaskClient, house: Organisation) -> User:
    person = user("books@solaria.example", organisation=house, role="accountant")
    sign_in(client, person, house)
    return person


def new_payee(**values: str) -> dict[str, str]:
    return {"kind": "technician", "name": "Tara Okafor", "email": "tara@x.example", **values}


def bank(**values: str) -> dict[str, str]:
    return {"version": "0", "name_at_bank": "Tara Okafor", "routing_number": "021000021", "account_number": NUMBER,
            "account_number_again": "0001-2345 6789", **values}  # fmt: skip


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's check step."""
    found = re.findall(r'<input type="hidden" name="(draft|version)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def test_a_payee_is_added_and_numbered(client: FlaskClient, admin: User) -> None:
    response = client.post("/admin/payees/new", data=new_payee(country="us"))
    assert (response.status_code, response.location) == (303, "/admin/payees/PY-0001")
    page = client.get(response.location).text
    assert "PY-0001 is added." in page
    assert "No payment details" in page
    row = db.session.scalars(select(Payee)).one()
    assert (row.country, row.created_by_id) == ("US", admin.id)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Enter the name."),
        ("kind", "", "Choose what the payee is."),
        ("kind", "admin", "Not a valid choice"),
        ("email", "tara at x", "This is not an e-mail address. Example: maya@example.com"),
        ("country", "USA", "Use the two letters of the country. Example: IN"),
        ("phone", "1" * 121, "Use at most 120 characters."),
    ],
)
def test_a_bad_field_is_named_with_an_example(
    client: FlaskClient, admin: User, field: str, value: str, words: str
) -> None:
    response = client.post("/admin/payees/new", data=new_payee(**{field: value}))
    assert response.status_code == 422
    assert words in response.text
    assert f'href="#{field}"' in response.text
    assert db.session.scalar(select(func.count()).select_from(Payee)) == 0


def test_a_taken_reference_of_ones_own_is_refused(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    payee(house, external_ref="T-7")
    payee(house, "owner", external_ref="T-8")
    assert client.post("/admin/payees/new", data=new_payee(external_ref="T-7")).status_code == 422
    assert client.post("/admin/payees/new", data=new_payee(external_ref="T-8")).status_code == 303


def test_fields_that_the_form_does_not_have_are_ignored(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    other = organisation("other")
    extra = {
        "organisation_id": str(other.id),
        "reference": "PY-9999",
        "user_id": str(admin.id),
        "version": "7",
    }
    client.post("/admin/payees/new", data=new_payee(**extra))
    row = db.session.scalars(select(Payee)).one()
    assert (row.organisation_id, row.reference, row.user_id, row.version) == (house.id, "PY-0001", None, 1)


def test_the_list_is_searched_and_filtered(client: FlaskClient, admin: User, house: Organisation) -> None:
    payee(house, name="Tara 100% Solar", email="tara@x.example")
    payee(house, "owner", name="Oren Levi", external_ref="OW-7")
    payee(organisation("other"), name="Tara of elsewhere")

    def names(query: str) -> list[str]:
        page = client.get("/admin/payees?" + query).text
        return re.findall(r"<bdi>(Tara[^<]*|Oren[^<]*)</bdi></a>", page)

    assert names("") == ["Oren Levi", "Tara 100% Solar"]
    assert names("search=tara") == ["Tara 100% Solar"]
    assert names("search=100%25") == ["Tara 100% Solar"]
    assert names("search=%25") == ["Tara 100% Solar"]
    assert names("search=ow-7") == ["Oren Levi"]
    assert names("kind=owner") == ["Oren Levi"]
    assert names("kind=driver") == []
    assert "No payee fits this filter" in client.get("/admin/payees?search=zzz").text


def test_a_filter_by_htmx_answers_the_rows_alone(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    payee(house, name="Tara")
    text = client.get("/admin/payees?search=tar", headers={"HX-Request": "true"}).text
    assert "Tara" in text
    assert "<html" not in text
    assert (
        "<html"
        in client.get(
            "/admin/payees", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}
        ).text
    )


def test_the_list_is_paged_by_key(client: FlaskClient, admin: User, house: Organisation) -> None:
    with transaction():
        for number in range(30):
            payee(house, name=f"Payee number {number:02d}")
    first = client.get("/admin/payees?size=25").text
    assert "30 payees" in first
    assert "Payee number 29" in first
    assert "Payee number 04" not in first
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link is not None
    second = client.get(html.unescape(link[1])).text
    assert "Payee number 04" in second
    assert 'rel="prev"' in second


def test_another_organisations_payee_is_not_there(client: FlaskClient, admin: User) -> None:
    theirs = payee(organisation("other"))
    for path in ("", "/edit", "/method"):
        assert client.get(f"/admin/payees/{theirs.reference}{path}").status_code == 404
    assert client.post(f"/admin/payees/{theirs.reference}/edit", data=new_payee()).status_code == 404
    assert client.post(f"/admin/payees/{theirs.reference}/method/save", data={}).status_code == 404


def test_editing_keeps_the_kind_and_counts_versions(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one = payee(house, name="Tara")
    form = client.get(f"/admin/payees/{one.reference}/edit").text
    assert 'name="version" type="hidden" value="1"' in form
    data = new_payee(name="Tara O.", version="1", kind="owner", is_active="y")
    assert client.post(f"/admin/payees/{one.reference}/edit", data=data).status_code == 303
    row = queries.get_payee(house.id, one.reference)
    assert (row.name, row.kind, row.version, row.is_active) == ("Tara O.", "technician", 2, True)


def test_a_late_edit_gets_409_and_keeps_the_text(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one = payee(house, name="Tara")
    with transaction():
        service.update_payee(
            organisation_id=house.id,
            payee_id=one.id,
            changes={"name": "Tara Faster"},
            actor=actor_of(admin),
            now=utc_now(),
        )
    data = new_payee(name="Tara Slower", version="1", is_active="y")
    response = client.post(f"/admin/payees/{one.reference}/edit", data=data)
    assert response.status_code == 409
    assert 'value="Tara Slower"' in response.text
    assert "Tara Faster" in response.text
    assert queries.get_payee(house.id, one.reference).name == "Tara Faster"
    data["version"] = "2"
    assert client.post(f"/admin/payees/{one.reference}/edit", data=data).status_code == 303
    assert (
        client.post(f"/admin/payees/{one.reference}/edit", data={**data, "version": "x"}).status_code == 409
    )


def add_bank(client: FlaskClient, reference: str, **values: str) -> Any:
    checked = client.post(f"/admin/payees/{reference}/method?way=aba", data=bank(**values))
    assert checked.status_code == 200, checked.text
    return checked, client.post(f"/admin/payees/{reference}/method/save", data=hidden(checked.text))


def test_payment_details_are_checked_masked_then_saved(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one = payee(house)
    assert "Bank account in India" in client.get(f"/admin/payees/{one.reference}/method").text
    form = client.get(f"/admin/payees/{one.reference}/method?way=aba").text
    assert "Routing number" in form
    assert "IFSC" not in form
    checked, saved = add_bank(client, one.reference)
    assert "••6789" in checked.text
    assert NUMBER not in checked.text
    assert saved.status_code == 303
    row = queries.current_method(one.id)
    assert row is not None
    assert (row.masked, row.version, row.cool_off_until, row.created_by_id) == ("••6789", 1, None, admin.id)
    assert queries.details_of(row).reveal()["account_number"] == NUMBER
    page = client.get(f"/admin/payees/{one.reference}").text
    assert "••6789" in page
    assert NUMBER not in page


@pytest.mark.parametrize(
    ("way", "data", "words"),
    [
        ("aba", bank(routing_number="021000020"), "Enter a routing number"),
        ("aba", bank(account_number_again="1"), "The two account numbers differ."),
        ("aba", bank(account_number="12", account_number_again="12"), "4 to 25 letters or digits"),
        ("aba", bank(name_at_bank="タラ"), "Write the name in Latin letters"),
        ("ifsc", bank(ifsc="HDFC1001234"), "Enter an IFSC"),
        ("iban", bank(iban="DE89370400440532013001"), "This is not an IBAN"),
        ("upi", bank(vpa="ravi"), "Enter a UPI address"),
        ("upi", bank(vpa="ravi@okbank", name_at_bank=""), "Enter the name on the account."),
    ],
)
def test_bad_details_are_named_with_an_example(
    client: FlaskClient, admin: User, house: Organisation, way: str, data: dict[str, str], words: str
) -> None:
    one = payee(house)
    response = client.post(f"/admin/payees/{one.reference}/method?way={way}", data=data)
    assert response.status_code == 422
    assert words in html.unescape(response.text)
    assert db.session.scalar(select(func.count()).select_from(PayoutMethod)) == 0


def test_every_bad_field_is_named_at_once(client: FlaskClient, admin: User, house: Organisation) -> None:
    one = payee(house)
    data = bank(account_number="12", routing_number="x", name_at_bank="")
    page = client.post(f"/admin/payees/{one.reference}/method?way=aba", data=data).text
    for field in ("name_at_bank", "routing_number", "account_number", "account_number_again"):
        assert f'href="#{field}"' in page


@pytest.mark.parametrize(
    ("way", "data", "masked"),
    [
        ("ifsc", {"account_number": "1234", "account_number_again": "1234", "ifsc": "hdfc 0001234"}, "••34"),
        ("iban", {"iban": "DE89 3704 0044 0532 0130 00"}, "••3000"),
        ("upi", {"vpa": "Ravi@OKbank"}, "r•••@okbank"),
        ("manual", {}, "By hand"),
    ],
)
def test_every_way_is_saved(
    client: FlaskClient, admin: User, house: Organisation, way: str, data: dict[str, str], masked: str
) -> None:
    one = payee(house)
    checked = client.post(
        f"/admin/payees/{one.reference}/method?way={way}",
        data={"version": "0", "name_at_bank": "Tara", **data},
    )
    assert checked.status_code == 200
    saved = client.post(f"/admin/payees/{one.reference}/method/save", data=hidden(checked.text))
    assert saved.status_code == 303
    row = queries.current_method(one.id)
    assert row is not None
    assert row.masked == masked


def test_an_unknown_way_is_not_there(client: FlaskClient, admin: User, house: Organisation) -> None:
    one = payee(house)
    assert client.get(f"/admin/payees/{one.reference}/method?way=bitcoin").status_code == 404


def test_a_change_waits_and_the_old_details_stay(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one = payee(house)
    add_bank(client, one.reference)
    checked, saved = add_bank(
        client, one.reference, version="1", account_number="55550000", account_number_again="55550000"
    )
    assert saved.status_code == 303
    assert "the new details wait 48 hours" in checked.text
    row = queries.current_method(one.id)
    assert row is not None
    assert (row.masked, row.cool_off_until) == ("••6789", None)
    page = client.get(f"/admin/payees/{one.reference}").text
    assert "••6789" in page
    assert "••0000" in page
    assert "Waits for a second person" in page
    assert "BC-0001" in page


def test_a_second_change_at_the_same_time_gets_409(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one = payee(house)
    checked = client.post(f"/admin/payees/{one.reference}/method?way=aba", data=bank())
    method(one)
    response = client.post(f"/admin/payees/{one.reference}/method/save", data=hidden(checked.text))
    assert response.status_code == 409
    assert "••6789" in response.text
    again = hidden(response.text)
    assert again["version"] == "1"
    assert client.post(f"/admin/payees/{one.reference}/method/save", data=again).status_code == 303


def test_a_draft_opens_only_here_now_and_for_this_payee(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one, two = payee(house), payee(house)
    fields = hidden(client.post(f"/admin/payees/{one.reference}/method?way=aba", data=bank()).text)

    def save(reference: str, draft: str) -> int:
        data = {"draft": draft, "version": "0"}
        return int(client.post(f"/admin/payees/{reference}/method/save", data=data).status_code)

    assert save(two.reference, fields["draft"]) == 409
    assert save(one.reference, "") == 409
    assert save(one.reference, "v1.t1.AAAA.AAAA") == 409
    assert save(one.reference, fields["draft"][:-2] + "AA") == 409
    with time_machine.travel(utc_now() + timedelta(minutes=16)):
        sign_in(client, admin, house)
        assert save(one.reference, fields["draft"]) == 409
    sign_in(client, admin, house)
    assert save(one.reference, fields["draft"]) == 409
    assert db.session.scalar(select(func.count()).select_from(PayoutMethod)) == 0


def test_the_same_account_at_another_payee_is_flagged(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    one, two = payee(house, name="First of the twins"), payee(house, name="Second of the twins")
    method(one, destination(NUMBER))
    method(payee(organisation("other"), name="Unseen"), destination(NUMBER))
    checked, _ = add_bank(client, two.reference)
    assert "First of the twins" in checked.text
    page = client.get(f"/admin/payees/{two.reference}").text
    assert "The same account is used by" in page
    assert "First of the twins" in page
    assert "Unseen" not in page


def test_an_accountant_looks_and_changes_nothing(
    client: FlaskClient, accountant: User, house: Organisation
) -> None:
    one = payee(house, name="Tara")
    assert "Add a payee" not in client.get("/admin/payees").text
    page = client.get(f"/admin/payees/{one.reference}").text
    assert "Tara" in page
    assert "Add payment details" not in page
    for path in (
        "/admin/payees/new",
        f"/admin/payees/{one.reference}/edit",
        f"/admin/payees/{one.reference}/method",
    ):
        response = client.get(path)
        assert response.status_code == 403
        assert "An accountant can look at everything and change nothing." in response.text
    assert client.post("/admin/payees/new", data=new_payee()).status_code == 403
    assert client.post(f"/admin/payees/{one.reference}/method/save", data={}).status_code == 403


@pytest.mark.parametrize("kind", ["technician", "owner", "practitioner", "driver", "partner"])
def test_a_payee_sees_own_details_masked(client: FlaskClient, house: Organisation, kind: str) -> None:
    person = user()
    mine, theirs = payee(house, kind, user=person), payee(house, kind)
    method(mine, destination("111122223333"))
    method(mine, destination(NUMBER), cool_off_hours=24, now=utc_now())
    method(theirs, destination("999988887777"))
    sign_in(client, person, house)
    page = client.get(f"/{kind}/payment-details").text
    assert "••6789" in page
    assert "••3333" in page
    assert "••7777" not in page
    assert NUMBER not in page
    assert "money@solaria.example" in page
    assert "Payouts wait until" in page


def test_a_person_with_the_role_but_no_payee_is_told_whom_to_ask(
    client: FlaskClient, house: Organisation
) -> None:
    sign_in(client, user(organisation=house, role="driver"), house)
    page = client.get("/driver/payment-details")
    assert page.status_code == 200
    assert "not linked to a payee" in page.text
