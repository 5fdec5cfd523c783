"""The journal as files that leave the house: CSV, and plain-text accounting for hledger and beancount.

Every format streams, sorted by date. In the plain-text formats a debit is positive, as in Paydesk, so that the
balances that those programs print are the sums of our postings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.money import Money, exponent
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.people.models import Organisation, Payee
from webapp.web.exports import csv_rows

# Format -> (ending of the file, media type).
FORMATS = {
    "csv": ("csv", "text/csv"),
    "hledger": ("journal", "text/plain"),
    "beancount": ("beancount", "text/plain"),
}
CSV_HEADERS = (
    "entry", "date", "kind", "description", "source_type", "source_id", "reverses_entry", "posting", "account",
    "account_name", "account_type", "payee", "currency", "debit", "credit", "amount", "balance_after", "created_by",
    "created_at",
)  # fmt: skip
_HLEDGER_ROOTS = {
    "asset": "assets",
    "liability": "liabilities",
    "income": "income",
    "expense": "expenses",
    "equity": "equity",
}
_BEANCOUNT_ROOTS = {kind: root.capitalize() for kind, root in _HLEDGER_ROOTS.items()}


def export(organisation: Organisation, format: str) -> Iterator[str]:
    """The organisation's whole journal as pieces of text. Raises ValueError for an unknown format."""
    if format not in FORMATS:
        raise ValueError(f"{format} is no export format; there are {', '.join(FORMATS)}")
    rows = _rows(organisation.id)
    if format == "csv":
        return csv_rows(CSV_HEADERS, map(_csv_row, rows))
    entries = (list(group) for _, group in itertools.groupby(rows, key=lambda row: row.id))
    return _hledger(organisation, entries) if format == "hledger" else _beancount(organisation, entries)


def _rows(organisation_id: int) -> Iterator[Any]:
    e, p, a = JournalEntry.__table__, Posting.__table__, Account.__table__
    query = (
        select(
            e.c.id, e.c.effective_on, e.c.kind, e.c.description, e.c.source_type, e.c.source_id, e.c.reverses_id,
            e.c.created_by_label, e.c.created_at, p.c.id.label("posting_id"), p.c.currency, p.c.amount_minor,
            p.c.balance_after_minor, a.c.code, a.c.name, a.c.type, Payee.__table__.c.name.label("payee"),
        )
        .join(p, p.c.entry_id == e.c.id)
        .join(a, a.c.id == p.c.account_id)
        .outerjoin(Payee.__table__, Payee.__table__.c.id == a.c.payee_id)
        .where(e.c.organisation_id == organisation_id)
        .order_by(e.c.effective_on, e.c.id, p.c.id)
        .execution_options(yield_per=1000)
    )  # fmt: skip
    yield from db.session.execute(query)


def _csv_row(row: Any) -> tuple[Any, ...]:
    amount = Money(row.amount_minor, row.currency)
    return (
        row.id, row.effective_on, row.kind, row.description, row.source_type, row.source_id, row.reverses_id,
        row.posting_id, row.code, row.name, row.type, row.payee, row.currency,
        amount if amount.amount > 0 else None, -amount if amount.amount < 0 else None, amount,
        Money(row.balance_after_minor, row.currency), row.created_by_label, row.created_at,
    )  # fmt: skip


class _Names:
    """Account names for a plain-text format: made from codes, and never the same for two codes."""

    def __init__(self, roots: dict[str, str], part: Any) -> None:
        self.roots, self.part = roots, part
        self.by_code: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, code: str, kind: str) -> str:
        if code not in self.by_code:
            parts = code.split(":")
            if parts[0] in ("income", "expense"):
                parts = parts[1:] or ["other"]
            name = unique = ":".join([self.roots[kind], *map(self.part, parts)])
            for n in itertools.count(2):
                if unique not in self._taken:
                    break
                unique = f"{name}-{n}"
            self._taken.add(unique)
            self.by_code[code] = unique
        return self.by_code[code]


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _hledger_part(part: str) -> str:
    # Two blanks end an account name and a semicolon begins a comment; brackets would make it virtual.
    return re.sub(r"[;()\[\]]", "-", _one_line(part))


def _hledger(organisation: Organisation, entries: Iterable[list[Any]]) -> Iterator[str]:
    names, currencies = _Names(_HLEDGER_ROOTS, _hledger_part), set()
    yield f"; Journal of {_one_line(organisation.name)}, exported by Paydesk. Debits are positive.\n"
    for rows in entries:
        head = rows[0]
        description = _one_line(head.description).replace(";", ",") or head.kind
        tags = f"kind:{head.kind}, source:{head.source_type}/{head.source_id}"
        if head.reverses_id:
            tags += f", reverses:{head.reverses_id}"
        lines = [f"\n{head.effective_on.isoformat()} * ({head.id}) {description}  ; {tags}"]
        for row in rows:
            currencies.add(row.currency)
            amount = f"{Money(row.amount_minor, row.currency).plain} {row.currency}"
            lines.append(f"    {names(row.code, row.type):<45}  {amount:>20}")
        yield "\n".join(lines) + "\n"
    # Declared at the end, where all of them are known; hledger does not mind the order.
    yield "\n"
    for currency in sorted(currencies):
        yield f"commodity {_commodity_example(currency)}\n"
    for code, name in sorted(names.by_code.items()):
        yield f"account {name}  ; code:{_one_line(code)}\n"


def _commodity_example(currency: str) -> str:
    # The decimal mark must be there, also for a currency without decimals.
    decimals = exponent(currency)
    return f"1000.{'0' * decimals} {currency}"


def _beancount_part(part: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9-]+", "-", "".join(word[:1].upper() + word[1:] for word in part.split("_")))
    cleaned = cleaned.strip("-") or "X"
    return cleaned if cleaned[0].isalnum() and not cleaned[0].islower() else cleaned[0].upper() + cleaned[1:]


def _quoted(text: str) -> str:
    return '"' + _one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _beancount(organisation: Organisation, entries: Iterable[list[Any]]) -> Iterator[str]:
    names = _Names(_BEANCOUNT_ROOTS, _beancount_part)
    opened: dict[str, tuple[date, set[str]]] = {}
    yield f'; Exported by Paydesk. Debits are positive.\noption "title" {_quoted(organisation.name)}\n'
    yield f'option "operating_currency" "{organisation.currency}"\n'
    for rows in entries:
        head = rows[0]
        lines = [f"\n{head.effective_on.isoformat()} * {_quoted(head.description or head.kind)}"]
        lines += [f'  entry: "{head.id}"', f"  kind: {_quoted(head.kind)}"]
        lines.append(f"  source: {_quoted(f'{head.source_type}/{head.source_id}')}")
        if head.reverses_id:
            lines.append(f'  reverses: "{head.reverses_id}"')
        for row in rows:
            name = names(row.code, row.type)
            opened.setdefault(name, (head.effective_on, set()))[1].add(row.currency)
            lines.append(f"  {name:<45}  {Money(row.amount_minor, row.currency).plain:>16} {row.currency}")
        yield "\n".join(lines) + "\n"
    # Beancount sorts by date; accounts open on the day of their first posting.
    yield "\n"
    codes = {name: code for code, name in names.by_code.items()}
    for name, (day, currencies) in sorted(opened.items()):
        yield f"{day.isoformat()} open {name} {','.join(sorted(currencies))}\n  code: {_quoted(codes[name])}\n"
