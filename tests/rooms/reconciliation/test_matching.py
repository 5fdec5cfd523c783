"""Lines find their other half: by references first, one for one; what does not is a finding."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask

from tests.rooms.reconciliation.world import DAY, Entry, World, camt, world
from webapp.providers.ports import Outcome


@pytest.fixture
def place(database: Flask) -> World:
    """An organisation."""
    return world()


def test_a_debit_is_matched_by_our_id_in_the_end_to_end_reference(place: World) -> None:
    transfer = place.paid(12_345)
    place.compare(camt([Entry(-12_345, "B1", end_to_end=transfer.transfer_id)]))
    (match,) = place.matches()
    assert (match.transfer_id, match.how, match.direction) == (transfer.id, "transfer_id", "out")
    assert match.entry_id is not None
    assert place.findings() == []


def test_a_debit_is_matched_by_our_id_that_a_narrative_broke_in_two(place: World) -> None:
    transfer = place.paid(500)
    broken = f"{transfer.transfer_id[:11]} {transfer.transfer_id[11:]}"
    place.compare(camt([Entry(-500, text=f"OUTWARD {broken} FEE NIL")]))
    assert [m.transfer_id for m in place.matches()] == [transfer.id]


def test_a_debit_is_matched_by_utr_and_by_the_payout_s_reference(place: World) -> None:
    by_utr, by_payout = place.paid(700, utr="HDFCN26112000017"), place.paid(900)
    reference = place.payout(by_payout).reference
    place.compare(
        camt([Entry(-700, text="NEFT HDFCN26112000017 OUT"), Entry(-900, text=f"Payment {reference}")])
    )
    assert {(m.transfer_id, m.how) for m in place.matches()} == {(by_utr.id, "utr"), (by_payout.id, "payout")}
    assert place.findings() == []


def test_the_same_amount_without_a_reference_is_only_suggested(place: World) -> None:
    transfer = place.paid(4_321)
    place.compare(camt([Entry(-4_321, text="transfer")]))
    assert place.matches() == []
    theirs = place.findings("theirs_only")[0]
    ours = place.findings("ours_only")[0]
    assert theirs.suggested_entry_id == ours.entry_id
    assert ours.transfer_id == transfer.id


def test_two_of_the_same_amount_are_not_suggested(place: World) -> None:
    place.paid(4_321), place.paid(4_321)
    place.compare(camt([Entry(-4_321, text="transfer")]))
    assert [f.suggested_entry_id for f in place.findings("theirs_only")] == [None]


def test_another_amount_under_our_id_is_a_finding_with_both_amounts(place: World) -> None:
    transfer = place.paid(10_000)
    place.compare(camt([Entry(-10_050, end_to_end=transfer.transfer_id)]))
    (finding,) = place.findings("amount_differs")
    assert (finding.ours_minor, finding.theirs_minor) == (-10_000, -10_050)


def test_a_fee_that_names_the_transfer_is_not_taken_for_it(place: World) -> None:
    transfer = place.paid(10_000)
    place.compare(
        camt([Entry(-590, text=f"FEE {transfer.transfer_id}"), Entry(-10_000, text=transfer.transfer_id)])
    )
    assert [(m.transfer_id, m.theirs_minor) for m in place.matches()] == [(transfer.id, -10_000)]
    assert [f.theirs_minor for f in place.findings("theirs_only")] == [-590]


def test_a_debit_of_a_transfer_that_we_call_failed_is_a_state_that_differs(place: World) -> None:
    transfer = place.answer(place.sent(800), Outcome.FAILED, code="X")
    place.compare(camt([Entry(-800, end_to_end=transfer.transfer_id)]))
    (finding,) = place.findings("state_differs")
    assert (finding.transfer_id, finding.ours_words, finding.theirs_words) == (
        transfer.id,
        "failed",
        "debited",
    )


def test_a_transfer_under_way_agrees_as_soon_as_it_has_succeeded(place: World) -> None:
    transfer = place.sent(800)
    place.compare(camt([Entry(-800, end_to_end=transfer.transfer_id)]))
    assert [f.kind for f in place.findings()] == ["state_differs"]
    place.answer(transfer, Outcome.SUCCEEDED)
    place.compare(camt([], opening=-800, number="2"))
    assert place.findings() == []
    assert place.tie().difference == 0


def test_money_that_came_back_is_the_other_direction_of_the_same_transfer(place: World) -> None:
    transfer = place.paid(2_000)
    place.answer(transfer, Outcome.REVERSED, code="RETURNED")
    place.compare(
        camt(
            [
                Entry(-2_000, end_to_end=transfer.transfer_id),
                Entry(2_000, text=f"RETURN {transfer.transfer_id}"),
            ]
        )
    )
    assert {(m.transfer_id, m.direction, m.entry_id is not None) for m in place.matches()} == {
        (transfer.id, "out", True),
        (transfer.id, "in", True),
    }
    assert place.findings() == []
    assert place.tie().difference == 0


def test_an_overlapping_file_repeats_nothing(place: World) -> None:
    entries = [Entry(-100, "A1"), Entry(-100, text="same"), Entry(-100, text="same"), Entry(-200, "A2")]
    place.compare(camt(entries[:3]))
    assert len(place.lines()) == 3
    place.compare(camt(entries, number="2"))
    assert len(place.lines()) == 4
    assert len(place.findings("theirs_only")) == 4


def test_one_booking_with_its_parts_is_split_into_them(place: World) -> None:
    first, second = place.paid(300), place.paid(450)
    parts = [(300, first.transfer_id), (450, second.transfer_id)]
    place.compare(camt([Entry(-750, "BATCH", parts=parts)]))
    assert {m.transfer_id for m in place.matches()} == {first.id, second.id}
    assert place.findings() == []


@pytest.mark.parametrize("since", [DAY, DAY - timedelta(days=3)])
def test_a_statement_without_any_line_names_what_is_missing_on_its_days(place: World, since: date) -> None:
    transfer = place.paid(7_700)
    place.compare(camt([], since=since, on=DAY + timedelta(days=2)))
    assert [f.transfer_id for f in place.findings("ours_only")] == [transfer.id]


def test_what_was_paid_before_the_first_line_and_after_the_opening_balance_is_missing(place: World) -> None:
    missing, shown = place.paid(7_700), place.paid(8_800)
    later = DAY + timedelta(days=2)
    place.compare(camt([Entry(-8_800, end_to_end=shown.transfer_id, on=later)], since=DAY, on=later))
    assert [f.transfer_id for f in place.findings("ours_only")] == [missing.id]


def test_what_was_paid_before_a_statement_begins_is_not_missing_on_it(place: World) -> None:
    place.paid(7_700)
    place.compare(camt([], since=DAY + timedelta(days=1), on=DAY + timedelta(days=2)))
    assert place.findings("ours_only") == []
