"""The forms of webhooks: an endpoint, since when to send again, the filter of the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, Form, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from webapp.people.account_forms import CheckboxesField
from webapp.web.fields import options, strip
from webapp.web.form_fields import DAY_HINT
from webapp.webhooks.models import WebhookEndpoint
from webapp.webhooks.queries import DeliveryFilter
from webapp.webhooks.rules import TEST, URL_LENGTH, DeliveryState, EventType

_EVENTS = [*EventType.choices(), (TEST, "Test")]


class EndpointForm(FlaskForm):
    """Where an endpoint is, and what it wants to know."""

    url = StringField(
        "Address",
        filters=[strip],
        validators=[
            InputRequired("Enter the address that is told of events."),
            Length(max=URL_LENGTH, message=f"An address has at most {URL_LENGTH} characters."),
        ],
        render_kw={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"},
    )
    name = StringField(
        "Name",
        filters=[strip],
        validators=[Optional(), Length(max=120, message="Write at most 120 characters.")],
    )
    events = CheckboxesField(
        "Events", validators=[DataRequired("Choose at least one event.")],
        choices=[SelectChoice(event.value, f"{event.label} ({event.value})") for event in EventType],
    )  # fmt: skip
    version = HiddenField()

    def fill(self, row: WebhookEndpoint) -> None:
        """What there is now."""
        self.url.data, self.name.data, self.events.data = row.url, row.name, list(row.events)
        self.version.data = str(row.version)


class ReplayForm(FlaskForm):
    """Since when everything is sent again that was not taken."""

    since = DateField(
        "Events since",
        validators=[InputRequired(f"Enter a day. {DAY_HINT}")],
    )


class VersionForm(FlaskForm):
    """A check step without fields of its own."""

    version = HiddenField()


class FilterForm(Form):
    """The filter of the list, read from the address."""

    q = StringField("Payout begins with", filters=[strip], validators=[Optional(), Length(max=120)])
    state = SelectField(
        "State", choices=options(DeliveryState.choices(), "Every state"), validators=[Optional()]
    )
    event = SelectField("Event", choices=options(_EVENTS, "Every event"), validators=[Optional()])
    place = SelectField("Endpoint", validators=[Optional()])

    def __init__(self, data: Any, endpoints: Sequence[WebhookEndpoint]) -> None:
        super().__init__(data)
        self.offered = {str(row.id): label(row) for row in endpoints}
        self.place.choices = options(list(self.offered.items()), "Every endpoint")

    def chosen(self) -> DeliveryFilter:
        """The filter; a value that is not on offer narrows nothing."""
        state, event, endpoint = self.state.data or "", self.event.data or "", self.place.data or ""
        return DeliveryFilter(
            state=state if state in {one.value for one in DeliveryState} else "",
            event=event if event in dict(_EVENTS) else "",
            endpoint_id=int(endpoint) if endpoint in self.offered else 0,
            text=(self.q.data or "")[:120],
        )


def label(row: WebhookEndpoint) -> str:
    """What people call an endpoint."""
    return row.name or row.url
