"""The filter of the audit trail; sent with GET, so it carries no token."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, SelectField, StringField
from wtforms.validators import Optional, Regexp


class TrailFilterForm(FlaskForm):
    """Finds events by what was done, who did it, when, and to what."""

    class Meta:
        """A reading form."""

        csrf = False

    tag = StringField("Action", [Optional()], render_kw={"autocomplete": "off"})
    actor = StringField("Who", [Optional()], render_kw={"autocomplete": "off"})
    subject_type = SelectField("Kind of record", validate_choice=False)
    subject = StringField("Record", [Optional()], render_kw={"autocomplete": "off"})
    first = DateField("From", [Optional()], name="from")
    last = DateField("To", [Optional()], name="to")
    subject_id = HiddenField(
        validators=[Optional(), Regexp(r"\d{1,18}", message="The record's number is a number.")]
    )

    def values(self) -> dict[str, object]:
        """The filter as `queries.trail` takes it."""
        return {
            "tag": (self.tag.data or "").strip(),
            "actor": (self.actor.data or "").strip(),
            "subject_type": self.subject_type.data or "",
            "subject": (self.subject.data or "").strip(),
            "from": self.first.data,
            "to": self.last.data,
            "subject_id": int(self.subject_id.data) if self.subject_id.data else None,
        }
