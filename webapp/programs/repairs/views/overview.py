"""The first page of repairs: what needs somebody, how debts run off, what drivers get, how charging goes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.payouts.views.program_pages import money, today
from webapp.payouts.views.words import short_wording, wording
from webapp.people.views.session import may_change
from webapp.programs.repairs import figures
from webapp.programs.repairs.rules import week_of
from webapp.programs.repairs.views.area import AREA
from webapp.web import charts, filters


def index() -> ResponseReturnValue:
    """What needs somebody, and how the money runs."""
    here = g.organisation
    week = week_of(today(), here.week_start)
    since = week.start - timedelta(weeks=figures.BEHIND)
    needs = figures.needs(here.id, today())
    run_off = figures.run_off(here.id, here.currency, week.start)
    return render_template(
        "repairs/index.html",
        area=AREA,
        tab="index",
        tasks=_tasks(needs, figures.last_run(here.id)),
        has_repairs=needs.repairs > 0,
        outstanding=money(run_off.outstanding, here.currency),
        held=money(run_off.held, here.currency) if run_off.held else None,
        run_off=_run_off(run_off),
        nets=_nets(figures.weekly_nets(here.id, here.currency, since)),
        posting=_posting(figures.posting_weeks(here.id, since, week.start)),
        may_change=may_change(),
        now=utc_now(),
    )


def _tasks(needs: figures.Needs, last_run: tuple[date, int] | None) -> list[dict[str, Any]]:
    week, problems = last_run or (today(), 0)
    found = [
        (problems, "driver was left out of the last weekly run", "drivers were left out of the last weekly run",
         "The run says why. Put it right, and do what is left.", url_for(".weekly_run", day=week.isoformat())),
        (needs.disputes, "charge is disputed by its driver", "charges are disputed by their drivers",
         "Nothing is taken for it until it is decided.", url_for(".disputes")),
        (needs.due, "instalment is due and not charged", "instalments are due and not charged",
         "The weekly run charges them; you can do it now.", url_for(".instalments", state="due")),
        (needs.drafts, "repair is a draft", "repairs are drafts", "Nothing is charged before it is confirmed.",
         url_for(".repairs", state="draft")),
        (needs.replans, "new plan waits for a second person", "new plans wait for a second person",
         "Whoever proposed it cannot decide.", url_for(".plans")),
        (needs.held, "repair is on hold", "repairs are on hold", "Nothing is charged before it is released.",
         url_for(".repairs", state="hold")),
    ]  # fmt: skip
    return [
        {"count": n, "title": f"1 {one}" if n == 1 else f"{n:,} {many}", "text": text, "href": href}
        for n, one, many, text, href in found
        if n
    ]


def _run_off(found: figures.RunOff) -> charts.BarFigure | None:
    if len(found.weeks) < 2:
        return None
    currency = g.organisation.currency
    say = wording(currency)
    last, left = found.weeks[-1]
    finding = f"{say(found.outstanding)} is outstanding. "
    if left <= found.held:
        finding += f"When every instalment is paid in its week, it is paid by {filters.day(last)}"
        finding += f", but for {say(found.held)} that is on hold." if found.held else "."
    else:
        finding += f"After {len(found.weeks)} weeks {say(left)} of it is left."
    return charts.bars(
        key="run-off",
        title=f"Outstanding after each week, {currency}",
        finding=finding,
        categories=[_short(day) for day, _ in found.weeks],
        series=[charts.Series("Outstanding", tuple(left for _, left in found.weeks))],
        say=say,
        say_tick=short_wording(currency, g.organisation.locale),
        category_header="Week from",
    )


def _nets(weeks: list[figures.WeekNet]) -> charts.BarFigure | None:
    if not weeks:
        return None
    currency = g.organisation.currency
    say = wording(currency)
    left, taken = sum(week.left for week in weeks), sum(week.deducted for week in weeks)
    return charts.bars(
        key="weekly-net",
        title=f"What drivers earned, and what was deducted, {currency}",
        finding=f"Of {say(left + taken)} that drivers earned in {_weeks(len(weeks))}, {say(taken)} was deducted "
        f"and {say(left)} was left to them.",
        categories=[_short(week.week_start) for week in weeks],
        series=[
            charts.Series("Left to drivers", tuple(week.left for week in weeks)),
            charts.Series("Deducted", tuple(week.deducted for week in weeks)),
            charts.Series("Charges not covered", tuple(-week.uncovered for week in weeks)),
        ],
        say=say,
        say_tick=short_wording(currency, g.organisation.locale),
        category_header="Week from",
    )


def _posting(weeks: list[figures.WeekPosted]) -> charts.BarFigure | None:
    if not weeks:
        return None
    done, missed = sum(week.posted for week in weeks), sum(week.missed for week in weeks)
    finding = "Nothing was due."
    if done + missed:
        rate = charts.percent(done, done + missed)
        finding = f"{rate} of what was due in {_weeks(len(weeks))} is charged: {done:,} of {done + missed:,}."
    return charts.bars(
        key="posting",
        title="Instalments charged, by week",
        finding=finding,
        categories=[_short(week.week_start) for week in weeks],
        series=[
            charts.Series("Charged", tuple(week.posted for week in weeks)),
            charts.Series("Due and not charged", tuple(week.missed for week in weeks)),
        ],
        say=lambda n: f"{n:,}",
        category_header="Week from",
    )


def _weeks(count: int) -> str:
    return "1 week" if count == 1 else f"{count} weeks"


def _short(day: Any) -> str:
    """The day without its year: "5 Oct"."""
    return filters.day(day).rsplit(" ", 1)[0].rstrip(",")
