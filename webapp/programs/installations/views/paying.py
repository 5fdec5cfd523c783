"""What is due, what needs a rate, what was rejected; creating payouts; totals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import table_file
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.payouts.views.program_pages import created_by_hand
from webapp.people.forms import attach
from webapp.people.queries import get_payee
from webapp.people.views.fresh import needs_fresh_sign_in, require_fresh
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.installations import creation, queries, service, work
from webapp.programs.installations.forms import ManualPayoutForm, PeriodForm, SettleForm
from webapp.programs.installations.pricing import Pricer
from webapp.programs.installations.views import common
from webapp.web import charts
from webapp.web.htmx import see_other

SHOWN = 200
TOTAL_HEADERS = (
    "Technician", "Reference", "Installations", "Currency", "To approve", "Approved", "Paid", "Returned",
)  # fmt: skip


def _due() -> creation.Due:
    return creation.due(g.organisation.id, g.organisation.currency, utc_now())


def needs_rate() -> ResponseReturnValue:
    """Installations that are due but have no price, with every rate that was tried."""
    shares = queries.due_shares(g.organisation.id, common.today())
    pricer = Pricer(g.organisation.id, common.today())
    pricer.remember_agreed([share.installation_id for share in shares])
    rows, seen = [], set()
    for share in shares:
        row = share.installation
        if row.id in seen:
            continue
        seen.add(row.id)
        quote = pricer.quote(row)
        if quote.problem:
            rows.append({"installation": row, "size": common.size_of(row), "quote": quote})
    return render_template(
        "installations/needs_rate.html", rows=rows[:SHOWN], count=len(rows), may_change=may_change()
    )


def rejected() -> ResponseReturnValue:
    """Parts whose payout was rejected or cancelled, to be fixed or dismissed."""
    return _rejected(SettleForm(formdata=None), 200)


def _rejected(form: SettleForm, code: int) -> ResponseReturnValue:
    shares = queries.blocked_shares(g.organisation.id)
    return (
        render_template(
            "installations/rejected.html",
            shares=shares,
            form=form,
            may_change=may_change(),
            has_errors=code == 422,
        ),
        code,
    )


def settle(share_id: int) -> ResponseReturnValue:
    """Fix: it is offered again. Dismiss: it never is."""
    require_change()
    form = SettleForm()
    if form.validate_on_submit():
        try:
            with transaction():
                share = service.settle_offer(
                    organisation_id=g.organisation.id,
                    share_id=share_id,
                    choice=form.choice.data or "",
                    note=form.note.data or "",
                    actor=actor(),
                    now=utc_now(),
                )
                said = f"{share.installation.reference} for {share.payee.name}"
                is_open = share.offer == "open"
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{said} {'is offered again' if is_open else 'is dismissed'}.", "success")
            return see_other(url_for(".rejected"))
    return _rejected(form, 422)


def _expectation(ready: Sequence[creation.Plan]) -> str:
    """What the page promises to create: how many payouts of which sum, per currency, as a text to compare."""
    sums: dict[str, tuple[int, int]] = {}
    for plan in ready:
        count, amount = sums.get(plan.currency, (0, 0))
        sums[plan.currency] = (count + 1, amount + plan.amount.amount)
    return ";".join(f"{code}:{count}:{amount}" for code, (count, amount) in sorted(sums.items()))


def pay() -> ResponseReturnValue:
    """What is due to every technician, and the button that creates all of it."""
    if chosen := request.args.get("technician", "").strip():
        return redirect(url_for(".pay_one", payee_reference=chosen))
    return _pay_page(_due())


def _pay_page(found: creation.Due, conflict: str = "", code: int = 200) -> ResponseReturnValue:
    return (
        render_template(
            "installations/pay.html",
            ready=found.ready,
            waiting=found.waiting,
            total=common.say_sum(plan.amount for plan in found.ready),
            count=sum(len(plan.parts) for plan in found.ready),
            expected=_expectation(found.ready),
            conflict=conflict,
            may_change=may_change(),
            blocked=queries.count_blocked(g.organisation.id),
        ),
        code,
    )


@needs_fresh_sign_in
def pay_all() -> ResponseReturnValue:
    """Start the run that creates a payout for each technician; 409 when it would not be what the person saw."""
    require_change()
    reference = None
    with transaction():
        found = _due()
        is_as_seen = request.form.get("expected") == _expectation(found.ready)
        if found.ready and is_as_seen:
            run = work.start_run(organisation_id=g.organisation.id, actor=actor(), now=utc_now())
            reference = run.reference if run else None
    if reference is not None:
        return see_other(url_for("admin.runs.show", reference=reference))
    if found.ready and not is_as_seen:
        found = _due()
        return _pay_page(found, _changed(found), 409)
    flash("Nothing is due. No payout was created.", "info")
    return see_other(url_for(".pay"))


def _changed(found: creation.Due) -> str:
    n = len(found.ready)
    payouts = "1 payout is" if n == 1 else f"{n:,} payouts are"
    return f"Now {payouts} due, {common.say_sum(plan.amount for plan in found.ready)}."


def pay_one(payee_reference: str) -> ResponseReturnValue:
    """Choose installations of one technician, see the calculation, create the payout."""
    payee = get_payee(g.organisation.id, payee_reference)
    if may_change() and (question := require_fresh()) is not None:
        return question
    form = ManualPayoutForm()
    chosen = request.form.getlist("ids")
    problem, code = "", 200
    plan: creation.Plan | None = None
    if request.method == "POST":
        require_change()
        try:
            if request.form.get("act") == "create" and form.validate():
                make = partial(
                    creation.create_chosen, payee_reference=payee_reference, installation_references=chosen
                )
                return created_by_hand(make, "installations", form.key.data, form.note.data)
            plan = creation.preview(
                organisation_id=g.organisation.id,
                payee_reference=payee_reference,
                installation_references=chosen,
                now=utc_now(),
            )
        except Invalid as error:
            problem, code = error.message, 422
        except Conflict as error:
            problem, code = error.message, 409
    if plan is not None:
        return render_template("installations/pay_check.html", payee=payee, **_check_context(plan, form))
    return _choose_page(payee, chosen, form, problem, code)


def _check_context(plan: creation.Plan, form: ManualPayoutForm) -> dict[str, Any]:
    form.key.data = form.key.data or new_uid()
    return {
        "plan": plan,
        "form": form,
        "parts": [
            {"installation": part.installation, "lines": common.part_words(part), "amount": part.amount}
            for part in plan.parts
        ],
    }


def _choose_page(
    payee: Any, chosen: list[str], form: ManualPayoutForm, problem: str, code: int
) -> ResponseReturnValue:
    shares = queries.due_shares(g.organisation.id, common.today(), payee_id=payee.id)
    found = creation.plans(shares, Pricer(g.organisation.id, common.today()))
    return (
        render_template(
            "installations/pay_one.html",
            payee=payee,
            plans=[plan for plan in found if plan.parts],
            without_rate=[part for plan in found for part in plan.without_rate],
            chosen=set(chosen),
            form=form,
            problem=problem,
            may_change=may_change(),
            has_errors=code == 422,
        ),
        code,
    )


def _totals(form: PeriodForm) -> list[queries.TechnicianTotal]:
    return queries.totals_by_technician(
        g.organisation.id,
        g.organisation.currency,
        period_from=form.period_from.data,
        period_to=form.period_to.data,
    )


def totals() -> ResponseReturnValue:
    """Every technician: installations done, money to approve, approved, paid."""
    form = PeriodForm(request.args)
    is_valid = form.validate()
    rows = _totals(form) if is_valid else []
    home = [row for row in rows if row.currency == g.organisation.currency and row.paid]
    return (
        render_template(
            "installations/totals.html",
            form=form,
            rows=rows,
            figure=_figure(home) if home else None,
            csv_href=common.address("admin.installations.totals_export", format="csv"),
            xlsx_href=common.address("admin.installations.totals_export", format="xlsx"),
            has_errors=not is_valid,
        ),
        200 if is_valid else 422,
    )


def _figure(rows: list[queries.TechnicianTotal]) -> charts.RowFigure:
    say = common.wording(g.organisation.currency)
    paid = sum(row.paid.amount for row in rows)
    top = rows[:10]
    finding = f"{top[0].name} was paid {say(top[0].paid.amount)}, the most of {say(paid)} in all."
    return charts.ranking(
        key="paid-by-technician",
        title="Paid by technician" if len(rows) <= 10 else "Paid by technician, the ten highest",
        finding=finding,
        items=[(row.name, row.paid.amount) for row in top],
        say=say,
        item_header="Technician",
        value_header="Paid",
    )


def totals_export(format: str) -> ResponseReturnValue:
    """The totals as a file."""
    form = PeriodForm(request.args)
    if not form.validate():
        return totals()
    cells = [
        (r.name, r.reference, r.installations, r.currency, r.to_approve, r.approved, r.paid, r.returned)
        for r in _totals(form)
    ]
    return table_file("installations:totals:exported", "payee", "technicians", format, TOTAL_HEADERS, cells)
