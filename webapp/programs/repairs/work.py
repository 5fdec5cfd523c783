"""What this program does by itself: the weekly run, hearing of payouts, comparing its records with the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.check import Finding, position_checks
from webapp.payouts import service as payouts
from webapp.programs.repairs import charging_runs, file_runs, weekly  # noqa: F401 - two register runs
from webapp.programs.repairs.drafts import PROGRAM
from webapp.programs.repairs.paying import RepairsSubscriber
from webapp.runs import tasks

#: Before the drivers' day begins; which day begins a week is the organisation's setting.
EVERY_MORNING = "0 5 * * *"

# Each statement adds, by driver, what the records say (ours) and what the ledger has (booked).
_OWED = """
    SELECT c.payee_id, c.currency, c.amount_minor - c.paid_minor - c.credited_minor AS ours, 0 AS booked
    FROM repairs_charges c
    UNION ALL
    SELECT a.payee_id, a.currency, 0, a.balance_minor FROM accounts a WHERE a.code LIKE 'receivable:%'
"""
_KEPT = """
    SELECT e.payee_id, e.currency, e.amount_minor AS ours, 0 AS booked FROM repairs_earnings e
    WHERE e.receipt_id IS NULL
    UNION ALL
    SELECT j.payee_id, j.currency, j.amount_minor - j.applied_minor, 0 FROM repairs_adjustments j
    WHERE j.receipt_id IS NULL
    UNION ALL
    SELECT r.payee_id, r.currency, r.closing_credit_minor, 0 FROM repairs_receipts r
    WHERE r.id IN (SELECT max(id) FROM repairs_receipts WHERE revision = 1 GROUP BY payee_id)
    UNION ALL
    SELECT a.payee_id, a.currency, 0, a.balance_minor FROM accounts a WHERE a.code LIKE 'earnings:%'
"""
_HELD = """
    SELECT p.payee_id, p.currency, p.amount_minor AS ours, 0 AS booked FROM payouts p
    WHERE p.program = 'repairs' AND p.state = 'pending_approval'
    UNION ALL
    SELECT a.payee_id, a.currency, 0, a.balance_minor FROM accounts a WHERE a.code LIKE 'held:%'
"""
_LENT = """
    SELECT i.payee_id, i.currency, i.amount_minor - i.interest_minor AS ours, 0 AS booked FROM repairs_instalments i
    WHERE i.loan_id IS NOT NULL AND i.state = 'scheduled'
    UNION ALL
    SELECT a.payee_id, a.currency, 0, a.balance_minor FROM accounts a WHERE a.code LIKE 'loan:%'
"""
_RULES = (
    ("drivers' debts", _OWED),
    ("drivers' earnings", _KEPT),
    ("drivers' payouts held", _HELD),
    ("drivers' loans", _LENT),
)
_COMPARED = """
    SELECT y.reference, x.currency, sum(x.ours) AS ours, sum(x.booked) AS booked
    FROM ({rows}) x JOIN payees y ON y.id = x.payee_id
    WHERE y.kind = 'driver'
        AND (CAST(:organisation AS BIGINT) IS NULL OR y.organisation_id = CAST(:organisation AS BIGINT))
    GROUP BY y.id, y.reference, x.currency HAVING sum(x.ours) <> sum(x.booked) ORDER BY y.id
"""


def positions(organisation_id: int | None) -> Iterator[Finding]:
    """One finding per driver whose debts, earnings, loans or payouts the ledger tells differently."""
    for rule, rows in _RULES:
        # nosemgrep: sql-text-is-constant - constants of this file; the organisation is bound
        statement = text(_COMPARED.format(rows=rows))
        for row in db.session.execute(statement, {"organisation": organisation_id}).mappings():
            ours, booked = (Money(int(row[name]), row["currency"]).plain for name in ("ours", "booked"))
            message = f"The records say {ours} {row['currency']}, the ledger has {booked}"
            yield Finding(rule, row["reference"], message)


def register() -> None:
    """Tell the engine what this program does; once, at start-up."""
    tasks.register_task(
        "repairs.week", weekly.run_due, cron=EVERY_MORNING, per_organisation=True, program=PROGRAM
    )
    payouts.register_subscriber(PROGRAM, RepairsSubscriber())
    if positions not in position_checks:
        position_checks.append(positions)


# Importing this module is enough, as with the handlers of the rooms below.
register()
