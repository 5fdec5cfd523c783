"""A repair from draft to its end: what the table allows, what is refused, what becomes of its plan."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories import repairs
from tests.factories.people import FACTORY, actor_of
from tests.factories.repairs import DAY, at, sunday
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Forbidden, IllegalTransition, Invalid, NotFound, StaleVersion
from webapp.ledger import check
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import changing, drafting, fleet, instalments, queries, settings
from webapp.programs.repairs.drafts import SettingsDraft
from webapp.programs.repairs.models import DriverLease, Repair
from webapp.programs.repairs.rules import Band, Matrix
from webapp.programs.repairs.states import TRANSITIONS, RepairAction, RepairState


@pytest.fixture
def fleet_of(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(fleet_of: Organisation) -> Payee:
    """A driver."""
    return repairs.driver(fleet_of, name="Ann Lee")


@pytest.fixture
def lease(ann: Payee) -> DriverLease:
    """Her lease."""
    return repairs.lease(ann)


def clean(organisation: Organisation) -> bool:
    """Whether the ledger's check finds nothing."""
    report = check.run(organisation.id)
    assert report.findings == []
    return report.is_clean


def plan(repair: Repair) -> list[tuple[int, date, int, int, str]]:
    """Number, week, amount, balance after and state of each instalment."""
    db.session.refresh(repair)
    return [
        (each.number, each.week_start, each.amount_minor, each.balance_after_minor, each.state)
        for each in repair.instalments
    ]


def do(function: Any, repair: Repair, day: date = DAY, **values: Any) -> Any:
    """Call a service for a repair, in a transaction."""
    with transaction():
        return function(
            organisation_id=repair.organisation_id,
            reference=repair.reference,
            **{"actor": FACTORY, "now": at(day), **values},
        )


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


def test_a_lease_may_not_take_repairs(fleet_of: Organisation) -> None:
    kept = repairs.lease(repairs.driver(fleet_of), takes_repairs=False)
    with pytest.raises(Invalid, match="not charged to the driver"):
        repairs.draft(kept)
    with transaction():
        why = drafting.may_be_charged(
            organisation_id=fleet_of.id, lease_id=kept.id, vehicle_id=kept.vehicle.id, invoice_date=DAY
        )
    assert "not charged" in why


CALLS: dict[RepairAction, Any] = {
    RepairAction.CONFIRM: lambda row: do(drafting.confirm_repair, row),
    RepairAction.HOLD: lambda row: do(changing.hold_repair, row, reason="x"),
    RepairAction.RELEASE: lambda row: do(changing.release_repair, row),
    RepairAction.CANCEL: lambda row: do(changing.cancel_repair, row, reason="x"),
    RepairAction.SETTLE: lambda row: do(
        changing.settle_repair, row, amount_minor=500_50, method="cash", received_on=DAY
    ),
}


def in_state(lease: DriverLease, state: RepairState) -> Repair:
    """A repair that came into a state."""
    row = repairs.draft(lease)
    steps = {
        RepairState.DRAFT: [],
        RepairState.OPEN: [RepairAction.CONFIRM],
        RepairState.HOLD: [RepairAction.CONFIRM, RepairAction.HOLD],
        RepairState.CLOSED: [RepairAction.CONFIRM, RepairAction.SETTLE],
        RepairState.CANCELLED: [RepairAction.CANCEL],
    }
    for step in steps[state]:
        CALLS[step](row)
    db.session.refresh(row)
    assert row.state == state
    return row


@pytest.mark.parametrize("action", list(CALLS))
@pytest.mark.parametrize("state", list(RepairState))
def test_only_what_the_table_says_is_possible(
    lease: DriverLease, state: RepairState, action: RepairAction
) -> None:
    row = in_state(lease, state)
    if (state, action) in TRANSITIONS:
        CALLS[action](row)
        return
    with pytest.raises(IllegalTransition, match=row.reference):
        CALLS[action](row)
    db.session.refresh(row)
    assert row.state == state


def test_a_page_that_is_old_changes_nothing(lease: DriverLease) -> None:
    row = repairs.draft(lease)
    with pytest.raises(StaleVersion):
        do(drafting.confirm_repair, row, expected_version=7)
    with pytest.raises(Invalid, match="reason"):
        do(changing.hold_repair, repairs.repair(lease), reason=" ")


