"""Lists under a person's hand: results are said, nothing moves or takes the focus, what was approved can be stopped."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Demo, Windows

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOOKING, HOLDING, STOPPING = "second@looking.example", "second@holding.example", "second@stopping.example"
HALF_A_MINUTE = 31_000
ARRIVED = "**/admin/approvals/arrived?*"
HIDDEN = "is => Object.defineProperty(document, 'hidden', { configurable: true, get: () => is })"

WHEN_SWAPPED = """() => {
  window.swapped = new Promise((done) => document.addEventListener("htmx:afterSwap", () => done(true), { once: true }));
}"""


@pytest.fixture
def clerk(windows: Windows) -> Page:
    """A window of an admin with four payouts to approve and one approved."""
    return windows.open(LOOKING)


# ---- Results of a search ---------------------------------------------------------------------------------


def test_typing_says_how_many_were_found_and_keeps_the_focus(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/payouts")
    said = clerk.locator("form[role=search] [role=status]")
    expect(said).to_have_text("")
    search = clerk.locator("#q")
    search.press_sequentially("Ravi")
    expect(said).to_have_text("5 payouts")
    expect(clerk).to_have_url(re.compile("q=Ravi"))
    expect(search).to_be_focused()
    search.press_sequentially("xyz")
    expect(said).to_have_text("No payouts match")
    expect(search).to_be_focused()


@pytest.mark.parametrize("way", ["Enter", "button"])
def test_filter_leads_to_the_results(clerk: Page, demo: Demo, way: str) -> None:
    clerk.goto(f"{demo.address}/admin/payouts")
    clerk.locator("#q").fill("Ravi")
    if way == "Enter":
        clerk.locator("#q").press("Enter")
    else:
        clerk.get_by_role("button", name="Filter", exact=True).click()
    expect(clerk.locator("#results caption").first).to_be_focused()
    expect(clerk.locator("form[role=search] [role=status]")).to_have_text("5 payouts")
    clerk.locator("#q").fill("nobody at all")
    clerk.locator("#q").press("Enter")
    expect(clerk.locator("#results .empty h2")).to_be_focused()


def test_counts_of_the_queue_are_said_when_they_come(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("#q").press_sequentially("Ravi")
    said = clerk.locator("form[role=search] [role=status]")
    expect(said).to_have_text(re.compile(r"^4 payouts, "))
    expect(clerk.locator("#q")).to_be_focused()


def test_the_focus_stays_on_a_view_whose_count_comes(clerk: Page, demo: Demo) -> None:
    held: list[Route] = []
    clerk.route("**/admin/approvals/counts*", lambda route: held.append(route))
    with clerk.expect_request("**/admin/approvals/counts*"):
        clerk.goto(f"{demo.address}/admin/approvals")
    view = clerk.get_by_role("navigation", name="Views of the queue").get_by_role("link", name="Flagged")
    view.focus()
    expect(view.locator(".count")).to_have_count(0)
    held.pop().continue_()
    expect(view.locator(".count")).to_be_visible()
    expect(view).to_be_focused()


def test_whoever_types_on_is_not_taken_away(clerk: Page, demo: Demo) -> None:
    """The answer to Enter comes while the person writes again: the focus stays where they write."""
    clerk.clock.install(time=0)
    clerk.goto(f"{demo.address}/admin/payouts")
    # What is typed is asked for after a pause, which does not come by itself from here on.
    clerk.clock.pause_at(3_600)
    held: list[Route] = []
    asked = re.compile(r"/admin/payouts\?.*q=Ravi(&|$)")

    def hold(route: Route) -> None:
        held.append(route)

    clerk.route(asked, hold)
    search = clerk.locator("#q")
    search.fill("Ravi")
    with clerk.expect_request(asked):
        search.press("Enter")
    search.press_sequentially("o")
    clerk.evaluate(WHEN_SWAPPED)
    held[0].continue_()
    clerk.evaluate("() => window.swapped")
    # Only now the answer waits for the clock: moved before, it would stand still for good.
    clerk.clock.run_for(100)
    expect(clerk.locator("form[role=search] [role=status]")).to_have_text("5 payouts")
    expect(search).to_be_focused()


# ---- Arrivals -------------------------------------------------------------------------------------------


def test_arrivals_are_said_without_moving_a_row_and_not_while_nobody_looks(clerk: Page, demo: Demo) -> None:
    clerk.clock.install()
    asked: list[str] = []

    def as_if_all_were_new(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=re.sub(r"since=\d+", "since=0", route.request.url))

    clerk.route(ARRIVED, as_if_all_were_new)
    clerk.goto(f"{demo.address}/admin/approvals")
    expect(clerk.locator("#queue-count")).not_to_be_empty()
    expect(clerk.locator("#arrivals")).to_be_empty()
    first = clerk.locator("#approvals-table tbody tr").first
    before = first.bounding_box()
    clerk.clock.fast_forward(HALF_A_MINUTE)
    link = clerk.get_by_role("link", name=re.compile(r"^\d+ new payouts?\. Show$"))
    expect(link).to_be_visible()
    assert first.bounding_box() == before
    # The whole answer is waited for: it must not be taken for that of the next question.
    with clerk.expect_response(ARRIVED) as again:
        clerk.clock.fast_forward(HALF_A_MINUTE)
    assert "said=" in again.value.url
    again.value.finished()
    clerk.evaluate(HIDDEN, True)
    clerk.clock.fast_forward(HALF_A_MINUTE)
    clerk.evaluate(HIDDEN, False)
    with clerk.expect_response(ARRIVED):
        clerk.clock.fast_forward(HALF_A_MINUTE)
    assert len(asked) == 3
    link.click()
    expect(clerk).to_have_url(re.compile(r"sort=-reference"))
    expect(clerk.locator("#approvals-table tbody tr")).to_have_count(4)


def test_a_poll_of_a_session_that_is_over_tells_it_once(clerk: Page, demo: Demo) -> None:
    clerk.clock.install()
    asked: list[str] = []

    def signed_out(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=401, body="")

    clerk.route(ARRIVED, signed_out)
    clerk.goto(f"{demo.address}/admin/approvals")
    expect(clerk.locator("#queue-count")).not_to_be_empty()
    clerk.clock.fast_forward(HALF_A_MINUTE)
    expect(clerk.locator("#alerts")).to_contain_text("Your session has ended.")
    clerk.clock.fast_forward(HALF_A_MINUTE)
    expect(clerk.locator("#arrivals")).to_be_attached()
    assert len(asked) == 1


# ---- Order ----------------------------------------------------------------------------------------------


def test_ticks_stay_when_a_header_is_pressed(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    box = clerk.locator("#approvals-table tbody input[type=checkbox]").first
    box.check()
    label = box.get_attribute("aria-label") or ""
    clerk.get_by_role("columnheader", name="Net").get_by_role("button").click()
    expect(clerk).to_have_url(re.compile("sort=-amount"))
    expect(clerk.get_by_label(label)).to_be_checked()
    expect(clerk.get_by_role("columnheader", name="Net")).to_have_attribute("aria-sort", "descending")
    amounts = clerk.locator("#approvals-table tbody td:nth-last-child(3)").all_inner_texts()
    assert amounts == sorted(amounts, reverse=True)


# ---- Stopping what was approved ---------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "javascript"), [(HOLDING, True), (STOPPING, False)])
def test_what_was_just_approved_can_be_held(windows: Windows, demo: Demo, who: str, javascript: bool) -> None:
    page = windows.open(who, javascript=javascript)
    page.goto(f"{demo.address}/admin/approvals")
    for box in page.locator("#approvals-table tbody input[type=checkbox]").all()[:2]:
        box.check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("button", name="Approve 2 payouts").click()
    page.wait_for_url(re.compile("/admin/runs/BA-"))
    run = urlsplit(page.url).path.rpartition("/")[2]
    panel = page.get_by_role("region", name="2 payouts approved")
    # With the script the poll brings it; without it the page loads itself anew.
    expect(panel).to_be_visible()
    expect(panel).to_contain_text(run)
    expect(panel).to_contain_text("2 payouts leave when an admin sends them.")
    hold = panel.get_by_role("button", name="Hold them…")
    if javascript:
        hold.click()
        page.get_by_role("button", name="Cancel").click()
        expect(hold).to_be_focused()
    hold.click()
    page.get_by_label("Reason").fill("The file of this week is wrong.")
    page.get_by_role("button", name="Hold 2 payouts").click()
    page.wait_for_url(lambda address: "/admin/runs/BA-" in address and not address.endswith(run))
    expect(page.get_by_role("heading", name=re.compile("Hold 2 payouts: finished"))).to_be_visible()
    page.goto(f"{demo.address}/admin/runs/{run}")
    expect(page.get_by_role("region", name="2 payouts approved")).to_contain_text("2 payouts are on hold.")
    expect(page.get_by_role("button", name="Hold them…")).to_have_count(0)


# ---- Focus and words --------------------------------------------------------------------------------------


def test_focus_goes_back_to_the_row_when_a_check_out_of_its_drawer_is_closed(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    row = clerk.locator("#approvals-table tbody th a").first
    row.click()
    clerk.locator("#drawer").get_by_role("link", name="Approve…").click()
    expect(clerk.locator("#dialog[open] h2")).to_be_focused()
    clerk.keyboard.press("Escape")
    expect(clerk.locator("dialog[open]")).to_have_count(0)
    expect(row).to_be_focused()


def test_focus_goes_back_when_the_list_of_shortcuts_is_closed(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.keyboard.press("j")
    row = clerk.locator("#approvals-table tbody th a").first
    expect(row).to_be_focused()
    clerk.keyboard.press("?")
    expect(clerk.locator("dialog[open]")).to_have_count(1)
    clerk.keyboard.press("Escape")
    expect(clerk.locator("dialog[open]")).to_have_count(0)
    expect(row).to_be_focused()


def test_the_script_speaks_hindi_on_a_hindi_page(windows: Windows, demo: Demo) -> None:
    who = "payee@plain.example"
    page = windows.open(who)
    demo.change(f"UPDATE users SET locale = 'hi_IN' WHERE email = '{who}'")
    try:
        page.goto(f"{demo.address}/me")
        expect(page.locator("html")).to_have_attribute("lang", "hi")
        page.context.set_offline(True)
        expect(page.locator("#alerts")).to_contain_text("आप ऑफ़लाइन हैं।")
        page.keyboard.press("?")
        expect(page.locator("dialog[open] h2")).to_have_text("कीबोर्ड शॉर्टकट")
    finally:
        demo.change(f"UPDATE users SET locale = '' WHERE email = '{who}'")
