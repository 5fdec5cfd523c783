"""What everybody sees when a provider errs: the payout's pages, the ledger, the owner's mails, the bank."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.proof import nemesis, scenarios
from tests.proof.desk import Moment, status_of
from tests.proof.ground import Ground
from webapp.simulator.server import Running

pytestmark = pytest.mark.slow
WAITS, PAID = (
    "Sending The bank has been asked; we wait for its answer.",
    "Paid The money has left. Nothing more to do.",
)
REVIEWED = (
    "under review The bank said failed first, and succeeded later. Two people must settle what happened."
)
HELD = "On hold: Restored from a back-up"
#: What the payout's page says at each moment, and the subjects of the owner's mails until the end.
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "accepted, and the answer is lost": ([WAITS, PAID], ["Approved", "Paid"]),
    "5xx after it was accepted": ([WAITS, PAID], ["Approved", "Paid"]),
    "404 that later becomes SUCCESS": ([WAITS, PAID], ["Approved", "Paid"]),
    "SUCCESS, then REVERSED": (
        [PAID, "Returned The payee's bank sent the money back."], ["Approved", "Paid", "The bank returned"],
    ),
    "FAILED, then SUCCESS": (
        ["Failed The account is blocked or closed.", f"Failed, {REVIEWED}", PAID, PAID],
        ["Approved", "We could not pay", "Paid"],
    ),
    "FAILED, tried again, then SUCCESS of both": (
        ["Failed, retry planned", PAID, f"Paid, {REVIEWED}", PAID], ["Approved", "Paid"],
    ),
    "messages twice and in the wrong order": ([PAID, PAID], ["Approved", "Paid"]),
    # Mails that the copy had still to send wait for a person; what the bank says again is told again.
    "the database is put back to a copy of ten minutes ago": (
        [WAITS, PAID, HELD, PAID, PAID], ["Approved", "Paid", "Paid"],
    ),
    "the same, from before the payout was sent": (
        ["Approved It leaves by itself within a minute.", PAID, HELD, HELD, HELD], ["Approved", "Paid"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with nemesis.simulator() as made:
        yield made


@pytest.mark.parametrize("name", list(scenarios.SCENARIOS))
def test_what_is_seen(database: Flask, ground: Ground, running: Running, name: str) -> None:
    moments, problems = scenarios.play(name, ground, running)
    assert problems == []
    pages, mails = EXPECTED[name]
    assert [m.page for m in moments] == [_Within(page) for page in pages]
    sent = [mail for m in moments for mail in m.mails]
    assert sent == [_Within(mail) for mail in mails]
    assert all(_balances(m) == _due(m) for m in moments), [m.ledger for m in moments]


class _Within(str):
    """Equal to every text that it is a part of."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)

    __hash__ = str.__hash__


def _balances(moment: Moment) -> dict[str, str]:
    """What the ledger has of the owner's money."""
    found = dict(line.rsplit(" ", 1) for line in moment.ledger)
    return {code: amount for code, amount in found.items() if not code.startswith(("income:", "tax_on_fees"))}


def _due(moment: Moment) -> dict[str, str]:
    """The same, by what the page says: paid, on its way, or owed."""
    if " Paid" in moment.page:
        return {"bank": "₹944.00"}
    if "Sending" in moment.page or "in_transit −₹9,056.00" in moment.ledger:
        return {"bank": "₹10,000.00", "in_transit": "−₹9,056.00"}
    return {"bank": "₹10,000.00", "payable:PY-0001": "₹9,056.00"}


def test_the_words_of_a_page() -> None:
    """A test of the test: what a payout's page says is what stands in its panel of the state, and nothing else."""
    page = """<section aria-labelledby="other"><p>Other</p></section>
    <section class="panel" id="payout-status" aria-labelledby="payout-status-heading"><h2>Status</h2>
    <p>₹1.00</p><span>Paid</span><p>It left.</p><noscript><p><a href="/">Refresh</a></p></noscript>
    </section><p>After</p>"""
    assert status_of(page) == "₹1.00 Paid It left."
