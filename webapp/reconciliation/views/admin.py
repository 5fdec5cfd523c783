"""Reconciliation: upload, dry run, compare; what differs, and how each finding is settled."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.audit.views.files import remember
from webapp.database import db, transaction
from webapp.imports.views.upload import safe_name
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.ledger.queries import SourceLink, source_links
from webapp.people.forms import attach
from webapp.people.views.fresh import require_fresh
from webapp.people.views.session import actor, may_change, require_change
from webapp.providers import storage
from webapp.reconciliation import balance, nightly, queries, reading, resolving, service, work
from webapp.reconciliation.forms import CompareForm, FilterForm, OwnerForm, SettleForm, UploadForm
from webapp.reconciliation.models import Finding, Match, StatementFile
from webapp.reconciliation.states import FindingState, Resolution
from webapp.reconciliation.views import files, pages
from webapp.web.exports import csv_response
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

# Modules that register periodic work when they are imported.
REGISTERED = (nightly, work)


def _finding_link(organisation_id: int, finding_id: int) -> SourceLink | None:
    """The finding that a correction in the ledger settles."""
    found = db.session.get(Finding, finding_id)
    if found is None or found.organisation_id != organisation_id:
        return None
    return SourceLink(f"Finding {found.id}", url_for("admin.reconciliation.finding", finding_id=found.id))


source_links["reconciliation_finding"] = _finding_link
blueprint = Blueprint("reconciliation", __name__, url_prefix="/reconciliation")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Their balances beside ours, what is open, and the files that were compared."""
    query = queries.files(g.organisation.id)
    page = keyset(query, StatementFile.id, key_of=lambda row: row[0].id)
    count = capped_count(query, StatementFile.id)
    return render_template(
        "reconciliation/index.html",
        ties=[pages.tie_context(tie) for tie in balance.ties(g.organisation.id)],
        counts=queries.counts_by_kind(g.organisation.id),
        rows=pages.run_rows(page.items),
        page=Page(
            page.items, page.previous_href, page.next_href, "1 file" if count == "1" else f"{count} files"
        ),
        may_change=may_change(),
        mappings=queries.mappings(g.organisation.id),
    )


