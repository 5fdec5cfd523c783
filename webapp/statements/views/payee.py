"""A payee's own documents."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.people.views.session import payee_id_for
from webapp.statements import queries
from webapp.statements.models import Document
from webapp.statements.views import words
from webapp.statements.views.files import pdf_response
from webapp.web.htmx import see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("statements", __name__, url_prefix="/statements")
HEADERS = [
    "Statement",
    "Payout",
    "Period",
    "Shows it as",
    {"label": "Net", "numeric": True},
    "Made on",
    "File",
]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The payee's statements, newest first."""
    portal = words.portal()
    payee_id = payee_id_for(portal)
    page: Page[object] | None = None
    if payee_id is not None:
        query = queries.documents_of(g.organisation.id, payee_id)
        found = keyset(query, Document.id, key_of=lambda row: int(row[0].id))
        documents = [words.shown(queries.row_of(row), portal) for row in found.items]
        count = capped_count(query, Document.id)
        label = "1 statement" if count == "1" else f"{count} statements"
        page = Page(documents, found.previous_href, found.next_href, label)
    return render_template(
        "statements/index.html",
        page=page,
        headers=HEADERS,
        show_endpoint=f"{portal}.payouts.show",
        is_waiting=page is not None and any(d.tone == "progress" for d in page.items),  # type: ignore[attr-defined]
    )


@blueprint.get("/<int:document_id>")
def download(document_id: int) -> ResponseReturnValue:
    """The PDF; while there is none, the list, which says how it stands."""
    payee_id = payee_id_for(words.portal())
    if payee_id is None:
        abort(404)
    document = queries.get_document(g.organisation.id, document_id, payee_id)
    if document.state == "ready":
        return pdf_response(document)
    flash(f"{document.number} is not there yet. Its state is in the list.", "warning")
    return see_other(url_for(f"{words.portal()}.statements.index"))
