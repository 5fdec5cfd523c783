"""The statement of a payout as PDF, with its lines attached as CSV; see `engine` for what such a file is."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from typing import Any

from webapp.kernel.clock import local_date
from webapp.statements import codes
from webapp.statements.build import Statement
from webapp.statements.engine import PANGO_MISSING, EngineMissing, Sheet, draw, engine, environment, warm
from webapp.web.exports import defuse

__all__ = [
    "PANGO_MISSING",
    "EngineMissing",
    "engine",
    "environment",
    "lines_csv",
    "render",
    "to_html",
    "warm",
]


@dataclass(frozen=True)
class _View:
    """A statement with the one value that needs its time zone, and where it can be checked."""

    statement: Statement
    issued_on: date
    qr: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.statement, name)


def render(statement: Statement) -> bytes:
    """The bytes of the PDF. Raises EngineMissing without Pango; any other error is a fault of the template."""
    return draw(
        Sheet(
            html=to_html(statement),
            page_size=statement.page_size,
            title=f"Payout statement {statement.number} – {statement.payer.name}",
            identity=f"{statement.number}/{statement.reference}",
            issued_at=statement.issued_at,
            attachment_name=f"{statement.number}-lines.csv",
            attachment_words=f"Lines of payout {statement.reference}",
            attachment=lines_csv(statement).encode(),
        )
    )


def to_html(statement: Statement) -> str:
    """The page that is laid out; every value is escaped."""
    issued_on = local_date(statement.issued_at, statement.timezone)
    qr = codes.picture(statement.verify_url) if statement.verify_url else ""
    view = _View(statement, issued_on, qr)
    return str(environment().get_template("remittance.html").render(statement=view))


def lines_csv(statement: Statement) -> str:
    """The lines as CSV: ISO dates, plain decimals; cells that a spreadsheet could run are defused."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["payout", "date", "item", "source", "calculation", "amount", "currency"])
    for row in (*statement.earned_rows, *statement.other_rows):
        day = row.occurred_on.isoformat() if row.occurred_on else ""
        texts = [defuse(text) for text in (row.item, row.source, row.calculation)]
        writer.writerow([statement.reference, day, *texts, row.amount.plain, statement.currency])
    return out.getvalue()
