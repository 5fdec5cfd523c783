"""Guards, htmx answers, filters of templates, and reading requests that take no write lock."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from tests.factories import organisation, sign_in, user
from webapp.database import db, read_only
from webapp.kernel.money import Money
from webapp.web import filters
from webapp.web.htmx import is_fragment, see_other

PUBLIC = {
    "assets.serve",
    "public.health.show",
    "public.people.index",
    "public.people.sign_in",
    "public.people.sign_out",
    # Both only for a browser whose password was right.
    "public.second_factor.prove",
    "public.passkeys.challenge_to_sign_in",
    "demo.people.switch",
    # Whoever cannot sign in reads how to.
    "public.help.show",
    # Say that the process lives, that it is ready, and (with a token of its own) how it does.
    "public.health.ready",
    "public.metrics.show",
    # A signed link of a mail is the proof; a reset that is asked for tells nobody who has an account.
    "public.people.forgot",
    "public.people.reset",
    "public.people.accept",
    "public.notices.unsubscribe",
    "public.notices.unsubscribe_now",
    # Providers sign their messages.
    "public.hooks.receive",
    # Whoever holds a statement may ask whether it is ours.
    "public.verification.index",
    "public.verification.show",
    # A signed link of a mail is the proof: it shows one month's rent.
    "public.rent.show",
    "public.rent.pay",
    "public.rent.back",
    "public.rent.status",
    # The provider's signature is the proof.
    # What the API is like; calls of it need a token.
    "api.document",
    "api.page",
}


def test_the_addresses_open_to_everybody_are_these_and_no_others(app: Flask) -> None:
    assert {n for n, view in app.view_functions.items() if getattr(view, "is_public", False)} == PUBLIC


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_our_own_pages_may_send_forms(client: FlaskClient, site: str | None) -> None:
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    assert client.post("/sign-out", headers=headers).status_code == 303


def test_links_from_other_sites_may_be_followed(client: FlaskClient) -> None:
    assert client.get("/sign-in", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_an_unsafe_request_of_nobody_is_401(client: FlaskClient) -> None:
    assert client.post("/organisations/switch").status_code == 401


def test_an_htmx_answer_leads_on_by_a_header(app: Flask) -> None:
    with app.test_request_context("/"):
        response = see_other("/x")
        assert (response.status_code, response.location) == (303, "/x")
        assert not is_fragment()
    with app.test_request_context("/", headers={"HX-Request": "true"}):
        response = see_other("/x")
        assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/x")
        assert is_fragment()
    with app.test_request_context("/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}):
        assert not is_fragment()


def test_words_follow_the_organisations_locale_and_zone(database: Flask) -> None:
    house = organisation(currency="INR", locale="en_IN", timezone="Asia/Kolkata")
    with database.test_request_context("/"):
        g.organisation = house
        assert filters.money(Money(123456700, "INR")) == "₹12,34,567.00"
        assert filters.money(Money(5000, "USD")).endswith(" USD")
        assert filters.money(Money(-5000, "INR")).startswith("−")
        noon = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
        assert "21 Nov 2026, 01:30 IST" in filters.instant(noon)
        assert 'datetime="2026-11-20T20:00:00+00:00"' in filters.instant(noon)
        assert filters.day(date(2026, 10, 31)) == "31 Oct 2026"
        assert filters.month(date(2026, 10, 31)) == "Oct 2026"
        assert filters.number(Decimal("1234.500000")) == "1,234.5"
        assert (filters.day(None), filters.instant(None), filters.number(None)) == ("", "", "")


def test_pages_are_read_in_a_reading_transaction(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = organisation()
    sign_in(client, user(organisation=house, role="admin"), house)
    seen: list[bool] = []

    def view() -> str:
        seen.append(read_only.get())
        return str(db.session.scalar(db.select(db.func.count()).select_from(db.text("users"))))

    monkeypatch.setitem(client.application.view_functions, "public.people.account", view)
    assert client.get("/account").text == "1"
    assert seen == [True]
    assert read_only.get() is False
