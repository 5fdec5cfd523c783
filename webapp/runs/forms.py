"""Shapes of the forms around runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import Form, SelectField
from wtforms.validators import Optional

from webapp.runs.models import RunState
from webapp.web.fields import all_optional, options


def kind_words(kind: str) -> str:
    """ "payouts.approve" as people read it: "Payouts: approve"."""
    room, _, act = kind.partition(".")
    return f"{room.capitalize()}: {act.replace('_', ' ').replace('-', ' ')}" if act else room.capitalize()


class RunFilterForm(Form):
    """The filter of the list of runs; an empty field filters nothing."""

    state = SelectField(
        "Status",
        choices=options([c for c in RunState.choices() if c[0] != RunState.DRAFT], "Every status"),
        validators=[Optional()],
    )
    kind = SelectField("Kind", validators=[Optional()])

    def __init__(self, *args: Any, kinds: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = options([(kind, kind_words(kind)) for kind in kinds], "Every kind")
        all_optional(self)
        for name in ("state", "kind"):
            if self[name].data is None:
                self[name].data = ""
