"""Lists (CSV, Excel) as lines, by a mapping of columns that a person has seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from webapp.imports import columns as mapping
from webapp.imports.columns import Mapped, Reading, Row
from webapp.imports.kinds import Cell, Field, Kind
from webapp.imports.tables import Table
from webapp.imports.values import parse_day
from webapp.kernel.errors import Invalid
from webapp.reconciliation import rules
from webapp.reconciliation.lines import Keyed, Line, Parsed, StatementPart, minor
from webapp.reconciliation.states import FileFormat, Source

#: So many bad rows are named when a list is refused.
NAMED_PROBLEMS = 3


def _no_importer(*_: object) -> None:  # pragma: no cover - lists of this room are never brought in as records
    raise NotImplementedError


_TEXT_FIELDS = (
    Field("currency", "Currency", "Code of the currency; the organisation's own where it is left out.", "INR",
          aliases=("ccy", "currency_code", "transfer_currency")),
    Field("utr", "UTR or trace number", "The bank's number of the payment.", "HDFCN26111900001",
          aliases=("utr_number", "utr_no", "transfer_utr", "rrn", "trace", "ref_no_cheque_no", "chq_ref_no",
                   "chq_ref_number", "bank_reference_number", "utr_rrn")),
    Field("bank_reference", "Their own number", "The number that the other side gives the movement.", "S123",
          aliases=("transaction_id", "tran_id", "reference", "reference_id", "cf_transfer_id",
                   "cashfree_transfer_id", "bank_reference", "tran_ref", "id")),
    Field("counterparty", "Other party", "Whom the money went to or came from.", "Asha Rao",
          aliases=("name", "payee", "beneficiary", "beneficiary_name", "bene_name", "counterparty")),
    Field("text", "Description", "What the other side says about it.", "NEFT to Asha Rao",
          aliases=("narration", "description", "particulars", "remarks", "details", "transaction_details",
                   "transaction_remarks", "transfer_remarks", "memo")),
)  # fmt: skip

BANK_LIST = Kind(
    "bank_list",
    "Bank statement",
    "One row for every movement of one account.",
    (
        Field("booked_on", "Day", "The day on which the bank booked it.", "2026-11-20", Cell.DAY, True,
              aliases=("date", "booking_date", "transaction_date", "txn_date", "posting_date", "post_date",
                       "value_date")),
        Field("amount", "Amount", "What came in; out is negative.", "-4500.00", Cell.NUMBER,
              aliases=("transaction_amount", "amount_inr", "txn_amount")),
        Field("debit", "Money out", "Instead of one amount: what went out.", "4500.00", Cell.NUMBER,
              aliases=("withdrawal", "withdrawal_amt", "withdrawal_amount", "debit_amount", "withdrawals", "dr",
                       "paid_out", "money_out", "withdrawal_amount_inr")),
        Field("credit", "Money in", "Instead of one amount: what came in.", "120.00", Cell.NUMBER,
              aliases=("deposit", "deposit_amt", "deposit_amount", "credit_amount", "deposits", "cr", "paid_in",
                       "money_in", "deposit_amount_inr")),
        Field("balance", "Balance after it", "The account's balance after the movement.", "120500.00", Cell.NUMBER,
              aliases=("closing_balance", "running_balance", "balance_inr", "available_balance")),
        Field("account", "Account", "Which account the row is of, where the list has several.", "50100012345678",
              aliases=("account_number", "account_no", "iban")),
        Field("end_to_end", "Reference that we gave", "What we asked the bank to carry along.", "PD2AB…",
              aliases=("end_to_end_id", "endtoendid", "customer_reference", "our_reference", "e2e")),
        *_TEXT_FIELDS,
    ),
    _no_importer,  # type: ignore[arg-type]
)  # fmt: skip

PROVIDER_LIST = Kind(
    "provider_list",
    "Provider's list of transfers",
    "One row for every transfer.",
    (
        Field("transfer_id", "Our transfer id", "The id under which we ordered it.", "PD2AB…", Cell.TEXT, True,
              aliases=("transferid", "merchant_transfer_id", "merchant_reference", "client_reference",
                       "merchant_reference_id", "order_id")),
        Field("happened_on", "Day", "The day of the transfer.", "2026-11-20", Cell.DAY, True,
              aliases=("added_on", "processed_on", "date", "created_at", "created_on", "transfer_date",
                       "initiated_on", "added_at", "transaction_time", "updated_on")),
        Field("amount", "Amount", "What was transferred.", "4500.00", Cell.NUMBER, True,
              aliases=("transfer_amount", "transaction_amount", "payout_amount")),
        Field("status", "Status", "The provider's word for where it stands.", "SUCCESS", Cell.TEXT, True,
              aliases=("transfer_status", "state", "transaction_status")),
        *_TEXT_FIELDS,
    ),
    _no_importer,  # type: ignore[arg-type]
)  # fmt: skip

#: Columns by which Cashfree's own export is told: one of each group, as they are called in one report or another.
_CASHFREE = (
    {"transfer_id", "transferid"},
    {"status", "transfer_status"},
    {"cf_transfer_id", "reference_id", "cashfree_transfer_id", "transfer_mode", "transfer_utr"},
)


def is_cashfree(table: Table) -> bool:
    """Whether a list has the columns of Cashfree's report of transfers."""
    names = set(mapping.positions(table))
    return all(names & group for group in _CASHFREE)