@blueprint.route("/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """A statement or a list; what cannot be one is refused before anything is stored."""
    require_change()
    form = UploadForm()
    if form.validate_on_submit():
        try:
            reference = _take(form)
        except Invalid as error:
            attach(form, error)
        else:
            return see_other(url_for(".preview", reference=reference))
    return render_template("reconciliation/upload.html", form=form), 422 if form.errors else 200


def _take(form: UploadForm) -> str:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid("file", "Choose a file.", "statement.xml")
    data = file.stream.read(reading.MAXIMUM_BYTES + 1)
    wanted, provider = form.chosen()
    who, now, organisation = actor(), utc_now(), g.organisation
    reference = work.take(
        organisation=organisation, file_name=safe_name(file.filename), data=data, wanted=wanted, provider=provider,
        actor=who, now=now,
    )  # fmt: skip
    files.look(organisation, reference, who, now)
    return reference


@blueprint.route("/files/<reference>", methods=["GET", "POST"])
def preview(reference: str) -> ResponseReturnValue:
    """What a comparison would find; for a list, which column is which. Nothing of it is stored yet."""
    if request.method == "POST":
        require_change()
    context, code = files.preview(g.organisation, reference)
    if context is None:
        return see_other(url_for(".preview", reference=reference))
    return render_template("reconciliation/preview.html", may_change=may_change(), **context), code


@blueprint.post("/files/<reference>/run")
def run(reference: str) -> ResponseReturnValue:
    """Store the lines of a file, match them, list what differs."""
    form = CompareForm()
    form.validate_on_submit()
    queries.get_file(g.organisation.id, reference)
    try:
        made = work.start(
            organisation=g.organisation, reference=reference, switch=bool(form.switch.data),
            expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
    except Invalid as error:
        context, _ = files.preview(g.organisation, reference, problem=error.message)
        return render_template("reconciliation/preview.html", may_change=True, **(context or {})), 422
    if not made:
        flash("The file is long; a worker compares it. Its figures show here once it is done.", "success")
        return see_other(url_for(".preview", reference=reference))
    return see_other(url_for(".result", reference=made))


@blueprint.post("/files/<reference>/drop")
def drop(reference: str) -> ResponseReturnValue:
    """Forget a file that was not compared."""
    with transaction():
        key = service.drop_file(
            organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
        )
    storage.delete(key)
    flash("The file is dropped; nothing of it is kept.", "success")
    return see_other(url_for(".index"))


@blueprint.get("/runs/<reference>")
def result(reference: str) -> ResponseReturnValue:
    """One comparison: its figures, and the ways to what it found."""
    made = queries.get_run(g.organisation.id, reference)
    return render_template(
        "reconciliation/run.html", run=made, cards=pages.counted(made.counts, made), file=files.of_run(made)
    )


@blueprint.post("/columns/<int:mapping_id>/forget")
def forget_columns(mapping_id: int) -> ResponseReturnValue:
    """Forget saved columns; files that were read by them stay."""
    with transaction():
        name = service.delete_mapping(
            organisation_id=g.organisation.id, mapping_id=mapping_id, actor=actor(), now=utc_now()
        )
    flash(f"The columns “{name}” are forgotten.", "success")
    return see_other(url_for(".index"))


@blueprint.post("/look-again")
def look_again() -> ResponseReturnValue:
    """Match anew what is open, with what was booked since."""
    with transaction():
        closed = resolving.look_again(organisation_id=g.organisation.id, actor=actor(), now=utc_now())
    flash(
        f"Looked again: {closed:,} {'finding agrees' if closed == 1 else 'findings agree'} by now.", "success"
    )
    return see_other(url_for(".findings"))


@blueprint.get("/findings")
def findings() -> ResponseReturnValue:
    """What differs, by kind, age and owner; or what agrees."""
    form = FilterForm(request.args)
    wanted, today = pages.filter_of(form), pages.today()
    if wanted.kind == "matched":
        query, key = queries.matches(g.organisation.id, wanted), Match.id
        page = keyset(query, key, key_of=lambda row: row[0].id)
        rows = pages.match_rows(page.items, today)
    else:
        query, key = queries.findings(g.organisation.id, wanted, current_user.id, today), Finding.id
        page = keyset(query, key, key_of=lambda row: row[0].id)
        rows = pages.finding_rows(page.items, today)
    count = capped_count(query, key)
    return render_template(
        "reconciliation/_findings.html" if is_fragment() else "reconciliation/findings.html",
        form=form,
        rows=rows,
        page=Page(
            page.items, page.previous_href, page.next_href, "1 row" if count == "1" else f"{count} rows"
        ),
        wanted=wanted,
        may_change=may_change(),
        arguments={k: v for k, v in request.args.items() if k not in ("after", "before", "size")},
    )


@blueprint.get("/findings.csv")
def export() -> Response:
    """The rows of exactly this filter as CSV."""
    form = FilterForm(request.args)
    wanted, today = pages.filter_of(form), pages.today()
    if wanted.kind == "matched":
        found = queries.in_batches(queries.matches(g.organisation.id, wanted), Match.id)
        rows = pages.match_export_rows(found, today)
    else:
        query = queries.findings(g.organisation.id, wanted, current_user.id, today)
        rows = pages.export_rows(queries.in_batches(query, Finding.id), today)
    remember("reconciliation:findings:exported", "reconciliation_finding")
    return csv_response(f"{g.organisation.slug}-reconciliation-{today.isoformat()}.csv", pages.HEADERS, rows)


@blueprint.get("/findings/<int:finding_id>")
def finding(finding_id: int) -> ResponseReturnValue:
    """One finding: both sides, who sees to it, how it can be settled."""
    found = queries.get_finding(g.organisation.id, finding_id)
    form = OwnerForm(formdata=None, data={"owner": str(found.owner_id or ""), "version": str(found.version)})
    form.owner.choices = pages.owner_options(found)
    return render_template(
        "reconciliation/finding.html", form=form, may_change=may_change(), **pages.finding_context(found)
    )


@blueprint.post("/findings/<int:finding_id>/owner")
def assign(finding_id: int) -> ResponseReturnValue:
    """Say who sees to it."""
    owner = request.form.get("owner", "")
    version = request.form.get("version", type=int)
    if owner and not (owner.isdigit() and len(owner) < 18):
        raise Invalid("owner", "Choose an admin of this organisation.")
    with transaction():
        service.assign(
            organisation_id=g.organisation.id, finding_id=finding_id, owner_id=int(owner) if owner else None,
            actor=actor(), now=utc_now(), expected_version=version,
        )  # fmt: skip
    return see_other(url_for(".finding", finding_id=finding_id))


@blueprint.route("/findings/<int:finding_id>/settle", methods=["GET", "POST"])
def resolve(finding_id: int) -> ResponseReturnValue:
    """The check step of a way to settle a finding, and the act itself."""
    require_change()
    found = queries.get_finding(g.organisation.id, finding_id)
    way = _way(request.values.get("how", ""), found)
    is_sent = request.method == "POST"
    if is_sent and way is Resolution.BOOK and (question := require_fresh()) is not None:
        return question
    if not is_sent:
        return _settle_page(found, way, SettleForm(request.args, meta={"csrf": False}))
    form = SettleForm()
    if not form.validate_on_submit():
        return _settle_page(found, way, form, 422)
    try:
        words = _settle(finding_id, way, form)
    except Invalid as error:
        attach(form, Invalid(_field(error.field), error.reason, error.example))
        return _settle_page(queries.get_finding(g.organisation.id, finding_id), way, form, 422)
    except Conflict as error:
        found = queries.get_finding(g.organisation.id, finding_id)
        return _settle_page(found, way, form, 409, error.message)
    flash(words, "success")
    return see_other(url_for(".finding", finding_id=finding_id))


def _field(name: str) -> str:
    return "half" if name in ("entry", "line") else name if name in ("account", "note") else "note"


def _way(text: str, found: Finding) -> Resolution:
    ways = resolving.ways(found)
    if text in set(Resolution) and (Resolution(text) in ways or found.state == FindingState.RESOLVED):
        return Resolution(text)
    return ways[0] if ways else Resolution.EXPLAIN


def _settle_page(
    found: Finding, way: Resolution, form: SettleForm, code: int = 200, message: str = ""
) -> ResponseReturnValue:
    if code != 409:
        form.version.data = str(found.version)
    is_open = way in resolving.ways(found)
    context = (
        pages.settle_context(found, form, way) if is_open else {**pages.finding_context(found), "way": way}
    )
    context = {"form": form, **context}
    return render_template("reconciliation/resolve.html", message=message, is_open=is_open, **context), code


def _settle(finding_id: int, way: Resolution, form: SettleForm) -> str:
    common = {
        "organisation_id": g.organisation.id, "finding_id": finding_id, "actor": actor(), "now": utc_now(),
        "expected_version": form.seen_version,
    }  # fmt: skip
    note = form.note.data or ""
    with transaction():
        if way is Resolution.LINK:
            half = form.half_id
            resolving.link(**common, line_id=half, entry_id=half, note=note)
            return "They are linked. The finding is settled."
        if way is Resolution.ASK:
            resolving.ask(**common)
            return "The provider is asked. The finding closes by itself once both sides agree."
        if way is Resolution.EXPLAIN:
            resolving.explain(**common, note=note)
            return "The finding is explained. Nothing was booked."
        if request.form.get("step") == "confirm":
            resolving.confirm(**common)
            return "The correction is booked. The finding is settled."
        resolving.propose(**common, against=form.account.data or "", note=note)
        return "Your correction is proposed. A second person must confirm it before it is booked."


@blueprint.post("/findings/<int:finding_id>/<word>")
def act(finding_id: int, word: str) -> ResponseReturnValue:
    """Take a proposed correction, or an explanation, back."""
    version = request.form.get("version", type=int)
    back = {"withdraw": resolving.withdraw, "reopen": resolving.reopen}.get(word)
    queries.get_finding(g.organisation.id, finding_id)
    if back is None:
        raise Conflict("This cannot be done to a finding.")
    with transaction():
        back(
            organisation_id=g.organisation.id, finding_id=finding_id, actor=actor(), now=utc_now(),
            expected_version=version,
        )  # fmt: skip
    flash("The finding is open again.", "success")
    return see_other(url_for(".finding", finding_id=finding_id))
