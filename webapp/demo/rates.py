"""The three rate configurations that the demo begins with; they have no start date."""

from __future__ import annotations

from decimal import Decimal

from webapp.programs.installations.drafts import RateDraft

RATES = (
    RateDraft(
        name="Solar A",
        installation_type="solar",
        capacity_unit="kW",
        min_size=Decimal(0),
        max_size=Decimal(10),
        rate_type="per_unit",
        rate=Decimal(50),
        currency="USD",
        priority=1,
    ),
    RateDraft(
        name="Solar B",
        installation_type="solar",
        capacity_unit="kW",
        min_size=Decimal(10),
        rate_type="per_unit",
        rate=Decimal(45),
        currency="USD",
        priority=2,
    ),
    RateDraft(
        name="Starlink",
        installation_type="starlink",
        capacity_unit="",  # any unit, whatever the size
        rate_type="flat",
        rate=Decimal(75),
        currency="USD",
        priority=1,
    ),
)
