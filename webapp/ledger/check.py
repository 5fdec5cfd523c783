"""Proof on demand: recomputes what the ledger claims from its postings and names every row that disagrees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import TextClause, select, text

from webapp.audit import queries as audit
from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.ledger.posting import content_digest

# Rows named per rule; what comes after is counted.
NAMED = 50


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the rule, the row it is about, and what was expected and found."""

    rule: str
    subject: str
    message: str


@dataclass
class Report:
    """What was looked at (`figures`) and what was found; an empty list of findings is the proof."""

    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, int | str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


# Rooms above add the checks of their own records' ledger positions; each takes an organisation id or None for all.
position_checks: list[Callable[[int | None], Iterable[Finding]]] = []

_SCOPE = "(:organisation IS NULL OR {column} = :organisation)"
# Each query returns the rows that break a rule, and nothing otherwise.
_BALANCES = """
    SELECT a.id, a.code, a.currency, a.balance_minor, coalesce(s.total, 0) * a.normal_side AS recomputed
    FROM accounts a LEFT JOIN (SELECT account_id, sum(amount_minor) AS total FROM postings GROUP BY account_id) s
    ON s.account_id = a.id
    WHERE {scope} AND a.balance_minor <> coalesce(s.total, 0) * a.normal_side ORDER BY a.id
"""
_CHAIN = """
    SELECT id, entry_id, code, currency, balance_after_minor, expected FROM (
        SELECT p.id, p.entry_id, a.code, p.currency, p.balance_after_minor, p.amount_minor * a.normal_side
            + coalesce(lag(p.balance_after_minor) OVER (PARTITION BY p.account_id ORDER BY p.id), 0) AS expected
        FROM postings p JOIN accounts a ON a.id = p.account_id WHERE {scope}
    ) links WHERE balance_after_minor <> expected ORDER BY id
"""
_MINIMUM = """
    SELECT a.id, a.code, a.currency, a.balance_minor, a.minimum_balance_minor FROM accounts a
    WHERE {scope} AND a.balance_minor < a.minimum_balance_minor ORDER BY a.id
"""
_SIDES = """
    SELECT a.id, a.code, a.type FROM accounts a
    WHERE {scope} AND a.normal_side <> CASE WHEN a.type IN ('asset', 'expense') THEN 1 ELSE -1 END ORDER BY a.id
"""
_ENTRIES = """
    SELECT e.id, e.kind, e.currency, e.legs, e.imbalance, e.legs_missing, coalesce(s.total, 0) AS total,
        coalesce(s.n, 0) AS n
    FROM journal_entries e LEFT JOIN (
        SELECT entry_id, sum(amount_minor) AS total, count(*) AS n FROM postings GROUP BY entry_id
    ) s ON s.entry_id = e.id
    WHERE {scope} AND (coalesce(s.total, 0) <> 0 OR coalesce(s.n, 0) <> e.legs OR coalesce(s.n, 0) < 2
        OR e.imbalance <> 0 OR e.legs_missing <> 0) ORDER BY e.id
"""
_LINKS = """
    SELECT p.id, p.entry_id, p.account_id, p.currency, e.currency AS entry_currency, a.currency AS account_currency,
        e.organisation_id AS entry_organisation, a.organisation_id AS account_organisation
    FROM postings p LEFT JOIN journal_entries e ON e.id = p.entry_id LEFT JOIN accounts a ON a.id = p.account_id
    WHERE (e.id IS NULL OR a.id IS NULL OR e.currency <> p.currency OR a.currency <> p.currency
        OR e.organisation_id <> a.organisation_id)
        AND (e.id IS NULL OR {scope}) ORDER BY p.id
"""
_REVERSED_TWICE = """
    SELECT e.reverses_id, count(*) AS n, min(e.id) AS first, max(e.id) AS last FROM journal_entries e
    WHERE {scope} AND e.reverses_id IS NOT NULL GROUP BY e.reverses_id HAVING count(*) > 1 ORDER BY e.reverses_id
"""
_REVERSALS = """
    SELECT e.id, e.reverses_id FROM journal_entries e LEFT JOIN journal_entries o ON o.id = e.reverses_id
    WHERE {scope} AND e.reverses_id IS NOT NULL AND (o.id IS NULL OR o.organisation_id <> e.organisation_id
        OR o.currency <> e.currency OR EXISTS (SELECT 1 FROM postings p WHERE p.entry_id IN (e.id, o.id)
            GROUP BY p.account_id HAVING sum(p.amount_minor) <> 0)) ORDER BY e.id
"""
_FIGURES = """
    SELECT (SELECT count(*) FROM accounts a WHERE {accounts}) AS accounts,
        (SELECT count(*) FROM journal_entries e WHERE {entries}) AS entries,
        (SELECT count(*) FROM postings p JOIN journal_entries e ON e.id = p.entry_id WHERE {entries}) AS postings,
        (SELECT count(*) FROM journal_entries e WHERE {entries} AND e.reverses_id IS NOT NULL) AS reversals,
        (SELECT count(*) FROM accounts a WHERE {accounts} AND a.minimum_balance_minor IS NOT NULL) AS limited
"""
_TURNOVER = """
    SELECT p.currency, sum(CASE WHEN p.amount_minor > 0 THEN p.amount_minor ELSE 0 END) AS debits,
        sum(CASE WHEN p.amount_minor < 0 THEN -p.amount_minor ELSE 0 END) AS credits
    FROM postings p JOIN journal_entries e ON e.id = p.entry_id WHERE {scope} GROUP BY p.currency ORDER BY p.currency
"""


