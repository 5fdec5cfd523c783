"""The demo's simulated bank: its side of every transfer, and what it shall do with the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound, PaydeskError
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.providers import sandbox
from webapp.web.htmx import see_other

blueprint = Blueprint("bank", __name__, url_prefix="/bank")


class BankState(Label):
    """A transfer in the bank's own books."""

    PENDING = "pending", "Pending", "progress"
    SUCCESS = "success", "Settled", "done"
    FAILED = "failed", "Failed", "failed"
    REVERSED = "reversed", "Returned", "returned"


@dataclass(frozen=True)
class Shown:
    """One transfer as the page lists it."""

    transfer_id: str
    received_at: datetime
    beneficiary: str
    account: str
    remarks: str
    amount: Money
    state: BankState
    message: str


def _organisation_id() -> int:
    """The bank's desk is for admins of the organisation whose money it is."""
    if g.organisation is None or "admin" not in g.roles:
        abort(404)
    organisation_id: int = g.organisation.id
    return organisation_id


def _shown(row: Any) -> Shown:
    return Shown(
        row.transfer_id,
        row.received_at,
        row.beneficiary,
        row.account_masked,
        row.remarks,
        Money(row.amount_minor, row.currency),
        BankState(row.state),
        row.message,
    )


def _page(error: PaydeskError | None = None) -> str:
    organisation_id = _organisation_id()
    found = [_shown(row) for row in sandbox.transfers(organisation_id)]
    return render_template(
        "demo/bank.html",
        transfers=found,
        ordered=sandbox.ordered(organisation_id),
        orders=sandbox.ORDERS,
        rules={ending: rule.label for ending, rule in sandbox.RULES.items()},
        reasons={code: text for code, text in sandbox.MESSAGES.items() if code != "RETURNED_BY_BANK"},
        error=error.message if error else None,
    )


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Every transfer that reached the bank, newest first."""
    return _page()


@blueprint.post("/")
def act() -> ResponseReturnValue:
    """Settle, fail or return one transfer, or say what happens to the next."""
    organisation_id, form = _organisation_id(), request.form
    db.session.rollback()  # the bank writes its books over its own connection
    try:
        if form.get("action") == "order":
            behaviour = form.get("behaviour", "")
            sandbox.order_next(organisation_id=organisation_id, behaviour=behaviour, now=utc_now())
            said = (
                "The next transfer is treated so." if behaviour else "The next transfer is treated as usual."
            )
        else:
            said = sandbox.act(
                organisation_id=organisation_id,
                transfer_id=form.get("transfer_id", ""),
                action=form.get("action", ""),
                code=form.get("code", ""),
                now=utc_now(),
            )
    except (Invalid, Conflict, NotFound) as error:
        status = {Invalid: 422, Conflict: 409, NotFound: 404}[type(error)]
        return _page(error), status
    flash(said, "success")
    return see_other(url_for("demo.bank.index"))
