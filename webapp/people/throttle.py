"""Limits on tries, counted in Redis for all web processes together. When the store is away, sign-in is refused."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse_many

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


# Tries at a second factor, and at the password where somebody is signed in already: per person, failed ones only.
PROOF_LIMITS = parse_many("5 per 5 minutes; 20 per hour; 50 per day")


def may_try(user_id: int) -> bool:
    """Whether a person may try another code, key or password. Raises RedisError when the store is away."""
    return not limiter.enabled or all(limiter.limiter.test(one, _proof_key(user_id)) for one in PROOF_LIMITS)


def note_failure(user_id: int) -> None:
    """Count a wrong code, key or password against every limit. Raises RedisError when the store is away."""
    if limiter.enabled:
        for one in PROOF_LIMITS:
            limiter.limiter.hit(one, _proof_key(user_id))


def _proof_key(user_id: int) -> str:
    return f"proof:user:{user_id}"
