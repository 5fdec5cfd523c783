"""What is done with a driver's money: charged, received, credited, lent, given back; and the day they leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.kernel.money import Money
from webapp.payouts.views.program_pages import act_page, form_of, money, today
from webapp.people.forms import attach
from webapp.people.models import Payee
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.repairs import charging, crediting, driver_lists, fleet_lists, leaving, plans, trail
from webapp.programs.repairs.driver_lists import OpenCharge
from webapp.programs.repairs.money_forms import (
    ChargeForm,
    CreditForm,
    DepositForm,
    LeaveForm,
    LoanForm,
    PaymentForm,
    payment_form,
)
from webapp.programs.repairs.rules import Planned, first_week, loan_schedule
from webapp.programs.repairs.states import Category
from webapp.programs.repairs.views.area import AREA
from webapp.programs.repairs.views.drivers import facts_of
from webapp.web import filters
from webapp.web.htmx import see_other

#: Debts that the page of a payment offers; older ones come first.
DEBTS = 200


def _driver(reference: str) -> Payee:
    return fleet_lists.get_driver(g.organisation.id, reference)


def _places(payee: Payee) -> dict[str, Any]:
    """Where an act comes from and leads back to."""
    back = (url_for(".driver", reference=payee.reference), payee.name)
    return {"back": back, "crumbs": [(url_for(".drivers"), "Drivers"), back]}


def _key(form: Any) -> str | None:
    return f"page:{form.key.data}" if form.key.data else None


def _say(minor: int) -> str:
    return filters.money(money(minor, g.organisation.currency))


@needs_fresh_sign_in
def add_charge(reference: str) -> ResponseReturnValue:
    """A toll, a ticket, a tax, a fee, an advance: charged with the next receipt."""
    require_change()
    payee = _driver(reference)
    payee_id, form = payee.id, form_of(ChargeForm)

    def fill() -> None:
        form.key.data, form.charged_on.data = new_uid(), today()
        wanted = request.args.get("category", "")
        form.category.data = wanted if wanted in set(Category) else ""

    def call() -> str:
        draft = form.draft(payee_id)
        made = charging.add_charges(
            organisation_id=g.organisation.id, drafts=[draft], actor=actor(), now=utc_now()
        )
        amount = _say(draft.amount_minor)
        return f"{amount} is charged." if made else f"{amount} was charged with this form already, once."

    return act_page(
        AREA, form, title=f"Charge {payee.name}", button="Add the charge", call=call, fill=fill,
        facts=facts_of(payee), explains="It is owed at once, and the week's receipt takes it from what the driver "
        "earns. Repairs and loans are charged by their instalments.", **_places(payee),
    )  # fmt: skip


@needs_fresh_sign_in
def give_credit(reference: str) -> ResponseReturnValue:
    """A credit on the next receipt, at the organisation's expense."""
    require_change()
    payee = _driver(reference)
    payee_id, form = payee.id, form_of(CreditForm)

    def fill() -> None:
        form.key.data = new_uid()

    def call() -> str:
        row = crediting.give_credit(
            organisation_id=g.organisation.id, payee_id=payee_id, amount_minor=form.amount.minor or 0,
            reason=form.reason.data or "", idempotency_key=_key(form), actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{row.reference}: {_say(row.amount_minor)} is on the driver's next receipt."

    return act_page(
        AREA, form, title=f"Credit for {payee.name}", button="Give the credit", call=call, fill=fill,
        facts=facts_of(payee), explains="It is your expense, and counts with the next weekly receipt. Who gives a "
        "credit does not approve the payout that it becomes part of.", **_places(payee),
    )  # fmt: skip


@needs_fresh_sign_in
def return_deposit(reference: str) -> ResponseReturnValue:
    """A deposit, or a part of it, back to the driver."""
    require_change()
    payee = _driver(reference)
    payee_id, form, there = payee.id, form_of(DepositForm), crediting.deposit_of(payee)

    def fill() -> None:
        form.key.data, form.amount.data = new_uid(), there.plain if there.amount > 0 else ""

    def call() -> str:
        row = crediting.return_deposit(
            organisation_id=g.organisation.id, payee_id=payee_id, amount_minor=form.amount.minor or 0,
            idempotency_key=_key(form), actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{row.reference}: {_say(row.amount_minor)} of the deposit is on the driver's next receipt."

    return act_page(
        AREA, form, title=f"Return the deposit of {payee.name}", button="Return it", call=call, fill=fill,
        facts=[*facts_of(payee), ("Deposit", filters.money(there))],
        explains="It counts with the next weekly receipt: open debts come off it first, the rest is paid out.",
        **_places(payee),
    )  # fmt: skip


# ---- Payments ------------------------------------------------------------------------------------------------


@needs_fresh_sign_in
def record_payment(reference: str) -> ResponseReturnValue:
    """Money that the driver brings between the receipts, for the debts that are chosen."""
    require_change()
    payee = _driver(reference)
    all_debts = driver_lists.open_charges(g.organisation.id, payee.id, DEBTS)
    debts = [debt for debt in all_debts if debt.can_be_paid]
    form: PaymentForm = form_of(payment_form(tuple(debt.id for debt in debts)))

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                "repairs/driver_payment.html", area=AREA, form=form, payee=payee, conflict=conflict,
                rows=[(debt, form[f"debt_{debt.id}"]) for debt in debts], facts=facts_of(payee),
                taxes=any(not debt.can_be_paid for debt in all_debts), has_errors=code == 422,
                back=url_for(".driver", reference=reference),
            ),
            code,
        )  # fmt: skip

    if request.method == "GET":
        form.received_on.data, form.key.data = today(), new_uid()
        return page(200)
    if not form.validate():
        return page(422)
    try:
        _refuse_covered(debts)
        said = _record(payee.id, form, debts)
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    flash(said, "success")
    return see_other(url_for(".driver", reference=reference))


