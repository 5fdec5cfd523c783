"""How many calls a token may make. Counted in the same store as the limits of sign-in, for all web processes."""

from __future__ import annotations

import time
from math import ceil

import structlog
from flask import Response, current_app, g, request
from limits import RateLimitItem, parse
from redis import RedisError

from webapp.api.problems import Problem
from webapp.people.throttle import limiter
from webapp.web.guards import SAFE_METHODS

log = structlog.get_logger()

READS = parse("600/minute")
WRITES = parse("120/minute")
# Wrong tokens from one address: nobody guesses 256 bits, but nobody needs to keep trying either.
REFUSED = parse("60/minute")


def _is_on() -> bool:
    return bool(limiter.enabled and current_app.config.get("RATELIMIT_ENABLED", True))


def _hit(item: RateLimitItem, kind: str, who: str) -> tuple[bool, int, int]:
    """Count one call: whether it may go on, how many are left, seconds until there are more."""
    strategy = limiter.limiter
    may = strategy.hit(item, "api", kind, who)
    window = strategy.get_window_stats(item, "api", kind, who)
    return may, int(window.remaining), max(1, ceil(window.reset_time - time.time()))


def count(token_id: int) -> None:
    """Count a call of a token; reads and writes apart. Raises Problem 429.

    A store that is away does not stop people who have proved who they are: the call goes on, uncounted.
    """
    if not _is_on():
        return
    kind, item = ("read", READS) if request.method in SAFE_METHODS else ("write", WRITES)
    try:
        may, left, seconds = _hit(item, kind, str(token_id))
    except RedisError as error:
        log.warning("api.not_counted", error=type(error).__name__)
        return
    g.api_limit = (item.amount, left, seconds)
    if not may:
        raise Problem("too-many", headers={"Retry-After": str(seconds)})


def count_refused(address: str) -> None:
    """Count a wrong token from an address. Raises Problem 429 after too many."""
    if not _is_on():
        return
    try:
        may, _, seconds = _hit(REFUSED, "refused", address)
    except RedisError as error:
        log.warning("api.not_counted", error=type(error).__name__)
        return
    if not may:
        raise Problem("too-many", headers={"Retry-After": str(seconds)})


def write_headers(response: Response) -> Response:
    """Tell how many calls are left, on every counted answer."""
    counted: tuple[int, int, int] | None = g.get("api_limit")
    if counted:
        limit, left, seconds = counted
        response.headers["RateLimit-Limit"] = str(limit)
        response.headers["RateLimit-Remaining"] = str(left)
        response.headers["RateLimit-Reset"] = str(seconds)
    return response
