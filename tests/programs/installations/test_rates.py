"""Rate configurations over time, and what a draft would have changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.kernel.errors import Conflict, NotFound, StaleVersion
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.installations import rate_service
from webapp.programs.installations.drafts import RateDraft
from webapp.programs.installations.models import RateVersion
from webapp.programs.installations.pricing import load_terms
from webapp.programs.installations.rehearsal import rehearse

TODAY = date(2026, 11, 20)


@pytest.fixture
def solaria(database: Flask) -> Organisation:
    return people.organisation("solaria")


def revise(
    organisation: Organisation,
    configuration_id: int,
    now: datetime,
    expected: int | None = None,
    **values: object,
) -> RateVersion:
    version = rate_service.current(rate_service.get_configuration(organisation.id, configuration_id))
    draft = replace(rate_service.draft_of(version), **values)  # type: ignore[arg-type]
    with transaction():
        return rate_service.revise_rate(
            organisation_id=organisation.id,
            configuration_id=configuration_id,
            draft=draft,
            expected_version=expected,
            actor=SCHEDULER,
            now=now,
        )


def test_a_change_makes_the_next_version_and_keeps_the_old(solaria: Organisation, now: datetime) -> None:
    configuration = make.rate(solaria)
    assert revise(solaria, configuration.id, now, rate=Decimal(60)).version == 2
    assert revise(solaria, configuration.id, now).version == 2, "no change, no version"
    stored = db.session.scalars(select(RateVersion).order_by(RateVersion.version)).all()
    assert [(v.version, v.rate) for v in stored] == [(1, Decimal(50)), (2, Decimal(60))]
    with pytest.raises(StaleVersion):
        revise(solaria, configuration.id, now, expected=1, rate=Decimal(70))
    with pytest.raises(NotFound):
        rate_service.get_configuration(people.organisation("other").id, configuration.id)


def test_ending_is_a_version_too(solaria: Organisation, now: datetime) -> None:
    configuration = make.rate(solaria)

    def end(day: date) -> RateVersion:
        with transaction():
            return rate_service.end_rate(
                organisation_id=solaria.id, configuration_id=configuration.id, last_day=day,
                actor=SCHEDULER, now=now,
            )  # fmt: skip

    assert (end(TODAY).version, end(TODAY).effective_to) == (2, TODAY)
    with pytest.raises(Conflict, match="ends on 2026-11-20 already"):
        end(date(2026, 12, 1))


def test_a_draft_is_replayed_over_past_months(solaria: Organisation) -> None:
    ana, ben = (people.payee(solaria, name=name) for name in ("Ana", "Ben"))
    configuration = make.rate(solaria)
    make.installation(solaria, ana, size="4", commissioned_on=date(2026, 11, 1))
    make.installation(solaria, ana, ben, size="10", commissioned_on=date(2026, 10, 1))
    make.installation(solaria, ana, size="99", commissioned_on=date(2026, 9, 30))
    lost = make.installation(solaria, ben, size="2", commissioned_on=TODAY)
    draft = RateDraft("Solar", "kW", "per_unit", Decimal(60), "USD", "solar", min_size=Decimal(3))
    outcome = rehearse(
        solaria.id,
        rate_service.draft_rule(draft, configuration.id, 2),
        load_terms(solaria.id),
        currency="USD",
        months=1,
        today=TODAY,
    )
    assert (outcome.first_day, outcome.looked_at, outcome.changed) == (date(2026, 10, 1), 3, 3)
    assert [(r.name, r.before.plain, r.after.plain, r.change.plain) for r in outcome.rows] == [
        ("Ana", "450.00", "540.00", "90.00"),
        ("Ben", "350.00", "300.00", "-50.00"),
    ]
    assert outcome.no_longer_priced == (lost.reference,)
    assert outcome.change == Money(4_000, "USD")
    assert db.session.scalars(select(RateVersion.version)).all() == [1], "a rehearsal stores nothing"


def test_warnings_look_at_the_draft_among_the_others(solaria: Organisation) -> None:
    make.known_rates(solaria)
    draft = RateDraft(
        "Solar C", "kW", "per_unit", Decimal(60), "USD", "solar", min_size=Decimal(5), priority=0
    )
    texts = [finding.text for finding in rate_service.warnings(solaria.id, draft, today=TODAY)]
    assert any("Solar C can never win" in text for text in texts)
    assert any(
        "Solar A and Solar C overlap for solar: 5 up to, not including, 10 kW" in text for text in texts
    )
