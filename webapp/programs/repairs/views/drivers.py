"""Drivers: the list with their balances, one driver's page, and the ledger with the balance after each line."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.payouts.views import listing as addresses
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import NO_PAGE, list_page, money, today
from webapp.people.models import Payee
from webapp.people.views.session import may_change
from webapp.programs.repairs import crediting, driver_lists, fleet_lists, ledger_list, lists, queries
from webapp.programs.repairs.filters import LedgerFilterForm
from webapp.programs.repairs.fleet_filters import DriverFilterForm
from webapp.programs.repairs.states import RepairState, Shift
from webapp.programs.repairs.views import files
from webapp.programs.repairs.views.area import AREA, PREFIX
from webapp.programs.repairs.views.fleet import lease_state
from webapp.programs.repairs.views.words import balance_words
from webapp.web import filters, listing
from webapp.web.htmx import is_fragment
from webapp.web.pagination import SIZES, Page, page_size

#: How much of each list the driver's page shows; the rest is one link away.
SHOWN = 10
DEBTS = 100


SUMS = (("owed", "Owed"), ("kept", "Kept for them"))


def _found(form: DriverFilterForm) -> listing.Listing:
    here = g.organisation
    return driver_lists.drivers(here.id, here.currency, form.chosen(), today())


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = DriverFilterForm(request.args)
    return pages.totals_page(
        AREA, _found(form) if form.validate() else None, form, "drivers", SUMS, "Drivers"
    )


def index() -> ResponseReturnValue:
    """Every driver, with what they owe and what is kept for them."""
    form, here = DriverFilterForm(request.args), g.organisation
    is_valid = form.validate()
    found = _found(form) if is_valid else None
    context = pages.list_context(AREA, found, "drivers", "driver")
    leases = driver_lists.leases_on([row.id for row in context["page"].items], today())
    rows = [
        {"row": row, "lease": leases.get(row.id), "owed": money(row.owed_minor, here.currency),
         "kept": money(row.kept_minor, here.currency), "words": balance_words(money(row.net_minor, here.currency))}
        for row in context["page"].items
    ]  # fmt: skip
    return list_page(AREA, "repairs/drivers.html", form, "drivers", is_valid=is_valid, rows=rows, **context)


def show(reference: str) -> ResponseReturnValue:
    """One driver: balances by category, open debts, loans, leases, receipts, the newest lines of the ledger."""
    here = g.organisation
    payee = fleet_lists.get_driver(here.id, reference)
    balance = queries.balance_of(here.id, payee, here.currency)
    leases = fleet_lists.leases_of(here.id, payee.id)
    debts = driver_lists.open_charges(here.id, payee.id, DEBTS + 1)
    return render_template(
        "repairs/driver.html",
        area=AREA,
        tab="drivers",
        payee=payee,
        balance=balance,
        words=balance_words(balance.net),
        categories=ledger_list.balances_by_category(here.id, payee.id, here.currency),
        debts=debts[:DEBTS],
        has_more_debts=len(debts) > DEBTS,
        loans=driver_lists.loans_of(here.id, payee.id),
        leases=[_lease_row(lease) for lease in leases],
        can_leave=any(lease.ends_on is None or lease.ends_on >= today() for lease in leases),
        repairs=_repairs(payee),
        receipts=[receipt_row(row) for row in _newest(lists.receipts(here.id, payee_id=payee.id))],
        lines=[line_row(row) for row in _newest(ledger_list.driver_ledger(here.id, payee.id))],
        deposit=crediting.deposit_of(payee),
        may_change=may_change(),
        now=utc_now(),
    )


def _newest(found: listing.Listing) -> Any:
    return listing.page(found, found.default, size=SHOWN).rows


def _lease_row(lease: Any) -> dict[str, Any]:
    return {
        "lease": lease,
        "plate": lease.vehicle.plate,
        "shift": Shift(lease.shift).label,
        "weekly": money(lease.weekly_minor, lease.currency),
        "state": lease_state(lease.starts_on, lease.ends_on),
    }


def _repairs(payee: Payee) -> list[dict[str, Any]]:
    return [
        {"row": row, "state": RepairState(row.state), "amount": money(row.amount_minor, row.currency),
         "left": money(row.outstanding_minor, row.currency)}
        for row in _newest(lists.repairs(payee.organisation_id, payee_id=payee.id))
    ]  # fmt: skip


def receipt_row(row: Any) -> dict[str, Any]:
    """What lists show of a weekly receipt."""
    return {
        "row": row,
        "net": money(row.net_minor, row.currency),
        "paid": money(row.paid_minor, row.currency),
        "opening": money(row.opening_minor, row.currency),
        "closing": money(row.closing_minor, row.currency),
    }


def line_row(row: Any) -> dict[str, Any]:
    """What lists show of a line of a driver's ledger."""
    amount = Money(row.amount_minor, row.currency)
    covered = None if row.covered_minor is None else Money(row.covered_minor, row.currency)
    return {
        "row": row,
        "what": ledger_list.words_of(row.kind, row.category),
        "amount": amount,
        "balance": Money(row.balance_minor, row.currency),
        "is_open": covered is not None and covered < -amount,
        "open": None if covered is None else -amount - covered,
    }


