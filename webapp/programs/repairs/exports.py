"""The files of lists: repairs, instalments, weekly receipts, a driver's ledger; with exactly a page's filter and order.

A file is chosen by the words of an address, as the page's form reads them, so that the page, the file and a worker who
makes it later see the same rows. Sums are added up from the rows that are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Integer, type_coerce
from werkzeug.datastructures import MultiDict
from wtforms import SelectField

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation
from webapp.programs.repairs import filters, fleet_lists, ledger_list, listing, lists
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.filters import ListFilter
from webapp.programs.repairs.listing import Listing, Sort
from webapp.programs.repairs.models import Instalment
from webapp.programs.repairs.states import InstalmentState, RepairState, Workshop
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import texts
from webapp.web.table_files import Cells, Column, Kind, Sum, Table

REPAIRS, INSTALMENTS, RECEIPTS, LEDGER = "repairs", "instalments", "receipts", "ledger"
KINDS = (REPAIRS, INSTALMENTS, RECEIPTS, LEDGER)


@dataclass(frozen=True)
class Field:
    """A column of a file and where its values come from; `words` says what stands for each value."""

    column: Column
    source: Any
    words: Callable[[Any], str] | None = None


def _field(
    key: str, header: str, source: Any, kind: Kind = Kind.TEXT, width: int = 10, words: Any = None
) -> Field:
    if kind is Kind.DAY:
        source = texts.iso_day(source)
    elif kind is Kind.INSTANT:
        source = texts.iso_instant(source)
    return Field(Column(key, header, kind, width), source, words)


def _amount(key: str, header: str, source: Any) -> Field:
    return _field(key, header, source, Kind.AMOUNT, 11)


def _currency(source: Any) -> Field:
    return _field("currency", "Currency", source, width=8)


def _yes(value: Any) -> str:
    return "yes" if value else "no"


def _words(labels: Any) -> Callable[[Any], str]:
    return lambda value: str(labels(value).label) if value else ""


_R = lists.repair
_REPAIRS: tuple[Field, ...] = (
    _field("reference", "Repair", _R.reference, width=14),
    _field("invoice_number", "Invoice", _R.invoice_number, width=11),
    _field("invoice_date", "Invoice date", _R.invoice_date, Kind.DAY),
    _field("driver", "Driver", lists.driver.name, width=14),
    _field("driver_reference", "Driver number", lists.driver.reference, width=8),
    _field("lease", "Lease", lists.lease.reference, width=8),
    _field("vehicle", "Vehicle", lists.vehicle.plate, width=9),
    _field("medallion", "Medallion", lists.medallion.number, width=11),
    _field("workshop", "Workshop", _R.workshop, words=_words(Workshop)),
    _field("description", "Description", _R.description, width=15),
    _field("state", "State", _R.state, width=8, words=_words(RepairState)),
    _currency(_R.currency),
    _amount("amount", "Amount", _R.amount_minor),
    _amount("weekly", "Weekly", _R.weekly_minor),
    _amount("paid", "Paid", _R.paid_minor),
    _amount("credited", "Cancelled or taken back", _R.credited_minor),
    _amount("outstanding", "Outstanding", _R.amount_minor - _R.paid_minor - _R.credited_minor),
)
_INSTALMENTS: tuple[Field, ...] = (
    _field("reference", "Instalment", Instalment.reference, width=16),
    _field("repair", "Repair", lists.repair.reference, width=11),
    _field("loan", "Loan", lists.loan.reference, width=9),
    _field("number", "Number", type_coerce(Instalment.number, Integer), Kind.NUMBER, 6),
    _field("driver", "Driver", lists.driver.name, width=14),
    _field("driver_reference", "Driver number", lists.driver.reference, width=8),
    _field("vehicle", "Vehicle", lists.vehicle.plate, width=9),
    _field("week_start", "Week from", Instalment.week_start, Kind.DAY),
    _field("due_on", "Due on", Instalment.due_on, Kind.DAY),
    _field("state", "State", Instalment.state, words=_words(InstalmentState)),
    _field("posted_for", "Charged in the week from", Instalment.posted_for, Kind.DAY),
    _currency(Instalment.currency),
    _amount("amount", "Amount", Instalment.amount_minor),
    _amount("interest", "Of it interest", Instalment.interest_minor),
    _amount("balance_after", "Left after it", Instalment.balance_after_minor),
)
_RECEIPTS: tuple[Field, ...] = (
    _field("number", "Receipt", Receipt.number, width=17),
    _field("week_start", "Week from", Receipt.week_start, Kind.DAY),
    _field("driver", "Driver", lists.driver.name, width=14),
    _field("driver_reference", "Driver number", lists.driver.reference, width=8),
    _field("lease", "Lease", lists.lease.reference, width=8),
    _field("issue", "Issue", Receipt.revision, Kind.NUMBER, 5),
    _field("is_final", "Last of the lease", type_coerce(Receipt.is_final, Integer), width=7, words=_yes),
    _currency(Receipt.currency),
    _amount("opening", "Opening", Receipt.opening_credit_minor - Receipt.opening_debt_minor),
    _amount("earnings", "Earnings", Receipt.earnings_minor),
    _amount("charges", "Charges", Receipt.charges_minor),
    _amount("adjustments", "Adjustments", Receipt.adjustments_minor),
    _amount("net", "Net", Receipt.net_minor),
    _amount("paid", "Paid out", Receipt.paid_minor),
    _amount("difference", "Difference", Receipt.difference_minor),
    _amount("closing", "Closing", Receipt.closing_credit_minor - Receipt.closing_debt_minor),
    _field("payout", "Payout", lists.payout.reference, width=15),
    _field("payout_state", "State of the payout", lists.payout.state, words=_words(PayoutState)),
    _field("issued_at", "Issued at", Receipt.issued_at, Kind.INSTANT, 14),
)


def _ledger_fields(of: Listing) -> tuple[Field, ...]:
    c = of.query.selected_columns

    def about(value: str) -> str:
        kind, _, category = value.partition(":")
        return ledger_list.words_of(kind, category)

    return (
        _field("day", "Day", c.day, Kind.DAY),
        _field("kind", "What", c.kind, words=dict(ledger_list.KINDS).__getitem__),
        _field("category", "For", c.kind + ":" + c.category, width=14, words=about),
        _field("description", "Description", c.description, width=30),
        _currency(c.currency),
        _amount("amount", "Amount", c.amount_minor),
        _amount("covered", "Of it covered", c.covered_minor),
        _amount("balance", "Balance", c.balance_minor),
        _field("receipt", "Receipt", c.receipt_number, width=17),
    )


#: Labels of the sums of each file.
SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    REPAIRS: (("amount", "Amount"), ("paid", "Paid"), ("credited", "Cancelled or taken back"),
              ("outstanding", "Outstanding")),
    INSTALMENTS: (("amount", "Amount"), ("interest", "Of it interest")),
    RECEIPTS: (("earnings", "Earnings"), ("charges", "Charges"), ("adjustments", "Adjustments"),
               ("paid", "Paid out")),
    LEDGER: (("charged", "Charged"), ("credited", "Credited"), ("paid_out", "Paid out"), ("net", "Net")),
}  # fmt: skip
_TITLES = {REPAIRS: "Repairs", INSTALMENTS: "Instalments", RECEIPTS: "Weekly receipts", LEDGER: "Ledger"}


@dataclass(frozen=True)
class Chosen:
    """A list as an address names it: what of it is shown, in which order, and the words of its filter."""

    what: str
    listing: Listing
    sort: Sort
    words: str
    title: str


def form_for(what: str, organisation: Organisation, args: MultiDict[str, str], today: date) -> ListFilter:
    """The form that reads the filter of a list. Raises KeyError for a list that there is not."""
    values: dict[str, Any] = {"currency": organisation.currency, "locale": organisation.locale}
    if what == INSTALMENTS:
        return filters.InstalmentFilterForm(args, today=today, **values)
    forms: dict[str, type[ListFilter]] = {
        REPAIRS: filters.RepairFilterForm, RECEIPTS: filters.ReceiptFilterForm, LEDGER: filters.LedgerFilterForm,
    }  # fmt: skip
    return forms[what](args, **values)


def choose(
    what: str, organisation: Organisation, args: MultiDict[str, str], today: date, driver: str = ""
) -> Chosen:
    """The list that an address names. Raises Invalid where its filter cannot be read, NotFound for a driver."""
    form = form_for(what, organisation, args, today)
    if not form.validate():
        wrong = next(field for field in form if field.errors)
        raise Invalid(wrong.name, str(wrong.errors[0]))
    title, chosen = _TITLES[what], form.chosen()  # type: ignore[attr-defined]
    if what == LEDGER:
        payee = fleet_lists.get_driver(organisation.id, driver)
        of = ledger_list.driver_ledger(organisation.id, payee.id, chosen)
        title = f"{title} of {payee.name} ({payee.reference})"
    else:
        make: Any = {REPAIRS: lists.repairs, INSTALMENTS: lists.instalments, RECEIPTS: lists.receipts}[what]
        of = make(organisation.id, chosen)
    return Chosen(what, of, of.sort(args.get("sort")), _filter_words(form, args), title)


def _filter_words(form: ListFilter, args: Mapping[str, str]) -> str:
    said = []
    for field in form:
        raw = (args.get(field.name) or "").strip()
        if raw:
            choices = field.iter_choices() if isinstance(field, SelectField) else ()
            label = next((str(label) for value, label, *_ in choices if value == raw), raw)
            said.append(f"{field.label.text}: {label}")
    return "; ".join(said) or "everything"


def table(chosen: Chosen, organisation: Organisation, made_at: datetime) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is."""
    fields = _fields(chosen)
    tally = _Tally([name for name, _ in SUMS[chosen.what]])
    of = replace(
        chosen.listing,
        query=chosen.listing.query.with_only_columns(
            *(field.source.label(f"file_{n}") for n, field in enumerate(fields)),
            *(column.label(f"sum_{name}") for name, column in chosen.listing.sums.items()),
        ),
    )
    stamp = made_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Table(
        title=f"{chosen.title}, {organisation.name}",
        facts=(("Filter", chosen.words), ("Order", chosen.sort.text), ("Made at", stamp)),
        columns=[field.column for field in fields],
        batches=lambda: _batches(of, chosen.sort, fields, tally),
        sums=tally.sums,
        summed=SUMS[chosen.what],
        is_letter=organisation.country in LETTER_COUNTRIES,
    )


