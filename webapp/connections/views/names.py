"""The button on the page of changed payment details that asks for the name of the account."""

from __future__ import annotations

from flask import Blueprint, flash, g, url_for
from flask.typing import ResponseReturnValue

from webapp.connections import names
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.web.htmx import see_other

blueprint = Blueprint("bank_names", __name__, url_prefix="/bank-changes")


@blueprint.post("/<reference>/name")
@needs_fresh_sign_in
def ask(reference: str) -> ResponseReturnValue:
    """Ask once; the answer stands on the page of the change from then on."""
    said = names.ask(organisation_id=g.organisation.id, reference=reference, actor=actor())
    if said.name:
        flash(f"The bank says that the account is of {said.name}.", "success")
    else:
        flash(f"The bank gives no name: {said.problem}.", "warning")
    return see_other(url_for("admin.bank_changes.show", reference=reference))
