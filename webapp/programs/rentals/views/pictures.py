"""The plots of rentals: arrears by age, success of transfers, reasons of failures, time to paid, what is to leave."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.kernel.money import Money
from webapp.payouts.views.words import wording
from webapp.programs.rentals.arrears_lists import Age
from webapp.programs.rentals.figures import FORECAST_DAYS, Forecast, Success, Times
from webapp.programs.rentals.views.common import span_words
from webapp.web import charts, charts_shapes, filters

RAILS = {"cashfree": "Cashfree", "sandbox": "Sandbox bank", "manual": "By hand", "bank_file": "Bank file"}


def _count(value: int) -> str:
    return f"{value:,}"


def _share(value: int) -> str:
    """Hundredths of a per cent as people read them: 97.5 %."""
    return f"{value // 100}.{value % 100:02d}".rstrip("0").rstrip(".") + " %"


def arrears(currency: str, ages: Sequence[Age]) -> charts.RowFigure:
    """Unpaid rent by its age, in one currency."""
    say = wording(currency)
    whole = sum(age.owed.amount for age in ages)
    old = sum(age.owed.amount for age in ages[1:])
    months = sum(age.count for age in ages)
    finding = f"{say(whole)} is late, of {_count(months)} {'rent' if months == 1 else 'rents'}"
    finding += f"; {say(old)} of it for more than 30 days." if old else ", none for more than 30 days."
    return charts.ranking(
        key=f"arrears-{currency.lower()}",
        title=f"Late rent by age, {currency}",
        finding=finding,
        items=[(f"{age.label} ({_count(age.count)})", age.owed.amount) for age in ages],
        say=say,
        item_header="Age",
        value_header="Owed",
    )


def success(rows: Sequence[Success]) -> charts.RowFigure | None:
    """How many transfers went well, by rail and try."""
    if not rows:
        return None
    good, all_ = sum(row.good for row in rows), sum(row.all for row in rows)
    first = [row for row in rows if row.n == 1]
    finding = f"{_count(good)} of {_count(all_)} transfers went well in 90 days"
    if first and (tried := sum(row.all for row in first)):
        finding += f", {_share(sum(row.good for row in first) * 10_000 // tried)} of the first tries"
    return charts.ranking(
        key="success",
        title="Transfers that went well, by rail and try",
        finding=f"{finding}.",
        items=[(f"{_rail(row)} ({_count(row.all)})", row.hundredths) for row in rows],
        full=charts_shapes.FULL,
        say=_share,
        item_header="Rail and try",
        value_header="Went well",
    )


def _rail(row: Success) -> str:
    name = RAILS.get(row.rail, row.rail.replace("_", " ").capitalize())
    return f"{name}, try {row.n}" if row.n < 4 else f"{name}, later tries"


def reasons(rows: Sequence[tuple[str, int]]) -> charts.RowFigure | None:
    """Why transfers failed or came back."""
    if not rows:
        return None
    whole = sum(n for _, n in rows)
    words, n = rows[0]
    return charts.ranking(
        key="failure-reasons",
        title="Why transfers failed or came back",
        finding=f"{_count(n)} of {_count(whole)} in 90 days: {words.rstrip('.')}.",
        items=rows,
        say=_count,
        item_header="Reason",
        value_header="Transfers",
    )


def times(found: Times | None) -> charts.RowFigure | None:
    """From the rent received to the owner paid."""
    if found is None:
        return None
    payouts = "payout" if found.count == 1 else "payouts"
    return charts.ranking(
        key="rent-to-paid",
        title="From the rent to the paid owner",
        finding=f"Half of {_count(found.count)} {payouts} took {span_words(found.median_minutes)} or less.",
        items=found.spans,
        say=_count,
        item_header="Time",
        value_header="Payouts",
    )


def forecast(found: Forecast, say_tick: charts.Wording) -> charts.BarFigure:
    """What is about to leave day by day, against what is there."""
    say = wording(found.currency)
    total: Money = found.made + found.expected
    finding = (
        f"{say(total.amount)} is about to leave in {FORECAST_DAYS} days, {say(found.made.amount)} of it in payouts "
        f"that exist; {say(found.there.amount)} is at the bank and the gateway."
    )
    if missing := max(0, found.made.amount - found.there.amount):
        finding += f" {say(missing)} is missing for the payouts that exist."
    if found.waits:
        finding += f" {say(found.waits.amount)} more waits for payment details."
    return charts.bars(
        key="cash-out",
        title=f"Cash-out forecast, {found.currency}",
        finding=finding,
        categories=[filters.day(day.day).rsplit(" ", 1)[0] for day in found.days],
        series=[
            charts.Series("Payouts that exist", tuple(day.made for day in found.days)),
            charts.Series("Owners' part of rents that fall due", tuple(day.expected for day in found.days)),
        ],
        say=say,
        say_tick=say_tick,
        category_header="Day",
    )
