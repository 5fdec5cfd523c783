"""Whatever event the process dies at, the payout is paid once. All events and pairs: `./paydesk prove`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.proof.bank import FAULTS
from tests.proof.ground import Ground
from tests.proof.trials import STAGES, Case, Figures, Stage
from webapp.database import db
from webapp.ledger.models import Posting
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout, Transfer

pytestmark = pytest.mark.slow
# How many events of each case a process exits at here, spread over all of them.
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


@pytest.mark.parametrize("case", _cases(), ids=str)
def test_a_payout_is_paid_once_wherever_the_process_dies(
    database: Flask, ground: Ground, tmp_path: Path, case: Case
) -> None:
    """Processes exit at some events; where the database is a file, what a death at every event leaves is tried."""
    stage, figures = Stage(database, ground, tmp_path, case), Figures()
    if ground.has_files and case.stage != "batch":
        events, states = stage.left_behind()
        for state in states:
            stage.carry_on_from(state, figures)
        assert figures.deaths == events
    else:
        events = stage.count()
        first = sum(map(ord, str(case))) % (events // SAMPLE) + 1
        for k in range(first, events + 1, events // SAMPLE):
            stage.trial(k, figures)
        assert figures.deaths == figures.runs >= SAMPLE
    assert events > 40
    assert figures.problems == []


@pytest.mark.parametrize("stage_name", ["send", "message"])
def test_what_is_copied_is_what_a_process_that_exits_leaves(
    database: Flask, ground: Ground, tmp_path: Path, stage_name: str
) -> None:
    """A test of the test: the copies stand for real deaths."""
    if not ground.has_files:
        pytest.skip("only files can be copied")
    stage = Stage(database, ground, tmp_path, Case(stage_name, "time-out", "settles"))
    events, states = stage.left_behind()
    assert len(states) > 4
    assert sum(state.deaths for state in states) == events
    for state in states:
        ground.take_over(state.folder)
        copied = _summary()
        stage.put_back()
        stage.die_at(state.event)
        assert _summary() == copied
    # Just before each of them the process would have left what the one before left.
    for state, following in pairwise(states):
        ground.take_over(state.folder)
        copied = _summary()
        stage.put_back()
        stage.die_at(following.event - 1)
        assert _summary() == copied


def _summary() -> object:
    found = [
        db.session.execute(select(Payout.state, Payout.version)).all(),
        db.session.execute(select(Transfer.n, Transfer.state, Transfer.sends, Transfer.checks)).all(),
        db.session.execute(
            select(
                OutboxMessage.kind,
                OutboxMessage.attempts,
                OutboxMessage.leased_by != "",
                OutboxMessage.done_at,
            )
        ).all(),
        db.session.scalar(select(func.count()).select_from(Posting)),
    ]
    db.session.remove()
    return found
