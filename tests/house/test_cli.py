"""The command: every part explains itself without any setting, and refuses in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from webapp import config
from webapp.cli import main


def _paths(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _paths(command, (*before, name))
        else:
            yield (*before, name)


PATHS = list(_paths(main))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in config.Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_has_help(monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]) -> None:
    monkeypatch.setattr(sys, "argv", ["paydesk", *path, "--help"])
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_promised_commands_are_there() -> None:
    promised = {
        "demo", "seed", "serve", "worker", "scheduler", "db upgrade", "user create", "ledger check",
        "ledger export", "import", "quote installation", "settings", "keys status", "keys rotate", "backup", "restore",
        "storage check", "bench", "prove", "simulator",
    }  # fmt: skip
    assert promised <= {" ".join(path) for path in PATHS}


def test_a_missing_secret_stops_the_start_with_a_sentence() -> None:
    result = CliRunner().invoke(main, ["seed"])
    assert result.exit_code == 1
    assert "SECRET_KEY is missing or weak" in result.output


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["pay-everybody"]).exit_code == 2


def test_demo_refuses_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYDESK_ENV", "production")
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "demo data does not belong there" in result.output
