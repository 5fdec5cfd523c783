"""Installations and rates for tests, made through the services and committed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.factories.people import FACTORY, stored
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import rate_service, service
from webapp.programs.installations.drafts import InstallationDraft, RateDraft, ShareDraft
from webapp.programs.installations.models import Installation, RateConfiguration

# The instant of the tests: what is commissioned by then is not in the future.
WHEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def rate(organisation: Organisation, name: str = "Solar", **values: Any) -> RateConfiguration:
    """A solar rate of 50.00 per kW, unless told otherwise."""
    who = {"actor": values.pop("actor", FACTORY), "now": values.pop("now", WHEN)}
    defaults: dict[str, Any] = {
        "installation_type": "solar",
        "capacity_unit": "kW",
        "rate_type": "per_unit",
        "rate": "50.00",
        "currency": organisation.currency,
    }
    values = {**defaults, **values}
    for field in ("rate", "min_size", "max_size"):
        if values.get(field) is not None:
            values[field] = Decimal(values[field])
    with stored():
        return rate_service.create_rate(
            organisation_id=organisation.id, draft=RateDraft(name=name, **values), **who
        )


def known_rates(organisation: Organisation) -> list[RateConfiguration]:
    """Solar A and B and the flat Starlink rate, whose amounts are known to the cent."""
    return [
        rate(organisation, "Solar A", min_size="0", max_size="10", rate="50.00", priority=1),
        rate(organisation, "Solar B", min_size="10", rate="45.00", priority=2),
        rate(
            organisation,
            "Starlink",
            installation_type="starlink",
            capacity_unit="",
            rate_type="flat",
            rate="75.00",
        ),
    ]


def installation(
    organisation: Organisation, *technicians: Payee, weights: tuple[int, ...] = (), **values: Any
) -> Installation:
    """A commissioned solar installation of 5 kW, shared equally unless `weights` are given."""
    who = {"actor": values.pop("actor", FACTORY), "now": values.pop("now", WHEN)}
    shares = tuple(
        ShareDraft(payee.id, weight)
        for payee, weight in zip(technicians, weights or (1,) * len(technicians), strict=True)
    )
    defaults: dict[str, Any] = {
        "installation_type": "solar",
        "capacity_unit": "kW",
        "size": "5",
        "currency": organisation.currency,
        "status": "commissioned",
        "commissioned_on": date(2026, 1, 2),
    }
    values = {**defaults, **values}
    if values["size"] is not None:
        values["size"] = Decimal(values["size"])
    with stored():
        return service.create_installation(
            organisation_id=organisation.id, draft=InstallationDraft(shares=shares, **values), **who
        )
