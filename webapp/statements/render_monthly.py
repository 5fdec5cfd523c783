"""A monthly statement as PDF, with its lines attached as CSV; see `engine` for what such a file is."""

from __future__ import annotations

from webapp.statements import tables
from webapp.statements.engine import Sheet, draw, environment
from webapp.statements.facts import MonthlyFacts
from webapp.statements.frozen import view


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
    return str(environment().get_template("monthly.html").render(statement=view(facts, public_url)))
