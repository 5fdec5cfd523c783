"""A demo starts where it is alone: one to a folder, and on a port that is free."""

from __future__ import annotations

import socket
from importlib import import_module
from pathlib import Path

import pytest

from webapp.config import SettingsError
from webapp.demo.run import alone, run
from webapp.embedded import valkey


@pytest.fixture(autouse=True)
def _never_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def seed() -> None:
        raise AssertionError("it began to start")

    monkeypatch.setattr(import_module("webapp.demo.run"), "_seed", seed)
    monkeypatch.setenv("PAYDESK_ENV", "demo")
    monkeypatch.setenv("PAYDESK_HOME", str(tmp_path))


@pytest.mark.parametrize("anew", [False, True])
def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path, anew: bool) -> None:
    (tmp_path / "demo-secrets.json").write_text("{}")
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
        with pytest.raises(SettingsError, match=rf"port {port}\. .*PORT=\d+\."):
            run()


def test_a_folder_that_holds_no_demo_is_not_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "paydesk.sqlite").write_text("x")
    with pytest.raises(SettingsError, match="no demo"):
        run(anew=True)
    assert [path.name for path in tmp_path.iterdir()] == ["paydesk.sqlite"]


def test_a_store_that_outlived_its_demo_is_noticed(tmp_path: Path) -> None:
    store = valkey.start(tmp_path)
    try:
        with pytest.raises(SettingsError, match="is running"):
            run()
    finally:
        store.stop()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_other_version_of_the_protocol_counts_too(
    monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily
) -> None:
    addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", None)}
    host = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[family]
    if host not in addresses:
        pytest.skip(f"localhost is not {host} here")
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        with pytest.raises(SettingsError, match="Another program"):
            run()
