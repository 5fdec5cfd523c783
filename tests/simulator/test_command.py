"""`paydesk simulator`: what it prints, what it refuses; and what the setting for its address takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from webapp import config
from webapp.connections import simulated
from webapp.processes import simulator_arguments
from webapp.simulator import __main__ as command
from webapp.simulator.settings import CLIENTS, Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What servers were started with, without starting them."""
    found: list[Settings] = []

    class Server:
        def __init__(self, settings: Settings, host: str, port: int, threads: int) -> None:
            found.append(settings)

        def run(self) -> None:
            pass

    monkeypatch.setattr(command, "Server", Server)
    return found


def _run(*words: str) -> Any:
    return CliRunner().invoke(command.main, list(words))


def test_it_prints_addresses_and_keys_that_the_connections_room_knows(started: list[Settings]) -> None:
    said = json.loads(_run("--port", "8765", "--json").output)
    cashfree = {**said["credentials"]["cashfree"], **said["addresses"]["cashfree"]}
    known = simulated.cashfree("http://127.0.0.1:8765")
    assert cashfree.items() <= known.items()
    assert CLIENTS[1].secret == simulated.phonepe("http://x")["client_secret"]
    text = _run("--port", "8765").output
    assert "SIM_CASHFREE" in text
    assert "http://127.0.0.1:8765/cashfree/payout" in text


def test_its_words_become_settings(started: list[Settings], tmp_path: Path) -> None:
    file = str(tmp_path / "x.sqlite")
    result = _run("--seed", "7", "--faults", "F3,webhook", "--rate", "0.5", "--database", file)
    assert result.exit_code == 0
    assert (started[0].seed, started[0].faults, started[0].rate) == (7, ("F3", "F21"), 0.5)
    assert started[0].database == file
    _run("--fast")
    options = started[1].options
    assert (options.settle_seconds, options.others, options.sends_webhooks) == (0.0, "succeed", False)


@pytest.mark.parametrize("words", [("--faults", "F25"), ("--rate", "2"), ("--port", "0"), ("--others", "x")])
def test_wrong_words_are_refused(started: list[Settings], words: tuple[str, ...]) -> None:
    result = _run(*words)
    assert result.exit_code == 2
    assert "Error" in result.output
    assert not started


def test_the_demo_s_own_words_are_right(started: list[Settings], tmp_path: Path) -> None:
    words = simulator_arguments(8011, tmp_path / "simulator.sqlite")
    assert words[:2] == ["-m", "webapp.simulator"]
    assert _run(*words[2:]).exit_code == 0
    assert started[0].options.others == "succeed"


GOOD = {
    "SECRET_KEY": "a-long-and-varied-secret-key-0123456789",
    "PAYDESK_INDEX_KEY": "another-long-and-varied-key-0123456789",
    "PAYDESK_FIELD_KEYS": "k1:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=",
    "PAYDESK_BASE_URL": "https://pay.example.org",
}


@pytest.mark.parametrize(
    ("environment", "url", "is_good"),
    [
        ("test", "http://127.0.0.1:8010", True),
        ("test", "http://localhost:8010/", True),
        ("test", "https://sandbox.cashfree.com", False),
        ("test", "http://10.0.0.1:8010", False),
        ("test", "http://127.0.0.1:8010/cashfree", False),
        ("production", "http://127.0.0.1:8010", False),
    ],
)
def test_the_setting_takes_this_machine_only_and_never_in_production(
    monkeypatch: pytest.MonkeyPatch, environment: str, url: str, is_good: bool
) -> None:
    for field in config.Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    values = {**GOOD, "PAYDESK_ENV": environment, "PAYDESK_SIMULATOR_URL": url}
    if is_good:
        assert config.load(**values).simulator_url == url
        return
    with pytest.raises(config.SettingsError, match="PAYDESK_SIMULATOR_URL"):
        config.load(**values)