def ledger(reference: str) -> ResponseReturnValue:
    """Every line of a driver's ledger with the balance after it, and its filter."""
    here = g.organisation
    payee = fleet_lists.get_driver(here.id, reference)
    form = LedgerFilterForm(request.args, currency=here.currency, locale=here.locale)
    page, totals, is_valid = NO_PAGE, [], form.validate()
    if is_valid:
        found = ledger_list.driver_ledger(here.id, payee.id, form.chosen())
        page, totals = pages.page_of(found, "line"), listing.totals(found)
    endpoint = f"{PREFIX}.ledger"
    return (
        render_template(
            "repairs/ledger.html",
            area=AREA,
            tab="drivers",
            form=form,
            payee=payee,
            page=page,
            rows=[line_row(row) for row in page.items],
            totals=totals,
            file_links=files.links("ledger", reference=reference),
            kept=addresses.kept_choices(),
            sizes=_sizes(page, reference),
            chips=_chips(form, endpoint, reference) if is_valid else [],
            fragment=is_fragment(),
            has_errors=not is_valid,
            may_change=may_change(),
            now=utc_now(),
        ),
        200 if is_valid else 422,
    )


def _sizes(page: Page[Any], reference: str) -> list[dict[str, Any]]:
    """How many lines a page has; none where all fit on the smallest."""
    is_short = len(page.items) <= min(SIZES) and not page.previous_href and not page.next_href
    if is_short and "size" not in request.args:
        return []
    now, endpoint = page_size(), f"{PREFIX}.ledger"
    return [
        {"n": n, "href": addresses.address(endpoint, reference=reference, size=n), "is_current": n == now}
        for n in SIZES
    ]


def _chips(form: LedgerFilterForm, endpoint: str, reference: str) -> list[addresses.Chip]:
    """A chip for every filter in use; the address names the driver too."""
    found = []
    for name, raw in addresses.filter_values(form).items():
        choices = {choice.value: choice.label for choice in getattr(form[name], "choices", None) or []}
        href = addresses.address(endpoint, reference=reference, **{name: None})
        found.append(addresses.Chip(f"{form[name].label.text}: {choices.get(raw, raw)}", href))
    return found


def facts_of(payee: Payee) -> list[tuple[str, Any]]:
    """What the pages of acts say of a driver before anything is done."""
    here = g.organisation
    balance = queries.balance_of(here.id, payee, here.currency)
    return [
        ("Driver", f"{payee.name} ({payee.reference})"),
        ("Owed", filters.money(balance.owed)),
        ("Kept for the driver", filters.money(balance.kept)),
    ]
