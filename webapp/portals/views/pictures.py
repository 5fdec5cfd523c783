"""The plots of the admins' home: what is about to leave, what was paid, how transfers went, how long it took."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from webapp.kernel.clock import add_months
from webapp.kernel.words import day_range
from webapp.payouts import figures as payouts
from webapp.payouts.views.words import short_wording, wording
from webapp.portals import figures
from webapp.web import charts, charts_shapes, filters

RAILS = {
    "sandbox": "Sandbox bank", "manual": "By hand", "bank_file": "Bank file", "wallet": "Wallet",
}  # fmt: skip


def _count(value: int) -> str:
    return f"{value:,}"


def _share(value: int) -> str:
    """Hundredths of a per cent as people read them: 97.5 %."""
    return f"{value // 100}.{value % 100:02d}".rstrip("0").rstrip(".") + " %"


def span_words(minutes: int) -> str:
    """ "7 minutes", "3 hours", "2 days": the largest unit that fits, rounded down."""
    for size, one in ((24 * 60, "day"), (60, "hour")):
        if minutes >= size:
            n = minutes // size
            return f"{n} {one}" if n == 1 else f"{n:,} {one}s"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def forecast(found: figures.Forecast, say_tick: charts.Wording) -> charts.BarFigure | None:
    """What is about to leave day by day, against what is there; None where nothing is."""
    say = wording(found.currency)
    series = [charts.Series(name, tuple(values)) for name, values in found.series if any(values)]
    if not series and not found.stopped.amount:
        return None
    finding = f"{say(found.approved.amount)} is approved or on the way"
    if found.to_approve.amount:
        finding += f", {say(found.to_approve.amount)} waits for approval"
    finding += f". {_there(found)}"
    if found.stopped.amount:
        stopped = say(found.stopped.amount)
        finding += f" {stopped} more waits for somebody: it failed, is on hold or lacks payment details."
    return charts.bars(
        key="cash-out",
        title=f"What is about to leave, {found.currency}",
        finding=finding,
        categories=[filters.day(day).rsplit(" ", 1)[0] for day in found.days],
        series=series or [charts.Series("Payouts", (0,) * len(found.days))],
        say=say,
        say_tick=say_tick,
        category_header="Day",
    )


def _there(found: figures.Forecast) -> str:
    """A sentence about the money at the bank, and what of it is missing."""
    there = found.balance
    if there is None:
        return "What is at the bank is not known here: upload a statement, or book what was paid in."
    say = wording(found.currency)
    known = f"by the statement of {filters.day(there.stated_on)}" if there.stated_on else "by the books"
    sentence = f"{say(there.amount.amount)} is at the bank {known}"
    missing = found.approved.amount - there.amount.amount
    return f"{sentence}; {say(missing)} is missing." if missing > 0 else f"{sentence}."


def success(found: figures.Outcomes) -> charts.RowFigure | None:
    """How many transfers went well, by rail and try."""
    if not found.rows:
        return None
    good, all_ = sum(row.good for row in found.rows), sum(row.all for row in found.rows)
    finding = f"{_count(good)} of the {'newest ' if found.is_part else ''}{_count(all_)} went well"
    if tried := sum(row.all for row in found.rows if row.n == 1):
        at_once = sum(row.good for row in found.rows if row.n == 1)
        finding += f", {_share(at_once * 10_000 // tried)} of the first tries"
    return charts.ranking(
        key="success",
        title="Transfers that went well, by rail and try",
        finding=f"{finding}.",
        items=[(f"{_rail(row)} ({_count(row.all)})", row.good * 10_000 // row.all) for row in found.rows],
        full=charts_shapes.FULL,
        say=_share,
        item_header="Rail and try",
        value_header="Went well",
    )


def _rail(row: figures.Outcome) -> str:
    name = RAILS.get(row.rail, row.rail.replace("_", " ").capitalize())
    return f"{name}, try {row.n}" if row.n < figures.LAST_TRY else f"{name}, later tries"


def reasons(found: figures.Outcomes) -> charts.RowFigure | None:
    """Why transfers failed or came back, the most frequent first."""
    if not found.reasons:
        return None
    words, n = found.reasons[0]
    whole = sum(count for _, count in found.reasons)
    return charts.ranking(
        key="failure-reasons",
        title="Why transfers failed or came back",
        finding=f"{_count(n)} of {_count(whole)}: {words.rstrip('.')}.",
        items=found.reasons,
        say=_count,
        item_header="Reason",
        value_header="Transfers",
    )


def times(found: figures.Times | None, locale: str) -> charts.RowFigure | None:
    """The middle of the time from made to paid, week by week."""
    if found is None:
        return None
    noun = "payout" if found.count == 1 else "payouts"
    part = "the newest " if found.is_part else ""
    return charts.ranking(
        key="made-to-paid",
        title="From made to paid, by week of payment",
        finding=f"Half of {part}{_count(found.count)} {noun} took {span_words(found.median_minutes)} or less.",
        items=[
            (f"{_week(week.start, locale)} ({_count(week.count)})", week.median_minutes)
            for week in found.weeks
        ],
        say=span_words,
        item_header="Week",
        value_header="Half took at most",
    )


def _week(start: date, locale: str) -> str:
    """ "28 Sep – 4 Oct": the year is left out, as beside others of the last weeks."""
    return re.sub(r" \d{4}\b", "", day_range(start, start + timedelta(days=6), locale))


def paid(organisation_id: int, currency: str, locale: str, today: date) -> charts.BarFigure | None:
    """What was paid month by month, by program; None where nothing was. One query."""
    sums = payouts.paid_by_month(organisation_id=organisation_id, currency=currency, today=today)
    if not sums:
        return None
    months = [add_months(today, n) for n in range(-5, 1)]
    programs = sorted({part.program for part in sums})[: charts.MAX_SERIES]
    amounts = {(part.month, part.program): part.amount.amount for part in sums}
    say = wording(currency)
    whole = sum(amounts.values())
    this_month = sum(amount for (month, _), amount in amounts.items() if month == months[-1])
    return charts.bars(
        key="paid-by-month",
        title=f"Paid per month, {currency}",
        finding=f"{say(whole)} was paid in six months, {say(this_month)} of it this month.",
        categories=[filters.month(month) for month in months],
        series=[
            charts.Series(p.capitalize(), tuple(amounts.get((month, p), 0) for month in months))
            for p in programs
        ],
        say=say,
        say_tick=short_wording(currency, locale),
        category_header="Month",
    )


def ages(organisation_id: int, now: datetime) -> charts.RowFigure | None:
    """How long payouts wait for approval; None where none does. One query."""
    found = payouts.approval_ages(organisation_id, now)
    n = sum(count for _, count in found)
    if not n:
        return None
    late = sum(count for _, count in found[2:])
    finding = (
        f"{late:,} of {n:,} have waited four days or longer."
        if late
        else "None has waited four days or longer."
    )
    return charts.ranking(
        key="approval-ages",
        title="How long payouts wait for approval",
        finding=finding,
        items=found,
        say=_count,
        item_header="Waiting",
        value_header="Payouts",
    )
