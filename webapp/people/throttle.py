"""Limits on tries, counted in Redis for all web processes together. When the store is away, sign-in is refused."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(get_remote_address, strategy="moving-window")


def storage_uri(redis_url: str) -> str:
    """The address as the limits library writes it: `unix://` becomes `redis+unix://`; memory without Redis."""
    if not redis_url:
        return "memory://"
    return "redis+" + redis_url if redis_url.startswith("unix://") else redis_url


def init_app(app: Flask) -> None:
    """Attach the limiter; an unreachable store raises, so that sign-in fails closed."""
    values: dict[str, Any] = {
        "RATELIMIT_STORAGE_URI": storage_uri(app.config.get("REDIS_URL") or ""),
        "RATELIMIT_SWALLOW_ERRORS": False,
    }
    app.config.update({k: v for k, v in values.items() if k not in app.config})
    limiter.init_app(app)
