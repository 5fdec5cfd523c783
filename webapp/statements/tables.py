"""A monthly statement as a table: the same rows as CSV and as XLSX, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from webapp.kernel.money import Money
from webapp.statements.facts import CATEGORIES, Line, MonthlyFacts
from webapp.statements.sections import Entry, Section
from webapp.web.exports import csv_rows, write_xlsx

HEADERS = (
    "statement", "date", "type", "item", "payout", "source", "done on", "calculation", "amount", "balance", "currency",
)  # fmt: skip
MARK = b"\xef\xbb\xbf"


def rows(facts: MonthlyFacts) -> Iterator[tuple[Any, ...]]:
    """The opening balance, every line with the balance after it, the closing balance."""
    yield _row(facts, Line(facts.day_before, "", "Opening balance", 0, facts.opening_minor), "Opening", None)
    for line in facts.lines:
        yield _row(facts, line, CATEGORIES[line.category], Money(line.amount_minor, facts.currency))
    yield _row(facts, Line(facts.period_end, "", "Closing balance", 0, facts.closing_minor), "Closing", None)
    for section in facts.sections:
        yield from _section_rows(facts, section)


def _section_rows(facts: MonthlyFacts, section: Section) -> Iterator[tuple[Any, ...]]:
    """A section's own account: each figure of a record is a row of its own; the type begins with the title."""

    def row(entry: Entry, kind: str, item: str, amount: int | None, balance: int) -> tuple[Any, ...]:
        line = Line(entry.day, "", item, amount or 0, balance, payout=entry.payout, source=entry.source)
        money = None if amount is None else Money(amount, facts.currency)
        return _row(facts, line, f"{section.title}: {kind}", money)

    balance = section.opening_minor
    yield row(Entry(facts.day_before, "", "", 0), "Opening", "Opening balance", None, balance)
    for entry in section.entries:
        item = f"{entry.group}, {entry.item}" if entry.group else entry.item
        parts = [
            (label, figure) for label, figure in zip(section.columns, entry.figures, strict=False) if figure
        ]
        for kind, amount in parts or [(entry.kind, entry.amount_minor)]:
            balance += amount
            yield row(entry, kind, item, amount, balance)
    yield row(Entry(facts.period_end, "", "", 0), "Closing", "Closing balance", None, section.closing_minor)
    for left in section.left_out:
        # In words: no sum of the amounts counts what is not in the account.
        why = f"{Money(left.amount_minor, facts.currency).plain}: {left.why}"
        line = Line(left.day, "", left.item, 0, section.closing_minor, calculation=why)
        yield _row(facts, line, f"{section.title}: Not included", None)


def _row(facts: MonthlyFacts, line: Line, kind: str, amount: Money | None) -> tuple[Any, ...]:
    balance = Money(line.balance_minor, facts.currency)
    return (facts.number, line.day, kind, line.item, line.payout, line.source, line.occurred_on or "",
            line.calculation, amount, balance, facts.currency)  # fmt: skip


def csv_file(facts: MonthlyFacts) -> bytes:
    """UTF-8 with its mark, ISO days, plain decimals; no cell can become a formula."""
    return MARK + "".join(csv_rows(HEADERS, rows(facts))).encode()


def xlsx_file(facts: MonthlyFacts) -> bytes:
    """The same rows in a workbook; the instant in its properties is that of the statement."""
    out = io.BytesIO()
    cells = (tuple("" if cell is None else cell for cell in row) for row in rows(facts))
    write_xlsx(out, HEADERS, cells, created=facts.issued_at)
    return out.getvalue()
