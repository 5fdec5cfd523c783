"""A clinic's money from the customer to the practitioner's bank and into the statements, over two months.

Figures that pages show are compared with the postings of the ledger. The server has a clock that is led.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, Windows, _free_port

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

HIDDEN = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SMTP_URL", "PAYDESK_SIMULATOR_URL"}
#: The transfer is sent, and the bank has answered; then the months are over, and their statements are drawn.
SENT, ANSWERED = "2026-11-12T15:30", "2026-11-12T16:30"
DECEMBER, DRAWN, JANUARY, DRAWN_AGAIN = (
    "2026-12-02T15:00", "2026-12-02T15:30", "2027-01-04T15:00", "2027-01-04T15:30",
)  # fmt: skip


@dataclass
class Clinic:
    """A running clinic: where it is, what is in it, and its clock."""

    demo: Demo
    go_to: Callable[[str], None]
    browser: Browser

    def __post_init__(self) -> None:
        self._windows: list[Windows] = []

    def as_(self, name: str) -> Page:
        """A fresh window of somebody who has just signed in."""
        self._windows.append(Windows(self.browser, self.demo))
        return self._windows[-1].open(f"{name}@month.example")

    def close(self) -> None:
        """Close all windows."""
        for each in self._windows:
            each.close()

    def booked(self, account: str, month: str) -> dict[str, int]:
        """What the entries of a month did to an account of the practitioner, by their kind: cents on their side."""
        row = self.demo.ask(
            "SELECT json_group_object(kind, amount) FROM (SELECT e.kind, -sum(p.amount_minor) AS amount "
            "FROM postings p JOIN accounts a ON a.id = p.account_id JOIN journal_entries e ON e.id = p.entry_id "
            f"WHERE a.code = '{account}:{self.demo.made['practitioner']}' AND e.effective_on LIKE '{month}-%' "
            "GROUP BY e.kind)"
        )
        found: dict[str, int] = json.loads(row[0])
        return found


@pytest.fixture
def clinic(browser: Browser, tmp_path: Path) -> Iterator[Clinic]:
    """The server in a process of its own; it ends with its input."""
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if k not in HIDDEN}
    environment |= {"PAYDESK_ENV": "demo", "PAYDESK_HOME": str(tmp_path), "PORT": str(port)}
    environment["SANDBOX_SETTLE_SECONDS"] = "0"
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.led", str(port)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said, (tmp_path / "web.log").read_text()[-2000:]

            def go_to(instant: str) -> None:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(f"{instant}:00+00:00\n")
                process.stdin.flush()
                assert process.stdout.readline() == "[]\n", (tmp_path / "web.log").read_text()[-2000:]

            found = Clinic(Demo(f"http://localhost:{port}", tmp_path, json.loads(said)), go_to, browser)
            yield found
            found.close()
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
                process.stdout.close()


def _main(page: Page, words: str | re.Pattern[str]) -> None:
    expect(page.locator("main")).to_contain_text(words)


def _invoice(clinic: Clinic, page: Page) -> str:
    """An invoice of 100.00 for the appointment; answers its number."""
    page.goto(f"{clinic.demo.address}/admin/clinic/invoices/new")
    page.get_by_label("Customer").fill(clinic.demo.made["customer"])
    page.get_by_label(re.compile("^Appointment")).fill(clinic.demo.made["appointment"])
    page.get_by_label(re.compile("^Lines")).fill("First visit; 1; 100.00")
    page.get_by_role("button", name="Make the invoice").click()
    _main(page, "INV-001 is made.")
    return "INV-001"


def _pay(clinic: Clinic, page: Page, number: str, amount: str, said: str) -> None:
    page.goto(f"{clinic.demo.address}/admin/clinic/invoices/{number}/payment")
    page.get_by_label(re.compile("^Amount received")).fill(amount)
    page.get_by_role("button", name="Record the payment").click()
    _main(page, said)


def _pay_out(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^Create payout")).click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Pay 90.00 to Theo Tremblay and keep 10.00 (10 %)?")
    dialog.get_by_role("button", name="Pay $90.00").click()
    _main(page, "$90.00 is in the wallet of Theo Tremblay")


def _withdraw(clinic: Clinic, amount: str) -> str:
    """The practitioner asks for money in the bank; answers the payout's reference."""
    page = clinic.as_("theo")
    page.goto(f"{clinic.demo.address}/practitioner/wallet")
    _main(page, "$90.00")
    page.get_by_role("link", name="Send to your bank").click()
    page.get_by_label(re.compile("^Amount")).fill(amount)
    page.get_by_role("button", name="Send to your bank").click()
    _main(page, "is asked for")
    return page.url.rpartition("/")[2]


