"""A driver's own pages: repairs with their plan, the ledger, weekly receipts with every line, disputing a charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts.views.own_lists import page_of
from webapp.people import queries as people
from webapp.people.forms import attach
from webapp.people.models import Payee, Role
from webapp.people.views.session import actor, payee_id_for
from webapp.programs.repairs import (
    changing,
    disputing,
    driver_lists,
    ledger_list,
    lists,
    own_records,
    queries,
)
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.states import (
    AdjustmentKind,
    Category,
    DisputeState,
    InstalmentState,
    RepairState,
)
from webapp.programs.repairs.views import receipt_files
from webapp.web.fields import strip
from webapp.web.form_fields import ActForm
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, gettext, translated
from webapp.web.listing import Listing
from webapp.web.pagination import Page

repairs = Blueprint("repairs", __name__, url_prefix="/repairs")
ledger = Blueprint("ledger", __name__, url_prefix="/ledger")
receipts = Blueprint("receipts", __name__, url_prefix="/receipts")
FOLDER = "repairs/driver_portal"
NOBODY: Page[Any] = Page([], None, None)


class DisputeForm(ActForm):
    """Why a driver does not agree with a charge."""

    reason = TextAreaField(
        N_("Why you do not agree"),
        [InputRequired(N_("Say why. Example: I did not use this bridge.")), Length(max=1000)],
        filters=[strip],
    )


def _own_id() -> int | None:
    return payee_id_for(Role.DRIVER.value)


def _payee() -> Payee:
    payee_id = _own_id()
    if payee_id is None:
        raise NotFound("Your account is not linked to a driver yet. Ask an admin to link it.")
    return people.get_payee_by_id(g.organisation.id, payee_id)


def _confirmed(organisation_id: int, payee_id: int) -> Listing:
    """Own repairs; a draft is the office's alone."""
    found = lists.repairs(organisation_id, payee_id=payee_id)
    is_confirmed = lists.repair.state != RepairState.DRAFT.value
    return replace(
        found, query=found.query.where(is_confirmed), everything=found.everything.where(is_confirmed)
    )


@repairs.get("", endpoint="index")
def repairs_index() -> ResponseReturnValue:
    """Own repairs with what is left of them, and loans."""
    payee_id, here = _own_id(), g.organisation
    page, loans = NOBODY, []
    if payee_id is not None:
        page = page_of(_confirmed(here.id, payee_id), N_("1 repair"), N_("%(count)s repairs"))
        loans = driver_lists.loans_of(here.id, payee_id)
    rows = [
        {
            "row": row,
            "state": RepairState(row.state),
            "amount": Money(row.amount_minor, row.currency),
            "weekly": Money(row.weekly_minor, row.currency),
            "left": Money(row.outstanding_minor, row.currency),
        }
        for row in page.items
    ]
    return render_template(f"{FOLDER}/repairs.html", page=page, rows=rows, loans=loans)


@repairs.get("/<reference>", endpoint="show")
def repairs_show(reference: str) -> ResponseReturnValue:
    """One repair with its plan, week by week."""
    repair = queries.get_repair(g.organisation.id, reference, _payee().id)
    if repair.state == RepairState.DRAFT:
        raise NotFound("There is no such repair.")
    charges = {charge.instalment_id: charge for charge in changing.charges_of(repair)}
    known = disputing.of_charges(g.organisation.id, [charge.id for charge in charges.values()])
    rows = [
        {
            "row": each,
            "state": InstalmentState(each.state),
            "amount": Money(each.amount_minor, each.currency),
            "charge": _charge(charges.get(each.id), known),
        }
        for each in repair.instalments
        if each.state != InstalmentState.SKIPPED
    ]
    outstanding = repair.outstanding_minor if repair.state != RepairState.CANCELLED else sum(
        charge.open_minor for charge in charges.values()
    )  # fmt: skip
    return render_template(
        f"{FOLDER}/repair.html",
        repair=repair,
        state=RepairState(repair.state),
        rows=rows,
        amount=Money(repair.amount_minor, repair.currency),
        weekly=Money(repair.weekly_minor, repair.currency),
        paid=Money(repair.paid_minor, repair.currency),
        left=Money(outstanding, repair.currency),
    )


