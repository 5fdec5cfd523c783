"""Brings the lines of a file into the tables; a line that another file brought already stays single."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import func, select

from webapp.database import db, insert_many
from webapp.kernel.errors import Invalid
from webapp.reconciliation import rules
from webapp.reconciliation.lines import Line, Parsed, StatementPart
from webapp.reconciliation.models import BankAccount, Statement, StatementFile, StatementLine
from webapp.reconciliation.states import Source
from webapp.secrets import key_ring

CHUNK = 2_000


def store(file: StatementFile, parsed: Parsed, *, switch: bool, now: datetime) -> int:
    """Write statements and lines of a file; how many lines are new. Raises Invalid for another account than ours.

    `switch`: the person's word that the ledger is compared with this account from now on.
    """
    for part in parsed.statements:
        account_id = None
        if parsed.source is Source.BANK:
            account_id = _account(file.organisation_id, part, switch=switch, now=now).id
        db.session.add(_statement(file, part, account_id))
        db.session.flush()
        _insert(rows_of(file, part, account_id))
    counted = select(func.count()).select_from(StatementLine).where(StatementLine.file_id == file.id)
    return int(db.session.scalar(counted) or 0)


def several_accounts(parsed: Parsed) -> str:
    """A sentence when a file has several accounts of one currency; empty when it has one."""
    seen: dict[str, set[str]] = {}
    for part in parsed.statements:
        seen.setdefault(part.currency, set()).add(part.account)
    for currency, accounts in seen.items():
        if parsed.source is Source.BANK and len(accounts) > 1:
            names = ", ".join(sorted(rules.masked(account) for account in accounts)[:5])
            return (
                f"The file has statements of several accounts in {currency}: {names}. The ledger has one bank "
                "account in each currency. Ask the bank for the statements of the account that payouts leave."
            )
    return ""


def other_account(organisation_id: int, parsed: Parsed) -> str:
    """A sentence when a statement is of another account than the ledger is compared with; else empty."""
    if parsed.source is not Source.BANK:
        return ""
    for part in parsed.statements:
        current = _current(organisation_id, part.currency)
        if current is not None and current.account_digest != _digest(part.account):
            return (
                f"This statement is of {rules.masked(part.account)}; the ledger's bank account in {part.currency} "
                f"is compared with {current.label}."
            )
    return ""


def _digest(account: str) -> str:
    plain = "".join(c for c in account.upper() if c.isalnum())
    return key_ring().blind_index(f"reconciliation:{plain}")


def _current(organisation_id: int, currency: str) -> BankAccount | None:
    return db.session.scalar(
        select(BankAccount).where(
            BankAccount.organisation_id == organisation_id,
            BankAccount.currency == currency,
            BankAccount.is_current,
        )
    )


def _account(organisation_id: int, part: StatementPart, *, switch: bool, now: datetime) -> BankAccount:
    number = _digest(part.account)
    current = _current(organisation_id, part.currency)
    if current is not None and current.account_digest == number:
        return current
    if current is not None:
        if not switch:
            raise Invalid(
                "switch",
                f"This statement is of {rules.masked(part.account)}, not of {current.label}. Tick the box if the "
                "ledger is to be compared with it from now on.",
            )
        current.is_current = False
        db.session.flush()
    known = db.session.scalar(
        select(BankAccount).where(
            BankAccount.organisation_id == organisation_id,
            BankAccount.currency == part.currency,
            BankAccount.account_digest == number,
        )
    )
    account = known or BankAccount(
        organisation_id=organisation_id,
        currency=part.currency,
        account_digest=number,
        label=rules.masked(part.account),
        created_at=now,
    )
    account.is_current = True
    db.session.add(account)
    db.session.flush()
    return account


def _statement(file: StatementFile, part: StatementPart, account_id: int | None) -> Statement:
    days = [line.booked_on for line in part.lines]
    return Statement(
        file_id=file.id,
        account_id=account_id,
        number=part.number[:120],
        currency=part.currency,
        begins_on=_begins_on(part, days),
        opening_minor=part.opening_minor,
        closing_minor=part.closing_minor,
        closing_on=max([*days, part.closing_on] if part.closing_on else days, default=None),
    )


def _begins_on(part: StatementPart, days: list[date]) -> date | None:
    """The first day that a statement speaks of, also one without a line on that day, or without any line.

    An opening balance is dated on the first day, or on the one before: a line on its own day says the former.
    """
    known = list(days)
    if part.opening_on is not None:
        after = part.opening_on + timedelta(days=1)
        known.append(min(after, part.closing_on) if part.closing_on else after)
    return min(known, default=part.closing_on)


def rows_of(file: StatementFile, part: StatementPart, account_id: int | None) -> Iterator[dict[str, Any]]:
    """The lines of a statement as they are kept; without those of nothing."""
    for line in part.lines:
        if line.amount_minor:
            yield _row(file, line, account_id)


def _row(file: StatementFile, line: Line, account_id: int | None) -> dict[str, Any]:
    return {
        "organisation_id": file.organisation_id,
        "source": file.source,
        "file_id": file.id,
        "account_id": account_id,
        "line_key": line.key,
        "booked_on": line.booked_on,
        "value_on": line.value_on,
        "currency": line.currency,
        "amount_minor": line.amount_minor,
        "our_id": line.our_id[:120],
        "payout_reference": line.payout_reference[:120],
        "utr": line.utr[:120],
        "bank_reference": line.bank_reference[:120],
        "end_to_end": line.end_to_end[:120],
        "batch_reference": line.batch_reference[:120],
        "batch_count": line.batch_count,
        "counterparty": line.counterparty,
        "text": line.text,
        "status": line.status,
        "meaning": rules.meaning(line.status) if line.status else "",
        "is_matched": False,
    }


def _insert(rows: Iterator[dict[str, Any]]) -> None:
    while chunk := list(islice(rows, CHUNK)):
        insert_many(db.session(), StatementLine, chunk, ignores_conflicts=True)
