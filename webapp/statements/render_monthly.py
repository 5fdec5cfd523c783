"""A monthly statement as PDF, with its lines attached as CSV; see `engine` for what such a file is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from webapp.kernel.clock import local_date
from webapp.statements import codes, tables
from webapp.statements.engine import Sheet, draw, environment
from webapp.statements.facts import MonthlyFacts


@dataclass(frozen=True)
class _View:
    """The frozen content with what depends on where the document is checked."""

    facts: MonthlyFacts
    issued_on: date
    verify_url: str
    qr: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.facts, name)


def render(facts: MonthlyFacts, public_url: str) -> bytes:
    """The bytes of the PDF. Raises EngineMissing without Pango; any other error is a fault of the template."""
    return draw(
        Sheet(
            html=to_html(facts, public_url),
            page_size=facts.page_size,
            title=f"Monthly statement {facts.number} – {facts.payer_name}",
            identity=f"{facts.number}/{facts.code}",
            issued_at=facts.issued_at,
            attachment_name=f"{facts.number}.csv",
            attachment_words=f"Lines of statement {facts.number}",
            attachment=tables.csv_file(facts),
        )
    )


def to_html(facts: MonthlyFacts, public_url: str) -> str:
    """The page that is laid out; every value is escaped."""
    url = codes.address(public_url, facts.code)
    view = _View(
        facts=facts,
        issued_on=local_date(facts.issued_at, facts.timezone),
        verify_url=url,
        qr=codes.picture(url),
    )
    return str(environment().get_template("monthly.html").render(statement=view))
