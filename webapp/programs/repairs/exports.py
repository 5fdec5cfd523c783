"""The files of lists: repairs, instalments, weekly receipts, a driver's ledger; with exactly a page's filter and order.

A file is chosen by the words of an address, as the page's form reads them, so that the page, the file and a worker who
makes it later see the same rows. Sums are added up from the rows that are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Integer, type_coerce
from werkzeug.datastructures import MultiDict

from webapp.kernel.errors import Invalid
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation
from webapp.programs.repairs import filters, fleet_lists, ledger_list, lists
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.models import Instalment
from webapp.programs.repairs.states import InstalmentState, RepairState, Workshop
from webapp.statements.build import LETTER_COUNTRIES
from webapp.web import list_files
from webapp.web.filter_fields import ListFilter
from webapp.web.list_files import Field, amount, currency, field, words_of, yes
from webapp.web.listing import Listing, Sort
from webapp.web.table_files import Kind, Table

REPAIRS, INSTALMENTS, RECEIPTS, LEDGER = "repairs", "instalments", "receipts", "ledger"
KINDS = (REPAIRS, INSTALMENTS, RECEIPTS, LEDGER)


_R = lists.repair
_REPAIRS: tuple[Field, ...] = (
    field("reference", "Repair", _R.reference, width=14),
    field("invoice_number", "Invoice", _R.invoice_number, width=11),
    field("invoice_date", "Invoice date", _R.invoice_date, Kind.DAY),
    field("driver", "Driver", lists.driver.name, width=14),
    field("driver_reference", "Driver number", lists.driver.reference, width=8),
    field("lease", "Lease", lists.lease.reference, width=8),
    field("vehicle", "Vehicle", lists.vehicle.plate, width=9),
    field("medallion", "Medallion", lists.medallion.number, width=11),
    field("workshop", "Workshop", _R.workshop, words=words_of(Workshop)),
    field("description", "Description", _R.description, width=15),
    field("state", "State", _R.state, width=8, words=words_of(RepairState)),
    currency(_R.currency),
    amount("amount", "Amount", _R.amount_minor),
    amount("weekly", "Weekly", _R.weekly_minor),
    amount("paid", "Paid", _R.paid_minor),
    amount("credited", "Cancelled or taken back", _R.credited_minor),
    amount("outstanding", "Outstanding", _R.amount_minor - _R.paid_minor - _R.credited_minor),
)
_INSTALMENTS: tuple[Field, ...] = (
    field("reference", "Instalment", Instalment.reference, width=16),
    field("repair", "Repair", lists.repair.reference, width=11),
    field("loan", "Loan", lists.loan.reference, width=9),
    field("number", "Number", type_coerce(Instalment.number, Integer), Kind.NUMBER, 6),
    field("driver", "Driver", lists.driver.name, width=14),
    field("driver_reference", "Driver number", lists.driver.reference, width=8),
    field("vehicle", "Vehicle", lists.vehicle.plate, width=9),
    field("week_start", "Week from", Instalment.week_start, Kind.DAY),
    field("due_on", "Due on", Instalment.due_on, Kind.DAY),
    field("state", "State", Instalment.state, words=words_of(InstalmentState)),
    field("posted_for", "Charged in the week from", Instalment.posted_for, Kind.DAY),
    currency(Instalment.currency),
    amount("amount", "Amount", Instalment.amount_minor),
    amount("interest", "Of it interest", Instalment.interest_minor),
    amount("balance_after", "Left after it", Instalment.balance_after_minor),
)
_RECEIPTS: tuple[Field, ...] = (
    field("number", "Receipt", Receipt.number, width=17),
    field("week_start", "Week from", Receipt.week_start, Kind.DAY),
    field("driver", "Driver", lists.driver.name, width=14),
    field("driver_reference", "Driver number", lists.driver.reference, width=8),
    field("lease", "Lease", lists.lease.reference, width=8),
    field("issue", "Issue", Receipt.revision, Kind.NUMBER, 5),
    field("is_final", "Last of the lease", type_coerce(Receipt.is_final, Integer), width=7, words=yes),
    currency(Receipt.currency),
    amount("opening", "Opening", Receipt.opening_credit_minor - Receipt.opening_debt_minor),
    amount("earnings", "Earnings", Receipt.earnings_minor),
    amount("charges", "Charges", Receipt.charges_minor),
    amount("adjustments", "Adjustments", Receipt.adjustments_minor),
    amount("net", "Net", Receipt.net_minor),
    amount("paid", "Paid out", Receipt.paid_minor),
    amount("difference", "Difference", Receipt.difference_minor),
    amount("closing", "Closing", Receipt.closing_credit_minor - Receipt.closing_debt_minor),
    field("payout", "Payout", lists.payout.reference, width=15),
    field("payout_state", "State of the payout", lists.payout.state, words=words_of(PayoutState)),
    field("issued_at", "Issued at", Receipt.issued_at, Kind.INSTANT, 14),
)


def _ledger_fields(of: Listing) -> tuple[Field, ...]:
    c = of.query.selected_columns

    def about(value: str) -> str:
        kind, _, category = value.partition(":")
        return ledger_list.words_of(kind, category)

    return (
        field("day", "Day", c.day, Kind.DAY),
        field("kind", "What", c.kind, words=dict(ledger_list.KINDS).__getitem__),
        field("category", "For", c.kind + ":" + c.category, width=14, words=about),
        field("description", "Description", c.description, width=30),
        currency(c.currency),
        amount("amount", "Amount", c.amount_minor),
        amount("covered", "Of it covered", c.covered_minor),
        amount("balance", "Balance", c.balance_minor),
        field("receipt", "Receipt", c.receipt_number, width=17),
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
    return Chosen(what, of, of.sort(args.get("sort")), list_files.filter_words(form, args), title)


def table(chosen: Chosen, organisation: Organisation, made_at: datetime) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is."""
    return list_files.table(
        of=chosen.listing,
        sort=chosen.sort,
        fields=_fields(chosen),
        summed=SUMS[chosen.what],
        title=f"{chosen.title}, {organisation.name}",
        words=chosen.words,
        made_at=made_at,
        is_letter=organisation.country in LETTER_COUNTRIES,
    )


def _fields(chosen: Chosen) -> tuple[Field, ...]:
    if chosen.what == LEDGER:
        return _ledger_fields(chosen.listing)
    return {REPAIRS: _REPAIRS, INSTALMENTS: _INSTALMENTS, RECEIPTS: _RECEIPTS}[chosen.what]
