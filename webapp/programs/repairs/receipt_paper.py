"""A weekly receipt as PDF with its lines as CSV: archive file (PDF/A-3a) and accessible (PDF/UA-1) at once."""

from __future__ import annotations

import csv
import io

from webapp.kernel.money import Money
from webapp.programs.repairs.receipt_facts import CARRIED, ReceiptFacts
from webapp.statements.engine import Sheet, draw, environment
from webapp.statements.frozen import view
from webapp.web.exports import defuse


def render(facts: ReceiptFacts, public_url: str) -> bytes:
    """The bytes of the PDF. Raises EngineMissing without Pango; any other error is a fault of the template."""
    return draw(
        Sheet(
            html=to_html(facts, public_url),
            page_size=facts.page_size,
            title=f"Weekly receipt {facts.number} – {facts.payer_name}",
            identity=f"{facts.number}/{facts.code}",
            issued_at=facts.issued_at,
            attachment_name=f"{facts.number}-lines.csv",
            attachment_words=f"Lines of weekly receipt {facts.number}",
            attachment=lines_csv(facts).encode(),
        )
    )


def to_html(facts: ReceiptFacts, public_url: str) -> str:
    """The page that is laid out; every value is escaped."""
    return str(environment().get_template("receipt.html").render(statement=view(facts, public_url)))


def lines_csv(facts: ReceiptFacts) -> str:
    """Every line as CSV: ISO dates, plain decimals, what adds to the balance positive. Carried lines say so."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["receipt", "kind", "category", "date", "description", "amount", "currency", "counts"])
    for line in facts.lines:
        writer.writerow(
            [
                facts.number,
                line.kind,
                defuse(line.category),
                line.day.isoformat(),
                defuse(line.description),
                Money(line.amount_minor, facts.currency).plain,
                facts.currency,
                "no" if line.kind == CARRIED else "yes",
            ]
        )
    return out.getvalue()
