"""How long a statement takes, warm: one page of 40 lines, four pages, and through the limited child.

Prints medians and the ratio to the same page without tags and standards (what the engine alone needs).
Run: python -m benchmarks.statements
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from webapp.statements import child, render_pdf
from webapp.statements.build import LineFacts, Snapshot, Statement, build

GOAL_SECONDS = 0.12
RATE = 49_950


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


def plain(wanted: Statement) -> bytes:
    """The floor: the same page without tags, standards and attachment."""
    engine = render_pdf._engine()
    page = engine.weasyprint.HTML(string=render_pdf.to_html(wanted), url_fetcher=engine.fetcher)
    result: bytes = page.write_pdf(
        font_config=engine.fonts, stylesheets=engine.style_sheets[wanted.page_size]
    )
    return result


def median(work: Callable[[], object], runs: int) -> float:
    """Seconds of the middle one of `runs` runs."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> int:
    """Print the figures; exit code 1 when one page takes longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    began = time.perf_counter()
    render_pdf.warm()
    warm_up = time.perf_counter() - began
    one, four = statement(16), statement(110)
    render_pdf.render(one)
    figures = {
        "warm_up_seconds": round(warm_up, 3),
        "one_page_seconds": round(median(lambda: render_pdf.render(one), arguments.runs), 4),
        "one_page_plain_seconds": round(median(lambda: plain(one), arguments.runs), 4),
        "one_page_in_child_seconds": round(
            median(lambda: child.run(lambda: render_pdf.render(one)), arguments.runs), 4
        ),
        "four_pages_seconds": round(median(lambda: render_pdf.render(four), max(3, arguments.runs // 3)), 4),
        "goal_seconds": GOAL_SECONDS,
    }
    figures["ratio_to_plain"] = round(figures["one_page_seconds"] / figures["one_page_plain_seconds"], 2)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):28} {value}")
    return 0 if figures["one_page_seconds"] <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
