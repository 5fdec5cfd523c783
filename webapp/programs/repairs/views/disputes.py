"""Disputed charges: the list of those that wait and those that are decided, and the decision."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import joinedload
from wtforms import SelectField, TextAreaField
from wtforms.validators import InputRequired, Length

from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.payouts.views.program_pages import act_page, form_of, money, page_of
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import disputing, queries
from webapp.programs.repairs.books import Dispute
from webapp.programs.repairs.states import Category, DisputeState
from webapp.programs.repairs.views import receipt_files
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters
from webapp.web.fields import options, strip
from webapp.web.form_fields import ActForm

ACCEPT, REFUSE = "accept", "refuse"


class DecideForm(ActForm):
    """Whether a disputed charge stands, and why."""

    choice = SelectField(
        "Decision",
        choices=options(
            (
                (ACCEPT, "Accept: the charge is taken back, with what was paid of it"),
                (REFUSE, "Refuse: it stands"),
            )
        ),
    )
    answer = TextAreaField(
        "Answer to the driver",
        [InputRequired("Tell the driver why. Example: The toll was another vehicle's."), Length(max=1000)],
        filters=[strip],
    )


def index() -> ResponseReturnValue:
    """Those that wait, or all of a state, the newest first."""
    state = request.args.get("state", DisputeState.OPEN.value)
    chosen = state if state in list(DisputeState) else ""
    query = disputing.disputes(g.organisation.id, chosen).options(
        joinedload(Dispute.charge, innerjoin=True), joinedload(Dispute.payee, innerjoin=True)
    )
    page = page_of(query, Dispute.id, "dispute")
    return render_template(
        "repairs/disputes.html",
        area=AREA,
        tab="disputes",
        page=page,
        rows=[_row(row) for row in page.items],
        state=chosen,
        states=[(each.value, each.label) for each in DisputeState],
        may_change=may_change(),
        own_id=actor().user_id,
    )


def _row(row: Dispute) -> dict[str, Any]:
    charge = row.charge
    return {
        "row": row,
        "state": DisputeState(row.state),
        "category": Category(charge.category),
        "amount": money(charge.amount_minor, charge.currency),
        "paid": money(charge.paid_minor, charge.currency),
    }


def decide(reference: str) -> ResponseReturnValue:
    """Accept or refuse one."""
    require_change()
    row = disputing.get_dispute(g.organisation.id, reference)
    if request.method == "GET" and row.state != DisputeState.OPEN:
        raise Conflict(
            f"{row.decided_by_label} has decided {reference}: {DisputeState(row.state).label.lower()}."
        )
    form: DecideForm = form_of(DecideForm, row.charge.currency)
    shown = _row(row)

    def call() -> str:
        accepts = form.choice.data == ACCEPT
        disputing.decide_dispute(
            organisation_id=g.organisation.id, reference=reference, accepts=accepts, answer=form.answer.data or "",
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{reference} is {'accepted: the driver is credited' if accepts else 'refused: the charge stands'}."

    return act_page(
        AREA, form, title=f"Decide {reference}", button="Decide", call=call,
        back=(url_for(".disputes"), "Disputes"),
        facts=[
            ("Driver", row.payee.name), ("Charge", row.charge.description), ("For", shown["category"].label),
            ("Of", filters.day(row.charge.charged_on)), ("Amount", filters.money(shown["amount"])),
            ("Taken already", filters.money(shown["paid"])), ("The driver says", row.reason),
        ],
        explains="Until you decide, nothing more is taken for this charge. The driver is told your answer.",
    )  # fmt: skip


def receipt_pdf(number: str) -> ResponseReturnValue:
    """The PDF of a receipt; while there is none, a page that says how it stands. POST has it made."""
    return receipt_files.answer(queries.get_receipt(g.organisation.id, number), "admin.repairs")
