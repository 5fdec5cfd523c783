"""Sent together, transfers stop at the same one as if they were sent one after the other."""

from __future__ import annotations

from itertools import product

import pytest

from webapp.payouts.sending.gate import Gate, Mark, Unlimited

T, R, S, A, P = Mark.TAKEN, Mark.REFUSED, Mark.SILENT, Mark.AWAY, Mark.PUT_OFF


def _in_turn(answers: list[Mark], gate: Gate) -> int:
    """How many leave when each waits for the answer to the one before."""
    for n, answer in enumerate(answers):
        if not gate.is_open():
            return n
        gate.end(gate.begin(), answer)
    return len(answers)


def _together(answers: list[Mark], gate: Gate, *, newest_first: bool) -> int:
    """How many leave when as many as possible are on their way at once, and answers come in another order."""
    flying: list[int] = []
    while True:
        while len(gate.marks) < len(answers) and gate.is_open():
            flying.append(gate.begin())
        if not flying:
            return len(gate.marks)
        number = flying.pop(-1 if newest_first else 0)
        gate.end(number, answers[number])


@pytest.mark.parametrize(
    ("gate", "answers", "leave"),
    [
        (Gate(), [R] * 9, 4),
        (Gate(), [S] * 9, 4),
        (Gate(), [R, R, R, T] * 3, 12),
        (Gate(), [A] * 9, 5),
        (Gate(), [A, A, A, A, R] * 2, 10),
        (Gate(), [P] * 9, 9),
        (Gate(row=3), [R] * 3, 1),
        (Gate(row=3), [T, R, R, R, R, R], 5),
        (Gate(silence=4), [A] * 3, 1),
        (Gate(settled=[False] * 40), [R, T, T, R, T, T, R, T, T], 7),
        (Gate(settled=[True] * 2 + [False] * 38), [R, T, R, T, R, T], 5),
        (Gate(settled=[False] * 38 + [True] * 2), [T, R, T], 2),
    ],
)
def test_where_a_row_of_transfers_stops(gate: Gate, answers: list[Mark], leave: int) -> None:
    assert _in_turn(answers, gate) == leave


@pytest.mark.parametrize("before", [{}, {"row": 2}, {"settled": [False] * 40}, {"silence": 3}])
@pytest.mark.parametrize("newest_first", [True, False])
def test_no_more_leave_together_than_one_by_one(before: dict[str, object], newest_first: bool) -> None:
    for answers in product((T, R, S, A), repeat=6):
        alone = _in_turn(list(answers), Gate(**before))  # type: ignore[arg-type]
        together = _together(list(answers), Gate(most=4, **before), newest_first=newest_first)  # type: ignore[arg-type]
        # Fewer, where an answer was slow; those go back and leave with the next batch.
        assert 1 <= together <= alone, (before, answers)


def test_as_many_are_on_their_way_as_a_stop_would_allow() -> None:
    for before, most in (({}, 4), ({"settled": [False] * 40}, 3), ({"row": 2}, 2), ({"row": 3}, 1)):
        gate = Gate(most=9, **before)  # type: ignore[arg-type]
        while gate.is_open():
            gate.begin()
        assert gate.on_their_way == most


def test_a_stop_from_outside_is_final() -> None:
    gate = Gate()
    gate.stop("Halted.")
    gate.stop("Later.")
    assert (gate.is_open(), gate.stopped) == (False, "Halted.")
    questions = Unlimited(4)
    assert questions.is_open()
    questions.stop("Enough.")
    assert not questions.is_open()
