"""Only a demo can be thrown away."""

from pathlib import Path

import pytest

from webapp.config import SettingsError
from webapp.demo.run import reset


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_a_demo_is_begun_anew_with_its_secrets_kept(tmp_path: Path) -> None:
    (tmp_path / "demo-secrets.json").write_text("{}")
    (tmp_path / "paydesk.sqlite").write_text("x")
    (tmp_path / "files").mkdir()
    reset(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "valkey") == ["demo-secrets.json"]


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "paydesk.sqlite").write_text("x")
    with pytest.raises(SettingsError, match="no demo"):
        reset(tmp_path)
    assert (tmp_path / "paydesk.sqlite").exists()


def test_a_server_database_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/x")
    (tmp_path / "demo-secrets.json").write_text("{}")
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        reset(tmp_path)
