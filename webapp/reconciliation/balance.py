"""Their balance beside ours, and what explains the difference, to the last minor unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from webapp.database import db
from webapp.reconciliation.models import BankAccount
from webapp.reconciliation.statements_sql import run


@dataclass(frozen=True)
class Tie:
    """Both balances at the end of the newest statement, and the parts of their difference. Minor units."""

    account_id: int
    label: str
    currency: str
    begins_on: date
    closing_on: date
    ours: int
    theirs: int
    ours_before: int
    # theirs - ours is the sum of these six.
    opening: int
    gap: int
    theirs_only: int
    ours_only: int
    amounts: int
    timing: int
    theirs_only_count: int
    ours_only_count: int
    amounts_count: int

    @property
    def difference(self) -> int:
        """What their balance is above ours."""
        return self.theirs - self.ours

    @property
    def parts(self) -> tuple[int, ...]:
        """Everything that makes up the difference."""
        return (self.opening, self.gap, self.theirs_only, self.ours_only, self.amounts, self.timing)

    @property
    def is_explained(self) -> bool:
        """Whether the parts are the whole difference; always, or this code is wrong."""
        return sum(self.parts) == self.difference


_PERIOD = """
    SELECT s.opening_minor, s.begins_on, c.closing_minor, c.closing_on FROM reconciliation_statements s,
        reconciliation_statements c
    WHERE s.id = (SELECT id FROM reconciliation_statements WHERE account_id = :account AND opening_minor IS NOT NULL
            AND begins_on IS NOT NULL ORDER BY begins_on, closing_on, id LIMIT 1)
        AND c.id = (SELECT id FROM reconciliation_statements WHERE account_id = :account AND closing_minor IS NOT NULL
            AND closing_on IS NOT NULL ORDER BY closing_on DESC, begins_on DESC, id DESC LIMIT 1)
"""
_LINES = """
    SELECT coalesce(sum(amount_minor), 0) AS total,
        coalesce(sum(CASE WHEN is_matched THEN 0 ELSE amount_minor END), 0) AS open_total,
        coalesce(sum(CASE WHEN is_matched THEN 0 ELSE 1 END), 0) AS open_count
    FROM reconciliation_lines
    WHERE account_id = :account AND booked_on >= :begins AND booked_on <= :closes
"""
# What we moved on the bank account: before the period, in it, and in it without a line.
_ENTRIES = """
    SELECT coalesce(sum(CASE WHEN e.effective_on < :begins THEN p.amount_minor ELSE 0 END), 0) AS before,
        coalesce(sum(CASE WHEN e.effective_on >= :begins THEN p.amount_minor ELSE 0 END), 0) AS inside,
        coalesce(sum(CASE WHEN e.effective_on >= :begins AND m.id IS NULL THEN p.amount_minor ELSE 0 END), 0)
            AS open_total,
        coalesce(sum(CASE WHEN e.effective_on >= :begins AND m.id IS NULL THEN 1 ELSE 0 END), 0) AS open_count
    FROM accounts a JOIN postings p ON p.account_id = a.id JOIN journal_entries e ON e.id = p.entry_id
    LEFT JOIN reconciliation_matches m ON m.entry_id = e.id
    WHERE a.organisation_id = :org AND a.code = 'bank' AND a.currency = :currency AND e.effective_on <= :closes
"""
# Matched lines of the period whose entry is in the period too, with different amounts.
_AMOUNTS = """
    SELECT coalesce(sum(x.line_minor - x.entry_minor), 0) AS total,
        coalesce(sum(CASE WHEN x.line_minor <> x.entry_minor THEN 1 ELSE 0 END), 0) AS n
    FROM (
        SELECT l.id, min(l.amount_minor) AS line_minor, sum(p.amount_minor) AS entry_minor
        FROM reconciliation_lines l JOIN reconciliation_matches m ON m.line_id = l.id AND m.entry_id IS NOT NULL
        JOIN journal_entries e ON e.id = m.entry_id AND e.effective_on >= :begins AND e.effective_on <= :closes
        JOIN postings p ON p.entry_id = e.id
        JOIN accounts a ON a.id = p.account_id AND a.code = 'bank' AND a.organisation_id = :org
        WHERE l.account_id = :account AND l.booked_on >= :begins AND l.booked_on <= :closes
            AND NOT EXISTS (SELECT 1 FROM reconciliation_matches o LEFT JOIN journal_entries f ON f.id = o.entry_id
                WHERE o.line_id = l.id AND (f.id IS NULL OR f.effective_on < :begins OR f.effective_on > :closes))
        GROUP BY l.id
    ) x
"""


def ties(organisation_id: int) -> list[Tie]:
    """One comparison for every current account that has a statement with balances."""
    accounts = db.session.scalars(
        select(BankAccount)
        .where(BankAccount.organisation_id == organisation_id, BankAccount.is_current)
        .order_by(BankAccount.currency)
    )
    found = (tie(account) for account in accounts)
    return [each for each in found if each is not None]


def tie(account: BankAccount) -> Tie | None:
    """The comparison of one account; None while no statement of it says its balances."""
    period = run(_PERIOD, account=account.id).one_or_none()
    if period is None:
        return None
    begins, closes = as_day(period.begins_on), as_day(period.closing_on)
    scope: dict[str, date] = {"begins": begins, "closes": closes}
    lines = run(_LINES, account=account.id, **scope).one()
    entries = run(_ENTRIES, org=account.organisation_id, currency=account.currency, **scope).one()
    amounts = run(_AMOUNTS, account=account.id, org=account.organisation_id, **scope).one()
    opening, closing = int(period.opening_minor), int(period.closing_minor)
    return Tie(
        account_id=account.id,
        label=account.label,
        currency=account.currency,
        begins_on=begins,
        closing_on=closes,
        ours=int(entries.before) + int(entries.inside),
        theirs=closing,
        ours_before=int(entries.before),
        opening=opening - int(entries.before),
        gap=closing - opening - int(lines.total),
        theirs_only=int(lines.open_total),
        ours_only=-int(entries.open_total),
        amounts=int(amounts.total),
        # What both have, but not both in this period: the remainder of matched lines and matched entries.
        timing=_timing(lines, entries, amounts),
        theirs_only_count=int(lines.open_count),
        ours_only_count=int(entries.open_count),
        amounts_count=int(amounts.n),
    )


def _timing(lines: object, entries: object, amounts: object) -> int:
    """Matched lines less matched entries of the period, without the pairs that are counted as amounts."""
    matched_lines = int(lines.total) - int(lines.open_total)  # type: ignore[attr-defined]
    matched_entries = int(entries.inside) - int(entries.open_total)  # type: ignore[attr-defined]
    return matched_lines - matched_entries - int(amounts.total)  # type: ignore[attr-defined]


def as_day(value: object) -> date:
    """A day as both engines answer it to plain SQL."""
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def day_before(day: date) -> date:
    """The day whose closing balance a statement begins with."""
    return day - timedelta(days=1)
