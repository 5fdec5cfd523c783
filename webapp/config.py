"""Settings, read once from the environment. Every field says what it is and what happens without it."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_HOW_TO_MAKE = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


class SettingsError(Exception):
    """A setting is missing, weak or contradictory; the message says what to do."""


class Settings(BaseSettings):
    """All settings of one process. Names are the environment variables themselves."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    environment: Literal["production", "demo", "test"] = Field(
        "production",
        alias="PAYDESK_ENV",
        description="production (default), demo (demo accounts, sandbox bank, loopback only) or test.",
    )
    home: Path = Field(
        Path(".paydesk"),
        alias="PAYDESK_HOME",
        description="Folder for the embedded database, the embedded store, files and demo secrets.",
    )
    port: int = Field(
        8000,
        alias="PORT",
        ge=1,
        le=65535,
        description="Port that the web server listens on.",
    )
    host: str = Field(
        "127.0.0.1",
        alias="HOST",
        description="Address to listen on; demo mode refuses anything but loopback.",
    )
    base_url: str = Field(
        "",
        alias="PAYDESK_BASE_URL",
        description="Public address, such as https://pay.example.org; links in e-mails start with it.",
    )
    database_url: str = Field(
        "",
        alias="DATABASE_URL",
        description="PostgreSQL address (postgresql://…). Empty: an SQLite file in PAYDESK_HOME.",
    )
    redis_url: str = Field(
        "",
        alias="REDIS_URL",
        description="Redis address (redis:// or unix://). Empty: an embedded Valkey started in PAYDESK_HOME.",
    )
    secret_key: str = Field(
        "",
        alias="SECRET_KEY",
        repr=False,
        description="Signs session cookies; at least 32 characters.",
    )
    secret_key_fallbacks: str = Field(
        "",
        alias="SECRET_KEY_FALLBACKS",
        repr=False,
        description="Older secret keys, comma-separated, still accepted while they are being rotated out.",
    )
    field_keys: str = Field(
        "",
        alias="PAYDESK_FIELD_KEYS",
        repr=False,
        description="Keys for bank details: id:base64-of-32-bytes, comma-separated; the first one writes.",
    )
    index_key: str = Field(
        "",
        alias="PAYDESK_INDEX_KEY",
        repr=False,
        description="Key of the blind index that finds the same account at two payees; 32 characters or more.",
    )
    smtp_url: str = Field(
        "",
        alias="SMTP_URL",
        repr=False,
        description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…:465. "
        "Add ?tls=no only for an own relay without a password. "
        "Empty in demo mode: mail stays in the built-in outbox. Empty elsewhere: mail waits and says so.",
    )
    mail_from: str = Field(
        "Paydesk <no-reply@paydesk.invalid>",
        alias="MAIL_FROM",
        description="Sender of e-mails.",
    )
    trusted_proxies: int = Field(
        0,
        alias="TRUSTED_PROXIES",
        ge=0,
        le=5,
        description="Reverse proxies in front whose headers are believed.",
    )
    web_processes: int = Field(
        2, alias="WEB_PROCESSES", ge=1, le=64, description="gunicorn worker processes."
    )
    web_threads: int = Field(4, alias="WEB_THREADS", ge=1, le=64, description="Threads per gunicorn process.")
    storage_folder: str = Field(
        "",
        alias="PAYDESK_FILES",
        description="Folder for PDFs and uploads; empty: PAYDESK_HOME/files.",
    )
    storage_url: str = Field(
        "",
        alias="STORAGE_URL",
        description="S3-compatible storage for PDFs and uploads instead of the folder: "
        "s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-west-1. Several hosts need it (or a shared "
        "folder). Plain http only to this machine.",
    )
    storage_key: str = Field(
        "",
        alias="STORAGE_KEY",
        repr=False,
        description="Access key of the storage; AWS_ACCESS_KEY_ID when empty.",
    )
    storage_secret: str = Field(
        "",
        alias="STORAGE_SECRET",
        repr=False,
        description="Secret of the storage's access key; AWS_SECRET_ACCESS_KEY when empty.",
    )
    metrics_token: str = Field(
        "",
        alias="METRICS_TOKEN",
        repr=False,
        description="Bearer token for /metrics, at least 16 characters; without it that address does not exist.",
    )
    sandbox_delay: int = Field(
        5,
        alias="SANDBOX_SETTLE_SECONDS",
        ge=0,
        description="Seconds until the sandbox bank settles a transfer.",
    )
    simulator_url: str = Field(
        "",
        alias="PAYDESK_SIMULATOR_URL",
        description="Where simulated payment providers answer (paydesk simulator), such as http://127.0.0.1:8010. "
        "Demo and test only, this machine only. Empty in demo mode: the demo starts its own.",
    )

    second_factor: Literal["", "required", "optional"] = Field(
        "",
        alias="PAYDESK_SECOND_FACTOR",
        description="required: admins and accountants set up a second factor after sign-in and can do nothing "
        "else until they have. optional: everybody chooses. Empty: required in production, optional elsewhere.",
    )

    @field_validator("database_url")
    @classmethod
    def _use_psycopg(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value[len(prefix) :]
        return value

    @property
    def is_demo(self) -> bool:
        """Whether demo accounts, the demo bar and the demo pages exist."""
        return self.environment == "demo"

    @property
    def second_factor_required(self) -> bool:
        """Whether admins and accountants must have a second factor."""
        return (
            self.second_factor or ("required" if self.environment == "production" else "optional")
        ) == "required"

    @property
    def sqlalchemy_url(self) -> str:
        """The database address that SQLAlchemy takes."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'paydesk.sqlite'}"

    @property
    def files_folder(self) -> Path:
        """Where documents and uploads are kept."""
        return Path(self.storage_folder) if self.storage_folder else self.home.resolve() / "files"

    @property
    def storage_place(self) -> StoragePlace | None:
        """The bucket that STORAGE_URL names; None while files lie in a folder. Raises SettingsError."""
        return storage_place(self) if self.storage_url else None

    @property
    def signing_keys(self) -> list[str]:
        """The secret keys, older ones first: all of them are believed, the last one signs."""
        return [*filter(None, self.secret_key_fallbacks.split(",")), self.secret_key]

    @property
    def public_url(self) -> str:
        """Start of every absolute link, without a trailing slash."""
        return (self.base_url or f"http://localhost:{self.port}").rstrip("/")

    def flask(self) -> dict[str, Any]:
        """The settings as Flask and its extensions name them."""
        secure = self.environment == "production"
        return {
            "SECRET_KEY": self.secret_key,
            "SECRET_KEY_FALLBACKS": self.signing_keys[:-1],
            "SQLALCHEMY_DATABASE_URI": self.sqlalchemy_url,
            # Errors of the database must not carry what people typed into the logs.
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "pool_pre_ping": True,
                "hide_parameters": self.environment != "test",
            },
            "MIGRATIONS_FOLDER": Path(__file__).resolve().parent.parent / "migrations",
            "SESSION_COOKIE_NAME": "__Host-paydesk" if secure else "paydesk",
            "SESSION_COOKIE_SECURE": secure,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_PATH": "/",
            # The token lives as long as the session it is bound to; a page left open must still work.
            "WTF_CSRF_TIME_LIMIT": None,
            "WTF_CSRF_SSL_STRICT": False,
            "MAX_CONTENT_LENGTH": 12 * 1024 * 1024,
            "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
            "TESTING": self.environment == "test",
            "RATELIMIT_HEADERS_ENABLED": False,
            "COMPRESS_MIMETYPES": ["text/html", "text/css", "application/javascript", "text/javascript",
                                   "image/svg+xml"],
        }  # fmt: skip


@dataclass(frozen=True)
class StoragePlace:
    """An S3-compatible bucket and how to reach it. `endpoint` is empty for Amazon's own."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    session_token: str = field(repr=False, default="")


_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*(?:/|$))*")


