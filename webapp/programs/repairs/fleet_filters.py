"""The filters of the lists of drivers, vehicles, medallions and leases, read from the address."""

from __future__ import annotations

from wtforms import SelectField

from webapp.programs.repairs.driver_lists import DriverFilter
from webapp.web.fields import options
from webapp.web.filter_fields import ListFilter, search


class FleetFilter(ListFilter):
    """Common to the filters: a text to look for."""

    q = search()


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

    balance = SelectField(
        "Balance",
        choices=options((("owes", "Owes money"), ("kept", "Money is kept for them")), "Every balance"),
    )
    lease = SelectField(
        "Lease", choices=options((("with", "On a lease today"), ("without", "Without a lease")), "All")
    )

    def chosen(self) -> DriverFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return DriverFilter(self.q.data or "", self.balance.data or "", self.lease.data or "")
