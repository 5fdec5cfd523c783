"""The table of test accounts, through our own rail: what is sent, and what we read of it as time passes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.simulator.world import World
from webapp.providers.ports import CREDITED, Outcome
from webapp.simulator.cashfree import outcomes

HOUR, DAY = timedelta(hours=1).total_seconds(), timedelta(days=1).total_seconds()
A, F, R, S = Outcome.ACCEPTED, Outcome.FAILED, Outcome.REVERSED, Outcome.SUCCEEDED
# behaviour → what we read after 6 s, an hour, two days, and the code at the end
COURSE = {
    "success": (S, S, S, CREDITED),
    "fail:INVALID_IFSC_FAIL": (F, F, F, "INVALID_IFSC_FAIL"),
    "fail:INVALID_ACCOUNT_FAIL": (F, F, F, "INVALID_ACCOUNT_FAIL"),
    "pending": (A, A, A, ""),
    "pending_success": (A, S, S, CREDITED),
    "pending_fail:BENE_BANK_DECLINED": (A, F, F, "BENE_BANK_DECLINED"),
    "reverse:RETURNED_FROM_BENEFICIARY": (S, S, R, "RETURNED_FROM_BENEFICIARY"),
    "slow_success": (S, S, S, CREDITED),
}


@pytest.mark.parametrize(
    ("account", "ifsc", "behaviour"), [(*place, how) for place, how in outcomes.ACCOUNTS.items()]
)
def test_a_test_account_behaves_as_the_table_says(
    world: World, account: str, ifsc: str, behaviour: str
) -> None:
    sent = world.send(details={"account_number": account, "ifsc": ifsc})
    assert sent.outcome is A
    assert sent.amount_minor == 9_056_00
    seen = []
    for seconds in (6, HOUR, 2 * DAY):
        world.later(seconds)
        seen.append(world.status())
    *course, code = COURSE[behaviour]
    assert [answer.outcome for answer in seen] == course
    assert seen[-1].code == code
    assert bool(seen[-1].utr) is (course[-1] in (S, R))
    assert all(answer.amount_minor == 9_056_00 and answer.provider_reference for answer in seen)


@pytest.mark.parametrize(("vpa", "outcome"), [("success@upi", S), ("failure@upi", F)])
def test_upi(world: World, vpa: str, outcome: Outcome) -> None:
    assert world.send(details={"vpa": vpa}).outcome is A
    world.later(6)
    assert world.status().outcome is outcome


def test_an_account_outside_the_table_fails_unless_others_succeed(world: World) -> None:
    other = {"account_number": "998877665544", "ifsc": "HDFC0000123"}
    world.send("PD1", details=other)
    world.sim.options.others = "succeed"
    world.send("PD2", details=other)
    world.later(6)
    assert (world.status("PD1").outcome, world.status("PD1").code) == (F, "INVALID_ACCOUNT_FAIL")
    assert world.status("PD2").outcome is S


def test_the_money_leaves_once_and_what_can_be_spent_falls_at_once(world: World) -> None:
    before = world.rail.balance(world.organisation_id, "INR")
    assert before is not None
    world.send()
    assert world.totals()["left_minor"] == 0
    assert world.rail.balance(world.organisation_id, "INR") == before - 9_056_00
    world.later(6)
    assert world.totals() == {
        "posts": 1, "done": 1, "left_minor": 9_056_00, "returned_minor": 0, "times_left": 1,
    }  # fmt: skip
    assert world.rail.balance(world.organisation_id, "INR") == before - 9_056_00


def test_money_of_a_failure_and_of_a_return_can_be_spent_again(world: World) -> None:
    before = world.rail.balance(world.organisation_id, "INR")
    world.send("PD1", details={"vpa": "failure@upi"})
    world.send(
        "PD2", details={"account_number": "7766671735000", "ifsc": "SBIN0000004"}, beneficiary_key="k2"
    )
    world.later(3 * DAY)
    assert world.status("PD2").outcome is R
    assert world.rail.balance(world.organisation_id, "INR") == before
    assert world.totals("PD1")["left_minor"] == 0
    assert (world.totals("PD2")["left_minor"], world.totals("PD2")["returned_minor"]) == (9_056_00, 9_056_00)


def test_more_than_there_is_is_rejected(world: World) -> None:
    world.sim.store.write("UPDATE clients SET balance_minor = 100000")
    answer = world.send()
    assert (answer.outcome, answer.code) == (F, "INSUFFICIENT_BALANCE")
    assert world.totals()["left_minor"] == 0


def test_an_amount_above_a_crore_arrives_to_the_paisa(world: World) -> None:
    answer = world.send(amount_minor=1_23_45_678_91)
    assert answer.amount_minor == 1_23_45_678_91
    assert '"transfer_amount": 12345678.91' in world.calls(endpoint="transfers.create")[0]["request"]
    world.later(6)
    assert world.status().amount_minor == 1_23_45_678_91


@pytest.mark.parametrize("action", ["settle", "fail", "reject", "reverse"])
def test_a_person_decides(world: World, action: str) -> None:
    pending = {"account_number": "007711000031", "ifsc": "HDFC0000077"}
    world.send(details=pending)
    world.later(DAY)
    if action == "reverse":
        world.http.post("/control/act", json={"provider": "cashfree", "subject": "PD1", "action": "settle"})
    said = world.http.post("/control/act", json={"provider": "cashfree", "subject": "PD1", "action": action})
    assert said.status_code == 200
    assert world.status().outcome is {"settle": S, "fail": F, "reject": F, "reverse": R}[action]


def test_the_same_id_again_is_refused_and_nothing_leaves_twice(world: World) -> None:
    world.send()
    again = world.send()
    assert (again.outcome, again.code) == (Outcome.UNKNOWN, "DUPLICATE")
    world.later(6)
    assert world.totals()["times_left"] == 1


def test_a_provider_that_does_not_look_at_ids_pays_twice(world: World) -> None:
    world.sim.options.deduplicates = False
    world.send()
    world.send()
    world.later(6)
    assert world.totals()["times_left"] == 2
