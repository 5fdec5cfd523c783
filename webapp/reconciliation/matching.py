# ruff: noqa: S608 - statements of constants of this room; every value is bound
"""Finds for every line of theirs what it is in our books: by references first, set by set; never line by line.

Nothing of the money is changed here: a match only says that two rows speak of the same movement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.reconciliation import rules
from webapp.reconciliation.statements_sql import count, run
from webapp.reconciliation.states import Source

_HEAD = """
    INSERT INTO reconciliation_matches (organisation_id, source, line_id, direction, transfer_id, entry_id, is_batch,
        how, currency, ours_minor, theirs_minor, run_id, by_label, at)
"""
_DIRECTION = "CASE WHEN l.amount_minor < 0 THEN 'out' ELSE 'in' END"
# A line about a transfer may also be its fee: less than half of the amount is something else.
_NEAR = "abs(l.amount_minor) * 2 >= t.amount_minor"

# One line for one transfer and one transfer for one line; the same amount wins, then what has not failed, the newest.
_BY_TRANSFER = (
    _HEAD
    + """
    SELECT :org, x.source, x.line_id, x.direction, x.transfer_id, NULL, (1 = 0), :how, x.currency, x.ours, x.theirs,
        CAST(:run AS BIGINT), :label, :now
    FROM (
        SELECT l.id AS line_id, l.source, l.currency, l.amount_minor AS theirs, t.id AS transfer_id,
            {direction} AS direction, CASE WHEN l.amount_minor < 0 THEN -t.amount_minor ELSE t.amount_minor END AS ours,
            row_number() OVER (PARTITION BY l.id ORDER BY
                CASE WHEN abs(l.amount_minor) = t.amount_minor THEN 0 ELSE 1 END,
                CASE t.state WHEN 'failed' THEN 1 ELSE 0 END, t.id DESC) AS line_rank,
            row_number() OVER (PARTITION BY t.id, {direction} ORDER BY
                CASE WHEN abs(l.amount_minor) = t.amount_minor THEN 0 ELSE 1 END, l.id) AS transfer_rank
        FROM reconciliation_lines l {join}
        WHERE l.organisation_id = :org AND l.source = :source AND NOT l.is_matched
            AND t.organisation_id = :org AND t.currency = l.currency AND {near}
            AND NOT EXISTS (SELECT 1 FROM reconciliation_matches m WHERE m.transfer_id = t.id AND m.source = l.source
                AND m.direction = {direction})
    ) x WHERE x.line_rank = 1 AND x.transfer_rank = 1
    ON CONFLICT DO NOTHING
"""
)
_PAYOUT = (
    "JOIN payouts p ON p.organisation_id = :org AND p.reference = l.payout_reference "
    "JOIN transfers t ON t.payout_id = p.id AND t.amount_minor = abs(l.amount_minor)"
)


def _by(ours: str, theirs: str) -> str:
    """A join by two references; that neither is empty lets the partial indexes be used."""
    return f"JOIN transfers t ON t.{ours} = l.{theirs} AND t.{ours} <> '' AND l.{theirs} <> ''"


_TRANSFER_PASSES = (
    ("transfer_id", _by("transfer_id", "our_id")),
    ("transfer_id", _by("transfer_id", "end_to_end")),
    ("provider_reference", _by("provider_reference", "bank_reference")),
    ("provider_reference", _by("provider_reference", "end_to_end")),
    ("utr", _by("utr", "utr")),
    ("utr", _by("utr", "bank_reference")),
    ("utr", _by("utr", "end_to_end")),
    ("payout", _PAYOUT + " AND l.payout_reference <> ''"),
)

# Payments made by hand, and their returns: no transfer, only the entry.
_BY_ENTRY = (
    _HEAD
    + """
    SELECT :org, 'bank', x.line_id, x.direction, NULL, x.entry_id, (1 = 0), :how, x.currency, x.ours, x.theirs,
        CAST(:run AS BIGINT), :label, :now
    FROM (
        SELECT l.id AS line_id, l.currency, l.amount_minor AS theirs, e.id AS entry_id, {direction} AS direction,
            CASE WHEN l.amount_minor < 0 THEN -p.amount_minor ELSE p.amount_minor END AS ours,
            row_number() OVER (PARTITION BY l.id ORDER BY
                CASE WHEN abs(l.amount_minor) = p.amount_minor THEN 0 ELSE 1 END, e.id DESC) AS line_rank,
            row_number() OVER (PARTITION BY e.id ORDER BY
                CASE WHEN abs(l.amount_minor) = p.amount_minor THEN 0 ELSE 1 END, l.id) AS entry_rank
        FROM reconciliation_lines l JOIN payouts p ON p.organisation_id = :org AND {join} AND p.currency = l.currency
        JOIN journal_entries e ON e.organisation_id = :org AND e.source_type = 'payout' AND e.source_id = p.id
            AND e.kind = CASE WHEN l.amount_minor < 0 THEN 'payout.paid_by_hand' ELSE 'payout.returned' END
        WHERE l.organisation_id = :org AND l.source = 'bank' AND NOT l.is_matched
            AND (l.amount_minor < 0 OR p.rail = 'manual') AND abs(l.amount_minor) * 2 >= p.amount_minor
            AND NOT EXISTS (SELECT 1 FROM reconciliation_matches m WHERE m.entry_id = e.id)
    ) x WHERE x.line_rank = 1 AND x.entry_rank = 1
    ON CONFLICT DO NOTHING
