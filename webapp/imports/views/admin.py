"""Imports: choose a kind, upload, say what stands where, look at the check, bring it in."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.imports import kinds, payees, queries, service, work
from webapp.imports.forms import RunForm, UploadForm
from webapp.imports.models import ImportFile, ImportState
from webapp.imports.perform import template as template_of
from webapp.imports.perform import template_rows
from webapp.imports.views import pages
from webapp.imports.views.upload import keep
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.web.exports import xlsx_response
from webapp.web.htmx import see_other
from webapp.web.pagination import Page, capped_count, keyset

# Modules that register kinds and periodic work when they are imported.
REGISTERED = (payees, work)
blueprint = Blueprint("imports", __name__, url_prefix="/imports")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All imports, newest first."""
    query = queries.imports(organisation_id=g.organisation.id)
    page = keyset(query, ImportFile.id)
    count = capped_count(query, ImportFile.id)
    labels = {kind.code: kind.label for kind in kinds.registered()}
    rows = [{"row": r, "state": ImportState(r.state), "kind": labels.get(r.kind, r.kind)} for r in page.items]
    count_label = f"{count} import{'s' if count != '1' else ''}"
    return render_template(
        "imports/index.html",
        page=Page(page.items, page.previous_href, page.next_href, count_label),
        rows=rows,
        may_change=may_change(),
        now=utc_now(),
    )


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    """What can be brought in: a card for every kind of list."""
    require_change()
    programs = {row.program for row in g.organisation.programs}
    return render_template("imports/new.html", kinds=kinds.offered(programs))


@blueprint.get("/templates/<kind>.csv")
def template(kind: str) -> Response:
    """A CSV file with the columns of a kind and one example row."""
    response = Response(template_of(kinds.get_kind(kind)), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{kind}.csv")
    return response


@blueprint.get("/templates/<kind>.xlsx")
def template_workbook(kind: str) -> Response:
    """The same as a workbook: one sheet with the columns of a kind and one example row."""
    columns, rows = template_rows(kinds.get_kind(kind))
    return xlsx_response(f"{kind}.xlsx", columns, rows)


@blueprint.route("/new/<kind>", methods=["GET", "POST"])
def upload(kind: str) -> ResponseReturnValue:
    """A file of a kind; what cannot be such a list is refused before anything is stored."""
    require_change()
    found = kinds.get_kind(kind)
    form = UploadForm()
    if form.validate_on_submit():
        try:
            reference = keep(found, request.files.get("file"))
        except Invalid as error:
            attach(form, error)
        else:
            return see_other(url_for(".mapping", reference=reference))
    code = 422 if form.errors else 200
    return render_template("imports/upload.html", form=form, kind=found, has_errors=code == 422), code


@blueprint.route("/<reference>/columns", methods=["GET", "POST"])
def mapping(reference: str) -> ResponseReturnValue:
    """Which column is which, with the first rows as they will be read; then the check starts."""
    require_change()
    file = pages.open_file(reference, request.args.get("sheet", ""))
    form = pages.form_of(file)
    is_sent = form.is_submitted()
    mapped = pages.mapped_by(file, form) if not is_sent or form.validate() else None
    if not is_sent and mapped is None:
        form = pages.form_of(file)  # nobody has answered yet: no reproach
    elif mapped is not None and is_sent and request.form.get("action") != "preview":
        if "encoding" not in form or form.encoding.data:
            with transaction():
                pages.start_check(file, form, actor(), utc_now())
            return see_other(url_for(".show", reference=reference))
        form.encoding.errors = ["Say how the letters are written. Look at the names below: are they right?"]
    context = pages.mapping_context(file, form, mapped)
    return render_template("imports/mapping.html", **context), 422 if form.errors else 200


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One import: progress while it works, then its result; after a check, the button that stores."""
    row = queries.get_import(organisation_id=g.organisation.id, reference=reference)
    return render_template("imports/show.html", may_change=may_change(), **pages.result_context(row))


@blueprint.get("/<reference>/progress")
def progress(reference: str) -> ResponseReturnValue:
    """The progress block for the poll; 286 ends the polling and brings the result with it."""
    row = queries.get_import(organisation_id=g.organisation.id, reference=reference)
    context = pages.result_context(row)
    code = 286 if context["progress_data"]["is_finished"] else 200
    return render_template("imports/_progress.html", is_poll=True, may_change=may_change(), **context), code


@blueprint.get("/<reference>/to-fix.csv")
def problems(reference: str) -> Response:
    """The rows with a problem as a CSV file."""
    response: Response = pages.problem_file(pages.open_file(reference))
    return response


@blueprint.post("/<reference>/run")
@needs_fresh_sign_in
def run(reference: str) -> ResponseReturnValue:
    """Store the rows that the check found good, if it is the check that the person saw."""
    form = RunForm()
    if not form.validate_on_submit():
        raise Conflict("The form was not complete. Look at the counts again.")
    with transaction():
        service.start_run(
            organisation_id=g.organisation.id,
            reference=reference,
            seen=form.seen(),
            actor=actor(),
            now=utc_now(),
        )
    return see_other(url_for(".show", reference=reference))


@blueprint.post("/<reference>/stop")
def stop(reference: str) -> ResponseReturnValue:
    """Stop after the rows at hand; what is stored stays."""
    with transaction():
        service.stop(organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now())
    flash("It stops after the rows at hand. What is stored stays.", "success")
    return see_other(url_for(".show", reference=reference))
