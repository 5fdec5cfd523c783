"""States that no link leads to (dialogs, errors, nothing there yet, one-time links): axe, dark, 320 px."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DEMO_PASSWORD, Demo, Windows
from tests.browser.look import problems

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMIN, APPROVER = "admin@solaria.example", "approver@solaria.example"
TECHNICIAN, EMPTY, EMPTY_PAYEE = "technician@solaria.example", "first@empty.example", "payee@empty.example"
Leads = Callable[[Page, Demo], None]


def _drawer(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody th a").first.click()
    expect(page.locator("dialog#drawer[open] h2")).to_be_focused()


def _check(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("button", name=re.compile("^Approve 1 payout"))).to_be_visible()


def _rejection_without_reason(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Reject…").click()
    page.get_by_role("button", name=re.compile("^Reject 1 payout")).click()
    expect(page.locator("dialog[open] [data-error-summary]")).to_be_focused()


def _nothing_ticked(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/approvals")
    page.get_by_role("button", name="Approve…").click()
    expect(page.locator("dialog#dialog[open]")).to_be_visible()


def _form_with_errors(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/payees/new")
    page.locator("main form button[type=submit]").last.click()
    expect(page).to_have_title(re.compile("^Error"))


def _conflict(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/payouts?status=pending_approval")
    reference = page.locator("tbody th a").first.inner_text()
    page.goto(f"{demo.address}/admin/payouts/{reference}/cancel")
    # What the page says it saw is older than what is there.
    page.eval_on_selector("main [name=version]", "field => { field.value = '0'; }")
    page.locator("#reason").fill("The invoice is disputed.")
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator("main [role=alert]")).to_contain_text("What you wrote is still below")
    expect(page.locator("#reason")).to_have_value("The invoice is disputed.")


def _empty_list(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/payouts?q=nothing-is-called-this")
    expect(page.locator("main")).to_contain_text("No payouts match")


def _shortcuts(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()


def _small_question(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/users")
    page.locator("form[data-confirm] button").first.click()
    expect(page.locator("dialog.dialog-small[open]")).to_be_visible()


def _offline(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/payees/new")
    page.context.set_offline(True)
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator("#alerts")).to_contain_text("You are offline")
    page.context.set_offline(False)


def _stale(page: Page, demo: Demo) -> None:
    demo.change(
        "UPDATE user_sessions SET reauthenticated_at = datetime(reauthenticated_at, '-1 hour') || '.000000'"
    )


def _proof_page(page: Page, demo: Demo) -> None:
    _stale(page, demo)
    page.goto(f"{demo.address}/admin/payouts?status=approved")
    reference = page.locator("tbody th a").first.inner_text()
    page.goto(f"{demo.address}/admin/payouts/{reference}/pay")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")


def _proof_dialog(page: Page, demo: Demo) -> None:
    _stale(page, demo)
    page.goto(f"{demo.address}/admin/approvals")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Approve…").click()
    expect(page.locator("dialog[open] #proof_password")).to_be_visible()


def _second_step(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/sign-in")
    page.locator("#email").fill("careful@empty.example")
    page.locator("#password").fill(DEMO_PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(re.compile("/sign-in/second-factor"))


def _wrong_password(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/sign-in")
    page.locator("#email").fill("nobody@empty.example")
    page.locator("#password").fill("not the password")
    page.locator("#password").press("Enter")
    expect(page.locator("[data-error-summary]")).to_be_visible()


def _link(name: str) -> Leads:
    def lead(page: Page, demo: Demo) -> None:
        page.goto(demo.made["links"][name])

    return lead


def _at(path: str) -> Leads:
    def lead(page: Page, demo: Demo) -> None:
        page.goto(f"{demo.address}{path}")

    return lead


def _valid_code(page: Page, demo: Demo) -> None:
    query = "SELECT code, number FROM documents WHERE code IS NOT NULL AND state = 'ready' ORDER BY id"
    code, number = demo.ask(query)
    page.goto(f"{demo.address}/v/{code}")
    expect(page.locator("main")).to_contain_text(number)


def _side_by_side(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/admin/bank-changes")
    page.locator("tbody th a").first.click()
    expect(page.get_by_role("heading", name="On file and asked for")).to_be_visible()


def _revealed(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.address}/technician/payment-details")
    page.locator("summary", has_text="Show the full account").click()
    page.get_by_role("button", name="Show the full account").click()
    expect(page.locator("#reveal-current")).to_contain_text("400012344821")


def _run(page: Page, demo: Demo) -> None:
    """Approve everything that waits in the organisation of the person; ends on the page of the finished run."""
    page.goto(f"{demo.address}/admin/approvals")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("button", name=re.compile(r"^Approve \d+ payouts")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run BA-")
    expect(page.locator("main")).to_contain_text("finished")


def _progress(page: Page, demo: Demo) -> None:
    _run(page, demo)
    # A run is over before anybody can look: this one is set back to its last row, and nobody takes it up.
    of_this = "(SELECT id FROM organisations WHERE slug = 'at-work')"
    demo.change(
        "UPDATE run_rows SET outcome = 'waiting', finished_at = NULL, message = '' WHERE position = 4 "
        f"AND run_id IN (SELECT id FROM runs WHERE organisation_id = {of_this})"
    )
    demo.change(
        "UPDATE runs SET state = 'running', done = done - 1, finished_at = NULL, "
        f"lease_until = datetime('now', '+1 day') || '.000000' WHERE organisation_id = {of_this}"
    )
    page.route("**/progress", lambda route: route.abort())
    page.reload()
    expect(page.locator("main progress")).to_be_visible()


STATES: dict[str, tuple[str | None, Leads]] = {
    "drawer": (APPROVER, _drawer),
    "check dialog": (APPROVER, _check),
    "rejection without a reason": (APPROVER, _rejection_without_reason),
    "nothing ticked": (APPROVER, _nothing_ticked),
    "form with errors": (ADMIN, _form_with_errors),
    "conflict": (ADMIN, _conflict),
    "empty list": (ADMIN, _empty_list),
    "shortcuts": (ADMIN, _shortcuts),
    "offline": (ADMIN, _offline),
    "page not found": (ADMIN, _at("/admin/payouts/PO-1999-000001")),
    "not allowed": (TECHNICIAN, _at("/admin/payouts")),
    "old and new side by side": (APPROVER, _side_by_side),
    "account shown": (TECHNICIAN, _revealed),
    "proof, page": (ADMIN, _proof_page),
    "proof, dialog": ("first@bulk.example", _proof_dialog),
    "small question": (EMPTY, _small_question),
    "run at work": ("first@at-work.example", _progress),
    "run finished": ("first@finished.example", _run),
    "sign-in": (None, _at("/sign-in")),
    "sign-in, wrong": (None, _wrong_password),
    "sign-in, second step": (None, _second_step),
    "password forgotten": (None, _at("/forgot")),
    "invitation": (None, _link("invitation")),
    "reset": (None, _link("reset")),
    "spent link": (None, _link("spent")),
    "unsubscribe": (None, _link("unsubscribe")),
    "verification, form": (None, _at("/v")),
    "verification, unknown": (None, _at("/v/AAAA-AAAA-AAAA-AAAA-AAAA")),
    "verification, valid": (None, _valid_code),
    "API documentation": (None, _at("/api/v1/docs")),
}


@pytest.mark.parametrize("name", STATES)
def test_state_has_no_findings(windows: Windows, demo: Demo, name: str) -> None:
    who, lead = STATES[name]
    page = windows.open(who, bypass_csp=True)
    lead(page, demo)
    assert problems(page, name) == []


@pytest.mark.parametrize("who", [EMPTY, EMPTY_PAYEE])
def test_pages_with_nothing_in_them_have_no_findings(windows: Windows, demo: Demo, who: str) -> None:
    page = windows.open(who, bypass_csp=True)
    page.goto(f"{demo.address}/me")
    found = []
    addresses = page.eval_on_selector_all("nav.navigation a", "links => links.map(a => a.href)")
    assert len(addresses) >= 5
    for address in addresses:
        page.goto(address)
        found += problems(page, address)
    assert found == []


def test_steps_of_an_import_have_no_findings(windows: Windows, demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "technicians.csv"
    file.write_text("Reference,Who,E-mail\nT-900,Anna Berg,anna@example.com\nT-901,,not an address\n")
    page = windows.open(EMPTY, bypass_csp=True)
    page.goto(f"{demo.address}/admin/imports/new/technicians")
    found = problems(page, "upload")
    page.get_by_role("button", name="Upload").click()
    expect(page).to_have_title(re.compile("^Error"))
    found += problems(page, "upload without a file")
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page).to_have_url(re.compile("/columns$"))
    found += problems(page, "columns")
    page.get_by_label(re.compile("^Name")).first.select_option("Who")
    page.get_by_role("button", name="Check all rows").click()
    expect(page.locator("main")).to_contain_text("to fix")
    found += problems(page, "checked")
    assert found == []
