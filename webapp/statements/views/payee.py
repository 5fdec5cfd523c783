"""A payee's own documents."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import local_date, utc_now
from webapp.people.queries import get_payee_by_id
from webapp.people.views.session import payee_id_for
from webapp.statements import kinds, month_runs, queries
from webapp.statements.models import Document
from webapp.statements.queries import DocumentFilter
from webapp.statements.views import downloads, listing, words
from webapp.statements.views.files import pdf_response
from webapp.web.htmx import see_other
from webapp.web.i18n import N_, counted, gettext
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("statements", __name__, url_prefix="/statements")
HEADERS = [
    N_("Statement"),
    N_("About"),
    N_("Period"),
    N_("Shows"),
    {"label": N_("Net or closing"), "numeric": True},
    N_("Made on"),
    N_("Files"),
]
TABS = (("", N_("All")), ("monthly", N_("By month")), ("remittance", N_("By payout")))


def _own_id() -> int:
    payee_id = payee_id_for(words.portal())
    if payee_id is None:
        abort(404)
    return payee_id


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The payee's statements, newest first, and when the next ones come."""
    portal = words.portal()
    payee_id = payee_id_for(portal)
    kind = request.args.get("kind", "")
    page: Page[words.Shown] | None = None
    if payee_id is not None:
        chosen = DocumentFilter(kind=kind if kind in words.KINDS else "", payee_id=payee_id)
        query = queries.documents(g.organisation, chosen)
        found = keyset(query, Document.id, key_of=lambda row: int(row[0].id))
        documents = [words.shown(queries.row_of(row), portal) for row in found.items]
        count = capped_count(query, Document.id)
        label = counted(count, N_("1 statement"), N_("%(count)s statements"))
        page = Page(documents, found.previous_href, found.next_href, label)
    return render_template(
        "statements/index.html",
        page=page,
        headers=HEADERS,
        kind=kind,
        tabs=(*TABS, *kinds.of_portal(portal)),
        years=queries.years_of(g.organisation, payee_id) if payee_id is not None else [],
        next_on=month_runs.next_run_on(local_date(utc_now(), g.organisation.timezone)),
        here=f"{portal}.statements",
        show_endpoint=f"{portal}.payouts.show",
        is_waiting=page is not None and any(item.tone == "progress" for item in page.items),
    )


@blueprint.get("/<int:document_id>")
def download(document_id: int) -> ResponseReturnValue:
    """The PDF; while there is none, the list, which says how it stands."""
    document = queries.get_document(g.organisation.id, document_id, _own_id())
    return pdf_response(document) if document.state == "ready" else _not_there(document)


@blueprint.get("/<int:document_id>/lines.<format>")
def lines(document_id: int, format: str) -> ResponseReturnValue:
    """The lines of a monthly statement as CSV or XLSX."""
    document = queries.get_document(g.organisation.id, document_id, _own_id())
    return downloads.lines_response(document, format) if document.state == "ready" else _not_there(document)


@blueprint.get("/<int:year>.zip")
def year_archive(year: int) -> ResponseReturnValue:
    """Every file of one year, with an index of their hashes."""
    payee = get_payee_by_id(g.organisation.id, _own_id())
    query = queries.of_year(g.organisation, payee.id, listing.check_year(year))
    return downloads.archive_response(query, f"statements-{payee.reference}-{year}.zip")


def _not_there(document: Document) -> ResponseReturnValue:
    text = gettext("%(number)s is not there yet. Its state is in the list.", number=document.number)
    flash(text, "warning")
    return see_other(url_for(f"{words.portal()}.statements.index"))
