"""A clinic's invoices are paid out twice: by keyboard alone, and without JavaScript."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demo
from tests.browser.hands import Open, says

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(params=["clinic-keys", "clinic-plain"])
def place(request: pytest.FixtureRequest) -> str:
    """The clinic in which it is done, which is also the way it is done."""
    name: str = request.param
    return name


def test_create_payout_says_the_real_numbers_and_makes_it_once(
    hands: Open, demo: Demo, made: dict[str, Any]
) -> None:
    person, number = hands("first"), made["paid"][0]
    person.go(f"{demo.address}/admin/clinic/invoices/{number}")
    person.press(person.link("Create payout"))
    expect(person.page.locator("body")).to_contain_text("Pay 90.00 to Theo Tremblay and keep 10.00 (10 %)?")
    person.press(person.button(r"Pay \$90\.00"))
    says(person, "is in the wallet of Theo Tremblay")
    expect(person.page).to_have_url(re.compile(f"/invoices/{number}$"))
    expect(person.link("Create payout")).to_have_count(0)
    # The address is asked again, as by a second click in another window.
    person.go(f"{demo.address}/admin/clinic/invoices/{number}/payout")
    says(person, f"{number} has its payout already")


def test_an_invoice_of_the_shop_says_why_nobody_is_paid(
    hands: Open, demo: Demo, made: dict[str, Any]
) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/clinic/invoices/{made['order']}")
    expect(person.page.locator("main")).to_contain_text("No payout")
    expect(person.link("Create payout")).to_have_count(0)
    answer = person.page.goto(f"{demo.address}/admin/clinic/invoices/{made['order']}/payout")
    assert answer is not None
    assert answer.status == 409
    says(person, "is not about an appointment")


def test_the_rest_is_recorded_and_paid_out_with_others(hands: Open, demo: Demo, made: dict[str, Any]) -> None:
    person, number = hands("first"), made["part"]
    person.go(f"{demo.address}/admin/clinic/invoices/{number}/payment")
    person.press(person.button("Record the payment"))
    says(person, "It is paid in full.")
    person.go(f"{demo.address}/admin/clinic/invoices")
    for each in (number, *made["paid"][1:]):
        person.tick(person.field(f"Pay out {each}"))
    person.press(person.button("Pay out the ticked ones"))
    says(person, "This is what the run would do now.")
    says(person, "$89.99")
    person.press(person.button("Pay them out"))
    says(person, "finished")
    person.go(f"{demo.address}/admin/clinic/wallets")
    # 72.00, 89.99 and 0.04, and the 90.00 of the single one when that was made before.
    row = person.page.locator("tr", has_text="Theo Tremblay")
    expect(row).to_contain_text(re.compile(r"\$(162|252)\.03"))


def test_transactions_are_shown_in_cards(hands: Open, demo: Demo, made: dict[str, Any]) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/clinic/invoices?q={made['paid'][1]}")
    person.press(person.page.get_by_role("link", name=re.compile("^View transactions")).first)
    expect(person.page.get_by_role("heading", name=re.compile("Invoice payment"))).to_be_visible()


def test_a_practitioner_cannot_withdraw_more_than_the_wallet_holds(hands: Open, demo: Demo) -> None:
    person = hands("theo")
    person.go(f"{demo.address}/practitioner/wallet/withdraw")
    person.write(person.field("Amount"), "9999.00")
    person.press(person.button("Send to your bank"))
    says(person, "not more can be withdrawn")
    expect(person.field("Amount")).to_have_value("9999.00")