def _charge(charge: Charge | None, known: dict[int, Any]) -> dict[str, Any] | None:
    """How a charge stands for its driver: what is open, its dispute, whether it may be disputed."""
    if charge is None:
        return None
    dispute = known.get(charge.id)
    return {
        "id": charge.id,
        "open": Money(charge.open_minor, charge.currency),
        "dispute": dispute,
        "dispute_state": DisputeState(dispute.state) if dispute else None,
        "may_dispute": dispute is None and charge.credited_minor < charge.amount_minor,
    }


@ledger.get("", endpoint="index")
def ledger_index() -> ResponseReturnValue:
    """Every charge, earning, payment and payout with the balance after it, and what is owed by category."""
    payee_id, here = _own_id(), g.organisation
    if payee_id is None:
        return render_template(f"{FOLDER}/ledger.html", page=NOBODY, rows=[], balances=[], balance=None)
    payee = people.get_payee_by_id(here.id, payee_id)
    page = page_of(ledger_list.driver_ledger(here.id, payee_id), N_("1 line"), N_("%(count)s lines"))
    charges = own_records.charges_on(here.id, payee_id, page.items)
    known = disputing.of_charges(here.id, list(charges))
    rows = [
        {
            "row": row,
            "about": _about(row.kind, row.category),
            "amount": Money(row.amount_minor, row.currency),
            "balance": Money(row.balance_minor, row.currency),
            "charge": _charge(charges.get(own_records.charge_id(row)), known),
        }
        for row in page.items
    ]
    return render_template(
        f"{FOLDER}/ledger.html",
        page=page,
        rows=rows,
        balance=queries.balance_of(here.id, payee, here.currency),
        balances=[
            each for each in ledger_list.balances_by_category(here.id, payee_id, here.currency) if each.open.amount
        ],
    )  # fmt: skip


def _about(kind: str, category: str) -> str:
    """What a line is about, in the reader's language; an earning's source is a name."""
    if kind == ledger_list.CHARGE:
        return str(translated(Category(category).label))
    if kind == ledger_list.ADJUSTMENT:
        return str(translated(AdjustmentKind(category).label))
    return category if kind == ledger_list.EARNING else gettext("Payout")


@ledger.route("/<int:charge_id>/dispute", methods=["GET", "POST"])
def dispute(charge_id: int) -> ResponseReturnValue:
    """Say that one charge is not right; nothing is taken for it until the office has decided."""
    payee = _payee()
    charge = disputing.get_charge(g.organisation.id, payee.id, charge_id)
    form = DisputeForm(currency=charge.currency, locale=g.organisation.locale)
    if request.method == "GET":
        return _dispute_page(form, charge, 200)
    if not form.validate():
        return _dispute_page(form, charge, 422)
    try:
        with transaction():
            reference = disputing.dispute_charge(
                organisation_id=g.organisation.id, payee_id=payee.id, charge_id=charge_id,
                reason=form.reason.data or "", actor=actor(), now=utc_now(),
            ).reference  # fmt: skip
    except Invalid as error:
        attach(form, error)
        return _dispute_page(form, disputing.get_charge(g.organisation.id, payee.id, charge_id), 422)
    except Conflict as error:
        again = disputing.get_charge(g.organisation.id, payee.id, charge_id)
        return _dispute_page(form, again, 409, error.message)
    said = gettext(
        "%(reference)s is sent. Nothing is taken for this charge until it is decided.", reference=reference
    )
    flash(said, "success")
    return see_other(url_for("driver.ledger.index"))