def kind_of(source: Source) -> Kind:
    """The fields that a list of a source has."""
    return BANK_LIST if source is Source.BANK else PROVIDER_LIST


def guessed(kind: Kind, table: Table, default: Reading) -> tuple[dict[str, str], Reading]:
    """Our field -> the list's column, and how it writes days and numbers, as far as it tells."""
    return mapping.guess(kind, table), mapping.guess_reading(table, default)


def read(
    table: Table,
    *,
    source: Source,
    chosen: Mapping[str, str],
    reading: Reading,
    home_currency: str,
    account: str = "",
    provider: str = "",
) -> Parsed:
    """The lines of a list by a mapping (ours -> theirs). Raises Invalid at the field, or at "file" with the rows.

    Nothing of a list is read where one row of it cannot be: a line that is left out would be looked for for ever.
    """
    kind = kind_of(source)
    mapped = mapping.map_exactly(kind, table, chosen, reading)
    if source is Source.BANK and "amount" not in chosen and not {"debit", "credit"} <= chosen.keys():
        raise Invalid("amount", "Choose the column of the amount, or those of money out and money in.")
    if source is Source.BANK:
        return _bank(mapped, home_currency, account)
    return _provider(mapped, home_currency, provider)


def _rows(mapped: Mapped) -> list[Row]:
    rows = list(mapped.rows())
    bad = [problem for row in rows for problem in row.problems]
    _refuse([(problem.line, problem.short) for problem in bad])
    return rows


def _refuse(problems: list[tuple[int, str]]) -> None:
    if problems:
        named = " ".join(f"Line {line}: {words}" for line, words in problems[:NAMED_PROBLEMS])
        more = len(problems) - NAMED_PROBLEMS
        raise Invalid("file", named + (f" And {more:,} more." if more > 0 else ""))


def _bank(mapped: Mapped, home: str, account: str) -> Parsed:
    keys, problems = Keyed(), []
    groups: dict[tuple[str, str], list[tuple[Line, int | None]]] = {}
    for row in _rows(mapped):
        try:
            whose = row["account"][:40] or account
            if not whose:
                raise Invalid("account", "Say which account the list is of.")
            line, balance = _bank_line(row, home)
            groups.setdefault((whose, line.currency), []).append((keys.line(whose, line), balance))
        except Invalid as error:
            if error.field == "account":
                raise
            problems.append((row.line, error.message))
    _refuse(problems)
    notes: list[str] = []
    parts = tuple(
        _with_balances(whose, currency, found, notes) for (whose, currency), found in groups.items()
    )
    return Parsed(Source.BANK, FileFormat.CSV, parts, tuple(notes))


