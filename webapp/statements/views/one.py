"""What the page of one statement shows beside its state: figures, lines, whether the ledger still agrees."""

from __future__ import annotations

from typing import Any

from webapp.kernel.money import Money
from webapp.statements import facts, monthly, tie
from webapp.statements.build import DoesNotAddUp
from webapp.statements.models import Document
from webapp.statements.queries import DocumentRow, issues_of
from webapp.statements.sections import Section

# Lines on the page; all of them are in the files.
SHOWN = 100


def content(row: DocumentRow) -> dict[str, Any]:
    """Figures and lines of a monthly statement; nothing of these for the statement of a payout."""
    if not row.is_monthly:
        return {"frozen": None, "problem": "", "ledger": None, "lines": [], "n_more": 0, "sections": [],
                "is_newest": False}  # fmt: skip
    frozen, problem = None, ""
    try:
        frozen = facts.from_json(row.document.facts)
        facts.check(frozen)
    except DoesNotAddUp as error:
        problem = error.message
    lines = frozen.lines if frozen else ()
    return {
        "frozen": frozen,
        "problem": problem,
        "ledger": tie.ledger_of(row.document),
        "lines": [
            {
                "line": line,
                "amount": Money(line.amount_minor, row.document.currency),
                "balance": Money(line.balance_minor, row.document.currency),
            }
            for line in lines[:SHOWN]
        ],
        "n_more": max(0, len(lines) - SHOWN),
        "sections": [_section(section, row.document.currency) for section in frozen.sections]
        if frozen
        else [],
        "is_newest": issues_of(row.document)[0].document.id == row.document.id,
    }


def _section(section: Section, currency: str) -> dict[str, Any]:
    """A program's account as the page sums it up; every entry is in the files."""
    rows = [("Opening balance", section.opening_minor), *section.movements,
            ("Closing balance", section.closing_minor)]  # fmt: skip
    return {
        "title": section.title,
        "rows": [(label, Money(minor, currency)) for label, minor in rows],
        "left_out": [(left, Money(left.amount_minor, currency)) for left in section.left_out[:SHOWN]],
        "n_more": max(0, len(section.left_out) - SHOWN),
    }


def reissue_context(document: Document) -> dict[str, Any]:
    """What the form of a new issue says: what the statement says, and what the ledger says now."""
    assert document.period_start is not None  # noqa: S101 - monthly documents have their period
    return {
        "document": document,
        "month": monthly.month_name(document.period_start),
        "opening": Money(document.opening_minor or 0, document.currency),
        "closing": Money(document.closing_minor or 0, document.currency),
        "ledger": tie.ledger_of(document),
    }
