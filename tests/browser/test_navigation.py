"""The admins' navigation: a menu on phones, with and without JavaScript; a list beside the page on wide screens."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, Windows
from tests.browser.look import problems

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN = "admin@solaria.example"
PHONE = {"width": 320, "height": 700}


def _open(page: Page, demo: Demo) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{demo.address}/admin/payouts")


@pytest.mark.parametrize("javascript", [True, False])
def test_on_a_phone_the_entries_are_behind_a_menu(windows: Windows, demo: Demo, javascript: bool) -> None:
    page = windows.open(ADMIN, javascript=javascript)
    _open(page, demo)
    links, summary = page.locator("nav.navigation a"), page.locator("nav.navigation summary")
    expect(summary).to_have_text("Menu: Payouts")
    expect(links.first).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    expect(links.first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.get_by_role("link", name="Payees", exact=True).click()
    expect(page).to_have_url(f"{demo.address}/admin/payees")
    expect(links.first).to_be_hidden()


def test_escape_closes_the_menu_and_letters_work_while_it_is_closed(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN)
    _open(page, demo)
    summary = page.locator("nav.navigation summary")
    summary.click()
    page.keyboard.press("Escape")
    expect(page.locator("nav.navigation a").first).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page).to_have_url(f"{demo.address}/admin/approvals")


def test_on_a_wide_screen_all_of_it_is_there(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN)
    page.goto(f"{demo.address}/admin/payouts")
    expect(page.locator("nav.navigation summary")).to_be_hidden()
    links = page.locator("nav.navigation a")
    assert links.count() >= 16
    assert all(links.nth(n).is_visible() for n in range(links.count()))
    expect(page.get_by_role("list", name="Books").get_by_role("link", name="Ledger")).to_be_visible()


def test_the_open_menu_has_no_findings(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN, bypass_csp=True)
    _open(page, demo)
    page.locator("nav.navigation summary").click()
    assert problems(page, "menu on a phone") == []


def test_the_plots_come_after_the_home_page_and_have_no_findings(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN, bypass_csp=True)
    page.goto(f"{demo.address}/admin/")
    expect(page.locator("#cash-out")).to_be_visible()
    expect(page.locator("#success")).to_be_visible()
    assert problems(page, "home with plots") == []


def test_without_javascript_a_link_leads_to_the_plots(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN, javascript=False)
    page.goto(f"{demo.address}/admin/")
    page.get_by_role("link", name="What is about to leave, and how payments go").click()
    expect(page.locator("#cash-out")).to_be_visible()
