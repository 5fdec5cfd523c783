"""The trail of this program: what was done to its records and to its payouts, the newest first."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import and_, or_, select

from webapp.audit import queries, words
from webapp.audit.forms import TrailFilterForm
from webapp.audit.models import AuditEvent
from webapp.kernel.clock import utc_now
from webapp.payouts.models import Payout
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.views.area import AREA
from webapp.web.htmx import is_fragment
from webapp.web.pagination import Page, capped_count, keyset


class ActivityForm(TrailFilterForm):
    """Finds events by what was done, who did it, when, and to what."""

    subject_type = None  # type: ignore[assignment]
    subject_id = None  # type: ignore[assignment]

    def values(self) -> dict[str, object]:
        """The filter as the trail's queries take it."""
        return {
            "tag": (self.tag.data or "").strip(),
            "actor": (self.actor.data or "").strip(),
            "subject": (self.subject.data or "").strip(),
            "from": self.first.data,
            "to": self.last.data,
        }


def index() -> ResponseReturnValue:
    """The events of this program's records and payouts."""
    form, here = ActivityForm(request.args), g.organisation
    is_valid = form.validate()
    page: Page[Any] = Page([], None, None)
    if is_valid:
        query = queries.trail(organisation_id=here.id, timezone=here.timezone, filters=form.values()).where(
            or_(
                AuditEvent.tag.startswith(f"{PROGRAM}:", autoescape=True),
                and_(
                    AuditEvent.subject_type == "payout",
                    AuditEvent.subject_id.in_(
                        select(Payout.id).where(Payout.organisation_id == here.id, Payout.program == PROGRAM)
                    ),
                ),
            )
        )
        rows = keyset(query, AuditEvent.id)
        count = capped_count(query, AuditEvent.id)
        page = Page(
            [(e, words.action(e.tag), words.changes(e.changes)) for e in rows.items],
            rows.previous_href,
            rows.next_href,
            "1 event" if count == "1" else f"{count} events",
        )
    return render_template(
        "partners/_activity.html" if is_fragment() else "partners/activity.html",
        area=AREA,
        tab="activity",
        form=form,
        page=page,
        is_filtered=not is_valid or any(value not in ("", None) for value in form.values().values()),
        csv_href=url_for("admin.audit.export", tag=f"{PROGRAM}:"),
        has_errors=not is_valid,
        now=utc_now(),
    ), 200 if is_valid else 422
