"""The instalments that an invoice would become: beside its form while it is typed, on its page without JavaScript."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.payouts.views.program_pages import form_of, money
from webapp.people.models import Payee
from webapp.people.views.session import require_change
from webapp.programs.repairs import drafting, figures, fleet, fleet_lists
from webapp.programs.repairs.forms import PlanForm
from webapp.programs.repairs.models import DriverLease
from webapp.web import filters

NOT_YET = "Enter the amount and the date of the invoice to see the instalments."


def preview() -> ResponseReturnValue:
    """The instalments of what is typed so far; what cannot be read yet is judged when the form is sent."""
    require_change()
    form: PlanForm = form_of(PlanForm, formdata=request.args)
    form.validate()
    return render_template("repairs/_preview.html", plan=plan_of(form), is_swapped=True)


def plan_of(form: Any) -> dict[str, Any]:
    """What the preview shows of a form with `driver`, `invoice_date`, `amount`, `start` and `vehicle`.

    `rows` is empty where there is no plan; `said` is the one sentence that says how it is.
    """
    currency, day = form.currency, form.invoice_date.data
    minor = _typed(form)
    if minor is None or day is None:
        return {"rows": [], "said": NOT_YET}
    try:
        planned = drafting.preview_repair(
            organisation_id=g.organisation.id, amount_minor=minor, invoice_date=day,
            start=form.start.data or "", now=utc_now(),
        )  # fmt: skip
    except Invalid as error:
        return {"rows": [], "said": error.message}
    weekly = planned[0].amount
    return {
        "rows": [
            {"number": each.number, "start": each.week.start, "due": each.due_on,
             "amount": money(each.amount, currency), "left": money(each.balance_after, currency)}
            for each in planned
        ],
        "said": _sentence(len(planned), weekly, planned[-1].amount, planned[-1].due_on, currency),
        **_of_driver(form, minor, weekly, day),
    }  # fmt: skip


def _typed(form: Any) -> int | None:
    """The amount as it is typed; None while it cannot be read."""
    try:
        return parse_money(form.amount.data or "", form.currency, form.locale).amount
    except Invalid:
        return None


def _sentence(count: int, weekly: int, last: int, due: date, currency: str) -> str:
    say = filters.money
    if count == 1:
        return f"One instalment of {say(money(weekly, currency))}, due on {filters.day(due)}."
    amount = "" if last == weekly else f" of {say(money(last, currency))},"
    weeks = f"{count} instalments of {say(money(weekly, currency))} a week"
    return f"{weeks}, the last one{amount} due on {filters.day(due)}."


def _of_driver(form: Any, minor: int, weekly: int, day: date) -> dict[str, Any]:
    """Whether it may be charged to the driver named, and what part of their usual week it takes."""
    if not (form.driver.data or "").strip():
        return {}
    try:
        payee_id, lease, vehicle_id = chosen(form)
    except Invalid as error:
        return {"warning": error.message}
    usual = figures.usual_week(payee_id, form.currency)
    why = drafting.may_be_charged(
        organisation_id=g.organisation.id, lease_id=lease.id, vehicle_id=vehicle_id, invoice_date=day
    )
    return {"warning": why, "share": "" if usual is None else _share(weekly, usual, form.currency)}


def _share(weekly: int, usual: int, currency: str) -> str:
    left = filters.money(money(usual, currency))
    if usual <= 0:
        return f"The driver's usual week leaves nothing after its charges: {left}."
    part = -(-weekly * 100 // usual)
    return f"A week takes {part} % of what the driver's usual week leaves after its charges: {left}."


def chosen(form: Any) -> tuple[int, DriverLease, int]:
    """The driver, the lease that they have on the day of the invoice, the vehicle. Raises Invalid with the field."""
    here, day = g.organisation.id, form.invoice_date.data
    payee_id = fleet_lists.typed_driver(here, form.driver.data or "")
    lease = fleet.lease_on(payee_id, day)
    if lease is None:
        name = db.session.get_one(Payee, payee_id).name
        raise Invalid("driver", f"{name} has no lease on {filters.day(day)}.")
    if typed := (form.vehicle.data or "").strip():
        return payee_id, lease, fleet_lists.typed_vehicle(here, typed)
    return payee_id, lease, drafting.vehicle_on(lease, day)
