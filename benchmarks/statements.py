"""How long a statement takes, warm: one page, four pages, in the limited child, on two cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from benchmarks.frame import LINEAR, Figure, at_least, at_most, growth, in_turns, median_of
from benchmarks.ground import Ground
from webapp.statements import child, render_pdf
from webapp.statements.build import LineFacts, Snapshot, Statement, build

NAME = "statements"
RATE = 49_950
CORES = 2
THOUSAND = 1_000


def statement(lines: int) -> Statement:
    """A paid payout with a number of installations, each one row high."""
    facts = tuple(
        LineFacts(
            kind="earning",
            description=f"ISR-{n:04d} Solar",
            amount_minor=RATE,
            occurred_on=date(2026, 10, 1) + timedelta(days=n % 31),
            formula="9.99 kW × 50.00 USD = 499.50 USD",
            source_label=f"ISR-{n:04d}",
            details={"rate": "Solar national (version 3)"},
        )
        for n in range(lines)
    )
    return build(
        Snapshot(
            number="RA-2026-000042",
            reference="PO-2026-000123",
            state="paid",
            issued_at=datetime(2026, 11, 20, 12, tzinfo=UTC),
            payer_name="Solaria Field Services Inc.",
            payee_name="Maya Okafor",
            payee_reference="TE-0007",
            period_start=date(2026, 10, 1),
            period_end=date(2026, 10, 31),
            currency="USD",
            gross_minor=RATE * lines,
            amount_minor=RATE * lines,
            lines=facts,
            payment_reference="SBX20261103000042",
            paid_on=date(2026, 11, 3),
        )
    )


def run(ground: Ground) -> Iterator[Figure]:
    """One page against the same page without tags; more pages; more cores; the work of a month."""
    render_pdf.warm()
    one, four = statement(16), statement(110)
    render_pdf.render(one)
    pair = in_turns(lambda n: render_pdf.render(one), lambda n: plain(one), ground.rounds)
    yield Figure(NAME, "one page, warm", "", pair.ours, "s", pair.floor, pair.ratio, at_most(0.12, "ours"),
                 "floor: the same page without tags, standards and attachment")  # fmt: skip
    pages = median_of(lambda: render_pdf.render(four), min(3, ground.rounds))
    yield Figure(
        NAME, "four pages, warm", "", pages, "s", pair.ours, pages / pair.ours, note="floor: one page"
    )
    forked = median_of(lambda: child.run(lambda: render_pdf.render(one)), ground.rounds)
    yield Figure(NAME, "one page in the limited child", "", forked, "s", pair.ours, forked / pair.ours,
                 at_most(1.5), "floor: one page in the worker itself")  # fmt: skip
    each = ground.size(2, 12)
    together = in_turns(
        lambda n: _processes(CORES, one, each), lambda n: _processes(1, one, each), ground.rounds
    )
    speed = CORES / together.ratio
    yield Figure(NAME, f"{CORES} processes against one", "", CORES * each / together.ours, "per s",
                 each / together.floor, speed, at_least(0.95 * CORES))  # fmt: skip
    seconds = THOUSAND * together.ours / (CORES * each)
    yield Figure(
        NAME, f"{THOUSAND:,} on {CORES} cores (estimate)", "", seconds, "s", goal=at_most(65, "ours")
    )
    yield growth(NAME, "rows of a statement", "", [(16, pair.ours), (110, pages)], LINEAR)


def _processes(count: int, wanted: Statement, each: int) -> None:
    """So many warm processes that each make `each` statements, one after the other. Raises when one breaks."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in range(each):
                    render_pdf.render(wanted)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in pids):
        raise RuntimeError("a process that made statements broke")


def plain(wanted: Statement) -> bytes:
    """The floor: the same page without tags, standards and attachment."""
    engine = render_pdf.engine()
    page = engine.weasyprint.HTML(string=render_pdf.to_html(wanted), url_fetcher=engine.fetcher)
    result: bytes = page.write_pdf(
        font_config=engine.fonts, stylesheets=engine.style_sheets[wanted.page_size]
    )
    return result
