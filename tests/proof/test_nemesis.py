"""A provider that does everything wrong that it can: each fault alone, and mixes by seed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.proof import nemesis
from tests.proof.trials import Figures

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