def test_a_hold_moves_what_was_missed_to_the_end(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.repair(lease)
    repairs.run(fleet_of, sunday(0))
    do(changing.hold_repair, row, sunday(0), reason="The invoice is disputed.")
    for n in (1, 2):
        assert repairs.run(fleet_of, sunday(n)).posted == 0
    do(changing.release_repair, row, date(2025, 10, 22))
    assert [part[1] for part in plan(row)] == [sunday(0), sunday(3), sunday(4)]
    assert [repairs.run(fleet_of, sunday(n)).posted for n in (3, 4, 5)] == [1, 1, 0]
    assert clean(fleet_of)


def test_a_hold_within_a_week_moves_nothing(lease: DriverLease) -> None:
    row = repairs.repair(lease)
    do(changing.hold_repair, row, reason="x")
    do(changing.release_repair, row, date(2025, 10, 3))
    assert [part[1] for part in plan(row)] == [sunday(0), sunday(1), sunday(2)]


def test_an_instalment_is_moved_to_the_end(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.repair(lease)
    with transaction():
        new = changing.skip_instalment(
            organisation_id=fleet_of.id,
            reference=f"{row.reference}-02",
            reason="Ill",
            actor=FACTORY,
            now=at(DAY),
        )
    assert new.reference == f"{row.reference}-04"
    assert plan(row) == [
        (1, sunday(0), 200_00, 300_50, "scheduled"),
        (2, sunday(1), 200_00, 100_50, "skipped"),
        (3, sunday(2), 100_50, 200_00, "scheduled"),
        (4, sunday(3), 200_00, 0, "scheduled"),
    ]
    assert [repairs.run(fleet_of, sunday(n)).posted for n in range(5)] == [1, 0, 1, 1, 0]
    with pytest.raises(Conflict, match="already"), transaction():
        changing.skip_instalment(
            organisation_id=fleet_of.id,
            reference=f"{row.reference}-01",
            reason="Ill",
            actor=FACTORY,
            now=at(DAY),
        )
    assert clean(fleet_of)


def test_early_settlement_charges_and_pays_the_rest(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.repair(lease)
    repairs.run(fleet_of, sunday(0))
    with pytest.raises(Invalid, match=r"500\.50"):
        do(changing.settle_repair, row, sunday(0), amount_minor=300_50, method="cash", received_on=sunday(0))
    do(changing.settle_repair, row, sunday(0), amount_minor=500_50, method="card", received_on=sunday(0))
    assert [(part[0], part[2], part[4]) for part in plan(row)] == [
        (1, 200_00, "paid"), (2, 200_00, "cancelled"), (3, 100_50, "cancelled"), (4, 300_50, "paid"),
    ]  # fmt: skip
    assert (row.state, row.paid_minor, row.outstanding_minor) == ("closed", 500_50, 0)
    assert clean(fleet_of)


@pytest.mark.parametrize(
    ("posted", "owed", "kept", "credited"),
    [("keep", 200_00, 0, 0), ("reverse", 0, 50_00, 150_00), ("write_off", 0, 0, 150_00)],
)
def test_cancelling_a_repair_that_was_charged(
    fleet_of: Organisation, ann: Payee, lease: DriverLease, posted: str, owed: int, kept: int, credited: int
) -> None:
    row = repairs.repair(lease)
    repairs.run(fleet_of, sunday(0))
    charge = queries.open_charges(fleet_of.id, ann.id)[0]
    paid = 50_00 if posted != "keep" else 0
    if paid:
        repairs.pay(ann, paid, sunday(0), [(charge.id, paid)])
    do(changing.cancel_repair, row, sunday(0), reason="Wrong car.", posted=posted)
    assert [part[4] for part in plan(row)][1:] == ["cancelled", "cancelled"]
    assert (row.state, row.credited_minor, row.paid_minor) == ("cancelled", credited, paid)
    balance = queries.balance_of(fleet_of.id, ann, "USD")
    assert (balance.owed.amount, balance.kept.amount) == (owed, kept)
    assert repairs.run(fleet_of, sunday(1)).posted == 0
    assert clean(fleet_of)


def test_another_plan_needs_a_second_person(fleet_of: Organisation, lease: DriverLease) -> None:
    row = repairs.repair(lease)
    repairs.run(fleet_of, sunday(0))
    one, two = (actor_of(factories.user(organisation=fleet_of, role="admin")) for _ in range(2))
    with pytest.raises(Forbidden):
        do(changing.propose_replan, row, weekly_minor=50_00, reason="x")
    asked = do(changing.propose_replan, row, weekly_minor=75_00, reason="Works less.", actor=one)
    with pytest.raises(Conflict, match="waits for a decision"):
        do(changing.propose_replan, row, weekly_minor=50_00, reason="x", actor=two)

    def decide(actor: Any, is_accepted: bool = True) -> Any:
        with transaction():
            return changing.decide_replan(
                organisation_id=fleet_of.id, replan_id=asked.id, is_accepted=is_accepted, actor=actor,
                now=at(sunday(0)),
            )  # fmt: skip

    with pytest.raises(Forbidden, match="another person"):
        decide(one)
    decide(two)
    assert [(p[1], p[2], p[3]) for p in plan(row) if p[4] == "scheduled"] == [
        (sunday(1), 75_00, 225_50), (sunday(2), 75_00, 150_50), (sunday(3), 75_00, 75_50),
        (sunday(4), 75_00, 50), (sunday(5), 50, 0),
    ]  # fmt: skip
    with pytest.raises(Conflict, match="already"):
        decide(two)
    again = do(changing.propose_replan, row, weekly_minor=50_00, reason="x", actor=two)
    with transaction():
        refused = changing.decide_replan(
            organisation_id=fleet_of.id, replan_id=again.id, is_accepted=False, actor=one, now=at(sunday(0))
        )
    assert refused.state == "refused"
    assert row.weekly_minor == 75_00


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


def test_vehicles_and_drivers_have_one_lease_at_a_time(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    ben = repairs.driver(fleet_of)
    with pytest.raises(Conflict, match=lease.reference):
        repairs.lease(ann)
    with pytest.raises(Conflict, match=lease.reference):
        repairs.lease(ben, vehicle_id=lease.vehicle.id)
    shared = repairs.vehicle(fleet_of).id
    repairs.lease(ben, vehicle_id=shared, shift="day")
    assert repairs.lease(repairs.driver(fleet_of), vehicle_id=shared, shift="night").id
    with pytest.raises(Conflict):
        repairs.lease(repairs.driver(fleet_of), vehicle_id=shared, shift="day")


def test_the_debt_stays_when_the_vehicle_changes(
    fleet_of: Organisation, ann: Payee, lease: DriverLease
) -> None:
    row = repairs.repair(lease)
    other = repairs.vehicle(fleet_of)
    with transaction():
        fleet.swap_vehicle(
            organisation_id=fleet_of.id, lease_id=lease.id, vehicle_id=other.id, from_on=date(2025, 10, 3),
            actor=FACTORY, now=at(DAY),
        )  # fmt: skip
    assert repairs.run(fleet_of, sunday(0)).posted == 1
    assert queries.open_charges(fleet_of.id, ann.id)[0].amount_minor == 200_00
    with pytest.raises(Invalid, match="was not on this lease"):
        repairs.draft(lease, vehicle_id=row.vehicle_id, invoice_date=date(2025, 10, 3))
    assert repairs.draft(lease, invoice_date=date(2025, 10, 3)).vehicle_id == other.id


def test_settings_are_checked(fleet_of: Organisation) -> None:
    repairs.set_up(fleet_of, protected_minor=50_00, weekly_caps={"lease": 100_00})
    assert settings.settings_of(fleet_of.id).weekly_caps == {"lease": 100_00}
    for wrong in (SettingsDraft(category_order=("lease",)), SettingsDraft(weekly_caps={"x": 1}),
                  SettingsDraft(protected_minor=-1), SettingsDraft(excess_to="x")):  # fmt: skip
        with pytest.raises(Invalid), transaction():
            settings.change_settings(organisation_id=fleet_of.id, draft=wrong, actor=FACTORY, now=at(DAY))
