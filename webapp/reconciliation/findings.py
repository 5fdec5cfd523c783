# ruff: noqa: S608 - statements of constants of this room; every value is bound
"""Writes down, set by set, in what two books differ, and closes what agrees since; keys keep findings single."""

from __future__ import annotations

from datetime import date, datetime

from webapp.database import db
from webapp.reconciliation import balance, matching, rules
from webapp.reconciliation.balance import Tie
from webapp.reconciliation.matching import Marks
from webapp.reconciliation.statements_sql import count, run
from webapp.reconciliation.states import UNSETTLED, Source

_HEAD = """
    INSERT INTO reconciliation_findings (organisation_id, subject_key, kind, source, account_id, line_id, match_id,
        transfer_id, entry_id, webhook_id, label, currency, ours_minor, theirs_minor, ours_words, theirs_words,
        happened_on, run_id, found_at, state, owner_label, resolution, note, proposal, proposed_by_label,
        resolved_by_label, version)
"""
_TAIL = """, CAST(:run AS BIGINT), :now, 'open', '', '', '', '{}', '', '', 1"""
_ONCE = " ON CONFLICT (organisation_id, subject_key) DO NOTHING"

_THEIRS_ONLY = (
    _HEAD
    + """
    SELECT :org, 'line:' || l.id, 'theirs_only', l.source, l.account_id, l.id, NULL, NULL, NULL, NULL,
        substr(CASE WHEN l.counterparty <> '' AND l.text <> '' THEN l.counterparty || ': ' || l.text
            ELSE l.counterparty || l.text || CASE WHEN l.counterparty || l.text = '' THEN l.our_id || l.utr ELSE '' END
            END, 1, 300),
        l.currency, NULL, l.amount_minor, '', l.status, l.booked_on"""
    + _TAIL
    + """
    FROM reconciliation_lines l WHERE l.organisation_id = :org AND l.source = :source AND NOT l.is_matched
"""
    + _ONCE
)
_OURS_ONLY = (
    _HEAD
    + """
    SELECT :org, 'entry:' || o.entry_id, 'ours_only', 'bank', CAST(:account AS BIGINT), NULL, NULL,
        CASE WHEN o.idempotency_key LIKE 'transfer:%\\:succeeded'
            THEN CAST(substr(o.idempotency_key, 10, length(o.idempotency_key) - 19) AS BIGINT) END,
        o.entry_id, NULL, o.description, o.currency, o.amount_minor, NULL, '', '', o.effective_on"""
    + _TAIL
    + f"""
    FROM ({matching.OPEN_ENTRIES}) o
    WHERE o.currency = :currency AND o.effective_on >= :begins AND o.effective_on <= :closes
"""
    + _ONCE
)
_AMOUNT_DIFFERS = (
    _HEAD
    + """
    SELECT :org, 'match:' || m.id, 'amount_differs', m.source, l.account_id, l.id, m.id, m.transfer_id, m.entry_id,
        NULL, substr(l.counterparty || CASE WHEN l.counterparty <> '' AND l.text <> '' THEN ': ' ELSE '' END || l.text,
        1, 300), m.currency, m.ours_minor, m.theirs_minor, '', l.status, l.booked_on"""
    + _TAIL
    + """
    FROM reconciliation_matches m JOIN reconciliation_lines l ON l.id = m.line_id
    WHERE m.organisation_id = :org AND m.source = :source AND m.ours_minor <> m.theirs_minor AND NOT m.is_batch
"""
    + _ONCE
)
_STATE_OF_BANK = (
    _HEAD
    + """
    SELECT :org, 'state:' || m.id, 'state_differs', 'bank', l.account_id, l.id, m.id, m.transfer_id, NULL, NULL,
        substr(l.counterparty || CASE WHEN l.counterparty <> '' AND l.text <> '' THEN ': ' ELSE '' END || l.text,
        1, 300), m.currency, m.ours_minor, m.theirs_minor, t.state,
        CASE m.direction WHEN 'out' THEN 'debited' ELSE 'returned' END, l.booked_on"""
    + _TAIL
    + """
    FROM reconciliation_matches m JOIN reconciliation_lines l ON l.id = m.line_id
    JOIN transfers t ON t.id = m.transfer_id
    WHERE m.organisation_id = :org AND m.source = 'bank' AND m.entry_id IS NULL
"""
    + _ONCE
)


def _agree(theirs: str, ours: str) -> str:
    """A condition: two columns, a meaning and a state of a transfer, say the same."""
    pairs = " OR ".join(f"({theirs} = '{t}' AND {ours} = '{o}')" for t, o in rules.agreeing_pairs())
    return f"({pairs})"


