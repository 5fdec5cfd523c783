"""What was written when the session had ended in between: it outlives the sign-in, for its writer and nobody else."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DEMO_PASSWORD, Demo, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN, APPROVER, TECHNICIAN = (
    "admin@solaria.example",
    "approver@solaria.example",
    "technician@solaria.example",
)
HERE_AGAIN = "What you wrote is here again"


def _kept(page: Page) -> str | None:
    text: str | None = page.evaluate("sessionStorage.getItem('unsent')")
    return text


def _write_a_payee(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/payees/new?kept=1")
    page.locator("#kind").select_option("technician")
    page.locator("#name").fill("Typed Before Lunch")
    page.locator("#address").fill("1 Long Street")


def _sign_in_here(page: Page, email: str) -> None:
    page.locator("#email").fill(email)
    page.locator("#password").fill(DEMO_PASSWORD)
    page.locator("#password").press("Enter")


def _send(page: Page) -> None:
    page.locator("main form button[type=submit]").last.click()


def _send_signed_out(page: Page) -> None:
    page.context.clear_cookies()
    _send(page)
    expect(page.locator("main")).to_contain_text("Your session has ended, so nothing was changed")


def test_a_form_is_there_again_after_the_sign_in(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    _write_a_payee(page, demo)
    _send_signed_out(page)
    expect(page.locator("main")).to_contain_text("What you wrote is kept in this window")
    page.get_by_role("link", name="Sign in").click()
    _sign_in_here(page, ADMIN)
    expect(page).to_have_url(f"{demo.address}/admin/payees/new?kept=1")
    note = page.locator("main form [role=alert]")
    expect(note).to_contain_text(HERE_AGAIN)
    expect(note).to_be_focused()
    expect(page.locator("#kind")).to_have_value("technician")
    expect(page.locator("#name")).to_have_value("Typed Before Lunch")
    expect(page.locator("#address")).to_have_value("1 Long Street")
    assert _kept(page) is None, "it comes back once"


def test_a_session_that_was_ended_elsewhere_is_the_same(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    _write_a_payee(page, demo)
    # The cookie and its form token are still good here; only the session behind them is gone.
    demo.change(
        "UPDATE user_sessions SET ended_at = datetime('now') || '.000000'"
        " WHERE id = (SELECT max(id) FROM user_sessions)"
    )
    _send(page)
    expect(page.locator("main")).to_contain_text("Your session has ended, so nothing was changed")
    page.get_by_role("link", name="Sign in").click()
    _sign_in_here(page, ADMIN)
    expect(page.locator("#name")).to_have_value("Typed Before Lunch")


def test_somebody_else_in_the_same_window_does_not_get_it(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    _write_a_payee(page, demo)
    _send_signed_out(page)
    assert "Typed Before Lunch" in (_kept(page) or "")
    page.get_by_role("link", name="Sign in").click()
    _sign_in_here(page, APPROVER)
    expect(page).to_have_url(f"{demo.address}/admin/payees/new?kept=1")
    expect(page.locator("#name")).to_have_value("")
    assert _kept(page) is None


def test_what_arrived_or_was_refused_is_not_kept(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    page.goto(f"{demo.address}/admin/payees/new")
    page.locator("#address").fill("Only an address")
    _send(page)
    expect(page).to_have_title(re.compile("^Error"))
    expect(page.locator("#address")).to_have_value("Only an address")
    assert _kept(page) is None


def test_sign_out_drops_it(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    page.evaluate("sessionStorage.setItem('unsent', JSON.stringify({said: []}))")
    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/sign-in"))
    assert _kept(page) is None


def test_payment_details_are_never_kept(page: Page, demo: Demo) -> None:
    sign_in(page, demo, TECHNICIAN)
    page.goto(f"{demo.address}/technician/payment-details/change?way=aba")
    page.locator("#account_number").fill("400099998888")
    page.context.clear_cookies()
    _send(page)
    expect(page.locator("[data-signed-out]")).to_have_count(1)
    expect(page.locator("[data-signed-out]")).to_be_hidden()
    assert _kept(page) is None


def test_a_form_with_a_password_is_never_kept(page: Page, demo: Demo) -> None:
    """The demo's own passwords cannot be changed, so the field is put in by hand."""
    sign_in(page, demo, ADMIN)
    _write_a_payee(page, demo)
    page.eval_on_selector("#name", "name => { name.form.append(Object.assign(document.createElement('input'),"
                          " {type: 'password', name: 'secret', value: 'not to be kept'})); }")  # fmt: skip
    _send_signed_out(page)
    expect(page.locator("[data-signed-out]")).to_be_hidden()
    assert _kept(page) is None


def test_a_reason_in_a_dialog_is_there_again(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    reason = page.locator("dialog[open]").get_by_label(re.compile("^Reason"))
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Reject…").click()
    reason.fill("The size on the form is wrong.")
    page.context.clear_cookies()
    page.get_by_role("button", name=re.compile("^Reject 1 payout")).click()
    alert = page.locator("dialog[open] [role=alert]")
    expect(alert).to_contain_text("What you wrote is kept until you are back.")
    expect(reason).to_have_value("The size on the form is wrong.")
    alert.get_by_role("link", name="Sign in again").click()
    _sign_in_here(page, ADMIN)
    expect(page).to_have_url(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Reject…").click()
    expect(reason).to_have_value("The size on the form is wrong.")
    expect(page.locator("dialog[open] form [role=alert]")).to_contain_text(HERE_AGAIN)
