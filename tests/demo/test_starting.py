"""A demo starts where it is alone: one to a folder, and on a port that is free."""

from __future__ import annotations

import socket
from importlib import import_module
from pathlib import Path

import pytest

from webapp.config import SettingsError
from webapp.demo.run import alone, run


@pytest.fixture(autouse=True)
def _never_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def seed() -> None:
        raise AssertionError("it began to start")

    monkeypatch.setattr(import_module("webapp.demo.run"), "_seed", seed)
    monkeypatch.setenv("PAYDESK_ENV", "demo")
    monkeypatch.setenv("PAYDESK_HOME", str(tmp_path))


@pytest.mark.parametrize("anew", [False, True])
def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path, anew: bool) -> None:
    (tmp_path / "paydesk.sqlite").write_text("x")
    with alone(tmp_path), pytest.raises(SettingsError, match=r"is running\. Stop it first"):
        run(anew=anew)
    assert (tmp_path / "paydesk.sqlite").exists()


def test_a_folder_is_free_again_after_a_start_that_failed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), alone(tmp_path):
        raise AssertionError
    with alone(tmp_path):
        assert (tmp_path / "demo.lock").exists()


def test_a_port_of_another_program_is_named_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(SettingsError, match=rf"port {port}\. .*PORT={port + 1} \./paydesk demo"):
            run()