def run(organisation_id: int | None = None) -> Report:
    """Check the ledger of one organisation, or of all; reads only. Figures are counts and amounts with currency."""
    report = Report()
    _figures(report, organisation_id)
    rules = (_guards, _balances, _chain_of_balances, _minimums, _entries, _links, _reversals, _contents)
    for rule in rules:
        report.findings += _named(rule(organisation_id))
    for check in position_checks:
        report.findings += _named(check(organisation_id))
    report.figures["position_checks"] = len(position_checks)
    events = 0
    for chain in audit.chains(organisation_id):
        state = audit.verify(chain)
        events += state.length
        subject = f"audit chain {chain}"
        report.findings += [Finding("audit chain", subject, problem) for problem in state.problems]
    report.figures["audit_events"] = events
    report.figures["findings"] = len(report.findings)
    return report


def _named(findings: Iterable[Finding]) -> list[Finding]:
    everything = list(findings)
    kept = everything[:NAMED]
    if len(everything) > NAMED:
        kept.append(
            Finding(kept[0].rule, "more rows", f"{len(everything) - NAMED} more rows break this rule.")
        )
    return kept


def _rows(statement: str, column: str, organisation_id: int | None) -> Iterable[Any]:
    return db.session.execute(_scoped(statement, scope=column), _values(organisation_id)).all()


def _scoped(statement: str, **columns: str) -> TextClause:
    # An untyped NULL has no type in PostgreSQL, hence the cast; the columns are constants of this file.
    scopes = {
        name: _SCOPE.format(column=column).replace(":organisation", "CAST(:organisation AS BIGINT)")
        for name, column in columns.items()
    }
    # nosemgrep: sql-text-is-constant - constants of this file; the organisation is bound
    return text(statement.format(**scopes))


def _values(organisation_id: int | None) -> dict[str, int | None]:
    return {"organisation": organisation_id}


def _amount(minor: int, currency: str) -> str:
    return f"{Money(int(minor), currency).plain} {currency}"


def _figures(report: Report, organisation_id: int | None) -> None:
    columns = {"accounts": "a.organisation_id", "entries": "e.organisation_id"}
    counts = db.session.execute(_scoped(_FIGURES, **columns), _values(organisation_id)).mappings().one()
    report.figures |= {
        "accounts": counts["accounts"],
        "entries": counts["entries"],
        "postings": counts["postings"],
        "reversals": counts["reversals"],
        "accounts_with_a_minimum": counts["limited"],
    }
    for row in _rows(_TURNOVER, "e.organisation_id", organisation_id):
        report.figures[f"debits_{row.currency}"] = _amount(row.debits, row.currency)
        report.figures[f"credits_{row.currency}"] = _amount(row.credits, row.currency)


def _balances(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_BALANCES, "a.organisation_id", organisation_id):
        yield Finding(
            "balances",
            f"account {r.id} ({r.code})",
            f"It says {_amount(r.balance_minor, r.currency)}; its postings add up to "
            f"{_amount(r.recomputed, r.currency)}.",
        )


def _chain_of_balances(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_CHAIN, "a.organisation_id", organisation_id):
        yield Finding(
            "running balances",
            f"posting {r.id} (entry {r.entry_id}, {r.code})",
            f"The balance after it is {_amount(r.balance_after_minor, r.currency)}; from the posting before it, "
            f"it should be {_amount(r.expected, r.currency)}.",
        )