def storage_place(settings: Settings) -> StoragePlace:
    """Take STORAGE_URL apart. Raises SettingsError that says which part is wrong, without the secret."""
    address = urlsplit(settings.storage_url)
    bucket, prefix = address.netloc, address.path.strip("/")
    options = dict(parse_qsl(address.query, keep_blank_values=True))
    if address.scheme != "s3" or not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix):
        raise SettingsError("STORAGE_URL is not of the form s3://bucket/prefix?endpoint=https://…&region=….")
    if unknown := sorted(set(options) - {"endpoint", "region"}):
        raise SettingsError(
            f"STORAGE_URL has the unknown part {unknown[0]!r}; known are endpoint and region."
        )
    endpoint = urlsplit(options.get("endpoint", ""))
    is_safe = endpoint.scheme == "https" or (endpoint.scheme == "http" and endpoint.hostname in _LOOPBACK)
    if options.get("endpoint") and (not is_safe or not endpoint.hostname or endpoint.username):
        raise SettingsError(
            "STORAGE_URL: the endpoint must begin with https:// (http:// only to this machine) and hold no password."
        )
    own = bool(settings.storage_key or settings.storage_secret)
    key = settings.storage_key if own else os.environ.get("AWS_ACCESS_KEY_ID", "")
    secret = settings.storage_secret if own else os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not key or not secret:
        raise SettingsError("STORAGE_URL is set: set STORAGE_KEY and STORAGE_SECRET as well.")
    token = "" if own else os.environ.get("AWS_SESSION_TOKEN", "")
    region = options.get("region") or "us-east-1"
    return StoragePlace(bucket, prefix, options.get("endpoint", ""), region, key, secret, token)