def _approve_and_pay(clinic: Clinic, reference: str) -> None:
    page = clinic.as_("second")
    page.goto(f"{clinic.demo.address}/admin/payouts/{reference}")
    page.get_by_role("link", name="Approve…").click()
    page.get_by_role("button", name=re.compile(r"^Approve \$60\.00")).click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.get_by_role("link", name="Pay…").click()
    page.get_by_role("button", name=re.compile(r"^Pay \$60\.00")).click()
    _main(page, re.compile("Sending|Sent|Paid"))


def _make_statements(clinic: Clinic, month: str) -> None:
    page = clinic.as_("first")
    page.goto(f"{clinic.demo.address}/admin/statements")
    page.get_by_role("link", name="Make the statements of a month").click()
    page.locator("#month").select_option(label=month)
    page.get_by_role("button", name="Look at this month").click()
    page.get_by_role("button", name="Make 1 statement").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run BA-")


def _cents(text: str) -> int:
    """ "−$60.00" is -6000."""
    return int(re.sub(r"\D", "", text)) * (-1 if text.startswith("−") else 1)


def _statement(clinic: Clinic) -> dict[str, dict[str, int]]:
    """What the newest monthly statement says of the program's accounts, by the title of its tables."""
    page = clinic.as_("first")
    page.goto(f"{clinic.demo.address}/admin/statements")
    page.locator("main").get_by_role("link", name=re.compile("^ST-")).first.click()
    _main(page, "It stays as it is")
    found = {}
    for title in ("Your invoices and your part of them", "Owed to the clinic"):
        cells = page.get_by_role("table", name=title).locator("tbody tr").all_inner_texts()
        rows = [row.split("\t") for row in cells]
        found[title] = {label.strip(): _cents(amount.strip()) for label, amount in rows}
    return found


def _refund(clinic: Clinic, number: str, amount: str) -> None:
    page = clinic.as_("first")
    page.goto(f"{clinic.demo.address}/admin/clinic/invoices/{number}/refund")
    page.get_by_label(re.compile("^Amount")).fill(amount)
    page.get_by_label("Reason").fill("The second half did not take place.")
    page.get_by_role("button", name="Refund it").click()
    _main(page, "is taken back from Theo Tremblay")


def test_from_the_customer_to_the_bank_and_into_the_statements(clinic: Clinic) -> None:
    page = clinic.as_("first")
    number = _invoice(clinic, page)
    _pay(clinic, page, number, "40.00", "$60.00 is left to pay.")
    expect(page.get_by_role("link", name=re.compile("^Create payout"))).to_have_count(0)
    _pay(clinic, page, number, "60.00", "It is paid in full.")
    _pay_out(page)
    reference = _withdraw(clinic, "60.00")
    _approve_and_pay(clinic, reference)
    clinic.go_to(SENT)
    clinic.go_to(ANSWERED)
    page = clinic.as_("theo")
    page.goto(f"{clinic.demo.address}/practitioner/payouts/{reference}")
    _main(page, re.compile(r"SBX\d+"))
    clinic.go_to(DECEMBER)
    _make_statements(clinic, "November 2026")
    clinic.go_to(DRAWN)
    assert clinic.booked("wallet", "2026-11") == {
        "payout.paid_into_wallet": 90_00,
        "clinic.withdrawal": -60_00,
    }
    assert _statement(clinic) == {
        "Your invoices and your part of them": {
            "Opening balance": 0,
            "Paid for invoices": 90_00,
            "Withdrawals to your bank": -60_00,
            "Closing balance": 30_00,
        },
        "Owed to the clinic": {},
    }
    _refund(clinic, number, "50.00")
    clinic.go_to(JANUARY)
    _make_statements(clinic, "December 2026")
    clinic.go_to(DRAWN_AGAIN)
    assert clinic.booked("wallet", "2026-12") == {"clinic.refunded": -30_00}
    assert clinic.booked("receivable", "2026-12") == {"clinic.refunded": -15_00}
    assert _statement(clinic) == {
        "Your invoices and your part of them": {
            "Opening balance": 30_00,
            "Taken back by refunds": -30_00,
            "Closing balance": 0,
        },
        "Owed to the clinic": {
            "Opening balance": 0,
            "Refunds that your wallet did not hold": -15_00,
            "Closing balance": -15_00,
        },
    }
