"""A repair from open to its end: what the table allows, and what becomes of its plan."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests import factories
from tests.factories import repairs
from tests.factories.people import FACTORY, actor_of
from tests.factories.repairs import DAY, at, sunday
from tests.programs.repairs.common import do, plan
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Forbidden, IllegalTransition, Invalid, StaleVersion
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import changing, drafting, queries
from webapp.programs.repairs.models import DriverLease, Repair
from webapp.programs.repairs.states import TRANSITIONS, RepairAction, RepairState

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
    [("keep", 200_00, 0, 300_50), ("reverse", 0, 50_00, 450_50), ("write_off", 0, 0, 450_50)],
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
    assert row.outstanding_minor == owed
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