def field_key_ring(text: str) -> list[tuple[str, bytes]]:
    """Parse PAYDESK_FIELD_KEYS into (id, 32 bytes) pairs; raises SettingsError that names the bad part."""
    ring: list[tuple[str, bytes]] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, separator, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not separator or not name.isalnum() or len(key) != 32:
            raise SettingsError(
                f"PAYDESK_FIELD_KEYS: the part that begins with {name[:8]!r} is not id:base64-of-32-bytes. "
                "Make a key with: python3 -c 'import base64, secrets; "
                'print("k1:" + base64.b64encode(secrets.token_bytes(32)).decode())\''
            )
        ring.append((name, key))
    return ring


def _demo_secrets(home: Path) -> dict[str, str]:
    """Secrets of a demo: made once, kept in a file that only the owner can read."""
    path = home / "demo-secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PAYDESK_FIELD_KEYS": "demo:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "PAYDESK_INDEX_KEY": secrets.token_urlsafe(48),
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file)
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def home() -> Path:
    """The folder that the environment names, before any setting is read or made."""
    return Path(os.environ.get("PAYDESK_HOME", ".paydesk"))


def load(**overrides: Any) -> Settings:
    """Read the environment, check it, and return the settings. Raises SettingsError with what to do."""
    environment = overrides.get("PAYDESK_ENV") or os.environ.get("PAYDESK_ENV", "production")
    if environment == "demo":
        for name, value in _demo_secrets(Path(overrides.get("PAYDESK_HOME") or home())).items():
            if not os.environ.get(name):
                overrides.setdefault(name, value)
    try:
        settings = Settings(**overrides)
    except ValueError as error:
        raise SettingsError(f"The settings cannot be used. {error}") from None
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Refuse a start that would be unsafe. Raises SettingsError."""
    if settings.is_demo and settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise SettingsError("Demo mode listens on this machine only. Remove HOST, or set up production.")
    if len(settings.secret_key) < 32 or len(set(settings.secret_key)) < 10:
        raise SettingsError(f"SECRET_KEY is missing or weak (32 characters or more). {_HOW_TO_MAKE}")
    if len(settings.index_key) < 32 or settings.index_key == settings.secret_key:
        raise SettingsError(
            f"PAYDESK_INDEX_KEY is missing, weak, or the same as SECRET_KEY (32 characters or more). {_HOW_TO_MAKE}"
        )
    if not field_key_ring(settings.field_keys):
        field_key_ring(":")
    if settings.storage_url:
        storage_place(settings)
    if settings.metrics_token and len(settings.metrics_token) < 16:
        raise SettingsError(f"METRICS_TOKEN is weak (16 characters or more). {_HOW_TO_MAKE}")
    if settings.simulator_url:
        _check_simulator(settings)
    if settings.environment == "production" and not settings.public_url.startswith("https://"):
        local = ("http://localhost", "http://127.0.0.1")
        if not settings.public_url.startswith(local) or settings.base_url:
            raise SettingsError("PAYDESK_BASE_URL must begin with https:// in production.")


def _check_simulator(settings: Settings) -> None:
    address = urlsplit(settings.simulator_url)
    if settings.environment == "production":
        raise SettingsError(
            "PAYDESK_SIMULATOR_URL is set: simulated providers do not belong into production."
        )
    if address.scheme != "http" or address.hostname not in _LOOPBACK or address.path not in ("", "/"):
        raise SettingsError(
            "PAYDESK_SIMULATOR_URL is not an address of this machine, such as http://127.0.0.1:8010."
        )
