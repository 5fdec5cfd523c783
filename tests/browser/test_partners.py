"""What partners earned is calculated and approved, what they claim is decided: by keyboard, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demo
from tests.browser.hands import Hands, Open, says
from tests.browser.look import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(params=["partners-keys", "partners-plain"])
def place(request: pytest.FixtureRequest) -> str:
    """The company in which it is done, which is also the way it is done."""
    name: str = request.param
    return name


def _fits(hands: Hands) -> None:
    """The page does not scroll sideways."""
    hands.page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")


def _select(hands: Hands, name: str) -> None:
    """Tick the payout of a partner among those that wait."""
    hands.tick(hands.page.locator("tr", has_text=name).get_by_role("checkbox"))


def test_a_period_is_calculated_and_approved_in_bulk(hands: Open, demo: Demo) -> None:
    first = hands("first")
    first.go(f"{demo.address}/admin/partners")
    first.press(first.link("Calculate commissions"))
    # Half of 1,000.00 and of 80.00 at 10 %, and at 5 %; 700.00 at 5 %. What is not due yet is not among it.
    for words in ("$54.00", "$25.00", "$35.00", "$2.00", "$116.00"):
        says(first, words)
    expect(first.page.locator("main")).not_to_contain_text("Dora Quist")
    first.press(first.button("Make 4 payouts"))
    says(first, "finished")
    first.go(f"{demo.address}/admin/partners/calculate")
    says(first, "Nothing new is due")

    second = hands("second")
    second.go(f"{demo.address}/admin/approvals")
    second.press(second.link("Blocked for you"))
    says(second, "Cleo Sand")
    says(second, "entered one of these deals")
    second.go(f"{demo.address}/admin/approvals")
    for name in ("Ben Roy", "Eve Tal"):
        _select(second, name)
    second.press(second.button("Approve…"))
    second.press(second.button("Approve 2 payouts"))
    says(second, "finished")
    second.go(f"{demo.address}/admin/approvals")
    _select(second, "Ada Park")
    second.press(second.button("Reject…"))
    second.write(second.field("Reason"), "The second deal is counted twice.")
    second.press(second.button("Reject 1 payout"))
    says(second, "finished")

    ada = hands("ada")
    ada.go(f"{demo.address}/partner/payouts")
    ada.press(ada.page.locator("tbody a").first)
    says(ada, "$54.00")
    says(ada, "The second deal is counted twice.")


def test_a_claim_is_refused_with_a_reason_and_sent_again_from_a_phone(hands: Open, demo: Demo) -> None:
    dora = hands("dora")
    dora.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    dora.go(f"{demo.address}/partner/registrations/new")
    _fits(dora)
    dora.choose(dora.field("Program"), "Resellers")
    dora.write(dora.field("Customer"), "Elm Street Dental")
    dora.write(dora.field("Expected amount"), "-5")
    dora.press(dora.button("Send"))
    says(dora, "Enter an amount")
    expect(dora.field("Customer")).to_have_value("Elm Street Dental")
    dora.write(dora.field("Expected amount"), "5,000.00")
    dora.press(dora.button("Send"))
    says(dora, "is sent")
    _fits(dora)
    claim = dora.page.url

    admin = hands("first")
    admin.go(f"{demo.address}/admin/partners/registrations/{claim.rpartition('/')[2]}")
    says(admin, "No other deal or registration with this customer is open.")
    admin.press(admin.link("Refuse…"))
    admin.write(admin.field("Reason"), "We have spoken with them since May.")
    admin.press(admin.button("Refuse it"))
    says(admin, "is refused")

    dora.go(claim)
    says(dora, "We have spoken with them since May.")
    dora.press(dora.link("Change it and send it again"))
    expect(dora.field("Customer")).to_have_value("Elm Street Dental")
    expect(dora.field("Expected amount")).to_have_value("5000.00")
    dora.press(dora.button("Send"))
    says(dora, "is sent")


def test_a_partner_objects_and_reads_the_answer(hands: Open, demo: Demo) -> None:
    dora = hands("dora")
    dora.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    dora.go(f"{demo.address}/partner/commissions")
    _fits(dora)
    dora.press(dora.page.locator("tbody a").first)
    says(dora, "$90.00")
    _fits(dora)
    commission = dora.page.url
    dora.press(dora.link("This is not right"))
    dora.write(dora.field("Why you do not agree"), "The deal was over 1,200.00.")
    dora.press(dora.button("Send the dispute"))
    says(dora, "This commission alone waits.")

    admin = hands("second")
    admin.go(f"{demo.address}/admin/partners/disputes")
    says(admin, "The deal was over 1,200.00.")
    admin.press(admin.link("Decide"))
    admin.tick(admin.field("Accept"))
    admin.write(admin.field("Answer"), "You are right; the deal will be corrected.")
    admin.press(admin.button("Decide"))
    says(admin, "The partner is told your answer.")

    dora.go(commission)
    says(dora, "The answer: You are right; the deal will be corrected.")
    _fits(dora)
