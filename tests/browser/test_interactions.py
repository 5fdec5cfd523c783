"""How pages behave: shortcuts, focus, selecting, one act once, conflicts, back and reload, no connection."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Demo, Windows
from tests.browser.hands import Keyboard

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN, BULK = "admin@solaria.example", "second@bulk.example"
CLICKS, KEYS = 3, 16


@pytest.fixture
def admin(windows: Windows) -> Page:
    """A window of the demo's admin."""
    return windows.open(ADMIN)


@pytest.fixture
def clerk(windows: Windows) -> Page:
    """A window of an admin with fifty payouts to approve."""
    return windows.open(BULK)


@pytest.fixture
def without_shortcuts(demo: Demo) -> Iterator[None]:
    """The admin has switched the shortcuts off."""
    demo.change(f"UPDATE users SET has_shortcuts = 0 WHERE email = '{ADMIN}'")
    yield
    demo.change(f"UPDATE users SET has_shortcuts = 1 WHERE email = '{ADMIN}'")


def _posts(page: Page, part: str) -> list[Request]:
    """Every POST to an address with this part, from now on."""
    found: list[Request] = []
    page.on("request", lambda r: found.append(r) if r.method == "POST" and part in r.url else None)
    return found


# ---- Shortcuts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "path"), [("a", "/admin/approvals"), ("p", "/admin/payouts"), ("h", "/admin/")]
)
def test_g_and_a_letter_lead_to_a_part(admin: Page, demo: Demo, letter: str, path: str) -> None:
    admin.goto(f"{demo.address}/admin/rates")
    admin.keyboard.press("g")
    admin.keyboard.press(letter)
    expect(admin).to_have_url(f"{demo.address}{path}")


