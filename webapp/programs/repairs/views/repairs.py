"""Repairs: the list, one repair with its plan and history, a new one, a draft changed, the workshop's invoice."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from flask import Response, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money, today
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import drafting, figures, fleet_lists, lists, queries
from webapp.programs.repairs.drafts import RepairDraft
from webapp.programs.repairs.filters import RepairFilterForm
from webapp.programs.repairs.forms import RepairForm
from webapp.programs.repairs.models import Repair
from webapp.programs.repairs.states import RepairAction, RepairState, Workshop, next_state
from webapp.programs.repairs.views import files, planning, repair_page
from webapp.programs.repairs.views.area import AREA
from webapp.providers import keeping, storage
from webapp.web import uploads
from webapp.web.htmx import see_other

SUMS = (
    ("amount", "Amount"),
    ("paid", "Paid"),
    ("credited", "Cancelled or taken back"),
    ("outstanding", "Outstanding"),
)
#: What the service calls by another name than the form.
_FIELDS = {"lease": "driver"}
#: What decides about the plan.
_PLANNED = ("amount", "invoice_date", "start")


def _filter() -> RepairFilterForm:
    form: RepairFilterForm = form_of(RepairFilterForm, formdata=request.args)
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form = _filter()
    is_valid = form.validate()
    found = lists.repairs(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "repairs", "repair", files=files.links("repairs"))
    paid = figures.paid_of([row.id for row in context["page"].items])
    return list_page(
        AREA, "repairs/repairs.html", form, "repairs", is_valid=is_valid,
        rows=[_row(row, paid.get(row.id, (0, 0))) for row in context["page"].items], **context,
    )  # fmt: skip


def _row(row: Any, paid: tuple[int, int]) -> dict[str, Any]:
    return {
        "row": row,
        "state": RepairState(row.state),
        "workshop": Workshop(row.workshop),
        "amount": money(row.amount_minor, row.currency),
        "weekly": money(row.weekly_minor, row.currency),
        "left": money(row.outstanding_minor, row.currency),
        "paid": paid,
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = lists.repairs(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "repairs", SUMS, "Repairs")


def show(reference: str) -> ResponseReturnValue:
    """One repair: its plan, its money, what happened to it, and the act that is next."""
    repair = queries.get_repair(g.organisation.id, reference)
    return render_template(
        "repairs/repair.html",
        area=AREA,
        tab="repairs",
        may_change=may_change(),
        **repair_page.context(repair),
    )


def create() -> ResponseReturnValue:
    """A new repair, as a draft."""
    require_change()
    form: RepairForm = form_of(RepairForm)
    if request.method == "GET":
        form.driver.data = request.args.get("driver", "")[:20]
        form.invoice_date.data = today()
        return _page(form, None, 200)
    return _sent(form, None)


def edit(reference: str) -> ResponseReturnValue:
    """A draft changed; its plan is made anew. 409 once it is confirmed."""
    require_change()
    repair = queries.get_repair(g.organisation.id, reference)
    form: RepairForm = form_of(RepairForm, repair.currency)
    if request.method == "GET":
        next_state(repair.state, RepairAction.UPDATE, reference)
        form.fill(repair, repair.payee.reference)
        form.amount.data = money(repair.amount_minor, repair.currency).plain
        return _page(form, repair, 200)
    return _sent(form, repair)


def _page(
    form: RepairForm, repair: Repair | None, code: int, conflict: Conflict | None = None
) -> ResponseReturnValue:
    """The form with the plan of what is typed beside it; a conflict names and links the repair that has the invoice."""
    here = g.organisation.id
    return (
        render_template(
            "repairs/repair_form.html", area=AREA, form=form, repair=repair, plan=planning.plan_of(form),
            conflict=conflict.message if conflict else "", other=getattr(conflict, "reference", ""),
            offered_drivers=fleet_lists.offered_drivers(here), offered_plates=fleet_lists.offered_plates(here),
            has_errors=code == 422,
        ),
        code,
    )  # fmt: skip


def _sent(form: RepairForm, repair: Repair | None) -> ResponseReturnValue:
    is_valid = form.validate()
    if "preview" in request.form:
        # The button for browsers without JavaScript: only what decides about the plan is judged.
        for field in form:
            if field.name not in _PLANNED:
                field.errors = []
        return _page(form, repair, 422 if form.errors else 200)
    if not is_valid:
        return _page(form, repair, 422)
    try:
        reference = _store(form, repair)
    except Invalid as error:
        attach(form, Invalid(_FIELDS.get(error.field, error.field), error.reason, error.example))
        return _page(form, repair, 422)
    except Conflict as error:
        return _page(form, repair, 409, error)
    if repair is None:
        flash(f"{reference} is a draft. Confirm it, and its instalments are charged week by week.", "success")
    else:
        flash(f"{reference} is changed, and its plan is made anew.", "success")
    return see_other(url_for(".repair", reference=reference))


def _store(form: RepairForm, repair: Repair | None) -> str:
    """Create or change the repair, with the invoice stored before it; returns its number."""
    _, lease, vehicle_id = planning.chosen(form)
    before = (repair.document_key, repair.document_name) if repair else (None, "")
    reference, lease_id = repair.reference if repair else "", lease.id
    sent = request.files.get(form.document.name)
    with ExitStack() as kept_files:
        kept, document = None, before
        if sent is not None and sent.filename:
            upload = uploads.check(sent, field="document")
            # Bytes first: no transaction waits for the storage.
            db.session.rollback()
            kept = kept_files.enter_context(
                keeping.kept("repairs", organisation_id=g.organisation.id, upload=upload)
            )
            document = (kept.key, kept.name)
        with transaction():
            made = _write(form.draft(lease_id, vehicle_id, document), reference, form.seen_version)
        if kept is not None:
            kept.is_used = True
    if kept is not None and before[0]:
        keeping.remove(before[0])
    return made


def _write(draft: RepairDraft, reference: str, version: int | None) -> str:
    values: dict[str, Any] = {
        "organisation_id": g.organisation.id, "draft": draft, "actor": actor(), "now": utc_now(),
    }  # fmt: skip
    if not reference:
        return drafting.create_repair(**values).reference
    return drafting.update_repair(**values, reference=reference, expected_version=version).reference


def document(reference: str) -> Response:
    """The workshop's invoice, always as a download: a browser never runs it on our address."""
    repair = queries.get_repair(g.organisation.id, reference)
    if not repair.document_key:
        raise NotFound
    key, name = repair.document_key, repair.document_name
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    data = storage.read(key)
    response = Response(data, mimetype=uploads.kind_of(data) or "application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name or "invoice")
    return response
