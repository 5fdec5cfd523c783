"""The filters of the lists of vehicles, medallions and leases, read from the address."""

from __future__ import annotations

from typing import Any

from wtforms import Form, SelectField, StringField
from wtforms.validators import Length, Optional

from webapp.web.fields import all_optional, options, strip


def _search() -> StringField:
    return StringField(
        "Search",
        filters=[strip],
        validators=[Optional(), Length(max=120, message="Search for at most 120 characters.")],
        render_kw={"type": "search", "autocomplete": "off"},
    )


class FleetFilter(Form):
    """Common to the filters: an address without a parameter means "all"."""

    q = _search()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        all_optional(self)
        for field in self:
            if isinstance(field, SelectField):
                field.data = field.data or ""


class VehicleFilterForm(FleetFilter):
    """The list of vehicles."""

    use = SelectField("Use", choices=options((("leased", "On a lease today"), ("free", "Free today")), "All"))


class MedallionFilterForm(FleetFilter):
    """The list of medallions."""


class LeaseFilterForm(FleetFilter):
    """The list of leases."""

    state = SelectField(
        "State",
        choices=options(
            (("running", "Running today"), ("coming", "Coming"), ("ended", "Ended")), "Every lease"
        ),
    )


class DriverFilterForm(FleetFilter):
    """The list of drivers."""

    owes = SelectField(
        "Balance",
        choices=options((("owes", "Owes money"), ("kept", "Money is kept for them")), "Every balance"),
    )
