"""The public page on which a paper is checked. It says what stands on the paper, and nothing else.

Nobody signs in here, so it is asked rarely by design: a code has 100 random bits, and an address gets twenty tries
a minute. A file that is checked is hashed while it is read and kept nowhere.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.people.models import Organisation
from webapp.people.throttle import limiter
from webapp.statements import codes, queries
from webapp.statements.queries import DocumentRow
from webapp.statements.views.words import KINDS
from webapp.web.guards import public
from webapp.web.i18n import ENGLISH, N_, language, locale_name

blueprint = Blueprint("verification", __name__, url_prefix="/v")
LIMIT = "20 per minute"
_CHUNK = 1 << 16
_HASH = 64


def _address() -> str:
    return f"verification:{request.remote_addr}"


_limited = limiter.shared_limit(LIMIT, scope="verification", key_func=_address)


@blueprint.get("")
@public
@_limited
def index() -> ResponseReturnValue:
    """Where a code is typed in."""
    typed = request.args.get("code", "").strip()
    if typed:
        return redirect(url_for(".show", code=codes.normalise(typed) or typed[:100]), 303)
    return render_template("verification/index.html")


@blueprint.route("/<code>", methods=["GET", "POST"])
@public
@_limited
def show(code: str) -> ResponseReturnValue:
    """What the document of a code says; POST compares a file, or a hash that was typed, with it."""
    wanted = codes.normalise(code)
    row = queries.find_by_code(wanted) if wanted else None
    if row is None:
        return render_template("verification/unknown.html", is_code=wanted is not None), 404
    context = _context(row)
    if request.method == "GET":
        return render_template("verification/show.html", **context, verdict=None, problem="")
    given = _given_hash()
    problem = "" if given else N_("Choose the PDF file, or paste its SHA-256 of 64 digits and letters.")
    verdict = None if problem else given == row.document.sha256
    page = render_template("verification/show.html", **context, verdict=verdict, problem=problem)
    return page, 422 if problem else 200


def _given_hash() -> str:
    """SHA-256 of the uploaded file, else the hash that was typed; empty when there is neither."""
    file = request.files.get("file")
    if file is not None and file.filename:
        seen = sha256()
        while piece := file.stream.read(_CHUNK):
            seen.update(piece)
        return seen.hexdigest()
    typed = "".join(request.form.get("sha256", "").split()).lower()
    is_hash = len(typed) == _HASH and all(sign in "0123456789abcdef" for sign in typed)
    return typed if is_hash else ""


def _context(row: DocumentRow) -> dict[str, Any]:
    document = row.document
    organisation = db.session.get_one(Organisation, document.organisation_id)
    amount = row.net.format(locale_name() if language() != ENGLISH else organisation.locale)
    return {
        "number": document.number,
        "kind": KINDS.get(document.kind, document.kind),
        "code": document.code,
        "issued_on": local_date(document.created_at, organisation.timezone),
        "period": row.period,
        "amount_label": N_("Closing balance") if row.is_monthly else N_("Net"),
        "amount": amount if row.net.currency in amount else f"{amount} {row.net.currency}",
        "initials": initials(row.payee.name),
        "replaced_by": row.replaced_by,
        "sha256": document.sha256,
    }


def initials(name: str) -> str:
    """ "M. O." of "Maya Okafor": the first letter of each of at most four parts of a name."""
    letters = [next((sign for sign in part if sign.isalnum()), "") for part in name.split()]
    return " ".join(f"{letter.upper()}." for letter in [each for each in letters if each][:4])
