"""What the newcomer does in the first five minutes, in a real browser against a real demo."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN, APPROVER, TECHNICIAN = (f"{name}@solaria.example" for name in ("admin", "approver", "technician"))


def _open_first(page: Page, demo: Demo, status: str) -> str:
    """Open the newest payout in a status; returns its reference."""
    page.goto(f"{demo.address}/admin/payouts?status={status}")
    link = page.locator("tbody a", has_text=re.compile(r"^PO-")).first
    reference = link.inner_text()
    link.click()
    # The list opens a drawer with JavaScript, and the page of the payout without.
    page.wait_for_url(lambda address: reference in address)
    return reference


def test_admin_approves_everything_ready_in_three_clicks(page: Page, demo: Demo) -> None:
    sign_in(page, demo, "first@ready.example")
    page.goto(f"{demo.address}/admin/approvals")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("button", name=re.compile(r"^Approve \d+ payouts")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run BA-")
    expect(page.locator("main")).to_contain_text("finished")


def test_escape_closes_the_check_and_gives_the_focus_back(page: Page, demo: Demo) -> None:
    sign_in(page, demo, APPROVER)
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    opener = page.get_by_role("button", name="Approve…")
    opener.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(opener).to_be_focused()


def test_admin_cannot_approve_what_the_admin_made(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    page.goto(f"{demo.address}/admin/approvals")
    page.get_by_role("link", name=re.compile("^Blocked for you")).click()
    expect(page.locator("main")).to_contain_text("You created")


def test_without_javascript_the_approver_approves_one(plain_page: Page, demo: Demo) -> None:
    sign_in(plain_page, demo, "first@one.example")
    plain_page.goto(f"{demo.address}/admin/approvals")
    plain_page.locator("tbody input[type=checkbox]").first.check()
    plain_page.get_by_role("button", name="Approve…").click()
    plain_page.get_by_role("button", name=re.compile("^Approve 1 payout")).click()
    expect(plain_page.get_by_role("heading", level=1)).to_contain_text("Run BA-")


def test_a_payout_is_paid_over_the_sandbox_bank(page: Page, demo: Demo) -> None:
    sign_in(page, demo, "second@bank.example")
    reference = _open_first(page, demo, "approved")
    page.goto(f"{demo.address}/admin/payouts/{reference}/pay")
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator("main")).to_contain_text("Sending")


def test_without_javascript_a_rejection_without_a_reason_keeps_the_page(plain_page: Page, demo: Demo) -> None:
    sign_in(plain_page, demo, APPROVER)
    reference = _open_first(plain_page, demo, "pending_approval")
    plain_page.goto(f"{demo.address}/admin/payouts/{reference}/reject")
    plain_page.locator("main form button[type=submit]").last.click()
    expect(plain_page).to_have_title(re.compile("^Error"))


def test_technician_sees_the_calculation_and_no_admin_note(page: Page, demo: Demo) -> None:
    sign_in(page, demo, TECHNICIAN)
    page.goto(f"{demo.address}/technician/payouts")
    page.locator("tbody a", has_text=re.compile(r"^PO-")).first.click()
    expect(page.locator("main")).to_contain_text("Calculation")


def test_technician_cannot_open_the_admins_pages(page: Page, demo: Demo) -> None:
    sign_in(page, demo, TECHNICIAN)
    answer = page.goto(f"{demo.address}/admin/payouts")
    assert answer is not None
    assert answer.status == 403


def test_statement_can_be_downloaded(page: Page, demo: Demo) -> None:
    sign_in(page, demo, TECHNICIAN)
    page.goto(f"{demo.address}/technician/statements")
    with page.expect_download() as caught:
        page.locator("tbody a[href*='/statements/']").first.click()
    assert caught.value.path().read_bytes().startswith(b"%PDF-")


def test_back_from_a_payout_shows_the_filtered_list(page: Page, demo: Demo) -> None:
    sign_in(page, demo, ADMIN)
    _open_first(page, demo, "paid")
    page.go_back()
    expect(page).to_have_url(re.compile("status=paid"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Payouts")
