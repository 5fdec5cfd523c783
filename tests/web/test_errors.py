"""Every refusal becomes one clear page with the right status, and failures give nothing away."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import ConnectionError as StoreAway
from sqlalchemy.exc import OperationalError

from tests.factories import organisation, sign_in, user
from tests.house.pages import problems
from webapp.kernel import errors as kernel
from webapp.people import sessions
from webapp.web.errors import status_of

REFUSALS = [
    (kernel.NotFound(), 404, "There is nothing at this address."),
    (kernel.Forbidden("Ask an admin."), 403, "Ask an admin."),
    (kernel.Invalid("amount", "This is no amount.", "1.50"), 422, "This is no amount. Example: 1.50"),
    (kernel.Conflict("Nothing was changed by you."), 409, "Nothing was changed by you."),
    (kernel.StaleVersion("It changed."), 409, "It changed."),
    (
        kernel.IllegalTransition("paid", "cancel"),
        409,
        "This payout is paid; it is not possible to cancel it.",
    ),
    (kernel.NotAllowed(["You made it.", "It is yours."]), 409, "You made it. It is yours."),
    (kernel.Unavailable("The bank does not answer."), 503, "The bank does not answer."),
    (StoreAway(), 503, "The job store does not answer."),
    (OperationalError("SELECT secret", {}, Exception("inside")), 503, "The database is busy or away."),
    (ZeroDivisionError("inside"), 500, "The error has been logged."),
]


@pytest.fixture
def breaking(database: Flask, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Make /healthz raise what the test puts into the list."""
    what: list[Exception] = []

    def view() -> str:
        raise what[0]

    view.is_public = True  # type: ignore[attr-defined]
    monkeypatch.setitem(database.view_functions, "public.health.show", view)
    monkeypatch.setitem(database.config, "PROPAGATE_EXCEPTIONS", False)
    return what


@pytest.mark.parametrize(("error", "code", "words"), REFUSALS, ids=lambda value: type(value).__name__)
def test_a_refusal_is_a_page(
    client: FlaskClient, breaking: list[Exception], error: Exception, code: int, words: str
) -> None:
    breaking.append(error)
    response = client.get("/healthz")
    assert response.status_code == code
    assert words in response.text
    assert "inside" not in response.text
    assert "secret" not in response.text
    assert problems(response.text) == []


def test_an_error_carries_the_sentence_that_the_script_shows(
    client: FlaskClient, breaking: list[Exception]
) -> None:
    breaking.append(kernel.Conflict("Too late."))
    response = client.get("/healthz", headers={"HX-Request": "true"})
    assert "data-error-message" in response.text
    assert "HX-Retarget" not in response.headers


def test_an_error_without_a_class_of_its_own_is_ours() -> None:
    assert status_of(kernel.PaydeskError("x")) == 500
    assert status_of(kernel.StaleVersion("x")) == 409


def test_an_error_message_is_escaped(client: FlaskClient, breaking: list[Exception]) -> None:
    breaking.append(kernel.Conflict("<b onclick=alert(1)>Tara</b>"))
    assert "<b onclick" not in client.get("/healthz").text


def test_without_the_database_signed_in_people_get_a_page_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = organisation()
    sign_in(client, user(organisation=house, role="admin"), house)

    def away(**values: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(sessions, "find_visit", away)
    response = client.get("/account")
    assert response.status_code == 503
    assert "The database is busy or away." in response.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_methods_that_no_page_has_are_refused(client: FlaskClient, method: str) -> None:
    assert client.open("/sign-in", method=method).status_code == 405


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    response = client.post("/sign-in", data={"email": "x" * (13 * 1024 * 1024)})
    assert response.status_code == 413
    assert "Files may have up to 10 MB." in response.text


@pytest.mark.parametrize("number", [2**63, 10**18, 10**40])
def test_a_number_that_no_record_has_is_an_address_that_is_not_there(
    client: FlaskClient, number: int
) -> None:
    house = organisation()
    sign_in(client, user(organisation=house, role="admin"), house)
    assert client.post(f"/account/sessions/{number}/end").status_code == 404
    assert client.post("/organisations/switch", data={"organisation_id": number}).status_code == 404
    assert client.get(f"/admin/payees?after={number}").status_code == 200
    assert client.get(f"/admin/payees?before=-{number}&size={number}").status_code == 200


def test_the_sign_that_postgresql_cannot_store_is_refused(client: FlaskClient) -> None:
    house = organisation()
    sign_in(client, user(organisation=house, role="admin"), house)
    assert client.get("/admin/payees?search=a%00b").status_code == 400
    assert client.get("/admin/payees/PY-0001%00").status_code == 400
    response = client.post("/admin/payees/new", data={"kind": "owner", "name": "a\0b"})
    assert response.status_code == 400
    assert "cannot be stored" in response.text


def test_who_is_signed_out_is_led_back_to_the_page_with_the_form(
    client: FlaskClient, database: Flask
) -> None:
    form = "http://localhost/admin/payees/new?kept=1"
    answer = client.post("/admin/payees/new", headers={"Referer": form})
    assert answer.status_code == 401
    assert "Your session has ended, so nothing was changed." in answer.text
    assert 'href="/sign-in?next=/admin/payees/new?kept%3D1"' in answer.text
    for elsewhere in ("https://bad.example/admin/payees/new", ""):
        answer = client.post("/admin/payees/new", headers={"Referer": elsewhere})
        assert 'href="/sign-in?next=/"' in answer.text
        assert "bad.example" not in answer.text


def test_a_form_token_that_went_with_the_session_says_so(client: FlaskClient, database: Flask) -> None:
    database.config["WTF_CSRF_ENABLED"] = True
    try:
        signed_out = client.post("/admin/payees/new", data={"csrf_token": "old"})
        public_form = client.post("/sign-in", data={"csrf_token": "old"})
    finally:
        database.config["WTF_CSRF_ENABLED"] = False
    assert signed_out.status_code == 401
    assert "data-signed-out" in signed_out.text
    assert public_form.status_code == 400
    assert "This form is no longer valid." in public_form.text
