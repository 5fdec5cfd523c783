"""What a page says by itself: large amounts in words, news, a long wait. Nothing moves for who wants no motion."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Demo, Windows
from tests.browser.look import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN = "admin@solaria.example"
STILL = "Still working. You can leave this page."
# Elements that move or fade under the wish for reduced motion, which every window of these tests has.
MOVING = """() => [...document.querySelectorAll("*")].filter((node) => {
  const style = getComputedStyle(node);
  return style.animationName !== "none" || style.transitionDuration.split(",").some((time) => parseFloat(time) > 0);
}).map((node) => node.outerHTML.slice(0, 100))"""
# Controls that are lower than a finger needs; links inside a sentence and boxes with their label are not meant.
LOW = """() => [...document.querySelectorAll("main .btn, main .form-control, main .form-select, nav.navigation a")]
  .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 44)
  .map((node) => node.outerHTML.slice(0, 100))"""


@pytest.fixture
def admin(windows: Windows) -> Page:
    """A window of the demo's admin."""
    return windows.open(ADMIN)


# ---- Amounts in words ----------------------------------------------------------------------------------


def test_a_large_amount_is_said_in_words_while_it_is_typed(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/installations/settings")
    words = admin.locator("#minimum_payout-words")
    amount = admin.locator("#minimum_payout")
    amount.fill("2500000")
    expect(words).to_have_text("Two million, five hundred thousand US dollars and 00/100.")
    assert "minimum_payout-words" in (amount.get_attribute("aria-describedby") or "")
    assert words.evaluate("node => node.tagName") == "OUTPUT", "it is told when it changes"
    amount.fill("250")
    expect(words).to_have_text("")
    expect(amount).to_be_focused()


def test_the_words_follow_the_currency_that_is_chosen(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/settings/rules")
    row = admin.locator("fieldset.panel").last
    amount, currency = row.get_by_label(re.compile("^Up to")), row.get_by_label(re.compile("^Currency"))
    amount.fill("12500000")
    expect(row.locator("output")).to_contain_text("Twelve million, five hundred thousand")
    currency.fill("INR")
    currency.blur()
    expect(row.locator("output")).to_have_text("One crore, twenty-five lakh Indian rupees and 00/100.")


def test_without_javascript_the_words_stand_in_the_form_that_comes_back(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN, javascript=False)
    page.goto(f"{demo.address}/admin/rates/new")
    page.locator("#rate").fill("100000")
    page.locator("#bonus").fill("99999.99")
    page.get_by_role("button", name="Check the effect").click()
    expect(page).to_have_title(re.compile("^Error"))
    expect(page.locator("#rate-words")).to_have_text("One hundred thousand US dollars and 00/100.")
    expect(page.locator("#bonus-words")).to_have_text("")


def test_no_connection_while_an_amount_is_typed_disturbs_nobody(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/installations/settings")
    asked: list[Route] = []
    admin.route("**/amount-in-words*", lambda route: (asked.append(route), route.abort()))
    admin.locator("#minimum_payout").fill("2500000")
    expect(admin.locator("#minimum_payout")).to_have_value("2500000")
    admin.wait_for_function("() => !document.querySelector('.htmx-request')")
    assert admin.locator("#alerts .toast-note").count() == 0


# ---- News ------------------------------------------------------------------------------------------------


def _wait_long(page: Page, demo: Demo) -> None:
    """Send a form that is not answered for ten seconds: then news appears."""
    page.goto(f"{demo.address}/admin/payees/new")
    # "No content" keeps the browser on the page, as a server does that has not answered yet.
    page.route("**/admin/payees/new", lambda route: route.fulfill(status=204))
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator("main form")).to_have_attribute("aria-busy", "true")
    page.clock.run_for(10_500)


def test_news_stays_eight_seconds_and_as_long_as_it_is_looked_at(admin: Page, demo: Demo) -> None:
    admin.clock.install()
    _wait_long(admin, demo)
    note = admin.locator("#toasts[role=status] .toast-note")
    expect(note).to_contain_text(STILL)
    admin.clock.run_for(8_000)
    expect(note).to_be_visible()
    note.hover()
    admin.clock.run_for(60_000)
    expect(note).to_be_visible()
    admin.mouse.move(5, 5)
    admin.clock.run_for(10_000)
    expect(note).to_have_count(0)


def test_news_is_held_by_focus_and_can_be_dismissed(admin: Page, demo: Demo) -> None:
    admin.clock.install()
    _wait_long(admin, demo)
    dismiss = admin.locator("#toasts").get_by_role("button", name="Dismiss")
    dismiss.focus()
    admin.clock.run_for(60_000)
    expect(dismiss).to_be_visible()
    admin.keyboard.press("Enter")
    expect(admin.locator("#toasts .toast-note")).to_have_count(0)


def test_a_form_with_errors_says_them_in_the_page_and_not_as_news(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/payees/new")
    admin.locator("main form button[type=submit]").last.click()
    expect(admin.locator("[data-error-summary]")).to_be_focused()
    expect(admin.locator("#toasts")).to_have_text("")


@pytest.mark.parametrize("way", ["fragment", "form"])
def test_after_ten_seconds_one_is_told_that_one_may_leave(admin: Page, demo: Demo, way: str) -> None:
    admin.clock.install()
    held: list[Route] = []
    if way == "fragment":
        admin.goto(f"{demo.address}/admin/payouts")
        admin.route("**/admin/payouts?*", lambda route: held.append(route))
        admin.locator("#q").fill("nobody of this name")
        admin.locator("#q").press("Enter")
    else:
        admin.goto(f"{demo.address}/admin/payees/new")
        # "No content" keeps the browser on the page, as a server does that has not answered yet.
        admin.route("**/admin/payees/new", lambda route: route.fulfill(status=204))
        admin.locator("main form button[type=submit]").last.click()
        expect(admin.locator("main form")).to_have_attribute("aria-busy", "true")
    admin.clock.run_for(9_000)
    expect(admin.locator("#toasts")).not_to_contain_text(STILL)
    admin.clock.run_for(2_000)
    expect(admin.locator("#toasts")).to_contain_text(STILL)
    expect(admin.locator(".loading-bar")).to_have_count(1)
    assert admin.evaluate(MOVING) == []
    if way == "fragment":
        # What was typed asks too, and takes the place of the first question.
        held[-1].continue_()
        expect(admin.locator(".loading-bar")).to_have_count(0)


# ---- Motion and size ---------------------------------------------------------------------------------------


def test_nothing_moves_for_who_wants_no_motion(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/approvals")
    admin.locator("tbody th a").first.click()
    expect(admin.locator("dialog#drawer[open] h2")).to_be_visible()
    assert admin.evaluate(MOVING) == []


def test_main_controls_are_as_high_as_a_finger_needs(windows: Windows, demo: Demo) -> None:
    page = windows.open(ADMIN)
    touch = page.context.browser
    assert touch is not None
    context = touch.new_context(viewport=NARROW, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    try:
        phone = context.new_page()
        for path in ("/admin/approvals", "/admin/payees/new", "/admin/users/invite"):
            phone.goto(f"{demo.address}{path}")
            assert phone.evaluate(LOW) == [], path
    finally:
        context.close()
