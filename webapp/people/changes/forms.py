"""Forms of the pages about payment details. Several may stand on one page, so every field has an id of its own."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length

from webapp.people.changes.rules import ChangeState

_LENGTH = Length(max=2000, message="Write at most 2,000 characters.")


class ChangeFilterForm(FlaskForm):
    """Filter of the list of changes; sent with GET, so it carries no token."""

    class Meta:
        """A reading form."""

        csrf = False

    state = SelectField(
        "Status", choices=[SelectChoice("all", "Every status"), *(SelectChoice(s.value, s.label) for s in ChangeState)]
    )  # fmt: skip


class VerifyForm(FlaskForm):
    """The call-back record."""

    note = TextAreaField(
        "Whom did you call, on which number?",
        [InputRequired("Say whom you called on which number on file, and what they said."), _LENGTH],
        id="verify-note",
    )


class RefuseForm(FlaskForm):
    """Why not."""

    reason = TextAreaField(
        "Why do you refuse it?", [InputRequired("Say why; the payee is told."), _LENGTH], id="refuse-reason"
    )


class ReleaseForm(FlaskForm):
    """Why new details cannot wait."""

    reason = TextAreaField(
        "Why can it not wait?", [InputRequired("Say why it cannot wait."), _LENGTH], id="release-reason"
    )
    method_id = HiddenField()


class RevealForm(FlaskForm):
    """Why the full account is needed."""

    reason = StringField(
        "Why do you need the full account?",
        [InputRequired("Say why you need the full account; it is kept."), _LENGTH],
        id="reveal-reason",
        render_kw={"autocomplete": "off"},
    )
