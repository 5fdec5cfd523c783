"""The list of installations, one installation with everything that explains its amount, its files."""

from __future__ import annotations

from typing import Any

from flask import Response, g, render_template, request
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import table_file
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.people.views.session import may_change
from webapp.programs.installations import creation, queries
from webapp.programs.installations.forms import CommissionForm, FilterForm, UploadForm
from webapp.programs.installations.models import Installation, InstallationStatus, QualityCheck
from webapp.programs.installations.pricing import Pricer
from webapp.programs.installations.service import STATUS_STEPS
from webapp.programs.installations.views import common
from webapp.providers import storage
from webapp.web.htmx import is_fragment
from webapp.web.pagination import Page, capped_count, keyset

HEADERS = [
    "Reference", "Customer and site", "Type and size", "Status", "Commissioned",
    "Technicians", "Payout",
]  # fmt: skip


def _form() -> FilterForm:
    return FilterForm(request.args, types=common.type_choices(request.args.get("type", "")))


def index() -> ResponseReturnValue:
    """The list. A filter that cannot be read shows nothing (422)."""
    form = _form()
    page: Page[Installation] = Page([], None, None)
    if is_valid := form.validate():
        query = queries.list_installations(g.organisation.id, form.chosen())
        found = keyset(query, Installation.id)
        count = common.count_words(capped_count(query, Installation.id), "installation")
        page = Page(found.items, found.previous_href, found.next_href, count)
    claims = queries.live_claims(g.organisation.id, [row.id for row in page.items])
    labels = common.type_labels()
    context = {
        "form": form,
        "page": page,
        "rows": [_row(row, claims, labels) for row in page.items],
        "headers": HEADERS,
        "chips": common.chips(form, "admin.installations.index"),
        "csv_href": common.address("admin.installations.export", format="csv"),
        "xlsx_href": common.address("admin.installations.export", format="xlsx"),
        "now": utc_now(),
        "may_change": may_change(),
        "waiting": queries.count_blocked(g.organisation.id),
        "has_errors": not is_valid,
    }
    template = "_results.html" if is_fragment() else "index.html"
    return render_template(f"installations/{template}", **context), 200 if is_valid else 422


def _row(
    row: Installation, claims: dict[tuple[int, int], queries.ClaimedBy], labels: dict[str, str]
) -> dict[str, Any]:
    """What the list shows of one installation."""
    return {
        "installation": row,
        "size": common.size_of(row),
        "type": labels.get(row.installation_type, row.installation_type),
        "status": InstallationStatus(row.status),
        "technicians": [share.payee.name for share in row.shares],
        "payouts": sorted({claim.reference for (ident, _), claim in claims.items() if ident == row.id}),
        "is_blocked": any(share.offer == "blocked" for share in row.shares),
    }


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = _form()
    if not form.validate():
        return index()
    query = queries.list_installations(g.organisation.id, form.chosen())
    cells = common.export_cells(query, g.organisation.id)
    return table_file(
        "installations:installations:exported",
        "installation",
        "installations",
        format,
        common.EXPORT_HEADERS,
        cells,
    )


def show(reference: str) -> ResponseReturnValue:
    """One installation."""
    row = queries.get_installation(g.organisation.id, reference)
    return render_template("installations/show.html", **show_context(row))


def show_context(row: Installation) -> dict[str, Any]:
    """Everything that the page of one installation shows."""
    status = InstallationStatus(row.status)
    value = row.order_value_minor
    return {
        "installation": row,
        "status": status,
        "type": common.type_labels().get(row.installation_type, row.installation_type),
        "size": common.size_of(row),
        "order_value": None if value is None else Money(value, row.currency),
        "quality": QualityCheck(row.quality_check),
        "steps": STATUS_STEPS[status],
        "commission_form": CommissionForm(
            formdata=None, commissioned_on=row.commissioned_on or common.today()
        ),
        "upload_form": UploadForm(formdata=None),
        "may_change": may_change(),
        **_price(row),
    }


def _price(row: Installation) -> dict[str, Any]:
    """The quote of the whole, and each technician's part with what stops it."""
    pricer = Pricer(g.organisation.id, common.today())
    pricer.remember_agreed([row.id])
    claims = queries.live_claims(g.organisation.id, [row.id])
    parts = []
    for share in row.shares:
        part, claim = pricer.part(share), claims.get((row.id, share.payee_id))
        parts.append(
            {
                "payee": share.payee,
                "share": common.say_share(share),
                "lines": common.part_words(part),
                "amount": None if part.quote.problem else part.amount,
                "claim": claim,
                "claim_state": common.claim_state(claim),
                "why_not": creation.why_not_payable(
                    row, share, share.payee, today=common.today(), claim=claim, problem=part.quote.problem
                ),
                "share_id": share.id,
                "is_blocked": share.offer == "blocked",
            }
        )
    quote = pricer.quote(row)
    return {"quote": quote, "parts": parts, "is_agreed": bool(claims)}


def file(reference: str, file_id: int) -> Response:
    """A photo or certificate, always as a download: a browser never runs it on our address."""
    row = queries.get_file(g.organisation.id, reference, file_id)
    key, content_type, name = row.storage_key, row.content_type, row.name
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    response = Response(storage.read(key), mimetype=content_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
