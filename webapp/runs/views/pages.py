"""Where the rooms above say how the draft of their kind of run is shown, tried again, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.kernel.actor import Actor
from webapp.runs.models import Run, RunRow


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
