"""The frame of the books: tokens, who is let in, and errors in the books' own envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from webapp.simulator.server import Running
from webapp.simulator.zoho import ORGANISATION_ID, REFRESH_TOKEN, SECOND_ORGANISATION_ID

KEYS = {
    "client_id": "SIM_ZOHO",
    "client_secret": "sim-zoho-secret",
    "grant_type": "refresh_token",
    "refresh_token": REFRESH_TOKEN,
}


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    """A program that calls."""
    with httpx.Client(base_url=f"{running.url}/zoho") as made:
        yield made


def _token(http: httpx.Client) -> dict[str, str]:
    said = http.post("/oauth/v2/token", data=KEYS).json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 3600)
    assert said["api_domain"].endswith("/zoho")
    return {"authorization": f"Zoho-oauthtoken {said['access_token']}"}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"client_secret": "x"}, "invalid_client"), ({"refresh_token": "x"}, "invalid_code")],
)
def test_wrong_keys_are_an_error_under_200(http: httpx.Client, wrong: dict[str, str], error: str) -> None:
    said = http.post("/oauth/v2/token", params={**KEYS, **wrong})
    assert (said.status_code, said.json()) == (200, {"error": error})


def test_ten_tokens_in_ten_minutes_are_enough(http: httpx.Client) -> None:
    for _ in range(10):
        _token(http)
    assert http.post("/oauth/v2/token", data=KEYS).json() == {"error": "access_denied"}


def test_the_envelope_says_what_is_wrong(http: httpx.Client) -> None:
    assert http.get("/books/v3/bills").json()["code"] == 57
    headers = _token(http)
    # The word of the token's type is not the word of the header.
    bearer = {"authorization": headers["authorization"].replace("Zoho-oauthtoken", "Bearer")}
    assert http.get("/books/v3/bills", headers=bearer).status_code == 401
    assert http.get("/books/v3/bills", headers=headers).json()["code"] == 6041
    nothing = http.get("/books/v3/invoices", headers=headers, params={"organization_id": ORGANISATION_ID})
    assert (nothing.status_code, nothing.json()["code"]) == (404, 5)
    found = http.get("/books/v3/organizations", headers=headers).json()
    assert (found["code"], found["organizations"][0]["organization_id"]) == (0, ORGANISATION_ID)


def test_faults_strike_here_too(http: httpx.Client, running: Running) -> None:
    headers = _token(http)
    running.sim.plan.add("F6", provider="zoho")
    said = http.get("/books/v3/bills", headers=headers, params={"organization_id": ORGANISATION_ID})
    assert (said.status_code, said.json()["code"]) == (429, 44)


# ---------------------------------------------------------------- consent


def _consent(http: httpx.Client, **more: str) -> dict[str, str]:
    """What the application is led back with after a click on Accept."""
    given = {
        "client_id": "SIM_ZOHO", "response_type": "code", "scope": "ZohoBooks.bills.ALL", "state": "s",
        "redirect_uri": "http://localhost:1/back?x=1", "access_type": "offline", "action": "accept", **more,
    }  # fmt: skip
    said = http.post("/oauth/v2/auth", data=given)
    assert said.status_code == 303
    return dict(httpx.URL(said.headers["location"]).params)


def _exchange(http: httpx.Client, code: str, **more: str) -> dict[str, str]:
    given = {**KEYS, "grant_type": "authorization_code", "code": code,
             "redirect_uri": "http://localhost:1/back?x=1", **more}  # fmt: skip
    found: dict[str, str] = http.post("/oauth/v2/token", data=given).json()
    return found


def test_a_consent_leads_to_tokens_once(http: httpx.Client) -> None:
    page = http.get("/oauth/v2/auth", params={"client_id": "SIM_ZOHO", "response_type": "code", "scope": "a,b",
                                              "redirect_uri": "https://p.example/back"})  # fmt: skip
    assert page.status_code == 200
    assert "form-action 'self' https://p.example" in page.headers["content-security-policy"]
    back = _consent(http)
    assert (back["x"], back["state"], back["location"]) == ("1", "s", "in")
    said = _exchange(http, back["code"])
    assert len(said["refresh_token"]) > 20
    assert _exchange(http, back["code"]) == {"error": "invalid_code"}
    fresh = http.post("/oauth/v2/token", data={**KEYS, "refresh_token": said["refresh_token"]}).json()
    assert fresh["access_token"] != said["access_token"]
    headers = {"authorization": f"Zoho-oauthtoken {fresh['access_token']}"}
    params = {"organization_id": ORGANISATION_ID}
    assert http.get("/books/v3/bills", headers=headers, params=params).json()["bills"] == []
    # Scopes: what was not asked for is not let in.
    assert http.get("/books/v3/contacts", headers=headers, params=params).status_code == 401


def test_a_no_and_wrong_questions(http: httpx.Client, running: Running) -> None:
    assert _consent(http, action="reject") == {"x": "1", "error": "access_denied", "state": "s"}
    assert http.get("/oauth/v2/auth", params={"client_id": "nobody"}).status_code == 400
    assert "refresh_token" not in _exchange(http, _consent(http, access_type="")["code"])
    assert _exchange(http, _consent(http)["code"], redirect_uri="http://localhost:1/") == {
        "error": "invalid_redirect_uri"
    }
    code = _consent(http)["code"]
    running.sim.clock.move(121)
    assert _exchange(http, code) == {"error": "invalid_code"}


def test_five_consents_in_a_minute_are_enough(http: httpx.Client) -> None:
    for _ in range(5):
        assert "refresh_token" in _exchange(http, _consent(http)["code"])
    assert _exchange(http, _consent(http)["code"]) == {"error": "access_denied"}


@pytest.mark.parametrize("how", ["control", "revoke"])
def test_a_consent_can_be_taken_back(http: httpx.Client, running: Running, how: str) -> None:
    headers = _token(http)
    if how == "control":
        running.sim.providers["zoho"].act(running.sim, "revoke", REFRESH_TOKEN, {})
    else:
        assert (
            http.post("/oauth/v2/token/revoke", params={"token": REFRESH_TOKEN}).json()["status"] == "success"
        )
    assert http.post("/oauth/v2/token", data=KEYS).json() == {"error": "invalid_code"}
    assert http.get("/books/v3/organizations", headers=headers).status_code == 401


# ---------------------------------------------------------------- records


class Books:
    """The books of an organisation, by a caller that is let in."""

    def __init__(self, http: httpx.Client) -> None:
        self._http, self._headers = http, _token(http)
        self.url = "/books/v3"

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, **params: str
    ) -> httpx.Response:
        """One call."""
        given = {"organization_id": ORGANISATION_ID, **params}
        return self._http.request(
            method, f"{self.url}/{path}", headers=self._headers, params=given, json=body
        )

    def bill(self, **more: Any) -> httpx.Response:
        """A bill of 12.50 to a vendor that is made if it is not there."""
        vendor = self.vendor()
        lines = [{"account_id": f"{ORGANISATION_ID}001", "name": "Work", "rate": 12.5, "quantity": 1}]
        return self.ask(
            "POST", "bills", {"vendor_id": vendor, "bill_number": "PO-1", "line_items": lines, **more}
        )

    def vendor(self) -> str:
        """The vendor Asha."""
        found = self.ask("GET", "contacts", contact_name="Asha").json()["contacts"]
        if not found:
            made = self.ask("POST", "contacts", {"contact_name": "Asha", "contact_type": "vendor"})
            assert made.status_code == 201
            found = [made.json()["contact"]]
        return str(found[0]["contact_id"])

    def pay(self, bill_id: str, amount: float, **more: Any) -> httpx.Response:
        """A payment of a bill."""
        return self.ask("POST", "vendorpayments", {
            "vendor_id": self.vendor(), "amount": amount, "reference_number": "UTR1",
            "paid_through_account_id": f"{ORGANISATION_ID}011",
            "bills": [{"bill_id": bill_id, "amount_applied": amount}], **more})  # fmt: skip


@pytest.fixture
def books(http: httpx.Client) -> Books:
    """The books, and a token for them."""
    return Books(http)


def test_the_way_of_a_bill(books: Books) -> None:
    made = books.bill(due_date="2026-12-01").json()["bill"]
    assert (made["status"], made["total"], made["due_date"]) == ("open", 12.5, "2026-12-01")
    found = books.ask("GET", "bills", bill_number="PO-1").json()
    assert [each["bill_id"] for each in found["bills"]] == [made["bill_id"]]
    paid = books.pay(made["bill_id"], 12.5).json()["vendorpayment"]
    assert books.ask("GET", f"bills/{made['bill_id']}").json()["bill"]["status"] == "paid"
    assert books.ask("POST", f"bills/{made['bill_id']}/status/void").json()["code"] == 13014
    assert books.ask("DELETE", f"vendorpayments/{paid['payment_id']}").json()["code"] == 0
    assert books.ask("GET", "vendorpayments", reference_number="UTR1").json()["vendorpayments"] == []
    assert books.ask("POST", f"bills/{made['bill_id']}/status/void").json()["code"] == 0
    assert books.ask("GET", f"bills/{made['bill_id']}").json()["bill"]["status"] == "void"


def test_names_and_numbers_are_there_once(books: Books) -> None:
    books.bill()
    assert books.bill().json()["code"] == 13011
    again = books.ask("POST", "contacts", {"contact_name": "ASHA", "contact_type": "vendor"})
    assert (again.status_code, again.json()["code"]) == (400, 3062)


def test_a_payment_is_never_more_than_is_owed(books: Books) -> None:
    bill = books.bill().json()["bill"]["bill_id"]
    assert books.pay(bill, 12.51).json()["code"] == 28011
    assert books.pay(bill, 12).json()["code"] == 0
    assert books.pay(bill, 0.51).json()["code"] == 28011
    assert books.pay("460000000000099", 1).json()["code"] == 1002


@pytest.mark.parametrize(
    "wrong",
    [
        {"bill_number": ""}, {"vendor_id": "1"}, {"line_items": []}, {"line_items": "x"}, {"date": "tomorrow"},
        {"line_items": [{"account_id": f"{ORGANISATION_ID}011", "rate": 1}]},
        {"line_items": [{"account_id": f"{ORGANISATION_ID}001", "rate": 1.001}]},
        {"line_items": [{"account_id": f"{ORGANISATION_ID}001", "rate": -1}]},
        {"currency_id": f"{ORGANISATION_ID}002"}, {"currency_id": "1"}, {"bill_number": "x" * 51},
    ],
)  # fmt: skip
def test_a_wrong_bill_is_refused(books: Books, wrong: dict[str, Any]) -> None:
    said = books.bill(**wrong)
    assert said.status_code in (400, 404)
    assert said.json()["code"] != 0


def test_lists_come_in_pages(books: Books) -> None:
    for n in range(3):
        assert books.bill(bill_number=f"PO-{n}").status_code == 201
    first = books.ask("GET", "bills", per_page="2").json()
    assert (len(first["bills"]), first["page_context"]["has_more_page"]) == (2, True)
    second = books.ask("GET", "bills", per_page="2", page="2").json()
    assert (len(second["bills"]), second["page_context"]["has_more_page"]) == (1, False)


def test_calls_of_a_minute_and_of_a_day_are_counted(books: Books, running: Running) -> None:
    running.sim.options.zoho_requests_a_minute = 2
    running.sim.options.zoho_requests_a_day = 3
    codes = [books.ask("GET", "bills").json()["code"] for _ in range(3)]
    running.sim.clock.move(61)
    codes += [books.ask("GET", "bills").json()["code"] for _ in range(2)]
    assert codes == [0, 0, 44, 0, 45]


def test_two_organisations_know_nothing_of_one_another(books: Books) -> None:
    books.bill()
    other = {"organization_id": SECOND_ORGANISATION_ID}
    assert books.ask("GET", "bills", **other).json()["bills"] == []
    assert books.ask("GET", "contacts", **other).json()["contacts"] == []


def test_what_comes_late_comes(books: Books, running: Running) -> None:
    books.vendor()
    running.sim.plan.add("F2", provider="zoho", endpoint="books/bills")
    with pytest.raises(httpx.HTTPError):
        books.bill()
    assert books.ask("GET", "bills").json()["bills"] == []
    running.sim.clock.move(601)
    running.sim.advance()
    assert [each["bill_number"] for each in books.ask("GET", "bills").json()["bills"]] == ["PO-1"]


@pytest.mark.parametrize(
    "body", [b"\xff", b"[" * 50_000, b"[]", b'{"bill_number": 1e999}', b'{"line_items": [1]}']
)
def test_any_body_gets_an_answer(http: httpx.Client, body: bytes) -> None:
    headers = _token(http)
    for room in ("bills", "contacts", "vendorpayments"):
        said = http.post(
            f"/books/v3/{room}", headers=headers, params={"organization_id": ORGANISATION_ID}, content=body
        )
        assert said.status_code < 500
        assert said.json()["code"] != 0
