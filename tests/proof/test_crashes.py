"""Whatever event the process dies at, the payout is paid once. All events and pairs: `./paydesk prove`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.proof.bank import FAULTS
from tests.proof.trials import STAGES, Case, Figures, Stage

# How many events of each case are tried here, spread over all of them.
SAMPLE = 4


def _cases() -> list[Case]:
    """Every stage with every fault that it can meet; each pair with one outcome, so that all take their turn."""
    cases = []
    outcomes = ("settles", "fails", "returns", "pending", "bank away")
    for n, stage in enumerate(STAGES):
        faults = {"approve": ("",), "submit": ("", "time-out"), "retry": ("", "time-out", "lost")}.get(
            stage, FAULTS
        )
        for m, fault in enumerate(faults):
            outcome = "bank away" if stage == "retry" else outcomes[(n + m) % len(outcomes)]
            cases.append(Case(stage, fault, outcome))
    return cases


@pytest.mark.slow
@pytest.mark.parametrize("case", _cases(), ids=str)
def test_a_payout_is_paid_once_wherever_the_process_dies(
    database: Flask, ground: Any, tmp_path: Path, case: Case
) -> None:
    stage, figures = Stage(database, ground, tmp_path, case), Figures()
    events = stage.count()
    assert events > 40
    first = sum(map(ord, str(case))) % (events // SAMPLE) + 1
    for k in range(first, events + 1, events // SAMPLE):
        stage.trial(k, figures)
    assert figures.problems == []
    assert figures.deaths == figures.runs >= SAMPLE
