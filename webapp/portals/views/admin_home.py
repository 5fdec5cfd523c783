"""The admin's home: what needs you now, what waits how long, what was paid."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select

from webapp.accounting import lists as accounting
from webapp.database import db
from webapp.inbox import queries as inbox
from webapp.kernel.clock import local_date, utc_now
from webapp.payouts import approval_queue, approvers, figures, policy_changes
from webapp.payouts.states import PayoutState
from webapp.payouts.views.words import short_wording
from webapp.portals import figures as sending
from webapp.portals import set_up
from webapp.portals.context import standing
from webapp.portals.tasks import Task
from webapp.portals.views import pictures, stops, tour
from webapp.programs.installations import creation, work
from webapp.programs.rentals.drafts import PROGRAM as RENTALS
from webapp.programs.rentals.views import overview as rentals
from webapp.runs import lists as run_lists
from webapp.runs.models import DueTask, RunState
from webapp.web import filters
from webapp.web.htmx import is_fragment

blueprint = Blueprint("home", __name__)
_S = PayoutState


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


def _asked(organisation: Any) -> tuple[bool, bool, int, list[Task], list[rentals.Task]]:
    """Whether there is a payout, whether other rules wait; messages nobody could place; what of books, rents waits."""
    lets = any(p.program == RENTALS for p in organisation.programs)
    row = db.session.execute(
        select(
            set_up.has_payout(organisation.id),
            policy_changes.is_pending(organisation.id),
            inbox.findings(organisation.id),
            accounting.failed(organisation.id),
            accounting.problem(organisation.id),
            *(rentals.columns(organisation.id) if lets else ()),
        )
    ).one()
    books = _books_tasks(int(row[3]), row[4] or "")
    return bool(row[0]), bool(row[1]), int(row[2]), books, rentals.tasks(row[5:]) if lets else []


def _books_tasks(refused: int, problem: str) -> list[Task]:
    """What of the organisation's books elsewhere waits for a person."""
    tasks = []
    if problem:
        tasks.append(
            Task("The books cannot be reached", problem, url_for("admin.accounting.settings"), tone="failed")
        )
    if refused:
        title = f"{_many(refused, 'payout', 'payouts')} that the books refused"
        tasks.append(Task(title, "Put right what they say, then try again.",
                          url_for("admin.accounting.index", state="failed"), f"{refused:,}", "failed"))  # fmt: skip
    return tasks


def _tasks(now: datetime) -> tuple[list[Task], bool]:
    """What needs this person, and whether there is any payout yet."""
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
    has_payouts, is_asked, unclear, books, rents = _asked(organisation)
    tasks += books
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
    return tasks, has_payouts


def _next_run(organisation_id: int) -> DueTask | None:
    """When payouts are next made by themselves."""
    query = select(DueTask).where(DueTask.organisation_id == organisation_id, DueTask.name == work.TASK)
    return db.session.scalar(query)


@blueprint.get("/")
def show() -> ResponseReturnValue:
    """What needs this person now, and how things stand; an empty organisation gets its set-up list."""
    organisation, now = g.organisation, utc_now()
    (tasks, has_payouts), next_run = _tasks(now), _next_run(organisation.id)
    if next_run is not None and next_run.last_error:
        title = "The automatic creation of payouts failed"
        tasks.append(Task(title, next_run.last_error, url_for("admin.runs.index"), tone="failed"))
    return render_template(
        "home/admin.html",
        tasks=tasks,
        set_up=[] if has_payouts else set_up.steps(organisation),
        has_figures=has_payouts,
        tour=tour.steps(organisation.id, organisation.slug) if current_app.config["SETTINGS"].is_demo else [],
        next_run=next_run,
        runs=[
            {"run": run, "state": RunState(run.state), "n": run.done + run.skipped + run.failed}
            for run in run_lists.active(organisation.id)
        ],
        has_installations=any(p.program == creation.PROGRAM for p in organisation.programs),
        now=now,
    )


@blueprint.get("/figures")
def figures_of_sending() -> ResponseReturnValue:
    """What is about to leave and how payments went: asked for after the home page, a page without JavaScript."""
    here, now = g.organisation, utc_now()
    today = local_date(now, here.timezone)
    programs = {p.program for p in here.programs}
    forecast = sending.forecast(here.id, here.currency, here.timezone, now, programs)
    outcomes = sending.outcomes(here.id)
    times = sending.times(here.id, today, here.week_start)
    found = (pictures.success(outcomes), pictures.reasons(outcomes), pictures.times(times, here.locale))
    context = {
        "bars": [
            pictures.forecast(forecast, short_wording(here.currency, here.locale)),
            pictures.paid(here.id, here.currency, here.locale, today),
        ],
        "rankings": [pictures.ages(here.id, now), *found],
        "now": now,
    }
    return render_template("home/_figures.html" if is_fragment() else "home/figures.html", **context)


@blueprint.get("/needs-rate")
def needs_rate() -> ResponseReturnValue:
    """How many installations no rate matches: counted after the page, because every one is priced for it."""
    found = creation.due(g.organisation.id, g.organisation.currency, utc_now())
    plans = [*found.ready, *(plan for plan, _ in found.waiting)]
    n = len({part.installation.id for plan in plans for part in plan.without_rate})
    return render_template("home/_needs_rate.html", n=n)
