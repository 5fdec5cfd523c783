"""The audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.audit import queries, words
from webapp.audit.forms import TrailFilterForm
from webapp.audit.models import AuditEvent
from webapp.audit.views import files
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.web.htmx import is_fragment
from webapp.web.pagination import Page, capped_count, keyset

blueprint = Blueprint("audit", __name__, url_prefix="/activity")
CSV_HEADERS = (
    "number", "at", "who", "ip", "user_agent", "action", "subject_type", "subject_id", "subject", "note", "changes",
    "previous_hash", "hash",
)  # fmt: skip


def _form() -> TrailFilterForm:
    form = TrailFilterForm(request.args)
    kinds = queries.subject_types(g.organisation.id)
    form.subject_type.choices = [
        SelectChoice("", "Every kind"),
        *(SelectChoice(kind, words.field_name(kind)) for kind in kinds),
    ]
    return form


def _query(form: TrailFilterForm) -> Any:
    return queries.trail(
        organisation_id=g.organisation.id, timezone=g.organisation.timezone, filters=form.values()
    )


@blueprint.get("")
def index() -> ResponseReturnValue:
    """The events of the organisation, the newest first, with what changed; ?verify=1 proves the chain too."""
    form = _form()
    is_good = form.validate()
    page: Page[Any] = Page([], None, None)
    if is_good:
        query = _query(form)
        rows = keyset(query, AuditEvent.id)
        count = capped_count(query, AuditEvent.id)
        page = Page(
            [(e, words.action(e.tag), words.changes(e.changes)) for e in rows.items],
            rows.previous_href,
            rows.next_href,
            "1 event" if count == "1" else f"{count} events",
        )
    here: dict[str, Any] = {
        k: v for k, v in request.args.items() if v and k not in ("before", "after", "verify")
    }
    return render_template(
        "audit/_events.html" if is_fragment() else "audit/index.html",
        form=form,
        page=page,
        is_filtered=any(value not in ("", None) for value in form.values().values()) if is_good else True,
        chain=queries.verify(g.organisation.id) if request.args.get("verify") else None,
        csv_href=url_for(".export", **here),
        verify_href=url_for(".index", **here, verify=1),
        now=utc_now(),
    ), 200 if is_good else 422


@blueprint.get("/export")
def export() -> ResponseReturnValue:
    """The events of exactly this filter as CSV, oldest first, with their hashes."""
    form = _form()
    if not form.validate():
        return index()
    # What is remembered about the file is not in it.
    last = db.session.scalar(select(func.max(AuditEvent.id))) or 0
    rows = _rows(_query(form).where(AuditEvent.id <= last))
    return files.list_file("audit:trail:exported", "audit_trail", "audit", CSV_HEADERS, rows)


def _rows(query: Any) -> Iterator[tuple[Any, ...]]:
    for e in queries.stream(query):
        yield (
            e.seq, e.at, e.actor_label, e.ip, e.user_agent, e.tag, e.subject_type, e.subject_id, e.subject_label,
            e.note, words.in_one_line(e.changes), e.previous_hash, e.hash,
        )  # fmt: skip