"""
)
_ENTRY_PASSES = (
    ("payment_reference", "p.payment_reference = l.utr AND l.utr <> ''"),
    ("payment_reference", "p.payment_reference = l.bank_reference AND l.bank_reference <> ''"),
    ("payment_reference", "p.payment_reference = l.end_to_end AND l.end_to_end <> ''"),
    (
        "payout",
        "p.reference = l.payout_reference AND l.payout_reference <> '' AND p.amount_minor = abs(l.amount_minor)",
    ),
)

# One debit for a whole bank file: the sum of its live items must be the line's amount, none matched before.
_BY_BATCH = (
    _HEAD
    + """
    SELECT :org, 'bank', b.line_id, 'out', i.transfer_row_id, NULL, (1 = 1), 'batch', i.currency, -i.amount_minor,
        -i.amount_minor, CAST(:run AS BIGINT), :label, :now
    FROM (
        SELECT l.id AS line_id, f.id AS file_id,
            row_number() OVER (PARTITION BY l.id ORDER BY f.id) AS line_rank,
            row_number() OVER (PARTITION BY f.id ORDER BY l.id) AS file_rank
        FROM reconciliation_lines l JOIN bank_files f ON f.organisation_id = :org AND f.currency = l.currency
            AND l.{column} <> '' AND l.{column} IN (f.reference, f.bank_reference)
        WHERE l.organisation_id = :org AND l.source = 'bank' AND NOT l.is_matched AND l.amount_minor < 0
            AND -l.amount_minor = (SELECT sum(i.amount_minor) FROM bank_file_items i
                WHERE i.file_id = f.id AND i.is_live)
            AND NOT EXISTS (SELECT 1 FROM bank_file_items i JOIN reconciliation_matches m
                ON m.transfer_id = i.transfer_row_id AND m.source = 'bank' AND m.direction = 'out'
                WHERE i.file_id = f.id AND i.is_live)
    ) b JOIN bank_file_items i ON i.file_id = b.file_id AND i.is_live
    WHERE b.line_rank = 1 AND b.file_rank = 1
    ON CONFLICT DO NOTHING
"""
)
_BATCH_COLUMNS = ("batch_reference", "end_to_end", "bank_reference")

_MARK = """
    UPDATE reconciliation_lines SET is_matched = (1 = 1)
    WHERE organisation_id = :org AND source = :source AND NOT is_matched
        AND EXISTS (SELECT 1 FROM reconciliation_matches m WHERE m.line_id = reconciliation_lines.id)
"""

# The entry of a transfer that went out exists once it has succeeded, perhaps long after its line was seen.
_ATTACH = """
    UPDATE reconciliation_matches SET entry_id = e.id FROM journal_entries e
    WHERE reconciliation_matches.organisation_id = :org AND source = 'bank' AND entry_id IS NULL AND direction = 'out'
        AND e.organisation_id = :org
        AND e.idempotency_key = 'transfer:' || reconciliation_matches.transfer_id || '\\:succeeded'
"""
_UNBOOKED_RETURNS = """
    SELECT m.id, t.payout_id FROM reconciliation_matches m JOIN transfers t ON t.id = m.transfer_id
    WHERE m.organisation_id = :org AND m.source = 'bank' AND m.entry_id IS NULL AND m.direction = 'in'
        AND t.state = 'reversed' ORDER BY t.n
"""
_RETURN_OF = """
    SELECT min(e.id) FROM journal_entries e WHERE e.organisation_id = :org AND e.source_type = 'payout'
        AND e.source_id = :payout AND e.kind = 'payout.returned'
        AND NOT EXISTS (SELECT 1 FROM reconciliation_matches m WHERE m.entry_id = e.id)
