"""Where the rooms above say how the draft of their kind of run is shown, tried again, and what it leads to.

A room's own check step confirms the draft with `start_draft`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.people.views.session import actor
from webapp.runs import lists, service
from webapp.runs.models import Run, RunRow, RunState
from webapp.web.htmx import see_other


@dataclass(frozen=True)
class KindPages:
    """`draft` is the address of the check step; `redraft` makes a new draft from rows as they are now.

    `after` gives the template and the values of a panel that stands on the page of a run that is over: what comes
    next, and how it is stopped. None where there is nothing to say.
    """

    draft: Callable[[Run], str]
    redraft: Callable[[Run, Sequence[RunRow], Actor, datetime], Run]
    after: Callable[[Run], tuple[str, dict[str, Any]] | None] | None = None


_pages: dict[str, KindPages] = {}


def register_pages(kind: str, pages: KindPages) -> None:
    """Say how runs of a kind are checked and tried again. Kinds without pages are confirmed on their own page."""
    _pages[kind] = pages


def pages_of(kind: str) -> KindPages | None:
    """The pages of a kind, if its room has any."""
    return _pages.get(kind)


def start_draft(kind: str, reference: str) -> ResponseReturnValue:
    """Start a draft of a kind and show the run; one that was started or stopped before is only shown.

    Raises NotFound, and Conflict when another person made the draft.
    """
    run = lists.get_run(organisation_id=g.organisation.id, reference=reference, kind=kind)
    if run.state == RunState.DRAFT.value:
        with transaction():
            service.confirm(
                organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
            )
    return see_other(url_for("admin.runs.show", reference=reference))
