"""A repair and its plan: what is stored, what is refused, what is charged by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import DAY, at, sunday
from tests.programs.repairs.common import do, plan
from tests.support.books import clean
from webapp.database import transaction
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid, NotFound
from webapp.people.models import Organisation
from webapp.programs.repairs import changing, drafting, instalments, queries, settings
from webapp.programs.repairs.drafts import SettingsDraft
from webapp.programs.repairs.models import DriverLease
from webapp.programs.repairs.rules import Band, Matrix


def test_a_draft_has_its_plan_and_charges_nothing(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.draft(lease)
    assert row.reference == "RPR-2025-001"
    assert [each.reference for each in row.instalments] == [f"RPR-2025-001-{n:02d}" for n in (1, 2, 3)]
    assert plan(row) == [
        (1, sunday(0), 200_00, 300_50, "scheduled"),
        (2, sunday(1), 200_00, 100_50, "scheduled"),
        (3, sunday(2), 100_50, 0, "scheduled"),
    ]
    assert repairs.run(fleet_of, sunday(0)).posted == 0
    assert clean(fleet_of)


def test_preview_is_what_is_stored(fleet_of: Organisation, lease: DriverLease) -> None:
    with transaction():
        seen = drafting.preview_repair(
            organisation_id=fleet_of.id, amount_minor=500_50, invoice_date=DAY, start="NEXT", now=at(DAY)
        )
    row = repairs.draft(lease, start="NEXT")
    assert [(p.number, p.week.start, p.amount, p.balance_after, "scheduled") for p in seen] == plan(row)
    assert seen[0].week.start == sunday(1)


def test_an_update_makes_the_plan_anew_and_only_a_draft_is_changed(lease: DriverLease) -> None:
    row = repairs.draft(lease)
    do(drafting.update_repair, row, draft=repairs.invoice(lease, 201_00))
    assert [part[2] for part in plan(row)] == [100_00, 100_00, 1_00]
    assert (row.amount_minor, row.weekly_minor, row.version) == (201_00, 100_00, 2)
    do(drafting.confirm_repair, row)
    with pytest.raises(IllegalTransition, match="is open; it is not possible to change"):
        do(drafting.update_repair, row, draft=repairs.invoice(lease, 300_00))


def test_an_invoice_is_charged_once(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.draft(lease, invoice_number=" W  1 ")
    assert row.invoice_number == "W 1"
    with pytest.raises(Conflict, match="RPR-2025-001 has this invoice already"):
        repairs.draft(lease, invoice_number="W 1")
    other = repairs.draft(lease, invoice_number="W 2")
    with pytest.raises(Conflict, match="RPR-2025-001"):
        do(drafting.update_repair, other, draft=repairs.invoice(lease, invoice_number="W 1"))
    assert repairs.draft(lease, invoice_number="W 1", invoice_date=date(2025, 10, 2)).reference
    do(changing.cancel_repair, row, reason="Entered twice.")
    assert repairs.draft(lease, invoice_number="W 1").reference == "RPR-2025-004"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount_minor": 0}, "amount"),
        ({"amount_minor": -1}, "amount"),
        ({"invoice_number": "  "}, "invoice_number"),
        ({"workshop": "garage"}, "workshop"),
        ({"start": "LATER"}, "start"),
        ({"invoice_date": date(2025, 10, 5)}, "invoice_date"),
        ({"invoice_date": date(2025, 9, 27)}, "lease"),
    ],
)
def test_what_is_refused_names_its_field(lease: DriverLease, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        repairs.draft(lease, **values)
    assert refused.value.field == field


def test_another_organisations_lease_is_not_found(lease: DriverLease) -> None:
    other = repairs.metrocab()
    row = repairs.draft(lease)
    with pytest.raises(NotFound), transaction():
        drafting.create_repair(
            organisation_id=other.id, draft=repairs.invoice(lease), actor=FACTORY, now=at(DAY)
        )
    with pytest.raises(NotFound), transaction():
        drafting.confirm_repair(organisation_id=other.id, reference=row.reference, actor=FACTORY, now=at(DAY))
    with pytest.raises(NotFound):
        queries.get_repair(other.id, row.reference)


def test_a_matrix_of_ones_own_has_versions(fleet_of: Organisation, lease: DriverLease) -> None:
    old = repairs.draft(lease, 450_00)
    with transaction():
        version = settings.change_matrix(
            organisation_id=fleet_of.id, matrix=Matrix((Band(0, None), Band(100_00, 150_00)), 1_00),
            actor=FACTORY, now=at(DAY),
        )  # fmt: skip
    new = repairs.draft(lease, 300_50)
    assert [part[2] for part in plan(new)] == [150_00, 150_50]
    assert (version.version, new.matrix_version_id, old.matrix_version_id) == (1, version.id, None)
    assert len(plan(old)) == 5
    for bands in ((), (Band(1, None),), (Band(0, None), Band(0, 1)), (Band(0, 0),)):
        with pytest.raises(Invalid), transaction():
            settings.change_matrix(
                organisation_id=fleet_of.id, matrix=Matrix(bands), actor=FACTORY, now=at(DAY)
            )


def test_settings_are_checked(fleet_of: Organisation) -> None:
    repairs.set_up(fleet_of, protected_minor=50_00, weekly_caps={"lease": 100_00})
    assert settings.settings_of(fleet_of.id).weekly_caps == {"lease": 100_00}
    for wrong in (SettingsDraft(category_order=("lease",)), SettingsDraft(weekly_caps={"x": 1}),
                  SettingsDraft(protected_minor=-1), SettingsDraft(excess_to="x")):  # fmt: skip
        with pytest.raises(Invalid), transaction():
            settings.change_settings(organisation_id=fleet_of.id, draft=wrong, actor=FACTORY, now=at(DAY))


def test_an_instalment_is_charged_by_hand_once(fleet_of: Organisation, lease: DriverLease) -> None:
    row, held = repairs.repair(lease), repairs.repair(lease)
    do(changing.hold_repair, held, reason="x")
    wanted = [
        f"{row.reference}-01",
        f"{row.reference}-02",
        f"{held.reference}-01",
        "RPR-1",
        f"{row.reference}-01",
    ]
    with transaction():
        said = instalments.post_chosen(
            organisation_id=fleet_of.id, references=wanted, actor=FACTORY, now=at(date(2025, 10, 6))
        )
    assert [one.reference for one in said] == wanted[:4]
    assert [one.is_posted for one in said] == [True, False, False, False]
    assert "begins on 2025-10-12" in said[1].message
    assert "on hold" in said[2].message
    with pytest.raises(Conflict, match="already"), transaction():
        instalments.post_instalment(
            organisation_id=fleet_of.id, reference=wanted[0], actor=FACTORY, now=at(date(2025, 10, 6))
        )
    with pytest.raises(NotFound), transaction():
        instalments.post_instalment(
            organisation_id=repairs.metrocab().id,
            reference=wanted[0],
            actor=FACTORY,
            now=at(date(2025, 10, 6)),
        )
    assert clean(fleet_of)
