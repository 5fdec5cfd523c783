"""A driver's ledger for pages, files and the API: each charge, earning, adjustment and payout, with the balance.

The balance is the driver's: what is kept for them less what they owe, as weekly receipts carry it on. It is worked
out by the database over all of the driver's lines, so a filter shows the same balance beside a line as the whole list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from webapp.database import ask, like
from webapp.kernel.money import Money
from webapp.programs.repairs.books import Adjustment, Charge, Earning, Receipt
from webapp.programs.repairs.states import AdjustmentKind, Category
from webapp.web.listing import Listing, Sort

CHARGE, EARNING, ADJUSTMENT, PAYOUT = "charge", "earning", "adjustment", "payout"
KINDS = ((CHARGE, "Charge"), (EARNING, "Earning"), (ADJUSTMENT, "Payment or credit"), (PAYOUT, "Payout"))
#: The key of a line is the id of its record times this, plus the place of its kind.
KINDS_AT_MOST = 4


@dataclass(frozen=True)
class LedgerFilter:
    """What a driver's ledger is narrowed to. `kind` is one of KINDS, `category` a word of Category (charges alone)."""

    text: str = ""
    kind: str = ""
    category: str = ""
    date_from: date | None = None
    date_to: date | None = None


class last_day(FunctionElement[date]):
    """The last day of the week that begins on a day: a receipt's payout belongs to the week that it closes."""

    inherit_cache = True
    type = Date()
    name = "last_day"


@compiles(last_day, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"date({compiler.process(element.clauses, **kw)}, '+6 days')"


@compiles(last_day, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} + 6)"


def _lines(
    model: Any, place: int, kind: str, day: Any, category: Any, words: Any, signed: Any, covered: Any,
    receipt_id: Any, *conditions: ColumnElement[bool],
) -> Select[Any]:  # fmt: skip
    # Types are said, because the parts are put together: both engines then give the same kinds of values.
    return select(
        (model.id * KINDS_AT_MOST + place).label("id"),
        day.label("day"),
        cast(literal(kind), String).label("kind"),
        cast(category, String).label("category"),
        cast(words, String).label("description"),
        model.currency.label("currency"),
        signed.label("amount_minor"),
        cast(covered, BigInteger).label("covered_minor"),
        receipt_id.label("receipt_id"),
    ).where(*conditions)


def _all_lines(organisation_id: int, payee_id: int) -> Any:
    def mine(model: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return model.organisation_id == organisation_id, model.payee_id == payee_id

    return union_all(
        _lines(Earning, 0, EARNING, Earning.earned_on, Earning.source, Earning.description, Earning.amount_minor,
               null(), Earning.receipt_id, *mine(Earning)),
        _lines(Charge, 1, CHARGE, Charge.charged_on, Charge.category, Charge.description, -Charge.amount_minor,
               Charge.paid_minor + Charge.credited_minor, Charge.receipt_id, *mine(Charge)),
        _lines(Adjustment, 2, ADJUSTMENT, Adjustment.happened_on, Adjustment.kind, Adjustment.description,
               Adjustment.amount_minor, null(), Adjustment.receipt_id, *mine(Adjustment)),
        # A correction repeats what the receipt before it paid.
        _lines(Receipt, 3, PAYOUT, last_day(Receipt.week_start), literal(PAYOUT), Receipt.number,
               -Receipt.paid_minor, null(), Receipt.id, *mine(Receipt), Receipt.revision == 1, Receipt.paid_minor > 0),
    ).subquery("lines")  # fmt: skip


def driver_ledger(organisation_id: int, payee_id: int, chosen: LedgerFilter | None = None) -> Listing:
    """One driver's lines, by default the newest first.

    Columns: id, day, kind (of KINDS), category (of a charge a word of Category, of an earning its source, of an
    adjustment a word of AdjustmentKind), description, currency, amount_minor (signed: what it adds to the driver's
    balance), covered_minor (of a charge: paid, taken back or written off; else None), receipt_number (the weekly
    receipt that counts it; None until there is one), balance_minor (after this line).
    Orders: date. Sums: charged, credited (all else), paid_out, net.
    """
    lines = _all_lines(organisation_id, payee_id)
    balance = func.sum(lines.c.amount_minor).over(
        partition_by=lines.c.currency, order_by=(lines.c.day, lines.c.id), rows=(None, 0)
    )
    numbered = (
        select(
            lines, cast(balance, BigInteger).label("balance_minor"), Receipt.number.label("receipt_number")
        )
        .outerjoin(Receipt, Receipt.id == lines.c.receipt_id)
        .subquery("ledger")
    )
    c = numbered.c
    everything = select(
        c.id, c.day, c.kind, c.category, c.description, c.currency, c.amount_minor, c.covered_minor,
        c.receipt_number, c.balance_minor,
    )  # fmt: skip

    def of(*kinds: str) -> Any:
        return case((c.kind.in_(kinds), c.amount_minor), else_=0)

    return Listing(
        everything.where(*_clauses(c, chosen or LedgerFilter())),
        everything,
        c.id,
        {"date": (c.day,)},
        Sort("date", is_descending=True),
        c.currency,
        {
            "charged": -of(CHARGE), "credited": of(EARNING, ADJUSTMENT), "paid_out": -of(PAYOUT),
            "net": c.amount_minor,
        },
    )  # fmt: skip


def _clauses(c: Any, chosen: LedgerFilter) -> Iterator[ColumnElement[bool]]:
    if text := chosen.text.strip():
        yield like(c.description, text) | like(c.receipt_number, text)
    if chosen.kind:
        yield c.kind == chosen.kind
    if chosen.category:
        yield (c.kind == CHARGE) & (c.category == chosen.category)
    if chosen.date_from:
        yield c.day >= chosen.date_from
    if chosen.date_to:
        yield c.day <= chosen.date_to


@dataclass(frozen=True)
class CategoryBalance:
    """What a driver was charged for in one category, and what of it is covered and open."""

    category: Category
    charged: Money
    covered: Money
    open: Money


def balances_by_category(organisation_id: int, payee_id: int, currency: str) -> list[CategoryBalance]:
    """Every category that something was ever charged in, in the usual order; one question."""
    covered = Charge.paid_minor + Charge.credited_minor
    rows = ask(
        select(Charge.category, func.sum(Charge.amount_minor), func.sum(covered))
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee_id,
            Charge.currency == currency,
        )
        .group_by(Charge.category)
    )
    found = {category: (int(charged), int(paid)) for category, charged, paid in rows}
    return [
        CategoryBalance(
            category,
            Money(found[category][0], currency),
            Money(found[category][1], currency),
            Money(found[category][0] - found[category][1], currency),
        )
        for category in Category
        if category in found
    ]


def words_of(kind: str, category: str) -> str:
    """What a line is about, in words: "Taxes" of a charge, the source of an earning, "Credit" of an adjustment."""
    if kind == CHARGE:
        return Category(category).label
    if kind == ADJUSTMENT:
        return AdjustmentKind(category).label
    return category if kind == EARNING else dict(KINDS)[kind]
