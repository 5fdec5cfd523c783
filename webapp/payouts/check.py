"""Proof that the ledger holds of every payout what its state implies; part of the ledger's own check."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import TextClause, text

from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.check import Finding, position_checks
from webapp.payouts.states import OPEN_TRANSFER_STATES, PayoutState, TransferState

_S = PayoutState
# What the ledger must show for an amount of 1: owed to the payee, on its way, gone from the bank.
POSITIONS: dict[PayoutState, tuple[int, int, int]] = {
    _S.PENDING_APPROVAL: (0, 0, 0),
    _S.REJECTED: (0, 0, 0),
    _S.CANCELLED: (0, 0, 0),
    _S.APPROVED: (1, 0, 0),
    _S.FAILED: (1, 0, 0),
    _S.RETRY_SCHEDULED: (1, 0, 0),
    _S.REVERSED: (1, 0, 0),
    _S.PROCESSING: (0, 1, 0),
    _S.PAID: (0, 0, 1),
}


def _case(index: int) -> str:
    whens = " ".join(f"WHEN '{state.value}' THEN {values[index]}" for state, values in POSITIONS.items())
    return f"(CASE p.state {whens} END) * p.amount_minor"


# Only codes of this room stand in the statements; the organisation is bound.
_POSITION = f"""
    SELECT p.reference, p.state, p.currency, x.owed, x.under_way, x.gone,
        {_case(0)} AS due_owed, {_case(1)} AS due_under_way, {_case(2)} AS due_gone
    FROM payouts p LEFT JOIN (
        SELECT e.source_id,
            -sum(CASE WHEN a.code LIKE 'payable:%' THEN l.amount_minor ELSE 0 END) AS owed,
            -sum(CASE WHEN a.code = 'in_transit' THEN l.amount_minor ELSE 0 END) AS under_way,
            -sum(CASE WHEN a.code = 'bank' THEN l.amount_minor ELSE 0 END) AS gone
        FROM journal_entries e JOIN postings l ON l.entry_id = e.id JOIN accounts a ON a.id = l.account_id
        WHERE e.source_type = 'payout' GROUP BY e.source_id
    ) x ON x.source_id = p.id
    WHERE p.rail <> 'wallet' AND (:organisation IS NULL OR p.organisation_id = :organisation) AND (
        coalesce(x.owed, 0) <> {_case(0)} OR coalesce(x.under_way, 0) <> {_case(1)}
        OR coalesce(x.gone, 0) <> {_case(2)})
    ORDER BY p.id
"""  # noqa: S608

# A payout is under way once, however many of its tries are open or under review.
_OPEN = ", ".join(f"'{s}'" for s in sorted(OPEN_TRANSFER_STATES | {TransferState.REVIEW}))
_UNDER_WAY = f"""
    SELECT o.id, o.currency, coalesce(a.total, 0) AS booked, coalesce(t.total, 0) AS sent FROM (
        SELECT DISTINCT organisation_id AS id, currency FROM payouts
        WHERE (:organisation IS NULL OR organisation_id = :organisation)
    ) o
    LEFT JOIN (
        SELECT organisation_id, currency, -sum(balance_minor) AS total FROM accounts WHERE code = 'in_transit'
        GROUP BY organisation_id, currency
    ) a ON a.organisation_id = o.id AND a.currency = o.currency
    LEFT JOIN (
        SELECT p.organisation_id, p.currency, sum(p.amount_minor) AS total FROM payouts p
        WHERE p.state = 'processing' AND EXISTS (
            SELECT 1 FROM transfers t WHERE t.payout_id = p.id AND t.state IN ({_OPEN}))
        GROUP BY p.organisation_id, p.currency
    ) t ON t.organisation_id = o.id AND t.currency = o.currency
    WHERE coalesce(a.total, 0) <> coalesce(t.total, 0) ORDER BY o.id, o.currency
"""  # noqa: S608

_UNPAID = """
    SELECT p.reference, p.state, t.n FROM transfers t JOIN payouts p ON p.id = t.payout_id
    WHERE t.state = 'succeeded' AND p.state NOT IN ('paid', 'reversed')
        AND (:organisation IS NULL OR t.organisation_id = :organisation)
    ORDER BY p.id, t.n
"""


def _query(statement: str) -> TextClause:
    # A bound NULL has no type of its own on PostgreSQL.
    return text(statement.replace(":organisation", "CAST(:organisation AS BIGINT)"))


def positions(organisation_id: int | None) -> Iterator[Finding]:
    """One finding per payout whose ledger position is not what its state implies, and per wrong sum under way.

    Also one per succeeded transfer of a payout that counts as unpaid.
    """
    for row in db.session.execute(_query(_POSITION), {"organisation": organisation_id}):
        parts = []
        for label, found, due in (
            ("owed", row.owed, row.due_owed),
            ("under way", row.under_way, row.due_under_way),
            ("paid", row.gone, row.due_gone),
        ):
            if (found or 0) != due:
                shown, wanted = (Money(int(v or 0), row.currency).plain for v in (found, due))
                parts.append(f"{label} {shown} instead of {wanted}")
        message = f"It is {row.state}, but the ledger says {', '.join(parts)} {row.currency}"
        yield Finding("payout position", row.reference, message)
    for row in db.session.execute(_query(_UNDER_WAY), {"organisation": organisation_id}):
        booked, sent = (Money(int(v), row.currency).plain for v in (row.booked, row.sent))
        message = f"open transfers add up to {sent} {row.currency}, but the ledger has {booked} in transit"
        yield Finding("transfers under way", f"organisation {row.id}", message)
    for row in db.session.execute(_query(_UNPAID), {"organisation": organisation_id}):
        message = f"Its try {row.n} has succeeded, but the payout is {row.state} and could be paid again"
        yield Finding("paid by a transfer", row.reference, message)


if positions not in position_checks:
    position_checks.append(positions)
