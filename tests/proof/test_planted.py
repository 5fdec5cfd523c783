"""A test of the tests: with a bug put in on purpose the same trials find double payments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.proof import planted
from tests.proof.trials import Case, Figures, Stage


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["time-out", "broken", "5xx after"])
def test_a_new_id_after_a_time_out_is_noticed(
    database: Flask, ground: Any, tmp_path: Path, fault: str
) -> None:
    with planted.new_id_on_time_out():
        stage, figures = Stage(database, ground, tmp_path, Case("send", fault, "settles")), Figures()
        stage.trial(stage.count(), figures)
    assert figures.doubles == 1, figures.problems


@pytest.mark.slow
def test_a_new_id_after_a_time_out_is_noticed_in_a_batch(
    database: Flask, ground: Any, tmp_path: Path
) -> None:
    with planted.new_id_on_time_out():
        stage, figures = Stage(database, ground, tmp_path, Case("batch", "time-out", "settles")), Figures()
        stage.trial(stage.count(), figures)
    assert figures.doubles >= 1, figures.problems


@pytest.mark.slow
def test_without_the_bug_the_same_trials_find_nothing(database: Flask, ground: Any, tmp_path: Path) -> None:
    stage, figures = Stage(database, ground, tmp_path, Case("send", "time-out", "settles")), Figures()
    stage.trial(stage.count(), figures)
    assert (figures.doubles, figures.problems) == (0, [])