def _refuse_covered(debts: Sequence[OpenCharge]) -> None:
    """A debt for which an amount was typed, and that is not open any more, must not take it somewhere else."""
    offered = {f"debt_{debt.id}" for debt in debts}
    typed = {name for name, value in request.form.items() if name.startswith("debt_") and value.strip()}
    if typed - offered:
        raise Conflict("One of the debts that you chose was covered meanwhile.")


def _record(payee_id: int, form: PaymentForm, debts: Sequence[OpenCharge]) -> str:
    with transaction():
        row = crediting.record_payment(
            organisation_id=g.organisation.id, payee_id=payee_id, amount_minor=form.amount.minor or 0,
            method=form.method.data, received_on=form.received_on.data or date.min, charges=form.parts(debts),
            note=form.note.data or "", idempotency_key=_key(form), actor=actor(), now=utc_now(),
        )  # fmt: skip
        kept = row.amount_minor - row.applied_minor
        said = (
            f"{row.reference}: {_say(row.amount_minor)} received, {_say(row.applied_minor)} of it for debts."
        )
        return f"{said} {_say(kept)} is kept for the next receipt." if kept else said


# ---- Loans ---------------------------------------------------------------------------------------------------


@needs_fresh_sign_in
def lend(reference: str) -> ResponseReturnValue:
    """Money lent by hand, with its plan shown before."""
    require_change()
    payee = _driver(reference)
    form: LoanForm = form_of(LoanForm)
    if request.method == "GET":
        form.lent_on.data, form.key.data, form.percent.data = today(), new_uid(), "0"
        return _loan_page(form, payee, 200)
    if not form.validate():
        return _loan_page(form, payee, 422)
    try:
        draft = form.draft(payee.id)
        planned = _planned(form, payee.id)
        if request.form.get("act") != "save":
            # The plan first, beside the form; nothing is stored.
            return _loan_page(form, payee, 200, planned)
        with transaction():
            made = charging.lend(
                organisation_id=g.organisation.id, draft=draft, idempotency_key=_key(form), actor=actor(),
                now=utc_now(),
            ).reference  # fmt: skip
    except Invalid as error:
        attach(form, error)
        return _loan_page(form, payee, 422)
    except Conflict as error:
        return _loan_page(form, payee, 409, conflict=error.message)
    flash(f"{made} is lent. Hand the money over; the instalments are charged by the week.", "success")
    return see_other(url_for(".driver", reference=reference))


