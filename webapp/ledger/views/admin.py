"""Accounts, journal, ledger check, journal export."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, abort, g, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from webapp.audit.views import files
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.ledger import check as ledger_check
from webapp.ledger import export as ledger_export
from webapp.ledger import queries
from webapp.ledger.chart import TYPE_LABELS
from webapp.ledger.forms import AccountFilterForm
from webapp.ledger.models import Account, Posting
from webapp.web.htmx import is_fragment
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("ledger", __name__, url_prefix="/ledger")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The accounts with their balances on the normal side, found by text and type."""
    form = AccountFilterForm(request.args)
    search, kind = (form.q.data or "").strip(), form.type.data or ""
    query = queries.accounts(g.organisation.id, search=search, type=kind if kind in TYPE_LABELS else "")
    rows = keyset(query, Account.id, newest_first=False, key_of=lambda row: row.Account.id)
    count = capped_count(query, Account.id)
    page = Page(
        [(r, Money(r.Account.balance_minor, r.Account.currency)) for r in rows.items],
        rows.previous_href,
        rows.next_href,
        "1 account" if count == "1" else f"{count} accounts",
    )
    return render_template(
        "ledger/_accounts.html" if is_fragment() else "ledger/index.html",
        form=form,
        page=page,
        is_filtered=bool(search or kind),
        totals=queries.totals_by_type(g.organisation.id, g.organisation.currency),
        type_labels=TYPE_LABELS,
        formats=ledger_export.FORMATS,
    )


@blueprint.get("/accounts/<int:account_id>")
def account(account_id: int) -> ResponseReturnValue:
    """One account: its postings, the newest first, each with the balance after it."""
    found = queries.get_account(g.organisation.id, account_id)
    query = queries.postings(found.id)
    rows = keyset(query, Posting.id, key_of=lambda row: row.id)
    count = capped_count(query, Posting.id)
    shown = [
        (
            row,
            *queries.debit_credit(row.amount_minor, row.currency),
            Money(row.balance_after_minor, row.currency),
        )
        for row in rows.items
    ]
    return render_template(
        "ledger/account.html",
        account=found,
        payee=queries.payee_of(found),
        balance=Money(found.balance_minor, found.currency),
        minimum=None
        if found.minimum_balance_minor is None
        else Money(found.minimum_balance_minor, found.currency),
        page=Page(
            shown, rows.previous_href, rows.next_href, "1 posting" if count == "1" else f"{count} postings"
        ),
        type_labels=TYPE_LABELS,
    )


@blueprint.get("/entries/<int:entry_id>")
def entry(entry_id: int) -> ResponseReturnValue:
    """One journal entry: its legs, what it is about, what it reverses."""
    found = queries.get_entry(g.organisation.id, entry_id)
    legs = queries.legs(found)
    return render_template(
        "ledger/entry.html",
        entry=found,
        legs=legs,
        total=Money(sum(leg.debit.amount for leg in legs if leg.debit), found.currency),
        source=queries.source_link(found),
        reversal=queries.reversal_of(found),
    )


@blueprint.get("/check")
def check() -> ResponseReturnValue:
    """Recompute the organisation's ledger and show the figures and what was found."""
    report = ledger_check.run(g.organisation.id)
    figures = [
        (name[:1].upper() + name[1:].replace("_", " "), value if isinstance(value, str) else f"{value:,}")
        for name, value in report.figures.items()
    ]
    return render_template("ledger/check.html", report=report, figures=figures, now=utc_now())


@blueprint.get("/export")
def export() -> ResponseReturnValue:
    """The journal as a file; ?format= is csv, hledger or beancount."""
    format_name = request.args.get("format", "csv")
    if format_name not in ledger_export.FORMATS:
        abort(422, f"The journal is exported as {', '.join(ledger_export.FORMATS)}. Choose one of them.")
    files.remember("ledger:journal:exported", "journal", format_name)
    ending, media = ledger_export.FORMATS[format_name]
    day = local_date(utc_now(), g.organisation.timezone)
    pieces = ledger_export.export(g.organisation, format_name)

    def encoded() -> Iterator[bytes]:
        if format_name == "csv":
            yield b"\xef\xbb\xbf"
        for piece in pieces:
            yield piece.encode()

    response = Response(stream_with_context(encoded()), mimetype=media)
    name = f"{g.organisation.slug}-journal-{day.isoformat()}.{ending}"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response
