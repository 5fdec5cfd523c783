"""The jobs page: queues, workers, the schedule, and the organisation's own messages that wait or gave up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.logs import scrub_text
from webapp.operations import jobs
from webapp.outbox.models import OutboxMessage
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change
from webapp.web.filters import number
from webapp.web.htmx import see_other
from webapp.web.pagination import COUNT_LIMIT, Page, keyset

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")


def _tabs(state: str, counts: dict[str, int]) -> list[dict[str, Any]]:
    words = ((jobs.GAVE_UP, "Gave up"), (jobs.WAITING, "Waiting"))
    return [
        {"label": label, "value": value, "n": counts[value], "is_current": state == value}
        for value, label in words
    ]


def _row(message: OutboxMessage, about: jobs.Subject | None) -> dict[str, Any]:
    return {
        "message": message,
        "words": jobs.kind_words(message.kind),
        "about": about.label if about else None,
        "href": url_for(about.endpoint, **about.arguments) if about else None,
        "reason": scrub_text(message.last_error),
    }


def _label(n: int) -> str:
    shown = f"{number(COUNT_LIMIT)}+" if n >= COUNT_LIMIT else number(n)
    return f"{shown} message{'' if n == 1 else 's'}"


@blueprint.get("")
def index() -> ResponseReturnValue:
    """What works, what waits, and what needs a person."""
    now, organisation_id = utc_now(), g.organisation.id
    counts = jobs.counts(organisation_id, COUNT_LIMIT)
    state = request.args.get("state", "")
    if state not in counts:
        state = jobs.GAVE_UP if counts[jobs.GAVE_UP] or not counts[jobs.WAITING] else jobs.WAITING
    page = keyset(jobs.messages(organisation_id, state), OutboxMessage.id)
    about = jobs.subjects(organisation_id, page.items)
    tasks = jobs.task_rows(organisation_id, now)
    beat = jobs.beat(tasks)
    context = {
        "queues": [{"row": row, "trouble": row.trouble(now)} for row in jobs.queue_rows()],
        "tasks": tasks,
        "beat": beat,
        "is_silent": beat is None or now - beat > jobs.SILENT,
        "tabs": _tabs(state, counts),
        "state": state,
        "rows": [_row(message, about.get(message.id)) for message in page.items],
        "page": Page(page.items, page.previous_href, page.next_href, _label(counts[state])),
        "may_change": may_change(),
        "now": now,
    }
    return render_template("jobs/index.html", **context)


def _retry(message_id: int | None) -> ResponseReturnValue:
    with transaction():
        n = jobs.retry(organisation_id=g.organisation.id, message_id=message_id, actor=actor(), now=utc_now())
    flash(
        f"{_label(n)} begin{'s' if n == 1 else ''} anew. What has had its effect already does nothing.",
        "success",
    )
    return see_other(url_for("admin.jobs.index", state=jobs.WAITING))


@blueprint.post("/<int:message_id>/retry")
@needs_fresh_sign_in
def retry(message_id: int) -> ResponseReturnValue:
    """Try one message that gave up again."""
    return _retry(message_id)


@blueprint.post("/retry")
@needs_fresh_sign_in
def retry_all() -> ResponseReturnValue:
    """Try everything of the organisation that gave up again."""
    return _retry(None)
