"""Rent that went back, who owes for it and what was recovered; shares of rents that wait for a person."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.people.views.session import actor, require_change
from webapp.programs.rentals import lists, return_lists, sharing
from webapp.programs.rentals.filters import ReturnFilterForm
from webapp.programs.rentals.forms import DecideForm
from webapp.programs.rentals.models import DistributionShare, ExcessTo, RentPayment, RentReturn, ReturnKind
from webapp.programs.rentals.views import common
from webapp.web import filters
from webapp.web.filter_fields import ListFilter

LIST, WAITING = "admin.rentals.returns", "admin.rentals.waiting"
#: State of a return → tone, word.
STATES = {
    "pending": ("progress", "At the gateway"),
    "completed": ("done", "Gone back"),
    "failed": ("failed", "Refused"),
}


def return_row(row: RentReturn, payment: RentPayment, debts: Any) -> dict[str, Any]:
    """What a table shows of a refund or chargeback, with what each owner owes because of it."""
    tone, word = STATES[row.state]
    return {
        "row": row,
        "payment": payment,
        "kind": ReturnKind(row.kind),
        "tone": tone,
        "word": word,
        "amount": common.money(row.amount_minor, row.currency),
        "excess": common.money(row.excess_minor, row.currency),
        "bearer": ExcessTo(row.excess_to).label if row.excess_to else "",
        "debts": [
            {
                "payee": payee,
                "owed": common.money(debt.amount_minor, debt.currency),
                "recovered": common.money(debt.netted_minor, debt.currency),
                "left": common.money(debt.amount_minor - debt.netted_minor, debt.currency),
                "unsent": common.money(debt.unsent_minor, debt.currency),
            }
            for debt, payee in debts
        ],
    }


def index() -> ResponseReturnValue:
    """Refunds and chargebacks, and above them the owners who still owe."""
    form = ReturnFilterForm(request.args)
    page, rows = common.NO_PAGE, []
    if is_valid := form.validate():
        left_at = utc_now() if form.left.data == "people" else None
        query = return_lists.list_returns(
            g.organisation.id, form.kind.data or "", form.owed.data == "open", left_at
        )
        page = common.page_of(
            query, RentReturn.id, "refund or chargeback", "refunds and chargebacks", key_of=lambda r: r[0].id
        )
        debts = return_lists.debts_of([row.id for row, _ in page.items])
        rows = [return_row(row, payment, debts.get(row.id, [])) for row, payment in page.items]
    return common.list_page(
        "returns", form, is_valid=is_valid, page=page, rows=rows,
        owing=return_lists.owed_by_owners(g.organisation.id),
    )  # fmt: skip


def waiting() -> ResponseReturnValue:
    """Owners' shares of received rents without a payout, each with its reason."""
    query = lists.list_waiting(g.organisation.id)
    page = common.page_of(query, DistributionShare.id, "share")
    rows = [
        {
            "share": share,
            "payment": share.distribution.payment,
            "left": common.money(share.amount_minor - share.netted_minor, share.distribution.currency),
            "is_blocked": share.offer == "blocked",
        }
        for share in page.items
    ]
    return common.list_page("waiting", ListFilter(), is_valid=True, page=page, rows=rows)


def decide(share_id: int) -> ResponseReturnValue:
    """Pay a share again whose payout was rejected or cancelled, or dismiss it."""
    require_change()
    share = lists.get_waiting(g.organisation.id, share_id)
    form = common.form_of(DecideForm)
    name, rent = share.payee.name, share.distribution.payment.reference
    left = common.money(share.amount_minor - share.netted_minor, share.distribution.currency)
    facts = [
        ("Owner", name),
        ("Rent", rent),
        ("Share", filters.money(left)),
        ("Why it waits", share.waits_for or "–"),
    ]

    def call() -> str:
        again = form.choice.data == "again"
        sharing.decide_blocked(
            organisation_id=g.organisation.id,
            share_id=share_id,
            is_paid_again=again,
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        if again:
            return f"{name} is paid {rent} again; the new payout is made within seconds."
        return f"The share of {name} in {rent} is dismissed. It stays held for them."

    back = url_for(".waiting")
    return common.act_page(
        form,
        title=f"Decide about {name}'s share of {rent}",
        button="Save the decision",
        back=(back, "Waiting shares"),
        crumbs=[(back, "Waiting shares")],
        facts=facts,
        call=call,
    )