"""


@dataclass(frozen=True)
class Marks:
    """What the rows of one run carry."""

    organisation_id: int
    run_id: int | None
    label: str
    now: datetime


def match(source: Source, marks: Marks) -> int:
    """Match what is open of a source; returns how many lines found their other half."""
    found = 0
    for how, join in _TRANSFER_PASSES:
        # By a payout's reference alone only the exact amount counts; it stands in the join.
        statement = _BY_TRANSFER.format(join=join, direction=_DIRECTION, near=_NEAR)
        found += _pass(statement, source, marks, how)
    if source is Source.BANK:
        for how, join in _ENTRY_PASSES:
            found += _pass(_BY_ENTRY.format(join=join, direction=_DIRECTION), source, marks, how)
        for column in _BATCH_COLUMNS:
            found += _pass(_BY_BATCH.format(column=column), source, marks, "batch")
        attach(marks)
    return found


def _pass(statement: str, source: Source, marks: Marks, how: str) -> int:
    values = {"org": marks.organisation_id, "run": marks.run_id, "label": marks.label, "now": marks.now}
    if ":source" in statement:
        values["source"] = source.value
    if ":how" in statement:
        values["how"] = how
    if not count(statement, **values):
        return 0
    return count(_MARK, org=marks.organisation_id, source=source.value)


def attach(marks: Marks) -> None:
    """Tie matches to the entries that were booked since: of transfers that succeeded, of money that came back."""
    run(_ATTACH, org=marks.organisation_id)
    for row in run(_UNBOOKED_RETURNS, org=marks.organisation_id).all():
        entry_id = run(_RETURN_OF, org=marks.organisation_id, payout=row.payout_id).scalar()
        if entry_id is not None:
            run(
                "UPDATE reconciliation_matches SET entry_id = :entry WHERE id = :id",
                entry=entry_id,
                id=row.id,
            )


# Our movements of the bank account that no line was found for.
OPEN_ENTRIES = """
    SELECT e.id AS entry_id, sum(p.amount_minor) AS amount_minor, e.effective_on, a.currency,
        min(e.description) AS description, min(e.source_type) AS source_type, min(e.source_id) AS source_id,
        min(e.idempotency_key) AS idempotency_key
    FROM accounts a JOIN postings p ON p.account_id = a.id JOIN journal_entries e ON e.id = p.entry_id
    WHERE a.organisation_id = :org AND a.code = 'bank'
        AND NOT EXISTS (SELECT 1 FROM reconciliation_matches m WHERE m.entry_id = e.id)
    GROUP BY e.id, e.effective_on, a.currency
"""

# Unique on both sides: one open line and one open entry of the amount within the window.
_SUGGEST = f"""
    WITH open_lines AS (
        SELECT id, currency, amount_minor, booked_on FROM reconciliation_lines
        WHERE organisation_id = :org AND source = 'bank' AND NOT is_matched
    ), open_entries AS ({OPEN_ENTRIES}), few AS (
        SELECT l.currency, l.amount_minor FROM
            (SELECT currency, amount_minor, count(*) AS n FROM open_lines GROUP BY currency, amount_minor) l
        JOIN (SELECT currency, amount_minor, count(*) AS n FROM open_entries GROUP BY currency, amount_minor) o
            ON o.currency = l.currency AND o.amount_minor = l.amount_minor
        WHERE l.n <= {rules.SAME_AMOUNT_LIMIT} AND o.n <= {rules.SAME_AMOUNT_LIMIT}
    ), pairs AS (
        SELECT l.id AS line_id, o.entry_id, count(*) OVER (PARTITION BY l.id) AS of_line,
            count(*) OVER (PARTITION BY o.entry_id) AS of_entry
        FROM few f JOIN open_lines l ON l.currency = f.currency AND l.amount_minor = f.amount_minor
        JOIN open_entries o ON o.currency = f.currency AND o.amount_minor = f.amount_minor
        WHERE {{days}} <= {rules.WINDOW_DAYS}
    )
    SELECT line_id, entry_id FROM pairs WHERE of_line = 1 AND of_entry = 1
"""
_DAYS = {
    "sqlite": "abs(julianday(l.booked_on) - julianday(o.effective_on))",
    "postgresql": "abs(l.booked_on - o.effective_on)",
}


def suggest(organisation_id: int, dialect: str) -> int:
    """Write on findings of lines which entry may be their other half; a person decides. Returns how many."""
    run(
        "UPDATE reconciliation_findings SET suggested_entry_id = NULL "
        "WHERE organisation_id = :org AND suggested_entry_id IS NOT NULL AND state = 'open'",
        org=organisation_id,
    )
    pairs = run(_SUGGEST.format(days=_DAYS[dialect]), org=organisation_id).all()
    for pair in pairs:
        run(
            "UPDATE reconciliation_findings SET suggested_entry_id = :entry "
            "WHERE organisation_id = :org AND line_id = :line AND kind = 'theirs_only' AND state = 'open'",
            org=organisation_id,
            entry=pair.entry_id,
            line=pair.line_id,
        )
    return len(pairs)
