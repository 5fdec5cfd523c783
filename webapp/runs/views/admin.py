"""Runs: list, progress, outcome of every row, stop, try again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.audit.views import files
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.runs import lists, service
from webapp.runs.forms import RunFilterForm, kind_words
from webapp.runs.models import RowOutcome, Run, RunRow, RunState
from webapp.runs.views.pages import pages_of
from webapp.web.exports import csv_response
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("runs", __name__, url_prefix="/runs")
OVER = (RunState.STOPPED.value, RunState.FINISHED.value)


def _progress(run: Run) -> dict[str, Any]:
    """What the progress macro draws; the counts always add up to the total."""
    done = run.done + run.skipped + run.failed
    state = RunState(run.state)
    counts: list[dict[str, Any]] = [
        {"label": "done", "n": run.done, "tone": "done"},
        {"label": "skipped", "n": run.skipped, "tone": "cancelled"},
        {"label": "failed", "n": run.failed, "tone": "failed"},
        {
            "label": "waiting" if run.state not in OVER else "not done",
            "n": run.total - done,
            "tone": "waiting",
        },
    ]
    sentence = (
        "Stopping after the present row."
        if run.is_stop_requested and run.state not in OVER
        else state.sentence
    )
    return {
        "id": "run-progress",
        "label": f"{run.title}: {state.label.lower()}",
        "done": done,
        "total": run.total,
        "is_finished": run.state in OVER,
        "href": url_for("admin.runs.progress", reference=run.reference),
        "sentence": sentence,
        "counts": [count for count in counts if count["n"]],
    }


def _payout_href(row: RunRow) -> str | None:
    reference = row.data.get("reference") if row.subject_type == "payout" else None
    return url_for("admin.payouts.show", reference=reference) if reference else None


def _after(run: Run) -> dict[str, Any]:
    """What a run that is over leads to, where its room has something to say."""
    pages = pages_of(run.kind)
    found = pages.after(run) if run.state in OVER and pages is not None and pages.after is not None else None
    return {"after_template": None} if found is None else {"after_template": found[0], **found[1]}


def _context(run: Run) -> dict[str, Any]:
    outcome = request.args.get("outcome", "")
    if outcome not in set(RowOutcome):
        outcome = ""
    query = lists.rows(run.id, outcome)
    page = keyset(query, RunRow.position, newest_first=False, key_of=lambda row: row[0].position)
    label = capped_count(query, RunRow.id)
    counts = {"done": run.done, "skipped": run.skipped, "failed": run.failed,
              "waiting": run.total - run.done - run.skipped - run.failed}  # fmt: skip
    tabs = [{"label": "All", "n": run.total, "value": "", "is_current": outcome == ""}]
    tabs += [
        {"label": o.label, "n": counts[o.value], "value": o.value, "is_current": outcome == o.value}
        for o in (RowOutcome.DONE, RowOutcome.SKIPPED, RowOutcome.FAILED, RowOutcome.WAITING)
    ]
    return {
        "run": run,
        "state": RunState(run.state),
        "kind": kind_words(run.kind),
        "progress_data": _progress(run),
        "page": Page(
            page.items, page.previous_href, page.next_href, f"{label} row{'s' if label != '1' else ''}"
        ),
        "rows": [
            {"row": r[0], "outcome": RowOutcome(r[0].outcome), "payout_href": _payout_href(r[0])}
            for r in page.items
        ],
        "tabs": tabs,
        "outcome": outcome,
        **_after(run),
        "is_own_draft": run.state == RunState.DRAFT.value and run.created_by_id == current_user.id,
    }


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All runs, newest first."""
    form = RunFilterForm(request.args, kinds=lists.kinds_of(g.organisation.id))
    is_valid = form.validate()
    page: Page[Run] = Page([], None, None)
    if is_valid:
        query = lists.runs(organisation_id=g.organisation.id, state=form.state.data, kind=form.kind.data)
        page = keyset(query, Run.id)
        count = capped_count(query, Run.id)
        page = Page(
            page.items, page.previous_href, page.next_href, f"{count} run{'s' if count != '1' else ''}"
        )
    context = {
        "form": form,
        "page": page,
        "rows": [{"run": r, "state": RunState(r.state), "kind": kind_words(r.kind)} for r in page.items],
        "is_filtered": bool(form.state.data or form.kind.data),
        "csv_href": url_for(".export_list", state=form.state.data or None, kind=form.kind.data or None),
        "has_errors": not is_valid,
        "now": utc_now(),
    }
    template = "runs/_results.html" if is_fragment() else "runs/index.html"
    return render_template(template, **context), 200 if is_valid else 422


