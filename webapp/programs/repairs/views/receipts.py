"""Weekly receipts (DTRs): the list, one receipt with every line and both signs said in words, and its correction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import correcting, lists, queries, receipt_lists
from webapp.programs.repairs.books import Receipt, ReceiptLine
from webapp.programs.repairs.correcting import CorrectionLine
from webapp.programs.repairs.filters import ReceiptFilterForm
from webapp.programs.repairs.money_forms import ReissueForm
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.states import Category
from webapp.programs.repairs.views import files
from webapp.programs.repairs.views.area import AREA
from webapp.programs.repairs.views.drivers import receipt_row
from webapp.programs.repairs.views.words import carried_words, net_words
from webapp.web.htmx import see_other

SUMS = (
    ("earnings", "Earned"), ("charges", "Charged"), ("adjustments", "Adjusted"), ("paid", "Paid out"),
)  # fmt: skip


def _filter() -> ReceiptFilterForm:
    form: ReceiptFilterForm = form_of(ReceiptFilterForm, formdata=request.args)
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form = _filter()
    is_valid = form.validate()
    found = lists.receipts(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "receipts", "receipt", files=files.links("receipts"))
    return list_page(
        AREA, "repairs/receipts.html", form, "receipts", is_valid=is_valid,
        rows=[_row(row) for row in context["page"].items], **context,
    )  # fmt: skip


def _row(row: Any) -> dict[str, Any]:
    return {
        **receipt_row(row),
        "earnings": money(row.earnings_minor, row.currency),
        "charges": money(row.charges_minor, row.currency),
        "adjustments": money(row.adjustments_minor, row.currency),
        "words": net_words(money(row.net_minor, row.currency)),
        "payout": PayoutState(row.payout_state) if row.payout_state else None,
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = lists.receipts(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "receipts", SUMS, "Receipts")


def show(number: str) -> ResponseReturnValue:
    """One receipt: what it began with, every line, what it comes to, what was paid and what is carried."""
    here = g.organisation.id
    row = queries.get_receipt(here, number)
    around = receipt_lists.around(row)
    say = _sayer(row)
    closing = say(row.closing_minor)
    return render_template(
        "repairs/receipt.html",
        area=AREA,
        tab="receipts",
        receipt=row,
        week=Week(row.week_start),
        parts=parts_of(row.lines, row.currency),
        covered=_covered(row),
        figures={
            "opening": say(row.opening_minor),
            "earnings": say(row.earnings_minor),
            "charges": say(-row.charges_minor),
            "adjustments": say(row.adjustments_minor),
            "net": say(row.net_minor),
            "paid": say(-row.paid_minor) if row.paid_minor else say(0),
            "difference": say(-row.difference_minor) if row.difference_minor else None,
            "closing": closing,
        },
        paid=say(row.paid_minor),
        net_words=net_words(say(row.net_minor)),
        carried=carried_words(closing),
        opening_words=_opening_words(say(row.opening_minor)),
        around=around,
        payout_state=PayoutState(around.payout_state) if around.payout_state else None,
        may_change=may_change(),
    )


def _sayer(row: Receipt) -> Any:
    return lambda minor: Money(minor, row.currency)


def _opening_words(opening: Money) -> str:
    if opening.amount < 0:
        return "Owed by the driver from the week before"
    return (
        "Kept for the driver from the week before" if opening.amount else "Nothing came from the week before"
    )


def parts_of(lines: Sequence[ReceiptLine], currency: str) -> dict[str, Any]:
    """The lines as people read them: earnings, charges by category with their sum, adjustments, carried."""
    by_kind: dict[str, list[ReceiptLine]] = {}
    for line in lines:
        by_kind.setdefault(line.kind, []).append(line)
    place = {str(category): n for n, category in enumerate(Category)}
    charges = sorted(by_kind.get("charge", []), key=lambda line: (place[line.category], line.position))
    return {
        "earnings": _said(by_kind.get("earning", []), currency),
        "adjustments": _said(by_kind.get("adjustment", []), currency),
        "carried": _said(by_kind.get("carried", []), currency),
        "charges": [
            {"category": Category(name), "rows": (rows := _said(list(group), currency)),
             "sum": Money(sum(amount.amount for _, amount in rows), currency)}
            for name, group in groupby(charges, key=lambda line: line.category)
        ],
    }  # fmt: skip


def _said(lines: Sequence[ReceiptLine], currency: str) -> list[tuple[ReceiptLine, Money]]:
    return [(line, Money(line.amount_minor, currency)) for line in lines]


def _covered(row: Receipt) -> list[dict[str, Any]]:
    """What the week's money covered, by category."""
    return [
        {"category": Category(name), "count": n, "amount": Money(int(amount), row.currency)}
        for name, n, amount in receipt_lists.covered_by(row.id)
    ]


@needs_fresh_sign_in
def reissue(number: str) -> ResponseReturnValue:
    """A correction under a number of its own: first the difference, then the button that issues it."""
    require_change()
    here = g.organisation.id
    row = queries.get_receipt(here, number)
    form: ReissueForm = form_of(ReissueForm, row.currency)
    if request.method == "GET":
        return _reissue_page(form, row, 200)
    if not form.validate():
        return _reissue_page(form, row, 422)
    try:
        lines = form.corrections()
        correcting.check_lines(lines)
        if request.form.get("act") != "save":
            # The difference first; nothing is stored.
            return _reissue_page(form, row, 200, lines)
        with transaction():
            made = correcting.reissue_receipt(
                organisation_id=here, number=number, lines=lines, reason=form.reason.data or "", actor=actor(),
                now=utc_now(),
            ).number  # fmt: skip
    except Invalid as error:
        attach(form, error)
        return _reissue_page(form, queries.get_receipt(here, number), 422)
    except Conflict as error:
        return _reissue_page(form, queries.get_receipt(here, number), 409, conflict=error.message)
    flash(f"{made} is issued in place of {number}. The difference counts in the week that runs.", "success")
    return see_other(url_for(".receipt", number=made))


def _reissue_page(
    form: ReissueForm, row: Receipt, code: int, lines: Sequence[CorrectionLine] = (), conflict: str = ""
) -> ResponseReturnValue:
    difference = Money(sum(line.amount_minor for line in lines), row.currency)
    net = Money(row.net_minor, row.currency)
    return (
        render_template(
            "repairs/receipt_reissue.html", area=AREA, form=form, receipt=row, week=Week(row.week_start),
            conflict=conflict, has_errors=code == 422, back=url_for(".receipt", number=row.number),
            lines=[(Category(line.category), line.description, Money(line.amount_minor, row.currency))
                   for line in lines],
            difference=difference, net=net, new_net=net + difference,
        ),
        code,
    )  # fmt: skip
