"""Whether a monthly statement still agrees with itself, with the ledger and with the month before it. Reads only.

Asked in the moment before a statement is drawn: one that does not tie is not drawn, stored or sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.statements import account, facts, sections
from webapp.statements.build import DoesNotAddUp
from webapp.statements.facts import MonthlyFacts
from webapp.statements.models import Document
from webapp.statements.sections import Scope

MONTHLY = "monthly"


@dataclass(frozen=True)
class Ledger:
    """What the ledger says today of the period of a statement; `apart` names sections that it says otherwise of."""

    opening: Money
    closing: Money
    agrees: bool
    apart: tuple[str, ...] = ()


def checked(document: Document) -> MonthlyFacts:
    """The frozen content, if everything ties. Raises DoesNotAddUp that names the figures and the remedy."""
    frozen = facts.from_json(document.facts)
    facts.check(frozen)
    _check_columns(document, frozen)
    _check_ledger(document)
    _check_previous(document)
    return frozen


def ledger_of(document: Document) -> Ledger:
    """The balances that the ledger has now at the ends of a statement's month."""
    assert document.period_start is not None and document.period_end is not None  # noqa: S101, PT018 - monthly
    opening, closing = account.balances(
        document.organisation_id,
        document.payee_id,
        document.currency,
        document.period_start,
        document.period_end,
    )
    apart = _sections_apart(document)
    return Ledger(
        Money(opening, document.currency),
        Money(closing, document.currency),
        (opening, closing) == (document.opening_minor, document.closing_minor) and not apart,
        apart,
    )


def _sections_apart(document: Document) -> tuple[str, ...]:
    """Titles of the frozen sections whose balances the ledger does not have any more."""
    assert document.period_start is not None and document.period_end is not None  # noqa: S101, PT018 - monthly
    scope = Scope(
        document.organisation_id,
        document.payee_id,
        document.currency,
        document.period_start,
        document.period_end,
    )
    return tuple(
        section["title"]
        for section in (document.facts or {}).get("sections", ())
        if not sections.agrees(section["key"], scope, section["opening_minor"], section["closing_minor"])
    )


def newest_of_month_before(document: Document) -> Document | None:
    """The statement of the month before, as it stands: its newest issue that did not fail."""
    assert document.period_start is not None  # noqa: S101 - monthly documents have their period
    day = document.period_start - timedelta(days=1)
    found: Document | None = db.session.scalar(
        issues(document.payee_id, document.currency)
        .where(Document.period_end == day, Document.state != "failed")
        .order_by(Document.id.desc())
        .limit(1)
    )
    return found


def issues(payee_id: int, currency: str) -> Select[Any]:
    """The monthly statements of a payee in one currency."""
    return select(Document).where(
        Document.payee_id == payee_id, Document.kind == MONTHLY, Document.currency == currency
    )


def _say(minor: int | None, currency: str) -> str:
    return f"{Money(minor or 0, currency).plain} {currency}"


def _check_columns(document: Document, frozen: MonthlyFacts) -> None:
    said = (document.number, document.currency, document.period_start, document.period_end,
            document.opening_minor, document.closing_minor)  # fmt: skip
    if said != (frozen.number, frozen.currency, frozen.period_start, frozen.period_end,
                frozen.opening_minor, frozen.closing_minor):  # fmt: skip
        raise DoesNotAddUp(
            f"What is kept beside the frozen content of {frozen.number} (number, month or balances) "
            "is not what the content says."
        )


def _check_ledger(document: Document) -> None:
    now = ledger_of(document)
    if now.apart:
        raise DoesNotAddUp(
            f"The ledger has other balances of “{now.apart[0]}” than {document.number} says. Entries were posted "
            "after its figures were taken. Issue it again."
        )
    if not now.agrees:
        currency = document.currency
        raise DoesNotAddUp(
            f"The ledger has {now.opening.plain} {currency} at the start of the month and {now.closing.plain} "
            f"{currency} at its end; {document.number} says {_say(document.opening_minor, currency)} and "
            f"{_say(document.closing_minor, currency)}. Entries were posted after its figures were taken. "
            "Issue it again."
        )


def _check_previous(document: Document) -> None:
    before = newest_of_month_before(document)
    if before is not None and before.closing_minor != document.opening_minor:
        raise DoesNotAddUp(
            f"{before.number}, the month before, closes with {_say(before.closing_minor, document.currency)}; "
            f"{document.number} opens with {_say(document.opening_minor, document.currency)}. Entries were posted "
            f"late. Issue {before.number} again, then this one."
        )