_STATE_OF_PROVIDER = (
    _HEAD
    + """
    SELECT :org, 'state:' || m.id, 'state_differs', 'provider', NULL, l.id, m.id, m.transfer_id, NULL, NULL,
        substr(l.counterparty || CASE WHEN l.counterparty <> '' AND l.text <> '' THEN ': ' ELSE '' END || l.text,
        1, 300), m.currency, m.ours_minor, m.theirs_minor, t.state, l.status, l.booked_on"""
    + _TAIL
    + f"""
    FROM reconciliation_matches m JOIN reconciliation_lines l ON l.id = m.line_id
    JOIN transfers t ON t.id = m.transfer_id
    WHERE m.organisation_id = :org AND m.source = 'provider' AND NOT {_agree("l.meaning", "t.state")}
"""
    + _ONCE
)
_MISSING_THERE = (
    _HEAD
    + """
    SELECT :org, 'missing:' || t.id, 'ours_only', 'provider', NULL, NULL, NULL, t.id, NULL, NULL, p.reference,
        t.currency, -t.amount_minor, NULL, t.state, '', {day}"""
    + _TAIL
    + """
    FROM transfers t JOIN payouts p ON p.id = t.payout_id
    WHERE t.organisation_id = :org AND t.rail = :rail AND t.created_at >= :since AND t.created_at < :until
        AND t.sends > 0 AND NOT EXISTS (SELECT 1 FROM reconciliation_matches m
            WHERE m.transfer_id = t.id AND m.source = 'provider')
"""
    + _ONCE
)
_WEBHOOKS = (
    _HEAD
    + """
    SELECT :org, 'webhook:' || w.id, 'theirs_only', 'webhook', NULL, NULL, NULL, NULL, NULL, w.id,
        substr(w.provider || ' ' || w.event || ' ' || w.subject, 1, 300), '', NULL, NULL, '', substr(w.event, 1, 120),
        {day}"""
    + _TAIL
    + """
    FROM webhook_messages w WHERE w.organisation_id = :org AND w.state = 'unmatched'
"""
    + _ONCE
)
_DAY = {"sqlite": "substr({0}, 1, 10)", "postgresql": "CAST({0} AS DATE)"}

_UNSETTLED = ", ".join(f"'{state}'" for state in UNSETTLED)
_CLOSE = f"""
    UPDATE reconciliation_findings SET state = 'resolved', resolution = 'agreed', resolved_at = :now,
        resolved_by_label = :label, proposal = '{{}}', version = version + 1
    WHERE organisation_id = :org AND state IN ({_UNSETTLED}) AND
"""
# Each finding looks up its own row by a key. As a join, an engine that thinks little of a table that was filled a
# moment ago goes through all its lines for every finding.
_AGREED = (
    # A line has found its other half, an entry its line, a transfer its row in the provider's list.
    """line_id IS NOT NULL AND kind = 'theirs_only' AND (SELECT l.is_matched FROM reconciliation_lines l
        WHERE l.id = reconciliation_findings.line_id)""",
    """entry_id IS NOT NULL AND kind = 'ours_only' AND (SELECT m.id FROM reconciliation_matches m
        WHERE m.entry_id = reconciliation_findings.entry_id) IS NOT NULL""",
    """source = 'provider' AND kind = 'ours_only' AND EXISTS (SELECT 1 FROM reconciliation_matches m
        WHERE m.transfer_id = reconciliation_findings.transfer_id AND m.source = 'provider')""",
    # What the bank showed is booked by now; what the provider said is what we say.
    """source = 'bank' AND kind = 'state_differs' AND (SELECT m.entry_id FROM reconciliation_matches m
        WHERE m.id = reconciliation_findings.match_id) IS NOT NULL""",
    f"""source = 'provider' AND kind = 'state_differs' AND EXISTS (SELECT 1 FROM reconciliation_lines l,
        transfers t WHERE l.id = reconciliation_findings.line_id AND t.id = reconciliation_findings.transfer_id
        AND {_agree("l.meaning", "t.state")})""",
    f"""source = 'status' AND kind = 'state_differs' AND EXISTS (SELECT 1 FROM transfers t
        WHERE t.id = reconciliation_findings.transfer_id
        AND {_agree("reconciliation_findings.theirs_words", "t.state")})""",
    """source = 'webhook' AND (SELECT w.state FROM webhook_messages w
        WHERE w.id = reconciliation_findings.webhook_id) <> 'unmatched'""",
)


def _day_of(column: str) -> str:
    return _DAY[db.session.get_bind().dialect.name].format(column)


def _common(marks: Marks) -> dict[str, object]:
    return {"org": marks.organisation_id, "run": marks.run_id, "now": marks.now}


def of_bank(marks: Marks) -> dict[str, int]:
    """What the bank's statements and our bank accounts differ in; how many are new, by kind."""
    found = {
        "theirs_only": count(_THEIRS_ONLY, source=Source.BANK.value, **_common(marks)),
        "amount_differs": count(_AMOUNT_DIFFERS, source=Source.BANK.value, **_common(marks)),
        "state_differs": count(_STATE_OF_BANK, **_common(marks)),
        "ours_only": 0,
    }
    for account in run(_PERIODS, org=marks.organisation_id).all():
        found["ours_only"] += count(
            _OURS_ONLY,
            account=account.id,
            currency=account.currency,
            begins=balance.as_day(account.begins_on),
            closes=balance.as_day(account.closing_on),
            **_common(marks),
        )
    return found


