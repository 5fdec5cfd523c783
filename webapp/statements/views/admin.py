"""Documents of an organisation."""

from __future__ import annotations

from flask import Blueprint, flash, g, url_for
from flask.typing import ResponseReturnValue

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout
from webapp.people.views.session import actor
from webapp.statements import queries, service
from webapp.statements.views import words
from webapp.statements.views.files import pdf_response
from webapp.web.htmx import see_other

blueprint = Blueprint("statements", __name__, url_prefix="/documents")


@blueprint.get("/<int:document_id>")
def download(document_id: int) -> ResponseReturnValue:
    """The PDF; while there is none, the page of the payout, which says why."""
    document = queries.get_document(g.organisation.id, document_id)
    if document.state == "ready":
        return pdf_response(document)
    payout = db.session.get_one(Payout, document.payout_id)
    state = words.shown(queries.DocumentRow(document, payout, None), words.portal())
    flash(f"{document.number} is not there yet. {state.sentence}", "warning")
    return see_other(url_for("admin.payouts.show", reference=payout.reference))


@blueprint.post("/<reference>")
def make(reference: str) -> ResponseReturnValue:
    """Ask for the statement of a payout as it stands now; asking again gets the same one."""
    with transaction():
        document = service.request_remittance(
            payout_id=queries.payout_id_for(g.organisation.id, reference), actor=actor(), now=utc_now()
        )
        number, is_ready = document.number, document.state == "ready"
    if is_ready:
        flash(f"{number} shows the payout as it stands now.", "success")
    else:
        flash(f"{number} is being made. Reload this page in a moment.", "success")
    return see_other(url_for("admin.payouts.show", reference=reference))