def test_every_part_has_a_letter_of_its_own_and_the_list_names_it(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/")
    keys = admin.eval_on_selector_all("nav.navigation a", "links => links.map(a => a.dataset.key)")
    assert len(keys) == len(set(keys)) >= 16
    admin.keyboard.press("?")
    listed = admin.locator("dialog[open] kbd").all_inner_texts()
    assert {"/", "j", "k", "x", "o", *keys} <= set(listed)
    admin.keyboard.press("Escape")
    expect(admin.locator("dialog[open]")).to_have_count(0)


def test_rows_are_walked_selected_and_opened_by_letters(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    rows = clerk.locator("tbody tr")
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        clerk.keyboard.press(key)
        expect(rows.nth(place).locator("th a")).to_be_focused()
    clerk.keyboard.press("x")
    expect(rows.nth(1).locator("input[type=checkbox]")).to_be_checked()
    clerk.keyboard.press("o")
    drawer = clerk.locator("dialog#drawer[open]")
    expect(drawer.locator("h2")).to_be_focused()
    expect(clerk).to_have_url(re.compile("open=PO-"))
    clerk.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(rows.nth(1).locator("th a")).to_be_focused()
    expect(clerk).not_to_have_url(re.compile("open="))


def test_r_opens_the_check_of_a_rejection_and_slash_the_search(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.keyboard.press("/")
    expect(clerk.locator("#q")).to_be_focused()
    clerk.keyboard.type("ax")
    expect(clerk.locator("#q")).to_have_value("ax")
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.keyboard.press("j")
    clerk.keyboard.press("x")
    clerk.keyboard.press("r")
    expect(clerk.get_by_role("button", name=re.compile("^Reject 1 payout"))).to_be_visible()


def test_shortcuts_can_be_switched_off(admin: Page, demo: Demo, without_shortcuts: None) -> None:
    admin.goto(f"{demo.address}/admin/rates")
    for key in ("?", "g", "p"):
        admin.keyboard.press(key)
    expect(admin.locator("dialog[open]")).to_have_count(0)
    expect(admin).to_have_url(f"{demo.address}/admin/rates")


# ---- Selecting and approving fifty --------------------------------------------------------------------


def test_fifty_are_one_confirmation_away_in_three_clicks(clerk: Page, demo: Demo) -> None:
    """The last click is looked at and not made, so that the keyboard can be counted on the same fifty."""
    clerk.goto(f"{demo.address}/admin/approvals")
    clicks = [clerk.get_by_label("Select all on this page"), clerk.get_by_role("button", name="Approve…")]
    for control in clicks:
        control.click()
    expect(clerk.get_by_role("button", name="Approve 50 payouts")).to_be_enabled()
    assert len(clicks) + 1 <= CLICKS


def test_fifty_are_one_confirmation_away_in_sixteen_keys(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    hand, pressed = Keyboard(clerk), 0
    # Back over the headings that order the list: the box stands before them.
    for key in ("j", *["Shift+Tab"] * 8):
        clerk.keyboard.press(key)
        pressed += 1
        if clerk.evaluate("document.activeElement.dataset.selectAll !== undefined"):
            break
    everything = clerk.get_by_label("Select all on this page")
    if not everything.evaluate("node => node === document.activeElement"):
        hand.reach(everything)
        raise AssertionError("the box for the whole page is not near the first row")
    clerk.keyboard.press("Space")
    clerk.keyboard.press("a")
    pressed += 2
    button = clerk.get_by_role("button", name="Approve 50 payouts")
    expect(button).to_be_visible()
    while not button.evaluate("node => node === document.activeElement"):
        clerk.keyboard.press("Tab")
        pressed += 1
        assert pressed < KEYS
    assert pressed + 1 <= KEYS


def test_shift_click_selects_a_range_and_says_how_many(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    boxes = clerk.locator("tbody input[type=checkbox]")
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(clerk.locator("output.selected-count")).to_have_text("5 payouts selected")
    assert [boxes.nth(n).is_checked() for n in (0, 1, 3, 5, 6)] == [False, True, True, True, False]


def test_everything_that_matches_is_checked_against_what_was_shown(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.get_by_label(re.compile("^All 50 that match")).check()
    clerk.eval_on_selector("main [name=expected]", "field => { field.value = '49 payouts'; }")
    clerk.get_by_role("button", name="Approve…").click()
    expect(clerk.locator("dialog[open]")).to_contain_text("Now")
    expect(clerk.locator("dialog[open]").get_by_role("button", name="Check again")).to_be_visible()


# ---- One act once, conflicts ----------------------------------------------------------------------------


def test_two_quick_presses_send_one_form(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/payees/new")
    sent = _posts(admin, "/payees/new")
    admin.locator("#kind").select_option("technician")
    admin.locator("#name").fill("Pressed Twice")
    admin.locator("main form button[type=submit]").last.dblclick()
    expect(admin).not_to_have_url(re.compile("/new$"))
    assert len(sent) == 1


def test_two_quick_presses_of_a_check_send_one_request(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("tbody input[type=checkbox]").first.check()
    sent = _posts(clerk, "/approvals/check")
    clerk.get_by_role("button", name="Approve…").dblclick()
    expect(clerk.get_by_role("button", name="Approve 1 payout")).to_be_visible()
    assert len(sent) == 1


def test_a_conflict_keeps_what_was_written(windows: Windows, demo: Demo) -> None:
    reference = demo.made["plain"]["waiting"][4]
    slow, quick = windows.open("first@plain.example"), windows.open("second@plain.example")
    slow.goto(f"{demo.address}/admin/payouts/{reference}/reject")
    slow.get_by_label(re.compile("^Reason")).fill("A reason that took long to write.")
    quick.goto(f"{demo.address}/admin/payouts/{reference}/approve")
    quick.get_by_role("button", name=re.compile("^Approve ")).click()
    expect(quick).to_have_url(f"{demo.address}/admin/payouts/{reference}")
    slow.get_by_role("button", name=re.compile("^Reject ")).click()
    expect(slow.locator("main [role=alert]").first).to_contain_text("What you wrote is still below")
    expect(slow.get_by_label(re.compile("^Reason"))).to_have_value("A reason that took long to write.")
    expect(slow.get_by_role("link", name="See the payout as it is now")).to_be_visible()


# ---- Filters, back, reload --------------------------------------------------------------------------------


def test_a_filter_that_is_typed_keeps_the_focus_and_goes_into_the_address(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("#q").press_sequentially("Worker3")
    expect(clerk).to_have_url(re.compile("q=Worker3"))
    expect(clerk.locator("tbody tr")).to_have_count(10)
    expect(clerk.locator("#q")).to_be_focused()
    expect(clerk.get_by_label("Remove filter")).to_have_count(1)


def test_back_forward_and_reload_keep_filter_and_drawer(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("#q").press_sequentially("Worker2")
    expect(clerk.locator("tbody tr")).to_have_count(10)
    expect(clerk).to_have_url(re.compile("q=Worker2"))
    clerk.locator("tbody th a").first.click()
    drawer = clerk.locator("dialog#drawer[open] h2")
    expect(drawer).to_be_visible()
    expect(clerk).to_have_url(re.compile("open=PO-"))
    clerk.reload()
    expect(drawer).to_be_visible()
    clerk.go_back()
    expect(drawer).to_have_count(0)
    expect(clerk).to_have_url(re.compile("q=Worker2"))
    expect(clerk.locator("tbody tr")).to_have_count(10)
    clerk.go_back()
    expect(clerk.locator("tbody tr")).to_have_count(50)
    clerk.go_forward()
    expect(clerk.locator("tbody tr")).to_have_count(10)


def test_back_twice_shows_the_page_asked_for_last(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("#q").fill("Worker2")
    expect(clerk).to_have_url(re.compile("q=Worker2"))
    clerk.locator("tbody th a").first.click()
    expect(clerk).to_have_url(re.compile("open=PO-"))
    held = []
    clerk.route("**/approvals?*q=Worker2*", lambda route: held.append(route))
    clerk.go_back()
    clerk.wait_for_function("() => !location.search.includes('open=')")
    with clerk.expect_event("requestfailed", lambda request: "q=Worker2" in request.url):
        clerk.go_back()
    expect(clerk.locator("tbody tr")).to_have_count(50)
    assert len(held) == 1


# ---- No connection, waiting, what is never kept ------------------------------------------------------------


def test_offline_nothing_is_sent_and_what_was_typed_stays(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/payees/new")
    admin.locator("#kind").select_option("technician")
    admin.locator("#name").fill("Typed Before The Tunnel")
    sent = _posts(admin, "/payees/new")
    admin.context.set_offline(True)
    admin.locator("main form button[type=submit]").last.click()
    expect(admin.locator("#alerts")).to_contain_text("Nothing was sent")
    expect(admin.locator("#name")).to_have_value("Typed Before The Tunnel")
    assert sent == []
    admin.context.set_offline(False)
    admin.locator("main form button[type=submit]").last.click()
    expect(admin.locator("main")).to_contain_text("Typed Before The Tunnel")


def test_a_slow_answer_is_shown_as_waiting(clerk: Page, demo: Demo) -> None:
    clerk.goto(f"{demo.address}/admin/approvals")
    clerk.locator("tbody input[type=checkbox]").first.check()
    held = []
    clerk.route("**/approvals/check", lambda route: held.append(route))
    button = clerk.locator("button[data-key=a]")
    button.click()
    expect(clerk.locator(".loading-bar")).to_have_count(1)
    expect(clerk.locator("#dialog")).to_have_attribute("aria-busy", "true")
    expect(button).to_have_text("Checking…")
    held[0].continue_()
    expect(clerk.get_by_role("button", name="Approve 1 payout")).to_be_visible()
    expect(clerk.locator(".loading-bar")).to_have_count(0)


def test_an_account_is_never_cached_and_hides_again(windows: Windows, demo: Demo) -> None:
    page = windows.open("technician@solaria.example")
    page.clock.install()
    page.goto(f"{demo.address}/technician/payment-details")
    page.locator("summary", has_text="Show the full account").click()
    with page.expect_response(re.compile("/reveal$")) as answer:
        page.get_by_role("button", name="Show the full account").click()
    assert "no-store" in answer.value.headers["cache-control"]
    expect(page.locator("#reveal-current")).to_contain_text("400012344821")
    # The countdown begins once the answer has settled in the page.
    page.clock.run_for(1_000)
    page.clock.fast_forward(31_000)
    expect(page.locator("#reveal-current")).not_to_contain_text("400012344821")


def test_amounts_are_read_as_people_write_them(admin: Page, demo: Demo) -> None:
    admin.goto(f"{demo.address}/admin/payouts")
    admin.locator("summary", has_text="More filters").click()
    amount = admin.get_by_label(re.compile("^Amount from"))
    assert amount.get_attribute("inputmode") == "decimal"
    amount.fill("$1,000.5")
    admin.get_by_role("button", name="Filter", exact=True).click()
    expect(admin).to_have_url(re.compile("amount_from="))
    expect(admin.get_by_label("Remove filter")).to_have_count(1)
    expect(admin.locator("[data-error-summary]")).to_have_count(0)


# ---- Weight ------------------------------------------------------------------------------------------------


def test_the_first_load_of_a_long_list_is_light(windows: Windows, demo: Demo) -> None:
    """Page, styles, scripts and icon of fifty rows as they travel, with an empty cache: at most 64 KiB."""
    windows.open(BULK)
    # Signed in before, so nothing was loaded in this window yet.
    page = windows.open(BULK)
    page.goto(f"{demo.address}/admin/approvals", wait_until="networkidle")
    sizes = page.evaluate(
        "() => performance.getEntries().filter((e) => e.transferSize).map((e) => [e.name, e.transferSize])"
    )
    icon = page.evaluate(
        "async () => (await (await fetch(document.querySelector('link[rel=icon]').href)).text()).length"
    )
    assert {name.rpartition("/")[2] for name, _ in sizes} >= {"app.js", "app.css", "htmx.min.js"}
    assert sum(size for _, size in sizes) + icon <= 64 * 1024
