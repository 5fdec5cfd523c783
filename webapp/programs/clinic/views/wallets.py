"""Wallets with their running balance, adjustments by hand, and deductions that come again and again."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.ids import new_uid
from webapp.ledger import queries as ledger
from webapp.ledger.models import Account, Posting
from webapp.payouts.views.program_pages import act_page, form_of, keyset, money
from webapp.people.models import Payee
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.clinic import deductions, lists, wallets
from webapp.programs.clinic.forms import AdjustForm, DeductionForm, EndForm
from webapp.programs.clinic.models import Deduction
from webapp.programs.clinic.views.area import AREA
from webapp.web import filters
from webapp.web.fields import options


def _accounts(organisation_id: int) -> list[dict[str, Any]]:
    """Every wallet with what is held of it and owed to the clinic, the clinic's own first."""
    rows = db.session.execute(
        select(Account, Payee)
        .outerjoin(Payee, Payee.id == Account.payee_id)
        .where(
            Account.organisation_id == organisation_id,
            Account.code.startswith("wallet:")
            | Account.code.startswith("held:")
            | Account.code.startswith("receivable:"),
            (Account.code == wallets.CLINIC) | (Payee.kind == "practitioner"),
        )
        .order_by(Account.payee_id.is_not(None), Payee.name, Account.id)
    )
    found: dict[tuple[int | None, str], dict[str, Any]] = {}
    for account, payee in rows:
        key = (account.payee_id, account.currency)
        row = found.setdefault(
            key,
            {"payee": payee, "account": None, "balance": money(0, account.currency),
             "held": money(0, account.currency), "owed": money(0, account.currency)},
        )  # fmt: skip
        kind = account.code.partition(":")[0]
        row[{"wallet": "balance", "held": "held"}.get(kind, "owed")] = money(
            account.balance_minor, account.currency
        )
        if kind == "wallet":
            row["account"] = account
    return [row for row in found.values() if row["account"] is not None]


def index() -> ResponseReturnValue:
    """Every wallet."""
    return render_template(
        "clinic/wallets.html",
        area=AREA,
        tab="wallets",
        rows=_accounts(g.organisation.id),
        may_change=may_change(),
    )


def _wallet(account_id: int) -> Account:
    account = ledger.get_account(g.organisation.id, account_id)
    payee = ledger.payee_of(account)
    if account.code != wallets.CLINIC and (
        payee is None or payee.kind != "practitioner" or account.code != wallets.code_of(payee)
    ):
        raise NotFound
    return account


def show(account_id: int) -> ResponseReturnValue:
    """One wallet: every movement with the balance after it."""
    account = _wallet(account_id)
    page = keyset(ledger.postings(account.id), Posting.id, key_of=lambda row: row.id)
    rows = [
        {"row": row, "amount": money(-row.amount_minor, row.currency),
         "after": money(row.balance_after_minor, row.currency)}
        for row in page.items
    ]  # fmt: skip
    return render_template(
        "clinic/wallet.html", area=AREA, tab="wallets", account=account, payee=ledger.payee_of(account), page=page,
        rows=rows, balance=money(account.balance_minor, account.currency), may_change=may_change(),
    )  # fmt: skip


@needs_fresh_sign_in
def adjust(account_id: int) -> ResponseReturnValue:
    """Money in or out by hand, with a reason."""
    require_change()
    account = _wallet(account_id)
    payee = ledger.payee_of(account)
    form: AdjustForm = form_of(AdjustForm, account.currency)
    name = payee.name if payee else "the clinic"

    def fill() -> None:
        form.key.data = new_uid()

    def call() -> str:
        amount = form.amount.minor or 0
        row = wallets.adjust(
            organisation_id=g.organisation.id,
            payee_id=payee.id if payee else None,
            amount_minor=amount if form.direction.data == "in" else -amount,
            reason=form.reason.data or "",
            currency=account.currency,
            idempotency_key=f"page:{form.key.data}" if form.key.data else None,
            actor=actor(),
            now=utc_now(),
        )
        return f"{row.reference}: the wallet of {name} is adjusted."

    other = "from and to the clinic's wallet" if payee else "from and to the bank account"
    return act_page(
        AREA, form, title=f"Adjust the wallet of {name}", button="Adjust it",
        back=(url_for(".wallet", account_id=account_id), "the wallet"), call=call, fill=fill,
        facts=[("It holds", filters.money(money(account.balance_minor, account.currency)))],
        crumbs=[(url_for(".wallets"), "Wallets")],
        explains=f"The money moves {other}. It stands in the trail with your name.",
    )  # fmt: skip


def list_deductions() -> ResponseReturnValue:
    """What practitioners pay again and again."""
    rows = db.session.execute(
        select(Deduction, Payee)
        .join(Payee, Payee.id == Deduction.payee_id)
        .where(Deduction.organisation_id == g.organisation.id)
        .order_by(Deduction.ends_on.is_not(None), Payee.name, Deduction.id)
        .limit(500)
    )
    found = [
        {"row": row, "payee": payee, "amount": money(row.amount_minor, row.currency)} for row, payee in rows
    ]
    return render_template(
        "clinic/deductions.html", area=AREA, tab="deductions", rows=found, may_change=may_change()
    )


@needs_fresh_sign_in
def add_deduction() -> ResponseReturnValue:
    """A new one."""
    require_change()
    form: DeductionForm = form_of(DeductionForm)
    form.payee.choices = options(
        ((str(payee.id), payee.name) for payee in lists.practitioners(g.organisation.id)), "Choose one"
    )

    def call() -> str:
        row = deductions.add_deduction(
            organisation_id=g.organisation.id, draft=form.draft(), actor=actor(), now=utc_now()
        )
        return f"“{row.name}” is added. It is taken at the end of each {row.every}."

    return act_page(
        AREA, form, title="Add a deduction", button="Add it", back=(url_for(".deductions"), "the deductions"),
        call=call,
        crumbs=[(url_for(".deductions"), "Deductions")],
        explains="It is taken from the practitioner's wallet; what that does not hold, from the next payouts.",
    )  # fmt: skip


def end_deduction(deduction_id: int) -> ResponseReturnValue:
    """A last day."""
    require_change()
    row = db.session.scalar(
        select(Deduction).where(Deduction.organisation_id == g.organisation.id, Deduction.id == deduction_id)
    )
    if row is None:
        raise NotFound
    form: EndForm = form_of(EndForm)
    name = row.name

    def call() -> str:
        deductions.end_deduction(
            organisation_id=g.organisation.id, deduction_id=deduction_id, last_day=form.last_day.data or row.starts_on,
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"“{name}” ends on the day you chose."

    return act_page(
        AREA, form, title=f"End “{name}”?", button="End it", back=(url_for(".deductions"), "the deductions"),
        call=call,
        crumbs=[(url_for(".deductions"), "Deductions")],
    )  # fmt: skip
