"""Every workflow twice: by keyboard alone (with JavaScript), and without JavaScript."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demo
from tests.browser.hands import Hands, Open, says

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(params=["keys", "plain"])
def place(request: pytest.FixtureRequest) -> str:
    """The organisation in which it is done, which is also the way it is done."""
    name: str = request.param
    return name


def _more(hands: Hands, demo: Demo, reference: str, act: str) -> None:
    """Begin one of the acts of a payout that stand behind “More actions”."""
    hands.go(f"{demo.address}/admin/payouts/{reference}")
    hands.press(hands.page.locator("summary", has_text="More actions"))
    hands.press(hands.link(act))


def test_approve_one(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    person.go(f"{demo.address}/admin/payouts/{demo.made[place]['waiting'][0]}")
    person.press(person.link("Approve…"))
    person.press(person.button(r"Approve \$"))
    says(person, "Approved")


def test_approve_several(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    person.go(f"{demo.address}/admin/approvals")
    for reference in demo.made[place]["waiting"][1:3]:
        person.tick(person.field(f"Select {reference}"))
    person.press(person.button("Approve…"))
    person.press(person.button("Approve 2 payouts"))
    says(person, "finished")
    for reference in demo.made[place]["waiting"][1:3]:
        says(person, reference)


def test_reject_with_a_reason(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    reference = demo.made[place]["waiting"][3]
    person.go(f"{demo.address}/admin/approvals")
    person.tick(person.field(f"Select {reference}"))
    person.press(person.button("Reject…"))
    person.write(person.field("Reason"), "The site photos are missing.")
    person.press(person.button("Reject 1 payout"))
    says(person, "finished")
    person.go(f"{demo.address}/admin/payouts/{reference}")
    says(person, "The site photos are missing.")


def test_pay(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    person.go(f"{demo.address}/admin/payouts/{demo.made[place]['approved'][0]}")
    person.press(person.link("Pay…"))
    person.press(person.button(r"Pay \$"))
    expect(person.page.locator("main")).to_contain_text(re.compile("Sending|Sent|Paid"))


def test_mark_as_paid(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    _more(person, demo, demo.made[place]["approved"][1], "Mark as paid…")
    person.write(person.field("Payment reference"), "ACH-123456")
    person.press(person.button(r"Mark \$"))
    says(person, "ACH-123456")


def test_hold_and_release(hands: Open, demo: Demo, place: str) -> None:
    person = hands("second")
    reference = demo.made[place]["approved"][2]
    _more(person, demo, reference, "Hold…")
    person.write(person.field("Reason"), "Waits for the site visit.")
    person.press(person.button("Put it on hold"))
    says(person, "Waits for the site visit.")
    person.press(person.link("Release…"))
    person.press(person.button("Release it"))
    expect(person.link("Pay…")).to_be_visible()


def test_filter_and_save_a_view(hands: Open, demo: Demo) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/payouts")
    person.choose(person.field("Status"), "Paid")
    person.press(person.button("Filter"))
    expect(person.page).to_have_url(re.compile("status=paid"))
    person.press(person.page.locator("summary", has_text="Save this view"))
    person.write(person.field("Name of the view"), "What was paid")
    person.press(person.button("Save"))
    expect(person.link("What was paid")).to_be_visible()


def test_invite_a_person(hands: Open, demo: Demo, place: str) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/users/invite")
    person.write(person.field("E-mail"), f"third@{place}.example")
    person.write(person.field("Name"), "Third Person")
    person.tick(person.field("Accountant"))
    person.press(person.button("Send the invitation"))
    says(person, f"third@{place}.example")


def test_change_payment_details_and_verify_them(hands: Open, demo: Demo) -> None:
    payee = hands("payee")
    payee.go(f"{demo.address}/technician/payment-details")
    payee.press(payee.link("Change payment details"))
    payee.tick(payee.page.locator("#way-aba"))
    payee.press(payee.button("Continue"))
    payee.write(payee.field("Name on the account"), "Maya")
    payee.write(payee.field("Routing number"), "021000021")
    payee.write(payee.page.locator("#account_number"), "998877665544")
    payee.write(payee.page.locator("#account_number_again"), "998877665544")
    payee.press(payee.button("Check"))
    payee.press(payee.button("Ask for this change"))
    says(payee, "New details wait")
    admin = hands("first")
    admin.go(f"{demo.address}/admin/bank-changes")
    admin.press(admin.page.locator("tbody th a").first)
    admin.write(
        admin.field("Whom did you call"), "Called on the number on file; the last four digits are right."
    )
    admin.press(admin.button("Verify: pay to"))
    says(admin, "Verified")


def test_import_a_list(hands: Open, demo: Demo, place: str, tmp_path: Path) -> None:
    file = tmp_path / "technicians.csv"
    file.write_text("external_ref,name,email\nT-1,Anna Berg,anna@example.com\nT-2,Ben Cole,ben@example.com\n")
    person = hands("first")
    person.go(f"{demo.address}/admin/imports/new/technicians")
    person.give(person.page.locator("#file"), file)
    person.press(person.button("Upload"))
    person.press(person.button("Check all rows"))
    store = person.button("(Import|Store|Bring in)")
    expect(store).to_be_visible()
    person.press(store)
    says(person, "The good rows are stored.")
    person.go(f"{demo.address}/admin/payees")
    says(person, "Anna Berg")


def test_change_the_approval_rules(hands: Open, demo: Demo) -> None:
    one = hands("first")
    one.go(f"{demo.address}/admin/settings")
    one.press(one.link("Change the rules"))
    one.write(one.page.locator("#minimum"), "25.00")
    one.write(one.page.locator("#note"), "Small sums wait for more.")
    one.press(one.button("Check the new rules"))
    one.press(one.button("Ask another admin"))
    says(one, "another admin")
    other = hands("second")
    other.go(f"{demo.address}/admin/settings/rules/proposal")
    other.press(other.button("Accept"))
    says(other, "25.00")


def test_make_the_statements_of_a_month(hands: Open, demo: Demo, place: str) -> None:
    person = hands("first")
    person.go(f"{demo.address}/admin/statements")
    person.press(person.link("Make the statements of a month"))
    person.choose(person.page.locator("#month"), demo.made[place]["month"])
    person.press(person.button("Look at this month"))
    person.press(person.button("Make 1 statement"))
    says(person, "finished")
