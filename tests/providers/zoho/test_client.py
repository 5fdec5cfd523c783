"""What goes over the wire to Zoho Books, and what comes of each answer, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import respx
from flask import Flask
from sqlalchemy import update

from tests import factories
from tests.providers.accounts import account
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.providers.accounts import Access
from webapp.providers.bookkeeping import BillLine, BillOrder, BooksError, PaymentOrder, Trouble
from webapp.providers.models import ProviderToken
from webapp.providers.zoho import client
from webapp.providers.zoho.books import ZohoBooks
from webapp.providers.zoho.places import CENTRES, SCOPES

BASE = "https://www.zohoapis.in/books/v3"
TOKEN = "https://accounts.zoho.in/oauth/v2/token"
BILL = {"bill_id": "11", "bill_number": "PO-1", "vendor_id": "7", "currency_code": "INR", "total": 10.5,
        "balance": 10.5, "status": "open", "reference_number": "PO-1/m"}  # fmt: skip
ORDER = BillOrder(
    "PO-1", "7", "INR", date(2026, 11, 2), date(2026, 11, 9), "3", [BillLine("Roof", "R-1", 1050)], "PO-1/m"
)


@pytest.fixture
def access(database: Flask) -> Access:
    """An account in India."""
    keys = {
        "client_id": "OURS",
        "client_secret": "secret",
        "data_centre": "in",
        "refresh_token": "1000.refresh",
    }
    return account(factories.organisation(currency="INR").id, "zoho", "production", **keys)


@pytest.fixture
def wire(access: Access) -> Iterator[respx.MockRouter]:
    """Zoho, which gives a token to everybody who asks."""
    with respx.mock(assert_all_called=False) as router:
        router.post(TOKEN).mock(side_effect=lambda request: httpx.Response(200, json=_token()))
        yield router


def _token(**more: object) -> dict[str, object]:
    return {"access_token": "tok-1", "expires_in": 3600, "api_domain": "https://evil.example", **more}


def _ok(**more: object) -> httpx.Response:
    return httpx.Response(200, json={"code": 0, "message": "success", **more})


def test_a_bill_as_documented(access: Access, wire: respx.MockRouter) -> None:
    route = wire.post(f"{BASE}/bills").respond(201, json={"code": 0, "bill": BILL})
    made = ZohoBooks(access, "600").add_bill(ORDER)
    assert (made.id, made.total_minor, made.is_void) == ("11", 1050, False)
    sent = route.calls.last.request
    assert sent.headers["authorization"] == "Zoho-oauthtoken tok-1"
    assert dict(sent.url.params) == {"organization_id": "600"}
    assert b'"rate": 10.50' in sent.content
    assert json.loads(sent.content) == {
        "vendor_id": "7", "bill_number": "PO-1", "reference_number": "PO-1/m", "date": "2026-11-02",
        "due_date": "2026-11-09", "notes": "",
        "line_items": [{"account_id": "3", "name": "Roof", "description": "R-1", "rate": 10.5, "quantity": 1}],
    }  # fmt: skip
    token = parse_qs(wire.calls[0].request.content.decode())
    assert token == {"client_id": ["OURS"], "client_secret": ["secret"], "grant_type": ["refresh_token"],
                     "refresh_token": ["1000.refresh"]}  # fmt: skip


def test_a_payment_as_documented(access: Access, wire: respx.MockRouter) -> None:
    said = {"payment_id": "5", "vendor_id": "7", "reference_number": "UTR", "amount": "90071992547409.93"}
    route = wire.post(f"{BASE}/vendorpayments").respond(201, json={"code": 0, "vendorpayment": said})
    order = PaymentOrder("7", "11", "INR", 9_007_199_254_740_993, date(2026, 11, 3), "UTR", "4")
    assert ZohoBooks(access, "600").add_payment(order).amount_minor == 9_007_199_254_740_993
    # A double cannot hold it.
    assert b'"amount": 90071992547409.93' in route.calls.last.request.content
    assert b'"amount_applied": 90071992547409.93' in route.calls.last.request.content


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (httpx.Response(400, json={"code": 2, "message": "Invalid"}), Trouble.REFUSED),
        (httpx.Response(400, json={"code": 13011, "message": "There"}), Trouble.TAKEN),
        (httpx.Response(400, json={"code": 3062, "message": "There"}), Trouble.TAKEN),
        (httpx.Response(404, json={"code": 1002, "message": "None"}), Trouble.MISSING),
        (httpx.Response(404, json={"code": 5, "message": "Invalid URL"}), Trouble.MISSING),
        (httpx.Response(404, text="<html>"), Trouble.UNKNOWN),
        (httpx.Response(400, text="<html>"), Trouble.UNKNOWN),
        (httpx.Response(403, json={"code": 57, "message": "No"}), Trouble.NO_ACCESS),
        (httpx.Response(429, json={"code": 44, "message": "Slow"}), Trouble.THROTTLED),
        (httpx.Response(429, text="<html>"), Trouble.THROTTLED),
        (httpx.Response(400, json={"code": 45, "message": "Day"}), Trouble.THROTTLED),
        (httpx.Response(500, json={"code": 1000, "message": "Internal"}), Trouble.UNKNOWN),
        (httpx.Response(502, text="<html>bad gateway"), Trouble.UNKNOWN),
        (httpx.Response(200, text='{"code": 0, "bi'), Trouble.UNKNOWN),
        (httpx.Response(200, json=[]), Trouble.UNKNOWN),
        (httpx.Response(200, json={}), Trouble.UNKNOWN),
        (httpx.Response(200, json={"code": 999999, "message": "?"}), Trouble.UNKNOWN),
        (httpx.Response(200, json={"code": False, "bill": BILL}), Trouble.UNKNOWN),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), Trouble.UNKNOWN),
        # An answer that speaks of something else is not believed.
        (_ok(bill={**BILL, "total": 10.51}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "bill_number": "PO-2"}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "vendor_id": "8"}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "reference_number": "PO-1"}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "total": 10.505}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "bill_id": "../x"}), Trouble.UNKNOWN),
        (_ok(bill={**BILL, "currency_code": "?"}), Trouble.UNKNOWN),
        (_ok(bill=[]), Trouble.UNKNOWN),
    ],
)  # fmt: skip
def test_what_answers_mean(
    access: Access, wire: respx.MockRouter, reply: httpx.Response, trouble: Trouble
) -> None:
    elsewhere = wire.route(host="evil.example").respond(200, json={})
    wire.post(f"{BASE}/bills").mock(return_value=reply)
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").add_bill(ORDER)
    assert caught.value.trouble is trouble, caught.value.message
    assert not elsewhere.called


@pytest.mark.parametrize(
    "broken", [httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), httpx.ReadError("cut")]
)
def test_what_no_answer_means(access: Access, wire: respx.MockRouter, broken: Exception) -> None:
    wire.post(f"{BASE}/bills").mock(side_effect=broken)
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").add_bill(ORDER)
    assert caught.value.trouble is Trouble.UNKNOWN


def test_zoho_s_own_words_are_kept_and_long_numbers_masked(access: Access, wire: respx.MockRouter) -> None:
    wire.get(f"{BASE}/bills/11").respond(400, json={"code": 36, "message": "No account 123456789012 here."})
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").bill("11")
    assert caught.value.message.startswith("No account")
    assert "123456789012" not in caught.value.message
    assert caught.value.message.endswith("(code 36, HTTP 400)")


@pytest.mark.parametrize(
    ("headers", "code", "seconds"),
    [({}, 44, 60), ({}, 45, 3600), ({"retry-after": "7"}, 44, 7), ({"x-rate-limit-reset": "30"}, 44, 30),
     ({"retry-after": "soon"}, 44, 60), ({"retry-after": "99999999"}, 44, 86_400)],
)  # fmt: skip
def test_how_long_to_stay_away(
    access: Access, wire: respx.MockRouter, headers: dict[str, str], code: int, seconds: float
) -> None:
    wire.get(f"{BASE}/bills/11").respond(429, headers=headers, json={"code": code, "message": "Slow down"})
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").bill("11")
    assert caught.value.wait_seconds == seconds


def test_an_instant_until_which_to_stay_away(access: Access, wire: respx.MockRouter) -> None:
    reset = {"x-rate-limit-reset": str(round(utc_now().timestamp()) + 90)}
    wire.get(f"{BASE}/bills/11").respond(429, headers=reset, json={"code": 44, "message": "Slow down"})
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").bill("11")
    assert 1 <= caught.value.wait_seconds <= 91


def age_tokens() -> None:
    """As if all tokens had been fetched a while ago."""
    with transaction() as session:
        session.execute(update(ProviderToken).values(fetched_at=utc_now() - timedelta(minutes=2)))


def test_a_token_that_is_not_taken_is_replaced_once(access: Access, wire: respx.MockRouter) -> None:
    no = httpx.Response(401, json={"code": 57, "message": "No"})
    route = wire.get(f"{BASE}/bills/11").mock(side_effect=[_ok(bill=BILL), no, no, no])
    ZohoBooks(access, "600").bill("11")
    age_tokens()
    with pytest.raises(BooksError) as caught:
        ZohoBooks(access, "600").bill("11")
    assert (caught.value.trouble, route.call_count) == (Trouble.NO_ACCESS, 3)


def test_a_young_token_is_not_the_reason_and_stays(access: Access, wire: respx.MockRouter) -> None:
    """Zoho gives ten in ten minutes: a consent that does not reach so far must not use them up."""
    route = wire.get(f"{BASE}/bills/11").respond(401, json={"code": 57, "message": "No"})
    for _ in range(5):
        with pytest.raises(BooksError) as caught:
            ZohoBooks(access, "600").bill("11")
        assert caught.value.trouble is Trouble.NO_ACCESS
    tokens = [call for call in wire.calls if str(call.request.url) == TOKEN]
    assert (route.call_count, len(tokens)) == (5, 1)


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (httpx.Response(200, json={"error": "invalid_code"}), Trouble.NO_ACCESS),
        (httpx.Response(400, json={"error": "invalid_client"}), Trouble.NO_ACCESS),
        (httpx.Response(400, json={"error": "access_denied"}), Trouble.THROTTLED),
        (httpx.Response(200, json=_token(expires_in=0)), Trouble.UNKNOWN),
        (httpx.Response(200, json=_token(expires_in=True)), Trouble.UNKNOWN),
        (httpx.Response(200, json=_token(access_token="")), Trouble.UNKNOWN),
        (httpx.Response(500, text="<html>"), Trouble.UNKNOWN),
    ],
)
def test_without_a_token_nothing_is_asked(access: Access, reply: httpx.Response, trouble: Trouble) -> None:
    with respx.mock(assert_all_called=False) as router:
        router.post(TOKEN).mock(return_value=reply)
        bills = router.get(f"{BASE}/bills/11")
        with pytest.raises(BooksError) as caught:
            ZohoBooks(access, "600").bill("11")
    assert (caught.value.trouble, bills.called) == (trouble, False)


def test_lists_are_read_to_their_end(access: Access, wire: respx.MockRouter) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        rows = [{"account_id": str(number), "account_name": f"A{number}", "account_type": "bank"}]
        return _ok(chartofaccounts=rows, page_context={"has_more_page": number < 3})

    wire.get(f"{BASE}/chartofaccounts").mock(side_effect=page)
    assert [each.id for each in ZohoBooks(access, "600").accounts()] == ["1", "2", "3"]


def test_a_search_takes_only_what_is_exactly_meant(access: Access, wire: respx.MockRouter) -> None:
    wire.get(f"{BASE}/bills").mock(return_value=_ok(bills=[{**BILL, "bill_number": "PO-11"}]))
    assert ZohoBooks(access, "600").bill_numbered("PO-1") is None
    common = {"contact_type": "vendor", "currency_code": "INR"}
    names = {"1": "Asha Rao jr", "2": "asha rao"}
    rows = [{"contact_id": number, "contact_name": name, **common} for number, name in names.items()]
    wire.get(f"{BASE}/contacts").mock(return_value=_ok(contacts=rows))
    assert [each.id for each in ZohoBooks(access, "600").vendors_named("Asha Rao")] == ["2"]


def test_a_currency_that_the_books_lack_is_a_refusal(access: Access, wire: respx.MockRouter) -> None:
    wire.get(f"{BASE}/settings/currencies").mock(return_value=_ok(currencies=[{"currency_code": "INR"}]))
    with pytest.raises(BooksError, match="no currency EUR"):
        ZohoBooks(access, "600").add_vendor("Asha", "EUR", "")


def test_limits_are_asked_before_anything_is_sent(access: Access, wire: respx.MockRouter) -> None:
    def full() -> None:
        raise BooksError(Trouble.THROTTLED, "Full.", wait_seconds=1)

    wire.get(f"{BASE}/bills/11")
    with pytest.raises(BooksError, match="Full"):
        ZohoBooks(access, "600", before=full).bill("11")
    # Not even for a token, of which there are few.
    assert not wire.calls


def test_where_a_person_says_yes(access: Access) -> None:
    address = urlsplit(client.consent_address(access, "https://p.example/back?x=1", "s t"))
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://accounts.zoho.in/oauth/v2/auth"
    given = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert given["scope"].split(",") == list(SCOPES)
    assert (given["redirect_uri"], given["state"]) == ("https://p.example/back?x=1", "s t")
    assert (given["access_type"], given["prompt"]) == ("offline", "consent")


@pytest.mark.parametrize("centre", CENTRES)
def test_data_centres_are_never_mixed(access: Access, centre: str) -> None:
    other = Access(access.account_id, access.organisation_id, "production", {"data_centre": centre})
    ending = CENTRES[centre].accounts.removeprefix("https://accounts.").replace("zohocloud", "zoho")
    assert client.accounts_server(other) == CENTRES[centre].accounts
    assert client.books_server(other).endswith(ending.removeprefix("zoho"))


def test_a_code_is_exchanged(access: Access) -> None:
    with respx.mock() as router:
        route = router.post(TOKEN).respond(200, json=_token(refresh_token="1000.abcdefghijk"))
        granted = client.exchange(access, "c0de", "https://p.example/back")
    assert granted.refresh_token == "1000.abcdefghijk"
    assert "1000.abcdefghijk" not in repr(granted.token)
    assert parse_qs(route.calls.last.request.content.decode())["code"] == ["c0de"]


def test_a_code_without_a_token_that_lasts_is_none(access: Access) -> None:
    with respx.mock() as router:
        router.post(TOKEN).respond(200, json=_token())
        with pytest.raises(BooksError):
            client.exchange(access, "c0de", "https://p.example/back")
