"""The demo starts simulated payment providers, and tells them where their messages go."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.simulator.world import simulator
from webapp.config import Settings
from webapp.demo.run import _children, _free_port, _tell_simulator, reset


def _settings(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def test_it_starts_after_the_store_and_before_whoever_calls_it(settings: Settings) -> None:
    led = _settings(settings, simulator_url="http://127.0.0.1:8011")
    children = _children(led, None, 8011)
    assert children[0].name == "simulator"
    assert "--port=8011" in children[0].argv
    assert not any(child.name == "simulator" for child in _children(led, None))


def test_a_port_that_is_taken_is_passed_over(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = _free_port(_settings(settings, port=port - 10))
    assert port < found < port + 20


def test_the_address_of_messages_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    running = simulator()
    try:
        led = _settings(settings, simulator_url=running.url, port=8000)
        _tell_simulator(led, [("cashfree", "SIM_CASHFREE", "/hooks/cashfree/u1")])
        rows = running.sim.store.read("SELECT url FROM targets")
        assert [row["url"] for row in rows] == ["http://127.0.0.1:8000/hooks/cashfree/u1"]
        _tell_simulator(led, [("cashfree", "NOBODY", "/hooks/cashfree/u1")])
        assert "do not take" in capsys.readouterr().out
    finally:
        running.close()


def test_books_are_thrown_away_with_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name in ("demo-secrets.json", "simulator.sqlite", "simulator.sqlite-wal"):
        (tmp_path / name).write_text("{}")
    reset(tmp_path)
    assert not list(tmp_path.glob("simulator*"))
