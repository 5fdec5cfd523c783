"""The filter of the audit trail; sent with GET, so it carries no token."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, SelectField, StringField
from wtforms.validators import Optional, Regexp


class MayBeEmpty(Optional):
    """As Optional, but the label does not say so: in a filter everything may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags: dict[str, bool] = {}


class DayField(DateField):
    """A day, whose error says which one and how to write it."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the day. Raises ValueError with a sentence for the page."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            label = self.label.text
            raise ValueError(f"{label}: “{' '.join(valuelist)}” is not a day. Example: 2026-11-20") from None


class TrailFilterForm(FlaskForm):
    """Finds events by what was done, who did it, when, and to what."""

    class Meta:
        """A reading form."""

        csrf = False

    tag = StringField("Action", render_kw={"autocomplete": "off"})
    actor = StringField("Who", render_kw={"autocomplete": "off"})
    subject_type = SelectField("Kind of record", validate_choice=False)
    subject = StringField("Record", render_kw={"autocomplete": "off"})
    first = DayField("From", [MayBeEmpty()], name="from")
    last = DayField("To", [MayBeEmpty()], name="to")
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
