"""One call of an endpoint: to the internet alone, no redirects, bounded in time and size.

The address was typed by an admin, so it may lead anywhere. What its name leads to is checked at the moment of
connecting, and exactly the checked number is connected to: a name that answers differently the second time gains
nothing. The certificate is checked against the name.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore

from webapp.webhooks import rules

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 15.0, 20.0
# So much of an answer is read; of that the beginning is kept.
MAXIMUM_BYTES = 16_384


@dataclass(frozen=True)
class Answer:
    """What came back. `code` None: no answer, and `problem` says why."""

    code: int | None
    problem: str = ""
    text: str = ""
    milliseconds: int = 0
    # Seconds of a Retry-After.
    wish: float | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint has taken the event."""
        return rules.is_taken(self.code)


class Refused(httpcore.ConnectError):
    """The name leads into a private network."""


class _Call(threading.local):
    """When the call that this thread makes is over, on the monotonic clock."""

    until: float = math.inf


_call = _Call()


@contextmanager
def _over_after(seconds: float) -> Iterator[None]:
    """What this thread does on the network ends after so long in all."""
    _call.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _call.until = math.inf


def _left(timeout: float | None) -> float:
    """How long one step may take: `timeout`, or what is left of the call. Raises ReadTimeout when nothing is."""
    left = _call.until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the call took too long")
    return left if timeout is None else min(timeout, left)


class _Timed(httpcore.NetworkStream):
    """A connection on which the whole call has an end.

    The time-outs of a step begin anew with every byte: an endpoint that sends a header line now and then, or one
    "Early Hints" after the other, would never be over.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self.stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What comes next."""
        return self.stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send."""
        self.stream.write(buffer, _left(timeout))

    def close(self) -> None:
        """Hang up."""
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Agree on encryption; hangs up when that fails."""
        try:
            return _Timed(self.stream.start_tls(ssl_context, server_hostname, _left(timeout)))
        except httpcore.ReadTimeout:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Facts of the connection."""
        return self.stream.get_extra_info(info)


class _Guarded(httpcore.SyncBackend):
    """Connects to numbers of the internet alone; `is_trial` also to this machine."""

    def __init__(self, is_trial: bool) -> None:
        self.is_trial = is_trial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Look the name up, check every number it leads to, and connect to the first that answers."""
        last: Exception = httpcore.ConnectError("no address")
        for number in addresses(host, port, is_trial=self.is_trial):
            try:
                stream = super().connect_tcp(number, port, _left(timeout), local_address, socket_options)
                return _Timed(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never: endpoints are web servers."""
        raise Refused("no sockets of this machine")


def addresses(
    host: str, port: int, *, is_trial: bool, look_up: Callable[..., Any] = socket.getaddrinfo
) -> list[str]:
    """The numbers that a name leads to. Raises Refused when one of them is not of the internet."""
    try:
        found = look_up(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("unknown name") from error
    numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for number in numbers:
        # A name with one good and one bad number is not half allowed.
        if not rules.is_public(number) and not (is_trial and number in ("127.0.0.1", "::1")):
            raise Refused("a private network")
    return numbers[:4]


@cache
def _pool(process: int, is_trial: bool) -> httpcore.ConnectionPool:
    # One pool for each process: a connection must never be shared by a parent and its forked child.
    return httpcore.ConnectionPool(
        max_connections=64,
        max_keepalive_connections=16,
        keepalive_expiry=10.0,
        network_backend=_Guarded(is_trial),
    )


def post(url: str, body: str, headers: Mapping[str, str], *, is_trial: bool) -> Answer:
    """Post an event. Never raises for what the network or the endpoint does."""
    sent: list[tuple[bytes | str, bytes | str]] = [
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("user-agent", "Paydesk-Webhooks/1"),
        *headers.items(),
    ]
    timeouts = {
        "connect": CONNECT_SECONDS,
        "read": READ_SECONDS,
        "write": CONNECT_SECONDS,
        "pool": CONNECT_SECONDS,
    }
    started = time.monotonic()
    try:
        with (
            _over_after(TOTAL_SECONDS),
            _pool(os.getpid(), is_trial).stream(
                "POST", url, headers=sent, content=body.encode(), extensions={"timeout": timeouts}
            ) as response,
        ):
            text = _beginning(response)
            wish = rules.read_wish(_header(response, b"retry-after"))
            return Answer(response.status, _problem(response.status), text, _since(started), wish)
    except Refused:
        return Answer(None, "The name leads into a private network; nothing was sent.", "", _since(started))
    except httpcore.TimeoutException:
        return Answer(None, "No answer in time.", "", _since(started))
    except Exception as error:
        # What a certificate, an address or a server can do wrong is without end; each is a try that failed.
        return Answer(None, f"No connection ({type(error).__name__}).", "", _since(started))


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _problem(code: int) -> str:
    if rules.is_taken(code):
        return ""
    if 300 <= code < 400:
        return f"HTTP {code}: redirects are not followed. Enter the address that it leads to."
    if code == rules.GONE:
        return "HTTP 410: the endpoint wants nothing any more."
    return f"HTTP {code}."


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _beginning(response: httpcore.Response) -> str:
    """The beginning of the answer as text without control characters; the rest is not waited for."""
    read = b""
    try:
        for part in response.iter_stream():
            read += part
            if len(read) > MAXIMUM_BYTES:
                break
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError):
        # The code stands at the front: what comes after it is for people alone.
        pass
    text = read[: rules.ANSWER_LENGTH * 4].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else " " for sign in text)[: rules.ANSWER_LENGTH]
