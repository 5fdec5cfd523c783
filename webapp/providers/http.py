"""One way to call a provider: pooled, with limits on time and size, and a verdict when no answer came.

What matters for money is whether the request can have reached the provider. Only what failed before it was written
(no address, refused, no TLS) is "not sent"; everything else that is not a readable answer is "unknown".
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import uuid4

import httpx

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
# From the first byte sent to the last byte read; well below the lease of a worker's claim.
TOTAL_SECONDS = 30.0
MAXIMUM_BYTES = 1_000_000
_NOTHING_WAS_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True)
class Reply:
    """What came back. `status` 0: nothing readable did, and `was_sent` says whether the request may have arrived."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    was_sent: bool = True
    request_id: str = ""

    @property
    def is_ok(self) -> bool:
        """A readable 2xx."""
        return 200 <= self.status < 300


@cache
def _client(process: int) -> httpx.Client:
    # One pool for each process: a connection must never be shared by a parent and its forked child.
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
    return httpx.Client(timeout=timeout, limits=limits, follow_redirects=False, trust_env=False)


class _TooMuch(Exception):
    """The answer is longer, or takes longer, than any real one."""


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    content: str | None = None,
    form: Mapping[str, str] | None = None,
) -> Reply:
    """Make one call and read its JSON. Never raises for what the network or the provider does."""
    request_id = uuid4().hex
    sent = {"accept": "application/json", "x-request-id": request_id, **headers}
    if content is not None:
        sent["content-type"] = "application/json"
    started = time.monotonic()
    try:
        with _client(os.getpid()).stream(
            method, url, headers=sent, params=params, content=content, data=form
        ) as response:
            text = _read(response, started)
            return _reply(response, text, request_id)
    except _NOTHING_WAS_SENT as error:
        return Reply(
            0, problem=f"No connection ({type(error).__name__}).", was_sent=False, request_id=request_id
        )
    except (httpx.HTTPError, _TooMuch) as error:
        return Reply(0, problem=f"No readable answer ({type(error).__name__}).", request_id=request_id)


def _read(response: httpx.Response, started: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAXIMUM_BYTES or time.monotonic() - started > TOTAL_SECONDS:
            raise _TooMuch
        parts.append(part)
    return b"".join(parts)


def _reply(response: httpx.Response, text: bytes, request_id: str) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return Reply(response.status_code, body, headers, request_id=request_id)
    problem = f"HTTP {response.status_code} with an unreadable body."
    # A refusal is one whatever its body looks like; a "yes" that cannot be read says nothing.
    status = response.status_code if response.status_code >= 400 else 0
    return Reply(status, {}, headers, problem, request_id=request_id)


def exact_json(body: Mapping[str, Any]) -> str:
    """JSON in which every Decimal is written as it is (9056.00), which a float could not promise."""
    numbers: dict[str, str] = {}

    def mark(value: Any) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError(f"{type(value).__name__} cannot be sent")
        name = f"\N{SYMBOL FOR NULL}{uuid4().hex}"
        numbers[json.dumps(name)] = f"{value:f}"
        return name

    text = json.dumps(body, default=mark, allow_nan=False)
    for name, number in numbers.items():
        text = text.replace(name, number)
    return text


def minor_of(value: Any, places: int = 2) -> int | None:
    """A provider's major-unit number as minor units; None when it is no exact amount."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        return None
    try:
        scaled = Decimal(value).scaleb(places)
        return int(scaled) if scaled.is_finite() and scaled == scaled.to_integral_value() else None
    except ArithmeticError:
        return None


def plain(value: Any) -> Any:
    """A copy that the database's JSON takes: exact numbers as text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Decimal) else value
