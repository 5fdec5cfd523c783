"""A provider that does everything wrong that it can: each fault alone, and mixes by seed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.proof import door, nemesis
from tests.proof.figures import Figures
from webapp.simulator.faults import WEBHOOK_WAYS

pytestmark = pytest.mark.slow


def test_each_fault_alone_pays_nobody_twice(database: Flask, ground: Any) -> None:
    figures = Figures()
    with nemesis.simulator() as running:
        for fault in nemesis.ALL:
            figures.add(nemesis.trial(ground, running, (fault,), seed=7, rate=0.7, payouts=2))
    assert figures.problems == []
    assert set(figures.faults) == set(nemesis.ALL)


@pytest.mark.parametrize("seed", [11, 12])
def test_a_mix_of_faults_pays_nobody_twice(database: Flask, ground: Any, seed: int) -> None:
    with nemesis.simulator() as running:
        figures = nemesis.trial(ground, running, nemesis.ALL, seed=seed, rate=0.5, payouts=6)
    assert figures.problems == []


def test_messages_that_go_wrong_in_every_way(database: Flask, ground: Any) -> None:
    """A forged one and one of an old signature are refused, a repeated one is stored once, lost ones are not missed."""
    said: dict[str, set[tuple[str, str]]] = {}
    with nemesis.simulator() as running:
        for how in WEBHOOK_WAYS:
            figures = nemesis.trial(ground, running, ("F3",), seed=5, rate=0.3, payouts=2, how=how)
            assert figures.problems == []
            said[how] = {(row["variant"], row["answer"]) for row in door.messages(running.sim)}
    assert said == {
        "duplicate": {("", "HTTP 200")}, "reordered": {("", "HTTP 200")}, "lost": set(),
        "forged": {("", "HTTP 200"), ("forged", "HTTP 401")}, "old": {("old", "HTTP 401")},
    }  # fmt: skip
