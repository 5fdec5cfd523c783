"""Whatever happens in whatever order: one payout, one payment, and books that agree."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.life import Life, make_scene
from webapp.database import db


@pytest.mark.slow
def test_the_whole_life_of_payouts(database: Flask, ground: Any) -> None:
    make_scene()
    db.session.remove()
    kept = ground.keep()
    machine = type("Life", (Life,), {"store": ground, "scene": kept})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, derandomize=True, database=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
