"""Shapes of the forms around runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import Form, SelectField
from wtforms.validators import Optional

from webapp.runs.models import RunState


def kind_words(kind: str) -> str:
    """ "payouts.approve" as people read it: "Payouts: approve"."""
    room, _, act = kind.partition(".")
    return f"{room.capitalize()}: {act.replace('_', ' ').replace('-', ' ')}" if act else room.capitalize()


class RunFilterForm(Form):
    """The filter of the list of runs; an empty field filters nothing."""

    state = SelectField(
        "Status",
        choices=[("", "Every status"), *(c for c in RunState.choices() if c[0] != RunState.DRAFT)],
        validators=[Optional()],
    )
    kind = SelectField("Kind", validators=[Optional()])

    def __init__(self, *args: Any, kinds: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = [("", "Every kind"), *((kind, kind_words(kind)) for kind in kinds)]
        for name in ("state", "kind"):
            self[name].flags.optional = False
            if self[name].data is None:
                self[name].data = ""
