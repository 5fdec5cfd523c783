"""Shapes of the forms around runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import Form, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import Optional

from webapp.runs.models import RunState


def kind_words(kind: str) -> str:
    """ "payouts.approve" as people read it: "Payouts: approve"."""
    room, _, act = kind.partition(".")
    return f"{room.capitalize()}: {act.replace('_', ' ').replace('-', ' ')}" if act else room.capitalize()


def _choices(nothing: str, pairs: Sequence[tuple[str, str]]) -> list[SelectChoice]:
    return [SelectChoice(value=value, label=label) for value, label in [("", nothing), *pairs]]


class RunFilterForm(Form):
    """The filter of the list of runs; an empty field filters nothing."""

    state = SelectField(
        "Status",
        choices=_choices("Every status", [c for c in RunState.choices() if c[0] != RunState.DRAFT]),
        validators=[Optional()],
    )
    kind = SelectField("Kind", validators=[Optional()])

    def __init__(self, *args: Any, kinds: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = _choices("Every kind", [(kind, kind_words(kind)) for kind in kinds])
        for name in ("state", "kind"):
            self[name].flags.optional = False
            if self[name].data is None:
                self[name].data = ""