def _dispute_page(form: DisputeForm, charge: Charge, code: int, conflict: str = "") -> ResponseReturnValue:
    return (
        render_template(
            f"{FOLDER}/dispute.html",
            form=form,
            charge=charge,
            about=translated(Category(charge.category).label),
            amount=Money(charge.amount_minor, charge.currency),
            paid=Money(charge.paid_minor, charge.currency),
            there=_charge(charge, disputing.of_charges(g.organisation.id, [charge.id])),
            conflict=conflict,
            has_errors=code == 422,
        ),
        code,
    )


@receipts.get("", endpoint="index")
def receipts_index() -> ResponseReturnValue:
    """Own weekly receipts, the newest first."""
    payee_id = _own_id()
    page = NOBODY
    if payee_id is not None:
        found = lists.receipts(g.organisation.id, payee_id=payee_id)
        page = page_of(found, N_("1 receipt"), N_("%(count)s receipts"))
    return render_template(
        f"{FOLDER}/receipts.html", page=page, rows=[_receipt_row(row) for row in page.items]
    )


def _receipt_row(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "week": Week(row.week_start),
        **{
            name: Money(getattr(row, f"{name}_minor"), row.currency)
            for name in ("earnings", "charges", "net", "paid", "closing")
        },
    }


@receipts.get("/<number>", endpoint="show")
def receipts_show(number: str) -> ResponseReturnValue:
    """One receipt: what is due or carried, how it came about, every line; its charges can be disputed."""
    here, payee = g.organisation.id, _payee()
    row = queries.get_receipt(here, number, payee.id)
    charges = own_records.charges_of_receipt(row)
    known = disputing.of_charges(here, [charge.id for charge in charges])
    by_line = own_records.charges_by_line(row.lines, charges)
    corrected_by, corrects = own_records.corrections(row)

    def say(minor: int) -> Money:
        return Money(minor, row.currency)

    return render_template(
        f"{FOLDER}/receipt.html",
        receipt=row,
        week=Week(row.week_start),
        figures={
            name: say(getattr(row, f"{name}_minor"))
            for name in ("opening", "earnings", "charges", "adjustments", "net", "paid", "closing", "difference")
        },
        lines=[
            {
                "line": line,
                "about": line.category if line.kind == "earning" else _line_about(line.kind, line.category),
                "amount": say(line.amount_minor),
                "charge": _charge(by_line.get(line.id), known),
            }
            for line in row.lines
        ],
        file=receipt_files.file_of(row, "driver.receipts"),
        payout=own_records.payout_reference(row),
        corrected_by=corrected_by,
        corrects=corrects,
    )  # fmt: skip


def _line_about(kind: str, category: str) -> str:
    """A correction's line has the category of a charge, whichever way it goes."""
    known: Sequence[Any] = [each for each in Category if each == category]
    if kind == "adjustment" and not known:
        known = [each for each in AdjustmentKind if each == category]
    return str(translated(known[0].label)) if known else category


@receipts.route("/<number>.pdf", methods=["GET", "POST"], endpoint="pdf")
def receipts_pdf(number: str) -> ResponseReturnValue:
    """The PDF; while there is none, a page that says how it stands. POST has it made."""
    receipt = queries.get_receipt(g.organisation.id, number, _payee().id)
    return receipt_files.answer(receipt, "driver.receipts")


def home_section(organisation_id: int, payee_id: int, today: date) -> dict[str, Any]:
    """What the home page of a driver says beside the payouts: balance, what is left of repairs, the last receipt."""
    payee = people.get_payee_by_id(organisation_id, payee_id)
    currency = g.organisation.currency
    balance = queries.balance_of(organisation_id, payee, currency)
    last = own_records.last_receipt(organisation_id, payee_id)
    return {
        "stats": [
            {"label": gettext("Your balance"), "value": balance.net, "href": url_for("driver.ledger.index")},
            {
                "label": gettext("Left of repairs"),
                "value": own_records.left_of_repairs(organisation_id, payee_id, currency),
                "href": url_for("driver.repairs.index"),
            },
        ],
        "last": last,
        "week": Week(last.week_start) if last else None,
        "paid": Money(last.paid_minor, last.currency) if last else None,
        "closing": Money(last.closing_minor, last.currency) if last else None,
    }
