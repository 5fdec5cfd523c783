"""A start with missing or weak secrets is refused with a sentence that says what to do."""

from pathlib import Path

import pytest

from webapp import config

GOOD = {
    "PAYDESK_ENV": "production",
    "SECRET_KEY": "a-long-and-varied-secret-key-0123456789",
    "PAYDESK_INDEX_KEY": "another-long-and-varied-key-0123456789",
    "PAYDESK_FIELD_KEYS": "k1:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=",
    "PAYDESK_BASE_URL": "https://pay.example.org",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in config.Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


def test_good_settings_are_accepted() -> None:
    assert config.load(**GOOD).environment == "production"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 64),
        ("PAYDESK_INDEX_KEY", ""),
        ("PAYDESK_INDEX_KEY", GOOD["SECRET_KEY"]),
        ("PAYDESK_FIELD_KEYS", ""),
        ("PAYDESK_FIELD_KEYS", "k1:tooshort"),
        ("PAYDESK_BASE_URL", "http://pay.example.org"),
        ("PORT", "99999"),
        ("PAYDESK_ENV", "staging"),
    ],
)
def test_a_bad_setting_stops_the_start_and_is_named(name: str, value: str) -> None:
    with pytest.raises(config.SettingsError, match=name):
        config.load(**{**GOOD, name: value})


def test_the_message_never_shows_the_secret() -> None:
    with pytest.raises(config.SettingsError) as caught:
        config.load(**{**GOOD, "SECRET_KEY": "tiny-secret-value"})
    assert "tiny-secret-value" not in str(caught.value)


def test_demo_makes_its_secrets_once(tmp_path: Path) -> None:
    first = config.load(PAYDESK_ENV="demo", PAYDESK_HOME=str(tmp_path))
    second = config.load(PAYDESK_ENV="demo", PAYDESK_HOME=str(tmp_path))
    assert first.secret_key == second.secret_key
    assert (tmp_path / "demo-secrets.json").stat().st_mode & 0o077 == 0


def test_demo_refuses_to_listen_outside(tmp_path: Path) -> None:
    with pytest.raises(config.SettingsError, match="this machine only"):
        config.load(PAYDESK_ENV="demo", PAYDESK_HOME=str(tmp_path), HOST="0.0.0.0")


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description and field.alias for field in config.Settings.model_fields.values())


def test_database_address_uses_the_installed_driver() -> None:
    settings = config.load(**GOOD, DATABASE_URL="postgres://u@h/d")
    assert settings.sqlalchemy_url == "postgresql+psycopg://u@h/d"
