"""Passkeys with the browser's own (virtual) authenticator, and the question before money moves, in the browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

APPROVER = "approver@solaria.example"
# Has a passkey once it was made, so nobody else signs in as them.
KEEPER = "first@passkey.example"
PASSWORD = "paydesk-demo"


def _make_stale(demo: Demo) -> None:
    """As if every session had proved itself an hour ago."""
    demo.change(
        "UPDATE user_sessions SET reauthenticated_at = datetime(reauthenticated_at, '-1 hour') || '.000000'"
    )


@pytest.fixture
def with_key(page: Page) -> Page:
    """A browser that holds a security key which verifies its person by itself."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def _add_passkey(page: Page, demo: Demo) -> list[str]:
    page.goto(f"{demo.address}/account")
    page.get_by_role("link", name="Set up a second factor").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("button", name="Make the passkey").click()
    # Without a name it is not made.
    expect(page.locator(".error-summary")).to_contain_text("Enter a name")
    page.get_by_label("Name of the passkey").fill("Test laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    return page.locator("main li .code").all_inner_texts()


def test_a_passkey_is_made_signs_in_and_confirms(with_key: Page, demo: Demo) -> None:
    page = with_key
    refused: list[str] = []
    page.on(
        "console", lambda message: refused.append(message.text) if "Security Policy" in message.text else None
    )
    sign_in(page, demo, KEEPER)
    assert len(_add_passkey(page, demo)) == 10

    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("main")).to_contain_text("Test laptop")
    page.locator("summary", has_text=re.compile("Approver|approver|Iris|.")).first.click()
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, demo, KEEPER)
    expect(page.get_by_role("heading", level=1)).to_have_text("Second step")
    page.goto(f"{demo.address}/admin/payouts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(re.compile("/admin/$"))

    # Stale: the dialog asks, and leads to the page where the passkey works; the act comes after it.
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Approve…").click()
    confirm = page.get_by_role("button", name=re.compile("^Approve 1 payout"))
    expect(confirm).to_be_visible()
    _make_stale(demo)
    confirm.click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Confirm that it is you")
    dialog.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run BA-")
    assert not refused


def test_a_dialog_asks_for_the_password_and_goes_on(page: Page, demo: Demo) -> None:
    sign_in(page, demo, APPROVER)
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    _make_stale(demo)
    page.get_by_role("button", name="Approve…").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Confirm that it is you")
    dialog.get_by_label("Password").fill("not the password")
    dialog.get_by_role("button", name="Confirm and go on").click()
    expect(dialog.locator(".error-summary")).to_contain_text("That is not right.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm and go on").click()
    # What was ticked is still ticked: the check step of this one payout.
    expect(dialog.get_by_role("button", name=re.compile("^Approve 1 payout"))).to_be_visible()
    page.keyboard.press("Escape")
    # The page behind it is as good as before.
    page.get_by_role("button", name="Approve…").click()
    expect(
        page.locator("dialog[open]").get_by_role("button", name=re.compile("^Approve 1 payout"))
    ).to_be_visible()


def test_without_javascript_the_question_keeps_what_was_typed(plain_page: Page, demo: Demo) -> None:
    sign_in(plain_page, demo, "first@unproven.example")
    plain_page.goto(f"{demo.address}/admin/approvals")
    plain_page.locator("tbody input[type=checkbox]").first.check()
    plain_page.get_by_role("button", name="Reject…").click()
    plain_page.get_by_label("Reason").fill("The meter reading is missing.")
    _make_stale(demo)
    plain_page.get_by_role("button", name=re.compile("^Reject 1 payout")).click()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    plain_page.get_by_label("Password").fill(PASSWORD)
    plain_page.get_by_role("button", name="Confirm and go on").click()
    expect(plain_page.get_by_role("heading", level=1)).to_contain_text("Run ")


def test_without_javascript_passkeys_say_that_they_need_it(plain_page: Page, demo: Demo) -> None:
    sign_in(plain_page, demo, APPROVER)
    plain_page.goto(f"{demo.address}/account/passkeys/new")
    expect(plain_page.locator("main")).to_contain_text("Passkeys need JavaScript.")
    expect(plain_page.get_by_role("button", name="Make the passkey")).to_have_count(0)


def test_who_cancels_is_told(page: Page, demo: Demo) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    # A key that cannot verify anybody: the browser says no.
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": False,
               "automaticPresenceSimulation": True}  # fmt: skip
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    sign_in(page, demo, APPROVER)
    page.goto(f"{demo.address}/account/passkeys/new")
    page.get_by_label("Name of the passkey").fill("Test laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.locator("[data-passkey-message]")).to_contain_text("The passkey", timeout=70_000)
    expect(page.get_by_label("Name of the passkey")).to_have_value("Test laptop")