_PERIODS = """
    SELECT a.id, a.currency, min(s.begins_on) AS begins_on, max(s.closing_on) AS closing_on
    FROM reconciliation_accounts a JOIN reconciliation_statements s ON s.account_id = a.id
    WHERE a.organisation_id = :org AND a.is_current AND s.begins_on IS NOT NULL AND s.closing_on IS NOT NULL
    GROUP BY a.id, a.currency
"""


def of_provider(marks: Marks, rail: str, since: datetime | None, until: datetime | None) -> dict[str, int]:
    """What a provider's list and our transfers differ in; the list is of all transfers from `since` to `until`."""
    found = {
        "theirs_only": count(_THEIRS_ONLY, source=Source.PROVIDER.value, **_common(marks)),
        "amount_differs": count(_AMOUNT_DIFFERS, source=Source.PROVIDER.value, **_common(marks)),
        "state_differs": count(_STATE_OF_PROVIDER, **_common(marks)),
        "ours_only": 0,
    }
    if rail and since is not None and until is not None:
        statement = _MISSING_THERE.replace("{day}", _day_of("t.created_at"))
        found["ours_only"] = count(statement, rail=rail, since=since, until=until, **_common(marks))
    return found


def of_webhooks(marks: Marks) -> int:
    """Messages of providers that name nothing we know; how many are new."""
    return count(_WEBHOOKS.replace("{day}", _day_of("w.received_at")), **_common(marks))


def has_unknown_webhooks(organisation_id: int) -> bool:
    """Whether a message waits that names nothing we know."""
    query = "SELECT 1 FROM webhook_messages WHERE organisation_id = :org AND state = 'unmatched' LIMIT 1"
    return run(query, org=organisation_id).first() is not None


def of_balances(marks: Marks) -> None:
    """What the balances say beyond the lines: money from before the first statement, statements that are missing."""
    for tie in balance.ties(marks.organisation_id):
        first = balance.day_before(tie.begins_on)
        ours, theirs = tie.ours_before, tie.ours_before + tie.opening
        _of_account(marks, tie, "opening", tie.opening, "amount_differs", ours, theirs, first)
        _of_account(marks, tie, "gap", tie.gap, "theirs_only", None, tie.gap, tie.closing_on)


_LABELS = {
    "opening": "Balance before the first statement",
    "gap": "Statements are missing: the lines do not lead from one balance to the next",
}
_UPSERT = (
    _HEAD
    + """
    SELECT :org, :key, :kind, 'bank', CAST(:account AS BIGINT), NULL, NULL, NULL, NULL, NULL, :words, :currency,
        CAST(:ours AS BIGINT), CAST(:theirs AS BIGINT), '', '', CAST(:day AS DATE)"""
    + _TAIL
    + " WHERE (1 = 1)"
    + _ONCE
)
# A figure that moved on is another figure: an explanation given for the old one does not cover it.
_REFRESH = """
    UPDATE reconciliation_findings SET ours_minor = CAST(:ours AS BIGINT), theirs_minor = CAST(:theirs AS BIGINT),
        happened_on = :day, state = 'open', resolution = '', resolved_at = NULL, resolved_by_id = NULL,
        resolved_by_label = '', proposal = '{}', proposed_by_id = NULL, version = version + 1
    WHERE organisation_id = :org AND subject_key = :key
        AND (coalesce(ours_minor, 0) <> coalesce(CAST(:ours AS BIGINT), 0)
        OR coalesce(theirs_minor, 0) <> coalesce(CAST(:theirs AS BIGINT), 0)
        OR (state = 'resolved' AND resolution = 'agreed'))
"""


def _of_account(
    marks: Marks, tie: Tie, what: str, amount: int, kind: str, ours: int | None, theirs: int, day: date
) -> None:
    key = f"{what}:{tie.account_id}"
    if amount == 0:
        run(
            _CLOSE + " subject_key = :key",
            org=marks.organisation_id,
            now=marks.now,
            label=marks.label,
            key=key,
        )
        return
    upsert = _UPSERT if db.session.get_bind().dialect.name == "postgresql" else _UPSERT.replace(
        "CAST(:day AS DATE)", ":day")  # fmt: skip
    is_new = count(
        upsert, key=key, kind=kind, account=tie.account_id, words=_LABELS[what], currency=tie.currency,
        ours=ours, theirs=theirs, day=day, **_common(marks),
    )  # fmt: skip
    if not is_new:
        run(_REFRESH, org=marks.organisation_id, key=key, ours=ours, theirs=theirs, day=day)


def close_agreed(marks: Marks) -> int:
    """Close what agrees by now, whoever brought it about; how many."""
    return sum(
        count(_CLOSE + condition, org=marks.organisation_id, now=marks.now, label=marks.label)
        for condition in _AGREED
    )