LIST_HEADERS = (
    "Run", "What", "Kind", "Status", "Rows", "Done", "Skipped", "Failed", "By", "Made at", "Confirmed at",
    "Finished at",
)  # fmt: skip


@blueprint.get("/export.csv")
def export_list() -> ResponseReturnValue:
    """The runs of exactly this filter as a file."""
    form = RunFilterForm(request.args, kinds=lists.kinds_of(g.organisation.id))
    if not form.validate():
        return index()
    query = lists.runs(organisation_id=g.organisation.id, state=form.state.data, kind=form.kind.data)
    rows = (_cells(row[0]) for row in files.in_batches(query, Run.id, lambda row: row[0].id))
    return files.list_file("runs:runs:exported", "run", "runs", LIST_HEADERS, rows)


def _cells(run: Run) -> tuple[object, ...]:
    return (
        run.reference, run.title, kind_words(run.kind), RunState(run.state).label, run.total, run.done, run.skipped,
        run.failed, run.created_by_label, run.created_at, run.confirmed_at, run.finished_at,
    )  # fmt: skip


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One run: progress while it works, then the outcome of every row. A draft leads to its check step."""
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference)
    pages = pages_of(run.kind)
    if run.state == RunState.DRAFT.value and pages is not None and run.created_by_id == current_user.id:
        return redirect(pages.draft(run), 303)
    return render_template("runs/show.html", **_context(run))


@blueprint.get("/<reference>/progress")
def progress(reference: str) -> ResponseReturnValue:
    """The progress block for the poll; 286 ends the polling and brings the rows with it."""
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference)
    is_over = run.state in OVER
    return render_template("runs/_progress.html", is_poll=True, **_context(run)), 286 if is_over else 200


@blueprint.get("/<reference>/rows.csv")
def export(reference: str) -> ResponseReturnValue:
    """The rows (all, or of one outcome) as a CSV file."""
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference)
    outcome = request.args.get("outcome", "")
    if outcome not in {"", *RowOutcome}:
        abort(422, "Choose done, skipped, failed or waiting.")
    headers = ("Row", "Record", "Outcome", "Message", "Finished at")
    cells = (
        (r.position, r.subject_label, RowOutcome(r.outcome).label, r.message, r.finished_at)
        for r in lists.export_rows(run.id, outcome)
    )
    files.remember("runs:rows:exported", "run")
    return csv_response(f"{run.reference}.csv", headers, cells)


@blueprint.post("/<reference>/confirm")
@needs_fresh_sign_in
def confirm(reference: str) -> ResponseReturnValue:
    """Start a draft that has no check step of its own. Only the person who made it may."""
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference)
    if run.created_by_id != current_user.id:
        abort(403, f"{run.created_by_label} prepared this. Prepare your own, then confirm it.")
    with transaction():
        service.confirm(organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now())
    return see_other(url_for("admin.runs.show", reference=reference))


@blueprint.post("/<reference>/stop")
def stop(reference: str) -> ResponseReturnValue:
    """Stop a run after its present row; the rows done before stay done."""
    with transaction():
        service.stop(organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now())
    flash("It stops after the present row. The rows done before stay done.", "success")
    return see_other(url_for("admin.runs.show", reference=reference))


@blueprint.post("/<reference>/retry")
def retry(reference: str) -> ResponseReturnValue:
    """Prepare a new run with the failed rows alone; it is checked and confirmed like every run."""
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference)
    failed = lists.failed_rows(run.id)
    if run.state not in OVER or not failed:
        raise Conflict("There is no failed row to try again.")
    pages = pages_of(run.kind)
    with transaction():
        if pages is not None:
            draft = pages.redraft(run, failed, actor(), utc_now())
        else:
            draft = _plain_redraft(run, failed)
        draft_reference = draft.reference
    return see_other(url_for("admin.runs.show", reference=draft_reference))


def _plain_redraft(run: Run, failed: Any) -> Run:
    """The failed rows once more, for kinds whose rows carry all that they need."""
    drafts = [
        service.RowDraft(
            subject_type=row.subject_type,
            subject_id=row.subject_id,
            subject_label=row.subject_label,
            subject_version=None,
            data=row.data,
        )
        for row in failed
    ]
    return service.create_draft(
        organisation_id=run.organisation_id,
        kind=run.kind,
        title=f"{run.title}, again",
        rows=drafts,
        parameters=run.parameters,
        actor=actor(),
        now=utc_now(),
    )
