"""The admin's home: what needs you now, what waits how long, what was paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, current_app, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import exists, select

from webapp.database import db
from webapp.inbox import queries as inbox
from webapp.kernel.clock import add_months, local_date, utc_now
from webapp.kernel.money import Money
from webapp.payouts import approval_queue, approvers, figures, policies, policy_changes
from webapp.payouts.states import PayoutState
from webapp.payouts.views.words import wording
from webapp.people import members
from webapp.portals.context import standing
from webapp.portals.views import stops, tour
from webapp.programs.installations import creation, work
from webapp.programs.installations.models import Installation, RateConfiguration
from webapp.programs.rentals.drafts import PROGRAM as RENTALS
from webapp.programs.rentals.views import overview as rentals
from webapp.runs import lists as run_lists
from webapp.runs.models import DueTask, RunState
from webapp.web import charts, filters

blueprint = Blueprint("home", __name__)
_S = PayoutState


@dataclass(frozen=True)
class Task:
    """One entry of the task list."""

    title: str
    text: str | None = None
    href: str | None = None
    count: str | None = None
    tone: str | None = None


def _many(n: int, one: str, many: str) -> str:
    return f"1 {one}" if n == 1 else f"{n:,} {many}"


def _sum(waiting: list[figures.Waiting]) -> str:
    return " and ".join(filters.money(part.total) for part in waiting)


def _oldest(waiting: list[figures.Waiting], now: datetime) -> str:
    days = max((now - part.oldest).days for part in waiting if part.oldest)
    return "the oldest from today" if days == 0 else f"the oldest waits {_many(days, 'day', 'days')}"


def _approval_task(waiting: list[figures.Waiting], ready: int, now: datetime) -> Task:
    n = sum(part.count for part in waiting)
    text = f"{_sum(waiting)}, {_oldest(waiting, now)}. "
    text += f"You can approve {ready:,}." if ready else "Somebody else must approve them."
    return Task(
        f"{_many(n, 'payout waits', 'payouts wait')} for approval",
        text,
        url_for("admin.approvals.index", view="ready" if ready else "blocked"),
        f"{n:,}",
        "todo" if ready else "waiting",
    )


def _state_task(state: PayoutState, waiting: list[figures.Waiting], title: str, next_step: str) -> Task:
    n = sum(part.count for part in waiting)
    href = url_for("admin.payouts.index", status=state.value)
    return Task(
        title.format(_many(n, "payout", "payouts")),
        f"{_sum(waiting)}. {next_step}",
        href,
        f"{n:,}",
        state.tone,
    )


def _asked(organisation: Any) -> tuple[bool, int, list[rentals.Task]]:
    """Whether other approval rules wait for an admin, how many messages nobody could place, what of rents waits."""
    lets = any(p.program == RENTALS for p in organisation.programs)
    row = db.session.execute(
        select(
            policy_changes.is_pending(organisation.id),
            inbox.findings(organisation.id),
            *(rentals.columns(organisation.id) if lets else ()),
        )
    ).one()
    return bool(row[0]), int(row[1]), rentals.tasks(row[2:]) if lets else []


def _tasks(now: datetime) -> list[Task]:
    organisation = g.organisation
    by_state = figures.waiting_by_state(organisation.id)
    tasks = []
    if waiting := by_state.get(_S.PENDING_APPROVAL.value):
        who = approval_queue.approver(organisation=organisation, user_id=current_user.id, now=now)
        tasks.append(_approval_task(waiting, approval_queue.ready_count(who), now))
        if stuck := approvers.stuck_count(organisation, now, who.policy):
            title = f"{_many(stuck, 'payout', 'payouts')} that nobody may approve"
            tasks.append(Task(title, "Too few admins may. Invite another one, or change the approval rules.",
                              url_for("admin.approvals.index", view="blocked"), f"{stuck:,}", "failed"))  # fmt: skip
    for state, title, next_step in (
        (_S.FAILED, "{} failed", "Try again, change the payment details, or cancel."),
        (_S.REVERSED, "{} came back from the bank", "Check the payment details and re-issue."),
        (_S.APPROVED, "{} approved, not paid yet", "Pay them, or mark them as paid by hand."),
    ):
        if waiting := by_state.get(state.value):
            tasks.append(_state_task(state, waiting, title, next_step))
    without_method, held, changes = figures.stopped_counts(organisation.id)
    if changes:
        title = f"{_many(changes, 'change', 'changes')} of payment details to verify"
        tasks.append(Task(title, "Payouts to these payees wait. Call the payee, then verify or refuse.",
                          url_for("admin.bank_changes.index"), f"{changes:,}", "todo"))  # fmt: skip
    if without_method:
        href = url_for("admin.payouts.index", status="no_method")
        title = f"{_many(without_method, 'payout waits', 'payouts wait')} for payment details"
        tasks.append(Task(title, "Add them on the payee's page.", href, f"{without_method:,}", "waiting"))
    if held:
        href = url_for("admin.payouts.index", status="held")
        tasks.append(Task(f"{_many(held, 'payout is', 'payouts are')} on hold",
                          "Release or cancel them.", href, f"{held:,}", "waiting"))  # fmt: skip
    is_asked, unclear, rents = _asked(organisation)
    tasks += [Task(t.title, t.text, t.href, t.count, t.tone) for t in rents]
    if unclear:
        title = f"{_many(unclear, 'message', 'messages')} of payment providers that nobody could place"
        tasks.append(Task(title, "Find out what each is about, then look at it again.",
                          url_for("admin.inbox.index", state="findings"), f"{unclear:,}", "failed"))  # fmt: skip
    if is_asked:
        tasks.append(Task("A change of the approval rules waits for an admin",
                          "The one who asked for it cannot accept it.",
                          url_for("admin.policy.proposal"), "1", "todo"))  # fmt: skip
    tasks += [Task(**vars(stop)) for stop in stops.stops(organisation.id, standing()[1], now)]
    return tasks


def _next_run(organisation_id: int) -> DueTask | None:
    """When payouts are next made by themselves."""
    query = select(DueTask).where(DueTask.organisation_id == organisation_id, DueTask.name == work.TASK)
    return db.session.scalar(query)


def _set_up(organisation: Any) -> list[Task]:
    """What an empty organisation does first; each step with its link, ticked when it is done."""
    has_payees, has_methods, has_payouts = figures.has_any(organisation.id)
    has_rates, has_installations = db.session.execute(
        select(
            exists().where(RateConfiguration.organisation_id == organisation.id),
            exists().where(Installation.organisation_id == organisation.id),
        )
    ).one()
    has_rules = policies.stored_policy(organisation.id) is not None
    # One person alone who says so in the rules is divided well enough: a delay and a cap stand in.
    is_divided = (
        len(members.active_admins(organisation.id)) > 1
        or policies.current_policy(organisation.id)[0].single_operator.is_on
    )
    steps = [
        ("Look at the approval rules", "Who must approve what.", "admin.policy.show", has_rules),
        ("Invite a second admin", "Nobody approves what they made.", "admin.users.index", is_divided),
        ("Set the rates", "What an installation pays, by type and size.", "admin.rates.index", has_rates),
        ("Add the payees", "One by one, or from a CSV file.", "admin.payees.index", has_payees),
        ("Add their payment details", "A bank account, a UPI address, or by hand.", "admin.payees.index", has_methods),
        ("Bring in the installations", "From a CSV file, or by hand.", "admin.imports.new", has_installations),
        ("Make the first payout", "See the calculation before it is saved.", "admin.installations.index", has_payouts),
    ]  # fmt: skip
    return [
        Task(title, text, url_for(endpoint), tone="done" if is_done else "todo")
        for title, text, endpoint, is_done in steps
    ]


def _paid_figure(organisation: Any, today: date) -> charts.BarFigure | None:
    sums = figures.paid_by_month(organisation_id=organisation.id, currency=organisation.currency, today=today)
    if not sums:
        return None
    months = [add_months(today, n) for n in range(-5, 1)]
    programs = sorted({part.program for part in sums})[: charts.MAX_SERIES]
    amounts = {(part.month, part.program): part.amount.amount for part in sums}
    say = wording(organisation.currency)
    whole = sum(amounts.values())
    this_month = sum(amount for (month, _), amount in amounts.items() if month == months[-1])
    return charts.bars(
        key="paid-by-month",
        title=f"Paid per month, {organisation.currency}",
        finding=f"{say(whole)} was paid in six months, {say(this_month)} of it this month.",
        categories=[filters.month(month) for month in months],
        series=[
            charts.Series(p.capitalize(), tuple(amounts.get((month, p), 0) for month in months))
            for p in programs
        ],
        say=say,
        say_tick=short(organisation.currency, organisation.locale),
        category_header="Month",
    )


def short(currency: str, locale: str) -> Any:
    """How an axis writes an amount: "$12K"."""
    from babel.numbers import format_compact_currency

    def say(value: int) -> str:
        text = format_compact_currency(
            Money(value, currency).decimal, currency, locale=locale, fraction_digits=1
        )
        return str(text).replace("-", "\N{MINUS SIGN}")

    return say


def _age_figure(organisation: Any, now: datetime) -> charts.RowFigure | None:
    ages = figures.approval_ages(organisation.id, now)
    n = sum(count for _, count in ages)
    if not n:
        return None
    late = sum(count for _, count in ages[2:])
    finding = (
        f"{late:,} of {n:,} have waited four days or longer."
        if late
        else "None has waited four days or longer."
    )
    return charts.ranking(
        key="approval-ages",
        title="How long payouts wait for approval",
        finding=finding,
        items=ages,
        say=lambda count: f"{count:,}",
        item_header="Waiting",
        value_header="Payouts",
    )


@blueprint.get("/")
def show() -> ResponseReturnValue:
    """What needs this person now, and how things stand; an empty organisation gets its set-up list."""
    organisation, now = g.organisation, utc_now()
    tasks, next_run = _tasks(now), _next_run(organisation.id)
    if next_run is not None and next_run.last_error:
        title = "The automatic creation of payouts failed"
        tasks.append(Task(title, next_run.last_error, url_for("admin.runs.index"), tone="failed"))
    has_payouts = bool(tasks) or figures.has_any(organisation.id)[2]
    return render_template(
        "home/admin.html",
        tasks=tasks,
        set_up=[] if has_payouts else _set_up(organisation),
        tour=tour.steps(organisation.id, organisation.slug) if current_app.config["SETTINGS"].is_demo else [],
        next_run=next_run,
        runs=[
            {"run": run, "state": RunState(run.state), "n": run.done + run.skipped + run.failed}
            for run in run_lists.active(organisation.id)
        ],
        ages=_age_figure(organisation, now),
        paid=_paid_figure(organisation, local_date(now, organisation.timezone)),
        has_installations=any(p.program == creation.PROGRAM for p in organisation.programs),
        now=now,
    )


@blueprint.get("/needs-rate")
def needs_rate() -> ResponseReturnValue:
    """How many installations no rate matches: counted after the page, because every one is priced for it."""
    found = creation.due(g.organisation.id, g.organisation.currency, utc_now())
    plans = [*found.ready, *(plan for plan, _ in found.waiting)]
    n = len({part.installation.id for plan in plans for part in plan.without_rate})
    return render_template("home/_needs_rate.html", n=n)