def _bank_line(row: Row, home: str) -> tuple[Line, int | None]:
    currency = (row["currency"] or home).upper()
    where = f"The row on line {row.line}"
    amount = _number(row, "amount", currency, where)
    if amount is None:
        out, into = _number(row, "debit", currency, where), _number(row, "credit", currency, where)
        if not out and not into:
            raise Invalid("amount", "It has no amount.")
        amount = abs(into or 0) - abs(out or 0)
    if amount == 0:
        raise Invalid("amount", "Its amount is zero.")
    line = Line(
        booked_on=_day(row, "booked_on"),
        amount_minor=amount,
        currency=currency,
        utr=rules.no_filler(row["utr"]),
        bank_reference=rules.no_filler(row["bank_reference"]),
        end_to_end=rules.no_filler(row["end_to_end"]),
        counterparty=row["counterparty"],
        text=row["text"],
    )
    return line, _number(row, "balance", currency, where)


def _number(row: Row, name: str, currency: str, where: str) -> int | None:
    if not row[name]:
        return None
    try:
        return minor(Decimal(row[name]), currency, where)
    except InvalidOperation:
        raise Invalid(name, f"{row[name][:40]!r} is not a number.", "1234.50") from None


def _day(row: Row, name: str) -> date:
    text = row[name]
    # An instant says its day first: 2026-11-20T10:15:00Z, 2026-11-20 10:15:00.
    day = parse_day(name, text[:10] if len(text) > 10 and text[4:5] == "-" else text)
    if day is None:
        raise Invalid(name, "It has no day.")
    return day


def _with_balances(
    account: str, currency: str, rows: list[tuple[Line, int | None]], notes: list[str]
) -> StatementPart:
    """The lines of one account, oldest first, with the balances that its running balance tells."""
    lines = [line for line, _ in rows]
    ordered = _in_order(rows)
    if ordered is None:
        if any(balance is not None for _, balance in rows):
            notes.append(
                f"The balances of {rules.masked(account)} do not follow from its rows; they are not used."
            )
        return StatementPart(account, currency, tuple(lines))
    first, last = ordered[0], ordered[-1]
    assert first[1] is not None  # noqa: S101 - _in_order answers only complete balances
    return StatementPart(
        account=account,
        currency=currency,
        lines=tuple(line for line, _ in ordered),
        opening_minor=first[1] - first[0].amount_minor,
        opening_on=first[0].booked_on,
        closing_minor=last[1],
        closing_on=last[0].booked_on,
    )


def _in_order(rows: list[tuple[Line, int | None]]) -> list[tuple[Line, int | None]] | None:
    """The rows oldest first, if their running balance follows from them in one direction."""
    if any(balance is None for _, balance in rows):
        return None
    for candidate in (rows, rows[::-1]):
        steps = pairwise(candidate)
        if all(
            (after or 0) - (before or 0) == line.amount_minor for (_, before), (line, after) in steps
        ) and (candidate[0][0].booked_on <= candidate[-1][0].booked_on):
            return candidate
    return None


def _provider(mapped: Mapped, home: str, provider: str) -> Parsed:
    keys, problems = Keyed(), []
    lines: dict[str, list[Line]] = {}
    for row in _rows(mapped):
        try:
            line = _provider_line(row, home)
            lines.setdefault(line.currency, []).append(keys.line(provider, line))
        except Invalid as error:
            problems.append((row.line, error.message))
    _refuse(problems)
    parts = tuple(StatementPart(provider, currency, tuple(found)) for currency, found in lines.items())
    wire_format = FileFormat.CASHFREE if provider == "cashfree" else FileFormat.PROVIDER_CSV
    return Parsed(Source.PROVIDER, wire_format, parts, (), provider)


def _provider_line(row: Row, home: str) -> Line:
    currency = (row["currency"] or home).upper()
    for name in ("transfer_id", "status", "amount"):
        if not row[name]:
            raise Invalid(name, f"It has no {name.replace('_', ' ')}.")
    amount = _number(row, "amount", currency, f"The row on line {row.line}")
    if not amount or amount < 0:
        raise Invalid("amount", "Its amount is not above zero.")
    made = Line(
        booked_on=_day(row, "happened_on"),
        # Out of our account, as in a bank's statement.
        amount_minor=-amount,
        currency=currency,
        our_id=row["transfer_id"][:120],
        utr=rules.no_filler(row["utr"]),
        bank_reference=rules.no_filler(row["bank_reference"]),
        counterparty=row["counterparty"],
        text=row["text"],
        status=row["status"][:60],
    )
    return replace(made, end_to_end=made.our_id)