def _planned(form: LoanForm, payee_id: int) -> list[Planned]:
    """The instalments that a loan would become. Raises Invalid."""
    here = g.organisation
    draft = form.draft(payee_id)
    draft.check()
    trail.check_day("lent_on", draft.lent_on, here.id, utc_now())
    return loan_schedule(
        plans.amounts(here.id, draft.principal_minor, "principal"),
        first_week(draft.lent_on, draft.start, here.week_start),
        percent=draft.percent,
        lent_on=draft.lent_on,
        currency=here.currency,
    )


def _plan_context(planned: Sequence[Planned]) -> dict[str, Any]:
    here = g.organisation.currency
    rows = [
        {"number": each.number, "week": each.week.start, "due": each.due_on, "amount": Money(each.amount, here),
         "interest": Money(each.interest, here), "after": Money(each.balance_after, here)}
        for each in planned
    ]  # fmt: skip
    sums = {
        name: Money(sum(getattr(each, name) for each in planned), here) for name in ("amount", "interest")
    }
    return {"plan": rows, "plan_sum": sums["amount"], "plan_interest": sums["interest"]}


def _loan_page(
    form: LoanForm, payee: Payee, code: int, planned: Sequence[Planned] = (), conflict: str = ""
) -> ResponseReturnValue:
    return (
        render_template(
            "repairs/driver_loan.html", area=AREA, form=form, payee=payee, conflict=conflict, facts=facts_of(payee),
            back=url_for(".driver", reference=payee.reference), has_errors=code == 422, **_plan_context(planned),
        ),
        code,
    )  # fmt: skip


def loan_plan(reference: str) -> ResponseReturnValue:
    """The plan of what is typed so far, for htmx; what cannot be read yet has none."""
    require_change()
    payee = _driver(reference)
    form: LoanForm = form_of(LoanForm, formdata=request.args, meta={"csrf": False})
    planned: Sequence[Planned] = ()
    why = ""
    if form.validate():
        try:
            planned = _planned(form, payee.id)
        except Invalid as error:
            why = error.message
    return render_template("repairs/_driver_loan_plan.html", why=why, **_plan_context(planned))


# ---- Leaving -------------------------------------------------------------------------------------------------


@needs_fresh_sign_in
def driver_leaves(reference: str) -> ResponseReturnValue:
    """The check step of a driver who leaves: what is charged at once, what comes off it; then the one button."""
    require_change()
    here, payee = g.organisation, _driver(reference)
    payee_id, name = payee.id, payee.name
    plan = leaving.plan_leaving(organisation_id=here.id, payee_id=payee_id, now=utc_now())
    form: LeaveForm = form_of(LeaveForm)

    def fill() -> None:
        form.last_day.data, form.version.data = today(), str(plan.charged.amount)

    def call() -> str:
        seen = form.seen_minor
        # A refused form shows the plan as it is now, and counts for that.
        form.version.data = str(plan.charged.amount)
        leaving.driver_leaves(
            organisation_id=here.id, payee_id=payee_id, last_day=form.last_day.data or date.min,
            reason=form.reason.data or "", seen_minor=seen, actor=actor(), now=utc_now(),
        )  # fmt: skip
        return (
            f"{name} leaves on {filters.day(form.last_day.data)}. The last week's receipt is the final one."
        )

    lease = f"{plan.lease.reference}, {plan.lease.vehicle.plate}" if plan.lease else "None today"
    rows = [
        {"reference": row.reference, "week": row.week_start, "amount": Money(row.amount_minor, row.currency)}
        for row in plan.instalments
    ]
    return act_page(
        AREA, form, title=f"{name} leaves?", button=f"Charge {filters.money(plan.charged)} and end the lease"
        if rows else "End the lease", tone="danger", call=call, fill=fill, template="repairs/driver_leaves.html",
        facts=[("Lease that ends", lease), *facts_of(payee)[1:], ("Charged at once", filters.money(plan.charged)),
               ("Deposit that comes off it", filters.money(plan.deposit))],
        rows=rows, charged=plan.charged, **_places(payee),
    )  # fmt: skip
