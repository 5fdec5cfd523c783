"""Partners' payouts: the list, and a payout made by hand of commissions that somebody chose."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db, like
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.payouts.states import PayoutState
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import created_by_hand, form_of, list_page, money
from webapp.people.forms import attach
from webapp.people.models import Payee, Role
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import may_change, require_change
from webapp.programs.partners import calculating, choosing, money_files, money_lists
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.models import Commission
from webapp.programs.partners.money_forms import ChoosePartnerForm, ManualPayoutForm, PayoutFilterForm
from webapp.programs.partners.states import CommissionKind
from webapp.programs.partners.views import money_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of

SUMS = money_files.SUMS[money_files.PAYOUTS]
#: Partners who are shown to choose from when a name fits several.
CHOICES = 20


def _filter() -> PayoutFilterForm:
    form: PayoutFilterForm = form_of(PayoutFilterForm, formdata=request.args)
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order; approving is done where all payouts are approved."""
    form = _filter()
    is_valid = form.validate()
    found = money_lists.payouts(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "payouts", "payout", files=money_file.links("payouts"))
    return list_page(
        AREA, "partners/payouts.html", form, "payouts", is_valid=is_valid,
        rows=[_row(row) for row in context["page"].items], approve_href=approve_href(), **context,
    )  # fmt: skip


def approve_href() -> str:
    """Where this program's payouts are approved and rejected, one by one or in bulk."""
    return url_for("admin.approvals.index", program=PROGRAM)


def _row(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "state": PayoutState(row.state),
        "period": (row.period_start, row.period_end),
        "gross": money(row.gross_minor, row.currency),
        "amount": money(row.amount_minor, row.currency),
        "partner_href": href_of("partner", reference=row.partner_reference),
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = money_lists.payouts(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "payouts", SUMS, "Payouts")


def create() -> ResponseReturnValue:
    """Whose payout it is: one partner by number or name; several that fit are offered."""
    require_change()
    form: ChoosePartnerForm = form_of(ChoosePartnerForm)
    found: list[Payee] = []
    code = 200
    if request.method == "POST":
        code = 422
        if form.validate():
            found = _named(form.partner.data or "")
            if len(found) == 1:
                return redirect(url_for(".create_payout", payee_reference=found[0].reference), 303)
            if not found:
                form.partner.errors = ["There is no partner of this number or name. Example: PY-0001"]
    return (
        render_template(
            "partners/create.html", area=AREA, tab="payouts", form=form, found=found[:CHOICES],
            more=len(found) > CHOICES, has_errors=bool(form.errors),
        ),
        200 if found else code,
    )  # fmt: skip


def _named(text: str) -> list[Payee]:
    """The partner of a number, else those with this in their name."""
    query = select(Payee).where(Payee.organisation_id == g.organisation.id, Payee.kind == Role.PARTNER.value)
    exact = db.session.scalars(query.where(Payee.reference == text.upper())).all()
    named = query.where(like(Payee.name, text)).order_by(Payee.name, Payee.id)
    return list(exact or db.session.scalars(named.limit(CHOICES + 1)))


@needs_fresh_sign_in
def create_for(payee_reference: str) -> ResponseReturnValue:
    """Choose what is due to one partner, see the calculation, create the payout."""
    require_change()
    form: ManualPayoutForm = form_of(ManualPayoutForm)
    chosen = request.form.getlist("ids")
    problem, code = "", 200
    plan: choosing.Plan | None = None
    if request.method == "POST":
        try:
            if request.form.get("act") == "create" and form.validate():
                make = partial(choosing.create, payee_reference=payee_reference, references=chosen)
                return created_by_hand(make, "partners:hand", form.key.data, form.note.data)
            plan = choosing.plan(
                organisation_id=g.organisation.id, payee_reference=payee_reference, references=chosen, now=utc_now()
            )  # fmt: skip
        except Invalid as error:
            attach(form, error)
            problem, code = error.message, 422
        except Conflict as error:
            problem, code = error.message, 409
    if plan is None:
        return _choice_page(payee_reference, chosen, problem, code)
    form.key.data = form.key.data or new_uid()
    return render_template(
        "partners/create_check.html", area=AREA, tab="payouts", form=form, payee=plan.payee, plan=plan,
        lines=[_line(row) for row in plan.rows], chosen=chosen,
    ), 422 if form.errors else 200  # fmt: skip


def _line(row: Commission) -> dict[str, Any]:
    line = calculating.line_of(row)
    return {
        "row": row,
        "kind": CommissionKind(row.kind),
        "words": line.description,
        "formula": line.formula,
        "amount": money(row.amount_minor, row.currency),
        "is_taken_back": row.amount_minor < 0,
    }


def _choice_page(payee_reference: str, chosen: list[str], problem: str, code: int) -> ResponseReturnValue:
    payee, rows = choosing.choice(g.organisation.id, payee_reference, utc_now())
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.currency, []).append(_line(row))
    return (
        render_template(
            "partners/create_choose.html", area=AREA, tab="payouts", payee=payee, groups=groups,
            chosen=set(chosen), problem=problem, may_change=may_change(), has_errors=code == 422,
        ),
        code,
    )  # fmt: skip
