"""A practitioner's own pages: wallet with its movements, withdrawal to the bank, invoices without customers' names."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from webapp.database import transaction
from webapp.kernel.clock import add_months, local_date, utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import new_uid
from webapp.kernel.money import Money
from webapp.ledger import queries as ledger
from webapp.ledger.models import Posting
from webapp.payouts.states import PayoutState
from webapp.payouts.views import words as payout_words
from webapp.people import queries as people
from webapp.people.forms import attach
from webapp.people.models import Payee, Role
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, payee_id_for
from webapp.programs.clinic import own_lists, queries, withdrawing
from webapp.programs.clinic.models import Invoice
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import InvoiceState
from webapp.web import charts, filters
from webapp.web.form_fields import ActForm, AmountField
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, counted, gettext, locale_name
from webapp.web.pagination import Page, capped_count, keyset

MONTHS = 6
wallet = Blueprint("wallet", __name__, url_prefix="/wallet")
invoices = Blueprint("invoices", __name__, url_prefix="/invoices")


class WithdrawalForm(ActForm):
    """How much of the wallet goes to the bank."""

    amount = AmountField(N_("Amount"), example="250.00")
    key = HiddenField()


def _payee() -> Payee:
    payee_id = payee_id_for(Role.PRACTITIONER.value)
    if payee_id is None:
        raise NotFound("Your account is not linked to a practitioner yet. Ask an admin to link it.")
    return people.get_payee_by_id(g.organisation.id, payee_id)


@wallet.get("")
def index() -> ResponseReturnValue:
    """What the wallet holds, and every movement with the balance after it."""
    payee_id = payee_id_for(Role.PRACTITIONER.value)
    if payee_id is None:
        return render_template("clinic/practitioner/wallet.html", wallet=None, page=None, rows=[], debts=[])
    payee = _payee()
    found = queries.wallet_of(payee, g.organisation.currency)
    page: Page[Any] = Page([], None, None)
    if found.account is not None:
        page = keyset(ledger.postings(found.account.id), Posting.id, key_of=lambda row: int(row.id))
    rows = [
        {
            "row": row,
            "amount": Money(-row.amount_minor, row.currency),
            "after": Money(row.balance_after_minor, row.currency),
            "words": _words(row.kind),
        }
        for row in page.items
    ]
    return render_template(
        "clinic/practitioner/wallet.html",
        wallet=found,
        page=page,
        rows=rows,
        debts=queries.open_debts(payee.id),
    )


#: What a movement is called to its practitioner, by the kind of its entry.
_KINDS = {
    "payout.paid_into_wallet": N_("Your part of an invoice"),
    "clinic.withdrawal": N_("Withdrawal to your bank"),
    "clinic.given_back": N_("A withdrawal that came back"),
    "clinic.refunded": N_("Part of an invoice that was refunded"),
    "clinic.deducted": N_("Deduction"),
    "clinic.set_off": N_("Set off against what you owed"),
    "clinic.adjusted": N_("Adjusted by the clinic"),
}


def _words(kind: str) -> str:
    return gettext(_KINDS.get(kind, N_("Movement")))


@wallet.route("/withdraw", methods=["GET", "POST"])
@needs_fresh_sign_in
def withdraw() -> ResponseReturnValue:
    """Ask for wallet money to be sent to the bank; it goes through approval like every payout."""
    payee = _payee()
    here = g.organisation
    form = WithdrawalForm(currency=here.currency, locale=here.locale)
    found = queries.wallet_of(payee, here.currency)

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        least = Money(settings_of(here.id).withdrawal_minimum_minor, here.currency)
        return (
            render_template(
                "clinic/practitioner/withdraw.html", form=form, wallet=found, least=least, conflict=conflict,
                has_errors=code == 422,
            ),
            code,
        )  # fmt: skip

    if request.method == "GET":
        form.amount.data, form.key.data = found.balance.plain, new_uid()
        return page(200)
    if not form.validate():
        return page(422)
    try:
        with transaction():
            payout = withdrawing.request_withdrawal(
                organisation_id=here.id,
                payee_id=payee.id,
                amount_minor=form.amount.minor or 0,
                idempotency_key=f"withdrawal:{payee.id}:{form.key.data}" if form.key.data else None,
                actor=actor(),
                now=utc_now(),
            )
            reference = payout.reference
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    said = gettext(
        "%(reference)s is asked for. The clinic approves it, then it goes to your bank.", reference=reference
    )
    flash(said, "success")
    return see_other(url_for("practitioner.payouts.show", reference=reference))


@invoices.get("", endpoint="index")
def invoices_index() -> ResponseReturnValue:
    """Own invoices, newest first: number and initials, what came in, what was kept, what was paid."""
    payee_id = payee_id_for(Role.PRACTITIONER.value)
    page: Page[Any] = Page([], None, None)
    rows: list[dict[str, Any]] = []
    if payee_id is not None:
        query = own_lists.list_own(g.organisation.id, payee_id)
        found = keyset(query, Invoice.id)
        count = counted(capped_count(query, Invoice.id), N_("1 invoice"), N_("%(count)s invoices"))
        page = Page(found.items, found.previous_href, found.next_href, count)
        rows = [_row(own) for own in own_lists.with_payouts(found.items, payee_id)]
    figure = _figure(payee_id) if rows and payee_id is not None else None
    return render_template("clinic/practitioner/invoices.html", page=page, rows=rows, figure=figure)


def _figure(payee_id: int) -> charts.BarFigure:
    """What customers paid, and what of it was paid into the wallet, month by month."""
    here = g.organisation
    months = [add_months(local_date(utc_now(), here.timezone), n) for n in range(1 - MONTHS, 1)]
    found = {m.month: m for m in own_lists.months(here.id, payee_id, here.currency, months[0])}
    none = own_lists.OwnMonth("", 0, 0)
    rows = [found.get(f"{month:%Y-%m}", none) for month in months]
    say = payout_words.wording(here.currency)
    return charts.bars(
        key="collected",
        title=gettext("Collected and paid to you, %(currency)s", currency=here.currency),
        finding=gettext(
            "Customers paid %(collected)s for your invoices in six months; %(paid)s of it was paid into your wallet.",
            collected=say(sum(row.collected_minor for row in rows)),
            paid=say(sum(row.paid_minor for row in rows)),
        ),
        categories=[filters.month(month) for month in months],
        series=[
            charts.Series(gettext("Collected"), tuple(row.collected_minor for row in rows)),
            # Below the line: it is a part of what came in, and on top of it would be counted twice.
            charts.Series(gettext("Paid to you"), tuple(-row.paid_minor for row in rows)),
        ],
        say=say,
        say_tick=payout_words.short_wording(here.currency, locale_name()),
        category_header=gettext("Month"),
    )


def _row(own: own_lists.OwnInvoice) -> dict[str, Any]:
    invoice = own.invoice
    return {
        "own": own,
        "state": InvoiceState(invoice.state),
        "total": Money(invoice.total_minor, invoice.currency),
        "collected": Money(invoice.stayed_minor, invoice.currency),
        "payouts": [(payout, PayoutState(payout.state)) for _, payout in own.payouts],
        "status": [payout_words.payee_status(payout, g.organisation.name) for _, payout in own.payouts],
    }


def home_section(organisation_id: int, payee_id: int, today: date) -> dict[str, Any]:
    """What the home page of a practitioner says beside the payouts: the wallet, and what is owed."""
    payee = people.get_payee_by_id(organisation_id, payee_id)
    found = queries.wallet_of(payee, g.organisation.currency)
    return {
        "stats": [
            {"label": gettext("In your wallet"), "value": found.balance, "href": url_for("practitioner.wallet.index")},
            {"label": gettext("On its way to your bank"), "value": found.held,
             "href": url_for("practitioner.payouts.index")},
        ],
        "owed": found.owed if found.owed.amount else None,
    }  # fmt: skip
