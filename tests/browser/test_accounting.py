"""Connecting the books: to Zoho and back, by keyboard, and without JavaScript; a no, and ways back that are forged."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demo, Windows
from tests.browser.hands import Hands, Open, says

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
STRANGE = "This does not belong to a connection that you began."


@pytest.fixture(params=["books-keys", "books-plain"])
def place(request: pytest.FixtureRequest) -> str:
    """The organisation in which it is done, which is also the way it is done."""
    name: str = request.param
    return name


@pytest.fixture
def simulator(windows: Windows, demo: Demo) -> str:
    """Where the demo's simulated Zoho answers: the demo's own connection leads there."""
    page = windows.open("admin@solaria.example")
    page.goto(f"{demo.address}/admin/settings/connections/zoho")
    return page.get_by_label("Address that gives tokens").input_value()


def _settings(demo: Demo) -> str:
    return f"{demo.address}/admin/accounting/settings"


def _kept(demo: Demo, place: str) -> object:
    """The version of an organisation's keys: another one where anything of them was stored."""
    own = f"(SELECT id FROM organisations WHERE slug = '{place}')"
    return demo.ask(
        f"SELECT version FROM provider_accounts WHERE provider = 'zoho' AND organisation_id = {own}"
    )


def _enter_keys(person: Hands, demo: Demo, simulator: str) -> None:
    person.go(_settings(demo))
    says(person, "No keys")
    person.press(person.link("Enter keys"))
    person.write(person.field("Client id"), "SIM_ZOHO")
    person.write(person.field("Client secret"), "sim-zoho-secret")
    person.choose(person.field("Data centre"), "India (zoho.in)")
    person.press(person.page.locator("summary", has_text="Other addresses"))
    person.write(person.field("Address that gives tokens"), simulator)
    person.write(person.field("Address of the books"), simulator)
    person.press(person.button("Save keys"))
    says(person, "The keys are saved.")


def _to_zoho(person: Hands, demo: Demo, simulator: str) -> None:
    person.go(_settings(demo))
    says(person, "Not connected")
    person.press(person.link("Connect Zoho Books"))
    expect(person.page).to_have_url(re.compile(f"^{re.escape(simulator)}/oauth/v2/auth"))
    says(person, "May SIM_ZOHO use your books?")
    says(person, "ZohoBooks.bills")


def test_connecting_takes_a_yes_at_zoho_and_the_click_of_who_began(
    hands: Open, demo: Demo, place: str, simulator: str
) -> None:
    first = hands("first")
    _enter_keys(first, demo, simulator)
    before = _kept(demo, place)

    _to_zoho(first, demo, simulator)
    first.press(first.button("Reject"))
    says(first, "Zoho gave no consent. Nothing was changed.")
    expect(first.button("Finish connecting")).to_have_count(0)

    _to_zoho(first, demo, simulator)
    first.press(first.button("Accept"))
    says(first, "Zoho has given its consent.")
    # Opening the address has done nothing yet, and nobody else can go on with it.
    other = hands("second")
    other.go(first.page.url)
    says(other, STRANGE)
    expect(other.button("Finish connecting")).to_have_count(0)
    assert _kept(demo, place) == before

    back = first.page.url
    first.press(first.button("Finish connecting"))
    says(first, "Choose among its 2 organisations.")
    says(first, "Connected")
    expect(first.link("Connect again")).to_be_visible()
    assert _kept(demo, place) != before

    # A code is good once.
    first.go(back)
    first.press(first.button("Finish connecting"))
    expect(first.page.get_by_role("alert").first).to_be_visible()
    first.go(_settings(demo))
    says(first, "Connected")


def test_a_forged_way_back_leads_nowhere(hands: Open, demo: Demo, place: str) -> None:
    first = hands("first")
    before = _kept(demo, place)
    for state in ("", "forged", "WzEsIDEsIDEsIDk5OTk5OTk5OTld.c2lnbmF0dXJl"):
        first.go(f"{demo.address}/admin/accounting/connected?code=1000.stolen&location=in&state={state}")
        says(first, STRANGE)
        expect(first.button("Finish connecting")).to_have_count(0)
    assert _kept(demo, place) == before