def _fields(chosen: Chosen) -> tuple[Field, ...]:
    if chosen.what == LEDGER:
        return _ledger_fields(chosen.listing)
    return {REPAIRS: _REPAIRS, INSTALMENTS: _INSTALMENTS, RECEIPTS: _RECEIPTS}[chosen.what]


class _Tally:
    """What is added up while the rows go by."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._counts: dict[str, int] = defaultdict(int)
        self._sums: dict[tuple[str, str], int] = defaultdict(int)

    def clear(self) -> None:
        """Begin again."""
        self._counts.clear()
        self._sums.clear()

    def add(self, currencies: Sequence[str], columns: Sequence[Sequence[int]]) -> None:
        """A batch of rows: one column for each name."""
        for code in set(currencies):
            self._counts[code] += currencies.count(code)
        is_one = len(set(currencies)) == 1
        for name, column in zip(self._names, columns, strict=True):
            if is_one:
                self._sums[currencies[0], name] += sum(map(int, column))
            else:
                for code, amount in zip(currencies, column, strict=True):
                    self._sums[code, name] += int(amount)

    def sums(self) -> list[Sum]:
        """What was added up so far, by currency."""
        return [
            Sum(code, n, {name: Money(self._sums[code, name], code).plain for name in self._names})
            for code, n in sorted(self._counts.items())
        ]


def _batches(of: Listing, sort: Sort, fields: Sequence[Field], tally: _Tally) -> Iterator[Sequence[Cells]]:
    """The columns of the file as text, some thousand rows at a time."""
    tally.clear()
    amounts, place = texts.Amounts(), next(n for n, f in enumerate(fields) if f.column.key == "currency")
    known: list[dict[Any, str]] = [{} for _ in fields]
    for rows in listing.batches(of, sort):
        columns = list(zip(*rows, strict=True))
        currencies = columns[place]
        tally.add(currencies, columns[len(fields) : len(fields) + len(of.sums)])
        yield [
            _cells(field, column, currencies, amounts, words)
            for field, column, words in zip(fields, columns, known, strict=False)
        ]


def _cells(
    field: Field, values: Sequence[Any], currencies: Sequence[str], amounts: texts.Amounts, known: dict[Any, str]
) -> Cells:  # fmt: skip
    if field.words is not None:
        for value in set(values).difference(known):
            known[value] = field.words(value)
        return texts.named(values, known)
    if field.column.kind is Kind.NUMBER:
        return list(map(str, values))
    if field.column.kind is not Kind.AMOUNT:
        return values
    if None in values:
        # Beside what has no amount stays an empty cell.
        filled = amounts.column([value or 0 for value in values], currencies)
        return [None if value is None else cell for value, cell in zip(values, filled, strict=True)]
    return amounts.column(map(int, values), currencies)
