"""A driver's repair goes its whole way twice: by keyboard alone, and without JavaScript."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Demo, Windows
from tests.browser.hands import Hands, Keyboard, Open, Plain, reload_until, says

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(params=["fleet-keys", "fleet-plain"])
def place(request: pytest.FixtureRequest) -> str:
    """The fleet in which it is done, which is also the way it is done."""
    name: str = request.param
    return name


def _write_day(hands: Hands, field: Locator, day: date) -> None:
    """A field of days takes month, day and year by keyboard, one after the other."""
    if isinstance(hands, Keyboard):
        hands.reach(field)
        hands.page.keyboard.type(f"{day:%m%d%Y}")
    else:
        hands.write(field, day.isoformat())
    expect(field).to_have_value(day.isoformat())


def _charge_at_once(hands: Hands) -> None:
    """The first of two choices, where the second one is made: Tab reaches that, an arrow the other."""
    first = hands.field("In the week that begins")
    if isinstance(hands, Keyboard):
        hands.reach(hands.field("One week later"))
        hands.page.keyboard.press("ArrowUp")
        expect(first).to_be_checked()
    else:
        hands.tick(first)


def test_a_repair_is_planned_confirmed_charged_and_seen_on_the_receipt(
    hands: Open, demo: Demo, made: dict[str, Any]
) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/repairs/repairs/new")
    person.write(person.field("Driver"), made["driver"])
    person.write(person.field("Invoice number"), "W-1042")
    _write_day(person, person.field("Date of the invoice"), date.fromisoformat(made["invoice_date"]))
    person.write(person.field("Amount"), "500.50")
    _charge_at_once(person)
    plan = person.page.locator("section", has_text="Plan").last
    if isinstance(person, Plain):
        person.press(person.button("Preview"))
    # With JavaScript the preview follows what is typed.
    expect(plan).to_contain_text("100.50")
    expect(plan.locator("tbody tr")).to_have_count(3)
    person.press(person.button("Save the draft"))
    expect(person.page).to_have_url(re.compile(r"/repairs/RPR-\d{4}-\d{3,}$"))
    repair = person.page.url
    says(person, "Draft")
    person.press(person.link("Confirm"))
    person.press(person.button("Confirm it"))
    expect(person.page).to_have_url(repair)
    says(person, "Open")
    row = person.page.locator("tbody tr").first
    expect(row).to_contain_text("Due")

    person.go(f"{demo.address}/admin/repairs/weekly")
    person.press(person.link("Run the week of"))
    person.press(person.button("Start the run"))
    expect(person.page).to_have_url(re.compile(f"/weekly/{made['week']}$"))
    reload_until(person.page, "Nothing was refused.")
    person.go(repair)
    expect(row).to_contain_text("Charged")
    # The same again is refused, and says which repair has the invoice.
    person.go(f"{demo.address}/admin/repairs/repairs/new")
    person.write(person.field("Driver"), made["driver"])
    person.write(person.field("Invoice number"), "W-1042")
    _write_day(person, person.field("Date of the invoice"), date.fromisoformat(made["invoice_date"]))
    person.write(person.field("Amount"), "500.50")
    person.press(person.button("Save the draft"))
    says(person, repair.rpartition("/")[2])
    expect(person.field("Amount")).to_have_value("500.50")

    driver = hands("ann")
    driver.go(f"{demo.address}/driver/receipts")
    driver.press(driver.page.locator("tbody a").first)
    # 900.00 earned, 300.00 for the lease; the instalment is one of the week that began.
    says(driver, "$600.00")
    reload_until(driver.page, "Download the PDF")
    with driver.page.expect_download() as caught:
        driver.press(driver.link("Download the PDF"))
    assert caught.value.path().read_bytes().startswith(b"%PDF-")
    driver.go(f"{demo.address}/driver/ledger")
    says(driver, "200.00")


def test_a_driver_disputes_a_charge_and_another_person_decides(windows: Windows, demo: Demo) -> None:
    """The demo's own driver disputes; no other test touches this ticket."""
    driver = windows.open("driver@metrocab.example")
    driver.goto(f"{demo.address}/driver/ledger")
    expect(driver.locator("main")).to_contain_text("Bus lane, Fulton Street")
    expect(driver.locator("main")).to_contain_text("Being looked at")
    admin = windows.open("approver@metrocab.example")
    admin.goto(f"{demo.address}/admin/repairs/disputes")
    expect(admin.locator("main")).to_contain_text("Rafael Ortiz")