def _minimums(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_MINIMUM, "a.organisation_id", organisation_id):
        yield Finding(
            "minimum balances",
            f"account {r.id} ({r.code})",
            f"It holds {_amount(r.balance_minor, r.currency)}, less than its minimum of "
            f"{_amount(r.minimum_balance_minor, r.currency)}.",
        )
    for r in _rows(_SIDES, "a.organisation_id", organisation_id):
        yield Finding(
            "account types", f"account {r.id} ({r.code})", f"Its normal side is not that of an {r.type}."
        )


def _entries(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_ENTRIES, "e.organisation_id", organisation_id):
        subject = f"entry {r.id} ({r.kind})"
        if r.total:
            yield Finding(
                "zero sums", subject, f"Its postings add up to {_amount(r.total, r.currency)}, not to 0."
            )
        if r.n != r.legs or r.n < 2:
            yield Finding("legs", subject, f"It was written with {r.legs} postings; {r.n} are there.")
        if r.imbalance or r.legs_missing:
            yield Finding("zero sums", subject, "Its own counts say that it is not complete.")


def _links(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_LINKS, "e.organisation_id", organisation_id):
        if r.entry_currency is None or r.account_currency is None:
            what = f"entry {r.entry_id}" if r.entry_currency is None else f"account {r.account_id}"
            message = f"Its {what} is not there."
        elif r.entry_organisation != r.account_organisation:
            message = f"Its account {r.account_id} belongs to another organisation."
        else:
            message = f"It is in {r.currency}, its entry in {r.entry_currency}, its account in {r.account_currency}."
        yield Finding("postings belong", f"posting {r.id} (entry {r.entry_id})", message)


def _reversals(organisation_id: int | None) -> Iterator[Finding]:
    for r in _rows(_REVERSED_TWICE, "e.organisation_id", organisation_id):
        yield Finding(
            "reversed once", f"entry {r.reverses_id}", f"{r.n} entries reverse it: {r.first} to {r.last}."
        )
    for r in _rows(_REVERSALS, "e.organisation_id", organisation_id):
        yield Finding("reversals", f"entry {r.id}", f"It is not the opposite of entry {r.reverses_id}.")


def _contents(organisation_id: int | None) -> Iterator[Finding]:
    """Recompute each entry's digest: finds changes that still add up."""
    e, p, a = JournalEntry.__table__, Posting.__table__, Account.__table__
    query = (
        select(
            e.c.id, e.c.kind, e.c.currency, e.c.effective_on, e.c.description, e.c.source_type, e.c.source_id,
            e.c.reverses_id, e.c.content_digest, a.c.code, p.c.amount_minor,
        )
        .join(p, p.c.entry_id == e.c.id)
        .join(a, a.c.id == p.c.account_id)
        .order_by(e.c.id, p.c.id)
        .execution_options(yield_per=2000)
    )  # fmt: skip
    if organisation_id is not None:
        query = query.where(e.c.organisation_id == organisation_id)
    head: Any = None
    legs: list[tuple[str, int]] = []
    for row in db.session.execute(query):
        if head is not None and row.id != head.id:
            yield from _changed_content(head, legs)
            legs = []
        head = row
        legs.append((row.code, row.amount_minor))
    if head is not None:
        yield from _changed_content(head, legs)


def _changed_content(head: Any, legs: list[tuple[str, int]]) -> Iterator[Finding]:
    digest = content_digest(
        kind=head.kind,
        currency=head.currency,
        effective_on=head.effective_on,
        description=head.description,
        source_type=head.source_type,
        source_id=head.source_id,
        reverses_id=head.reverses_id,
        legs=legs,
    )
    if digest != head.content_digest:
        said = ", ".join(f"{code} {_amount(amount, head.currency)}" for code, amount in legs)
        yield Finding(
            "contents",
            f"entry {head.id} ({head.kind})",
            f"It or its postings were changed after posting. Now it says: {said}.",
        )


_GUARDS = frozenset(
    {
        "journal_entries_begin_open",
        "journal_entries_no_delete",
        "journal_entries_no_update",
        "postings_count",
        "postings_no_delete",
        "postings_no_update",
        "audit_events_no_delete",
        "audit_events_no_update",
    }
)


def _guards(organisation_id: int | None) -> Iterator[Finding]:
    """The triggers that keep history unchanged are there and switched on."""
    if db.session.get_bind().dialect.name == "postgresql":
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE tgenabled IN ('O', 'A') AND n.nspname = current_schema()"
        )
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    present = set(db.session.scalars(text(query)))
    for name in sorted(_GUARDS - present):
        yield Finding(
            "guards", f"trigger {name}", "It is missing or switched off; the database can be changed."
        )
